"""How the dispute of a trade stands: each claim with its bond, the deadlines, and what follows for whom if nobody acts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from suan.core.contract import ANY_RUN, Claim, DisputeEnd, OutcomeKind
from suan.core.settlement import claim_by, end_of, open_claims, receipts_asked
from suan.core.units import format_tokens

Json = dict[str, Any]
EVENTS = ("DisputeOpened", "ReceiptRevealed", "DisputeEnded", "ClaimEnded", "TradeClosed")
REASONS = {
    DisputeEnd.RULED: "arbiters ruled",
    DisputeEnd.FELL: "a receipt that was asked for was not shown",
    DisputeEnd.STOOD: "nobody ruled, so it stands as decided",
}


@dataclass
class Told:
    """The events about one trade's dispute, in chain order, and when receipts were shown (unix seconds)."""

    opened: list[Json] = field(default_factory=list)
    revealed: list[Json] = field(default_factory=list)
    revealed_at: list[int] = field(default_factory=list)
    ended: list[Json] = field(default_factory=list)
    over: list[Json] = field(default_factory=list)
    closed: list[Json] = field(default_factory=list)

    def add(self, name: str, values: Json) -> None:
        lists = (self.opened, self.revealed, self.over, self.ended, self.closed)
        dict(zip(EVENTS, lists, strict=True))[name].append(values)


def standing(trade_id: str, told: Told, window: int) -> Json:
    """{trade_id, state: not disputed | open | ended, claims, deadlines, what follows, how it ended}. window: the dispute window."""
    if not told.opened:
        return {"trade_id": trade_id, "state": "not disputed", "claims": []}
    first = told.opened[0]
    reveal_by, rule_by = int(first["reveal_by"]), int(first["rule_by"])
    end = (
        None if told.closed else end_of(told.opened, told.ended, revealed_at=told.revealed_at, window=window)
    )
    over = told.over[-1] if told.over else None
    return {
        "trade_id": trade_id,
        "state": "ended" if told.closed else "open",
        "disputed": OutcomeKind(first["kind"]).word,
        "disputed_units": str(first["units"]),
        "claims": _claims(told),
        "claim_by": claim_by(reveal_by, revealed_at=told.revealed_at, window=window),
        "reveal_by": reveal_by,
        "rule_by": rule_by,
        "receipts_revealed": [_run(values) for values in told.revealed],
        "ends_at": end.due if end else None,
        "ends_as": None if end is None else "refunded" if end.falls else OutcomeKind(first["kind"]).word,
        "follows": _follows(told),
        "ended_as": OutcomeKind(told.closed[-1]["kind"]).word if told.closed else None,
        "because": REASONS[DisputeEnd(over["reason"])] if over else None,
    }


def _claims(told: Told) -> list[Json]:
    """Every claim in the order in which it was made, with what became of its bond."""
    still, ended = open_claims(told.opened, told.ended), list(told.ended)
    rows = []
    for event in told.opened:
        row: Json = {
            "claim": Claim(event["claim"]).word,
            "run": _run(event),
            "challenger": event["challenger"],
            "bond": format_tokens(event["bond"]),
            "state": "open",
            "forfeited": None,
            "reward": None,
            "opponent": None,
        }
        if not any(event is claim for claim in still):
            end = next(known for known in ended if _same(known, event))
            ended.remove(end)
            row |= {
                "state": "ended",
                "forfeited": format_tokens(end["forfeited"]),
                "reward": format_tokens(end["reward"]),
                "opponent": end["opponent"],
            }
        rows.append(row)
    return rows


def _follows(told: Told) -> list[str]:
    """What happens next to whom, one sentence each."""
    claims = open_claims(told.opened, told.ended)
    asked = receipts_asked(claims)
    if told.closed:
        return (
            ["bonds of claims that were open when it ended are free after `suan dispute reclaim`"]
            if asked
            else []
        )
    kind = OutcomeKind(told.opened[0]["kind"]).word
    sentences = []
    if asked:
        runs = ", ".join("the false one" if _run(event) is None else str(event["run"]) for event in asked)
        sentences.append(
            f"receipts asked for: {runs}. One that nobody shows by reveal_by refunds the trade: the payment goes back to the "
            "buyer, the bond to the provider; challengers keep their bonds, nobody is rewarded"
        )
        sentences.append("whoever shows a receipt gets a tenth of its challenger's bond")
    if len(claims) > len(asked):
        sentences.append(
            f"arbiters rule by rule_by, or it ends as decided ({kind}) and all bonds are free. A challenger whom they find right "
            "gets up to its bond from the side that loses by the ruling; one who was wrong loses its bond to the other side, "
            "or to the pool if it is no side"
        )
    if not claims:
        sentences.append(f"what was asked for was shown: it ends as decided ({kind})")
    return sentences


def _run(event: Mapping[str, Any]) -> int | None:
    return None if event["run"] == ANY_RUN else int(event["run"])


def _same(end: Json, event: Json) -> bool:
    names = ("challenger", "claim", "run") if event["claim"] == Claim.NO_RECEIPT else ("challenger", "claim")
    return all(end[name] == event[name] for name in names)
