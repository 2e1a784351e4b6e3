"""How the pages write numbers, times and names. Exact values stay in `title` and `data-` attributes; nothing is rounded
without saying so.
"""

from __future__ import annotations

from datetime import UTC, datetime

from suan.core.units import format_gflops_hours, format_tokens

SYMBOL = "TSUAN"
DECIMALS_SHOWN = 6
SIGNIFICANT_DIGITS_SHOWN = 4
ID_HEAD, ID_TAIL = 10, 6

# Word, then how it looks: `wait` not begun, `live` in work, `good` and `bad` ends, `done` an end without a judgement.
TONES = {
    "new": "live",
    "partially_filled": "live",
    "filled": "good",
    "canceled": "done",
    "expired": "done",
    "rejected": "bad",
    "matched": "wait",
    "locking": "wait",
    "locked": "live",
    "delivered": "live",
    "verified": "good",
    "closing": "live",
    "settled": "good",
    "refunded": "done",
    "slashed": "bad",
    "waiting": "wait",
    "leased": "live",
    "failed": "bad",
    "submitted": "live",
    "accepted": "good",
    "undecided": "bad",
    "planned": "wait",
    "signed": "wait",
    "sent": "live",
    "included": "live",
    "safe": "live",
    "final": "good",
    "orphaned": "bad",
    "pending": "wait",
}
GLYPHS = {"wait": "○", "live": "◐", "good": "●", "bad": "✕", "done": "–"}


def short_decimal(text: str) -> str:
    """A decimal text cut (never rounded) for the eye; an ellipsis says that there is more."""
    whole, _, fraction = text.partition(".")
    if len(fraction) <= DECIMALS_SHOWN:
        return text
    zeros = len(fraction) - len(fraction.lstrip("0"))
    keep = DECIMALS_SHOWN if whole.strip("-0") else max(DECIMALS_SHOWN, zeros + SIGNIFICANT_DIGITS_SHOWN)
    if len(fraction) <= keep:
        return text
    return f"{whole}.{fraction[:keep]}…"


def grouped(text: str) -> str:
    """Thin groups of three in the whole part: 1234567.5 -> 1,234,567.5."""
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    whole, point, fraction = digits.partition(".")
    return f"{sign}{int(whole):,}{point}{fraction}" if whole.isdigit() else text


def tokens_text(value: int | str | None) -> str | None:
    """The exact decimal text of base units, or the text itself."""
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else format_tokens(value)


def hours_text(units: int | str | None) -> str | None:
    """GFLOPS·h of work units."""
    return None if units is None or units == "" else format_gflops_hours(int(units))


def utc(seconds: int) -> datetime | None:
    """The moment of unix seconds; None outside what a calendar can show."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def short_id(identity: str) -> str:
    """`ord_0x1234…cdef`: enough to recognise, never enough to act on."""
    prefix, mark, rest = identity.partition("0x")
    if not mark or len(rest) <= ID_HEAD + ID_TAIL:
        return identity
    return f"{prefix}0x{rest[: ID_HEAD - 4]}…{rest[-ID_TAIL + 2 :]}"


def rate_text(mflops: int) -> str:
    """A rate for the eye: 812 MFLOPS, 1.25 GFLOPS."""
    if mflops < 1_000:
        return f"{mflops} MFLOPS"
    whole, rest = divmod(mflops, 1_000)
    fraction = f"{rest:03d}".rstrip("0")
    return f"{whole}.{fraction} GFLOPS" if fraction else f"{whole} GFLOPS"


def duration_text(seconds: int) -> str:
    """1 d, 2 h 30 min, 45 s: at most two parts."""
    parts = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
