"""Why an order did not trade: one code and one plain sentence with the numbers that decided it.

It looks at one clearing only (book, result, time), so anybody can ask it of a published clearing. The
reason named is the first in this order that holds: the order was kept out, there is nobody to trade
with, the limit, the size of a run, the time before the deadline, priority. Codes are stable words for
programs; sentences are for people, in tokens per GFLOPS·h and in GFLOPS·h.

Growth: `Reasons` replays the trades once, then each order is answered in O(orders of the other side).
Known limit: it names what stopped the next run of the order, not every change that would have helped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from suan.core.clearing.auction import ClearingResult
from suan.core.clearing.book import BidEntry, ClearingBook, OfferEntry
from suan.core.clearing.capacity import START_ALLOWANCE_SECONDS, OfferLoad
from suan.core.units import format_gflops_hours, format_tokens

NO_COUNTERPART: Final = "no_counterpart"
LIMIT_BELOW_PRICE: Final = "limit_below_price"
OFFER_ABOVE_PRICE: Final = "offer_above_price"
TIE_LATER_ARRIVAL: Final = "tie_later_arrival"
SELF_TRADE: Final = "self_trade"
RATE_LIMITED: Final = "rate_limited"
TOO_LARGE: Final = "too_large"
UNFUNDED: Final = "unfunded"
EXPIRED: Final = "expired"
HALTED: Final = "halted"
REFUSED: Final = "refused"
SUSPENDED: Final = "suspended"
NOT_CLEARED_YET: Final = "not_cleared_yet"

_KEPT_OUT: Final = {
    EXPIRED: (
        f"The order's deliver by leaves less than {START_ALLOWANCE_SECONDS} seconds to start; it "
        "cannot trade any more."
    ),
    UNFUNDED: (
        "The chain refused the order's last trade for lack of money in the account; deposit, and it is tried "
        "again after a while."
    ),
    REFUSED: (
        "The chain refused the order's last trade; the order waits for a while, longer each time, before it is "
        "tried again."
    ),
    SUSPENDED: (
        "The offer's node handed in a false receipt and was slashed; its offers do not trade for 30 days. Offer "
        "another node."
    ),
    HALTED: "Trading of this product was halted when the book was cut; the order waits and keeps its place.",
    NOT_CLEARED_YET: (
        "The order was not in the book of this clearing; the next clearing of its product looks at it."
    ),
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """`numbers`: limit_price, clearing_price, best_opposite_price and gap as decimal strings of base
    units (or None).
    """

    code: str
    sentence: str
    numbers: dict[str, Any]


def explain(book: ClearingBook, result: ClearingResult, order: bytes, now: int) -> Explanation | None:
    """Why `order` did not trade (further) in this clearing; None when nothing of it is left."""
    return Reasons(book, result, now).of(order)


def kept_out(code: str) -> Explanation:
    """The reason of an order that had no part in an auction."""
    return Explanation(code, _KEPT_OUT[code], {})


class Reasons:
    """All reasons of one clearing. Replays its trades to know what each order has left."""

    def __init__(self, book: ClearingBook, result: ClearingResult, now: int) -> None:
        self._book = book
        self._price = result.price
        self._excluded = {exclusion.order: exclusion.reason for exclusion in result.excluded}
        self._loads = {offer.order: OfferLoad(offer, now) for offer in book.offers}
        self._runs_left = {bid.order: bid.run_count for bid in book.bids}
        for trade in result.trades:
            self._loads[trade.offer].take(trade.runs, trade.ceiling, trade.deliver_by)
            self._runs_left[trade.bid] -= trade.runs

    def of(self, order: bytes) -> Explanation | None:
        """Code and sentence of one order; None when it traded in full."""
        if order in self._excluded:
            return kept_out(self._excluded[order])
        entry = self._book.find(order)
        if entry is None:
            return kept_out(NOT_CLEARED_YET)
        if isinstance(entry, BidEntry):
            return self._bid(entry) if self._runs_left[order] else None
        return self._offer(entry) if self._loads[order].units_left else None

    def _bid(self, bid: BidEntry) -> Explanation:
        live = [offer for offer in self._book.offers if offer.order not in self._excluded]
        others = [offer for offer in live if offer.maker != bid.maker]
        best = min((offer.limit_price for offer in others), default=None)
        if best is None:
            return self._nobody(bid, "offer", bool(live))
        bar = best if self._price is None else max(best, self._price)
        if bid.limit_price < bar:
            return self._say(
                LIMIT_BELOW_PRICE,
                f"Your limit of {format_tokens(bid.limit_price)} is "
                f"{format_tokens(bar - bid.limit_price)} below "
                f"{self._bar_name(bar, 'the lowest offer')} of {format_tokens(bar)}.",
                bid,
                best,
                bar - bid.limit_price,
            )
        reach = [self._loads[o.order] for o in others if o.limit_price <= (self._price or bid.limit_price)]
        if not reach:
            return self._own_only(bid, best, "offers at or below")
        return self._bid_within_reach(bid, best, reach)

    def _bid_within_reach(self, bid: BidEntry, best: int, reach: list[OfferLoad]) -> Explanation:
        run = format_gflops_hours(bid.ceiling)
        large = [load for load in reach if load.units_left >= bid.ceiling]
        if large:
            room = max(0, *(min(load.units_left, load.slack(bid.deliver_by)) for load in large))
            return self._say(
                RATE_LIMITED,
                f"One run may cost {run} GFLOPS·h, and the fastest node within your limit can still finish "
                f"{format_gflops_hours(room)} before its deadline: give it more time or a lower ceiling.",
                bid,
                best,
            )
        left = max(load.units_left for load in reach)
        if left:
            return self._say(
                TOO_LARGE,
                f"One run may cost {run} GFLOPS·h and goes to one seller; the most that one offer within your "
                f"limit has left is {format_gflops_hours(left)}.",
                bid,
                best,
            )
        sold = format_gflops_hours(sum(load.assigned for load in reach))
        return self._say(
            TIE_LATER_ARRIVAL,
            f"All {sold} GFLOPS·h offered within your limit{self._at_price()} went to bids with a higher "
            "limit or an earlier arrival.",
            bid,
            best,
        )

    def _offer(self, offer: OfferEntry) -> Explanation:
        live = [bid for bid in self._book.bids if bid.order not in self._excluded]
        others = [bid for bid in live if bid.maker != offer.maker]
        best = max((bid.limit_price for bid in others), default=None)
        if best is None:
            return self._nobody(offer, "bid", bool(live))
        bar = best if self._price is None else min(best, self._price)
        if offer.limit_price > bar:
            return self._say(
                OFFER_ABOVE_PRICE,
                f"Your price of {format_tokens(offer.limit_price)} is "
                f"{format_tokens(offer.limit_price - bar)} above "
                f"{self._bar_name(bar, 'the highest bid')} of {format_tokens(bar)}.",
                offer,
                best,
                offer.limit_price - bar,
            )
        reach = [bid for bid in others if bid.limit_price >= (self._price or offer.limit_price)]
        if not reach:
            return self._own_only(offer, best, "bids at or above")
        waiting = [bid for bid in reach if self._runs_left[bid.order]]
        if waiting:
            return self._offer_too_small_or_slow(offer, best, waiting)
        load = self._loads[offer.order]
        left = format_gflops_hours(load.units_left)
        if load.assigned:
            sentence = (
                f"Every bid that pays the price{self._at_price()} is served; {left} GFLOPS·h of your "
                "offer are left."
            )
            return self._say(NO_COUNTERPART, sentence, offer, best)
        wanted = format_gflops_hours(sum(bid.units for bid in reach))
        return self._say(
            TIE_LATER_ARRIVAL,
            f"All {wanted} GFLOPS·h that bids wanted{self._at_price()} went to offers with a lower price "
            "or an earlier arrival.",
            offer,
            best,
        )

    def _offer_too_small_or_slow(self, offer: OfferEntry, best: int, waiting: list[BidEntry]) -> Explanation:
        load = self._loads[offer.order]
        smallest = format_gflops_hours(min(bid.ceiling for bid in waiting))
        if any(bid.ceiling <= load.units_left for bid in waiting):
            room = max(0, *(load.slack(bid.deliver_by) for bid in waiting))
            return self._say(
                RATE_LIMITED,
                f"Your node of {offer.rate_mflops} MFLOPS can still finish {format_gflops_hours(room)} "
                f"GFLOPS·h in time, after a backlog of {format_gflops_hours(offer.backlog_units)}; the "
                f"smallest waiting run may cost {smallest}.",
                offer,
                best,
            )
        return self._say(
            TOO_LARGE,
            f"Your offer has {format_gflops_hours(load.units_left)} GFLOPS·h left; the smallest waiting "
            f"run may cost {smallest} and goes to one seller.",
            offer,
            best,
        )

    def _nobody(self, entry: OfferEntry | BidEntry, noun: str, own: bool) -> Explanation:
        if own:
            sentence = (
                f"Every {noun} in the book of {self._book.symbol} is your own, and nobody trades with "
                "oneself."
            )
            return self._say(SELF_TRADE, sentence, entry, None)
        return self._say(
            NO_COUNTERPART, f"There is no {noun} in the book of {self._book.symbol}.", entry, None
        )

    def _own_only(self, entry: OfferEntry | BidEntry, best: int, what: str) -> Explanation:
        sentence = (
            f"The {what} the clearing price{self._at_price()} are your own, and nobody trades with oneself."
        )
        return self._say(SELF_TRADE, sentence, entry, best)

    def _bar_name(self, bar: int, otherwise: str) -> str:
        return "the clearing price" if bar == self._price else otherwise

    def _at_price(self) -> str:
        return "" if self._price is None else f" ({format_tokens(self._price)})"

    def _say(
        self,
        code: str,
        sentence: str,
        entry: OfferEntry | BidEntry,
        best: int | None,
        gap: int | None = None,
    ) -> Explanation:
        numbers = {
            "limit_price": str(entry.limit_price),
            "clearing_price": None if self._price is None else str(self._price),
            "best_opposite_price": None if best is None else str(best),
            "gap": None if gap is None else str(gap),
        }
        return Explanation(code, sentence, numbers)
