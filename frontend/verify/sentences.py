"""What each step of a verification asks, in plain sentences. One table; a step without a line is shown by its name."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from suan.core.evidence import Check

STEPS = {
    # a proof file
    "canonical": gettext_lazy("The file is written in the one canonical form (hash of its bytes)."),
    "digest": gettext_lazy("No field was changed since the file was made (hash of all other fields)."),
    "receipt": gettext_lazy("The receipt is the one in the leaf."),
    "trade": gettext_lazy("The trade is the one in the leaf."),
    "leaf": gettext_lazy("The leaf is the double keccak256 of receipt, trade, run and verdict."),
    "root": gettext_lazy("The path leads from the leaf to the root."),
    "anchored": gettext_lazy("The contract has logged this root."),
    "anchored root": gettext_lazy("The contract has logged this root."),
    "anchored batch": gettext_lazy("The root belongs to this lock batch."),
    "anchored contract": gettext_lazy("This contract logged it."),
    "anchored chain_id": gettext_lazy("On this chain."),
    "anchored transaction": gettext_lazy("In this transaction."),
    "anchored block_hash": gettext_lazy("In this block."),
    # a trade
    "locked": gettext_lazy("The contract has locked this trade."),
    "trade id": gettext_lazy(
        "Its id follows from offer, bid, first run and an auction of the same transaction."
    ),
    "clearing id": gettext_lazy("The auction's id follows from product, number, order set and price."),
    "clearing price": gettext_lazy("The trade pays the one price of its auction."),
    "batch root": gettext_lazy(
        "All records of the lock batch together have the root that the contract logged."
    ),
    "batch id": gettext_lazy("The lock batch's id follows from its number, root, verifier set and count."),
    "offer hash": gettext_lazy("The published offer has the hash that was traded."),
    "offer signature": gettext_lazy("The provider, or a key of the provider, signed the offer."),
    "offer maker": gettext_lazy("The provider of the trade made the offer."),
    "bid hash": gettext_lazy("The published bid has the hash that was traded."),
    "bid signature": gettext_lazy("The buyer, or a key of the buyer, signed the bid."),
    "offer nonce": gettext_lazy("It is the offer that the record names."),
    "bid nonce": gettext_lazy("It is the bid that the record names."),
    "bid maker": gettext_lazy("The buyer of the trade made the bid."),
    "limits": gettext_lazy("The price lies within both limits (base units per GFLOPS·h)."),
    "payment": gettext_lazy("The locked payment is price × work, rounded up (base units)."),
    "bond": gettext_lazy("The locked bond follows from the offer (base units)."),
    "deliver by": gettext_lazy("The deadline is the earlier one of both orders (unix seconds)."),
    "order set": gettext_lazy("The published auction has the order set whose root is on chain."),
    "auction names it": gettext_lazy("The published auction names this trade, with as many runs."),
    "auction outcome": gettext_lazy("Cleared again, the auction gives the same price and the same trades."),
    "receipts root": gettext_lazy(
        "All receipts of the close together have the root that the contract logged."
    ),
    "refund time": gettext_lazy("A refund without receipts came when it was due (unix seconds)."),
    "runs": gettext_lazy("The close accounts for each run of the trade once."),
    "dispute window": gettext_lazy("It was settled after its dispute window (unix seconds)."),
    "end of the dispute": gettext_lazy("Without a ruling the dispute ended when it was due (unix seconds)."),
    "outcome": gettext_lazy("The trade ended as the published settlement says, or as its dispute ended."),
    "paid": gettext_lazy("The payment is price × billed work, rounded down (base units)."),
    "fee": gettext_lazy("The fee is its share of the payment, rounded down (base units)."),
    "slashed": gettext_lazy("The bond is lost after a false receipt, and only then (base units)."),
}


def told(checks: list[Check]) -> list[dict[str, Any]]:
    """Checks for a page: sentence, state (`good`, `bad`, `wait`) and both values."""
    return [
        {
            "sentence": sentence(check.name),
            "state": "wait" if check.passed is None else "good" if check.passed else "bad",
            "expected": check.expected,
            "found": check.found,
        }
        for check in checks
    ]


def sentence(name: str) -> str:
    if name.startswith("receipt of run "):
        return _("An agent key of the provider signed the receipt of run %(run)s.") % {
            "run": name.rpartition(" ")[2]
        }
    return str(STEPS.get(name, name))
