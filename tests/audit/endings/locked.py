"""A lock batch on a real chain, how it ends, and an audit of it: honest, and with single lies of the node."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from suan.client.audit.report import Report
from suan.client.audit.run import audit
from suan.core.contract import abi
from suan.core.contract.proving import prove_records
from suan.core.contract.records import ANY_RUN, Claim, KeySet, Outcome, Record
from suan.core.signing.structs import Ruling
from tests.audit.recorded import Recorded, Recorder
from tests.audit.traded_market import TradedMarket


@dataclass
class Locked:
    """A lock batch of the market and what verifiers said of it, if they did."""

    market: TradedMarket
    records: list[Record]
    said: dict[str, Any]

    def proven(self, index: int) -> Any:
        return prove_records(self.records, [index])

    def send(self, data: bytes, sender: str = "") -> None:
        self.market.send(self.market.market, sender or self.market.operator, data)

    def third(self, index: int) -> str:
        """Somebody who has money and no part in a trade."""
        parties = (self.records[index].buyer, self.records[index].provider)
        return next(key.address for key in self.market.buyers if key.address not in parties)

    def dispute(
        self, index: int, challenger: str = "", claim: Claim = Claim.WRONG_COUNT, run: int = ANY_RUN
    ) -> None:
        known = {name: self.said[name] for name in ("head", "outcomes", "receipts_root")}
        call = abi.encode_dispute(**known, proven=self.proven(index), claim=claim, run=run)
        self.send(call, challenger or self.third(index))

    def rule(self, index: int, outcome: Outcome) -> None:
        market, record, head = self.market, self.records[index], self.said["head"]
        ruling = Ruling(head.id(), record.trade, outcome.kind, outcome.runs_delivered, outcome.units)
        known = market.made["arbiter_set"]
        arbiters = KeySet(tuple(known["members"]), known["threshold"], int(known["payout_cap"]))
        self.send(
            abi.encode_rule(
                head=head,
                arbiters=arbiters,
                proven=self.proven(index),
                outcome=outcome,
                signatures=[market.arbiter.sign(ruling.digest(market.domain))],
            )
        )

    def time_out(self, index: int) -> None:
        self.send(abi.encode_time_out(head=self.said["head"], proven=self.proven(index)))

    def outcome(self, index: int) -> Outcome:
        return dict(self.said["outcomes"])[index]

    def settle(self) -> None:
        self.market.wait(self.market.made["dispute_window"])
        self.market.settle(self.said, self.records)


def lock(market: TradedMarket, orders: Any = None) -> Locked:
    records = market.lock(orders)
    return Locked(market, records, {"head": market.head(records), "outcomes": []})


def decided(market: TradedMarket) -> Locked:
    found = lock(market)
    found.said = market.decide(found.records)
    return found


def audited(market: TradedMarket, rpc: Any = None) -> Report:
    return audit(rpc or market.node.url, market.market, str(market.evidence))


def agrees(market: TradedMarket) -> Report:
    report = audited(market)
    assert [str(difference) for difference in report.differences] == []
    assert report.money_conserved
    return report


def names(market: TradedMarket, *lies: tuple[Callable[[str, tuple, Any], Any], str]) -> None:
    """An honest audit agrees; with each single lie it names the field."""
    recorder = Recorder(market.node.url)
    assert [str(difference) for difference in audited(market, recorder).differences] == []
    for change, field in lies:
        report = audited(market, Recorded(recorder.answers, change))
        fields = [difference.field for difference in report.differences]
        assert any(found.startswith(field) for found in fields), (field, fields)
