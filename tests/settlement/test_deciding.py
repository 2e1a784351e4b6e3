"""From the verdict to the money: what a settlement leaves is settled later, and a refused fill says why."""

import time

import pytest

from ledger import queries as ledger
from marketplace.clearing import actions as clearing
from marketplace.clearing.models import Trade
from marketplace.settlement import actions
from suan.core.contract.reject_codes import RejectCode, reject_words
from suan.core.units import Price, billed_units, lock_payment, payment
from tests.settlement.stages import cut, deliver_all, lock, observe, statuses

CEILING = 3_600
PRICE = Price(10**18 // 2)
RUN_PAYMENT = payment(PRICE, billed_units(1, CEILING))
RUN_LOCK = lock_payment(PRICE, CEILING) * 5 // 4
"""Payment and bond of one run."""


@pytest.fixture
def low_cap(settings) -> None:
    """Payments and bonds of two runs may be locked, and not of three: for a market deployed after this."""
    settings.PAYOUT_CAP = 2 * RUN_LOCK


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
