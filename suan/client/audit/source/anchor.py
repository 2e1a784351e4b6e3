"""The block as of which an audit reads: chosen once, named by its hash, and looked at again at the end.

Everything is asked for by that hash, so a reorganisation cannot mix two chains: the node answers for this block, or says that
it has none, and then `standing` tells why.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from suan.client.audit.report import Report
from suan.client.audit.source.proofs import BadProof, header_hash
from suan.client.errors import Unreachable, UsageError
from suan.client.rpc import NoBlock, Rpc
from suan.core.encoding import from_hex

Json = dict[str, Any]
CONFIRMATIONS = 12
"""Blocks on top of one that is `final` (GLOSSARY.md)."""
_HASH = re.compile(r"0x[0-9a-fA-F]{64}")


class Reorganised(Unreachable):
    """The block of this audit is no longer in the chain: nothing was proved either way, and a new run is safe."""


@dataclass(frozen=True)
class Anchor:
    """A block by number and hash, with what its header says; `timestamp` in unix seconds."""

    number: int
    hash: str
    parent: str
    state_root: bytes
    timestamp: int

    @classmethod
    def of(cls, header: Json) -> Anchor:
        """The block of a header as a node gives it. Raises Unreachable when it is none."""
        try:
            return cls(
                int(header["number"], 16),
                str(header["hash"]).lower(),
                str(header["parentHash"]).lower(),
                from_hex(header["stateRoot"], length=32),
                int(header["timestamp"], 16),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise Unreachable(f"the node gives a header that is not readable: {error!r}") from error


def choose(rpc: Rpc, as_of: str, confirmations: int = CONFIRMATIONS) -> Json:
    """The header of the block that `as_of` names: a number, a hash, `latest`, or `final` (so many blocks below the newest).

    Raises UsageError for another text or a block that the node does not have.
    """
    text = as_of.strip().lower()
    if text in ("latest", "final"):
        newest = rpc.block_number()
        return rpc.block(newest if text == "latest" else max(0, newest - confirmations))
    if _HASH.fullmatch(text):
        wanted: int | str = text
    elif text.isdecimal() and len(text) < 20:
        wanted = int(text)
    else:
        raise UsageError(f"--as-of is a block number, a block hash, final or latest, not {as_of[:80]!r}")
    try:
        header = rpc.block(wanted)
    except NoBlock as error:
        newest = rpc.block_number()
        raise UsageError(f"the node has no block {as_of}; its newest is {newest}") from error
    if isinstance(wanted, str) and standing_hash(rpc, Anchor.of(header).number) != wanted:
        raise UsageError(f"block {as_of} is not in the chain that the node shows; it was replaced")
    return header


def check_header(report: Report, header: Json) -> None:
    """The hash of a header follows from its fields, so its state root and parent hang on the hash."""
    subject = f"block {int(header['number'], 16)}"
    try:
        report.expect(subject, "hash that follows from its header", header["hash"], header_hash(header))
    except BadProof as error:
        report.differ(subject, "header", "one that is readable", error)


def standing_hash(rpc: Rpc, number: int) -> str:
    """Hash of the block with this number in the node's chain now; empty when there is none."""
    try:
        return str(rpc.block(number)["hash"]).lower()
    except NoBlock:
        return ""


def standing(rpc: Rpc, anchor: Anchor) -> None:
    """Raise Reorganised unless the block is still in the node's chain."""
    found = standing_hash(rpc, anchor.number)
    if found != anchor.hash:
        raise Reorganised(
            f"block {anchor.number} was replaced while the audit read it: it was {anchor.hash}, now "
            f"{found or 'there is none'}. Nothing is proved; run it again, with --as-of final to read below such changes"
        )
