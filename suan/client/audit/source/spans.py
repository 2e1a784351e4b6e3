"""The chain's logs up to the anchor, a span of blocks at a time.

Deep below the anchor they are asked for by range. The last NEAR_BLOCKS are asked for by block hash, along the parents of the
anchor, so that no reorganisation can slip a log of another chain in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from suan.client.audit.source.anchor import Anchor, standing_hash
from suan.client.rpc import Rpc

Json = dict[str, Any]
NEAR_BLOCKS = 64
"""Deeper than this a chain is not expected to change while an audit runs; that the anchor still stands is asked in the end."""


@dataclass(frozen=True)
class Span:
    """Logs of all blocks after the span before, up to block `last` with hash `hash`; `near`: one block, read by its hash."""

    last: int
    hash: str
    logs: list[Json]
    near: bool


def spans(rpc: Rpc, addresses: list[str], first: int, headers: list[Json]) -> Iterator[Span]:
    """Spans from block `first` to the last of `headers`, which are those of the newest blocks in a row (`ancestors`)."""
    path = [Anchor.of(header) for header in headers]
    if not path:
        return
    for last, logs in rpc.logs(addresses, first, path[0].number - 1):
        known = path[0].parent if last == path[0].number - 1 else standing_hash(rpc, last)
        yield Span(last, known, logs, near=False)
    for block in path:
        if block.number >= first:
            yield Span(block.number, block.hash, rpc.logs_of(addresses, block.hash), near=True)


def ancestors(rpc: Rpc, header: Json, first: int) -> list[Json]:
    """Headers of the last NEAR_BLOCKS blocks up to `header`, none before `first`, each the parent of the next."""
    path = [header]
    number = int(header["number"], 16)
    while number > first and len(path) < NEAR_BLOCKS:
        path.append(rpc.block(str(path[-1]["parentHash"])))
        number -= 1
    return path[::-1]
