"""The example jobs: reproducible bytes, right results, the same on both engines."""

import hashlib
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from examples.results import black_scholes_call, join_prices, join_tiles
from suan.core.delivery.receipts import ExitReason
from suan.runtime.runner import RunResult
from suan.runtime.wasm.run import check_module
from tests.runtime.jobs import execute

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
OPTION = b"100 105 0.03 0.2 1 200000"


@pytest.fixture(scope="module")
def built() -> dict[str, bytes]:
    """The example jobs, compiled now; the build script itself compares them with SHA256SUMS."""
    node = shutil.which("node")
    assert node, "the examples need node 20 or newer"
    done = subprocess.run([node, "examples/build.mjs"], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return {path.stem: path.read_bytes() for path in (EXAMPLES / "build").glob("*.wasm")}


def seed(number: int) -> bytes:
    return hashlib.sha256(b"run %d" % number).digest()


def ok(result: RunResult) -> RunResult:
    assert result.exit_reason is ExitReason.OK, result.detail
    return result


def test_the_bytes_are_the_published_ones_and_may_be_jobs(built: dict[str, bytes]) -> None:
    sums = dict(line.split()[::-1] for line in (EXAMPLES / "SHA256SUMS").read_text().splitlines())
    assert {f"build/{name}.wasm": hashlib.sha256(code).hexdigest() for name, code in built.items()} == sums
    for code in built.values():
        assert check_module(code) == []


def test_the_solar_system_keeps_its_energy_and_a_run_index_turns_saturn(built: dict[str, bytes]) -> None:
    first, second = (
        ok(execute(built["nbody"], stdin=b"20000 2", run=run)).output.decode() for run in (0, 90)
    )
    for text in (first, second):
        lines = text.splitlines()
        assert [line.split()[0] for line in lines] == [
            "sun",
            "jupiter",
            "saturn",
            "uranus",
            "neptune",
            "drift",
        ]
        assert abs(float(lines[-1].split()[1])) < 1e-7
    assert first != second


def test_the_option_price_meets_the_closed_form(built: dict[str, bytes]) -> None:
    results = [ok(execute(built["option"], stdin=OPTION, seed=seed(run))) for run in range(4)]
    assert len({result.output for result in results}) == 4
    price = join_prices([result.output for result in results])
    exact = black_scholes_call(spot=100, strike=105, rate=0.03, volatility=0.2, years=1)
    assert price.paths == 800_000
    assert 0 < price.error < 0.02
    assert abs(price.mean - exact) < 4 * price.error


def test_the_tiles_join_to_a_picture(built: dict[str, bytes]) -> None:
    stdin = b"64 48 2 2 200"
    tiles = [ok(execute(built["mandelbrot"], stdin=stdin, run=run)).output for run in range(4)]
    whole = ok(execute(built["mandelbrot"], stdin=b"64 48 1 1 200")).output
    png = join_tiles(tiles, width=64, height=48, columns=2, rows=2)
    assert png == join_tiles([whole], width=64, height=48, columns=1, rows=1)
    assert len(set(whole)) > 50  # A picture, not a plain surface.
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", png[16:24]) == (64, 48)
    size = struct.unpack(">I", png[33:37])[0]
    assert len(zlib.decompress(png[41 : 41 + size])) == 48 * (1 + 3 * 64)
    with pytest.raises(ValueError, match="4 tiles"):
        join_tiles(tiles[:3], width=64, height=48, columns=2, rows=2)


def test_a_tile_outside_the_picture_traps(built: dict[str, bytes]) -> None:
    result = execute(built["mandelbrot"], stdin=b"64 48 2 2 200", run=4)
    assert result.exit_reason is ExitReason.TRAP
    assert result.output == b""


@pytest.mark.parametrize(
    ("name", "stdin"),
    [("nbody", b"3000 2"), ("option", b"100 105 0.03 0.2 1 20000"), ("mandelbrot", b"32 32 2 2 300")],
)
def test_compiled_and_interpreted_runs_agree(built: dict[str, bytes], name: str, stdin: bytes) -> None:
    compiled, interpreted, again = (
        ok(execute(built[name], stdin=stdin, run=3, seed=seed(3), engine=engine))
        for engine in ("cranelift", "pulley", "cranelift")
    )
    for result in (interpreted, again):
        assert result.output == compiled.output
        assert result.counters == compiled.counters
        assert result.fuel == compiled.fuel
        assert result.peak_memory_bytes == compiled.peak_memory_bytes
    assert compiled.engine == interpreted.engine == "wasmtime-50.0.1"
    assert compiled.counters.fp64 > 0
