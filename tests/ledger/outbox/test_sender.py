"""A planned transaction reaches the chain exactly once, whatever the node and the machine do meanwhile."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from ledger import queries
from ledger.chain import NodeError
from ledger.chain.rpc import RpcGateway
from ledger.control import node
from ledger.errors import KeyConflict
from ledger.models import Attempt, OutgoingTx
from ledger.outbox.attempts import Answer, Attempts
from ledger.outbox.failure import HELD_BACK_SECONDS_MAX, PARKED_SECONDS_MAX, REFUSALS_MAX
from ledger.outbox.plan import plan
from ledger.outbox.sender import Limits, Sender
from operations.chaos.proxy import (
    CutAfter,
    CutBefore,
    FaultProxy,
    Garbage,
    already_known,
    nonce_too_low,
    underpriced,
)
from suan.core.contract.abi import encode_call
from tests.ledger.chain import World

pytestmark = pytest.mark.chain


class Office:
    """A sender, its node behind a proxy, and a clock that the test moves."""

    def __init__(self, world: World, proxy: FaultProxy, name: str = "relayer") -> None:
        self.world = world
        self.proxy = proxy
        self.now = timezone.now()
        known = world.known
        limits = Limits(
            chain_id=known.chain_id, stuck_blocks=3, confirmations=known.confirmations, gas_max=10_000_000
        )
        gateway = RpcGateway(proxy.url, chain_id=known.chain_id, timeout_seconds=2)
        self.sender = Sender(gateway, world.keys, name, limits)

    def wish(self, number: int, amount: int | None = None) -> OutgoingTx:
        """Ask for tokens from the faucet for an address of this number."""
        calldata = encode_call("faucet", recipient(number), amount or number + 1)
        return plan(
            key=f"faucet:{number}", signer=self.sender.name, to=self.world.known.token, calldata=calldata
        )

    def step(self, seconds: float = 1) -> int:
        self.now += timedelta(seconds=seconds)
        return self.sender.step(now=self.now)

    def mine_and_step(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            self.world.anvil.mine()
            self.world.follow()
            self.step()

    def paid(self, number: int) -> int:
        return self.world.call(self.world.known.token, "balanceOf", recipient(number))["value"]

    def nonces(self) -> list[int]:
        rows = OutgoingTx.objects.filter(nonce__isnull=False).order_by("nonce")
        return list(rows.values_list("nonce", flat=True))


def recipient(number: int) -> str:
    return f"0x{number + 0x5000:040x}"


def status(number: int) -> str:
    return queries.outgoing(f"faucet:{number}").status


@pytest.fixture
def office(world: World) -> Iterator[Office]:
    with FaultProxy(world.anvil.url) as proxy:
        world.follow()
        yield Office(world, proxy)


def test_a_plan_is_sent_included_and_final(office: Office):
    row = office.wish(1)
    assert row.status == "planned"
    office.step()
    assert status(1) == "sent"
    office.mine_and_step()
    row = queries.outgoing("faucet:1")
    assert row.status == "included" and row.block.canonical and row.gas_used > 21_000
    assert queries.finality(row.tx_hash) == "included"
    office.mine_and_step(office.world.known.confirmations)
    assert status(1) == "final" and office.paid(1) == 2


def test_a_plan_is_idempotent_on_its_key_and_refuses_other_content(office: Office):
    assert office.wish(1) == office.wish(1)
    with pytest.raises(KeyConflict):
        office.wish(1, amount=99)


@pytest.mark.parametrize(
    "fault", [CutAfter(), CutBefore(), Garbage(), already_known(accepted=True), nonce_too_low()]
)
def test_whatever_the_node_answers_it_is_paid_once_with_the_same_bytes(office: Office, fault):
    office.proxy.on("eth_sendRawTransaction", fault, times=2)
    office.wish(1)
    for _ in range(4):
        office.step(seconds=5)
    office.mine_and_step(3)
    assert status(1) == "included"
    assert Attempt.objects.count() == 1
    assert office.paid(1) == 2
    assert office.nonces() == [0]


def test_bytes_stored_before_a_crash_are_broadcast_by_the_next_process(office: Office, monkeypatch):
    class Crash(BaseException):
        pass

    def crash(*_: object) -> Answer:
        raise Crash

    office.wish(1)
    with monkeypatch.context() as patch:
        patch.setattr(Attempts, "hand_over", crash)
        with pytest.raises(Crash):
            office.step()
    assert status(1) == "signed"
    assert office.proxy.methods().count("eth_sendRawTransaction") == 0
    again = Office(office.world, office.proxy)
    again.step()
    assert status(1) == "sent" and Attempt.objects.count() == 1
    again.mine_and_step()
    assert office.paid(1) == 2


def test_a_transaction_below_the_base_fee_is_replaced_and_executed_once(office: Office):
    office.wish(1)
    office.step()
    first = Attempt.objects.get()
    office.world.anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(first.max_fee_per_gas * 3))
    for _ in range(12):
        office.mine_and_step()
    attempts = list(Attempt.objects.order_by("id"))
    assert len(attempts) >= 2
    assert len({attempt.nonce for attempt in attempts}) == 1
    for earlier, later in zip(attempts, attempts[1:], strict=False):
        assert later.max_fee_per_gas * 100 >= earlier.max_fee_per_gas * 113
        assert later.max_priority_fee_per_gas * 100 >= earlier.max_priority_fee_per_gas * 113
    assert status(1) in ("included", "final") and office.paid(1) == 2


def test_a_transaction_that_blocks_pass_by_is_replaced(office: Office):
    office.wish(1)
    office.step()
    (attempt,) = Attempt.objects.all()
    office.world.anvil.rpc("anvil_dropTransaction", attempt.tx_hash)
    office.proxy.on("eth_sendRawTransaction", underpriced(), times=1)
    for _ in range(6):
        office.mine_and_step()
    assert Attempt.objects.count() >= 2
    office.mine_and_step(2)
    assert status(1) == "included" and office.paid(1) == 2


def test_an_orphaned_transaction_goes_out_again_with_the_same_bytes(office: Office):
    for number in range(4):
        office.wish(number)
    office.step()
    office.mine_and_step(2)
    assert {status(number) for number in range(4)} == {"included"}
    office.world.anvil.reorg(3)
    office.world.anvil.mine()
    office.world.follow()
    office.step()
    assert {status(number) for number in range(4)} == {"sent"}
    office.mine_and_step(office.world.known.confirmations + 1)
    assert {status(number) for number in range(4)} == {"final"}
    assert Attempt.objects.count() == 4
    assert [office.paid(number) for number in range(4)] == [1, 2, 3, 4]
    assert office.nonces() == [0, 1, 2, 3]


def test_after_a_reorg_nothing_goes_out_before_what_it_builds_on_is_back(office: Office):
    token, other = office.world.known.token, Office(office.world, office.proxy, "operator")
    give = plan(
        key="give", signer="operator", to=token, calldata=encode_call("faucet", office.sender.address, 5)
    )
    other.step()
    other.mine_and_step()
    spend = plan(key="spend", signer="relayer", to=token, calldata=encode_call("transfer", recipient(1), 5))
    after = office.wish(2)
    office.step()
    office.mine_and_step()
    assert {queries.outgoing(row.key).status for row in (give, spend, after)} == {"included"}
    office.world.anvil.reorg(4)
    office.world.follow()
    office.now = other.now = max(office.now, other.now)
    office.step()
    assert "held back" in queries.outgoing("spend").error
    office.world.anvil.mine()
    assert office.paid(1) == 0 and office.world.anvil.rpc("txpool_status")["pending"] == "0x0"
    other.step()
    office.step()
    office.mine_and_step(2)
    assert (office.paid(1), office.paid(2)) == (5, 3)
    assert [row.attempts.count() for row in OutgoingTx.objects.order_by("id")] == [1, 1, 1]
    assert queries.outgoing("spend").status == "included" and not queries.outgoing("spend").reverted


def test_what_stays_impossible_after_a_reorg_is_held_back_for_a_while_and_then_fails_in_the_open(
    office: Office,
):
    other = Office(office.world, office.proxy, "operator")
    token = office.world.known.token
    plan(key="give", signer="operator", to=token, calldata=encode_call("faucet", office.sender.address, 5))
    other.step()
    other.mine_and_step()
    plan(key="spend", signer="relayer", to=token, calldata=encode_call("transfer", recipient(1), 5))
    office.now = other.now
    office.step()
    office.mine_and_step()
    office.world.anvil.reorg(3)
    office.world.follow()
    office.step()
    office.step(HELD_BACK_SECONDS_MAX / 2)
    assert "held back" in queries.outgoing("spend").error
    office.step(HELD_BACK_SECONDS_MAX)
    office.mine_and_step(office.world.known.confirmations + 2)
    assert queries.outgoing("spend").status == "failed"
    assert office.paid(1) == 0


def test_a_reverted_receipt_fails_with_its_reason_when_it_is_final(office: Office):
    known = office.world.known
    alice = office.world.person("alice")
    calldata = encode_call("withdraw", alice)
    office.world.deposit("alice", 100)
    office.world.send("alice", known.market, "requestWithdrawal", 100)
    office.world.anvil.pass_time(known.withdrawal_delay + 1)
    office.world.anvil.pass_time(known.withdrawal_delay + 1)
    office.world.follow()
    plan(key="first", signer="relayer", to=known.market, calldata=calldata)
    office.step()
    # Somebody else is faster: ours is mined after it and reverts.
    office.world.anvil.rpc("anvil_dropTransaction", Attempt.objects.get().tx_hash)
    office.world.send("alice", known.market, "withdraw", alice)
    office.world.anvil.mine()
    office.step(seconds=20)
    office.mine_and_step(2)
    row = queries.outgoing("first")
    assert row.status == "included" and row.reverted
    assert "NothingToWithdraw" in row.error
    office.mine_and_step(known.confirmations)
    assert queries.outgoing("first").status == "failed"


def test_what_reverts_in_simulation_is_parked_then_fails_without_spending_a_nonce(office: Office):
    known = office.world.known
    calldata = encode_call("withdraw", recipient(1))
    plan(key="impossible", signer="relayer", to=known.market, calldata=calldata)
    office.wish(2)
    office.step()
    assert queries.outgoing("impossible").status == "planned"
    assert "NothingToWithdraw" in queries.outgoing("impossible").error
    assert status(2) == "sent", "others pass by"
    for _ in range(REFUSALS_MAX):
        office.step(seconds=PARKED_SECONDS_MAX + 1)
    row = queries.outgoing("impossible")
    assert row.status == "failed" and row.nonce is None and Attempt.objects.count() == 1


def test_a_nonce_taken_by_a_foreign_transaction_is_given_up_only_when_that_is_final(office: Office):
    office.proxy.on("eth_sendRawTransaction", CutBefore(), times=1)
    office.wish(1)
    office.step()
    office.world.send("relayer", office.world.known.token, "faucet", recipient(9), 5)
    office.mine_and_step(3)
    assert Attempt.objects.count() == 1 and office.nonces() == [0]
    for _ in range(office.world.known.confirmations + 3):
        office.world.anvil.mine()
        office.world.follow()
        office.step(seconds=31)
    office.mine_and_step(3)
    assert office.nonces() == [1]
    assert status(1) == "included" and office.paid(1) == 2 and office.paid(9) == 5


def test_a_lost_foreign_nonce_is_filled_so_that_ours_get_in(office: Office):
    world = office.world
    foreign = world.send("relayer", world.known.token, "faucet", recipient(9), 5)
    world.anvil.mine()
    office.wish(1)
    office.step()
    assert office.nonces() == [1] and foreign
    office.mine_and_step()
    world.anvil.reorg(2)
    world.anvil.mine()
    for _ in range(5):
        office.mine_and_step()
        office.step(seconds=31)
    assert status(1) == "included" and office.paid(1) == 2
    assert OutgoingTx.objects.get(nonce=0).key.startswith("gap:relayer:0")


def test_nothing_is_sent_while_settlement_is_halted(office: Office):
    from ledger.models import Halt

    Halt.objects.create(reason="test", from_number=1, created_at=timezone.now())
    office.wish(1)
    office.step()
    assert status(1) == "planned" and office.proxy.methods() == []


def test_a_killed_node_that_forgot_blocks_gets_them_again_in_order_of_nonce(
    anvil_factory, db, var, compiled, settings
):
    from tests.ledger.conftest import deployed

    anvil = anvil_factory(keep_state=True)
    settings.CHAIN_RPC_URL = anvil.url
    world = deployed(anvil, var, compiled, settings)
    anvil.mine()
    state = world.saved_state()
    with FaultProxy(anvil.url) as proxy:
        office = Office(world, proxy)
        world.follow()
        for number in range(6):
            office.wish(number)
            office.step()
            anvil.mine()
        world.follow()
        office.step()
        assert {status(number) for number in range(6)} == {"included"}
        assert world.lose_blocks(state) == 6
        for seconds in (0, 10):
            world.indexer.step(now=timezone.now() + timedelta(seconds=seconds))
        office.step()
        office.mine_and_step(world.known.confirmations + 2)
    assert {status(number) for number in range(6)} == {"final"}
    assert [office.paid(number) for number in range(6)] == [number + 1 for number in range(6)]
    assert Attempt.objects.count() == 6 and office.nonces() == list(range(6))


def test_four_senders_and_random_faults_leave_no_gap_and_pay_each_once(open_world: World):
    world, count, seed = open_world, 24, 20_260_711
    chance = random.Random(seed)
    with FaultProxy(world.anvil.url) as proxy:
        world.follow()
        office = Office(world, proxy)
        for number in range(count):
            office.wish(number)
        faults = [CutAfter(), CutBefore(), already_known(accepted=True), underpriced(), Garbage()]
        base: datetime = office.now

        def work(worker: int) -> None:
            try:
                mine = Office(world, proxy)
                for turn in range(3):
                    mine.now = base + timedelta(seconds=10 * turn + worker)
                    try:
                        mine.sender.step(now=mine.now)
                    except NodeError:
                        continue
            finally:
                connection.close()

        for turn in range(8):
            for _ in range(6):
                proxy.on("eth_sendRawTransaction", chance.choice(faults), times=1)
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(work, range(4)))
            base += timedelta(seconds=90)
            world.anvil.mine()
            world.follow()
            if turn == 4:
                world.anvil.reorg(2)
                world.anvil.mine()
                world.follow()
        office.now = base
        for _ in range(10):
            office.mine_and_step()
            office.step(seconds=31)
    assert [office.paid(number) for number in range(count)] == [number + 1 for number in range(count)], seed
    assert office.nonces() == list(range(count)), seed
    assert {row.status for row in OutgoingTx.objects.all()} <= {"included", "final"}


def test_the_commands_find_what_they_need_in_the_settings(office: Office):
    assert [sender_.name for sender_ in node.senders()] == ["operator", "relayer"]
