"""What holds for every book: the auction equals the naive oracle, and nobody can be worse off than by not
trading.
"""

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from suan.core.clearing import BidEntry, ClearingBook, ClearingResult, OfferEntry, ProposedTrade, clear
from tests.clearing.books import NOW, book, books
from tests.clearing.oracle import can_finish, naive_clear, run_indices

slow = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@slow
@given(books())
def test_the_auction_places_every_run_where_the_naive_oracle_places_it(cut: ClearingBook) -> None:
    result = clear(cut, NOW)
    price, placements = naive_clear(cut, NOW)
    assert result.price == price
    assert runs_placed(result) == sorted(placements)


@slow
@given(books())
def test_nobody_trades_beyond_the_limit_or_with_oneself(cut: ClearingBook) -> None:
    result = clear(cut, NOW)
    for trade, offer, bid in sides(cut, result):
        assert result.price is not None
        assert offer.limit_price <= result.price <= bid.limit_price
        assert offer.maker != bid.maker
        assert (trade.provider, trade.buyer) == (offer.maker, bid.maker)
        assert trade.deliver_by == min(offer.deliver_by, bid.deliver_by)


@slow
@given(books())
def test_buyers_buy_exactly_what_sellers_sell_at_one_price(cut: ClearingBook) -> None:
    result = clear(cut, NOW)
    bought: dict[bytes, int] = {}
    sold: dict[bytes, int] = {}
    for trade in result.trades:
        bought[trade.bid] = bought.get(trade.bid, 0) + trade.units
        sold[trade.offer] = sold.get(trade.offer, 0) + trade.units
    assert sum(bought.values()) == sum(sold.values()) == result.executed_units
    assert (result.price is None) == (result.trades == ())
    if result.price is not None:
        paid = sum(units * result.price for units in bought.values())
        assert paid == sum(units * result.price for units in sold.values()) > 0


@slow
@given(books())
def test_no_run_is_sold_twice_and_no_offer_is_overfilled(cut: ClearingBook) -> None:
    result = clear(cut, NOW)
    placed = runs_placed(result)
    assert len({(bid, run) for bid, run, _ in placed}) == len(placed)
    for bid in cut.bids:
        assert {run for order, run, _ in placed if order == bid.order} <= set(run_indices(bid))
    for offer in cut.offers:
        assert sum(trade.units for trade in result.trades if trade.offer == offer.order) <= offer.units


@slow
@given(books())
def test_every_offer_can_finish_what_it_got_before_each_deadline(cut: ClearingBook) -> None:
    result = clear(cut, NOW)
    for offer in cut.offers:
        work = [
            (trade.deliver_by, trade.ceiling)
            for trade in result.trades
            if trade.offer == offer.order
            for _ in range(trade.runs)
        ]
        assert not work or can_finish(offer, work, NOW)


@slow
@given(books())
def test_at_the_price_no_pair_is_left_that_could_still_trade(cut: ClearingBook) -> None:
    result = clear(cut, NOW)
    if result.price is None:
        return
    for bid in cut.bids:
        done = sum(trade.runs for trade in result.trades if trade.bid == bid.order)
        if done == bid.run_count or bid.limit_price < result.price:
            continue
        for offer in cut.offers:
            if offer.limit_price > result.price or offer.maker == bid.maker:
                continue
            work = [(trade.deliver_by, trade.units) for trade in result.trades if trade.offer == offer.order]
            one_more = (min(bid.deliver_by, offer.deliver_by), bid.ceiling)
            assert not can_finish(offer, [*work, one_more], NOW)


@slow
@given(books())
def test_an_order_with_a_better_price_or_an_earlier_arrival_is_served_first(cut: ClearingBook) -> None:
    """For equal bids (same ceiling, deadline and no own offers in the book) priority is strict: the worse one
    gets a run only when the better one has all of them.
    """
    result = clear(cut, NOW)
    sellers = {offer.maker for offer in cut.offers}
    done: dict[bytes, int] = {}
    for trade in result.trades:
        done[trade.bid] = done.get(trade.bid, 0) + trade.runs
    ranked = sorted(cut.bids, key=lambda bid: (-bid.limit_price, bid.sequence))
    for place, better in enumerate(ranked):
        for worse in ranked[place + 1 :]:
            same = better.ceiling == worse.ceiling and better.deliver_by == worse.deliver_by
            if same and not {better.maker, worse.maker} & sellers and done.get(worse.order):
                assert done.get(better.order) == better.run_count


@slow
@given(books(), st.integers(0, 2**32))
def test_the_order_in_which_the_entries_are_listed_changes_nothing(cut: ClearingBook, seed: int) -> None:
    entries: list[OfferEntry | BidEntry] = list(cut.entries)
    random.Random(seed).shuffle(entries)
    shuffled = ClearingBook(
        symbol=cut.symbol,
        cut_sequence=cut.cut_sequence,
        offers=tuple(entry for entry in entries if isinstance(entry, OfferEntry)),
        bids=tuple(entry for entry in entries if isinstance(entry, BidEntry)),
    )
    assert clear(shuffled, NOW) == clear(cut, NOW)
    assert shuffled.leaves() == cut.leaves()


@slow
@given(books())
def test_what_is_left_after_a_clearing_does_not_trade_again_at_the_same_price(cut: ClearingBook) -> None:
    """A second clearing of the remainders, with the first one's work as backlog, finds nothing at the first
    one's price.
    """
    first = clear(cut, NOW)
    if first.price is None:
        return
    entries: list[OfferEntry | BidEntry] = []
    for offer in cut.offers:
        sold = sum(trade.units for trade in first.trades if trade.offer == offer.order)
        if offer.limit_price <= first.price and offer.units > sold:
            left = {"units": offer.units - sold, "backlog_units": offer.backlog_units + sold}
            entries.append(OfferEntry(**{**fields(offer), **left}))
    for bid in cut.bids:
        taken = {run for order, run, _ in runs_placed(first) if order == bid.order}
        left_runs = tuple((run, 1) for run in run_indices(bid) if run not in taken)
        if bid.limit_price >= first.price and left_runs:
            entries.append(BidEntry(**{**fields(bid), "runs": left_runs}))
    assert clear(book(*entries), NOW).trades == ()


def fields(entry: OfferEntry | BidEntry) -> dict:
    return {name: getattr(entry, name) for name in entry.__slots__}


def runs_placed(result: ClearingResult) -> list[tuple[bytes, int, bytes]]:
    return sorted(
        (trade.bid, run, trade.offer)
        for trade in result.trades
        for run in range(trade.first_run, trade.first_run + trade.runs)
    )


def sides(cut: ClearingBook, result: ClearingResult) -> list[tuple[ProposedTrade, OfferEntry, BidEntry]]:
    offers = {offer.order: offer for offer in cut.offers}
    bids = {bid.order: bid for bid in cut.bids}
    return [(trade, offers[trade.offer], bids[trade.bid]) for trade in result.trades]
