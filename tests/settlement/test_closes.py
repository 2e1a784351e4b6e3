"""From locked trades to closed ones, on the real contracts with jobs that really run."""

import json

from ledger import evidence
from ledger import queries as ledger
from marketplace.settlement.models import Closing, SettlementBatch


def test_an_honest_trade_is_recomputed_paid_and_its_rest_trades_again(exchange):
    trade = exchange.trade(runs=2)
    before = exchange.world.chain_balances(exchange.provider.address)
    for lease in exchange.lease():
        exchange.deliver(lease)
    exchange.verify()
    exchange.close()
    trade.refresh_from_db()
    assert trade.status == "settled"
    seen = exchange.seen(trade)
    assert seen["close"]["kind"] == "settled"
    assert seen["close"]["runs_delivered"] == 2
    print(seen, before)
