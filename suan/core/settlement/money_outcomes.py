"""Who gets what when a trade or a run ends, and at every timeout: what a buyer is shown before bidding.

The two tables are data: docs/money-outcomes.md is rendered from them, the pages show them, and tests hold
them against `settlement.outcome_of` and `settlement.split`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from suan.core.contract import OutcomeKind, ReceiptVerdict
from suan.core.delivery import ExitReason


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How one run can end. billed: whether counted work is paid (within minimum and ceiling)."""

    verdict: ReceiptVerdict
    exit_reason: ExitReason | None
    name: str
    billed: bool
    why: str


@dataclass(frozen=True, slots=True)
class TradeEnd:
    """What happens to a trade in a state when something happens or a time passes.

    state: of `lifecycle`. kind: how it closes on chain, None where nothing was locked. acts: who can cause it.
    """

    state: str
    event: str
    when: str
    acts: str
    kind: OutcomeKind | None
    buyer: str
    provider: str
    others: str
    quantity: str


_COUNTED: Final = "counted work, at least 10 % of the ceiling, at most the ceiling"
_BACK: Final = "whole lock"
_BOND: Final = "bond back"
_ALL_BACK: Final = "all units return to the offer, all runs to the bid; they trade again until deliver by"

RUN_ENDS: Final = (
    RunEnd(ReceiptVerdict.ACCEPTED, ExitReason.OK, "finished", True, _COUNTED),
    RunEnd(
        ReceiptVerdict.ACCEPTED,
        ExitReason.EXIT,
        "exited with an error code",
        True,
        "the job's own doing; the output is delivered",
    ),
    RunEnd(
        ReceiptVerdict.ACCEPTED,
        ExitReason.TRAP,
        "trapped",
        True,
        "the job's own doing; the output that exists is delivered",
    ),
    RunEnd(
        ReceiptVerdict.ACCEPTED,
        ExitReason.CEILING,
        "reached its ceiling",
        True,
        "the buyer set it; the output that exists is delivered",
    ),
    RunEnd(
        ReceiptVerdict.ACCEPTED,
        ExitReason.MEMORY,
        "asked for more memory than the bid allows",
        True,
        "the buyer set the limit",
    ),
    RunEnd(ReceiptVerdict.ACCEPTED, ExitReason.STACK, "overflowed its stack", True, "the job's own doing"),
    RunEnd(
        ReceiptVerdict.ACCEPTED,
        ExitReason.TIMEOUT,
        "ran out of wall-clock time",
        False,
        "depends on the provider's machine: nothing is paid, the run trades again",
    ),
    RunEnd(
        ReceiptVerdict.ACCEPTED,
        ExitReason.REFUSED,
        "module not acceptable to the runner",
        False,
        "nothing was computed: nothing is paid, the run trades again",
    ),
    RunEnd(
        ReceiptVerdict.MISSING,
        None,
        "no receipt, or no output, until deliver by",
        False,
        "agent lost or too slow: nothing is paid, the run trades again",
    ),
    RunEnd(
        ReceiptVerdict.UNDECIDED,
        None,
        "our own engines disagree or cannot finish",
        False,
        "doubt never costs the provider its bond: nothing is paid, the run trades again",
    ),
    RunEnd(
        ReceiptVerdict.REJECTED,
        None,
        "false receipt, confirmed by a second engine",
        False,
        "the whole trade is unpaid and the bond is slashed",
    ),
)

TRADE_ENDS: Final = (
    TradeEnd(
        "matched", "order canceled before the lock, or the fill is refused", "any time", "maker or contract",
        None, "hold released", "hold released", "-", "returns to both orders",
    ),
    TradeEnd(
        "locking", "the contract refuses the fill (`FillRejected`)", "at inclusion", "contract",
        None, "hold released", "hold released", "-", "returns to both orders",
    ),
    TradeEnd(
        "locking", "the opening transaction cannot be included", "until deliver by", "the exchange",
        None, "hold stays until it is planned again", "hold stays", "-", "stays with the trade",
    ),
    TradeEnd(
        "locked", "no run delivered", "deliver by, then the dispute window after a verdict", "k of n verifiers",
        OutcomeKind.REFUNDED, _BACK, _BOND, "-", _ALL_BACK,
    ),
    TradeEnd(
        "locked", "verifiers silent", "refund after = deliver by + grace", "anyone",
        OutcomeKind.REFUNDED, _BACK, _BOND, "-", _ALL_BACK,
    ),
    TradeEnd(
        "delivered", "verifiers silent", "refund after = deliver by + grace", "anyone",
        OutcomeKind.REFUNDED, _BACK, _BOND, "-", _ALL_BACK,
    ),
    TradeEnd(
        "verified", "at least one run billed, none false", "the dispute window after the verdict",
        "k of n verifiers, then anyone", OutcomeKind.SETTLED, "lock less payment for billed work",
        "payment less fee, bond back", "treasury: fee",
        "units not used return to the offer, runs not delivered to the bid",
    ),
    TradeEnd(
        "verified", "no run billed, none false", "the dispute window after the verdict",
        "k of n verifiers, then anyone", OutcomeKind.REFUNDED, _BACK, _BOND, "-", _ALL_BACK,
    ),
    TradeEnd(
        "verified", "a receipt is false, confirmed by a second engine", "the dispute window after the verdict",
        "k of n verifiers, then anyone", OutcomeKind.SLASHED, _BACK, "nothing",
        "re-run account: price of the recomputed work, at most the bond; pool: rest of the bond", _ALL_BACK,
    ),
    TradeEnd(
        "locked", "the buyer accepts the work by signature", "any time before a verdict", "the buyer alone",
        OutcomeKind.SETTLED, "nothing but the dust of rounding", "payment of the whole lock less fee, bond back",
        "treasury: fee", "all of it is used",
    ),
    TradeEnd(
        "locked", "both sides accept other work by signature", "any time before a verdict",
        "the buyer, and the provider or its agent key", OutcomeKind.SETTLED, "lock less payment for the accepted work",
        "payment less fee, bond back", "treasury: fee",
        "units not used return to the offer, runs not delivered to the bid",
    ),
    TradeEnd(
        "locked", "the provider gives up by signature, and no verdict comes",
        "one dispute window after it gave up, at the latest refund after", "the provider, then anyone",
        OutcomeKind.REFUNDED, _BACK, _BOND, "-", _ALL_BACK,
    ),
    TradeEnd(
        "locked", "the provider gives up by signature, and a verdict comes", "before anyone refunded",
        "k of n verifiers, then anyone", None, "as decided", "as decided", "as decided", "as decided",
    ),
    TradeEnd(
        "closing", "no verdict could be included", "refund after = deliver by + grace", "anyone",
        OutcomeKind.REFUNDED, _BACK, _BOND, "-", _ALL_BACK,
    ),
    TradeEnd(
        "closing", "the verdict says what the trade cannot have", "the dispute window after the verdict",
        "k of n verifiers, then anyone", OutcomeKind.REFUNDED, _BACK, _BOND, "-", _ALL_BACK,
    ),
    TradeEnd(
        "closing", "a receipt is asked for and not shown", "one window after the verdict's own", "anyone",
        OutcomeKind.REFUNDED, _BACK, _BOND, "challengers: their bonds, no reward", _ALL_BACK,
    ),
    TradeEnd(
        "closing", "all receipts that are asked for are shown, arbiters are not",
        "the verdict's window, or half a window after the last was shown", "anyone",
        None, "as decided", "as decided",
        "challengers: nine tenths of each bond; whoever showed a receipt: a tenth", "as decided",
    ),
    TradeEnd(
        "closing", "disputed, arbiters asked and silent", "two windows after the verdict's own", "anyone",
        None, "as decided", "as decided", "challengers: their bonds, no reward", "as decided",
    ),
    TradeEnd(
        "closing", "disputed, arbiters confirm what was decided", "before two windows after the verdict's own",
        "k of n arbiters", None, "as decided; the bond of a provider that claimed",
        "as decided; the bond of a buyer that claimed", "challenger: nothing; the pool has a third party's bond",
        "as decided",
    ),
    TradeEnd(
        "closing", "disputed, arbiters rule otherwise", "before two windows after the verdict's own", "k of n arbiters",
        None, "as ruled, less the reward if it loses by the ruling",
        "as ruled, less the reward if it loses by the ruling",
        "challenger: its bond and up to as much again from the loser, or from the pool after a slash; two share it",
        "as ruled",
    ),
)  # fmt: skip


def render_markdown() -> str:
    """docs/money-outcomes.md."""
    lines = [_HEAD, "| a run that | verdict | exit reason | billed | because |", "|---|---|---|---|---|"]
    for run in RUN_ENDS:
        reason = "-" if run.exit_reason is None else f"{run.exit_reason.value} {run.exit_reason.name.lower()}"
        verdict = f"{run.verdict.value} {run.verdict.name.lower()}"
        lines.append(f"| {run.name} | {verdict} | {reason} | {'yes' if run.billed else 'no'} | {run.why} |")
    lines += [
        _TRADES,
        "| state | event | when | who can cause it | closes as | buyer gets | provider gets | ",
    ]
    lines[-1] += "others get | quantity |"
    lines.append("|---|---|---|---|---|---|---|---|---|")
    for end in TRADE_ENDS:
        kind = "-" if end.kind is None else end.kind.word
        cells = (f"`{end.state}`", end.event, end.when, end.acts, kind, end.buyer, end.provider)
        lines.append("| " + " | ".join((*cells, end.others, end.quantity)) + " |")
    return "\n".join([*lines, _TAIL])


_HEAD: Final = """# Money outcomes

Rendered from `suan/core/settlement/money_outcomes.py`; a test compares. Change the tables there, then run
`python -m tests.vectors.generate`.

## Runs

A delivered run is billed by what was counted, between 10 % of its ceiling and the ceiling. A delivery counts when
its output was uploaded and its hash checked.
"""
_TRADES: Final = """
## Trades

Payment = floor(price x billed units / 3,600,000), out of the lock; the fee is part of it. One false receipt slashes
its whole trade, so a provider should not gamble on one run of many. The slash never reaches the buyer, who could
otherwise earn by provoking it.
"""
_TAIL: Final = """
## Known limits

- A provider that reports a timeout instead of working loses nothing but the trade; the bid trades again elsewhere.
- Between deliver by and refund after, the money of a trade without a verdict waits for the verifiers; then for anyone's refund.
- Work that was delivered and that verifiers do not judge until refund after is not paid: an attestation worth paying for means that
  k verifiers recomputed the work, and that is a verdict, of one trade alone if need be.
- Who asks for a receipt of an honest trade delays its payment: by half a window after the answer, by two windows in all if it
  claims what arbiters must rule on. Each receipt costs it a tenth of its bond, a claim that arbiters find wrong all of it.
- Trap, ceiling, memory and stack outcomes cost the buyer; `suan job measure` shows them before the first bid.
"""
