"""Canonical bytes, hashes, EIP-712 domains, ids that come from content, and who signed this.

Sources: EIP-55 (checksums), EIP-191/712 (typed data), EIP-2 (low s), SEC 1 section 4.1.6 (recovery).
Layout: hashes and bytes32 are `bytes` of length 32 in Python and 66 characters of lower-case hex in JSON;
addresses are 42 characters of lower-case hex everywhere but on the pages.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from coincurve import PublicKey
from Crypto.Hash import keccak as _keccak

from suan.core.problems import FieldError

ZERO_ADDRESS: Final = "0x" + "00" * 20
ZERO_BYTES32: Final = bytes(32)
JSON_INTEGER_MAX: Final = 2**53 - 1
"""Above it a JSON reader in another language may silently lose digits, so larger ones are decimal strings."""
JSON_DEPTH_MAX: Final = 32

_CURVE_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_HEX: Final = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_DOMAIN_TYPE: Final = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_ID_PREFIXES: Final = ("ord", "trd", "clr", "bat", "rcp")


class BadSignature(ValueError):
    """A signature that is malformed, malleable (high s) or recovers to no account."""


def keccak(data: bytes) -> bytes:
    """Keccak-256 as Ethereum uses it (not SHA3-256)."""
    return _keccak.new(digest_bits=256, data=data).digest()


def sha256_hex(data: bytes) -> str:
    """The content address of job bytes: "0x" and the SHA-256 in lower-case hex."""
    return "0x" + hashlib.sha256(data).hexdigest()


def to_hex(data: bytes) -> str:
    """Lower-case hex with 0x."""
    return "0x" + data.hex()


def from_hex(text: str, *, field: str = "value", length: int | None = None) -> bytes:
    """Bytes of 0x hex in any case; FieldError names `field` when it is not hex or not `length` bytes."""
    if not isinstance(text, str) or _HEX.fullmatch(text) is None:
        raise FieldError(field, "not_hex", f"{repr(text)[:80]} is not hex; write 0x and pairs of hex digits.")
    data = bytes.fromhex(text[2:])
    if length is not None and len(data) != length:
        raise FieldError(field, "wrong_length", f"{len(data)} bytes were given where {length} are needed.")
    return data


def canonical_json(value: Any) -> bytes:
    """The one byte string of a JSON value: keys sorted by code point, no spaces, UTF-8 unescaped.

    Raises FieldError on floats, on integers beyond 2^53 - 1 (write decimal strings), on keys that are not
    text, on unpaired surrogates and on values nested deeper than 32.
    """
    _check_json(value, "", 0)
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise FieldError("json", "not_unicode", "an unpaired surrogate is not text; remove it.") from error


@dataclass(frozen=True)
class Domain:
    """An EIP-712 domain: it binds a signature to one contract on one chain."""

    name: str
    version: str
    chain_id: int
    verifying_contract: str

    def separator(self) -> bytes:
        """The domain separator of EIP-712 (32 bytes)."""
        return _separator(self.name, self.version, self.chain_id, normalise_address(self.verifying_contract))

    def to_json(self) -> dict[str, Any]:
        """The `domain` object of eth_signTypedData_v4."""
        return {
            "name": self.name,
            "version": self.version,
            "chainId": self.chain_id,
            "verifyingContract": checksum(self.verifying_contract),
        }


def market_domain(chain_id: int, market: str) -> Domain:
    return Domain("Suan", "1", chain_id, normalise_address(market))


def registry_domain(chain_id: int, registry: str) -> Domain:
    return Domain("Suan Registry", "1", chain_id, normalise_address(registry))


def token_domain(chain_id: int, token: str, *, name: str = "Suan Test Token") -> Domain:
    """The domain of an ERC-2612 token whose permits are of version "1"."""
    return Domain(name, "1", chain_id, normalise_address(token))


def typed_digest(domain: Domain, struct_hash: bytes) -> bytes:
    """What is signed under EIP-712: keccak256(0x1901 || separator || struct hash)."""
    return keccak(b"\x19\x01" + domain.separator() + struct_hash)


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


def normalise_address(text: str) -> str:
    """The lower-case form of an address; FieldError when it is not 0x and 40 hex digits.

    Mixed case is accepted only with a right EIP-55 checksum: a mistyped address must not receive money.
    """
    if not isinstance(text, str) or _ADDRESS.fullmatch(text) is None:
        raise FieldError(
            "address", "not_an_address", f"{repr(text)[:80]} is not an address; write 0x and 40 hex digits."
        )
    digits = text[2:]
    if digits not in (digits.lower(), digits.upper()) and checksum(text.lower()) != text:
        raise FieldError(
            "address",
            "bad_checksum",
            f"{text} has a wrong checksum; copy it again or write it in lower case.",
        )
    return text.lower()


def checksum(address: str) -> str:
    """The mixed-case form of an address (EIP-55)."""
    digits = address.lower()[2:]
    nibbles = keccak(digits.encode("ascii")).hex()
    cased = (c.upper() if int(n, 16) >= 8 else c for c, n in zip(digits, nibbles, strict=False))
    return "0x" + "".join(cased)


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


@lru_cache(maxsize=64)
def _separator(name: str, version: str, chain_id: int, verifying_contract: str) -> bytes:
    return keccak(
        keccak(_DOMAIN_TYPE)
        + keccak(name.encode("utf-8"))
        + keccak(version.encode("utf-8"))
        + chain_id.to_bytes(32, "big")
        + bytes(12)
        + bytes.fromhex(verifying_contract[2:])
    )


def _prefixed(prefix: str, digest: bytes) -> str:
    if len(digest) != 32:
        raise ValueError(f"an id has 32 bytes, got {len(digest)}")
    return f"{prefix}_0x{digest.hex()}"


def _check_json(value: Any, path: str, depth: int) -> None:
    field = path or "json"
    if depth > JSON_DEPTH_MAX:
        raise FieldError(field, "too_deep", f"nested deeper than {JSON_DEPTH_MAX}; flatten it.")
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, int):
        if abs(value) > JSON_INTEGER_MAX:
            raise FieldError(field, "too_large", "beyond 2^53 - 1; write it as a decimal string.")
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise FieldError(field, "bad_key", f"the key {key!r} is not text; use text keys.")
            _check_json(item, f"{path}.{key}" if path else key, depth + 1)
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            _check_json(item, f"{path}[{position}]", depth + 1)
    else:
        raise FieldError(
            field, "not_canonical", f"a {type(value).__name__} is not allowed; use integers or text."
        )
