"""Trades: the tape of all, one trade from order to payout, and the outputs that a buyer bought."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from frontend.pages import me as who_looks
from frontend.pages import now, page_number
from frontend.trades import timeline
from marketplace.book import queries as book
from marketplace.clearing import queries as clearing
from marketplace.delivery import queries as delivery
from marketplace.problems import NotFound
from marketplace.settlement import queries as settlement
from suan.core.delivery import ExitReason
from suan.core.lifecycle import Kind, is_end

TRADES_PER_PAGE = 25
PREVIEWS_MAX = 16
PREVIEW_BYTES_MAX = 2_048
PNG = b"\x89PNG\r\n\x1a\n"


@require_safe
def trades(request: HttpRequest) -> HttpResponse:
    who = who_looks(request)
    mine = request.GET.get("show") == "mine" and who is not None
    rows = delivery.trades(participant=who if mine else None)
    shown = Paginator(rows, TRADES_PER_PAGE).get_page(page_number(request))
    return render(request, "trades/trades.html", {"me": who, "shown": shown, "mine": mine})


@require_safe
def trade(request: HttpRequest, trade_id: str) -> HttpResponse:
    row = clearing.trade(trade_id)
    view = delivery.trade_view(row)
    who = who_looks(request)
    is_buyer = who is not None and who.address == row.buyer
    closing = settlement.settlement_of(row.pk)
    verdict = settlement.render(closing) if closing else None
    context = {
        "trade": view,
        "steps": timeline.steps(view, row.trade_hash, _receipts(row), verdict),
        "next_step": timeline.next_step(view),
        "ended": is_end(Kind.TRADE, view["status"]) and view["finality"] in ("final", "pending"),
        "is_buyer": is_buyer,
        "is_provider": who is not None and who.address == row.provider,
        "runs": _runs(view, is_buyer),
        "settlement": verdict,
        "disclosure": row.bid.terms["disclosure"],
        "terms": {"bid": row.bid.terms_hash, "offer": row.offer.terms_hash},
        "job": row.bid.terms,
    }
    return render(request, "trades/trade.html", context)


@require_safe
def output(request: HttpRequest, trade_id: str, run: int, *, me: Any) -> HttpResponse:
    """The output of one run, for the buyer of the trade."""
    row = clearing.trade(trade_id)
    found = [item for item in delivery.trade_view(row)["runs_detail"] if item["run"] == run]
    name = found[0]["output"] if found else None
    data = None
    if name and row.buyer == me.address and delivery.may_read_artifact(me, name, now=now()):
        data = book.read_artifact(name)
    if data is None:
        raise NotFound(
            _("There is no output of this run for you: outputs are read by the buyer, once delivered.")
        )
    ending = "png" if data.startswith(PNG) else "txt" if _text(data) is not None else "bin"
    response = HttpResponse(data, content_type="application/octet-stream")
    response["Content-Disposition"] = f'attachment; filename="run-{run}.{ending}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _receipts(row: Any) -> list[Any]:
    return [run.receipt for run in delivery.runs_of(row) if hasattr(run, "receipt")]


def _runs(view: dict[str, Any], is_buyer: bool) -> list[dict[str, Any]]:
    """Runs with their exit reason in words; for the buyer also the beginning of outputs that are text."""
    rows = []
    for place, run in enumerate(view["runs_detail"]):
        reason = run["exit_reason"]
        known = None if reason is None else ExitReason(reason)
        readable = bool(known is not None and known.delivers and view["status"] != "slashed")
        rows.append(
            {
                **run,
                "exit": known.name.lower() if known is not None else None,
                "has_output": readable and is_buyer and run["status"] in ("delivered", "verified"),
                "preview": _preview(run["output"])
                if readable and is_buyer and place < PREVIEWS_MAX
                else None,
            }
        )
    return rows


def _preview(name: str) -> str | None:
    found = book.artifact(name)
    if found is None or found.size_bytes > PREVIEW_BYTES_MAX:
        return None
    data = book.read_artifact(name)
    return None if data is None else _text(data)


def _text(data: bytes) -> str | None:
    """The bytes as text for people, or None."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    printable = all(letter.isprintable() or letter in "\n\r\t" for letter in text)
    return text if printable and text.strip() else None
