"""The chain in plain sentences: counts, reasons, links, and something readable for what has no sentence."""

from __future__ import annotations

import re

import pytest

from suan.core.contract.abi import EVENTS

BUYER, PROVIDER = "0x" + "b1" * 20, "0x" + "a1" * 20
TOKEN = 10**18


def text(html: str) -> str:
    return re.sub(r"<[^>]+>", "", html).replace("\N{NO-BREAK SPACE}", " ").replace("&#x27;", "'")


def word(n: int) -> str:
    return f"0x{n:064x}"


def locked(trade: int, offer: int, bid: int) -> dict:
    args = {
        "trade": word(trade), "offer_nonce": offer, "bid_nonce": bid, "provider": PROVIDER, "buyer": BUYER,
        "index": trade, "first_run": 0, "runs": 1, "ceiling": 10, "price": TOKEN, "payment": TOKEN, "bond": TOKEN // 4,
        "deliver_by": 1_800_000_000,
    }  # fmt: skip
    return {"name": "TradeLocked", "args": args}


def refused(code: int) -> dict:
    return {"name": "FillRejected", "args": {"position": 0, "offer": word(1), "bid": word(2), "code": code}}


def closed(kind: int, paid: int) -> dict:
    args = {
        "trade": word(1),
        "kind": kind,
        "runs_delivered": 1,
        "units": 5,
        "paid": paid,
        "fee": 0,
    }
    return {"name": "TradeClosed", "args": args | {"slashed": 0}}


def test_an_opening_counts_its_trades_offers_bids_and_refusals():
    from frontend.explorer.sentences import transaction_sentence

    events = [locked(n, offer=n % 3, bid=n % 5) for n in range(7)]
    told = transaction_sentence("operator", [*events, refused(8)])
    assert text(told) == (
        "Operator locked 7 trades of 3 offers and 5 bids; "
        "1 fill was refused: the buyer's account does not cover the payment."
    )
    told = transaction_sentence("operator", [locked(0, 0, 0)])
    assert text(told) == "Operator locked 1 trade of 1 offer and 1 bid."
    told = transaction_sentence("operator", [refused(1), refused(2), refused(2)])
    assert text(told) == (
        "Operator locked nothing; 3 fills were refused: a signature does not hold, an order has expired."
    )


def test_a_close_says_how_its_trades_ended_and_what_was_paid():
    from frontend.explorer.sentences import transaction_sentence

    told = transaction_sentence(BUYER, [closed(1, TOKEN), closed(1, TOKEN // 2), closed(2, 0)])
    assert text(told).endswith("closed 3 trades (2 settled, 1 slashed) and paid 1.5 TSUAN.")
    assert f"/explorer/parties/{BUYER}" in told


def test_amounts_times_and_ids_of_an_event_are_written_for_people():
    from frontend.explorer.sentences import event_sentence

    told = event_sentence("Deposited", {"account": BUYER, "from": PROVIDER, "amount": 5 * TOKEN // 2})
    assert "paid 2.5 TSUAN into the account of" in text(told)
    assert told.count("<a href=") == 2
    told = event_sentence("AgentSet", {"owner": PROVIDER, "key": BUYER, "valid_until": 1_800_000_000})
    assert "until 2027-01-15 08:00:00 UTC" in text(told)


@pytest.mark.parametrize("code", range(0, 20))
def test_every_refusal_has_its_words(code: int):
    from frontend.explorer.sentences import reason

    assert reason(code) and not reason(code).isdigit()


def sample(parameter) -> object:
    kind = parameter.abi_type
    if kind.endswith("[]"):
        return [sample(type(parameter)(kind[:-2], None, parameter.name, False))]
    if kind == "address":
        return BUYER
    if kind.startswith("bytes"):
        return word(7)
    return {"bool": True, "string": "text"}.get(kind, 1)


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_of_the_contracts_is_told(name: str):
    from frontend.explorer.sentences import event_sentence

    told = text(event_sentence(name, {p.name: sample(p) for p in EVENTS[name].parameters}))
    assert told and "{" not in told and "None" not in told


def test_a_dispute_says_what_is_claimed_of_which_run_and_how_it_ended():
    from frontend.explorer.sentences import event_sentence

    about = {"trade": word(1), "challenger": BUYER, "bond": TOKEN, "kind": 1, "claim": 1, "run": 3}
    opened = about | {"reveal_by": 1_800_000_000, "rule_by": 1_800_000_600}
    told = text(event_sentence("DisputeOpened", opened))
    assert "(settled), claiming that there is no receipt (run 3)" in told
    wrong = text(event_sentence("DisputeOpened", opened | {"claim": 3, "run": 2**32 - 1}))
    assert "claiming that the outcome is not what the receipts give (no run named)" in wrong
    ended = about | {"opponent": PROVIDER, "forfeited": TOKEN // 10, "reward": 0}
    assert "0.1" in text(event_sentence("ClaimEnded", ended))
    for reason, words in ((1, "arbiters ruled"), (2, "was not shown"), (3, "stands as decided")):
        end = {"trade": word(1), "kind": 0, "reason": reason}
        assert words in text(event_sentence("DisputeEnded", end))


def test_an_event_without_a_sentence_or_with_other_arguments_is_still_readable():
    from frontend.explorer.sentences import event_sentence, transaction_sentence

    assert text(event_sentence("SomethingNew", {"amount": TOKEN, "note": "<b>"})) == (
        "SomethingNew: amount 1 TSUAN, note &lt;b&gt;"
    )
    assert text(event_sentence("Deposited", {"account": BUYER})).startswith("Deposited: account 0x")
    assert text(transaction_sentence(None, [], "setPaused")) == "Somebody called setPaused; it left no event."


def test_numbers_that_point_into_a_list_of_the_same_call_are_not_links():
    from frontend.explorer.names import shown

    assert shown("offer", 0) == 0 and "<a" in str(shown("offer", word(1)))
    assert shown("transaction", None) == "–"
