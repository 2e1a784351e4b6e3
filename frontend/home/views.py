"""The first page: what Suan is, what can be traded today, and how to begin."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from frontend.markets import board
from frontend.pages import now
from ledger import queries as ledger
from ledger.explorer import status as ledger_status
from marketplace.delivery import queries as delivery

TRADES_SHOWN = 6


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    context = {
        "lines": board.lines(now=now()),
        "trades": delivery.trades()[:TRADES_SHOWN],
        "head": ledger.head(),
        "chain": ledger.deployment(),
        "audit": ledger_status.audit_summary(),
    }
    return render(request, "home/home.html", context)
