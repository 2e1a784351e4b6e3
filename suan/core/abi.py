"""The contracts' functions, events and errors as text, and their encoding in both directions.

The signatures are written by hand, so that clients and auditors need no compiler; a test compares selectors
and topics with the compiled contracts. Decoded values are plain: snake_case keys, bytes as 0x hex, addresses
in lower case, structs as dicts, arrays as lists, integers as int.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from eth_abi.abi import decode, encode

from suan.core.identity import from_hex, keccak, to_hex
from suan.core.records import BatchHead, Clearing, Fill, Outcome, Record
from suan.core.signatures_text import ERRORS_TEXT, EVENTS_TEXT, FUNCTIONS_TEXT
from suan.core.signed import Bid, Offer
from suan.core.typed import Struct, layout, snake_case

_STRUCTS: Final[dict[str, type[Struct]]] = {
    struct.__name__: struct for struct in (Offer, Bid, Clearing, Fill, Record, BatchHead, Outcome)
}
_ENTRY: Final = re.compile(r"(\w+)\(([^)]*)\)(?: returns \(([^)]*)\))?")


class AbiError(ValueError):
    """Bytes that are not a call, event or error of the contracts, or do not decode as one."""


@dataclass(frozen=True)
class Parameter:
    """One argument: ABI type with structs written out, the struct's name if any, and the snake_case name."""

    abi_type: str
    struct: str | None
    name: str
    indexed: bool


@dataclass(frozen=True)
class Entry:
    """One function, event or error."""

    name: str
    parameters: tuple[Parameter, ...]
    returns: tuple[Parameter, ...]

    @property
    def signature(self) -> str:
        return f"{self.name}({','.join(parameter.abi_type for parameter in self.parameters)})"

    @property
    def selector(self) -> bytes:
        """The first four bytes of a call or a revert."""
        return keccak(self.signature.encode("ascii"))[:4]

    @property
    def topic(self) -> bytes:
        """The first topic of an event."""
        return keccak(self.signature.encode("ascii"))


def encode_call(name: str, *arguments: Any) -> bytes:
    """Calldata of a function. Structs may be given as their dataclasses; bytes as bytes, addresses as hex."""
    entry = FUNCTIONS.get(name)
    if entry is None:
        raise AbiError(f"no function is called {name}")
    if len(arguments) != len(entry.parameters):
        raise AbiError(f"{name} takes {len(entry.parameters)} arguments, got {len(arguments)}")
    types = [parameter.abi_type for parameter in entry.parameters]
    return entry.selector + encode(types, [_plain(argument) for argument in arguments])


def encode_open(
    *,
    verifier_set: bytes,
    clearings: Sequence[Clearing],
    offers: Sequence[Offer],
    offer_signatures: Sequence[bytes],
    bids: Sequence[Bid],
    bid_signatures: Sequence[bytes],
    fills: Sequence[Fill],
) -> bytes:
    """Calldata of Market.open: lock the fills of one batch."""
    return encode_call("open", verifier_set, clearings, offers, offer_signatures, bids, bid_signatures, fills)


def encode_close(
    *,
    head: BatchHead,
    records: Sequence[Record],
    outcomes: Sequence[Outcome],
    proof: Sequence[bytes],
    proof_flags: Sequence[bool],
    receipts_root: bytes,
    signatures: Sequence[bytes],
) -> bytes:
    """Calldata of Market.close. records and outcomes in the order of the multiproof; signatures by signer."""
    return encode_call("close", head, records, outcomes, proof, proof_flags, receipts_root, signatures)


def encode_refund(
    *, head: BatchHead, records: Sequence[Record], proof: Sequence[bytes], proof_flags: Sequence[bool]
) -> bytes:
    """Calldata of Market.refund, which anyone may send from refund_after."""
    return encode_call("refund", head, records, proof, proof_flags)


def encode_attest_delivery(
    *,
    head: BatchHead,
    record: Record,
    proof: Sequence[bytes],
    runs_delivered: int,
    units: int,
    signatures: Sequence[bytes],
) -> bytes:
    """Calldata of Market.attestDelivery: a timely delivery still waits for its verdict."""
    return encode_call("attestDelivery", head, record, proof, runs_delivered, units, signatures)


def encode_pay_attested(*, head: BatchHead, record: Record, proof: Sequence[bytes]) -> bytes:
    """Calldata of Market.payAttested, which anyone may send after the verdict's time has passed."""
    return encode_call("payAttested", head, record, proof)


def decode_call(data: bytes | str) -> tuple[str, dict[str, Any]]:
    """(function, arguments) of calldata; AbiError when it is none of ours."""
    raw = _bytes(data)
    entry = _BY_SELECTOR.get(raw[:4])
    if entry is None:
        raise AbiError(f"no function has the selector {to_hex(raw[:4])}")
    return entry.name, _decode(entry.parameters, raw[4:], entry.name)


def call_name(data: bytes | str) -> str:
    """The function that calldata calls, its arguments unread; AbiError when it is none of ours."""
    raw = _bytes(data)
    entry = _BY_SELECTOR.get(raw[:4])
    if entry is None:
        raise AbiError(f"no function has the selector {to_hex(raw[:4])}")
    return entry.name


def decode_result(name: str, data: bytes | str) -> dict[str, Any]:
    """The named return values of a view function (`eth_call`)."""
    entry = FUNCTIONS.get(name)
    if entry is None:
        raise AbiError(f"no function is called {name}")
    return _decode(entry.returns, _bytes(data), name)


def decode_error(data: bytes | str) -> tuple[str, dict[str, Any]]:
    """(error, arguments) of revert data; AbiError when it is none of ours."""
    raw = _bytes(data)
    entry = _ERROR_BY_SELECTOR.get(raw[:4])
    if entry is None:
        raise AbiError(f"no error has the selector {to_hex(raw[:4])}")
    return entry.name, _decode(entry.parameters, raw[4:], entry.name)


def decode_event(topics: Sequence[bytes | str], data: bytes | str) -> tuple[str, dict[str, Any]]:
    """(event, arguments) of a log; AbiError when it is none of ours. The caller checks who emitted it."""
    raw_topics = [_bytes(topic) for topic in topics]
    entry = _BY_TOPIC.get(raw_topics[0]) if raw_topics else None
    if entry is None:
        raise AbiError("no event has this first topic")
    indexed = tuple(parameter for parameter in entry.parameters if parameter.indexed)
    if len(raw_topics) != len(indexed) + 1 or any(len(topic) != 32 for topic in raw_topics):
        raise AbiError(f"{entry.name} has {len(indexed)} indexed fields, got {len(raw_topics) - 1}")
    values = _decode(indexed, b"".join(raw_topics[1:]), entry.name)
    values |= _decode(tuple(p for p in entry.parameters if not p.indexed), _bytes(data), entry.name)
    return entry.name, {parameter.name: values[parameter.name] for parameter in entry.parameters}


def event_topics(*names: str) -> list[str]:
    """First topics (0x hex) of the named events, of all when none is named; for eth_getLogs."""
    return [to_hex(EVENTS[name].topic) for name in (names or tuple(EVENTS))]


def struct_of(name: str, value: dict[str, Any]) -> Struct:
    """The dataclass (Record, Offer, …) of a decoded struct."""
    struct = _STRUCTS[name]
    arguments = {
        field: from_hex(value[field]) if kind == "bytes32" else value[field]
        for kind, _, field in layout(struct.TYPE)
    }
    return struct(**arguments)


def _plain(value: Any) -> Any:
    if isinstance(value, Struct):
        return tuple(getattr(value, name) for _, _, name in layout(type(value).TYPE))
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _decode(parameters: tuple[Parameter, ...], data: bytes, name: str) -> dict[str, Any]:
    try:
        values = decode([parameter.abi_type for parameter in parameters], data)
    except Exception as error:  # eth_abi raises several unrelated classes on malformed bytes
        raise AbiError(f"the arguments of {name} do not decode: {error}") from error
    return {p.name: _readable(p, value) for p, value in zip(parameters, values, strict=True)}


def _readable(parameter: Parameter, value: Any) -> Any:
    if parameter.abi_type.endswith("[]"):
        element = Parameter(parameter.abi_type[:-2], parameter.struct, parameter.name, False)
        return [_readable(element, item) for item in value]
    if parameter.struct is not None:
        fields = layout(_STRUCTS[parameter.struct].TYPE)
        return {name: _scalar(item) for (_, _, name), item in zip(fields, value, strict=True)}
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, bytes):
        return to_hex(value)
    return value.lower() if isinstance(value, str) and value.startswith("0x") else value


def _bytes(data: bytes | str) -> bytes:
    return from_hex(data, field="data") if isinstance(data, str) else bytes(data)


def _parse(text: str) -> dict[str, Entry]:
    entries = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        match = _ENTRY.fullmatch(line)
        if match is None:
            raise ValueError(f"not a signature: {line}")
        name, parameters, returns = match.group(1), match.group(2), match.group(3) or ""
        entries[name] = Entry(name, _parameters(parameters), _parameters(returns))
    return entries


def _parameters(text: str) -> tuple[Parameter, ...]:
    result = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        words = part.split()
        base, array = (words[0][:-2], "[]") if words[0].endswith("[]") else (words[0], "")
        struct = _STRUCTS.get(base)
        if struct is not None:
            base = "(" + ",".join(kind for kind, _, _ in layout(struct.TYPE)) + ")"
        result.append(
            Parameter(
                base + array, struct.__name__ if struct else None, snake_case(words[-1]), "indexed" in words
            )
        )
    return tuple(result)


FUNCTIONS: Final = _parse(FUNCTIONS_TEXT)
EVENTS: Final = _parse(EVENTS_TEXT)
ERRORS: Final = _parse(ERRORS_TEXT)
_BY_SELECTOR: Final = {entry.selector: entry for entry in FUNCTIONS.values()}
_BY_TOPIC: Final = {entry.topic: entry for entry in EVENTS.values()}
_ERROR_BY_SELECTOR: Final = {entry.selector: entry for entry in ERRORS.values()}
EVENT_TOPICS: Final[dict[str, str]] = {name: to_hex(entry.topic) for name, entry in EVENTS.items()}
