"""What happens when no verdict comes in time: the refund, and who wins when two come at once."""

import time
from datetime import timedelta

from django.utils import timezone

from ledger import custodial
from ledger import queries as ledger
from ledger.explorer.facts import as_of
from marketplace.clearing.models import Trade
from marketplace.delivery.models import Run
from marketplace.settlement import actions
from marketplace.settlement.checking import trade_checks
from marketplace.settlement.lockbatches import lock_batch_of
from marketplace.settlement.models import SettlementBatch
from suan.core.contract.calls import Proven
from suan.core.contract.proving import prove_records
from suan.core.signing.domains import market_domain
from suan.core.signing.structs import GivingUp
from tests.settlement.exchange import Exchange

GRACE = 60


def pass_until(exchange: Exchange, moment: int) -> None:
    """Move the chain's clock to a moment; ours is an argument."""
    head = int(exchange.world.anvil.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    exchange.world.anvil.pass_time(max(moment - head, 0))
    exchange.world.follow()


def follow(exchange: Exchange, trade: Trade) -> Trade:
    exchange.settle_chain(final=True)
    actions.observe_closes(now=int(time.time()))
    actions.return_quantities(now=int(time.time()))
    trade.refresh_from_db()
    return trade


def test_a_trade_that_nobody_delivered_or_closed_is_refunded_after_the_grace(exchange):
    trade = exchange.trade()
    end = trade.deliver_by + GRACE
    assert actions.refund_overdue(now=end - 1) == 0
    pass_until(exchange, end)
    assert actions.refund_overdue(now=end) == 1
    assert actions.refund_overdue(now=end) == 0  # planned once
    assert follow(exchange, trade).status == "refunded"
    run = Run.objects.get()
    assert (run.status, run.reason) == ("failed", "the trade was closed on chain")
    assert exchange.world.chain_balances(exchange.buyer.address) == (100 * 10**18, 0, 0)
    assert exchange.world.chain_balances(exchange.provider.address) == (100 * 10**18, 0, 0)


def give_up(exchange: Exchange, trade: Trade) -> int:
    """The provider gives its trade up on chain; from when on it may be refunded."""
    known, batch = exchange.world.known, lock_batch_of(trade.trade_hash)
    digest = GivingUp(batch.id, 1 << trade.index).digest(market_domain(known.chain_id, known.market))
    signature = custodial.sign_digest(trade.provider, digest)
    proven = prove_records(batch.records, [trade.index]).plain()
    exchange.world.person("stranger")
    exchange.world.send("stranger", known.market, "giveUp", batch.head, trade.provider, proven, signature)
    exchange.world.anvil.mine(2)
    exchange.world.follow()
    (said,) = ledger.events_of(name="TradeGivenUp", subject=trade.trade_hash)
    return int(said.args["refund_after"])


def test_a_trade_that_its_provider_gave_up_is_refunded_a_window_later(exchange):
    trade = exchange.trade()
    due = give_up(exchange, trade)
    assert due < trade.deliver_by + GRACE
    assert actions.refund_given_up(now=due - 1) == 0
    pass_until(exchange, due)
    assert actions.refund_given_up(now=due) == 1
    assert actions.refund_given_up(now=due) == 0  # planned once
    assert follow(exchange, trade).status == "refunded"
    (check,) = (one for one in trade_checks(trade.trade_hash, as_of(None)) if one.name == "refund time")
    assert (check.passed, check.expected) == (True, f"at or after {due}")
    assert exchange.world.chain_balances(exchange.provider.address) == (100 * 10**18, 0, 0)


def test_a_false_delivery_that_was_given_up_is_slashed(exchange):
    trade = exchange.trade()
    (lease,) = exchange.lease()
    exchange.deliver(lease, fp64=10**15)
    due = give_up(exchange, trade)
    assert actions.refund_given_up(now=due) == 0  # a verdict may come
    exchange.verify()
    exchange.close(final=True)
    trade.refresh_from_db()
    assert trade.status == "slashed"


def test_a_delivery_without_a_verdict_is_refunded_after_the_grace(exchange):
    trade = exchange.trade()
    (lease,) = exchange.lease()
    exchange.deliver(lease)
    end = trade.deliver_by + GRACE
    assert actions.refund_overdue(now=end - 1) == 0
    pass_until(exchange, end)
    assert actions.refund_overdue(now=end) == 1
    assert follow(exchange, trade).status == "refunded"
    assert exchange.world.chain_balances(exchange.buyer.address) == (100 * 10**18, 0, 0)
    assert exchange.world.chain_balances(exchange.provider.address) == (100 * 10**18, 0, 0)


def test_a_trade_that_a_signed_verdict_names_is_left_to_it_however_late(exchange):
    trade = exchange.trade()
    (lease,) = exchange.lease()
    exchange.deliver(lease)
    exchange.verify()
    now = int(time.time())
    actions.conclude_trades(now=now)
    (settlement,) = actions.cut_batches(now=now, pace_seconds=0, outcomes_max=100)
    assert settlement.status == "planned"
    end = trade.deliver_by + GRACE
    pass_until(exchange, end)
    assert actions.refund_overdue(now=end) == 0
    exchange.settle_chain()
    assert actions.refund_overdue(now=end + GRACE) == 0
    exchange.pass_window()
    assert follow(exchange, trade).status == "settled"


def test_a_close_that_comes_after_somebodys_refund_fails_and_the_chain_decides(exchange):
    trade = exchange.trade()
    (lease,) = exchange.lease()
    exchange.deliver(lease)
    exchange.verify()
    now = int(time.time())
    actions.conclude_trades(now=now)
    (settlement,) = actions.cut_batches(now=now, pace_seconds=0, outcomes_max=100)
    pass_until(exchange, trade.deliver_by + GRACE)
    batch = lock_batch_of(trade.trade_hash)
    exchange.world.person("stranger")
    exchange.world.send(
        "stranger", exchange.world.known.market, "refund", batch.head, Proven(batch.records).plain()
    )
    exchange.world.anvil.mine(2)
    for minute in range(12):  # the sender simulates it ever more slowly before it gives up
        for sender in exchange.senders:
            sender.step(now=timezone.now() + timedelta(minutes=minute))
    assert follow(exchange, trade).status == "refunded"
    assert actions.retry_failed(now=now) == 0  # nothing is left to close
    settlement = SettlementBatch.objects.get()
    assert (settlement.status, "NothingOpen" in settlement.reason) == ("failed", True), settlement.reason
    shown = exchange.buyer.get(f"/settlements/{settlement.receipts_root}").json()
    assert (shown["status"], shown["outcomes"][0]["kind"]) == ("failed", 1)
    assert exchange.buyer.get("/settlements/0x12").status_code == 404
