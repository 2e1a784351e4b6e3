"""Packed arguments of the Market's calls and events, in both directions.

The contract takes orders, records, verdicts and fills as words (`suan.core.contract.packing`); everybody else speaks of their
fields. Decoded, a call or an event has named fields only, so that readers never see a word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from suan.core.contract import packing
from suan.core.contract.packing import long_signature, pack, short_signature, unpack
from suan.core.contract.records import Fill, KeySet, OutcomeKind, Record, unpack_outcomes
from suan.core.encoding import from_hex, to_hex
from suan.core.signing import SIDE_BUY, SIDE_SELL, Bid, Offer
from suan.core.units import Price, WorkUnits, lock_payment

Json = dict[str, Any]

_ORDER: Final = "(uint256,uint256,bytes32,bytes32,bytes32)"
_RECORD: Final = "(bytes32,uint256,uint256,uint256)"
NOWHERE: Final = 255
NO_PRODUCT: Final = "0x" + "00" * 32
"""A position that no call reaches: it has at most 200 orders of a side."""
TYPES: Final[dict[str, str]] = {
    "PackedOffer": _ORDER,
    "PackedBid": _ORDER,
    "Record": _RECORD,
    "KeySet": "(address[],uint8,uint96)",
    "Verdict": "(bytes,bytes32)",
    "Proven": f"({_RECORD}[],bytes32[],bool[])",
    "Shown": "(bytes32,uint32,uint8,uint64,bytes,bytes,bytes32[],bytes)",
    "SignedVoucher": "(uint256,uint256,uint256,bytes32,bytes32)",
}
"""ABI types of the packed structs, by the names of IMarketTypes.sol."""


@dataclass(frozen=True)
class Shown:
    """What answers a claim for the receipt of a run: its leaf under the disputed verdict's root with the proof, or the
    exchange's acknowledgement of the receipt. words and signature are empty of a run without receipt.
    """

    receipts_root: bytes
    run: int
    verdict_of_run: int
    units_of_run: int
    words: bytes = b""
    signature: bytes = b""
    proof: tuple[bytes, ...] = ()
    acknowledgement: bytes = b""

    def plain(self) -> tuple[Any, ...]:
        return (
            self.receipts_root, self.run, self.verdict_of_run, self.units_of_run, self.words, self.signature,
            list(self.proof), self.acknowledgement,
        )  # fmt: skip


@dataclass(frozen=True)
class Proven:
    """Records of one lock batch, in ascending order of index, with their multiproof; of all of it both are empty."""

    records: tuple[Record, ...]
    proof: tuple[bytes, ...] = ()
    proof_flags: tuple[bool, ...] = ()

    def plain(self) -> tuple[Any, ...]:
        return ([record.words() for record in self.records], list(self.proof), list(self.proof_flags))


class PackedOrders:
    """The orders of one open() as the contract takes them. Each names the clearing it trades at; one that trades at
    several stands there once for each. A signature without a short form is a wallet's (ERC-1271).
    """

    def __init__(self) -> None:
        self.wallet_signatures: list[bytes] = []

    def pack(self, order: Offer | Bid, signature: bytes, clearing: int) -> tuple[Any, ...]:
        """The words of an order; ValueError when a number does not fit its bits."""
        wallet, r, vs = 0, bytes(32), bytes(32)
        try:
            r, vs = short_signature(signature)
        except ValueError:
            self.wallet_signatures.append(signature)
            wallet = len(self.wallet_signatures)
        if isinstance(order, Offer):
            fields, size = packing.OFFER_FIELDS, {"units": order.units}
        else:
            fields, size = packing.BID_FIELDS, {"runs": order.runs, "ceiling": order.ceiling}
        word = pack(
            fields,
            nonce=order.nonce,
            valid_until=order.valid_until,
            deliver_by=order.deliver_by,
            max_fee_bps=order.max_fee_bps,
            clearing=clearing,
            wallet=wallet,
            **size,
        )
        return pack(packing.MAKER, maker=order.maker, price=order.price), word, order.terms, r, vs


class _Table:
    """Orders by (position, clearing) in the order in which fills name them."""

    def __init__(self, orders: int) -> None:
        self._orders = orders
        self._positions: dict[tuple[int, int], int] = {}

    def position(self, order: int, clearing: int) -> int:
        """Where the order stands in the call; NOWHERE for one that is not there, which the contract refuses."""
        if order >= self._orders:
            return NOWHERE
        return self._positions.setdefault((order, clearing), len(self._positions))

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self._positions)


def pack_open(
    offers: Sequence[tuple[Offer, bytes]], bids: Sequence[tuple[Bid, bytes]], fills: Sequence[Fill]
) -> tuple[list[Any], list[Any], list[bytes], bytes]:
    """Offers, bids, wallet signatures and fills of open(). Orders that no fill names are left out."""
    packed, sold, bought = PackedOrders(), _Table(len(offers)), _Table(len(bids))
    words = [
        pack(
            packing.FILL,
            offer=sold.position(fill.offer, fill.clearing),
            bid=bought.position(fill.bid, fill.clearing),
            first_run=fill.first_run,
            runs=fill.runs,
        )
        for fill in fills
    ]
    return (
        [packed.pack(*offers[order], clearing) for order, clearing in sold],
        [packed.pack(*bids[order], clearing) for order, clearing in bought],
        packed.wallet_signatures,
        b"".join(word.to_bytes(packing.FILL_BYTES, "big") for word in words),
    )


def _fills(data: str, clearings: Sequence[int]) -> list[Json]:
    """clearings: of each offer. A fill whose offer is not there has none."""
    raw = from_hex(data)
    if len(raw) % packing.FILL_BYTES:
        raise ValueError(f"fills are {packing.FILL_BYTES} bytes each, got {len(raw)} in all")
    starts = range(0, len(raw), packing.FILL_BYTES)
    chunks = (raw[start : start + packing.FILL_BYTES] for start in starts)
    fills = [unpack(packing.FILL, int.from_bytes(chunk, "big")) for chunk in chunks]
    known = len(clearings)
    return [f | {"clearing": clearings[f["offer"]] if f["offer"] < known else None} for f in fills]


def key_set(value: KeySet) -> tuple[Any, ...]:
    return (list(value.members), value.threshold, value.payout_cap)


def record_of(value: Json) -> Record:
    """The record of a decoded one, or of a TradeLocked event."""
    names = Record.__dataclass_fields__
    fields = {name: value[name] for name in names if name != "trade"}
    return Record(trade=from_hex(value["trade"]), **fields)


def readable_call(name: str, values: Json) -> Json:
    """Arguments with every word written out. ValueError or IndexError for words that say nothing."""
    if name == "open":
        return _readable_open(values)
    result = dict(values)
    for key, reader in _ARGUMENTS.items():
        if key in result:
            result |= reader(result.pop(key)) if key in _SPREAD else {key: reader(result[key])}
    if name == "accept":
        result["outcomes"] = _outcomes(values["outcomes"])
    if name == "rule":
        result["outcome"] = unpack(packing.OUTCOME, values["outcome"])
    return result


def readable_event(name: str, values: Json) -> Json:
    """Arguments of an event with every word written out, and what follows from them."""
    reader = _EVENTS.get(name)
    return values if reader is None else reader(dict(values))


# --- calls ---------------------------------------------------------------------------------------------------


def _readable_open(values: Json) -> Json:
    """An order that names no clearing of the call has no product, and one that names no signature has an empty one: the
    contract refuses their fills and takes the others."""
    clearings, wallets = values["clearings"], values["wallet_signatures"]
    result: Json = {"verifier_set": values["verifier_set"], "clearings": clearings}
    for kind, fields, side in (
        ("offers", packing.OFFER_FIELDS, SIDE_SELL),
        ("bids", packing.BID_FIELDS, SIDE_BUY),
    ):
        orders, signatures, named = [], [], []
        for maker, word, terms, r, vs in values[kind]:
            order = unpack(packing.MAKER, maker) | unpack(fields, word)
            wallet, clearing = order.pop("wallet"), order.pop("clearing")
            named.append(clearing)
            order |= {
                "side": side,
                "product": clearings[clearing]["product"] if clearing < len(clearings) else NO_PRODUCT,
                "verifier_set": values["verifier_set"],
                "terms": terms,
            }
            orders.append(order)
            short = to_hex(long_signature(from_hex(r), from_hex(vs)))
            signatures.append(("0x", *wallets)[wallet if wallet <= len(wallets) else 0] if wallet else short)
        result[kind], result[f"{kind[:-1]}_signatures"] = orders, signatures
        result[f"{kind[:-1]}_clearings"] = named
    result["fills"] = _fills(values["fills"], result["offer_clearings"])
    return result


def _outcomes(data: str) -> list[Json]:
    return [
        {
            "index": index,
            "kind": outcome.kind,
            "runs_delivered": outcome.runs_delivered,
            "units": outcome.units,
        }
        for index, outcome in unpack_outcomes(from_hex(data))
    ]


def _record(words: Sequence[Any]) -> Json:
    record = Record.from_words(from_hex(words[0]), *words[1:])
    return {"trade": words[0], "payment": record.payment} | {
        name: getattr(record, name) for name in Record.__dataclass_fields__ if name != "trade"
    }


def _proven(value: Sequence[Any]) -> Json:
    records, proof, flags = value
    return {"records": [_record(words) for words in records], "proof": proof, "proof_flags": flags}


def _shown(value: Sequence[Any]) -> Json:
    return dict(zip(Shown.__dataclass_fields__, value, strict=True))


def _set(value: Sequence[Any]) -> Json:
    return {"members": value[0], "threshold": value[1], "payout_cap": value[2]}


def _verdict(value: Sequence[Any]) -> Json:
    return {"outcomes": _outcomes(value[0]), "receipts_root": value[1]}


def _vouchers(value: Sequence[Any]) -> list[Json]:
    return [
        unpack(packing.SESSION_BUYER, buyer)
        | unpack(packing.SESSION_PROVIDER, provider)
        | {"cumulative": cumulative, "signature": to_hex(long_signature(from_hex(r), from_hex(vs)))}
        for buyer, provider, cumulative, r, vs in value
    ]


_ARGUMENTS: Final[dict[str, Callable[[Any], Any]]] = {
    "proven": _proven,
    "verdict": _verdict,
    "verifiers": _set,
    "arbiters": _set,
    "record": _record,
    "shown": _shown,
    "vouchers": _vouchers,
}
_SPREAD: Final = ("proven", "verdict")
"""Arguments that are shown as their members."""


# --- events --------------------------------------------------------------------------------------------------


def _trade_locked(values: Json) -> Json:
    values |= unpack(packing.RECORD_PROVIDER, values.pop("provider_and_price"))
    values |= unpack(packing.RECORD_BUYER, values.pop("buyer_and_work"))
    values |= unpack(packing.RECORD_TERMS, values.pop("terms"))
    work = WorkUnits(values["runs"] * values["ceiling"])
    return values | {"payment": int(lock_payment(Price(values["price"]), work))}


def _trade_closed(values: Json) -> Json:
    values |= unpack(packing.OUTCOME, values.pop("outcome"))
    amounts = unpack(packing.AMOUNTS, values.pop("amounts"))
    second, slashed = amounts["fee_or_slashed"], values["kind"] == OutcomeKind.SLASHED
    return values | {
        "paid": amounts["paid"],
        "fee": 0 if slashed else second,
        "slashed": second if slashed else 0,
    }


def _with_outcome(values: Json) -> Json:
    return values | unpack(packing.OUTCOME, values.pop("outcome"))


def _voucher_redeemed(values: Json) -> Json:
    return values | unpack(packing.PAID_AND_FEE, values.pop("paid_and_fee"))


_EVENTS: Final[dict[str, Callable[[Json], Json]]] = {
    "TradeLocked": _trade_locked,
    "TradeClosed": _trade_closed,
    "DisputeOpened": _with_outcome,
    "DisputeEnded": _with_outcome,
    "VoucherRedeemed": _voucher_redeemed,
}
