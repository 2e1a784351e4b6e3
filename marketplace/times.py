"""Unix seconds, which the rules and the chain use, and the datetimes that PostgreSQL and people use."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(seconds: int) -> datetime:
    """The UTC datetime of unix seconds."""
    return datetime.fromtimestamp(seconds, UTC)


def seconds(at: datetime) -> int:
    """Whole unix seconds of a datetime."""
    return int(at.timestamp())


def rfc3339(at: datetime | None) -> str | None:
    """`2026-11-20T12:00:00Z`, or None."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if at else None
