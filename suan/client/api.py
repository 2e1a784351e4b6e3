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

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx

from suan.client.errors import Rejected, SuanError, UnknownOutcome, Unreachable
from suan.client.keystore import LocalKey
from suan.core import identity, orders, units

TIMEOUT_SECONDS = 30.0
ATTEMPTS_MAX = 5
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
    """What one run delivered: its index, exit reason and bytes."""

    run: int
    exit_reason: str
    data: bytes


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
        self._attempts_max = attempts_max
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=timeout_seconds)

    # ---------------------------------------------------------------- requests
    def request(self, method: str, path: str, *, repeatable: bool = True, **options: Any) -> httpx.Response:
        """Send one request, with retries on connection faults and 5xx if it is repeatable.

        Raises Rejected (nothing changed), UnknownOutcome (may have been carried out) or Unreachable (was not).
        """
        fault: Exception | None = None
        for attempt in range(self._attempts_max if repeatable else 1):
            if attempt:
                time.sleep(0.25 * 2**attempt)
            try:
                answer = self._http.request(method, path, **options)
            except httpx.ConnectError as error:
                fault = error
                continue
            except httpx.HTTPError as error:
                fault = UnknownOutcome(f"{method} {path}: {error}; the same call again is safe")
                continue
            if answer.status_code in (429, 502, 503, 504):
                fault = Unreachable(f"{method} {path}: HTTP {answer.status_code}")
                continue
            if answer.status_code >= 400:
                raise Rejected(answer.status_code, _problem_of(answer))
            return answer
        if isinstance(fault, SuanError):
            raise fault
        raise Unreachable(f"{self.url} does not answer: {fault}")

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
            cursor = page.get("next")
            if not cursor:
                return

    # ---------------------------------------------------------------- market
    @cached_property
    def market(self) -> Json:
        """Addresses, chain id, products, fees, limits and windows of the exchange."""
        found: Json = self.get("/market")
        return found

    @cached_property
    def domain(self) -> identity.Domain:
        """EIP-712 domain of the Market contract."""
        return identity.market_domain(self.market["chain_id"], self.market["market"])

    @cached_property
    def registry_domain(self) -> identity.Domain:
        """EIP-712 domain of the Registry contract."""
        return identity.registry_domain(self.market["chain_id"], self.market["registry"])

    # ---------------------------------------------------------------- artifacts
    def upload(self, data: bytes) -> str:
        """Store bytes under their SHA-256 and return it; storing the same bytes again is harmless."""
        expected = identity.sha256_hex(data)
        answer = self.request(
            "POST", "/artifacts", content=data, headers={"Content-Type": "application/octet-stream"}
        )
        if answer.json()["sha256"] != expected:
            raise SuanError("the exchange stored other bytes than were sent; upload again")
        return expected

    def download(self, sha256: str) -> bytes:
        """Fetch bytes by their SHA-256 and check it."""
        data = self.request("GET", f"/artifacts/{sha256}").content
        if "0x" + hashlib.sha256(data).hexdigest() != sha256:
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
            module=identity.from_hex(module, field="module", length=32),
            input=identity.from_hex(input, field="input", length=32),
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

    def _common(self, body: Json, maker: str) -> Json:
        return {
            "maker": maker,
            "product": identity.product_id(body["product"]),
            "price": units.parse_tokens(body["limit_price"]),
            "nonce": int.from_bytes(hashlib.sha256(body["client_order_id"].encode()).digest()[:7], "big"),
            "valid_until": body["valid_until"],
            "deliver_by": body["deliver_by"],
            "verifier_set": bytes.fromhex(self.market["verifier_set"]["id"][2:]),
            "max_fee_bps": self.market["fee_bps"],
        }

    def _sign_bid(self, body: Json, terms: orders.BidTerms, maker: str) -> None:
        common = self._common(body, maker)
        bid = orders.Bid(
            side=orders.SIDE_BUY,
            runs=body["runs"],
            ceiling=body["ceiling_units"],
            terms=terms.hash(),
            **common,
        )
        self._sign(body, common, bid.digest(self.domain))

    def _sign_offer(self, body: Json, terms: orders.OfferTerms, maker: str) -> None:
        common = self._common(body, maker)
        offer = orders.Offer(side=orders.SIDE_SELL, units=body["units"], terms=terms.hash(), **common)
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
        order: Json = self.post(path, body)
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
            maker = self.order(order_id)["maker"]
            digest = orders.Cancel(maker=maker, order=identity.parse_id(order_id)).digest(self.domain)
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
        """Wait until an order is terminal and all its trades are closed."""
        until = self._clock() + timeout_seconds
        while True:
            order = self.order(order_id)
            trades = self.trades(order_id)
            if order["order_status"] in TERMINAL and all(t["status"] in CLOSED_TRADES for t in trades):
                return order
            if self._clock() > until:
                raise UnknownOutcome(
                    f"{order_id} is {order['order_status']} after {timeout_seconds:.0f} s; it goes on, ask again later"
                )
            time.sleep(POLL_SECONDS)

    def outputs(self, order_id: str) -> list[Output]:
        """Outputs of all delivered runs of a bid, by run index."""
        found: list[Output] = []
        for trade in self.trades(order_id):
            for run in self.get(f"/trades/{trade['trade_id']}/outputs")["results"]:
                found.append(Output(run["run"], run["exit_reason"], self.download(run["output"])))
        return sorted(found, key=lambda output: output.run)

    # ---------------------------------------------------------------- account
    def account(self) -> Json:
        """Address, balances, holds, exits and keys of the account behind the API key."""
        found: Json = self.get("/account")
        return found

    def faucet(self) -> Json:
        """Ask for test tokens (local chain only)."""
        found: Json = self.post("/account/faucet")
        return found


def _problem_of(answer: httpx.Response) -> Json:
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if isinstance(problem, dict):
        return problem
    return {"title": f"HTTP {answer.status_code}", "detail": answer.text[:200]}
