"""Blocks and events as stored, against the node."""

from collections.abc import Iterator

from ledger.models import Block, ChainEvent
from ledger.reconciliation.finding import ChainView, Finding
from suan.core.settlement import MONEY_EVENTS


def check_blocks(view: ChainView) -> Iterator[Finding]:
    """Headers of canonical blocks; without `deep`, of those with events and of the newest one."""
    rows = Block.objects.filter(canonical=True, number__lte=view.number).order_by("number")
    with_events = {event.block_hash for event in view.events}
    previous: Block | None = None
    for row in rows.iterator(chunk_size=500):
        view.checked["blocks"] = view.checked.get("blocks", 0) + 1
        if previous is not None and previous.number == row.number - 1 and row.parent != previous.hash:
            yield Finding("ledger_block", str(row.number), "parent", row.parent, previous.hash)
        previous = row
        if not (view.deep or row.hash in with_events or row.number == view.number):
            continue
        header = view.gateway.header(row.number)
        if header is None:
            yield Finding("ledger_block", str(row.number), "number", str(row.number), "no such block")
            continue
        for column in ("hash", "parent", "timestamp"):
            stored, expected = getattr(row, column), getattr(header, column)
            if stored != expected:
                yield Finding("ledger_block", str(row.number), column, str(stored), str(expected))


def check_events(view: ChainView) -> Iterator[Finding]:
    """Every log has its row and every canonical row its log, equal in every column."""
    rows = ChainEvent.objects.filter(block__canonical=True, block__number__lte=view.number).select_related(
        "block"
    )
    stored = {(row.block.hash, row.log_index): row for row in rows.iterator(chunk_size=500)}
    view.checked["events"] = len(stored)
    for event in view.events:
        name = f"{event.block_hash}:{event.log_index}"
        row = stored.pop((event.block_hash, event.log_index), None)
        if row is None:
            yield Finding("ledger_chainevent", name, "*", "no row", f"{event.name} in {event.tx_hash}")
            continue
        for column in ("tx_hash", "address", "name", "subject"):
            if getattr(row, column) != getattr(event, column):
                yield Finding(
                    "ledger_chainevent", name, column, str(getattr(row, column)), str(getattr(event, column))
                )
        for key in sorted({*row.args, *event.args}):
            if row.args.get(key) != event.args.get(key):
                yield Finding(
                    "ledger_chainevent", name, f"args.{key}", str(row.args.get(key)), str(event.args.get(key))
                )
        if row.name in MONEY_EVENTS and row.posted_at is None and row.block.number <= view.posted_number:
            yield Finding("ledger_chainevent", name, "posted_at", "None", "posted, as all before the cursor")
    for block_hash, index in stored:
        row = stored[block_hash, index]
        yield Finding(
            "ledger_chainevent", f"{block_hash}:{index}", "*", f"{row.name} in {row.tx_hash}", "no such log"
        )
