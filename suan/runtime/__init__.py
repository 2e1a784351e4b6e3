"""Running jobs: `runner_for` a resource class gives the Runner; agent, verifier, auditor and buyer speak to it alone.

Names are loaded on first use: the child process imports this package too and must start quickly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from suan.runtime.registry import runner_for
    from suan.runtime.runner import Engine, RunLimits, Runner, RunRequest, RunResult

__all__ = ["Engine", "RunLimits", "RunRequest", "RunResult", "Runner", "runner_for"]


def __getattr__(name: str) -> Any:
    if name == "runner_for":
        from suan.runtime import registry

        return registry.runner_for
    if name in __all__:
        from suan.runtime import runner

        return getattr(runner, name)
    raise AttributeError(f"module 'suan.runtime' has no attribute {name!r}")
