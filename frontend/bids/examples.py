"""Jobs that a visitor can bid with at once: the compiled examples, an input, and a ceiling that covers it.

The ceilings are what `suan job measure` suggests for these inputs, for the dearer of the two classes and with a fifth
on top; a test runs each job under its ceiling.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Example:
    """file: below examples/build. stdin: its default input. ceiling_units: of one run. runs: how many make sense."""

    name: str
    title: str | Promise
    file: str
    stdin: str
    ceiling_units: int
    runs: int

    @property
    def path(self) -> Path:
        return Path(settings.BASE_DIR) / "examples" / "build" / self.file


ALL: Final = (
    Example("nbody", _("Sun and giant planets, 20,000 steps (FP64)"), "nbody.wasm", "20000", 32, 2),
    Example(
        "option",
        _("Monte Carlo price of an option, 200,000 paths"),
        "option.wasm",
        "100 105 0.03 0.2 1 200000",
        24,
        2,
    ),
    Example("mandelbrot", _("Mandelbrot picture in four tiles"), "mandelbrot.wasm", "256 256 2 2", 544, 4),
)


def available() -> list[Example]:
    """Examples that were compiled on this machine."""
    return [example for example in ALL if example.path.is_file()]


def by_name(name: str) -> Example | None:
    return next((example for example in available() if example.name == name), None)
