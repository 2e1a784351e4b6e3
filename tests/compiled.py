"""One compiler's cache for all tests, kept from run to run: its files are named by the sources, so a change misses them."""

from pathlib import Path

from operations.run.layout import PROJECT

FOLDER = PROJECT / ".pytest_cache" / "compiled"


def share(var: Path) -> None:
    """Let a `var/` that is made for tests use the cache."""
    (FOLDER / "contracts").mkdir(parents=True, exist_ok=True)
    var.mkdir(parents=True, exist_ok=True)
    (var / "contracts").symlink_to(FOLDER / "contracts")
