"""Why an order did not trade: each code from a book that causes it, with the numbers in the sentence."""

import pytest
from hypothesis import HealthCheck, given, settings

from suan.core.clearing import (
    START_ALLOWANCE_SECONDS,
    BidEntry,
    ClearingBook,
    Explanation,
    OfferEntry,
    Reasons,
    clear,
    explain,
)
from suan.core.units import UNITS_PER_GFLOPS_HOUR as HOUR
from tests.clearing.books import NOW, bid, book, books, offer, order_hash

TOKEN = 10**18
CENT = 10**16


def reason(number: int, *entries: OfferEntry | BidEntry) -> Explanation:
    cut = book(*entries)
    found = explain(cut, clear(cut, NOW), order_hash(number), NOW)
    assert found is not None
    return found


def test_a_bid_alone_has_no_counterpart() -> None:
    found = reason(1, bid(1, TOKEN, 1, HOUR))
    assert found.code == "no_counterpart"
    assert "no offer in the book of cpu.fp64:eu-north:recomputed" in found.sentence


def test_a_limit_below_the_lowest_offer_says_by_how_much() -> None:
    found = reason(2, offer(1, 85 * CENT, HOUR), bid(2, 40 * CENT, 1, HOUR))
    assert found.code == "limit_below_price"
    assert found.sentence == "Your limit of 0.4 is 0.45 below the lowest offer of 0.85."
    assert found.numbers["gap"] == str(45 * CENT)
    assert found.numbers["best_opposite_price"] == str(85 * CENT)
    assert found.numbers["clearing_price"] is None


def test_a_limit_below_the_clearing_price_names_the_price() -> None:
    found = reason(3, offer(1, 50 * CENT, HOUR), bid(2, TOKEN, 1, HOUR), bid(3, 70 * CENT, 1, HOUR))
    assert found.code == "limit_below_price"
    assert "the clearing price of 0.85" in found.sentence
    assert found.numbers == {
        "limit_price": str(70 * CENT),
        "clearing_price": str(85 * CENT),
        "best_opposite_price": str(50 * CENT),
        "gap": str(15 * CENT),
    }


def test_an_offer_above_the_clearing_price_names_the_price() -> None:
    found = reason(2, offer(1, 50 * CENT, 2 * HOUR), offer(2, 90 * CENT, HOUR), bid(3, TOKEN, 1, HOUR))
    assert found.code == "offer_above_price"
    assert found.sentence == "Your price of 0.9 is 0.4 above the clearing price of 0.5."


def test_an_offer_above_every_bid_names_the_highest_bid() -> None:
    found = reason(1, offer(1, 90 * CENT, HOUR), bid(2, 60 * CENT, 1, HOUR))
    assert (found.code, found.numbers["gap"]) == ("offer_above_price", str(30 * CENT))
    assert "the highest bid of 0.6" in found.sentence


def test_a_tie_that_was_lost_to_an_earlier_bid_says_so() -> None:
    found = reason(3, offer(1, 50 * CENT, HOUR), bid(2, TOKEN, 1, HOUR), bid(3, TOKEN, 1, HOUR))
    assert found.code == "tie_later_arrival"
    assert "All 1 GFLOPS·h" in found.sentence


def test_an_offer_that_lost_a_tie_says_so() -> None:
    found = reason(2, offer(1, 50 * CENT, HOUR), offer(2, 50 * CENT, HOUR), bid(3, TOKEN, 1, HOUR))
    assert found.code == "tie_later_arrival"


def test_an_offer_that_sold_a_part_waits_for_more_bids() -> None:
    found = reason(1, offer(1, 50 * CENT, 3 * HOUR), bid(2, TOKEN, 1, HOUR))
    assert found.code == "no_counterpart"
    assert "2 GFLOPS·h of your offer are left" in found.sentence


@pytest.mark.parametrize("number", [1, 2])
def test_both_sides_learn_that_only_their_own_order_is_opposite(number: int) -> None:
    found = reason(number, offer(1, 50, 10, maker="x"), bid(2, 60, 1, 10, maker="x"))
    assert found.code == "self_trade"


def test_a_ceiling_above_what_any_offer_has_left_is_too_large() -> None:
    found = reason(3, offer(1, 50 * CENT, HOUR), offer(2, 50 * CENT, 2 * HOUR), bid(3, TOKEN, 1, 3 * HOUR))
    assert found.code == "too_large"
    assert "3 GFLOPS·h" in found.sentence and "has left is 2." in found.sentence


def test_an_offer_smaller_than_every_waiting_run_is_too_large_too() -> None:
    found = reason(1, offer(1, 50 * CENT, HOUR), bid(3, TOKEN, 1, 3 * HOUR))
    assert found.code == "too_large"
    assert "has 1 GFLOPS·h left; the smallest waiting run may cost 3" in found.sentence


def test_a_deadline_that_no_node_can_meet_is_rate_limited() -> None:
    """1000 MFLOPS for 1800 seconds are half a GFLOPS·h."""
    entries = (
        offer(1, 50 * CENT, 9 * HOUR, rate_mflops=1000),
        bid(2, TOKEN, 1, HOUR, seconds=START_ALLOWANCE_SECONDS + 1800),
    )
    buyer, seller = reason(2, *entries), reason(1, *entries)
    assert (buyer.code, seller.code) == ("rate_limited", "rate_limited")
    assert "can still finish 0.5 before its deadline" in buyer.sentence
    assert "of 1000 MFLOPS can still finish 0.5 GFLOPS·h" in seller.sentence


def test_an_order_that_is_too_late_is_expired() -> None:
    found = reason(2, offer(1, 50, 10), bid(2, 60, 1, 10, seconds=5))
    assert found.code == "expired"


def test_an_order_that_was_not_in_the_book_waits_for_the_next_clearing() -> None:
    assert reason(77, offer(1, 50, 10)).code == "not_cleared_yet"


def test_an_order_that_traded_in_full_needs_no_reason() -> None:
    cut = book(offer(1, 50, 10), bid(2, 60, 1, 10))
    result = clear(cut, NOW)
    assert explain(cut, result, order_hash(1), NOW) is None
    assert explain(cut, result, order_hash(2), NOW) is None


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(books())
def test_every_order_with_something_left_gets_a_reason_that_fits_its_numbers(cut: ClearingBook) -> None:
    result = clear(cut, NOW)
    reasons = Reasons(cut, result, NOW)
    for entry in cut.entries:
        found = reasons.of(entry.order)
        mine = [t for t in result.trades if entry.order in (t.bid, t.offer)]
        left = entry.units - sum(trade.units for trade in mine)
        assert (found is None) == (left == 0)
        if found is None or found.code == "expired":
            continue
        if found.code in ("limit_below_price", "offer_above_price"):
            assert int(found.numbers["gap"]) > 0
            assert mine == []
        elif result.price is not None and found.code in ("tie_later_arrival", "too_large", "rate_limited"):
            assert (entry.limit_price - result.price) * (1 if isinstance(entry, BidEntry) else -1) >= 0
