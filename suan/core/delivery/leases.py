"""Leases of runs: who may run what until when, and what becomes of runs that time has overtaken.

Invariants: a lease never outlives deliver by; an agent that is heard keeps what it holds; nobody counts as
silent while the exchange itself was not listening; a run is given up only when its trade's time has passed or
its agent, the only one that its offer names, is lost. All times are unix seconds, given by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from suan.core.contract import refund_after

__all__ = [
    "Decision",
    "LeaseRules",
    "OpenRun",
    "Step",
    "delivers_in_time",
    "is_lost",
    "last_heard",
    "lease_expiry",
    "may_lease",
    "refund_after",
    "sweep",
]


@dataclass(frozen=True, slots=True)
class LeaseRules:
    """lease_seconds: life of a lease after its agent was last heard. silence_seconds: then the agent is lost.

    A lost agent's runs fail at once, so that they trade again while there is time; a silence must therefore
    be longer than a lease.
    """

    lease_seconds: int
    silence_seconds: int

    def __post_init__(self) -> None:
        if not 0 < self.lease_seconds < self.silence_seconds:
            raise ValueError(
                f"a lease ({self.lease_seconds} s) must be shorter than the silence after which an agent "
                f"counts as lost ({self.silence_seconds} s)"
            )


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that is waiting or leased. lease_expires_at is None while it waits; heard_at: its agent's last call."""

    deliver_by: int
    heard_at: int
    lease_expires_at: int | None


class Step(Enum):
    """What time asks for."""

    KEEP = "keep"
    RENEW = "renew"
    """The agent was heard since: the lease is extended."""
    RELEASE = "release"
    """The lease ran out: the run waits again for its agent."""
    FAIL_LATE = "deadline"
    """Deliver by has passed: unpaid, returns to its bid."""
    FAIL_LOST = "lost"
    """The agent is silent for too long: unpaid, returns to its bid."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A step, with the new end of the lease when it is renewed and a sentence when the run fails."""

    step: Step
    expires_at: int | None = None
    reason: str = ""


def sweep(run: OpenRun, *, now: int, listening_since: int, rules: LeaseRules) -> Decision:
    """What becomes of an open run at `now`.

    listening_since: since when the exchange has been up without a gap.
    """
    if now > run.deliver_by:
        return Decision(Step.FAIL_LATE, reason=f"not delivered by {run.deliver_by}")
    if is_lost(run.heard_at, now=now, listening_since=listening_since, rules=rules):
        reason = f"the agent was silent for {rules.silence_seconds} s"
        return Decision(Step.FAIL_LOST, reason=reason)
    if run.lease_expires_at is None or run.lease_expires_at > now:
        return Decision(Step.KEEP)
    heard = last_heard(run.heard_at, listening_since)
    expires_at = lease_expiry(heard, deliver_by=run.deliver_by, rules=rules)
    if expires_at > now:
        return Decision(Step.RENEW, expires_at=expires_at)
    return Decision(Step.RELEASE)


def lease_expiry(heard_at: int, *, deliver_by: int, rules: LeaseRules) -> int:
    """When a lease ends whose agent was last heard at `heard_at`."""
    return min(heard_at + rules.lease_seconds, deliver_by)


def last_heard(heard_at: int, listening_since: int) -> int:
    """The latest moment until which an agent may have spoken: a deaf exchange proves no silence."""
    return max(heard_at, listening_since)


def is_lost(heard_at: int, *, now: int, listening_since: int, rules: LeaseRules) -> bool:
    """Whether an agent has been silent for the whole of silence_seconds."""
    return last_heard(heard_at, listening_since) + rules.silence_seconds <= now


def may_lease(deliver_by: int, *, now: int) -> bool:
    """Whether a run may still be handed out. A short rest is the agent's own risk: it may be fast enough."""
    return now < deliver_by


def delivers_in_time(received_at: int, deliver_by: int) -> bool:
    """Whether a receipt with its output counts as delivered; the second deliver_by itself still does."""
    return received_at <= deliver_by
