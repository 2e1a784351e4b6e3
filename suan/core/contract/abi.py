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

from suan.core.contract import calls
from suan.core.contract.packing import short_signature
from suan.core.contract.records import (
    ANY_RUN,
    BatchHead,
    Claim,
    Clearing,
    Fill,
    KeySet,
    Outcome,
    Record,
    Session,
    pack_outcomes,
)
from suan.core.contract.signatures_text import ERRORS_TEXT, EVENTS_TEXT, FUNCTIONS_TEXT
from suan.core.encoding import ZERO_ADDRESS, from_hex, keccak, to_hex
from suan.core.signing import Bid, Offer, Struct, layout, snake_case

_STRUCTS: Final[dict[str, type[Struct]]] = {
    struct.__name__: struct for struct in (Offer, Bid, Clearing, BatchHead, Session)
}
_PACKED: Final = calls.TYPES
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
    """Calldata of Market.open: lock the fills of one batch, each at the clearing that it names."""
    packed = calls.pack_open(
        list(zip(offers, offer_signatures, strict=True)), list(zip(bids, bid_signatures, strict=True)), fills
    )
    return encode_call("open", verifier_set, clearings, *packed)


def encode_decide(
    *,
    head: BatchHead,
    verifiers: KeySet,
    outcomes: Sequence[tuple[int, Outcome]],
    receipts_root: bytes,
    signatures: Sequence[bytes],
) -> bytes:
    """Calldata of Market.decide. outcomes by index of their trade; signatures in order of their signers' addresses."""
    verdict = (pack_outcomes(outcomes), receipts_root)
    return encode_call("decide", head, calls.key_set(verifiers), verdict, signatures)


def encode_settle(
    *,
    head: BatchHead,
    outcomes: Sequence[tuple[int, Outcome]],
    receipts_root: bytes,
    proven: calls.Proven,
) -> bytes:
    """Calldata of Market.settle, which anyone may send once the dispute window is over. One record for each outcome."""
    verdict = (pack_outcomes(outcomes), receipts_root)
    return encode_call("settle", head, verdict, proven.plain())


def encode_accept(
    *,
    head: BatchHead,
    buyer: str,
    buyer_signature: bytes,
    provider: str = ZERO_ADDRESS,
    provider_signature: bytes = b"",
    outcomes: Sequence[tuple[int, Outcome]],
    proven: calls.Proven,
) -> bytes:
    """Calldata of Market.accept: the buyer alone pays whole locks, with a provider it pays what both say."""
    signed = (buyer, buyer_signature, provider, provider_signature)
    return encode_call("accept", head, *signed, pack_outcomes(outcomes), proven.plain())


def encode_give_up(*, head: BatchHead, provider: str, proven: calls.Proven, signature: bytes) -> bytes:
    """Calldata of Market.giveUp: anyone may refund the records a dispute window later, if no verdict comes meanwhile."""
    return encode_call("giveUp", head, provider, proven.plain(), signature)


def encode_refund(*, head: BatchHead, proven: calls.Proven) -> bytes:
    """Calldata of Market.refund, which anyone may send from refund_after."""
    return encode_call("refund", head, proven.plain())


def encode_dispute(
    *,
    head: BatchHead,
    outcomes: Sequence[tuple[int, Outcome]],
    receipts_root: bytes,
    proven: calls.Proven,
    claim: Claim,
    run: int = ANY_RUN,
) -> bytes:
    """Calldata of Market.dispute: the verdict as it was decided, the one record that is disputed, and what is claimed."""
    verdict = (pack_outcomes(outcomes), receipts_root)
    return encode_call("dispute", head, verdict, proven.plain(), int(claim), run)


def encode_reveal(*, batch: bytes, record: Record, run: int, shown: calls.Shown) -> bytes:
    """Calldata of Market.reveal: what answers the claim that there is no receipt for `run`."""
    return encode_call("reveal", batch, record.words(), run, shown.plain())


def encode_rule(
    *,
    head: BatchHead,
    arbiters: KeySet,
    proven: calls.Proven,
    outcome: Outcome,
    signatures: Sequence[bytes],
) -> bytes:
    """Calldata of Market.rule: arbiters end a disputed trade."""
    word = outcome.packed(proven.records[0].index)
    return encode_call("rule", head, calls.key_set(arbiters), proven.plain(), word, signatures)


def encode_time_out(*, head: BatchHead, proven: calls.Proven) -> bytes:
    """Calldata of Market.timeOut, which anyone may send when nobody revealed or ruled in time."""
    return encode_call("timeOut", head, proven.plain())


def encode_reclaim(*, head: BatchHead, proven: calls.Proven, run: int) -> bytes:
    """Calldata of Market.reclaim: free the bond of a claim that was open when its trade ended."""
    return encode_call("reclaim", head, proven.plain(), run)


def signed_voucher(session: Session, cumulative: int, signature: bytes) -> tuple[Any, ...]:
    """An element of Market.redeem's argument. ValueError for a signature without a short form."""
    return (*session.words(), cumulative, *short_signature(signature))


def decode_call(data: bytes | str) -> tuple[str, dict[str, Any]]:
    """(function, arguments) of calldata; AbiError when it is none of ours."""
    raw = _bytes(data)
    entry = _BY_SELECTOR.get(raw[:4])
    if entry is None:
        raise AbiError(f"no function has the selector {to_hex(raw[:4])}")
    values = _decode(entry.parameters, raw[4:], entry.name)
    try:
        return entry.name, calls.readable_call(entry.name, values)
    except (ValueError, IndexError) as error:
        raise AbiError(f"the arguments of {entry.name} do not decode: {error}") from error


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
    ordered = {parameter.name: values[parameter.name] for parameter in entry.parameters}
    return entry.name, calls.readable_event(entry.name, ordered)


def event_topics(*names: str) -> list[str]:
    """First topics (0x hex) of the named events, of all when none is named; for eth_getLogs."""
    return [to_hex(EVENTS[name].topic) for name in (names or tuple(EVENTS))]


def struct_of(name: str, value: dict[str, Any]) -> Any:
    """The dataclass (Offer, Bid, Clearing, BatchHead, Session, Record) of a decoded struct; more keys do no harm."""
    if name == "Record":
        return calls.record_of(value)
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
    if isinstance(value, list | tuple):
        return [_scalar(item) for item in value]
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
        struct = base if base in _STRUCTS else None
        if struct is not None:
            base = "(" + ",".join(kind for kind, _, _ in layout(_STRUCTS[struct].TYPE)) + ")"
        base = _PACKED.get(base, base)
        result.append(Parameter(base + array, struct, snake_case(words[-1]), "indexed" in words))
    return tuple(result)


FUNCTIONS: Final = _parse(FUNCTIONS_TEXT)
EVENTS: Final = _parse(EVENTS_TEXT)
ERRORS: Final = _parse(ERRORS_TEXT)
_BY_SELECTOR: Final = {entry.selector: entry for entry in FUNCTIONS.values()}
_BY_TOPIC: Final = {entry.topic: entry for entry in EVENTS.values()}
_ERROR_BY_SELECTOR: Final = {entry.selector: entry for entry in ERRORS.values()}
EVENT_TOPICS: Final[dict[str, str]] = {name: to_hex(entry.topic) for name, entry in EVENTS.items()}
