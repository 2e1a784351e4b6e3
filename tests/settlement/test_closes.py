"""From locked trades to closed ones, on the real contracts with jobs that really run."""

import json
import time

import pytest

from ledger import evidence
from ledger import queries as ledger
from ledger.models import Attempt, ChainEvent
from marketplace.book.models import Order
from marketplace.clearing.models import Trade
from marketplace.delivery import actions as delivery
from marketplace.settlement import tasks as settlement_tasks
from marketplace.settlement.models import Closing, SettlementBatch
from suan.core.contract.records import receipts_root
from suan.core.delivery.leases import LeaseRules
from suan.core.delivery.receipts import ExitReason
from suan.core.encoding import from_hex, to_hex
from suan.core.units import billed_units, bond, bond_price, fee, lock_payment, payment
from tests.receipts import programs

RULES = LeaseRules(lease_seconds=10, silence_seconds=15)
CEILING = 3_600


def order(seen: str) -> Order:
    return Order.objects.get(order_hash=seen)


def test_honest_runs_are_paid_by_count_and_the_rest_goes_back_to_both_sides(exchange):
    provider, buyer = exchange.provider.address, exchange.buyer.address
    trade = exchange.trade(runs=2)
    assert exchange.world.chain_balances(buyer)[1] == trade.payment == lock_payment(trade.price, 2 * CEILING)
    free = exchange.world.chain_balances(provider)[0]
    for lease in exchange.lease():
        exchange.deliver(lease)
    exchange.verify()
    exchange.close(final=True)

    trade.refresh_from_db()
    assert trade.status == "settled"
    units = 2 * billed_units(1, CEILING)  # the job counts one work unit, so a tenth of the ceiling is billed
    paid = payment(trade.price, units)
    seen = exchange.seen(trade)["close"]
    assert (seen["kind"], seen["runs_delivered"], seen["units"]) == ("settled", 2, str(units))
    assert seen["finality"] == "final"
    known = exchange.world.known
    assert exchange.world.chain_balances(provider) == (
        free + trade.bond + paid - fee(paid, known.fee_bps),
        0,
        0,
    )
    assert exchange.world.chain_balances(buyer) == (100 * 10**18 - paid, 0, 0)
    assert ledger.balances(buyer).posted == 100 * 10**18 - paid

    assert (order(trade.bid_hash).leaves_quantity, order(trade.bid_hash).order_status) == (0, "filled")
    assert order(trade.offer_hash).leaves_quantity == 36_000 - units  # units not used trade again


def test_the_published_document_rebuilds_the_root_and_the_outcomes_on_chain(exchange):
    trade = exchange.trade(runs=2)
    first, _ = exchange.lease()
    receipt = exchange.deliver(first)
    exchange.verify()
    delivery.expire_leases(now=trade.deliver_by + 1, rules=RULES)
    exchange.close(final=True)
    settlement = SettlementBatch.objects.get()
    document = json.loads(evidence.read("settlements", f"{settlement.receipts_root}.json"))
    leaves = []
    for row in document["receipts"]:
        digest = from_hex(receipt["receipt_id"][4:]) if row["receipt"] else bytes(32)
        leaves.append((digest, from_hex(row["trade"]), row["run"], row["verdict"], int(row["units"])))
    assert [(row["verdict"], row["units"] != "0") for row in document["receipts"]] == [
        (1, True),
        (0, False),
    ]  # none came
    assert to_hex(receipts_root(leaves)) == settlement.receipts_root
    (sealed,) = ledger.events(name="BatchDecided")
    assert sealed.args["receipts_root"] == settlement.receipts_root
    assert document["batch"] == sealed.args["batch_id"]
    assert document["outcomes"] == [
        {"trade": trade.trade_hash, "kind": 1, "runs_delivered": 1, "units": str(billed_units(1, CEILING))}
    ]
    assert evidence.read("objects", receipt["receipt"]["output"]) is not None
    bid = order(trade.bid_hash)
    assert (bid.leaves_quantity, bid.free_runs) == (1, [[1, 1]])  # the run that never came is free again


@pytest.mark.parametrize(
    "lies",
    [
        {"output": b"\x11" * 32, "upload": None},
        {"fp64": 10**15},
        {"exit_reason": int(ExitReason.TRAP)},
        {"fuel": 7},
    ],
    ids=["false output", "inflated counters", "false exit reason", "false fuel"],
)
def test_a_false_receipt_is_slashed_after_the_second_engine_confirmed_it(exchange, lies):
    trade = exchange.trade()
    (lease,) = exchange.lease()
    if "upload" in lies:
        forged = b"not what the job prints"
        sha256 = exchange.provider.upload(forged)
        lies = {"upload": forged, "output": from_hex(sha256)}
    receipt = exchange.deliver(lease, **lies)
    exchange.verify()
    seen = exchange.buyer.get(f"/receipts/{receipt['receipt_id']}").json()
    assert (seen["status"], seen["confirmed_by"]) == ("rejected", "pulley")
    exchange.close(final=True)
    trade.refresh_from_db()
    assert trade.status == "slashed"
    assert exchange.world.chain_balances(exchange.buyer.address) == (100 * 10**18, 0, 0)
    per_unit = bond_price(10**18 // 2, exchange.world.known.bond_bps, exchange.world.known.bond_floor_price)
    lost = bond(per_unit, CEILING)
    assert exchange.world.chain_balances(exchange.provider.address) == (100 * 10**18 - lost, 0, 0)
    closed = exchange.seen(trade)["close"]
    assert (closed["kind"], closed["units"]) == ("slashed", "1")  # the recomputed work prices the re-run
    known = exchange.world.known
    rerun, pool = payment(trade.price, 1), lost - payment(trade.price, 1)
    assert exchange.world.chain_balances(known.rerun_account)[0] == rerun
    assert exchange.world.chain_balances(known.pool)[0] == pool
    assert order(trade.bid_hash).leaves_quantity == 1
    assert exchange.buyer.get(f"/trades/{trade.trade_id}/outputs").json()["results"] == []


@pytest.mark.parametrize(
    ("module", "reason", "output", "counted"),
    [
        (programs.trapping(), ExitReason.TRAP, b"half", 1),
        (programs.endless(), ExitReason.CEILING, b"loop", 40),
        (programs.exiting(3), ExitReason.EXIT, b"done", 1),
    ],
    ids=["trap", "ceiling", "exit code"],
)
def test_what_the_job_did_itself_is_billed_and_its_output_delivered(
    exchange, module, reason, output, counted
):
    trade = exchange.trade(module, ceiling_units=40)
    (lease,) = exchange.lease()
    exchange.deliver(lease)
    exchange.verify()
    exchange.close()
    closed = exchange.seen(trade)["close"]
    assert (closed["kind"], closed["units"]) == ("settled", str(billed_units(counted, 40)))
    (delivered,) = exchange.buyer.get(f"/trades/{trade.trade_id}/outputs").json()["results"]
    assert delivered["exit_reason"] == reason
    assert exchange.download(delivered["output"], exchange.buyer) == output


def test_a_wall_clock_timeout_pays_nothing_and_the_run_trades_again(exchange):
    trade = exchange.trade(programs.endless(), ceiling_units=36_000, terms={"wall_seconds": 1})
    (lease,) = exchange.lease()
    receipt = exchange.deliver(lease, exit_reason=int(ExitReason.TIMEOUT))
    assert receipt["status"] == "accepted"  # a statement against itself needs no second run
    exchange.close(final=True)
    trade.refresh_from_db()
    assert trade.status == "refunded"
    assert exchange.world.chain_balances(exchange.buyer.address) == (100 * 10**18, 0, 0)
    assert exchange.world.chain_balances(exchange.provider.address) == (100 * 10**18, 0, 0)
    exchange.lock()
    again = exchange.lease()
    assert [(run["run"], run["seed"]) for run in again] == [(lease["run"], lease["seed"])]
    assert again[0]["trade"] != lease["trade"]


def test_runs_of_a_lost_agent_return_and_another_provider_delivers_them(exchange):
    trade = exchange.trade(runs=2)
    (lease, _) = exchange.lease()
    exchange.deliver(lease)
    exchange.verify()
    now = int(time.time())
    delivery.expire_leases(now=now, rules=RULES)
    for second in range(1, 40, 4):  # the exchange listens all the while and hears nothing
        delivery.expire_leases(now=now + second, rules=RULES)
    exchange.close(final=True)
    trade.refresh_from_db()
    assert (trade.status, Closing.objects.get().runs_delivered) == ("settled", 1)

    other = exchange._person("other")
    agent = exchange.join(other, "other")
    exchange.settle_chain(final=True)
    exchange.offer(other, agent, limit_price="0.4")
    exchange.lock()
    (second,) = exchange.lease(person=other, agent=agent)
    assert second["run"] == 1
    body = exchange.signed(second, result := exchange.run(second, other), agent)
    other.upload(result.output)
    assert other.post("/receipts", body).status_code == 201
    exchange.verify()
    exchange.close(final=True)
    outputs = [
        row["run"]
        for seen in exchange.buyer.get(f"/orders/ord_{trade.bid_hash}/trades").json()["results"]
        for row in exchange.buyer.get(f"/trades/{seen['trade_id']}/outputs").json()["results"]
    ]
    assert sorted(outputs) == [0, 1]


def test_a_close_that_a_reorganisation_removes_comes_back_and_pays_once(exchange):
    trade = exchange.trade()
    (lease,) = exchange.lease()
    exchange.deliver(lease)
    exchange.verify()
    exchange.close()
    trade.refresh_from_db()
    assert trade.status == "settled"
    assert Closing.objects.get().returned_at is None  # nothing goes back before it is final
    exchange.world.anvil.reorg(2)
    exchange.world.follow()
    assert exchange.seen(trade)["close"] is None
    for _ in range(3):
        exchange.settle_chain()
    exchange.close(final=True)
    paid = payment(trade.price, billed_units(1, CEILING))
    assert exchange.seen(trade)["close"]["finality"] == "final"
    assert exchange.world.chain_balances(exchange.buyer.address)[0] == 100 * 10**18 - paid
    assert Closing.objects.get().returned_at is not None
    assert order(trade.offer_hash).leaves_quantity == 36_000 - billed_units(1, CEILING)


def settled(exchange) -> tuple[Trade, ChainEvent, list[list]]:
    """A settled trade, when it was decided, and its transactions as a reorganisation takes them: bytes and block."""
    trade = exchange.trade()
    (lease,) = exchange.lease()
    exchange.deliver(lease)
    exchange.verify()
    exchange.close()
    row = SettlementBatch.objects.get()
    sent = [
        Attempt.objects.filter(outgoing__key=key).latest("id") for key in (row.outgoing_key, *row.settle_keys)
    ]
    decided = ledger.events_of(name="BatchDecided", subject=row.lock_batch)[0]
    return trade, decided, [[to_hex(bytes(one.raw)), place] for place, one in enumerate(sent)]


@pytest.mark.parametrize("mined", [True, False])
def test_a_settlement_that_is_too_early_on_the_new_chain_pays_once_in_the_end(exchange, mined):
    trade, decided, sent = settled(exchange)
    depth = exchange.world.anvil.head() - decided.block.number + 1
    exchange.world.anvil.rpc("anvil_reorg", depth, sent if mined else [])
    exchange.world.follow()
    settlement_tasks.finalize()
    trade.refresh_from_db()
    assert trade.status == "closing", "what the chain forgot has not ended"
    if not mined:
        exchange.world.anvil.pass_time(30)
    exchange.settle_chain(final=True)
    first = ledger.outgoing(SettlementBatch.objects.get().settle_keys[0])
    assert "TooEarly" in first.error and first.status == ("failed" if mined else "sent")
    for _ in range(2):
        exchange.close(final=True)
    trade.refresh_from_db()
    assert trade.status == "settled" and exchange.seen(trade)["close"]["finality"] == "final"
    assert len(SettlementBatch.objects.get().settle_keys) == (2 if mined else 1)
    paid = payment(trade.price, billed_units(1, CEILING))
    assert exchange.world.chain_balances(exchange.buyer.address)[0] == 100 * 10**18 - paid


def test_repeating_every_step_changes_nothing(exchange):
    trade = exchange.trade()
    (lease,) = exchange.lease()
    exchange.deliver(lease)
    for _ in range(2):
        exchange.verify()
        exchange.close(final=True)
    assert SettlementBatch.objects.count() == Closing.objects.count() == 1
    assert order(trade.offer_hash).leaves_quantity == 36_000 - billed_units(1, CEILING)


def test_the_offers_of_a_slashed_node_stay_out_of_the_auctions_and_say_why(exchange):
    trade = exchange.trade()
    (lease,) = exchange.lease()
    exchange.deliver(lease, fuel=1)
    exchange.verify()
    exchange.close(final=True)
    trade.refresh_from_db()
    assert trade.status == "slashed"
    exchange.lock()  # the run is back in the book, and so is the offer
    assert exchange.lease() == []
    reason = exchange.provider.get(f"/orders/ord_{trade.offer_hash}/explain").json()
    assert reason["code"] == "suspended", reason

    agent = exchange.join(exchange.provider, "second node")
    exchange.settle_chain(final=True)
    exchange.offer(agent=agent, client_order_id="second")
    exchange.lock()
    assert [run["run"] for run in exchange.lease(agent=agent)] == [0]
