"""The rule by example: one sentence per rule, small numbers, worked out by hand."""

import pytest

from suan.core.clearing import (
    START_ALLOWANCE_SECONDS,
    BadBook,
    BidEntry,
    ClearingBook,
    ClearingResult,
    OfferEntry,
    clear,
)
from tests.clearing.books import NOW, SYMBOL, address, bid, book, offer, order_hash


def sold(result: ClearingResult) -> dict[tuple[int, int], int]:
    """(bid number, offer number) -> runs."""
    totals: dict[tuple[int, int], int] = {}
    for trade in result.trades:
        key = (int.from_bytes(trade.bid, "big"), int.from_bytes(trade.offer, "big"))
        totals[key] = totals.get(key, 0) + trade.runs
    return totals


def test_an_empty_book_has_no_price_and_no_trade() -> None:
    assert clear(book(), NOW) == ClearingResult(None, (), ())


def test_a_bid_below_every_offer_does_not_trade() -> None:
    assert clear(book(offer(1, 50, 100), bid(2, 49, 1, 10)), NOW).trades == ()


def test_equal_demand_and_supply_meet_in_the_middle_and_the_odd_unit_goes_to_the_buyer() -> None:
    result = clear(book(offer(1, 80, 10), bid(2, 101, 1, 10)), NOW)
    assert (result.price, sold(result)) == (90, {(2, 1): 1})


def test_when_supply_is_left_over_sellers_compete_and_the_marginal_offer_sets_the_price() -> None:
    result = clear(book(offer(1, 50, 100), offer(2, 70, 100), offer(3, 90, 100), bid(4, 200, 15, 10)), NOW)
    assert result.price == 70
    assert sold(result) == {(4, 1): 10, (4, 2): 5}


def test_when_demand_is_left_over_buyers_compete_and_the_marginal_bid_sets_the_price() -> None:
    result = clear(book(offer(1, 50, 10), bid(2, 200, 1, 10), bid(3, 150, 2, 10)), NOW)
    assert result.price == (150 + 200) // 2
    assert sold(result) == {(2, 1): 1}


def test_all_trades_pay_the_one_price_whatever_their_limits() -> None:
    result = clear(book(offer(1, 10, 20), offer(2, 60, 20), bid(3, 90, 2, 10), bid(4, 60, 2, 10)), NOW)
    assert result.price == 60
    assert sold(result) == {(3, 1): 2, (4, 2): 2}


def test_of_two_equal_bids_the_earlier_one_is_served() -> None:
    result = clear(book(offer(1, 50, 10), bid(3, 60, 1, 10), bid(2, 60, 1, 10)), NOW)
    assert sold(result) == {(2, 1): 1}


def test_of_two_equal_offers_the_earlier_one_sells() -> None:
    result = clear(book(offer(2, 50, 10), offer(1, 50, 10), bid(3, 60, 1, 10)), NOW)
    assert sold(result) == {(3, 1): 1}


def test_a_bid_is_filled_in_part_by_whole_runs_with_the_lowest_index_first() -> None:
    cut = ClearingBook(
        SYMBOL,
        9,
        offers=(offer(1, 50, 35),),
        bids=(BidEntry(order_hash(2), address("b"), 60, 2, ((3, 1), (7, 5)), 10, NOW + 3600),),
    )
    trades = clear(cut, NOW).trades
    assert [(trade.first_run, trade.runs) for trade in trades] == [(3, 1), (7, 2)]


def test_consecutive_runs_at_one_offer_are_one_trade() -> None:
    (trade,) = clear(book(offer(1, 50, 1000), bid(2, 60, 40, 10)), NOW).trades
    assert (trade.first_run, trade.runs, trade.units) == (0, 40, 400)


def test_a_run_is_never_divided_between_two_sellers() -> None:
    assert clear(book(offer(1, 50, 6), offer(2, 50, 6), bid(3, 60, 1, 10)), NOW).trades == ()


def test_nobody_trades_with_oneself_and_the_next_offer_serves_instead() -> None:
    result = clear(book(offer(1, 50, 10, maker="x"), offer(2, 55, 10), bid(3, 60, 1, 10, maker="x")), NOW)
    assert sold(result) == {(3, 2): 1}


def test_an_offer_takes_no_more_runs_than_its_rate_finishes_before_the_deadline() -> None:
    seconds = START_ALLOWANCE_SECONDS + 60
    result = clear(book(offer(1, 50, 10_000, rate_mflops=10), bid(2, 60, 9, 100, seconds=seconds)), NOW)
    assert sold(result) == {(2, 1): 6}


def test_backlog_of_earlier_clearings_takes_its_time_first() -> None:
    seconds = START_ALLOWANCE_SECONDS + 60
    slow = offer(1, 50, 10_000, rate_mflops=10, backlog_units=201)
    assert sold(clear(book(slow, bid(2, 60, 9, 100, seconds=seconds)), NOW)) == {(2, 1): 3}


def test_urgent_work_that_would_delay_promised_work_is_refused() -> None:
    """600 units fit until the later deadline; 500 of them are promised, so only 100 more may come before."""
    late, soon = START_ALLOWANCE_SECONDS + 60, START_ALLOWANCE_SECONDS + 30
    cut = book(
        offer(1, 50, 10_000, rate_mflops=10),
        bid(2, 90, 5, 100, seconds=late),
        bid(3, 80, 3, 100, seconds=soon),
    )
    assert sold(clear(cut, NOW)) == {(2, 1): 5, (3, 1): 1}


def test_the_offers_own_deadline_binds_too() -> None:
    cut = book(offer(1, 50, 10_000, rate_mflops=10, seconds=START_ALLOWANCE_SECONDS + 20), bid(2, 60, 9, 100))
    (trade,) = clear(cut, NOW).trades
    assert (trade.runs, trade.deliver_by) == (2, NOW + START_ALLOWANCE_SECONDS + 20)


def test_an_order_that_is_too_late_to_start_is_excluded_by_name() -> None:
    cut = book(offer(1, 50, 10), bid(2, 60, 1, 10, seconds=START_ALLOWANCE_SECONDS))
    result = clear(cut, NOW)
    assert [(exclusion.order, exclusion.reason) for exclusion in result.excluded] == [
        (order_hash(2), "expired")
    ]
    assert result.trades == ()


def test_a_price_that_executes_more_whole_runs_beats_the_balanced_one() -> None:
    """At the midpoint only the small offers are in reach and no run fits them; the dearer offer takes it whole."""
    cut = book(offer(1, 10, 6), offer(2, 20, 6), offer(3, 90, 10), bid(4, 100, 1, 10), bid(5, 12, 1, 10))
    result = clear(cut, NOW)
    assert sold(result) == {(4, 3): 1}
    assert result.price is not None and 90 <= result.price <= 100


def test_of_two_prices_that_execute_equally_much_the_one_nearer_to_the_balanced_range_wins() -> None:
    """The curves balance at 18, where only orders of one maker meet; 11 and 19 both execute one run."""
    cut = book(
        bid(1, 11, 1, 3, maker="a"),
        bid(2, 18, 2, 3, maker="b"),
        offer(3, 1, 8, maker="b"),
        offer(4, 19, 5, maker="a"),
        bid(5, 30, 1, 3, maker="b"),
    )
    result = clear(cut, NOW)
    assert (result.price, sold(result)) == (19, {(5, 4): 1})


def test_prices_and_units_at_the_edge_of_their_types_stay_exact() -> None:
    price, units = 2**96 - 1, 2**64 - 1
    result = clear(
        book(
            offer(1, price - 2, units, rate_mflops=2**53 - 1, seconds=2**20),
            bid(2, price, 1, units, seconds=2**20),
        ),
        NOW,
    )
    assert (result.price, result.executed_units) == (price - 1, units)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"limit_price": 0}, "limit_price"),
        ({"limit_price": 2**96}, "limit_price"),
        ({"units": 0}, "units"),
        ({"maker": "0xABC"}, "maker"),
        ({"order": b"short"}, "order"),
        ({"deliver_by": 2**40}, "deliver_by"),
    ],
)
def test_an_entry_out_of_bounds_is_refused_with_its_field(change: dict, field: str) -> None:
    good = offer(1, 50, 10)
    values = {name: getattr(good, name) for name in good.__slots__}
    with pytest.raises(BadBook) as refused:
        OfferEntry(**{**values, **change})
    assert refused.value.field == field


def test_an_order_that_appears_twice_or_after_the_cut_is_refused() -> None:
    with pytest.raises(BadBook, match="twice"):
        ClearingBook(SYMBOL, 9, offers=(offer(1, 50, 10), offer(1, 51, 10)))
    with pytest.raises(BadBook, match="after the cut"):
        ClearingBook(SYMBOL, 1, offers=(offer(2, 50, 10),))


def test_ranges_of_runs_that_overlap_are_refused() -> None:
    with pytest.raises(BadBook, match="overlap"):
        BidEntry(order_hash(2), address("b"), 60, 2, ((3, 4), (6, 5)), 10, NOW + 3600)
