"""Canonical bytes: Keccak, hex, addresses and JSON in their one form.

Sources: EIP-55 (checksums), RFC 8259 (JSON). Hashes and bytes32 are `bytes` of length 32 in Python and 66 characters of
lower-case hex in JSON; addresses are 42 characters of lower-case hex everywhere but on the pages.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Final

from Crypto.Hash import keccak as _keccak

from suan.core.problems import FieldError

ZERO_ADDRESS: Final = "0x" + "00" * 20
ZERO_BYTES32: Final = bytes(32)
JSON_INTEGER_MAX: Final = 2**53 - 1
"""Above it a JSON reader in another language may silently lose digits, so larger ones are decimal strings."""
JSON_DEPTH_MAX: Final = 32
_HEX: Final = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")


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
