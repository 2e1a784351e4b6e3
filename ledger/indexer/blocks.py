"""What happened on the chain: blocks and events, each stored once, none ever deleted.

`Indexer.step` compares our newest canonical block with the node's head. Near the head it reads block by block, logs
by block hash, so that a block and its events always belong together; far below it reads ranges whose size adapts. A
reorganisation flips `canonical` of the orphaned branch and reads the new one. A block at or below the final number
that left the chain halts settlement: nothing is flipped until an operator ran `rewind` (manage.py rewind_chain).

Invariant: among canonical rows, order by ChainEvent.position is chain order, and at most one Block per number.
Writers are serialised by the row lock on Cursor `indexed` and by compare-and-set on the hash in it.
Not handled here: what events mean (posting.py), events announced by several nodes that disagree.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction

from ledger import queries
from ledger.chain import Gateway, Header, Log, NodeRefused, NodeUnavailable
from ledger.models import Block, ChainEvent, Cursor, Halt, Reorg
from suan.core.contract import EVENTS, AbiError, decode_event

NEAR_BLOCKS = 64
STEP_BLOCKS_MAX = 256
RANGE_BLOCKS_MIN, RANGE_BLOCKS_MAX = 16, 4096
LOGS_WANTED = 1_000
"""Logs in one answer from which on the range grows no more; twice as many halve it, so that an answer fits in memory."""
NOTE_PAUSE = timedelta(seconds=1)
LAGGING_NODE_SECONDS = 3
"""A head below ours with the same history may be another, slower node behind one address; longer, it is a loss."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """What one step did. `halted`: a final block changed, now or before."""

    blocks: int = 0
    events: int = 0
    reorg_depth: int = 0
    halted: bool = False


class _Moved(Exception):
    """The chain or the cursor moved while we were reading; the next step starts afresh."""


class Indexer:
    """Follows one node. `contracts` are the addresses whose events are kept, `first_block` that of deployment."""

    def __init__(
        self, gateway: Gateway, *, contracts: list[str], first_block: int, confirmations: int
    ) -> None:
        self.gateway = gateway
        self._contracts = [address.lower() for address in contracts]
        self._first_block = first_block
        self._confirmations = confirmations
        self._range_blocks = RANGE_BLOCKS_MIN * 16
        self._behind_since: datetime | None = None
        self._noted: tuple[str, datetime] | None = None

    def step(self, *, now: datetime) -> Progress:
        """Bring the tables closer to the node's head. Raises NodeError when the node does not answer well."""
        if queries.is_halted():
            return Progress(halted=True)
        remote = self.gateway.header("latest")
        if remote is None:
            raise NodeUnavailable("the node has no latest block")
        self._note_node(remote, now)
        tip = _tip()
        if tip is None:
            return self._advance(None, self._first_block, remote, now, depth=0)
        if tip.hash == remote.hash:
            self._behind_since = None
            return Progress()
        ancestor = self.ancestor(tip, remote)
        if ancestor == tip:
            self._behind_since = None
            return self._advance(tip, tip.number + 1, remote, now, depth=0)
        if ancestor is not None and ancestor.number == remote.number and self._may_be_lagging(now):
            return Progress()
        self._behind_since = None
        lowest = ancestor.number if ancestor else self._first_block - 1
        if lowest < queries.final_number():
            _halt(lowest + 1, self.gateway, now)
            return Progress(halted=True)
        depth = _orphan(ancestor, tip, remote, now)
        return self._advance(ancestor, lowest + 1, remote, now, depth=depth)

    def ancestor(self, tip: Block, remote: Header) -> Block | None:
        """The newest canonical block of ours that the node has too; None if it shares no block with us."""
        rows = Block.objects.filter(canonical=True, number__lte=min(tip.number, remote.number))
        for block in rows.order_by("-number").iterator(chunk_size=200):
            header = self.gateway.header(block.number)
            if header is not None and header.hash == block.hash:
                return block
        return None

    def _note_node(self, remote: Header, now: datetime) -> None:
        """Write down that the node answered, once a second while it says the same."""
        if self._noted and self._noted[0] == remote.hash and now - self._noted[1] < NOTE_PAUSE:
            return
        fields = {"number": remote.number, "hash": remote.hash, "updated_at": now}
        if not Cursor.objects.filter(name="node").update(**fields):
            Cursor.objects.get_or_create(name="node", defaults=fields)
        self._noted = remote.hash, now

    def _may_be_lagging(self, now: datetime) -> bool:
        self._behind_since = self._behind_since or now
        return now - self._behind_since < timedelta(seconds=LAGGING_NODE_SECONDS)

    def _advance(
        self, previous: Block | None, start: int, remote: Header, now: datetime, *, depth: int
    ) -> Progress:
        blocks = events = 0
        try:
            if remote.number - start > NEAR_BLOCKS:
                blocks, events = self._read_range(previous, start, remote, now)
            else:
                for number in range(start, min(remote.number, start + STEP_BLOCKS_MAX - 1) + 1):
                    previous, count = self._read_block(previous, number, now)
                    blocks, events = blocks + 1, events + count
        except _Moved:
            pass
        return Progress(blocks=blocks, events=events, reorg_depth=depth)

    def _read_block(self, previous: Block | None, number: int, now: datetime) -> tuple[Block, int]:
        header = self.gateway.header(number)
        if header is None or (previous is not None and header.parent != previous.hash):
            raise _Moved
        logs = self.gateway.logs_of_block(header, self._contracts)
        with transaction.atomic():
            _expect_tip(previous)
            block = _store(header, logs, now)
            _move_cursors(block, self._confirmations, now)
        return block, len(logs)

    def _read_range(
        self, previous: Block | None, start: int, remote: Header, now: datetime
    ) -> tuple[int, int]:
        last = min(start + self._range_blocks - 1, remote.number - NEAR_BLOCKS)
        try:
            logs = self.gateway.logs_between(start, last, self._contracts)
        except (NodeUnavailable, NodeRefused):
            if self._range_blocks == RANGE_BLOCKS_MIN:
                raise
            self._range_blocks = max(self._range_blocks // 2, RANGE_BLOCKS_MIN)
            return 0, 0
        by_block: dict[str, list[Log]] = {}
        for entry in logs:
            by_block.setdefault(entry.block_hash, []).append(entry)
        boundary = self.gateway.header(last)
        headers = {block_hash: self.gateway.header_by_hash(block_hash) for block_hash in by_block}
        if boundary is None or any(header is None for header in headers.values()):
            raise _Moved
        headers[boundary.hash] = boundary
        with transaction.atomic():
            _expect_tip(previous)
            for header in sorted((h for h in headers.values() if h), key=lambda h: h.number):
                block = _store(header, by_block.get(header.hash, []), now)
            _move_cursors(block, self._confirmations, now)
        if len(logs) < LOGS_WANTED:
            self._range_blocks = min(self._range_blocks * 2, RANGE_BLOCKS_MAX)
        elif len(logs) > 2 * LOGS_WANTED:
            self._range_blocks = max(self._range_blocks // 2, RANGE_BLOCKS_MIN)
        return last - start + 1, len(logs)


def store_reorg(ancestor: Block | None, tip: Block, new_head: str, now: datetime) -> int:
    """Flip everything above `ancestor`; returns the depth. The caller holds the cursor's lock."""
    lowest = ancestor.number if ancestor else -1
    depth = Block.objects.filter(canonical=True, number__gt=lowest).update(canonical=False, orphaned_at=now)
    Reorg.objects.create(
        ancestor_number=lowest, depth=depth, old_head=tip.hash, new_head=new_head, seen_at=now
    )
    cursor = lock_cursor("indexed", now)
    cursor.number, cursor.hash, cursor.updated_at = lowest, ancestor.hash if ancestor else "", now
    cursor.save()
    return depth


def lock_cursor(name: str, now: datetime) -> Cursor:
    """The cursor's row, made if need be, locked until the transaction ends."""
    Cursor.objects.bulk_create([Cursor(name=name, updated_at=now)], ignore_conflicts=True)
    return Cursor.objects.select_for_update().get(name=name)


def _tip() -> Block | None:
    return Block.objects.filter(canonical=True).order_by("-number").first()


def _expect_tip(previous: Block | None) -> None:
    cursor = Cursor.objects.select_for_update().filter(name="indexed").first()
    expected = previous.hash if previous else ""
    if (cursor.hash if cursor else "") != expected or queries.is_halted():
        raise _Moved


def _orphan(ancestor: Block | None, tip: Block, remote: Header, now: datetime) -> int:
    with transaction.atomic():
        _expect_tip(tip)
        depth = store_reorg(ancestor, tip, remote.hash, now)
    log.warning("reorg: %d blocks above %s left the chain", depth, ancestor.number if ancestor else "genesis")
    return depth


def _store(header: Header, logs: list[Log], now: datetime) -> Block:
    block, made = Block.objects.get_or_create(
        hash=header.hash,
        defaults={
            "number": header.number,
            "parent": header.parent,
            "timestamp": header.timestamp,
            "seen_at": now,
        },
    )
    if not made:
        block.canonical, block.orphaned_at = True, None
        block.save(update_fields=["canonical", "orphaned_at"])
    known = {} if made else {event.log_index: event for event in block.events.all()}
    rows = []
    for entry, position in zip(logs, next_positions(len(logs)), strict=True):
        if entry.log_index in known:
            ChainEvent.objects.filter(pk=known[entry.log_index].pk).update(position=position)
            continue
        fields = decoded(entry)
        if fields is not None:
            rows.append(ChainEvent(id=position, position=position, block=block, **fields))
    ChainEvent.objects.bulk_create(rows)
    return block


def decoded(entry: Log) -> dict[str, object] | None:
    """The columns of ChainEvent that a log determines, or None if it is no event that we know."""
    try:
        name, args = decode_event(entry.topics, entry.data)
    except AbiError as error:
        log.error("log %s:%d of %s: %s", entry.tx_hash, entry.log_index, entry.address, error)
        return None
    indexed = next((parameter.name for parameter in EVENTS[name].parameters if parameter.indexed), None)
    return {
        "tx_hash": entry.tx_hash,
        "log_index": entry.log_index,
        "address": entry.address,
        "name": name,
        "subject": str(args[indexed]) if indexed else "",
        "args": args,
    }


def next_positions(count: int) -> list[int]:
    """Positions above all that were ever given."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence('ledger_chainevent', 'id')) FROM generate_series(1, %s)",
            [count],
        )
        return [row[0] for row in cursor.fetchall()]


def _move_cursors(block: Block, confirmations: int, now: datetime) -> None:
    cursor = lock_cursor("indexed", now)
    cursor.number, cursor.hash, cursor.updated_at = block.number, block.hash, now
    cursor.save()
    final = lock_cursor("final", now)
    if block.number - confirmations > final.number:
        newest = Block.objects.filter(canonical=True, number__lte=block.number - confirmations)
        final_block = newest.order_by("-number").first()
        final.number = block.number - confirmations
        final.hash = final_block.hash if final_block else ""
        final.updated_at = now
        final.save()


def _halt(number: int, gateway: Gateway, now: datetime) -> None:
    stored = Block.objects.filter(canonical=True, number=number).first()
    found = gateway.header(number)
    reason = (
        f"final block {number} changed from {stored.hash if stored else 'one that is not stored'} to "
        f"{found.hash if found else 'nothing'}; look at the node, then run: python manage.py rewind_chain"
    )
    _, made = Halt.objects.get_or_create(
        from_number=number, resolved_at=None, defaults={"reason": reason, "created_at": now}
    )
    if made:
        log.critical("SETTLEMENT HALTED: %s", reason)
