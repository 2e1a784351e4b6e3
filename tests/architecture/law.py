"""Which modules have a floor: what the exhaustive layers contracts of .importlinter cover."""

import configparser
from collections.abc import Mapping
from pathlib import Path

from tests.architecture.modules import Module


def floors(root: Path) -> dict[str, set[str]]:
    """Per container of an exhaustive layers contract, the children that its layers name."""
    law = configparser.ConfigParser()
    law.read(root / ".importlinter")
    named: dict[str, set[str]] = {}
    for section in map(law.__getitem__, law.sections()):
        if section.get("type") != "layers" or not section.getboolean("exhaustive", fallback=False):
            continue
        layers = section["layers"].replace("|", " ").replace(":", " ").split()
        for container in section.get("containers", "").split():
            named[container] = {layer.strip("()") for layer in layers}
    return named


def without_floor(modules: Mapping[str, Module], root: Path) -> list[str]:
    """The modules whose direct container has no exhaustive contract, or one that does not name them. Roots have none."""
    named = floors(root)
    return sorted(
        name
        for name, module in modules.items()
        if module.container and name.rpartition(".")[2] not in named.get(module.container, ())
    )
