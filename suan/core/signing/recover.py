"""Who signed this: the address behind a signature, or the reason why there is none.

Sources: EIP-2 (low s), SEC 1 section 4.1.6 (recovery).
"""

from __future__ import annotations

from typing import Final

from coincurve import PublicKey

from suan.core.encoding import ZERO_ADDRESS, keccak, to_hex

_CURVE_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


class BadSignature(ValueError):
    """A signature that is malformed, malleable (high s) or recovers to no account."""


def recover(digest: bytes, signature: bytes) -> str:
    """The lower-case address that made a 65-byte r || s || v signature over a digest.

    Raises BadSignature unless v is 27 or 28, s lies in the lower half of the curve order (EIP-2) and
    the signature recovers to an account other than zero.
    """
    if len(digest) != 32:
        raise BadSignature(f"a digest has 32 bytes, got {len(digest)}")
    if len(signature) != 65:
        raise BadSignature(f"a signature has 65 bytes (r, s, v), got {len(signature)}")
    r, s, v = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big"), signature[64]
    if v not in (27, 28):
        raise BadSignature(f"v must be 27 or 28, got {v}")
    if not 0 < r < _CURVE_ORDER:
        raise BadSignature("r lies outside the curve order")
    if not 0 < s <= _CURVE_ORDER // 2:
        raise BadSignature("s lies outside the lower half of the curve order; sign again with low s")
    try:
        public = PublicKey.from_signature_and_message(signature[:64] + bytes([v - 27]), digest, hasher=None)
    except Exception as error:  # libsecp256k1 answers with bare exceptions
        raise BadSignature("the signature recovers to no key") from error
    address = address_of(public.format(compressed=False))
    if address == ZERO_ADDRESS:
        raise BadSignature("the signature recovers to the zero address")
    return address


def address_of(public_key: bytes) -> str:
    """The lower-case address of an uncompressed public key (65 bytes, 0x04 first)."""
    if len(public_key) != 65 or public_key[0] != 4:
        raise ValueError("a public key has 65 bytes and begins with 4")
    return to_hex(keccak(public_key[1:])[12:])
