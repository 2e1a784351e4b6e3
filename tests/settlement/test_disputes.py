"""Claims about what was decided: the exchange answers for its traders, and every dispute ends, whoever is silent."""

from collections.abc import Sequence

import pytest

from frontend.trades import timeline
from ledger import conf
from ledger import queries as ledger
from ledger.explorer.facts import as_of
from marketplace.clearing.models import Trade
from marketplace.delivery import actions as delivery
from marketplace.problems import Conflict
from marketplace.settlement import actions
from marketplace.settlement.checking import trade_checks
from marketplace.settlement.lockbatches import lock_batch_of
from marketplace.settlement.models import SettlementBatch
from suan.core.contract import ANY_RUN, Claim, abi
from suan.core.contract.proving import prove_records
from suan.core.contract.records import Outcome, OutcomeKind
from suan.core.delivery.leases import LeaseRules
from suan.core.delivery.receipts import Receipt
from suan.core.encoding import from_hex
from suan.core.evidence.answers import acknowledged
from suan.core.units import Price, billed_units, payment
from tests.settlement.exchange import Exchange
from tests.settlement.stages import cut, deliver_all, head_time, lock, observe, statuses

TOKEN = 10**18
DEPOSIT = 5 * TOKEN
BOND = TOKEN
WINDOW_SECONDS = 600
RULES = LeaseRules(lease_seconds=10, silence_seconds=15)
RUN_PAYMENT = payment(Price(TOKEN // 2), billed_units(1, 3_600))


@pytest.fixture
def slow(settings) -> None:
    """A window that does not end by itself while a test runs: for a market deployed after this."""
    settings.DISPUTE_WINDOW_SECONDS = settings.WITHDRAWAL_DELAY_SECONDS = WINDOW_SECONDS


@pytest.fixture
def exchange(slow, exchange):
    world = exchange.world
    address = world.person("stranger")
    for to, call, arguments in (
        (world.known.token, "faucet", (address, DEPOSIT)),
        (world.known.token, "approve", (world.known.market, DEPOSIT)),
        (world.known.market, "deposit", (address, DEPOSIT)),
    ):
        world.send("stranger", to, call, *arguments)
    return exchange


def stranger(exchange: Exchange) -> tuple[int, int, int]:
    """What the market says of the challenger, who has no part in any trade: available, locked, exiting."""
    return exchange.world.chain_balances(exchange.world.keys.address("stranger"))


def dispute(exchange: Exchange, trade: Trade, *claims: tuple[Claim, int]) -> None:
    """Lock a bond for each of these claims about what was decided of a trade."""
    batch, settlement = lock_batch_of(trade.trade_hash), SettlementBatch.objects.get(closings__trade=trade)
    outcomes = [
        (
            batch.index_of(from_hex(row["trade"])),
            Outcome(row["kind"], row["runs_delivered"], int(row["units"])),
        )
        for row in settlement.outcomes
    ]
    proven = prove_records(batch.records, [batch.index_of(from_hex(trade.trade_hash))])
    for claim, run in claims:
        call = abi.encode_dispute(
            head=batch.head,
            outcomes=outcomes,
            receipts_root=from_hex(settlement.receipts_root),
            proven=proven,
            claim=claim,
            run=run,
        )
        exchange.world.send_raw("stranger", exchange.world.known.market, call)
    exchange.settle_chain()
    opened = ledger.events_of(name="DisputeOpened", subject=trade.trade_hash)
    assert [(event.args["claim"], event.args["run"]) for event in opened[-len(claims) :]] == list(claims)


def answer(exchange: Exchange) -> int:
    """One sweep, and its transactions in a block."""
    planned = actions.answer_claims(now=head_time(exchange))
    exchange.settle_chain()
    return planned


def end_at(exchange: Exchange, when: int) -> int:
    """Let the chain get there, then sweep; what was planned is in a block. Returns how many disputes were ended."""
    exchange.world.anvil.pass_time(max(0, when - head_time(exchange)))
    late = when + 2
    planned = actions.time_out_disputed(now=late)
    assert actions.time_out_disputed(now=late) == 0
    observe(exchange)
    return planned


def ended(trade: Trade) -> list[tuple[int, int, str]]:
    """(run, forfeited, opponent) of the claims that ended, in order."""
    events = ledger.events_of(name="ClaimEnded", subject=trade.trade_hash)
    return [(event.args["run"], event.args["forfeited"], event.args["opponent"]) for event in events]


def differences(trade: Trade) -> list[str]:
    """Steps from the orders to the payout that do not hold; of a dispute that ended, its end is one of the steps."""
    checks = trade_checks(trade.trade_hash, as_of(None))
    return [check.name for check in checks if check.passed is False]


def decided_step(exchange: Exchange, trade: Trade) -> str:
    """What the trade's page says of its dispute."""
    trade.refresh_from_db()
    steps = timeline.steps(exchange.seen(trade), trade.trade_hash, [], None)
    return next(step.text for step in steps if step.name == "Decided")


def disputed_run(exchange: Exchange, runs: int = 1, delivered: Sequence[int] = (0,)) -> Trade:
    """A trade of some runs of which these were delivered, decided and not settled yet."""
    trade = exchange.trade(runs=runs)
    for lease in exchange.lease():
        if lease["run"] in delivered:
            exchange.deliver(lease)
    exchange.verify()
    return trade


def test_the_exchange_shows_the_receipt_of_an_honest_trade_and_its_challenger_loses_a_tenth(exchange):
    trade = disputed_run(exchange)
    cut(exchange)
    dispute(exchange, trade, (Claim.NO_RECEIPT, 0))
    assert stranger(exchange) == (DEPOSIT - BOND, BOND, 0)
    assert "a receipt is asked for" in decided_step(exchange, trade)
    assert answer(exchange) == 1
    assert answer(exchange) == 0
    assert "what was asked for was shown" in decided_step(exchange, trade)
    relayer = exchange.world.known.relayer
    assert ended(trade) == [(0, BOND // 10, relayer)]
    assert exchange.world.chain_balances(relayer)[0] == BOND // 10
    (revealed,) = ledger.events(name="ReceiptRevealed")
    (opened,) = ledger.events(name="DisputeOpened")
    window_end = opened.args["reveal_by"] - WINDOW_SECONDS
    shown = revealed.block.timestamp + WINDOW_SECONDS // 2
    assert end_at(exchange, max(window_end, shown)) == 1
    assert statuses() == ["settled"]
    assert stranger(exchange) == (DEPOSIT - BOND // 10, 0, 0)
    assert differences(trade) == []
    assert "nobody ruled" in decided_step(exchange, trade)
    assert exchange.world.chain_balances(exchange.buyer.address) == (100 * TOKEN - RUN_PAYMENT, 0, 0)


def test_a_run_that_is_not_billed_is_answered_by_its_leaf_and_the_others_by_their_receipts(exchange):
    trade = disputed_run(exchange, runs=3, delivered=(0, 2))
    delivery.expire_leases(now=trade.deliver_by + 1, rules=RULES)
    cut(exchange)
    dispute(exchange, trade, *((Claim.NO_RECEIPT, run) for run in (0, 1, 2)))
    assert answer(exchange) == 3
    shown = {event.args["run"]: event.args["words"] for event in ledger.events(name="ReceiptRevealed")}
    assert set(shown) == {0, 1, 2}
    assert [run for run, words in shown.items() if words == "0x"] == [1]
    assert end_at(exchange, head_time(exchange) + WINDOW_SECONDS) == 1
    assert statuses() == ["settled"]


def test_of_a_slash_the_exchange_shows_the_receipt_that_was_found_false(exchange):
    trade = exchange.trade(runs=2)
    first, second = exchange.lease()
    exchange.deliver(first)
    exchange.deliver(second, fp64=10**15)
    exchange.verify()
    cut(exchange)
    dispute(exchange, trade, (Claim.NO_RECEIPT, ANY_RUN))
    assert answer(exchange) == 1
    (revealed,) = ledger.events(name="ReceiptRevealed")
    assert revealed.args["run"] == ANY_RUN
    assert int(revealed.args["words"][2:][64:128], 16) == second["run"]
    assert end_at(exchange, head_time(exchange) + WINDOW_SECONDS) == 1
    assert statuses() == ["slashed"]


def test_its_provider_answers_with_the_acknowledgement_when_the_evidence_is_withheld(exchange):
    trade = disputed_run(exchange)
    settlement = cut(exchange)
    dispute(exchange, trade, (Claim.NO_RECEIPT, 0))
    (conf.evidence_dir() / "settlements" / f"{settlement.receipts_root}.json").unlink()
    assert answer(exchange) == 0
    receipt_id = exchange.seen(trade)["runs_detail"][0]["receipt_id"]
    kept = exchange.provider.get(f"/receipts/{receipt_id}").json()
    shown = acknowledged(
        Receipt.from_json(kept["receipt"]),
        from_hex(kept["signature"]),
        from_hex(kept["acknowledgement"]),
        root=from_hex(settlement.receipts_root),
    )
    batch = lock_batch_of(trade.trade_hash)
    record = batch.records[batch.index_of(from_hex(trade.trade_hash))]
    call = abi.encode_reveal(batch=batch.id, record=record, run=0, shown=shown)
    friend = exchange.world.person("friend")
    exchange.world.send_raw("friend", exchange.world.known.market, call)
    exchange.settle_chain()
    assert ended(trade) == [(0, BOND // 10, friend)]
    assert end_at(exchange, head_time(exchange) + WINDOW_SECONDS) == 1
    assert statuses() == ["settled"]


def test_a_claim_that_nobody_answers_refunds_its_trade_and_the_rest_of_the_verdict_settles(exchange):
    lock(exchange, 2)
    deliver_all(exchange)
    cut(exchange)
    first, _ = Trade.objects.order_by("index")
    dispute(exchange, first, (Claim.NO_RECEIPT, 0))
    (opened,) = ledger.events(name="DisputeOpened")
    exchange.pass_window()
    observe(exchange)
    assert statuses() == ["closing", "settled"]
    assert actions.time_out_disputed(now=opened.args["reveal_by"]) == 0  # the chain's clock may be behind
    assert actions.answer_claims(now=opened.args["reveal_by"]) == 0  # too late
    assert end_at(exchange, opened.args["reveal_by"]) == 1
    assert statuses() == ["refunded", "settled"]
    assert differences(first) == []
    assert "was not shown" in decided_step(exchange, first)
    assert actions.time_out_disputed(now=opened.args["rule_by"] + 100) == 0
    assert exchange.world.chain_balances(exchange.buyer.address) == (100 * TOKEN - RUN_PAYMENT, 0, 0)


def test_bonds_of_claims_that_were_open_when_their_trade_ended_are_reclaimed_by_the_exchange(exchange):
    trade = disputed_run(exchange, runs=2, delivered=(0, 1))
    cut(exchange)
    dispute(exchange, trade, (Claim.NO_RECEIPT, 0), (Claim.NO_RECEIPT, 1), (Claim.WRONG_COUNT, ANY_RUN))
    assert actions.reclaim_bonds() == 0
    (opened, *_) = ledger.events(name="DisputeOpened")
    assert end_at(exchange, opened.args["reveal_by"]) == 1
    assert statuses() == ["refunded"]
    assert stranger(exchange) == (DEPOSIT - 2 * BOND, 2 * BOND, 0)
    assert actions.reclaim_bonds() == 2
    assert actions.reclaim_bonds() == 0
    exchange.settle_chain()
    assert stranger(exchange) == (DEPOSIT, 0, 0)
    assert actions.reclaim_bonds() == 0
    assert sorted(ended(trade)) == [
        (0, 0, "0x" + "00" * 20),
        (1, 0, "0x" + "00" * 20),
        (ANY_RUN, 0, "0x" + "00" * 20),
    ]


def test_a_wrong_count_waits_for_arbiters_and_ends_as_decided_when_they_are_silent(exchange):
    trade = disputed_run(exchange)
    cut(exchange)
    dispute(exchange, trade, (Claim.WRONG_COUNT, ANY_RUN))
    (opened,) = ledger.events(name="DisputeOpened")
    exchange.pass_window()
    assert SettlementBatch.objects.get().settle_keys == []  # nothing is left to settle
    assert answer(exchange) == 0  # no receipt answers it
    assert actions.time_out_disputed(now=opened.args["reveal_by"] + 2) == 0
    late = opened.args["rule_by"] + 1_000 * WINDOW_SECONDS  # the exchange stood still
    assert end_at(exchange, late) == 1
    assert statuses() == ["settled"]
    assert stranger(exchange) == (DEPOSIT, 0, 0)


def test_arbiters_rule_on_a_wrong_count_and_not_on_a_receipt_that_is_asked_for(exchange):
    trade = disputed_run(exchange)
    cut(exchange)
    nothing = Outcome(OutcomeKind.REFUNDED, 0, 0)
    dispute(exchange, trade, (Claim.NO_RECEIPT, 0))
    with pytest.raises(Conflict, match="only receipts are asked for"):
        actions.rule_dispute(trade=trade, outcome=nothing, signatures=[])
    dispute(exchange, trade, (Claim.WRONG_COUNT, ANY_RUN))
    assert answer(exchange) == 1
    assert "arbiters rule" in decided_step(exchange, trade)
    assert actions.rule_dispute(trade=trade, outcome=nothing, signatures=[]).key
    observe(exchange)
    observe(exchange)
    assert statuses() == ["refunded"]
    assert "ruled by arbiters" in decided_step(exchange, trade)
    assert differences(trade) == []
    bond = exchange.world.chain_balances(exchange.provider.address)[0] - 100 * TOKEN
    assert bond == -(stranger(exchange)[0] - DEPOSIT + BOND // 10), (
        "the reward is of what the trade gave the loser"
    )
