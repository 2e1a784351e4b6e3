"""The house in figures: `python -m tests.architecture.figures [--root DIR] [--json]`; the last line sums up.

Production is suan, ledger, marketplace, frontend and operations without migrations. A folder's modules count with
`__init__.py`; a box is a child of a package with everything below it. Lengths are lines with comments and blanks.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.architecture import graph, law
from tests.architecture.modules import Module, production, read

FOLDER_MODULES_MAX = 14

TESTED_BY = {
    "suan.core": ("core", "clearing", "vectors", "oracle"),
    "suan.runtime": ("runtime",),
    "suan.client": ("client", "audit"),
    "suan.commands": ("commands",),
    "suan.provider": ("provider",),
    "suan.verifier": ("verifier",),
    "ledger": ("ledger", "database"),
    "marketplace.accounts": ("accounts",),
    "marketplace.book": ("book",),
    "marketplace.clearing": (),
    "marketplace.delivery": ("delivery",),
    "marketplace.receipts": ("receipts",),
    "marketplace.settlement": ("settlement",),
    "frontend": ("frontend", "browser"),
    "operations": ("operations",),
}
"""The folders of tests that try a room. tests/clearing tries the rule and its room; journeys and fixtures try the whole."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, 95th percentile and longest, by nearest rank; zero where there is nothing to measure."""

    median: int
    p95: int
    longest: int

    def __str__(self) -> str:
        return f"{self.median}/{self.p95}/{self.longest}"


@dataclass(frozen=True, slots=True)
class Room:
    """One package. inside: imports between its modules; boxes: its children, between: imports among those; into: imports
    of its modules from outside."""

    name: str
    modules: int
    lines: int
    boxes: int
    between: int
    inside: int
    into: int


@dataclass(frozen=True, slots=True)
class Tested:
    room: str
    lines: int
    test_lines: int

    @property
    def ratio(self) -> str:
        return f"{self.test_lines / self.lines:.2f}" if self.lines else "-"


@dataclass(frozen=True, slots=True)
class Figures:
    modules: int
    folders: dict[str, int]
    rooms: list[Room]
    circles: list[tuple[str, ...]]
    functions: Spread
    files: Spread
    without_floor: list[str]
    tested: list[Tested]

    @property
    def covered_percent(self) -> int:
        """Rounded down, so that 100 means all."""
        return (self.modules - len(self.without_floor)) * 100 // self.modules if self.modules else 0

    def summary(self) -> str:
        most = max(self.folders.values(), default=0)
        return (
            f"figures: {self.modules} modules, most in one folder {most} (limit {FOLDER_MODULES_MAX}), "
            f"circles {len(self.circles)}, functions {self.functions} lines (median/95th/longest), files {self.files}, "
            f"{self.covered_percent} % of modules on an exhaustive floor, tests {self.tested[-1].ratio} of the code"
        )


def measure(root: Path) -> Figures:
    """Measure the tree at `root`: its production, its tests and its import law."""
    modules, tests = production(root), read(root, "tests")
    everything = [*modules.values(), *tests.values()]
    return Figures(
        modules=len(modules),
        folders=dict(Counter(str(module.folder) for module in everything).most_common()),
        rooms=[_room(modules, package) for package in graph.packages(modules) if package],
        circles=graph.circles(modules),
        functions=spread(length for module in modules.values() for length in module.functions),
        files=spread(module.lines for module in modules.values()),
        without_floor=law.without_floor(modules, root),
        tested=_tested(modules, tests),
    )


def spread(lengths: Iterable[int]) -> Spread:
    ranked = sorted(lengths)
    if not ranked:
        return Spread(0, 0, 0)
    return Spread(ranked[(len(ranked) - 1) // 2], ranked[(len(ranked) * 95 + 99) // 100 - 1], ranked[-1])


def _room(modules: Mapping[str, Module], package: str) -> Room:
    own = {name for name in modules if name == package or name.startswith(package + ".")}
    arrows = [
        (name, target) for name, module in modules.items() for target in module.imports if target in own
    ]
    boxes = {box for name in own if (box := graph.box_of(name, package))}
    between = graph.between_boxes(modules, package)
    return Room(
        name=package,
        modules=len(own),
        lines=sum(modules[name].lines for name in own),
        boxes=len(boxes),
        between=sum(map(len, between.values())),
        inside=sum(name in own for name, _ in arrows),
        into=sum(name not in own for name, _ in arrows),
    )


def _tested(modules: Mapping[str, Module], tests: Mapping[str, Module]) -> list[Tested]:
    """Lines of production and of tests per room, then of the whole house."""

    def below(tree: Mapping[str, Module], *tops: str) -> int:
        return sum(
            module.lines
            for name, module in tree.items()
            if any(f"{name}.".startswith(f"{top}.") for top in tops)
        )

    rooms = [
        Tested(room, below(modules, room), below(tests, *(f"tests.{folder}" for folder in folders)))
        for room, folders in TESTED_BY.items()
    ]
    return [
        *rooms,
        Tested("whole", below(modules, *{n.split(".")[0] for n in modules}), below(tests, "tests")),
    ]


def report(figures: Figures) -> str:
    """The tables, for people; the last line is the summary."""
    rooms = sorted(figures.rooms, key=lambda room: room.name)
    crowded = [
        (folder, str(count)) for folder, count in figures.folders.items() if count > FOLDER_MODULES_MAX - 4
    ]
    return "\n\n".join(
        [
            _table("folder", ("modules",), crowded),
            _table(
                "package",
                ("modules", "lines", "boxes", "between boxes", "inside", "into"),
                [(room.name, *map(str, list(asdict(room).values())[1:])) for room in rooms],
            ),
            _table(
                "tests of",
                ("code", "tests", "ratio"),
                [(t.room, str(t.lines), str(t.test_lines), t.ratio) for t in figures.tested],
            ),
            "\n".join(
                ["circles:", *(f"  {' <-> '.join(circle)}" for circle in figures.circles or [("none",)])]
            ),
            "\n".join(["without a floor:", *(f"  {name}" for name in figures.without_floor or ["none"])]),
            figures.summary(),
        ]
    )


def _table(title: str, heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    width = max(len(row[0]) for row in [(title,), *rows])
    lines = [(title, *heads), *rows]
    return "\n".join(
        line[0].ljust(width)
        + "".join(cell.rjust(max(8, len(head) + 2)) for head, cell in zip(heads, line[1:], strict=True))
        for line in lines
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.architecture.figures", description=__doc__)
    parser.add_argument(
        "--root", type=Path, default=Path(__file__).resolve().parents[2], help="the tree to measure"
    )
    parser.add_argument("--json", action="store_true", help="the same facts as JSON, without tables")
    arguments = parser.parse_args()
    figures = measure(arguments.root)
    if arguments.json:
        print(json.dumps({**asdict(figures), "summary": figures.summary()}, indent=1))
    else:
        print(report(figures))


if __name__ == "__main__":
    main()
