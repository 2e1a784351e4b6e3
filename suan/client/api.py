"""The buyer's and the seller's hand: typed calls to one exchange.

    from suan.client.api import Suan
    market = Suan("http://127.0.0.1:8000", api_key="sk_…")
    job = market.upload(open("nbody.wasm", "rb").read())
    data = market.upload(b"1000")
    order = market.bid("cpu.fp64:eu-north:recomputed", price="1.20", module=job, input=data, runs=4, ceiling_units=50_000)
    market.wait(order["order_id"])
    for output in market.outputs(order["order_id"]):
        print(output.run, output.data)

With `key` the orders are signed here and the exchange never holds the secret; without it the platform-held key of the account
signs (custodial). Every call has a timeout. Repeats are safe: reads by nature, orders by their client_order_id.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from suan.client.errors import Rejected, SuanError, UnknownOutcome
from suan.client.keystore import LocalKey
from suan.client.wire import ATTEMPTS_MAX, TIMEOUT_SECONDS, Answer, Wire
from suan.core import encoding, ids, orders, signing, units
from suan.core.delivery import ExitReason

POLL_SECONDS = 0.5
VALID_SECONDS = 600
DELIVER_SECONDS = 900
WALL_SECONDS = 30
MEMORY_BYTES = 64 * 1024 * 1024
TERMINAL = frozenset({"filled", "canceled", "expired", "rejected"})
CLOSED_TRADES = frozenset({"settled", "refunded", "slashed", "rejected"})

Json = dict[str, Any]


@dataclass(frozen=True)
class Output:
    """What one run delivered: its index, exit reason as a word (`ok`, `trap`, …) and bytes."""

    run: int
    exit_reason: str
    data: bytes


def exit_word(reason: int | None) -> str:
    """The word for an exit reason of the API (`ok`, `trap`, `ceiling`, …); empty while there is none."""
    if reason is None:
        return ""
    return (
        ExitReason(reason).name.lower() if reason in ExitReason._value2member_map_ else f"unknown ({reason})"
    )


class Suan:
    """A connection to one exchange."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        key: LocalKey | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        attempts_max: int = ATTEMPTS_MAX,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.url = url.rstrip("/")
        self.key = key
        self._clock = clock
        self._wire = Wire(self.url, api_key, timeout_seconds=timeout_seconds, attempts_max=attempts_max)

    # ---------------------------------------------------------------- requests
    def request(self, method: str, path: str, *, repeatable: bool = True, **options: Any) -> Answer:
        """Send one request; faults of the network, 429 and 5xx are tried again if it is repeatable.

        Raises Rejected (nothing changed), UnknownOutcome (may have been carried out) or Unreachable (was not).
        """
        return self._wire.request(method, path, repeatable=repeatable, **options)

    def get(self, path: str, **params: Any) -> Any:
        """GET a JSON document below /api/v1."""
        return self.request("GET", path, params=params or None).json()

    def post(self, path: str, body: Json | None = None, *, repeatable: bool = True) -> Any:
        """POST a JSON document below /api/v1."""
        return self.request("POST", path, json=body or {}, repeatable=repeatable).json()

    def pages(self, path: str, **params: Any) -> Iterator[Json]:
        """All rows of a cursor-paged list."""
        cursor: str | None = None
        while True:
            page = self.get(path, **params, **({"cursor": cursor} if cursor else {}))
            yield from page["results"]
            before, cursor = cursor, page.get("next")
            if not cursor:
                return
            if cursor == before:
                raise SuanError(f"the list {path} does not end: the exchange repeats its cursor")

    # ---------------------------------------------------------------- market
    @cached_property
    def market(self) -> Json:
        """Addresses, chain id, products, fees, limits and windows of the exchange."""
        found: Json = self.get("/market")
        return found

    @cached_property
    def domain(self) -> signing.Domain:
        """EIP-712 domain of the Market contract."""
        return signing.market_domain(self.market["chain_id"], self.market["market"])

    @cached_property
    def registry_domain(self) -> signing.Domain:
        """EIP-712 domain of the Registry contract."""
        return signing.registry_domain(self.market["chain_id"], self.market["registry"])

    # ---------------------------------------------------------------- artifacts
    def upload(self, data: bytes) -> str:
        """Store bytes under their SHA-256 and return it; storing the same bytes again is harmless."""
        expected = encoding.sha256_hex(data)
        headers = {"Content-Type": "application/octet-stream"}
        stored = self.request("POST", "/artifacts", content=data, headers=headers).json()
        if stored.get("sha256") != expected:
            raise SuanError("the exchange stored other bytes than were sent; upload again")
        return expected

    def download(self, sha256: str) -> bytes:
        """Fetch bytes by their SHA-256 and check it."""
        data = self.request("GET", f"/artifacts/{sha256}").content
        if encoding.sha256_hex(data) != sha256.lower():
            raise SuanError(f"the bytes of {sha256} have another hash; fetch again")
        return data

    # ---------------------------------------------------------------- orders
    def bid(
        self,
        product: str,
        *,
        price: str,
        module: str,
        input: str,
        runs: int,
        ceiling_units: int,
        client_order_id: str | None = None,
        valid_seconds: int = VALID_SECONDS,
        deliver_seconds: int = DELIVER_SECONDS,
        memory_bytes: int = MEMORY_BYTES,
        wall_seconds: int = WALL_SECONDS,
        disclosure: str = "public",
        maker: str | None = None,
    ) -> Json:
        """Bid for `runs` runs of a job, each up to `ceiling_units` work units, at most `price` tokens per GFLOPS·h."""
        now = int(self._clock())
        terms = orders.BidTerms(
            module=encoding.from_hex(module, field="module", length=32),
            input=encoding.from_hex(input, field="input", length=32),
            memory_bytes=memory_bytes,
            wall_seconds=wall_seconds,
            profile="strict",
            schedule="meter/1",
            disclosure=disclosure,
        )
        body: Json = {
            "client_order_id": client_order_id or secrets.token_hex(8),
            "product": product,
            "limit_price": price,
            "runs": runs,
            "ceiling_units": ceiling_units,
            "valid_until": now + valid_seconds,
            "deliver_by": now + deliver_seconds,
            "terms": terms.to_json(),
        }
        if self.key is not None:
            self._sign_bid(body, terms, maker or self.key.address)
        return self._place("/bids", body)

    def offer(
        self,
        product: str,
        *,
        price: str,
        units_offered: int,
        agent: str,
        rate_mflops: int,
        engine: str,
        client_order_id: str | None = None,
        valid_seconds: int = VALID_SECONDS,
        deliver_seconds: int = DELIVER_SECONDS,
        maker: str | None = None,
    ) -> Json:
        """Offer `units_offered` work units of the node `agent`, at least `price` tokens per GFLOPS·h."""
        now = int(self._clock())
        terms = orders.OfferTerms(agent=agent, rate_mflops=rate_mflops, runtime="wasm", engine=engine)
        body: Json = {
            "client_order_id": client_order_id or secrets.token_hex(8),
            "product": product,
            "limit_price": price,
            "units": units_offered,
            "valid_until": now + valid_seconds,
            "deliver_by": now + deliver_seconds,
            "terms": terms.to_json(),
        }
        if self.key is not None:
            self._sign_offer(body, terms, maker or self.key.address)
        return self._place("/offers", body)

    def _nonce(self, client_order_id: str, side: int) -> int:
        """The nonce that the exchange keeps for this order; the same however often it is asked for."""
        name = "buy" if side == signing.SIDE_BUY else "sell"
        found: Json = self.post("/orders/nonces", {"side": name, "client_order_id": client_order_id})
        return int(found["nonce"])

    def _common(self, body: Json, maker: str, side: int) -> Json:
        return {
            "maker": maker,
            "product": ids.product_id(body["product"]),
            "price": units.parse_tokens(body["limit_price"]),
            "nonce": self._nonce(body["client_order_id"], side),
            "valid_until": body["valid_until"],
            "deliver_by": body["deliver_by"],
            "verifier_set": bytes.fromhex(self.market["verifier_set"]["id"][2:]),
            "max_fee_bps": self.market["fee_bps"],
        }

    def _sign_bid(self, body: Json, terms: orders.BidTerms, maker: str) -> None:
        common = self._common(body, maker, signing.SIDE_BUY)
        bid = signing.Bid(
            side=signing.SIDE_BUY,
            runs=body["runs"],
            ceiling=body["ceiling_units"],
            terms=terms.hash(),
            **common,
        )
        self._sign(body, common, bid.digest(self.domain))

    def _sign_offer(self, body: Json, terms: orders.OfferTerms, maker: str) -> None:
        common = self._common(body, maker, signing.SIDE_SELL)
        offer = signing.Offer(side=signing.SIDE_SELL, units=body["units"], terms=terms.hash(), **common)
        self._sign(body, common, offer.digest(self.domain))

    def _sign(self, body: Json, common: Json, digest: bytes) -> None:
        assert self.key is not None, "callers sign only when a key is present"
        body |= {
            "maker": common["maker"],
            "nonce": common["nonce"],
            "max_fee_bps": common["max_fee_bps"],
            "verifier_set": "0x" + common["verifier_set"].hex(),
            "signature": "0x" + self.key.sign_digest(digest).hex(),
        }

    def _place(self, path: str, body: Json) -> Json:
        """Post an order. The same order under the same client_order_id, asked for again later, is the first one."""
        try:
            order: Json = self.post(path, body)
        except Rejected as error:
            if error.code != "client_order_id_reused":
                raise
            known = next(self.orders(client_order_id=body["client_order_id"]), None)
            if known is None or not _same_wish(known, body):
                raise
            return known
        return order

    def order(self, order_id: str) -> Json:
        """One order as it stands."""
        found: Json = self.get(f"/orders/{order_id}")
        return found

    def orders(self, **filters: Any) -> Iterator[Json]:
        """Own orders, newest first."""
        return self.pages("/orders", **filters)

    def cancel(self, order_id: str, *, on_chain: bool = False) -> Json:
        """Cancel an order; with `on_chain` the contract refuses it too, at once and for ever."""
        body: Json = {"on_chain": on_chain}
        if self.key is not None:
            known = self.order(order_id)
            side = signing.SIDE_BUY if known["side"] == "buy" else signing.SIDE_SELL
            wish = signing.Cancel(maker=known["maker"], side=side, nonce=int(known["nonce"]))
            digest = wish.digest(self.domain)
            body["signature"] = "0x" + self.key.sign_digest(digest).hex()
        found: Json = self.post(f"/orders/{order_id}/cancel", body)
        return found

    def explain(self, order_id: str) -> Json:
        """Why an order did not trade, with the numbers."""
        found: Json = self.get(f"/orders/{order_id}/explain")
        return found

    def trades(self, order_id: str) -> list[Json]:
        """Trades of an order with their way from lock to payout."""
        found: list[Json] = list(self.pages(f"/orders/{order_id}/trades"))
        return found

    def wait(self, order_id: str, *, timeout_seconds: float = 600.0) -> Json:
        """Wait until nothing more will happen to an order: all its trades are closed, and no more can come.

        No more can come once it is filled, canceled, expired or rejected. A partially filled order is over, too, when
        its valid_until has passed and none of its trades gave quantity back: what never traded may not trade any more,
        though the order is called partially_filled until its deliver_by. Raises UnknownOutcome at the timeout.
        """
        until = self._clock() + timeout_seconds
        while True:
            trades = self.trades(order_id)  # Before the order: what a close gives back must not be missed.
            order = self.order(order_id)
            closed = all(trade["status"] in CLOSED_TRADES for trade in trades)
            if closed and (order["order_status"] in TERMINAL or self._is_over(order, trades)):
                return order
            if self._clock() > until:
                open_trades = sum(1 for trade in trades if trade["status"] not in CLOSED_TRADES)
                raise UnknownOutcome(
                    f"{order_id} is {order['order_status']} after {timeout_seconds:.0f} s, {open_trades} of its "
                    f"{len(trades)} trades are open; it goes on by itself, ask again later"
                )
            time.sleep(POLL_SECONDS)

    def _is_over(self, order: Json, trades: list[Json]) -> bool:
        """Whether a partially filled order can trade no more although its status does not say so yet."""
        if order["order_status"] != "partially_filled" or self._clock() <= order["valid_until"]:
            return False
        return all(trade["status"] == "settled" and _used_up(trade) for trade in trades)

    def outputs(self, order_id: str) -> list[Output]:
        """Outputs of all delivered runs of a bid, by run index."""
        return sorted(self.each_output(order_id), key=lambda output: output.run)

    def each_output(self, order_id: str) -> Iterator[Output]:
        """As outputs, one at a time in the order of the trades, for results that do not fit into memory."""
        for trade in self.trades(order_id):
            for run in self.get(f"/trades/{trade['trade_id']}/outputs")["results"]:
                yield Output(run["run"], exit_word(run["exit_reason"]), self.download(run["output"]))

    # ---------------------------------------------------------------- account
    def account(self) -> Json:
        """Address, balances, holds, exits and keys of the account behind the API key."""
        found: Json = self.get("/account")
        return found

    def faucet(self) -> Json:
        """Ask for test tokens (local chain only)."""
        found: Json = self.post("/account/faucet")
        return found


def _used_up(trade: Json) -> bool:
    """Whether a settled trade gave no run back to its bid."""
    close = trade.get("close") or {}
    return bool(close.get("runs_delivered", trade["runs"]) == trade["runs"])


def _same_wish(order: Json, body: Json) -> bool:
    """Whether an order in the book is what `body` asks for, its times apart."""
    same = all(
        str(order.get(name)) == str(body[name])
        for name in ("product", "runs", "ceiling_units", "units")
        if name in body
    )
    prices = (units.parse_tokens(str(order["limit_price"])), units.parse_tokens(str(body["limit_price"])))
    return same and prices[0] == prices[1] and order.get("terms") == body["terms"]
