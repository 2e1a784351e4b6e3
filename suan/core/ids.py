"""Ids that come from content: what they name is what they are made of."""

from __future__ import annotations

from typing import Final

from suan.core.encoding import from_hex, keccak
from suan.core.problems import FieldError

_ID_PREFIXES: Final = ("ord", "trd", "clr", "bat", "rcp")


def ord_id(order_hash: bytes) -> str:
    return _prefixed("ord", order_hash)


def trd_id(trade: bytes) -> str:
    return _prefixed("trd", trade)


def clr_id(clearing: bytes) -> str:
    return _prefixed("clr", clearing)


def bat_id(batch: bytes) -> str:
    return _prefixed("bat", batch)


def rcp_id(receipt: bytes) -> str:
    return _prefixed("rcp", receipt)


def parse_id(text: str, *, prefix: str | None = None) -> bytes:
    """The 32 bytes of an id such as `ord_0x…`, in any case of hex; `prefix` demands one kind.

    Raises FieldError naming the field `id`.
    """
    head, separator, tail = text.partition("_") if isinstance(text, str) else ("", "", "")
    allowed = _ID_PREFIXES if prefix is None else (prefix,)
    if not separator or head not in allowed or len(tail) != 66:
        wanted = " or ".join(f"{name}_0x…" for name in allowed)
        raise FieldError(
            "id", "not_an_id", f"{repr(text)[:80]} is not an id; write {wanted} with 64 hex digits."
        )
    return from_hex(tail, field="id", length=32)


def run_seed(bid_hash: bytes, run: int) -> bytes:
    """The seed of a run, keccak256(abi.encode(bytes32 bidHash, uint32 run)): never the provider's choice."""
    if len(bid_hash) != 32 or not 0 <= run < 2**32:
        raise ValueError("a run seed needs a 32-byte bid hash and a uint32 run")
    return keccak(bid_hash + run.to_bytes(32, "big"))


def product_id(symbol: str) -> bytes:
    """keccak256 of the product's symbol in UTF-8."""
    return keccak(symbol.encode("utf-8"))


def _prefixed(prefix: str, digest: bytes) -> str:
    if len(digest) != 32:
        raise ValueError(f"an id has 32 bytes, got {len(digest)}")
    return f"{prefix}_0x{digest.hex()}"
