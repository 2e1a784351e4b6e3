"""Claims about what was decided, on a real chain: an honest audit agrees with each end, and a lie about it is named."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from suan.core import encoding
from suan.core.contract import Shown, abi
from suan.core.contract.records import Claim, Outcome, OutcomeKind, ReceiptLeaf, receipts_tree
from suan.core.delivery.receipts import Receipt
from suan.core.signing.structs import ReceiptAcknowledgement
from tests.audit.endings.locked import Locked, agrees, decided, names
from tests.audit.recorded import said
from tests.audit.traded_market import CEILING, TradedMarket
from tests.core.signing.keys import Key

pytestmark = [pytest.mark.slow, pytest.mark.chain]
SEED = 11
REFUNDED = Outcome(OutcomeKind.REFUNDED, 0, 0)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory, compiled: Path) -> Iterator[TradedMarket]:
    made = TradedMarket(
        tmp_path_factory.mktemp("disputed"),
        random.Random(SEED),
        compiled.parent,
        buyers=[Key(f"buyer {number}") for number in range(9)],
    )
    yield made
    made.stop()


def test_arbiters_rule_on_one_claim_or_on_two(market: TradedMarket) -> None:
    batch = decided(market)
    for index in range(5):
        batch.dispute(index)
    batch.dispute(2, batch.records[2].buyer, Claim.FALSE_RECEIPT)
    batch.dispute(4, batch.records[4].provider, Claim.FALSE_RECEIPT)
    agrees(market)
    batch.rule(0, batch.outcome(0))
    batch.rule(1, REFUNDED)
    batch.rule(2, Outcome(OutcomeKind.SLASHED, 0, CEILING // 100))
    half = batch.outcome(3)
    batch.rule(3, Outcome(OutcomeKind.SETTLED, 1, max(CEILING // 10, half.units // half.runs_delivered)))
    batch.rule(4, REFUNDED)  # its provider joined, and loses by the ruling
    batch.settle()
    assert agrees(market).trades_open == 0
    names(
        market,
        (said("ClaimEnded", "reward", lambda value: value + 1), "reward of the claim"),
        (said("ClaimEnded", "forfeited", lambda value: value - 1), "forfeited of the claim"),
        (said("ClaimEnded", "claim", lambda value: 5 - value), "claim that ended"),
        (said("DisputeOpened", "rule_by", lambda value: value + 1), "end of the time to rule"),
        (said("DisputeOpened", "bond", lambda value: value + 1), "bond of the dispute"),
        (said("DisputeOpened", "claim", lambda value: 5 - value), "claim that ended"),
        (said("DisputeEnded", "reason", lambda value: 3), "dispute timed out after its time"),
    )


def test_receipts_that_are_asked_for_are_shown_or_the_trade_is_refunded(market: TradedMarket) -> None:
    batch, window = decided(market), market.made["dispute_window"]
    asked = {index: batch.records[index].first_run for index in range(4)}
    for index, run in asked.items():
        batch.dispute(index, claim=Claim.NO_RECEIPT, run=run)
    agrees(market)
    reveal(batch, 0)
    reveal(batch, 1, acknowledged=True)
    market.wait(window)
    reveal(batch, 2)
    batch.dispute(2, claim=Claim.FALSE_RECEIPT)  # what was shown may be contested for half a window
    market.settle(batch.said, batch.records)
    agrees(market)
    batch.time_out(0)
    batch.time_out(1)
    market.wait(window)
    batch.time_out(3)  # nobody showed its receipt
    agrees(market)
    reclaim = abi.encode_reclaim(head=batch.said["head"], proven=batch.proven(3), run=asked[3])
    batch.send(reclaim)
    market.wait(window)
    batch.time_out(2)
    assert agrees(market).trades_open == 0
    names(
        market,
        (said("ReceiptRevealed", "run", lambda value: value + 1), "run of the revealed receipt"),
        (said("ReceiptRevealed", "unbilled", lambda value: not value), "whether the run is billed"),
        (said("DisputeEnded", "reason", lambda value: 5 - value), "reason of a dispute's end"),
        (
            said(
                "DisputeOpened", "run", lambda value: value ^ 64, of=encoding.to_hex(batch.records[0].trade)
            ),
            "claim about a run that it can be made of",
        ),
    )


def test_a_provider_claims_what_it_was_denied_and_a_wrong_challenger_pays(market: TradedMarket) -> None:
    batch = decided(market)
    batch.dispute(0, batch.records[0].provider)
    batch.rule(0, REFUNDED)
    batch.dispute(1, batch.records[1].provider)
    batch.dispute(2, batch.records[2].buyer)
    batch.rule(2, REFUNDED)
    market.wait(3 * market.made["dispute_window"])
    batch.time_out(1)
    market.settle(batch.said, batch.records)
    assert agrees(market).trades_open == 0


def reveal(batch: Locked, index: int, *, acknowledged: bool = False) -> None:
    """Show the receipt of the first run of a trade, by its leaf or by the exchange's word."""
    market, record = batch.market, batch.records[index]
    root = batch.said["receipts_root"]
    document = json.loads((market.evidence / "settlements" / f"{encoding.to_hex(root)}.json").read_bytes())
    leaves: list[ReceiptLeaf] = []
    for item in document["receipts"]:
        receipt = Receipt.from_json(item["receipt"])
        digest = receipt.digest(market.domain)
        leaves.append((digest, receipt.trade, receipt.run, item["verdict"], int(item["units"])))
        if (receipt.trade, receipt.run) == (record.trade, record.first_run):
            place, shown, signature = len(leaves) - 1, receipt, encoding.from_hex(item["signature"])
    acknowledgement, proof = b"", tuple(receipts_tree(leaves).proof(place))
    if acknowledged:
        word = ReceiptAcknowledgement(shown.digest(market.domain)).digest(market.domain)
        acknowledgement, proof = market.keys.sign_digest("acknowledger", word), ()
    answer = Shown(
        root,
        shown.run,
        leaves[place][3],
        leaves[place][4],
        shown.encode_data(),
        signature,
        proof,
        acknowledgement,
    )
    batch.send(abi.encode_reveal(batch=batch.said["head"].id(), record=record, run=shown.run, shown=answer))
