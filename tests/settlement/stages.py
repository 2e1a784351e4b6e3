"""The stages of a trade as tests of settlement go through them, each by the verbs that tasks call."""

import time

from marketplace.clearing.models import Trade
from marketplace.settlement import actions
from marketplace.settlement.models import SettlementBatch
from tests.settlement.exchange import Exchange


def head_time(exchange: Exchange) -> int:
    return int(exchange.world.anvil.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)


def lock(exchange: Exchange, bids: int) -> None:
    """As many trades of one run each, in one lock batch."""
    exchange.offer()
    for number in range(bids):
        exchange.bid(client_order_id=f"bid-{number}", runs=1)
    exchange.lock()


def deliver_all(exchange: Exchange) -> None:
    for lease in exchange.lease():
        exchange.deliver(lease)
    exchange.verify()


def observe(exchange: Exchange) -> None:
    exchange.settle_chain()
    actions.observe_closes(now=int(time.time()))


def statuses() -> list[str]:
    return list(Trade.objects.order_by("id").values_list("status", flat=True))


def cut(exchange: Exchange) -> SettlementBatch:
    now = int(time.time())
    actions.conclude_trades(now=now)
    (settlement,) = actions.cut_batches(now=now, pace_seconds=0, outcomes_max=100)
    exchange.settle_chain()
    return settlement
