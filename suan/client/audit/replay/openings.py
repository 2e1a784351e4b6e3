"""Every opening, checked from the calldata that carried it: signatures, limits, quantities, money, ids.

An opening carries orders with their signatures, clearings with a price and a root, and fills that name them by index. For each
accepted fill the whole rule of docs/protocol.md section 4 is applied again; a refused fill must have a reason and nothing else.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode

from suan.client.audit.replay.context import Context
from suan.client.audit.replay.events import Event
from suan.client.audit.state import TradeView
from suan.core import encoding, ids, signing, units
from suan.core.contract import (
    DAY_SECONDS,
    FILL_CODES,
    NONCE_AHEAD_MAX,
    NONCE_MAX,
    PLACES,
    RUNS_MAX,
    TERM_SECONDS_MAX,
    UNITS_MAX,
    BatchHead,
    Clearing,
    OrderState,
    Record,
    Turn,
    batch_head,
    record_of,
    trade_id,
)
from suan.core.signing import SIDE_BUY, SIDE_SELL, Bid, Offer
from suan.core.units import Price, WorkUnits

Json = dict[str, Any]


def check(audit: Context, block: int, tx_hash: str, events: list[Event]) -> None:
    """Check one open() transaction and fold it into the books."""
    call = audit.call_of(tx_hash)
    if call is None or call[0] != "open":
        audit.report.differ(tx_hash, "calldata", "an open() sent to the Market", call and call[0])
        return
    opening = _Opening(audit, block, tx_hash, call[1])
    rejected = {e.values["position"]: e.values["code"] for e in events if e.name == "FillRejected"}
    locked, taken_back = _locked(events)
    opening.note_clearings([e.values for e in events if e.name == "ClearingCommitted"])
    accepted = [i for i in range(len(call[1]["fills"])) if i not in rejected]
    audit.report.expect(tx_hash, "accepted fills", len(accepted), len(locked))
    records = [
        opening.fill(index, call[1]["fills"][position], values, taken_back[index])
        for index, (position, values) in enumerate(zip(accepted, locked, strict=False))
    ]
    for position in rejected:
        opening.refused(call[1]["fills"][position], rejected[position])
    opening.batch(records, [e.values for e in events if e.name == "BatchLocked"])


def _locked(events: list[Event]) -> tuple[list[Json], list[list[Json]]]:
    """The trades that were locked, and what was taken back from exits for each of them."""
    locked: list[Json] = []
    taken_back: list[list[Json]] = [[]]
    for event in events:
        if event.name == "WithdrawalReduced":
            taken_back[-1].append(event.values)
        elif event.name == "TradeLocked":
            locked.append(event.values)
            taken_back.append([])
    return locked, taken_back


@dataclass
class _Order:
    """An order of the calldata, the clearing that it names, and the key that signed it; empty if the signature is no key's."""

    order: Any
    hash: bytes
    signature: bytes
    side: int
    clearing: int
    wallet: bool = False
    signer: str = ""

    def __post_init__(self) -> None:
        with suppress(signing.BadSignature):
            self.signer = signing.recover(self.hash, self.signature)

    @property
    def subject(self) -> str:
        return ids.ord_id(self.hash)


class _Opening:
    """One open() call with its orders read once each."""

    def __init__(self, audit: Context, block: int, tx_hash: str, arguments: Json) -> None:
        self.audit, self.block, self.tx_hash = audit, block, tx_hash
        self.report = audit.report
        self.domain = audit.domain
        self.at = audit.timestamp(block)
        self.verifier_set = arguments["verifier_set"]
        self.clearings = arguments["clearings"]
        self.offers = self._orders(Offer, SIDE_SELL, arguments, "offer")
        self.bids = self._orders(Bid, SIDE_BUY, arguments, "bid")
        self.clearing_ids: list[str] = []

    def _orders(self, kind: type, side: int, arguments: Json, name: str) -> list[_Order]:
        lists = (arguments[f"{name}s"], arguments[f"{name}_signatures"], arguments[f"{name}_clearings"])
        found = []
        for value, signature, clearing in zip(*lists, strict=True):
            fields = {
                field: encoding.from_hex(item) if field in ("product", "verifier_set", "terms") else item
                for field, item in value.items()
            }
            order = kind(**fields)
            raw = encoding.from_hex(signature)
            found.append(_Order(order, order.digest(self.domain), raw, side, clearing))
        return found

    def note_clearings(self, committed: list[Json]) -> None:
        """Each clearing of the calldata is committed under the id of its own content."""
        self.report.expect(self.tx_hash, "clearings of an opening", len(self.clearings), len(committed))
        for position, clearing in enumerate(self.clearings):
            content = Clearing(
                product=encoding.from_hex(clearing["product"]),
                number=clearing["number"],
                order_set_root=encoding.from_hex(clearing["order_set_root"]),
                price=clearing["price"],
            )
            clearing_id = encoding.to_hex(content.id())
            self.clearing_ids.append(clearing_id)
            event = committed[position] if position < len(committed) else {}
            for name, value in (dict(clearing) | {"clearing_id": clearing_id}).items():
                self.report.expect(f"clr_{clearing_id}", f"{name} of the clearing", value, event.get(name))
            seen = dict(clearing) | {"block": self.block, "tx_hash": self.tx_hash}
            self.audit.books.clearings.setdefault(clearing_id, seen)

    def refused(self, fill: Json, code: int) -> None:
        """A refused fill moves nothing; it is remembered by the trade id that it would have had."""
        places = (fill["offer"], self.offers), (fill["bid"], self.bids), (fill["clearing"], self.clearing_ids)
        if all(place is not None and place < len(row) for place, row in places):
            self.audit.books.rejected_fills[self._trade_id(fill)] = code
        self.report.expect(self.tx_hash, "code of a refused fill", True, code in FILL_CODES)

    def _trade_id(self, fill: Json) -> str:
        clearing = encoding.from_hex(self.clearing_ids[fill["clearing"]])
        offer, bid = self.offers[fill["offer"]], self.bids[fill["bid"]]
        return encoding.to_hex(trade_id(offer.hash, bid.hash, fill["first_run"], clearing))

    def fill(self, index: int, fill: Json, values: Json, taken_back: list[Json]) -> Record:
        """Check the accepted fill with this index against its TradeLocked event, apply it, return its record."""
        self.report.fills_checked += 1
        sold, bought = self.offers[fill["offer"]], self.bids[fill["bid"]]
        offer, bid = sold.order, bought.order
        clearing = self.clearings[fill["clearing"]]
        trade = self._trade_id(fill)
        price, work = Price(clearing["price"]), WorkUnits(fill["runs"] * bid.ceiling)
        parameters, books = self.audit.parameters, self.audit.books
        payment = units.lock_payment(price, work)
        bond = units.bond(
            units.bond_price(Price(offer.price), parameters.bond_bps, Price(parameters.bond_floor_price)),
            work,
        )
        expected = {
            "trade": trade,
            "provider": offer.maker,
            "buyer": bid.maker,
            "first_run": fill["first_run"],
            "runs": fill["runs"],
            "ceiling": bid.ceiling,
            "price": price,
            "payment": payment,
            "bond": bond,
            "deliver_by": min(offer.deliver_by, bid.deliver_by),
            "offer_nonce": offer.nonce,
            "bid_nonce": bid.nonce,
            "index": index,
        }
        for name, value in expected.items():
            self.report.expect(f"trd_{trade}", name, value, values[name])
        self._limits(f"trd_{trade}", fill, sold, bought)
        self._signer(sold, bond)
        self._signer(bought, payment)
        self._take_units(sold, work)
        self._take_runs(bought, fill)
        self._take_back(trade, ((bid.maker, payment), (offer.maker, bond)), taken_back)
        self.audit.post("TradeLocked", dict(values) | {"buyer": bid.maker, "provider": offer.maker})
        record = record_of(values)
        if values["trade"] in books.trades:
            self.report.differ(f"trd_{trade}", "lock", "each trade is locked once", "locked twice")
        books.trades[values["trade"]] = TradeView(
            record, sold.hash, bought.hash, self.clearing_ids[fill["clearing"]], self.block, self.tx_hash
        )
        books.trades_open += 1
        self.report.trades_checked += 1
        return record

    def _take_back(self, trade: str, needed: tuple[tuple[str, int], ...], taken_back: list[Json]) -> None:
        """What the sides lack and no more, out of what each asked out less than a match window ago."""
        accounts = self.audit.books.accounts
        lacking = {who: amount - accounts[who].available for who, amount in needed}
        expected = [(who, lack) for who, lack in lacking.items() if lack > 0]
        found = [(values["account"], values["amount"]) for values in taken_back]
        self.report.expect(f"trd_{trade}", "taken back from exits", expected, found)
        for values in taken_back:
            account = accounts[values["account"]]
            if values["amount"] > account.fresh_at(self.at):
                self.report.differ(
                    values["account"], "taken back", f"at most {account.fresh_at(self.at)}", values["amount"]
                )
            self.audit.post("WithdrawalReduced", values)
            account.fresh -= values["amount"]
            account.forget_empty_exit()

    def _limits(self, subject: str, fill: Json, sold: _Order, bought: _Order) -> None:
        offer, bid, price = sold.order, bought.order, self.clearings[sold.clearing]["price"]
        deliver_by = min(offer.deliver_by, bid.deliver_by)
        facts = {
            "price within both limits": offer.price <= price <= bid.price,
            "one clearing, and so one product": sold.clearing == bought.clearing,
            "two makers": offer.maker != bid.maker,
            "time left to deliver": self.at < deliver_by <= self.at + TERM_SECONDS_MAX,
            "runs that the bid asks for": 0 < fill["runs"] <= bid.runs - fill["first_run"],
            "quantities that can be counted": offer.units <= UNITS_MAX
            and bid.runs <= RUNS_MAX
            and bid.ceiling > 0,
            "nonces within reach of their makers": self._reachable(sold) and self._reachable(bought),
            "fee within both maxima": self.audit.parameters.fee_bps
            <= min(offer.max_fee_bps, bid.max_fee_bps),
        }
        for name, holds in facts.items():
            self.report.expect(subject, name, True, holds)

    def _reachable(self, signed: _Order) -> bool:
        """Not too far above the newest nonce of the maker's side, which this trade then raises."""
        account, nonce = self.audit.books.accounts[signed.order.maker], signed.order.nonce
        reach = min(account.newest(signed.side) + NONCE_AHEAD_MAX, NONCE_MAX)
        account.raise_newest(signed.side, nonce)
        return bool(nonce <= reach)

    def _signer(self, signed: _Order, amount: int) -> None:
        """The maker signed, or a key that it made a delegate, within what that may spend in a day, or its wallet accepts it."""
        order, books = signed.order, self.audit.books
        if signed.signer == order.maker or signed.wallet:
            return
        key = (order.maker, signed.signer, signed.side)
        grant = books.delegates.get(key)
        if grant is None:
            signed.wallet = self.audit.accepted_by_wallet(order.maker, signed.hash, signed.signature)
            if not signed.wallet:
                wanted = f"by {order.maker}, its delegate or its wallet"
                self.report.differ(signed.subject, "signature", wanted, signed.signer or "nobody")
            return
        counted = grant_id(order.maker, signed.signer, signed.side, grant["version"])
        day, spent = books.spent.get(counted, (0, 0))
        today = self.at // DAY_SECONDS
        books.spent[counted] = (today, (spent if day == today else 0) + amount)
        worst = grant["worst_price"]
        allowed = (
            grant["valid_until"] >= self.at
            and books.spent[counted][1] <= grant["spend_cap"]
            and (order.price <= worst if signed.side == SIDE_BUY else order.price >= worst)
        )
        self.report.expect(signed.subject, "delegate key within its cap, price and time", True, allowed)

    def _begin(self, signed: _Order) -> OrderState | None:
        """Where the order counts: in its place, which it takes over from an older one, or for a match window after a cancel in the
        place's shadow; None, and a difference, if it can trade no more.
        """
        order, generation = signed.order, signed.order.nonce // PLACES
        state = self.audit.books.begin(order.maker, signed.side, order.nonce, self.at)
        if state.generation == generation and not state.ended:
            return state
        shadow = self.audit.books.shadow(order.maker, signed.side, order.nonce, self.at)
        if shadow is not None:
            return shadow
        found = "cancelled" if state.generation == generation else "another order in its place"
        self.report.differ(signed.subject, "quantity used", "none: it trades no more", found)
        return None

    def _take_units(self, sold: _Order, work: int) -> None:
        """Count work in the offer's place: never more than it sells, nothing new after its time."""
        state, offer = self._begin(sold), sold.order
        if state is None:
            return
        limit = offer.units if self.at <= offer.valid_until else state.reached
        state.take(state.generation, work)
        if state.consumed > limit:
            self.report.differ(sold.subject, "quantity used", f"at most {limit}", state.consumed)

    def _take_runs(self, bought: _Order, fill: Json) -> None:
        """Count runs in the bid's place: new ones or such as were passed over in time, else no more than came back."""
        state, bid = self._begin(bought), bought.order
        if state is None:
            return
        first, runs = fill["first_run"], fill["runs"]
        allowed = {Turn.BACK} if self.at > bid.valid_until else {Turn.NEW, Turn.PASSED, Turn.BACK}
        if (turn := state.turn(first, runs)) not in allowed:
            named = f"runs {first} to {first + runs - 1}"
            self.report.differ(bought.subject, named, f"{' or '.join(sorted(allowed))} at {self.at}", turn)
        self.audit.books.take_runs(state, bid.maker, bid.nonce, first, runs)

    def batch(self, records: list[Record], locked: list[Json]) -> None:
        """The batch commits to exactly these records."""
        if not records:
            self.report.expect(self.tx_hash, "batches of an opening without fills", 0, len(locked))
            return
        if not self.report.expect(self.tx_hash, "batches of an opening", 1, len(locked)):
            return
        values = locked[0]
        try:
            head: BatchHead = batch_head(values["number"], encoding.from_hex(self.verifier_set), records)
        except ValueError as error:
            self.report.differ(self.tx_hash, "records of the batch", "indices 0, 1, 2, …", error)
            return
        batch = encoding.to_hex(head.id())
        self.report.expect(self.tx_hash, "batch root", encoding.to_hex(head.root), values["root"])
        self.report.expect(self.tx_hash, "batch id", batch, values["batch_id"])
        self.report.expect(self.tx_hash, "verifier set", self.verifier_set, values["verifier_set"])
        books = self.audit.books
        locked_now = sum(record.payment + record.bond for record in records)
        exposure = books.exposure[self.verifier_set] = books.exposure.get(self.verifier_set, 0) + locked_now
        _, _, cap = books.verifier_sets.get(self.verifier_set, ((), 0, 0))
        if exposure > cap:
            self.report.differ(batch, "locked in trades of the verifier set", f"at most {cap}", exposure)
        self.report.expect(self.tx_hash, "number of the batch", books.lock_batches + 1, values["number"])
        books.lock_batches = values["number"]
        books.batches[batch] = head
        books.open_bits[batch] = (1 << len(records)) - 1
        for record in records:
            trade = encoding.to_hex(record.trade)
            books.trades[trade].batch = batch
            books.trade_at[(batch, record.index)] = trade


def grant_id(owner: str, key: str, side: int, version: int) -> str:
    """Under what the contract counts the spending of one setting of a delegate: keccak256(abi.encode(all of it))."""
    return encoding.to_hex(
        encoding.keccak(encode(["address", "address", "uint8", "uint24"], [owner, key, side, version]))
    )
