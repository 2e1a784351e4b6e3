"""What everybody may ask the ledger. Reads only; nothing here asks the node.

Confirmations count the blocks on top: 0 included, 1 safe, N (deployment) final. `final` never goes back: it is the
highest number that was ever final, and a reorganisation below it halts settlement.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from ledger import conf
from ledger.errors import NotDeployed
from ledger.models import Account, Block, ChainEvent, Cursor, Difference, Halt, OutgoingTx
from suan.core.contract import KeySet
from suan.core.evidence import ROOT_EVENTS

EVENTS_MAX = 1000


@dataclass(frozen=True)
class VerifierSet:
    id: str
    members: tuple[str, ...]
    threshold: int
    payout_cap: int

    @property
    def key_set(self) -> KeySet:
        """The set as a call of the Market carries it."""
        return KeySet(self.members, self.threshold, self.payout_cap)


@dataclass(frozen=True)
class Deployment:
    """The deployment file. Addresses in lower case; prices in base units; grace and delay in seconds."""

    chain_id: int
    block: int
    market: str
    registry: str
    evidence_log: str
    token: str
    operator: str
    relayer: str
    verifier_set: VerifierSet
    arbiter_set: VerifierSet
    treasury: str
    pool: str
    rerun_account: str
    admin: str
    acknowledger: str
    fee_bps: int
    bond_bps: int
    bond_floor_price: int
    verification_grace: int
    withdrawal_delay: int
    match_window: int
    dispute_window: int
    dispute_bond: int
    confirmations: int
    profile: str
    raw: dict[str, Any]

    @property
    def contracts(self) -> tuple[str, ...]:
        """The contracts whose events are facts here."""
        return self.market, self.registry, self.evidence_log


@dataclass(frozen=True)
class Head:
    """What the indexer knows: newest canonical block and the highest final number (-1: none yet)."""

    number: int
    hash: str
    timestamp: int
    final_number: int


@dataclass(frozen=True)
class Balances:
    """Base units. `available` is what a new order may take (posted minus held); negative if over-committed."""

    available: int
    held: int
    locked: int
    exiting: int

    @property
    def posted(self) -> int:
        """What the contract calls available: free and held together."""
        return self.available + self.held


@dataclass(frozen=True)
class Delegate:
    key: str
    side: int
    spend_cap: int
    worst_price: int
    valid_until: int


@dataclass(frozen=True)
class Agent:
    owner: str
    key: str
    valid_until: int


def deployment() -> Deployment:
    """The deployment file, read again only when it changed. Raises NotDeployed."""
    path = conf.deployment_path()
    try:
        stamp = path.stat()
    except FileNotFoundError:
        raise NotDeployed(path=str(path)) from None
    return _read_deployment(path, stamp.st_mtime_ns, stamp.st_ino)


def head() -> Head | None:
    """The newest canonical block that was indexed, or None before the first one."""
    block = Block.objects.filter(canonical=True).order_by("-number").first()
    if block is None:
        return None
    return Head(block.number, block.hash, block.timestamp, final_number())


def final_number() -> int:
    """The highest block number that was ever final; -1 before there is one."""
    row = Cursor.objects.filter(name="final").first()
    return row.number if row else -1


def events(
    *, name: str, after_id: int = 0, confirmations: int = 0, limit: int = EVENTS_MAX
) -> list[ChainEvent]:
    """Canonical events called `name` with position above `after_id` and so many blocks on top, in chain order.

    Keep `event.position` of the last one handled as the next `after_id`. An event of a block that left the chain and
    came back is given again, so a reader must be idempotent. With `confirmations` of the deployment (or more) only
    events at or below the final number are given. The rows come with their block; `args` have snake_case names
    (suan.core.contract.abi.decode_event).
    """
    rows = ChainEvent.objects.filter(
        name=name, position__gt=after_id, block__canonical=True, **_deep(confirmations)
    )
    return list(rows.select_related("block").order_by("position")[:limit])


def events_of(*, name: str, subject: str, confirmations: int = 0) -> list[ChainEvent]:
    """Canonical events called `name` whose first indexed argument is `subject` (hex), in chain order."""
    rows = ChainEvent.objects.filter(
        name=name, subject=subject.lower(), block__canonical=True, **_deep(confirmations)
    )
    return list(rows.select_related("block").order_by("position"))


def was_told(*names: str, of: str) -> Exists:
    """A condition for other tables: a canonical event with one of these names is about what stands in their column `of`."""
    return Exists(ChainEvent.objects.filter(name__in=names, subject=OuterRef(of), block__canonical=True))


def times_told(name: str, *, of: str) -> Coalesce:
    """How many canonical events called `name` are about what stands in another table's column `of`."""
    rows = ChainEvent.objects.filter(name=name, subject=OuterRef(of), block__canonical=True)
    counted = rows.order_by().values("subject").annotate(times=Count("pk")).values("times")
    return Coalesce(Subquery(counted), 0)


def orphaned_subjects(*, name: str, since: datetime) -> list[str]:
    """First arguments of events called `name` that left the chain after `since` and have not come back."""
    gone = ChainEvent.objects.filter(name=name, block__canonical=False, block__orphaned_at__gte=since)
    back = ChainEvent.objects.filter(name=name, subject=OuterRef("subject"), block__canonical=True)
    return list(gone.filter(~Exists(back)).values_list("subject", flat=True).distinct())


def orphaned_blocks(*, since: datetime) -> QuerySet[Block, str]:
    """Hashes of blocks that left the chain after `since`, to be looked for in other tables."""
    return Block.objects.filter(canonical=False, orphaned_at__gte=since).values_list("hash", flat=True)


def last_events(*, name: str, subjects: Iterable[str]) -> dict[str, ChainEvent]:
    """The newest canonical event called `name` of each of these subjects that has one, with its block; one query."""
    rows = ChainEvent.objects.filter(name=name, subject__in=list(subjects), block__canonical=True)
    return {event.subject: event for event in rows.select_related("block").order_by("position")}


def root_event(*, batch: str, root: str) -> ChainEvent | None:
    """The canonical event by which the Market logged a receipts root for a lock batch (both hex), with its block."""
    rows = ChainEvent.objects.filter(
        name__in=ROOT_EVENTS, subject=batch, args__receipts_root=root, block__canonical=True
    )
    return rows.select_related("block").order_by("-position").first()


def outgoing(key: str) -> OutgoingTx | None:
    """The outgoing transaction planned under this key, with its block, or None."""
    return OutgoingTx.objects.select_related("block").filter(key=key).first()


def balances(address: str) -> Balances:
    """What the books say of an address: final facts, minus what is held now. All zero for an unknown address."""
    rows = {row.kind: row for row in Account.objects.filter(address=address.lower())}
    available = rows.get(Account.Kind.AVAILABLE)
    locked = rows.get(Account.Kind.LOCKED)
    exiting = rows.get(Account.Kind.EXITING)
    return Balances(
        available=available.free if available else 0,
        held=available.debits_pending if available else 0,
        locked=locked.posted if locked else 0,
        exiting=exiting.posted if exiting else 0,
    )


def exiting_addresses() -> list[str]:
    """Addresses whose money is on its way out (final facts), in order."""
    rows = Account.objects.filter(kind=Account.Kind.EXITING, credits_posted__gt=F("debits_posted"))
    return list(rows.order_by("address").values_list("address", flat=True))


def overcommitted_addresses() -> list[str]:
    """Addresses whose holds exceed what they have: money that left by the chain while orders counted on it."""
    free = F("credits_posted") - F("debits_posted") - F("debits_pending")
    rows = Account.objects.filter(kind=Account.Kind.AVAILABLE, debits_pending__gt=0)
    rows = rows.alias(free=free).filter(free__lt=0)
    return list(rows.order_by("address").values_list("address", flat=True))


def finality(subject: str | Block | None) -> str:
    """`pending`, `included`, `safe`, `final` or `orphaned` for a transaction hash, a block hash or a Block row.

    A hash is known when it is of a block, of an event's transaction or of an outgoing transaction; otherwise pending.
    """
    block = subject if isinstance(subject, Block) else _block_of(subject) if subject else None
    return finality_at(block, head())


def finality_at(block: Block | None, newest: Head | None) -> str:
    """As finality, against a head that was read before (for lists)."""
    if block is None or newest is None:
        return "pending"
    if not block.canonical:
        return "orphaned"
    if block.number <= newest.final_number:
        return "final"
    return "safe" if newest.number - block.number >= 1 else "included"


def is_halted() -> bool:
    """True while settlement stands still because a final block changed."""
    return Halt.objects.filter(resolved_at=None).exists()


def halts() -> QuerySet[Halt]:
    """Open halts, oldest first."""
    return Halt.objects.filter(resolved_at=None).order_by("id")


def delegates(maker: str, *, confirmations: int = 0) -> list[Delegate]:
    """The delegate keys of a maker as last set on chain, expired and revoked ones included."""
    latest: dict[str, Delegate] = {}
    for event in events_of(name="DelegateSet", subject=maker, confirmations=confirmations):
        args = event.args
        latest[args["key"].lower()] = Delegate(
            key=args["key"].lower(),
            side=int(args["side"]),
            spend_cap=int(args["spend_cap"]),
            worst_price=int(args["worst_price"]),
            valid_until=int(args["valid_until"]),
        )
    return list(latest.values())


def agents(owner: str, *, confirmations: int = 0) -> list[Agent]:
    """The agent keys of an owner as last set on chain, expired ones (valid_until 1: revoked) included."""
    latest: dict[str, Agent] = {}
    for event in events_of(name="AgentSet", subject=owner, confirmations=confirmations):
        key = event.args["key"].lower()
        latest[key] = Agent(owner=owner.lower(), key=key, valid_until=int(event.args["valid_until"]))
    return list(latest.values())


def differences() -> QuerySet[Difference]:
    """What reconciliation found and did not see mended yet, oldest first."""
    return Difference.objects.filter(resolved_at=None).order_by("id")


def _deep(confirmations: int) -> dict[str, int]:
    """The condition on the block of an event with so many blocks on top; with none, every canonical block will do."""
    return {"block__number__lte": _ceiling(confirmations)} if confirmations > 0 else {}


def _ceiling(confirmations: int) -> int:
    """The highest block number that has so many blocks on top; -1 if there is none."""
    newest = head()
    if newest is None:
        return -1
    if confirmations >= deployment().confirmations:
        return min(newest.final_number, newest.number)
    return newest.number - max(confirmations, 0)


def _block_of(hash_: str) -> Block | None:
    hash_ = hash_.lower()
    block = Block.objects.filter(hash=hash_).first()
    if block is not None:
        return block
    events_ = ChainEvent.objects.filter(tx_hash=hash_).select_related("block")
    event = events_.filter(block__canonical=True).first() or events_.order_by("-id").first()
    if event is not None:
        return event.block
    row = OutgoingTx.objects.filter(tx_hash=hash_).select_related("block").first()
    return row.block if row else None


@lru_cache(maxsize=4)
def _read_deployment(path: Path, _mtime: int, _inode: int) -> Deployment:
    raw = json.loads(path.read_text())
    addresses = (
        "market", "registry", "evidence_log", "token", "operator", "relayer", "treasury", "pool", "rerun_account", "admin",
        "acknowledger",
    )  # fmt: skip
    numbers = (
        "chain_id", "block", "fee_bps", "bond_bps", "bond_floor_price", "verification_grace", "withdrawal_delay",
        "match_window", "confirmations", "dispute_window", "dispute_bond",
    )  # fmt: skip
    return Deployment(
        **{name: str(raw[name]).lower() for name in addresses},
        **{name: int(raw[name]) for name in numbers},
        verifier_set=_key_set(raw["verifier_set"]),
        arbiter_set=_key_set(raw["arbiter_set"]),
        profile=str(raw["profile"]),
        raw=raw,
    )


def _key_set(raw: dict[str, Any]) -> VerifierSet:
    return VerifierSet(
        id=raw["id"].lower(),
        members=tuple(member.lower() for member in raw["members"]),
        threshold=int(raw["threshold"]),
        payout_cap=int(raw["payout_cap"]),
    )
