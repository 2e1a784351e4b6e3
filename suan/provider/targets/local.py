"""This machine as a target: each run in a child process of the runtime that its resource class names."""

from __future__ import annotations

from suan.core.units import Mflops
from suan.runtime import RunRequest, RunResult, runner_for


class LocalTarget:
    """Runs jobs here, with the first engine of their runner."""

    def measure_rate(self, resource_class: str) -> Mflops:
        return runner_for(resource_class).measure_rate(resource_class)

    def execute(self, request: RunRequest) -> RunResult:
        runner = runner_for(request.resource_class)
        return runner.run(request, runner.engines[0])
