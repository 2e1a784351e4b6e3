"""From the verdict to the money: what a settlement leaves is settled later, and no dispute waits for ever."""

import time

import pytest

from ledger import queries as ledger
from marketplace.clearing import actions as clearing
from marketplace.clearing.models import Trade
from marketplace.settlement import actions
from marketplace.settlement.lockbatches import lock_batch_of
from marketplace.settlement.models import SettlementBatch
from suan.core.contract.proving import prove_records
from suan.core.contract.records import Outcome, pack_outcomes
from suan.core.contract.reject_codes import RejectCode, reject_words
from suan.core.encoding import from_hex
from suan.core.units import Price, billed_units, lock_payment, payment
from tests.settlement.exchange import Exchange

CEILING = 3_600
PRICE = Price(10**18 // 2)
RUN_PAYMENT = payment(PRICE, billed_units(1, CEILING))
RUN_LOCK = lock_payment(PRICE, CEILING) * 5 // 4
"""Payment and bond of one run."""


@pytest.fixture
def low_cap(settings) -> None:
    """Payments and bonds of two runs may be locked, and not of three: for a market deployed after this."""
    settings.PAYOUT_CAP = 2 * RUN_LOCK


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


def dispute(exchange: Exchange, settlement: SettlementBatch, trade: Trade, challenger: str) -> None:
    """Lock a bond against what was decided about one trade."""
    world, batch = exchange.world, lock_batch_of(trade.trade_hash)
    outcomes = [
        (
            batch.index_of(from_hex(row["trade"])),
            Outcome(row["kind"], row["runs_delivered"], int(row["units"])),
        )
        for row in settlement.outcomes
    ]
    verdict = (pack_outcomes(outcomes), from_hex(settlement.receipts_root))
    proven = prove_records(batch.records, [batch.index_of(from_hex(trade.trade_hash))])
    world.send(challenger, world.known.market, "dispute", batch.head, verdict, proven.plain())
    exchange.settle_chain()


def with_money(exchange: Exchange, name: str) -> str:
    """Somebody with two tokens in the market and no part in any trade."""
    world, amount = exchange.world, 2 * 10**18
    address = world.person(name)
    for to, call, arguments in (
        (world.known.token, "faucet", (address, amount)),
        (world.known.token, "approve", (world.known.market, amount)),
        (world.known.market, "deposit", (address, amount)),
    ):
        world.send(name, to, call, *arguments)
    return address


def test_a_trade_whose_runs_are_judged_is_decided_alone_while_its_lock_batch_works_on(exchange):
    lock(exchange, 2)
    first, _ = exchange.lease()
    exchange.deliver(first)
    exchange.verify()
    now = int(time.time())
    assert actions.conclude_trades(now=now) == 1
    assert actions.cut_batches(now=now + 4, pace_seconds=5, outcomes_max=100) == []
    (settlement,) = actions.cut_batches(now=now + 5, pace_seconds=5, outcomes_max=100)
    assert [row["runs_delivered"] for row in settlement.outcomes] == [1]
    assert sorted(statuses()) == ["closing", "locked"]
    observe(exchange)
    assert len(ledger.events(name="BatchDecided")) == 1
    exchange.pass_window()
    observe(exchange)
    assert sorted(statuses()) == ["locked", "settled"]


def test_a_fill_above_the_cap_of_its_verifiers_is_refused_with_its_reason_and_the_others_settle(
    low_cap, exchange
):
    lock(exchange, 3)
    assert sorted(statuses()) == ["locked", "locked", "locking"]  # a refusal counts when it is final
    deliver_all(exchange)
    cut(exchange)
    exchange.pass_window()
    observe(exchange)
    exchange.settle_chain(final=True)
    clearing.observe_locks(now=int(time.time()))
    assert sorted(statuses()) == ["rejected", "settled", "settled"]
    refused = Trade.objects.get(status="rejected")
    assert refused.reject_reason == reject_words(RejectCode.CAP_REACHED)


def test_a_disputed_trade_that_nobody_backs_is_refunded_and_the_rest_of_the_verdict_settles(exchange):
    lock(exchange, 2)
    with_money(exchange, "stranger")
    deliver_all(exchange)
    settlement = cut(exchange)
    first, second = Trade.objects.order_by("index")
    dispute(exchange, settlement, first, "stranger")
    exchange.pass_window()
    observe(exchange)
    assert statuses() == ["closing", "settled"]
    (opened,) = ledger.events(name="DisputeOpened")
    assert head_time(exchange) >= opened.args["reveal_by"]
    assert actions.time_out_disputed(now=opened.args["reveal_by"]) == 0  # the chain's clock may be behind
    assert actions.time_out_disputed(now=opened.args["reveal_by"] + 2) == 1
    assert actions.time_out_disputed(now=opened.args["reveal_by"] + 2) == 0
    observe(exchange)
    assert statuses() == ["refunded", "settled"]
    assert actions.time_out_disputed(now=opened.args["rule_by"] + 100) == 0
    assert exchange.world.chain_balances(exchange.buyer.address) == (100 * 10**18 - RUN_PAYMENT, 0, 0)


def test_a_disputed_trade_that_nobody_rules_on_ends_as_it_was_decided(exchange):
    exchange.trade()
    with_money(exchange, "stranger")
    (lease,) = exchange.lease()
    exchange.deliver(lease, fp64=10**15)
    exchange.verify()
    settlement = cut(exchange)
    dispute(exchange, settlement, Trade.objects.get(), "stranger")
    (opened,) = ledger.events(name="DisputeOpened")
    exchange.pass_window()
    assert SettlementBatch.objects.get().settle_keys == []  # nothing is left to settle
    assert (
        actions.time_out_disputed(now=opened.args["reveal_by"] + 2) == 0
    )  # a slash needs no receipt to stand
    exchange.world.anvil.pass_time(max(0, opened.args["rule_by"] - head_time(exchange)))
    late = opened.args["rule_by"] + 1_000 * exchange.world.known.dispute_window  # the exchange stood still
    assert actions.time_out_disputed(now=late) == 1
    assert actions.time_out_disputed(now=late) == 0
    observe(exchange)
    assert statuses() == ["slashed"]
    assert exchange.world.chain_balances(exchange.world.keys.address("stranger")) == (2 * 10**18, 0, 0)
