"""A false balance, price, payout or signature on chain is named: recorded answers of a real node with one of them changed."""

import json
from pathlib import Path
from typing import Any

import pytest

from suan.client.audit.report import Report
from suan.client.audit.run import audit
from suan.client.errors import Unreachable, UsageError
from tests.audit.recorded import Recorded, Recorder, calldata, held, said, with_log
from tests.journey.live import Live
from tests.journey.story import Traded

pytestmark = [pytest.mark.slow, pytest.mark.chain]


@pytest.fixture(scope="module")
def recording(live: Live, traded: Traded) -> dict[str, Any]:
    """All that an honest audit asked the node, and its answers."""
    recorder = Recorder(live.rpc_url)
    report = audit(recorder, live.deployment["market"], str(live.evidence))
    assert report.differences == []
    return recorder.answers


def audited(live: Live, recording: dict[str, Any], change=lambda *given: given[2]) -> Report:
    return audit(Recorded(recording, change), live.deployment["market"], str(live.evidence))


def named(report: Report, field: str) -> list[str]:
    """What a report names in a field: the subjects of its differences."""
    return [difference.subject for difference in report.differences if difference.field.startswith(field)]


def test_the_recording_itself_holds_no_difference(live: Live, recording: dict[str, Any]) -> None:
    report = audited(live, recording)
    assert report.differences == [] and report.money_conserved
    assert report.trades_checked and report.fills_checked and report.receipts_checked


@pytest.mark.parametrize(
    ("event", "field", "named_as"),
    [
        ("TradeLocked", "provider_and_price", "price"),
        ("TradeLocked", "buyer_and_work", "ceiling"),
        ("TradeLocked", "terms", "index"),
        ("TradeClosed", "amounts", "fee"),
        ("TradeClosed", "outcome", "outcome"),
    ],
)
def test_a_false_figure_of_a_trade_is_named_with_the_trade(
    live: Live, recording: dict[str, Any], event: str, field: str, named_as: str
) -> None:
    report = audited(live, recording, said(event, field, lambda value: value + 1))
    assert [subject for subject in named(report, named_as) if subject.startswith("trd_0x")]


def test_a_false_price_of_a_clearing_is_named(live: Live, recording: dict[str, Any]) -> None:
    report = audited(live, recording, said("ClearingCommitted", "price", lambda value: value + 1))
    (subject,) = named(report, "price of the clearing")
    assert subject.startswith("clr_0x")


def test_a_deposit_that_never_was_is_missed_by_storage_and_custody(
    live: Live, recording: dict[str, Any]
) -> None:
    report = audited(live, recording, said("Deposited", "amount", lambda value: value + 1))
    assert [
        subject for subject in named(report, "account in the contract's storage") if subject.startswith("0x")
    ]
    assert named(report, "tokens held") == ["market"] and not report.money_conserved


def test_an_event_that_is_withheld_leaves_the_books_open(live: Live, recording: dict[str, Any]) -> None:
    for event in ("TradeClosed", "TradeLocked", "Deposited", "BatchLocked"):
        report = audited(live, recording, with_log(event, lambda log, values: None))
        assert report.differences_total, event


def test_a_close_that_is_withheld_is_contradicted_by_proven_words(
    live: Live, recording: dict[str, Any]
) -> None:
    """A node cannot lie about storage, only about events; the words then name account, order and lock batch."""
    report = audited(live, recording, with_log("TradeClosed", lambda log, values: None))
    for field, prefix in (("account in", "0x"), ("quantity used in", "orders ")):
        found = named(report, f"{field} the contract's storage")
        assert found and all(subject.startswith(prefix) for subject in found), field
    assert [subject for subject in named(report, "trades closed") if subject.startswith("verdict 0x")]


@pytest.mark.parametrize(
    ("event", "words"), [("BatchDecided", "waiting trades"), ("BatchLocked", "open trades")]
)
def test_a_decision_or_a_lock_that_is_withheld_is_named(
    live: Live, recording: dict[str, Any], event: str, words: str
) -> None:
    report = audited(live, recording, with_log(event, lambda log, values: None))
    assert report.differences_total, words


@pytest.mark.parametrize(
    ("field", "named_as"),
    [("bits", "trades decided"), ("settle_after", "end of the dispute window")],
)
def test_a_decision_that_says_something_else_than_its_call_is_named(
    live: Live, recording: dict[str, Any], field: str, named_as: str
) -> None:
    report = audited(live, recording, said("BatchDecided", field, lambda value: value + 1))
    assert named(report, named_as)


def test_too_few_tokens_in_custody_are_named(live: Live, recording: dict[str, Any]) -> None:
    report = audited(live, recording, held(by=-1))
    assert named(report, "tokens held") == ["market"]
    assert not report.money_conserved


def flipped(text: str, part: str) -> str:
    """Calldata with the last hex digit but three of a part of it changed."""
    bare = part.removeprefix("0x")
    assert bare in text
    place = len(bare) - 4
    return text.replace(bare, bare[:place] + ("0" if bare[place] != "0" else "1") + bare[place + 1 :], 1)


@pytest.mark.parametrize("side", ("offer", "bid"))
def test_a_fill_without_its_makers_signature_is_named(
    live: Live, recording: dict[str, Any], side: str
) -> None:
    report = audited(
        live,
        recording,
        calldata("open", lambda text, said: flipped(text, said[f"{side}_signatures"][0][:66])),
    )
    assert [subject for subject in named(report, "signature") if subject.startswith("ord_0x")]


def test_a_verdict_without_the_verifiers_signature_is_named(live: Live, recording: dict[str, Any]) -> None:
    report = audited(
        live, recording, calldata("decide", lambda text, said: flipped(text, said["signatures"][0]))
    )
    assert named(report, "verifier signatures")


def test_a_verdict_over_other_receipts_is_named(live: Live, recording: dict[str, Any]) -> None:
    report = audited(live, recording, said("BatchDecided", "receipts_root", lambda value: bytes(32)))
    assert named(report, "evidence") == ["0x" + "00" * 32]


@pytest.mark.parametrize("function", ("open", "decide"))
@pytest.mark.parametrize("cut", (10, 74, 500, 2))
def test_calldata_that_cannot_be_read_is_a_difference_and_no_crash(
    live: Live, recording: dict[str, Any], function: str, cut: int
) -> None:
    report = audited(live, recording, calldata(function, lambda text, said: text[:cut]))
    assert [subject for subject in named(report, "call") if subject.startswith("0x")]


def test_a_node_that_answers_nonsense_is_unreachable_and_nothing_is_proved(
    live: Live, recording: dict[str, Any]
) -> None:
    for method, nonsense in (
        ("eth_getLogs", None),
        ("eth_getLogs", [{}]),
        ("eth_call", "zz"),
        ("eth_chainId", None),
    ):
        with pytest.raises(Unreachable):
            audited(
                live,
                recording,
                lambda asked, params, answer, m=method, n=nonsense: n if asked == m else answer,
            )


def test_an_address_without_a_market_is_a_usage_error(live: Live) -> None:
    for address in ("0x" + "11" * 20, live.deployment["token"]):
        with pytest.raises(UsageError, match=address):
            audit(live.rpc_url, address, str(live.evidence))


def test_the_report_is_a_document_for_programs(live: Live, recording: dict[str, Any], tmp_path: Path) -> None:
    document = audited(live, recording, said("TradeClosed", "amounts", lambda value: value + 1)).to_json()
    assert json.loads(json.dumps(document)) == document
    assert {"subject", "field", "expected", "found"} == set(document["differences"][0])
    assert isinstance(document["custody"], str)
