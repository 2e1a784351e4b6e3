"""Ends by signature on a real chain: an honest audit agrees with each, and a lie about who signed is named."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from suan.core.contract import abi
from suan.core.contract.proving import prove_records
from suan.core.contract.records import Outcome, OutcomeKind, pack_outcomes
from suan.core.signing.structs import Acceptance, GivingUp
from tests.audit.endings.locked import Locked, agrees, lock, names
from tests.audit.recorded import said
from tests.audit.traded_market import CEILING, TradedMarket
from tests.core.signing.keys import Key

pytestmark = [pytest.mark.slow, pytest.mark.chain]
SEED = 12


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory, compiled: Path) -> Iterator[TradedMarket]:
    made = TradedMarket(tmp_path_factory.mktemp("signed"), random.Random(SEED), compiled.parent)
    yield made
    made.stop()


def test_trades_end_by_signature_of_the_buyer_or_of_both_sides(market: TradedMarket) -> None:
    batch = lock(market)
    key_of = {key.address: key for key in market.providers}
    whole = batch.records[0]
    bought = accept(batch, 0, Outcome(OutcomeKind.SETTLED, whole.runs, whole.runs * whole.ceiling))
    part = Outcome(OutcomeKind.SETTLED, 1, CEILING // 2)
    accept(batch, 1, part, key_of[batch.records[1].provider])
    sold = accept(batch, 2, part, market.agents[batch.records[2].provider])
    report = agrees(market)
    assert report.trades_open == len(batch.records) - 3
    names(
        market,
        (forging(bought), "acceptance signed by"),
        (forging(sold), "acceptance signed for"),
    )
    market.wait(3600 + market.made["verification_grace"])
    rest = prove_records(batch.records, range(len(batch.records)))
    batch.send(abi.encode_refund(head=batch.said["head"], proven=rest))


def accept(batch: Locked, index: int, outcome: Outcome, sells: Key | None = None) -> str:
    """The last signature, in hex: the buyer's, or of the key that signs for the provider."""
    market, record, head = batch.market, batch.records[index], batch.said["head"]
    digest = Acceptance(head.id(), pack_outcomes([(index, outcome)])).digest(market.domain)
    key_of = {key.address: key for key in market.buyers}
    bought = key_of[record.buyer].sign(digest)
    sold = {} if sells is None else {"provider": record.provider, "provider_signature": sells.sign(digest)}
    batch.send(
        abi.encode_accept(
            head=head,
            buyer=record.buyer,
            buyer_signature=bought,
            outcomes=[(index, outcome)],
            proven=batch.proven(index),
            **sold,
        )
    )
    return str(sold.get("provider_signature", bought).hex())


def test_what_a_provider_gives_up_is_refunded_after_a_window_unless_a_verdict_comes(
    market: TradedMarket,
) -> None:
    batch, window = lock(market), market.made["dispute_window"]
    head = batch.said["head"]
    signature = give_up(batch, 0)
    give_up(batch, 1)
    report = agrees(market)
    assert report.trades_open == len(batch.records)
    names(
        market,
        (said("TradeGivenUp", "refund_after", lambda at: at + 1), "end of the window of a giving up"),
        (forging(signature), "giving up signed"),
    )
    market.wait(window)
    batch.send(abi.encode_refund(head=head, proven=batch.proven(0)))
    batch.said = market.decide(batch.records)
    assert agrees(market).trades_open == len(batch.records) - 1
    batch.settle()
    assert agrees(market).trades_open == 0
    names(
        market,
        (said("TradeGivenUp", "refund_after", lambda at: at + 2 * window), "refund not before refund_after"),
    )


def give_up(batch: Locked, index: int) -> str:
    """The signature, in hex."""
    market, record, head = batch.market, batch.records[index], batch.said["head"]
    key_of = {key.address: key for key in market.providers}
    signature = key_of[record.provider].sign(GivingUp(head.id(), 1 << index).digest(market.domain))
    batch.send(
        abi.encode_give_up(
            head=head, provider=record.provider, proven=batch.proven(index), signature=signature
        )
    )
    return str(signature.hex())


def forging(signature: str) -> Callable[[str, tuple, Any], Any]:
    """The call that carries this signature carries another one."""

    def change(method: str, params: tuple, answer: Any) -> Any:
        if method != "eth_getTransactionByHash" or signature not in answer["input"]:
            return answer
        return answer | {"input": answer["input"].replace(signature, "1234567890" + signature[10:])}

    return change
