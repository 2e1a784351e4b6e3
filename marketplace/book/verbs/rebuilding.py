"""The derived columns of orders, made again from their execution reports and from the journal. Via `book.actions`.

Derived: status, cum and leaves quantity, free runs (from the reports, which never change), and what is held (from the
pending hold). Everything else of an order was signed or given, and is compared, never rebuilt.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import transaction

from ledger import journal
from ledger.errors import LedgerError
from marketplace.book.checks import STORY_COLUMNS, story_of
from marketplace.book.models import Order

CHUNK_ROWS = 500


class NoStory(LedgerError):
    """The execution reports of an order do not make sense; they are facts and come back from a backup only."""

    def __init__(self, *, order_id: str, story: dict[str, Any]) -> None:
        super().__init__(
            f"the execution reports of {order_id} are no story ({story}): restore them from a backup"
        )


def rebuild_orders(say: Callable[[str], object]) -> int:
    """Set what differs; returns how many orders did. Locks one order at a time. Raises NoStory."""
    changed = 0
    for number, key in enumerate(
        Order.objects.order_by("id").values_list("id", flat=True).iterator(CHUNK_ROWS), start=1
    ):
        changed += _rebuild(key)
        if number % CHUNK_ROWS == 0:
            say(f"orders: {number}")
    return changed


def _rebuild(key: int) -> int:
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=key)
        story = story_of(order)
        if not set(STORY_COLUMNS) <= set(story) or isinstance(story.get("free_runs"), str):
            raise NoStory(order_id=order.order_id, story=story)
        pending = journal.pending_hold(key=order.hold_key)
        wanted: dict[str, Any] = story | {"held": pending.amount if pending else 0}
        different = [name for name, value in wanted.items() if str(getattr(order, name)) != str(value)]
        for name in different:
            setattr(order, name, wanted[name])
        if different:
            order.save(update_fields=different)
    return bool(different)
