"""Where each thing has its page, and how its value is written: the one place that turns an id or an amount into HTML."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from frontend import formats
from suan.core.encoding import from_hex
from suan.core.ids import bat_id, clr_id, ord_id, rcp_id, trd_id
from suan.core.orders import product_by_id
from suan.core.problems import FieldError

PAGES = {
    "tx": "explorer-transaction",
    "block": "explorer-block",
    "party": "explorer-party",
    "batch": "explorer-batch",
    "order": "explorer-order",
    "receipt": "explorer-receipt",
    "trade": "trade",
    "clearing": "auction",
}
PREFIXES = {"trade": trd_id, "order": ord_id, "batch": bat_id, "clearing": clr_id, "receipt": rcp_id}
# Name of an argument or column -> what it is. A new contract argument needs a line here to become a link or an amount.
KINDS = {
    "tx": ("tx_hash", "transaction", "close_tx_hash"),
    "block": ("block_number", "close_block_number", "first_block_number", "last_block_number"),
    "party": (
        "account", "from", "maker", "operator", "provider", "buyer", "owner", "key", "sender", "to", "contract", "agent",
        "address", "members", "spender", "challenger", "publisher", "arbiter", "caller", "payer", "payee",
        "opponent", "market", "identity", "delegate", "controller",
    ),
    "trade": ("trade", "trade_id", "trades"),
    "order": ("offer", "bid", "order", "offer_id", "bid_id"),
    "batch": ("batch_id", "batch"),
    "clearing": ("clearing_id",),
    "receipt": ("receipt", "receipt_id"),
    "money": (
        "amount", "payment", "bond", "paid", "fee", "slashed", "price", "spend_cap", "worst_price", "available", "locked",
        "exiting", "value", "forfeited", "reward", "released", "payout_cap", "cumulative",
    ),
    "time": (
        "timestamp", "deliver_by", "valid_until", "deadline", "ready_at", "until", "started_at", "ended_at",
        "settle_after", "valid_to", "reveal_by", "rule_by", "expires_at",
    ),
    "product": ("product",),
}  # fmt: skip
WORDS = ("delegate_type", "kind", "name")
"""Arguments that are text in 32 bytes."""
KIND_OF = {name: kind for kind, names in KINDS.items() for name in names}


def href(kind: str, value: Any) -> str:
    """The page of a thing; kind as in PAGES."""
    return reverse(PAGES[kind], args=[identity(kind, value)])


def identity(kind: str, value: Any) -> str:
    """The id with its prefix, from that or from the bare hash; other kinds as they are."""
    text = str(value)
    return PREFIXES[kind](from_hex(text)) if kind in PREFIXES and text.startswith("0x") else text


def link(kind: str, value: Any) -> SafeString:
    """A short link to the page of a thing, whole id in the title."""
    text = identity(kind, value)
    shown = formats.grouped(text) if kind == "block" else formats.short_id(text)
    return format_html('<a href="{}"><code title="{}">{}</code></a>', href(kind, value), text, shown)


def money(value: Any) -> SafeString:
    """Base units as tokens with their unit."""
    text = formats.tokens_text(int(value)) or "0"
    shown = formats.grouped(formats.short_decimal(text))
    return format_html(
        '<data class="num" value="{}" title="{} {}">{}</data>\N{NO-BREAK SPACE}{}', text, text, formats.SYMBOL, shown,
        formats.SYMBOL,
    )  # fmt: skip


def time(value: Any) -> SafeString | str:
    """Unix seconds as UTC; 0 and numbers outside the calendar as they are."""
    at = formats.utc(int(value)) if int(value) else None
    return str(value) if at is None else stamp(at)


def stamp(at: datetime) -> SafeString:
    """A moment in UTC; scripts add the local time as a title."""
    return format_html(
        '<time datetime="{}">{}</time>',
        at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        at.strftime("%Y-%m-%d %H:%M:%S UTC"),
    )


def product(value: Any) -> SafeString | str:
    """The symbol of a product id; the id itself for one that is not traded here."""
    try:
        return product_by_id(from_hex(str(value))).symbol
    except ValueError:
        return formats.short_id(str(value))


def word(value: str) -> str:
    """Text that a contract keeps in 32 bytes, zeros at its end; the hex itself where it is no such text."""
    try:
        text = from_hex(value, length=32).rstrip(b"\0").decode("ascii")
    except (FieldError, UnicodeDecodeError):
        return formats.short_id(value)
    return text if text and text.isprintable() else formats.short_id(value)


def shown(name: str, value: Any) -> Any:
    """A decoded argument for the eye: links, amounts and times by the name of the argument, else the plain value."""
    kind = KIND_OF.get(name)
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "true" if value else "false"
    if name in WORDS and isinstance(value, str):
        return word(value)
    if kind is None or isinstance(value, dict | list):
        return formats.short_id(value) if isinstance(value, str) else value
    if isinstance(value, str) and value.startswith("0x") and kind in ("money", "time"):
        return formats.short_id(value)  # Another contract's argument of the same name: bytes, not a number.
    plain = {"money": money, "time": time, "product": product}.get(kind)
    if plain is not None:
        return plain(value)
    # A number under such a name is a place in a list of the same call, not an id.
    return link(kind, value) if kind == "block" or isinstance(value, str) else value
