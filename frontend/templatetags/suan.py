"""Filters and tags of the pages: numbers with units, times, ids that can be copied, state chips."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from frontend import formats
from frontend.explorer import names
from frontend.pages import now as clock
from ledger import queries as ledger
from ledger.control import kill_switch
from ledger.errors import NotDeployed
from ledger.explorer import status as ledger_status
from marketplace.accounts import queries as accounts

register = template.Library()


@register.filter
def tokens(value: Any) -> SafeString | str:
    """An amount or price of the token without its unit; base units or decimal text."""
    text = formats.tokens_text(value)
    if text is None:
        return "–"
    return format_html(
        '<data class="num" value="{}" title="{} {}">{}</data>',
        text,
        text,
        formats.SYMBOL,
        formats.grouped(formats.short_decimal(text)),
    )


@register.filter
def hours(units: Any) -> SafeString | str:
    """Work units in GFLOPS·h, without the unit; the title has the work units."""
    text = formats.hours_text(units)
    if text is None:
        return "–"
    return format_html(
        '<data class="num" value="{}" title="{} work units">{}</data>',
        units,
        formats.grouped(str(units)),
        formats.grouped(text),
    )


@register.filter
def count(value: Any) -> SafeString | str:
    """A whole number in groups of three."""
    return (
        "–" if value is None else format_html('<span class="num">{}</span>', formats.grouped(str(int(value))))
    )


@register.filter
def rate(mflops: int) -> str:
    return formats.rate_text(int(mflops))


@register.filter
def span(seconds: Any) -> str:
    """Seconds as a length of time."""
    return formats.duration_text(max(int(seconds), 0))


@register.filter
def moment(seconds: Any) -> SafeString | str:
    """Unix seconds, a datetime or RFC 3339 text as UTC; scripts add the local time as a title."""
    if seconds is None or seconds == "":
        return "–"
    if isinstance(seconds, str):
        return format_html('<time datetime="{}">{}</time>', seconds, seconds[:19].replace("T", " ") + " UTC")
    at = seconds if hasattr(seconds, "isoformat") else formats.utc(int(seconds))
    return str(seconds) if at is None else names.stamp(at)


@register.filter
def chip(status: str) -> SafeString | str:
    """A state in the API's own word, with a glyph and a colour of its kind."""
    if not status:
        return "–"
    tone = formats.TONES.get(status, "done")
    return format_html(
        '<span class="chip chip-{}"><span aria-hidden="true">{}</span> {}</span>',
        tone,
        formats.GLYPHS[tone],
        status,
    )


@register.simple_tag
def ident(identity: str | None, href: str = "", full: bool = False) -> SafeString | str:
    """An id or hash that can be copied, shortened unless `full`, as a link if `href` is given."""
    if not identity:
        return "–"
    shown = identity if full else formats.short_id(identity)
    code = format_html('<code title="{}">{}</code>', identity, shown)
    if href:
        code = format_html('<a href="{}">{}</a>', href, code)
    return format_html(
        '<span class="ident{}">{}<button type="button" class="copy" data-copy="{}" hidden aria-label="{}">{}</button>'
        "</span>",
        " ident-full" if full else "",
        code,
        identity,
        _("Copy %(what)s") % {"what": shown},
        _("copy"),
    )


@register.simple_tag
def thing(kind: str, value: Any) -> SafeString | str:
    """A short link to the page of a transaction, block, party, batch, order, receipt, trade or auction."""
    return names.link(kind, value) if value is not None and value != "" else "–"


@register.filter
def money(base_units: Any) -> SafeString | str:
    """Base units, as a number or decimal text, in tokens with their unit."""
    return names.money(base_units) if base_units is not None and base_units != "" else "–"


@register.inclusion_tag("parts/session.html", takes_context=True)
def session_box(context: dict[str, Any]) -> dict[str, Any]:
    """Who is signed in, and what they may spend."""
    request = context.get("request")
    who = accounts.participant_of(getattr(request, "user", None)) if request else None
    free = ledger.balances(who.address).available if who else None
    return {"me": who, "available": free, "request": request, "csrf_token": context.get("csrf_token")}


@register.inclusion_tag("parts/notice.html")
def market_notice() -> dict[str, Any]:
    """What everybody must know before they press a button: the market stands still, or the chain is not heard."""
    try:
        halted, silent = ledger.is_halted(), ledger_status.is_silent(now=clock())
    except NotDeployed:
        return {"undeployed": True}
    return {"halted": halted, "silent": silent, "stopped": kill_switch.stopped()}
