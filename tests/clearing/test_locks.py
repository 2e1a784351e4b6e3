"""Locks on the real contract: what becomes of matched trades when the chain takes, refuses, forgets or fails them."""

import time
from typing import Any

import pytest
from django.utils import timezone

from ledger import custodial as keys
from ledger import queries as ledger
from ledger.control import node
from ledger.indexer.rewind import rewind
from ledger.queries import balances
from ledger.reconciliation.finding import ChainView
from marketplace.book import queries as book
from marketplace.clearing import actions, queries
from marketplace.clearing.models import (
    BATCH_FAILED,
    BATCH_FINAL,
    BATCH_INCLUDED,
    BATCH_SENT,
    LOCKED,
    LOCKING,
    MATCHED,
    REJECTED,
    Clearing,
    LockBatch,
    PriceMissing,
    Trade,
)
from marketplace.clearing.verbs.locks import open_calldata
from marketplace.delivery.checks import check_trades
from suan.core.contract.abi import encode_call
from suan.core.contract.records import BatchHead
from suan.core.encoding import from_hex
from tests.book.market import HOUR, PRODUCT, Person, bid_body, custodial, offer_body, register_node
from tests.ledger.chain import TOKEN, World

pytestmark = pytest.mark.chain
PACE = 2


class Floor:
    """A market whose clock is the chain's, with people whose money is on chain."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.world.person("bank")

    def now(self) -> int:
        return int(self.world.anvil.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def person(self, name: str, tokens: int = 10) -> Person:
        person = custodial(name)
        bank, known = self.world.keys.address("bank"), self.world.known
        self.world.send("bank", known.token, "faucet", bank, tokens * TOKEN)
        self.world.send("bank", known.token, "approve", known.market, tokens * TOKEN)
        self.world.send("bank", known.market, "deposit", person.address, tokens * TOKEN)
        self.world.finalise()
        return person

    def offers(self, person: Person, **changes: Any) -> str:
        agent = register_node(person, label=f"agent of {person.address}")
        return self.place(person, "/offers", offer_body(agent.address, **changes))

    def bids(self, person: Person, **changes: Any) -> str:
        return self.place(person, "/bids", bid_body(person, **changes))

    def place(self, person: Person, path: str, body: dict[str, Any]) -> str:
        answer = person.post(path, body)
        assert answer.status_code == 201, answer.content
        return str(answer.json()["order_id"])

    def match(self) -> LockBatch:
        """Clear and plan the lock of what matched."""
        assert actions.clear_product(symbol=PRODUCT, now=self.now()) is not None
        batch = actions.lock_trades(now=self.now() + PACE, pace_seconds=PACE)
        assert batch is not None
        return batch

    def send(self) -> None:
        """Let the senders sign and broadcast; nothing is mined."""
        for sender in node.senders():
            sender.step(now=timezone.now())

    def mine(self, blocks: int) -> None:
        self.world.anvil.mine(blocks)
        self.world.follow()
        self.send()
        actions.observe_locks(now=self.now())


@pytest.fixture
def floor(world: World) -> Floor:
    return Floor(world)


def status(order_id: str) -> tuple[str, int, int]:
    order = book.order_by_id(order_id)
    return order.order_status, order.cum_quantity, order.leaves_quantity


def test_a_trade_is_locked_with_one_block_on_top_and_as_our_books_say(floor: Floor) -> None:
    seller, buyer = floor.person("seller"), floor.person("buyer")
    floor.offers(seller)
    floor.bids(buyer)
    batch = floor.match()
    trade = Trade.objects.get()
    assert (trade.status, trade.position, batch.fill_count) == (LOCKING, 0, 1)
    floor.send()
    floor.mine(1)
    trade.refresh_from_db()
    assert trade.status == LOCKING, "included, but nothing on top yet"
    floor.mine(1)
    trade.refresh_from_db()
    batch.refresh_from_db()
    assert (trade.status, trade.index, batch.status) == (LOCKED, 0, BATCH_INCLUDED)
    (event,) = ledger.events(name="TradeLocked")
    assert event.args["trade"] == trade.trade_hash
    assert (event.args["payment"], event.args["bond"]) == (trade.payment, trade.bond)
    head = BatchHead(batch.chain_number or 0, from_hex(batch.root or ""), from_hex(batch.verifier_set), 1)
    assert head.id() == from_hex(batch.batch_id or "")
    assert ledger.events(name="ClearingCommitted")[0].args["clearing_id"] == trade.clearing.clearing_hash
    floor.mine(floor.world.known.confirmations + 1)
    batch.refresh_from_db()
    assert batch.status == BATCH_FINAL
    for person, locked in ((buyer, trade.payment), (seller, trade.bond)):
        assert balances(person.address).locked == locked
        assert floor.world.chain_balances(person.address)[:2] == (
            balances(person.address).posted,
            balances(person.address).locked,
        )


def test_fills_wait_for_company_until_the_pace_has_passed(floor: Floor) -> None:
    seller, buyer = floor.person("seller"), floor.person("buyer")
    floor.offers(seller)
    floor.bids(buyer, runs=2)
    start = floor.now()
    actions.clear_product(symbol=PRODUCT, now=start)
    assert actions.lock_trades(now=start + 1, pace_seconds=PACE) is None
    floor.bids(buyer, client_order_id="bid-2", runs=3)
    actions.clear_product(symbol=PRODUCT, now=start + 1)
    batch = actions.lock_trades(now=start + 2, pace_seconds=PACE)
    assert batch is not None and batch.fill_count == 2
    assert actions.lock_trades(now=start + 60, pace_seconds=PACE) is None
    floor.send()
    floor.mine(2)
    assert sorted(Trade.objects.values_list("status", "index")) == [(LOCKED, 0), (LOCKED, 1)]


def test_a_refused_fill_returns_to_its_orders_when_final_and_the_others_go_through(floor: Floor) -> None:
    """The poor buyer's money leaves by the chain between clearing and lock: only that fill is refused, with code 8."""
    seller, rich, poor = floor.person("seller"), floor.person("rich"), floor.person("poor")
    offer = floor.offers(seller)
    floor.bids(rich, runs=4)
    refused = floor.bids(poor, runs=4, limit_price="0.9")
    floor.match()
    take_away(floor, poor)
    floor.send()
    floor.mine(2)
    trades = {trade.buyer: trade for trade in Trade.objects.all()}
    assert trades[rich.address].status == LOCKED
    assert (trades[poor.address].status, trades[poor.address].reject_code) == (LOCKING, 8)
    assert status(refused) == ("filled", 4, 0), "not before it is final"
    floor.mine(floor.world.known.confirmations + 1)
    trade = Trade.objects.get(buyer=poor.address)
    assert (trade.status, trade.bid_at_fault, trade.offer_at_fault) == (REJECTED, True, False)
    assert status(offer) == ("partially_filled", 14_400, 21_600)
    assert status(refused)[1:] == (0, 4)
    assert balances(poor.address).held == 0 or balances(poor.address).available >= 0
    before = Trade.objects.count()
    actions.clear_product(symbol=PRODUCT, now=floor.now())
    assert Trade.objects.count() == before, "an order that was refused waits before it trades again"


def test_a_batch_of_which_nothing_is_accepted_ends_without_a_batch_on_chain(floor: Floor) -> None:
    seller, poor = floor.person("seller"), floor.person("poor")
    offer = floor.offers(seller)
    floor.bids(poor)
    batch = floor.match()
    take_away(floor, poor)
    floor.send()
    floor.mine(floor.world.known.confirmations + 2)
    batch.refresh_from_db()
    assert (batch.status, batch.batch_id, batch.count) == (BATCH_FINAL, None, None)
    assert Trade.objects.get().status == REJECTED
    assert status(offer) == ("new", 0, 36_000)
    held = book.order_by_id(offer).held
    assert balances(seller.address).held == held > 0


def test_an_order_canceled_on_chain_is_named_as_the_one_at_fault(floor: Floor) -> None:
    seller, buyer = floor.person("seller"), floor.person("buyer")
    floor.offers(seller)
    bid = floor.bids(buyer)
    floor.match()
    cancel_on_chain(floor, buyer, book.order_by_id(bid).nonce)
    floor.world.anvil.pass_time(floor.world.known.match_window)
    floor.send()
    floor.mine(floor.world.known.confirmations + 2)
    trade = Trade.objects.get()
    assert (trade.status, trade.reject_code) == (REJECTED, 3)
    assert (trade.offer_at_fault, trade.bid_at_fault) == (False, True)


def test_a_trade_whose_bid_is_canceled_on_chain_after_the_match_is_locked_all_the_same(floor: Floor) -> None:
    seller, buyer = floor.person("seller"), floor.person("buyer")
    floor.offers(seller)
    bid = floor.bids(buyer)
    floor.match()
    cancel_on_chain(floor, buyer, book.order_by_id(bid).nonce)
    floor.send()
    floor.mine(floor.world.known.confirmations + 2)
    assert Trade.objects.get().status == LOCKED


def test_a_trade_whose_block_leaves_the_chain_waits_and_is_locked_again_once(floor: Floor) -> None:
    seller, buyer = floor.person("seller"), floor.person("buyer")
    floor.offers(seller)
    floor.bids(buyer)
    batch = floor.match()
    floor.send()
    snapshot = floor.world.anvil.rpc("evm_snapshot")
    floor.mine(2)
    assert Trade.objects.get().status == LOCKED
    first = ledger.outgoing(batch.outgoing_key)
    assert first is not None
    block = first.block
    floor.world.anvil.rpc("evm_revert", snapshot)
    floor.world.anvil.rpc("anvil_dropAllTransactions")
    floor.world.anvil.mine(3)
    floor.world.follow()
    block.refresh_from_db()
    assert not block.canonical
    actions.observe_locks(now=floor.now())
    trade = Trade.objects.get()
    batch.refresh_from_db()
    assert (trade.status, trade.index, batch.batch_id) == (LOCKING, None, None)
    floor.send()
    floor.send()
    floor.mine(2)
    floor.mine(floor.world.known.confirmations + 1)
    assert Trade.objects.get().status == LOCKED
    assert len(ledger.events(name="TradeLocked")) == 1
    assert balances(buyer.address).locked == trade.payment


def test_a_batch_that_was_final_until_an_operator_rewound_the_chain_is_locked_again(floor: Floor) -> None:
    seller, buyer = floor.person("seller"), floor.person("buyer")
    floor.offers(seller)
    floor.bids(buyer)
    batch = floor.match()
    floor.send()
    floor.mine(floor.world.known.confirmations + 1)
    batch.refresh_from_db()
    assert batch.status == BATCH_FINAL
    floor.world.anvil.reorg(floor.world.known.confirmations + 3)
    floor.world.anvil.mine(1)
    floor.world.follow()
    assert ledger.is_halted()
    rewind(indexer=floor.world.indexer, operator="olga", now=timezone.now())
    actions.observe_locks(now=int(time.time()))
    batch.refresh_from_db()
    assert (batch.status, batch.block_hash, Trade.objects.get().status) == (BATCH_SENT, None, LOCKING)
    floor.send()
    floor.send()
    floor.mine(floor.world.known.confirmations + 1)
    batch.refresh_from_db()
    assert (batch.status, Trade.objects.get().status) == (BATCH_FINAL, LOCKED)
    assert queries.rewound_lock_batches(now=int(time.time())) == []


def test_a_transaction_that_can_never_be_included_gives_the_trades_back(floor: Floor) -> None:
    seller, buyer = floor.person("seller"), floor.person("buyer")
    offer = floor.offers(seller)
    floor.bids(buyer)
    floor.match()
    floor.world.anvil.rpc("anvil_setBalance", floor.world.keys.address("admin"), hex(10**20))
    floor.world.send("admin", floor.world.known.market, "setPaused", True)
    floor.world.anvil.mine(1)
    fail(floor, "lock:1")
    trade = Trade.objects.get()
    assert (LockBatch.objects.get().status, trade.status, trade.lock_batch) == (BATCH_FAILED, MATCHED, None)
    floor.world.follow()
    assert actions.lock_trades(now=floor.now() + 9, pace_seconds=PACE) is None, "nothing is sent while paused"
    assert actions.clear_product(symbol=PRODUCT, now=floor.now()) is None
    Trade.objects.update(lock_attempts=2)
    floor.world.send("admin", floor.world.known.market, "setPaused", False)
    floor.mine(1)
    again = actions.lock_trades(now=floor.now() + 9, pace_seconds=PACE)
    assert again is not None
    floor.world.send("admin", floor.world.known.market, "setPaused", True)
    floor.world.anvil.mine(1)
    fail(floor, again.outgoing_key)
    assert Trade.objects.get().status == REJECTED
    assert status(offer) == ("new", 0, 36_000)
    assert balances(buyer.address).held == book.orders_of(buyer.participant)[0].held


def test_a_trade_that_waited_too_long_is_given_back_instead_of_locked(floor: Floor) -> None:
    seller, buyer = floor.person("seller"), floor.person("buyer")
    offer = floor.offers(seller)
    floor.bids(buyer)
    actions.clear_product(symbol=PRODUCT, now=floor.now())
    assert actions.lock_trades(now=floor.now() + 2 * HOUR, pace_seconds=PACE) is None
    assert Trade.objects.get().status == REJECTED
    assert status(offer)[2] == 36_000


def test_observing_again_changes_nothing(floor: Floor) -> None:
    seller, buyer = floor.person("seller"), floor.person("buyer")
    floor.offers(seller)
    floor.bids(buyer)
    floor.match()
    floor.send()
    floor.mine(floor.world.known.confirmations + 2)
    rows = (list(Trade.objects.values()), list(LockBatch.objects.values()))
    assert actions.observe_locks(now=floor.now() + 9) == 0
    assert (list(Trade.objects.values()), list(LockBatch.objects.values())) == rows


def cancel_on_chain(floor: Floor, person: Person, nonce: int) -> None:
    """A bid of this nonce ends by a call that its maker sent to the chain directly."""
    floor.world.anvil.rpc("anvil_setBalance", person.address, hex(10**20))
    floor.world.anvil.rpc("anvil_impersonateAccount", person.address)
    call = "0x" + encode_call("cancel", 1, nonce).hex()
    floor.world.anvil.rpc(
        "eth_sendTransaction", {"from": person.address, "to": floor.world.known.market, "data": call}
    )
    floor.mine(1)


def take_away(floor: Floor, person: Person) -> None:
    """All the money of an account leaves by a request that its owner sent to the chain directly, a match window ago."""
    floor.world.anvil.rpc("anvil_setBalance", person.address, hex(10**20))
    floor.world.anvil.rpc("anvil_impersonateAccount", person.address)
    call = "0x" + encode_call("requestWithdrawal", floor.world.chain_balances(person.address)[0]).hex()
    floor.world.anvil.rpc(
        "eth_sendTransaction", {"from": person.address, "to": floor.world.known.market, "data": call}
    )
    floor.world.anvil.mine(1)
    floor.world.anvil.pass_time(floor.world.known.match_window)
    assert keys.holds(person.address)


def fail(floor: Floor, key: str) -> None:
    """Let the sender try until it gives the transaction up."""
    for _ in range(20):
        floor.send()
        row = ledger.outgoing(key)
        assert row is not None
        if row.status == "failed":
            break
        row.due_at = None
        row.save(update_fields=["due_at"])
    assert row.status == "failed", row.status
    actions.observe_locks(now=floor.now())


def test_a_trade_whose_auction_has_no_price_is_never_locked_and_loses_nothing(floor: Floor) -> None:
    seller, buyer = floor.person("seller"), floor.person("buyer")
    offer, bid = floor.offers(seller), floor.bids(buyer)
    assert actions.clear_product(symbol=PRODUCT, now=floor.now()) is not None
    Clearing.objects.update(price=None, trade_count=0)
    trade = Trade.objects.select_related("clearing", "offer", "bid").get()
    with pytest.raises(PriceMissing, match=trade.clearing.clearing_id):
        open_calldata([trade])
    view = ChainView(floor.world.indexer.gateway, floor.world.known, -1, -1, -1, events=[], deep=False)
    (finding,) = check_trades(view)
    assert (finding.row, finding.column, finding.stored) == (trade.clearing.clearing_id, "price", "none")
    assert actions.lock_trades(now=floor.now() + PACE, pace_seconds=PACE) is None
    trade.refresh_from_db()
    assert (trade.status, trade.reject_reason) == (REJECTED, "its auction has no price")
    assert (trade.offer_at_fault, trade.bid_at_fault) == (False, False)
    assert (LockBatch.objects.count(), status(offer)[0], status(bid)[0]) == (0, "new", "new")
    assert all(balances(person.address).locked == 0 for person in (seller, buyer))
