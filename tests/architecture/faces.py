"""Rooms of ledger and core are entered by their face: what `__init__` names in `__all__`, and nothing behind it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.architecture.modules import name_of
from tests.architecture.source import Source

HALLS = ("ledger", "suan/core")
"""Folders whose rooms have a face."""

SIDE_DOORS = {
    "ledger.chain.rpc": "speaks to the node; the import law names who may",
    "ledger.chain.signer": "holds the keys; the import law names who may",
    "ledger.deployment.compile": "needs the compiler, which nobody who serves the market loads",
    "ledger.deployment.deploy": "for the command that deploys",
    "ledger.evidence.urls": "a URL file, included by its name",
}
"""Modules that are entered by name, and why the face does not show them."""

LESSON = (
    "A room is entered by its face: import the name from the room, and let its __init__ show it in __all__ "
    "if others may use it."
)
WITHOUT_FACE = ("ledger.deployment", "ledger.management", "ledger.migrations")


def rooms(source: Source) -> dict[str, Path]:
    """The face of every room of the halls, by the room's module."""
    return {
        name_of(face.relative_to(source.root)): face.relative_to(source.root)
        for hall in HALLS
        for face in sorted((source.root / hall).glob("*/__init__.py"))
        if name_of(face.relative_to(source.root)) not in WITHOUT_FACE
    }


def room_of(module: str, known: Mapping[str, Path]) -> str | None:
    """The room in which a module lies, or which it is."""
    parts = module.split(".")
    return next((one for n in range(len(parts), 1, -1) if (one := ".".join(parts[:n])) in known), None)


def shown(source: Source, face: Path) -> list[str]:
    """What a face names in `__all__`; nothing if it has none."""
    for node in source.nodes(face):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [str(name) for name in ast.literal_eval(node.value)]
    return []


def imports(source: Source, path: Path) -> Iterator[tuple[int, str, str]]:
    """(line, module, name) of every `from module import name`."""
    for node in source.nodes(path):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield node.lineno, node.module, alias.name


def side_entrances(source: Source) -> list[str]:
    """Imports from outside of a room that do not go through its face, and faces without `__all__`."""
    known = rooms(source)
    names = {room: frozenset(shown(source, face)) for room, face in known.items()}
    found = [f"{face}: no __all__" for room, face in known.items() if not names[room]]
    for path in source.files():
        for line, module, name in imports(source, path):
            room = room_of(module, known)
            if room is None or f"{name_of(path)}.".startswith(f"{room}."):
                continue
            if module in SIDE_DOORS or f"{module}.{name}" in SIDE_DOORS:
                continue
            if module != room or name not in names[room]:
                found.append(f"{path}:{line}: from {module} import {name}")
    return found


def unused(source: Source) -> list[str]:
    """Names on a face that nobody outside of the room uses, tests included."""
    known = rooms(source)
    used: dict[str, set[str]] = {}
    for path in [*source.files(), *source.files("tests", "benchmarks")]:
        for _, module, name in imports(source, path):
            used.setdefault(module, set()).add(name)
            if f"{module}.{name}" in known:
                # `from ledger import journal`: what is used is what the file says behind `journal.`.
                used.setdefault(f"{module}.{name}", set()).update(attributes(source, path))
    return [
        f"{face}: {name}"
        for room, face in known.items()
        for name in shown(source, face)
        if name not in used.get(room, set())
    ]


def attributes(source: Source, path: Path) -> set[str]:
    return {node.attr for node in source.nodes(path) if isinstance(node, ast.Attribute)}
