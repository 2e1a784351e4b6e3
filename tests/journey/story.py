"""A small finished trade for tests that look at what a trade leaves behind."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from suan.client.api import Suan
from suan.client.keystore import LocalKey
from tests.journey.live import Live
from tests.journey.people import (
    bid_for_nbody,
    deposit_from_faucet,
    list_capacity,
    measured_ceiling,
    open_custodial,
    sign_in_with_wallet,
    wait_for_node,
    wait_for_trades,
)

STEPS = b"5000"
PRODUCTS = ("cpu.fp64:eu-north:recomputed", "cpu.fp64:cn-west:recomputed")


@dataclass(frozen=True)
class Traded:
    """Who traded, the orders as they were accepted, and the closed trades of the bid."""

    provider: Suan
    provider_key: str
    buyer: Suan
    buyer_key: str
    wallet: LocalKey
    offer: dict
    bid: dict
    cancelled: dict
    resting: dict
    trades: list[dict]
    product: str
    ceiling: int

    def evidence(self, folder: Path, kind: str) -> Path:
        """The file of `kind` that this trade left in an evidence folder."""
        (trade,) = self.trades[:1]
        order = self.bid["order_id"]
        if kind in ("orders", "acknowledgements"):
            return folder / kind / f"{order}.json"
        if kind in ("clearings", "seals"):
            return folder / kind / f"{trade['clearing_id']}.json"
        if kind == "terms":
            document = json.loads((folder / "orders" / f"{order}.json").read_bytes())
            return folder / kind / f"{document['order']['terms']}.json"
        bare = trade["trade_id"].removeprefix("trd_")
        (found,) = [path for path in (folder / kind).iterdir() if bare in path.read_text()]
        return found

    @staticmethod
    def exchange_signs(live: Live, digest: bytes) -> bytes:
        """What a dishonest exchange could sign: its acknowledgement key, from its own secrets."""
        return LocalKey.from_hex((live.var / "secrets" / "acknowledger.key").read_text()).sign_digest(digest)


@pytest.fixture(scope="session")
def traded(live: Live, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Traded]:
    """One bid of two runs, traded, settled and final; another that its maker took back; a third that nobody wants."""
    provider, provider_key = open_custodial(live, "tova")
    buyer, buyer_key, wallet = sign_in_with_wallet(live)
    deposit_from_faucet(provider, buyer)
    ceiling = measured_ceiling(STEPS)
    number = int(worker_id.removeprefix("gw")) if worker_id.startswith("gw") else 0
    with (
        live.product(PRODUCTS[number % len(PRODUCTS)]) as product,
        live.agent(tmp_path_factory.mktemp("tova"), provider_key, product) as agent,
    ):
        rate = wait_for_node(provider, agent)
        offer = list_capacity(provider, product, agent, rate, units=4 * ceiling, price="1.00")
        wish = {"ceiling": ceiling, "price": "1.00", "client_order_id": "the-one"}
        bid = bid_for_nbody(buyer, product, STEPS, runs=2, **wish)
        trades = wait_for_trades(buyer, bid["order_id"], lambda found: sum(t["runs"] for t in found) == 2)
        cancelled = bid_for_nbody(buyer, product, STEPS, runs=1, ceiling=ceiling, price="0.01")
        buyer.cancel(cancelled["order_id"])
        resting = bid_for_nbody(buyer, product, STEPS, runs=1, ceiling=ceiling, price="0.02")
        provider.cancel(offer["order_id"])
    yield Traded(
        provider,
        provider_key,
        buyer,
        buyer_key,
        wallet,
        offer,
        bid,
        cancelled,
        resting,
        trades,
        product,
        ceiling,
    )
