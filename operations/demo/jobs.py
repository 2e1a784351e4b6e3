"""The jobs of a demonstration: real programs with real inputs, and what their outputs mean."""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import wasmtime

from examples.results import black_scholes_call, join_prices, join_tiles
from operations.run.layout import PROJECT
from suan.client.api import Output
from suan.client.job import JobReport, measure

OPTION = {"spot": 100.0, "strike": 105.0, "rate": 0.03, "volatility": 0.2, "years": 1.0}
OPTION_PATHS = 250_000
SMALL_OPTION_PATHS = 2_000
PICTURE = {"width": 512, "height": 384, "columns": 4, "rows": 3}
TILES = PICTURE["columns"] * PICTURE["rows"]
NBODY_STEPS = 40_000
ERRORS_MAX = 4.0
"""A Monte Carlo mean lies within four standard errors of the truth in 99.99 % of all cases."""
TRAP_TEXT = """(module (memory (export "memory") 1)
  (func (export "_start") (local $i i32)
    (loop $again
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 400000))))
    (i32.store (i32.const -4) (local.get $i))))"""


@dataclass(frozen=True)
class Job:
    """A program, its input, and the ceiling that measuring it suggested."""

    name: str
    module: bytes
    stdin: bytes
    ceiling_units: int
    report: JobReport


def sources() -> dict[str, tuple[bytes, bytes, int]]:
    """Module, input and runs to measure of each job, by name."""
    build = PROJECT / "examples" / "build"
    option = " ".join(str(value) for value in (*OPTION.values(), OPTION_PATHS))
    picture = " ".join(str(value) for value in PICTURE.values())
    return {
        "nbody": ((build / "nbody.wasm").read_bytes(), f"{NBODY_STEPS}".encode(), 1),
        "picture": (
            (build / "mandelbrot.wasm").read_bytes(),
            picture.encode(),
            TILES,
        ),
        "option": ((build / "option.wasm").read_bytes(), option.encode(), 1),
        "trap": (bytes(wasmtime.wat2wasm(TRAP_TEXT)), b"", 1),
    }


def small_sources() -> dict[str, tuple[bytes, bytes, int]]:
    """As `sources`, but jobs that take a few milliseconds: for runs that are about the market, not about the work."""
    option, _, _ = sources()["option"]
    text = " ".join(str(value) for value in (*OPTION.values(), SMALL_OPTION_PATHS))
    return {"option": (option, text.encode(), 1), "trap": sources()["trap"]}


def measured(folder: Path, wanted: Mapping[str, tuple[bytes, bytes, int]] | None = None) -> dict[str, Job]:
    """Measure every job (of `sources`, unless others are given) on this machine, as a buyer does before the first bid."""
    folder.mkdir(parents=True, exist_ok=True)

    def one(item: tuple[str, tuple[bytes, bytes, int]]) -> Job:
        name, (module, stdin, runs) = item
        path = folder / f"{name}.wasm"
        path.write_bytes(module)
        report = measure(path, stdin=stdin, runs=runs)
        ceiling = report.suggested_ceiling_units
        if ceiling is None:
            raise RuntimeError(f"the job {name} delivers nothing on this machine: {report.problems}")
        return Job(name, module, stdin, ceiling, report)

    with ThreadPoolExecutor(2) as pool:
        return {job.name: job for job in pool.map(one, (sources() if wanted is None else wanted).items())}


def save_picture(outputs: list[Output], path: Path) -> None:
    """Join the tiles in run order and write the PNG."""
    path.write_bytes(join_tiles([output.data for output in outputs], **PICTURE))


@dataclass(frozen=True)
class OptionResult:
    """The pooled Monte Carlo price beside the closed form."""

    paths: int
    mean: float
    error: float
    closed_form: float

    @property
    def agrees(self) -> bool:
        """Whether the two differ by no more than ERRORS_MAX standard errors."""
        return math.fabs(self.mean - self.closed_form) <= ERRORS_MAX * self.error


def option_result(outputs: list[Output]) -> OptionResult:
    """Pool the runs of all option bids."""
    pooled = join_prices([output.data for output in outputs])
    return OptionResult(pooled.paths, pooled.mean, pooled.error, black_scholes_call(**OPTION))
