"""The runners there are, by the name of the runtime that products and offers carry. Each is loaded on first use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from suan.core.orders import runtime_of
from suan.runtime.runner import Runner


def _wasm() -> Runner:
    from suan.runtime.wasm.runner import WASM

    return WASM


RUNNERS: Final[dict[str, Callable[[], Runner]]] = {"wasm": _wasm}


def runner_for(resource_class: str) -> Runner:
    """The runner of a resource class. Raises ValueError for a class that is not traded."""
    return RUNNERS[runtime_of(resource_class)]()
