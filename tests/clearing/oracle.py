"""The auction written down a second time, as slowly and plainly as the words of docs/clearing.md allow.

It shares no code with suan.core.clearing but the data classes of the book: runs are placed one by one, each
placement re-checks every deadline from scratch, and the balanced range is found by asking every single
price.
"""

from suan.core.clearing import START_ALLOWANCE_SECONDS, BidEntry, ClearingBook, OfferEntry

Placement = tuple[bytes, int, bytes]  # bid, run index, offer


def naive_clear(book: ClearingBook, now: int) -> tuple[int | None, set[Placement]]:
    """(price or None, placements) by trying every candidate price."""
    offers = [offer for offer in book.offers if offer.deliver_by > now + START_ALLOWANCE_SECONDS]
    bids = [bid for bid in book.bids if bid.deliver_by > now + START_ALLOWANCE_SECONDS]
    offers = [
        offer for offer in offers if bids and sellable(offer, bids, now) >= min(b.ceiling for b in bids)
    ]
    if not offers or not bids:
        return None, set()
    low, high = min(o.limit_price for o in offers), max(b.limit_price for b in bids)
    if low > high:
        return None, set()
    middle = naive_midpoint(offers, bids, now, low, high)
    candidates = {middle} | {
        order.limit_price for order in (*offers, *bids) if low <= order.limit_price <= high
    }
    outcomes = {price: naive_allocation(offers, bids, now, price) for price in candidates}
    ceilings = {bid.order: bid.ceiling for bid in bids}
    volume = {p: sum(ceilings[bid] for bid, _, _ in placed) for p, placed in outcomes.items()}
    price = max(candidates, key=lambda p: (volume[p], -abs(p - middle), -p))
    return (price, set(outcomes[price])) if volume[price] else (None, set())


def naive_allocation(offers: list[OfferEntry], bids: list[BidEntry], now: int, price: int) -> list[Placement]:
    placed: list[Placement] = []
    work: dict[bytes, list[tuple[int, int]]] = {offer.order: [] for offer in offers}
    for bid in sorted(bids, key=lambda b: (-b.limit_price, b.sequence, b.order)):
        if bid.limit_price < price:
            continue
        for run in run_indices(bid):
            for offer in sorted(offers, key=lambda o: (o.limit_price, o.sequence, o.order)):
                if offer.limit_price > price or offer.maker == bid.maker:
                    continue
                more = [*work[offer.order], (min(bid.deliver_by, offer.deliver_by), bid.ceiling)]
                if can_finish(offer, more, now):
                    work[offer.order] = more
                    placed.append((bid.order, run, offer.order))
                    break
    return placed


def can_finish(offer: OfferEntry, work: list[tuple[int, int]], now: int) -> bool:
    """Enough units, and earliest deadline first finishes all of `work` (deadline, units) after the
    backlog.
    """
    if sum(units for _, units in work) > offer.units:
        return False
    for deadline, _ in work:
        seconds = deadline - now - START_ALLOWANCE_SECONDS
        due = sum(units for other, units in work if other <= deadline)
        if seconds <= 0 or offer.backlog_units + due > offer.rate_mflops * seconds:
            return False
    return True


def naive_midpoint(offers: list[OfferEntry], bids: list[BidEntry], now: int, low: int, high: int) -> int:
    balanced = []
    for price in range(low, high + 1):
        demand_above = sum(b.units for b in bids if b.limit_price > price)
        demand_from = sum(b.units for b in bids if b.limit_price >= price)
        supply_to = sum(sellable(o, bids, now) for o in offers if o.limit_price <= price)
        supply_below = sum(sellable(o, bids, now) for o in offers if o.limit_price < price)
        if demand_above <= supply_to and supply_below <= demand_from:
            balanced.append(price)
    return (balanced[0] + balanced[-1]) // 2


def sellable(offer: OfferEntry, bids: list[BidEntry], now: int) -> int:
    """Units the offer could finish by the latest deadline, in whole multiples of what all ceilings have in
    common.
    """
    latest = min(offer.deliver_by, max(bid.deliver_by for bid in bids))
    units = min(
        offer.units,
        max(0, offer.rate_mflops * max(0, latest - now - START_ALLOWANCE_SECONDS) - offer.backlog_units),
    )
    common = next(
        d for d in range(min(b.ceiling for b in bids), 0, -1) if all(b.ceiling % d == 0 for b in bids)
    )
    return units - units % common


def run_indices(bid: BidEntry) -> list[int]:
    return [run for first, count in bid.runs for run in range(first, first + count)]
