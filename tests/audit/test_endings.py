"""Every way in which a trade or a session ends, on a real chain: an honest audit agrees with each, and a lie about it is named."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.deployment.deploy import PROFILES, Parameters, deploy
from suan.client.audit.run import audit
from suan.core import encoding
from suan.core.contract import abi
from suan.core.contract.proving import prove_records
from suan.core.contract.records import (
    Outcome,
    OutcomeKind,
    Session,
)
from suan.core.signing.structs import (
    SIDE_BUY,
    SIDE_SELL,
    Migration,
    Voucher,
)
from tests.audit.endings.locked import agrees, audited, decided, lock, names
from tests.audit.recorded import said
from tests.audit.traded_market import TOKEN, Placed, TradedMarket
from tests.core.signing.keys import Key

pytestmark = [pytest.mark.slow, pytest.mark.chain]
SEED = 11
REFUNDED = Outcome(OutcomeKind.REFUNDED, 0, 0)
ALWAYS = "0x" + "7f" + "1626ba7e".ljust(64, "0") + "5f5260205ff3"
"""Code that answers every call with the word of ERC-1271 for a good signature."""


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory, compiled: Path) -> Iterator[TradedMarket]:
    made = TradedMarket(
        tmp_path_factory.mktemp("endings"), random.Random(SEED), compiled.parent, buyers=_keys("buyer", 9)
    )
    yield made
    made.stop()


def _keys(label: str, count: int) -> list[Key]:
    return [Key(f"{label} {number}") for number in range(count)]


def test_a_verdict_waits_for_its_window_and_is_paid_then(market: TradedMarket) -> None:
    batch = decided(market)
    before = agrees(market)
    assert before.trades_open == len(batch.records)
    batch.settle()
    report = agrees(market)
    assert report.trades_open == 0 and report.paid > before.paid
    names(
        market,
        (said("BatchDecided", "settle_after", lambda at: at + 1), "end of the dispute window"),
        (said("BatchSettled", "bits", lambda bits: bits ^ 1), "trades settled"),
        (said("TradeClosed", "outcome", lambda word: word + 1), "outcome"),
    )


def test_trades_end_by_time(market: TradedMarket) -> None:
    batch, grace = lock(market), market.made["verification_grace"]
    head = batch.said["head"]
    agrees(market)
    market.wait(3600 + grace)
    rest = prove_records(batch.records, range(len(batch.records)))
    batch.send(abi.encode_refund(head=head, proven=rest))
    assert agrees(market).trades_open == 0
    second, paid = encoding.to_hex(batch.records[2].trade), OutcomeKind.SETTLED << 96
    names(
        market,
        (said("TradeClosed", "outcome", lambda word: word | paid, of=second), "end without verdict"),
    )


def test_sessions_pay_by_vouchers_and_give_back_the_rest(market: TradedMarket) -> None:
    buyer, provider = market.buyers[0], market.providers[0]
    market.send(market.market, buyer.address, abi.encode_call("requestWithdrawal", 60 * TOKEN))
    agrees(market)
    market.wait(market.made["match_window"])
    now = int(market.node.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    session = Session(buyer.address, 50 * TOKEN, provider.address, now + 3600, 7)
    market.send(market.market, buyer.address, abi.encode_call("openSession", session))
    agrees(market)
    for cumulative in (3 * TOKEN, 11 * TOKEN + 1):
        signature = buyer.sign(Voucher(session.id(), cumulative).digest(market.domain))
        voucher = abi.signed_voucher(session, cumulative, signature)
        market.send(market.market, provider.address, abi.encode_call("redeem", [voucher, voucher]))
    agrees(market)
    market.send(market.market, provider.address, abi.encode_call("closeSession", session))
    agrees(market)
    names(
        market,
        (said("VoucherRedeemed", "cumulative", lambda value: value + 1), "paid by a voucher"),
        (said("VoucherRedeemed", "paid_and_fee", lambda value: value + 1), "fee of a voucher"),
        (said("SessionClosed", "released", lambda value: value + 1), "released at the end"),
    )


def test_orders_end_by_cancellation_or_by_a_younger_one_in_their_place(market: TradedMarket) -> None:
    seller, buyer = market.providers[1], market.buyers[1]

    def one_each(now: int, ahead: int = 0) -> tuple[list[Placed], list[Placed]]:
        offers, bids = market.orders(now)
        (offer, bid) = (replace(side[1].order, nonce=side[1].order.nonce + ahead) for side in (offers, bids))
        return [market.placed(seller, offer)], [market.placed(buyer, bid)]

    def younger(now: int) -> tuple[list[Placed], list[Placed]]:
        """In the place of the first: 256 more than its nonce, the farthest that the contract takes."""
        return one_each(now, 255)

    first = lock(market, one_each)
    second = lock(market, younger)
    assert second.records
    for nonce in (market.auctions + 256, market.auctions, 200, 400):
        market.send(market.market, seller.address, abi.encode_call("cancel", SIDE_SELL, nonce))
        market.send(market.market, buyer.address, abi.encode_call("cancel", SIDE_BUY, nonce))
    agrees(market)
    market.wait(3600 + market.made["verification_grace"])
    for batch in (first, second):
        proven = prove_records(batch.records, range(len(batch.records)))
        batch.send(abi.encode_refund(head=batch.said["head"], proven=proven))
    agrees(market)


def test_delegates_spend_by_the_day_and_wallets_answer_for_themselves(market: TradedMarket) -> None:
    delegate, stranger = Key("delegate"), Key("owner of a wallet")
    buyer, wallet = market.buyers[2], market.buyers[3]
    market.node.rpc("anvil_setCode", wallet.address, ALWAYS)
    registry = market.made["registry"]
    for cap in (1, 10**6 * TOKEN):
        call = abi.encode_call("setDelegate", delegate.address, SIDE_BUY, cap, 10**6 * TOKEN, 2**39)
        market.send(registry, buyer.address, call)

    def orders(now: int) -> tuple[list[Placed], list[Placed]]:
        offers, bids = market.orders(now)
        return offers, [market.placed(delegate, bids[2].order), market.placed(stranger, bids[3].order)]

    for _ in range(2):
        batch = lock(market, orders)
        assert {record.buyer for record in batch.records} == {buyer.address, wallet.address}
        proven = prove_records(batch.records, range(len(batch.records)))
        market.wait(3600 + market.made["verification_grace"])
        batch.send(abi.encode_refund(head=batch.said["head"], proven=proven))
    differences = audited(market).differences
    assert [str(difference) for difference in differences] == []


def test_money_leaves_to_its_owner_or_into_another_market(market: TradedMarket) -> None:
    ada, bo = market.buyers[0], market.buyers[1]
    for key in (ada, bo):
        market.send(market.market, key.address, abi.encode_call("requestWithdrawal", 5 * TOKEN))
    agrees(market)
    market.wait(market.made["withdrawal_delay"])
    market.send(market.market, ada.address, abi.encode_call("withdraw", ada.address))
    other = another(market)
    migration = Migration(bo.address, other, 0, 2**39)
    signature = bo.sign(migration.digest(market.domain))
    market.send(
        market.market, ada.address, abi.encode_call("migrate", bo.address, other, 0, 2**39, signature)
    )
    report = agrees(market)
    assert report.custody < 2 * 10**6 * TOKEN * (len(market.buyers) + len(market.providers))
    found = audit(market.node.url, other, str(market.folder / "nothing"))
    assert found.custody == 5 * TOKEN
    names(market, (said("Migrated", "amount", lambda value: value + 1), "withdrawal of all"))


def another(market: TradedMarket) -> str:
    """A second market for the same token, as a new deployment would be."""
    address = market.keys.address
    (market.folder / "nothing").mkdir()
    made = deploy(
        market.node.url,
        deployment_file=market.folder / "other.json",
        var=market.compiled or market.folder,
        deployer=address("deployer"),
        sign_transaction=lambda fields: market.keys.sign_transaction("deployer", fields).raw,
        sign_as_operator=lambda digest: market.keys.sign_digest("operator", digest),
        mine=True,
        parameters=Parameters(
            profile="default",
            **PROFILES["default"],
            admin=address("admin"),
            operator=address("operator"),
            relayer=address("relayer"),
            acknowledger=address("acknowledger"),
            treasury=address("treasury"),
            pool=address("pool"),
            rerun_account=address("rerun"),
            members=(market.verifier.address,),
            threshold=1,
            arbiters=(market.arbiter.address,),
            arbiter_threshold=1,
            token=market.made["token"],
        ),
    )
    return str(made["market"])
