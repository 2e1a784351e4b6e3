"""Fixed-layout EIP-712 structs: the type string is the one description of a struct, everything else follows.

A subclass is a frozen dataclass whose fields are the struct's fields in order, in snake_case, with
`TYPE = "Name(type field,…)"`. Values are checked at construction, so a struct that exists can be signed.
JSON uses the struct's own field names; fields wider than 53 bits are always decimal strings there (readers
accept numbers too), bytes32 and addresses are lower-case hex.

Limit: atomic types, `string` and `bytes` only (uintN, address, bytes32); no arrays, no nested structs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Final, Self

from suan.core.encoding import from_hex, keccak, normalise_address, to_hex
from suan.core.problems import FieldError
from suan.core.signing.domains import Domain, typed_digest

STRING_CHARACTERS_MAX: Final = 256
BYTES_MAX: Final = 4096
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,77}")
_DOMAIN_FIELDS: Final = (
    ("string", "name"),
    ("string", "version"),
    ("uint256", "chainId"),
    ("address", "verifyingContract"),
)


@dataclass(frozen=True)
class Struct:
    """Base of the signed structs. Subclasses set TYPE, the EIP-712 type string of docs/protocol.md."""

    TYPE: ClassVar[str]

    def __post_init__(self) -> None:
        for kind, _, name in layout(type(self).TYPE):
            value = _checked(kind, name, getattr(self, name))
            object.__setattr__(self, name, value)

    @classmethod
    def type_hash(cls) -> bytes:
        return _type_hash(cls.TYPE)

    def struct_hash(self) -> bytes:
        """hashStruct of EIP-712: keccak256(type hash || encodeData)."""
        return keccak(self.type_hash() + self.encode_data())

    def encode_data(self) -> bytes:
        """encodeData of EIP-712: the fields, one word each, text and bytes by their hash."""
        return b"".join(_word(kind, getattr(self, name)) for kind, _, name in layout(type(self).TYPE))

    def abi_encode(self) -> bytes:
        """abi.encode of the struct: its fields, one word each. Only structs without text have this form."""
        fields = layout(type(self).TYPE)
        if any(kind in ("string", "bytes") for kind, _, _ in fields):
            raise TypeError(f"{type(self).__name__} has text or bytes, so its ABI encoding is not fixed")
        return b"".join(_word(kind, getattr(self, name)) for kind, _, name in fields)

    def digest(self, domain: Domain) -> bytes:
        """The 32 bytes that are signed, and the id of the thing."""
        return typed_digest(domain, self.struct_hash())

    def to_json(self) -> dict[str, Any]:
        """The message of the typed data: EIP-712 field names; wide integers as decimal strings."""
        return {label: _to_json(kind, getattr(self, name)) for kind, label, name in layout(type(self).TYPE)}

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """The struct of a JSON object with exactly its fields; FieldError names the first field at fault."""
        if not isinstance(value, dict):
            raise FieldError(cls.__name__, "not_an_object", "a JSON object is needed.")
        fields = layout(cls.TYPE)
        labels = {label for _, label, _ in fields}
        for label in value:
            if label not in labels:
                raise FieldError(
                    str(label)[:80], "unknown_field", f"{cls.__name__} has no such field; remove it."
                )
        arguments: dict[str, Any] = {}
        for kind, label, name in fields:
            if label not in value:
                raise FieldError(label, "missing", f"{cls.__name__} needs this field ({kind}); add it.")
            arguments[name] = _checked(kind, label, _from_json(kind, label, value[label]))
        return cls(**arguments)

    def typed_data(self, domain: Domain) -> dict[str, Any]:
        """The argument of eth_signTypedData_v4, for wallets."""
        name = type(self).TYPE.partition("(")[0]
        return {
            "types": {
                "EIP712Domain": [{"name": label, "type": kind} for kind, label in _DOMAIN_FIELDS],
                name: [{"name": label, "type": kind} for kind, label, _ in layout(type(self).TYPE)],
            },
            "primaryType": name,
            "domain": domain.to_json(),
            "message": self.to_json(),
        }


@cache
def layout(type_string: str) -> tuple[tuple[str, str, str], ...]:
    """(type, EIP-712 name, Python name) of each field of a type string, in order."""
    inside = type_string.partition("(")[2].rstrip(")")
    fields = []
    for part in inside.split(","):
        kind, label = part.split(" ")
        fields.append((kind, label, snake_case(label)))
    return tuple(fields)


@cache
def snake_case(label: str) -> str:
    """maxFeeBps -> max_fee_bps."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: "_" + match.group(1).lower(), label)


@cache
def _type_hash(type_string: str) -> bytes:
    return keccak(type_string.encode("ascii"))


def _checked(kind: str, field: str, value: Any) -> Any:
    if kind.startswith("uint"):
        bits = int(kind[4:])
        if isinstance(value, bool) or not isinstance(value, int):
            raise FieldError(
                field, "not_an_integer", f"a whole number ({kind}) is needed, not {_shown(value)}."
            )
        if not 0 <= value < 2**bits:
            raise FieldError(field, "out_of_range", f"must lie between 0 and 2^{bits} - 1 ({kind}).")
        return value
    if kind == "bytes32":
        if not isinstance(value, bytes) or len(value) != 32:
            raise FieldError(field, "not_bytes32", f"32 bytes are needed, not {_shown(value)}.")
        return value
    if kind == "bytes":
        if not isinstance(value, bytes) or len(value) > BYTES_MAX:
            raise FieldError(
                field, "not_bytes", f"at most {BYTES_MAX} bytes are needed, not {_shown(value)}."
            )
        return value
    if kind == "address":
        try:
            return normalise_address(value)
        except FieldError as error:
            raise FieldError(field, error.code, error.problem.message) from None
    if not isinstance(value, str) or len(value) > STRING_CHARACTERS_MAX:
        raise FieldError(field, "not_text", f"text of at most {STRING_CHARACTERS_MAX} characters is needed.")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise FieldError(field, "not_text", "an unpaired surrogate is not text; remove it.") from None
    return value


def _word(kind: str, value: Any) -> bytes:
    if kind.startswith("uint"):
        return int(value).to_bytes(32, "big")
    if kind == "bytes32":
        return bytes(value)
    if kind == "address":
        return bytes(12) + bytes.fromhex(value[2:])
    return keccak(value if kind == "bytes" else value.encode("utf-8"))


def _to_json(kind: str, value: Any) -> Any:
    if kind.startswith("uint"):
        return str(int(value)) if int(kind[4:]) > 53 else int(value)
    return to_hex(value) if kind in ("bytes32", "bytes") else value


def _from_json(kind: str, field: str, value: Any) -> Any:
    if kind.startswith("uint") and isinstance(value, str):
        if _DECIMAL.fullmatch(value) is None:
            raise FieldError(field, "not_an_integer", f"{_shown(value)} is not a decimal integer.")
        return int(value)
    if kind == "bytes":
        return from_hex(value, field=field)
    return from_hex(value, field=field, length=32) if kind == "bytes32" else value


def _shown(value: Any) -> str:
    return repr(value)[:60]
