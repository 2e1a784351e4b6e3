"""WebAssembly as one runner among others: wasmtime compiles with Cranelift, Pulley interprets and confirms."""

from __future__ import annotations

from suan.core.problems import Problem
from suan.core.units import Mflops
from suan.runtime.runner import Engine, RunRequest, RunResult
from suan.runtime.wasm import benchmark, contract, run


class WasmRunner:
    """The runner of suan.runtime.wasm; stateless, its child processes belong to `suan.runtime.wasm.run`."""

    version = run.ENGINE
    engines = (Engine(run.ENGINES[0], 1), Engine(run.ENGINES[1], 40))
    """Measured: Pulley interprets about forty times slower than Cranelift's code runs."""
    module_bytes_max = contract.MODULE_BYTES_MAX
    input_bytes_max = contract.INPUT_BYTES_MAX

    def check(self, module: bytes) -> list[Problem]:
        return run.check_module(module)

    def run(self, request: RunRequest, engine: Engine) -> RunResult:
        return run.run_job(request, engine.name)

    def measure_rate(self, resource_class: str) -> Mflops:
        return benchmark.measure_rate(resource_class).rate_mflops


WASM = WasmRunner()
