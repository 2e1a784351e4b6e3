"""What the outputs of the example jobs become: a picture from tiles, a price from runs.

Standard library only; used by the demonstration and by anybody who bought the example jobs.
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import NamedTuple


class Price(NamedTuple):
    """A Monte Carlo estimate: number of paths, mean, standard error of the mean."""

    paths: int
    mean: float
    error: float


def join_tiles(tiles: list[bytes], *, width: int, height: int, columns: int, rows: int) -> bytes:
    """The PNG (8 bits, RGB) of a picture whose tiles are given in run order.

    Raises ValueError when a tile is missing or has another size than the picture's shape says.
    """
    tile_width, tile_height = width // columns, height // rows
    if len(tiles) != columns * rows or any(len(tile) != 3 * tile_width * tile_height for tile in tiles):
        raise ValueError(f"{columns * rows} tiles of {3 * tile_width * tile_height} bytes are needed")
    lines = []
    for line in range(height):
        row, inner = divmod(line, tile_height)
        start = 3 * tile_width * inner
        parts = [tiles[row * columns + column][start : start + 3 * tile_width] for column in range(columns)]
        lines.append(b"\0" + b"".join(parts))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(lines), 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def join_prices(outputs: list[bytes]) -> Price:
    """The pooled estimate of several runs of the option job, each weighted by its paths."""
    runs = []
    for output in outputs:
        paths, mean, error = output.decode().split()
        runs.append((int(paths), float(mean), float(error)))
    total = sum(paths for paths, _, _ in runs)
    mean = sum(paths * mean for paths, mean, _ in runs) / total
    error = math.sqrt(sum((paths * error) ** 2 for paths, _, error in runs)) / total
    return Price(total, mean, error)


def black_scholes_call(*, spot: float, strike: float, rate: float, volatility: float, years: float) -> float:
    """The closed-form price of the same option (F. Black and M. Scholes, 1973)."""
    spread = volatility * math.sqrt(years)
    first = (math.log(spot / strike) + (rate + volatility**2 / 2) * years) / spread
    return spot * _normal(first) - strike * math.exp(-rate * years) * _normal(first - spread)


def _normal(value: float) -> float:
    """The distribution function of the standard normal distribution."""
    return 0.5 * (1.0 + math.erf(value / math.sqrt(2.0)))
