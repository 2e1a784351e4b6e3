"""Words of the contracts that hold several values: which bits mean what, once for all.

A layout lists (name, bits) from the high end; together they fill the low bits of a word, and what is above is zero. A
name of 160 bits is an address.
"""

from __future__ import annotations

from typing import Any, Final

from suan.core.encoding import normalise_address

Layout = tuple[tuple[str, int], ...]

RECORD_PROVIDER: Final[Layout] = (("provider", 160), ("price", 96))
RECORD_BUYER: Final[Layout] = (("buyer", 160), ("runs", 32), ("ceiling", 64))
RECORD_TERMS: Final[Layout] = (
    ("bond", 96),
    ("deliver_by", 40),
    ("first_run", 32),
    ("offer_nonce", 32),
    ("bid_nonce", 32),
    ("index", 8),
)
MAKER: Final[Layout] = (("maker", 160), ("price", 96))
OFFER_FIELDS: Final[Layout] = (
    ("units", 64),
    ("nonce", 32),
    ("valid_until", 40),
    ("deliver_by", 40),
    ("max_fee_bps", 16),
    ("clearing", 8),
    ("wallet", 8),
)
BID_FIELDS: Final[Layout] = (("runs", 32), ("ceiling", 64), *OFFER_FIELDS[1:])
FILL: Final[Layout] = (("offer", 8), ("bid", 8), ("first_run", 32), ("runs", 32))
FILL_BYTES: Final = 10
OUTCOME: Final[Layout] = (("index", 8), ("kind", 8), ("runs_delivered", 32), ("units", 64))
OUTCOME_BYTES: Final = 14
AMOUNTS: Final[Layout] = (("paid", 128), ("fee_or_slashed", 128))
PAID_AND_FEE: Final[Layout] = (("paid", 128), ("fee", 128))
SESSION_BUYER: Final[Layout] = (("buyer", 160), ("ceiling", 96))
SESSION_PROVIDER: Final[Layout] = (("provider", 160), ("expires_at", 40), ("salt", 56))


def pack(layout: Layout, **values: Any) -> int:
    """The word; ValueError when a value is missing, unknown, or wider than its bits."""
    if set(values) != {name for name, _ in layout}:
        raise ValueError(f"the word holds {[name for name, _ in layout]}, got {sorted(values)}")
    word = 0
    for name, bits in layout:
        value = int(normalise_address(values[name]), 16) if bits == 160 else values[name]
        if not 0 <= value < 1 << bits:
            raise ValueError(f"{name} has {bits} bits, which {value} does not fit")
        word = (word << bits) | value
    return word


def unpack(layout: Layout, word: int) -> dict[str, Any]:
    """The values by name; what stands above them is ignored, as the contracts do."""
    values: dict[str, Any] = {}
    for name, bits in reversed(layout):
        value = word & ((1 << bits) - 1)
        values[name] = f"0x{value:040x}" if bits == 160 else value
        word >>= bits
    return {name: values[name] for name, _ in layout}


def short_signature(signature: bytes) -> tuple[bytes, bytes]:
    """r and vs (ERC-2098) of 65 bytes r || s || v; ValueError for anything that has no short form."""
    if len(signature) != 65 or signature[64] not in (27, 28):
        raise ValueError("a signature is 65 bytes r || s || v with v 27 or 28")
    s = int.from_bytes(signature[32:64], "big")
    if s >> 255:
        raise ValueError("the s of a signature lies in the lower half")
    return signature[:32], (s | ((signature[64] - 27) << 255)).to_bytes(32, "big")


def long_signature(r: bytes, vs: bytes) -> bytes:
    """65 bytes r || s || v of the short form."""
    word = int.from_bytes(vs, "big")
    return r + (word & ((1 << 255) - 1)).to_bytes(32, "big") + bytes([27 + (word >> 255)])
