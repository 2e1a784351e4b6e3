"""Verbs of delivery: open runs of locked trades, lease them to the agents that sold them, and end what never came.

Locks: runs by id, with SKIP LOCKED where any run will do. Times are unix seconds, given by the caller.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, Q, QuerySet

from marketplace.accounts.models import Node, Participant
from marketplace.clearing import actions as clearing
from marketplace.clearing.models import DELIVERED, LOCKED, Trade
from marketplace.delivery.models import Lease, Run, SweepClock
from marketplace.problems import NotFound
from marketplace.times import seconds
from suan.core.delivery import LeaseRules, OpenRun, Step, is_lost, lease_expiry, sweep
from suan.core.encoding import from_hex, to_hex
from suan.core.ids import run_seed
from suan.core.lifecycle import advance

TRADES_PER_SWEEP_MAX = 200
RUNS_PER_SWEEP_MAX = 1_000
OPEN_STATUSES = ("waiting", "leased")
CONCLUDED_STATUSES = ("verified", "failed")
SWEEP = "leases"


def open_jobs(*, now: int) -> int:
    """Make the runs of trades that are locked with one block on top; returns how many trades were opened.

    Idempotent: (trade, run index) is unique, so a sweep that is repeated or runs twice at once makes nothing new.
    """
    trades = Trade.objects.filter(status=LOCKED, job_runs__isnull=True).select_related("offer").order_by("id")
    opened = list(trades[:TRADES_PER_SWEEP_MAX])
    for trade in opened:
        bid = from_hex(trade.bid_hash)
        Run.objects.bulk_create(
            [
                Run(
                    trade=trade,
                    index=index,
                    bid_hash=trade.bid_hash,
                    seed=to_hex(run_seed(bid, index)),
                    agent=trade.offer.terms["agent"],
                    opened_at=now,
                )
                for index in range(trade.first_run, trade.first_run + trade.runs)
            ],
            ignore_conflicts=True,
        )
    return len(opened)


def lease_runs(
    *, participant: Participant, agent: str, most: int, now: int, rules: LeaseRules
) -> list[Lease]:
    """Give an agent up to `most` runs to execute, those first that it holds already.

    Only runs of trades that this participant sold and whose offer names this agent. An agent that was killed asks again
    and gets its own leases back, renewed; runs that it delivered never come back. Locks the runs that it takes and
    passes over those that somebody else is deciding about. Raises NotFound for an agent that is no node of the caller.
    """
    if not Node.objects.filter(participant=participant, agent=agent).exists():
        raise NotFound("You have no node with this agent key; register it first with POST /nodes.")
    if not Run.objects.filter(agent=agent, status__in=OPEN_STATUSES).exists():
        return []  # What an idle agent hears each second should cost little.
    with transaction.atomic():
        held = list(_open_leases(agent).filter(run__trade__deliver_by__gt=now).order_by("id")[:most])
        for lease in held:
            lease.expires_at = lease_expiry(now, deliver_by=lease.run.trade.deliver_by, rules=rules)
            lease.save(update_fields=["expires_at"])
        fresh = _take(participant, agent, most - len(held), now, rules)
    return held + fresh


def deliver_run(*, run: Run, now: int) -> None:
    """A receipt with its output came in: the run waits for its verdict. The caller holds the lock of the run."""
    _move(run, "delivered")
    _release(run, "delivered", now)


def conclude_run(*, run: Run, verified: bool, reason: str, now: int) -> None:
    """The verdict on a delivered run, or its failure. The caller holds the lock of the run."""
    _move(run, "verified" if verified else "failed", reason=reason, concluded_at=now)


def mark_delivered(*, now: int) -> int:
    """Advance locked trades of which no run is open any more: nothing more will be delivered. Returns how many."""
    open_runs = Run.objects.filter(trade=OuterRef("pk"), status__in=OPEN_STATUSES)
    done = Trade.objects.filter(status=LOCKED, job_runs__isnull=False).exclude(Exists(open_runs)).distinct()
    keys = list(done.order_by("id").values_list("pk", flat=True)[:TRADES_PER_SWEEP_MAX])
    if keys:
        clearing.advance_trades(trades=keys, to=DELIVERED, now=now)
    return len(keys)


def expire_leases(*, now: int, rules: LeaseRules) -> dict[str, int]:
    """Renew, release and fail: what time does to runs that were not delivered (suan.core.delivery.leases).

    Each run is decided in a short transaction of its own under its lock; one that is being delivered is passed over.
    Returns how often each step was taken.
    """
    listening_since = _listening_since(now, rules)
    heard = _heard()
    counts: dict[str, int] = {}
    for key in _candidates(now, rules, heard, listening_since):
        step = _sweep_run(key, now, rules, heard, listening_since)
        counts[step] = counts.get(step, 0) + 1
    return counts


def _take(participant: Participant, agent: str, most: int, now: int, rules: LeaseRules) -> list[Lease]:
    if most <= 0:
        return []
    waiting = (
        Run.objects.filter(
            agent=agent,
            status="waiting",
            trade__status=LOCKED,
            trade__deliver_by__gt=now,
            trade__provider=participant.address,
        )
        .select_related("trade__bid")
        .select_for_update(skip_locked=True, of=("self",))
        .order_by("trade__deliver_by", "id")
    )
    leases = []
    for run in waiting[:most]:
        run.attempts += 1
        run.save(update_fields=["attempts"])
        _move(run, "leased")
        leases.append(
            Lease.objects.create(
                run=run,
                attempt=run.attempts,
                agent=agent,
                granted_at=now,
                expires_at=lease_expiry(now, deliver_by=run.trade.deliver_by, rules=rules),
            )
        )
    return leases


def _open_leases(agent: str) -> QuerySet[Lease]:
    return Lease.objects.filter(agent=agent, released_at=None, run__status="leased").select_related(
        "run__trade__bid"
    )


def _candidates(now: int, rules: LeaseRules, heard: dict[str, int], listening_since: int) -> list[int]:
    """Runs that the rules may have something to say about; all other open runs are kept as they are."""
    lost = [
        agent
        for agent, at in heard.items()
        if is_lost(at, now=now, listening_since=listening_since, rules=rules)
    ]
    due = (
        Q(trade__deliver_by__lt=now)
        | Q(agent__in=lost)
        | Q(leases__released_at=None, leases__expires_at__lte=now, status="leased")
    )
    runs = Run.objects.filter(due, status__in=OPEN_STATUSES).order_by("id").distinct()
    return list(runs.values_list("pk", flat=True)[:RUNS_PER_SWEEP_MAX])


def _sweep_run(key: int, now: int, rules: LeaseRules, heard: dict[str, int], listening_since: int) -> str:
    with transaction.atomic():
        runs = Run.objects.select_for_update(skip_locked=True, of=("self",)).select_related("trade")
        run = runs.filter(pk=key, status__in=OPEN_STATUSES).first()
        if run is None:
            return "passed"
        lease = run.leases.filter(released_at=None).first()
        facts = OpenRun(run.trade.deliver_by, heard.get(run.agent, 0), lease.expires_at if lease else None)
        decision = sweep(facts, now=now, listening_since=listening_since, rules=rules)
        if decision.step is Step.RENEW and lease is not None:
            lease.expires_at = decision.expires_at
            lease.save(update_fields=["expires_at"])
        elif decision.step is Step.RELEASE:
            _release(run, "expired", now)
            _move(run, "waiting")
        elif decision.step in (Step.FAIL_LATE, Step.FAIL_LOST):
            _release(run, decision.step.value, now)
            conclude_run(run=run, verified=False, reason=decision.reason, now=now)
    return decision.step.value


def _heard() -> dict[str, int]:
    """When each agent with open runs was last heard; 0 for one without a node."""
    agents = set(Run.objects.filter(status__in=OPEN_STATUSES).values_list("agent", flat=True).distinct())
    rows = Node.objects.filter(agent__in=agents).values("agent").annotate(seen=Max("last_seen"))
    return dict.fromkeys(agents, 0) | {row["agent"]: seconds(row["seen"]) for row in rows}


def _listening_since(now: int, rules: LeaseRules) -> int:
    """Since when this sweep has run without a gap: an exchange that was down heard nobody."""
    with transaction.atomic():
        clock, made = SweepClock.objects.select_for_update().get_or_create(
            name=SWEEP, defaults={"last_at": now, "resumed_at": now}
        )
        if not made:
            if now - clock.last_at > rules.lease_seconds // 2:
                clock.resumed_at = now
            clock.last_at = max(clock.last_at, now)
            clock.save(update_fields=["last_at", "resumed_at"])
    return clock.resumed_at


def _move(run: Run, to: str, *, reason: str = "", concluded_at: int | None = None) -> None:
    run.status, run.reason, run.concluded_at = advance("run", run.status, to), reason[:200], concluded_at
    run.save(update_fields=["status", "reason", "concluded_at"])


def _release(run: Run, reason: str, now: int) -> None:
    Lease.objects.filter(run=run, released_at=None).update(released_at=now, reason=reason)
