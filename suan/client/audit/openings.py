"""Every opening, checked from the calldata that carried it: signatures, limits, quantities, money, ids.

An opening carries orders with their signatures, clearings with a price and a root, and fills that name them by index. For each
accepted fill the whole rule of docs/protocol.md section 4 is applied again; a refused fill must have a reason and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from suan.client.audit.state import TradeView
from suan.core import identity, units
from suan.core.records import BatchHead, Clearing, Record, RejectCode, batch_head, trade_id
from suan.core.signed import SIDE_BUY, SIDE_SELL, Bid, Offer
from suan.core.units import Price, WorkUnits

if TYPE_CHECKING:
    from suan.client.audit.chain import ChainAudit, Event

Json = dict[str, Any]


def check(audit: ChainAudit, block: int, tx_hash: str, events: list[Event]) -> None:
    """Check one open() transaction and fold it into the books."""
    call = audit.call_of(tx_hash)
    if call is None or call[0] != "open":
        audit.report.differ(tx_hash, "calldata", "an open() sent to the Market", call and call[0])
        return
    opening = _Opening(audit, block, tx_hash, call[1])
    rejected = {e.values["position"]: e.values["code"] for e in events if e.name == "FillRejected"}
    locked = [e.values for e in events if e.name == "TradeLocked"]
    opening.note_clearings([e.values for e in events if e.name == "ClearingCommitted"])
    accepted = [i for i in range(len(call[1]["fills"])) if i not in rejected]
    audit.report.expect(tx_hash, "accepted fills", len(accepted), len(locked))
    records = [
        opening.fill(call[1]["fills"][position], values)
        for position, values in zip(accepted, locked, strict=False)
    ]
    for position in rejected:
        opening.refused(call[1]["fills"][position], rejected[position])
    opening.batch(records, [e.values for e in events if e.name == "BatchLocked"])


class _Opening:
    """One open() call with its orders checked once each."""

    def __init__(self, audit: ChainAudit, block: int, tx_hash: str, arguments: Json) -> None:
        self.audit, self.block, self.tx_hash = audit, block, tx_hash
        self.report = audit.report
        self.domain = identity.market_domain(audit.parameters.chain_id, audit.parameters.market)
        self.at = audit.timestamp(block)
        self.verifier_set = arguments["verifier_set"]
        self.clearings = arguments["clearings"]
        self.offers = [
            self._order(Offer, SIDE_SELL, value, signature)
            for value, signature in zip(arguments["offers"], arguments["offer_signatures"], strict=True)
        ]
        self.bids = [
            self._order(Bid, SIDE_BUY, value, signature)
            for value, signature in zip(arguments["bids"], arguments["bid_signatures"], strict=True)
        ]
        self.clearing_ids: list[str] = []

    def _order(self, kind: type, side: int, value: Json, signature: str) -> tuple[Any, bytes, str | None]:
        """(order, hash, signer); the signer is None where the signature recovers to nobody."""
        fields = {
            name: identity.from_hex(item) if name in ("product", "verifier_set", "terms") else item
            for name, item in value.items()
        }
        order = kind(**fields)
        digest = order.digest(self.domain)
        try:
            signer: str | None = identity.recover(digest, identity.from_hex(signature))
        except identity.BadSignature:
            signer = None
        return order, digest, signer

    def note_clearings(self, committed: list[Json]) -> None:
        """Each clearing of the calldata is committed under the id of its own content."""
        self.report.expect(self.tx_hash, "clearings of an opening", len(self.clearings), len(committed))
        for position, clearing in enumerate(self.clearings):
            content = Clearing(
                product=identity.from_hex(clearing["product"]),
                number=clearing["number"],
                order_set_root=identity.from_hex(clearing["order_set_root"]),
                price=clearing["price"],
            )
            clearing_id = identity.to_hex(content.id())
            self.clearing_ids.append(clearing_id)
            event = committed[position] if position < len(committed) else {}
            for name, value in (dict(clearing) | {"clearing_id": clearing_id}).items():
                self.report.expect(f"clr_{clearing_id}", f"{name} of the clearing", value, event.get(name))
            seen = dict(clearing) | {"block": self.block, "tx_hash": self.tx_hash}
            self.audit.books.clearings.setdefault(clearing_id, seen)

    def refused(self, fill: Json, code: int) -> None:
        """A refused fill moves nothing; it is remembered by the trade id that it would have had."""
        if fill["offer"] < len(self.offers) and fill["bid"] < len(self.bids):
            if fill["clearing"] < len(self.clearing_ids):
                self.audit.books.rejected_fills[self._trade_id(fill)] = code
        self.report.expect(
            f"{self.tx_hash}", "code of a refused fill", True, 1 <= code <= len(RejectCode) - 1
        )

    def _trade_id(self, fill: Json) -> str:
        clearing = identity.from_hex(self.clearing_ids[fill["clearing"]])
        return identity.to_hex(
            trade_id(self.offers[fill["offer"]][1], self.bids[fill["bid"]][1], fill["first_run"], clearing)
        )

    def fill(self, fill: Json, values: Json) -> Record:
        """Check one accepted fill against its TradeLocked event, apply it, return its record."""
        self.report.fills_checked += 1
        offer, offer_hash, offer_signer = self.offers[fill["offer"]]
        bid, bid_hash, bid_signer = self.bids[fill["bid"]]
        clearing = self.clearings[fill["clearing"]]
        subject = f"trd_{self._trade_id(fill)}"
        price, work = Price(clearing["price"]), WorkUnits(fill["runs"] * bid.ceiling)
        parameters = self.audit.parameters
        payment = units.lock_payment(price, work)
        bond = units.bond(
            units.bond_price(Price(offer.price), parameters.bond_bps, Price(parameters.bond_floor_price)),
            work,
        )
        expected = {
            "trade": self._trade_id(fill),
            "offer": identity.to_hex(offer_hash),
            "bid": identity.to_hex(bid_hash),
            "provider": offer.maker,
            "buyer": bid.maker,
            "first_run": fill["first_run"],
            "runs": fill["runs"],
            "ceiling": bid.ceiling,
            "price": price,
            "payment": payment,
            "bond": bond,
            "deliver_by": min(offer.deliver_by, bid.deliver_by),
        }
        for name, value in expected.items():
            self.report.expect(subject, name, value, values[name])
        self._limits(subject, offer, bid, clearing)
        self._signer(f"ord_{identity.to_hex(offer_hash)}", offer, SIDE_SELL, offer_signer, bond)
        self._signer(f"ord_{identity.to_hex(bid_hash)}", bid, SIDE_BUY, bid_signer, payment)
        self._take(offer, offer_hash, work, offer.units)
        self._take(bid, bid_hash, fill["runs"], bid.runs)
        self.audit.move(bid.maker, available=-values["payment"], locked=values["payment"])
        self.audit.move(offer.maker, available=-values["bond"], locked=values["bond"])
        fields: Json = {
            name: identity.from_hex(item) if name in ("trade", "offer", "bid") else item
            for name, item in values.items()
        }
        record = Record(**fields)
        if values["trade"] in self.audit.books.trades:
            self.report.differ(subject, "lock", "each trade is locked once", "locked twice")
        self.audit.books.trades[values["trade"]] = TradeView(
            record, self.clearing_ids[fill["clearing"]], self.block, self.tx_hash
        )
        self.report.trades_checked += 1
        return record

    def _limits(self, subject: str, offer: Offer, bid: Bid, clearing: Json) -> None:
        product = identity.from_hex(clearing["product"])
        facts = {
            "price within both limits": offer.price <= clearing["price"] <= bid.price,
            "one product": offer.product == bid.product == product,
            "verifier set of both orders": identity.to_hex(offer.verifier_set)
            == identity.to_hex(bid.verifier_set)
            == self.verifier_set,
            "two makers": offer.maker != bid.maker,
            "sides": (offer.side, bid.side) == (SIDE_SELL, SIDE_BUY),
            "time left to deliver": self.at < min(offer.deliver_by, bid.deliver_by),
            "fee within both maxima": self.audit.parameters.fee_bps
            <= min(offer.max_fee_bps, bid.max_fee_bps),
        }
        for name, holds in facts.items():
            self.report.expect(subject, name, True, holds)

    def _signer(self, subject: str, order: Offer | Bid, side: int, signer: str | None, amount: int) -> None:
        if signer == order.maker:
            return
        grant = self.audit.books.delegates.get((order.maker, signer or "", side))
        if grant is None:
            self.report.differ(subject, "signature", f"by {order.maker} or its delegate", signer)
            return
        key = (order.maker, signer or "", side)
        self.audit.books.spent[key] += amount
        worst = grant["worst_price"]
        allowed = (
            grant["valid_until"] >= self.at
            and self.audit.books.spent[key] <= grant["spend_cap"]
            and (order.price <= worst if side == SIDE_BUY else order.price >= worst)
        )
        self.report.expect(subject, "delegate key within its cap, price and time", True, allowed)

    def _take(self, order: Offer | Bid, digest: bytes, quantity: int, total: int) -> None:
        order_hash = identity.to_hex(digest)
        use = self.audit.books.uses[(order.maker, order_hash)]
        limit = total if self.at <= order.valid_until else use.peak
        use.consumed += quantity
        if use.consumed > limit or use.cancelled:
            self.report.differ(f"ord_{order_hash}", "quantity used", f"at most {limit}, not cancelled", use)
        use.peak = max(use.peak, use.consumed)

    def batch(self, records: list[Record], locked: list[Json]) -> None:
        """The batch commits to exactly these records."""
        if not records:
            self.report.expect(self.tx_hash, "batches of an opening without fills", 0, len(locked))
            return
        if not self.report.expect(self.tx_hash, "batches of an opening", 1, len(locked)):
            return
        values = locked[0]
        try:
            head: BatchHead = batch_head(values["number"], identity.from_hex(self.verifier_set), records)
        except ValueError as error:
            self.report.differ(self.tx_hash, "records of the batch", "indices 0, 1, 2, …", error)
            return
        batch = identity.to_hex(head.id())
        self.report.expect(self.tx_hash, "batch root", identity.to_hex(head.root), values["root"])
        self.report.expect(self.tx_hash, "batch id", batch, values["batch_id"])
        self.report.expect(self.tx_hash, "verifier set", self.verifier_set, values["verifier_set"])
        self.audit.books.batches[batch] = head
        self.audit.books.open_bits[batch] = (1 << len(records)) - 1
        for record in records:
            self.audit.books.trades[identity.to_hex(record.trade)].batch = batch
