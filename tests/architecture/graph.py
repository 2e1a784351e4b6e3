"""Arrows and circles: who imports whom, between modules and between the boxes of a package."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from tests.architecture.modules import Module

Arrows = dict[str, set[str]]


def between_modules(modules: Mapping[str, Module]) -> Arrows:
    return {name: set(module.imports) for name, module in modules.items()}


def between_boxes(modules: Mapping[str, Module], package: str) -> Arrows:
    """Arrows between the direct children of a package, each with everything below it. `package` "" compares the roots.

    The package's own `__init__`, its face, is no box.
    """
    arrows: Arrows = defaultdict(set)
    for module in modules.values():
        box = box_of(module.name, package)
        if box:
            arrows[box] |= {other for name in module.imports if (other := box_of(name, package))} - {box}
    return dict(arrows)


def box_of(name: str, package: str) -> str | None:
    """The child of the package to which a module belongs, None when it lies outside or is the package itself."""
    inside = name if not package else name.removeprefix(package + ".")
    if package and inside == name:
        return None
    return ".".join(filter(None, [package, inside.split(".")[0]]))


def packages(modules: Mapping[str, Module]) -> list[str]:
    """Every package that holds modules, and "" for the tree itself."""
    return sorted({module.container for module in modules.values()})


def circles(modules: Mapping[str, Module]) -> list[tuple[str, ...]]:
    """Every circle of imports: among modules, and among the boxes of each package. A circle is named once, by its members."""
    graphs = [between_modules(modules), *(between_boxes(modules, package) for package in packages(modules))]
    return sorted({circle for arrows in graphs for circle in _knots(arrows)})


def _knots(arrows: Arrows) -> Iterator[tuple[str, ...]]:
    """Groups of two and more that reach one another."""
    reach = {start: _reached(arrows, start) for start in arrows}
    seen: set[str] = set()
    for name in sorted(arrows):
        if name in seen or name not in reach[name]:
            continue
        knot = {other for other in reach[name] if name in reach.get(other, ())}
        seen |= knot
        yield tuple(sorted(knot))


def _reached(arrows: Arrows, start: str) -> set[str]:
    reached: set[str] = set()
    todo = [start]
    while todo:
        fresh = arrows.get(todo.pop(), set()) - reached
        reached |= fresh
        todo += fresh
    return reached
