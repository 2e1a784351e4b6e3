"""Status: is the market well, how far is the chain, what waits, and what to do about it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from frontend.pages import now
from ledger import queries as ledger
from ledger.explorer import status as ledger_status
from marketplace.clearing import queries as clearing
from marketplace.delivery import queries as delivery
from marketplace.receipts import queries as receipts
from marketplace.settlement import queries as settlement

PARKED_SHOWN = 20


@require_safe
def status(request: HttpRequest) -> HttpResponse:
    state = ledger_status.status(now=timezone.now())
    backlog = receipts.backlog()
    context = {
        "state": state,
        "summary": ledger_status.audit_summary(),
        "chain": ledger.deployment(),
        "runs": delivery.counts(),
        "backlog": backlog,
        "parked": list(receipts.parked()[:PARKED_SHOWN]),
        "failed": settlement.failed()[:PARKED_SHOWN],
        "unsigned": settlement.short_of_signatures(now=now())[:PARKED_SHOWN],
        "batches": clearing.open_lock_batches()[:PARKED_SHOWN],
        "hints": _hints(state, backlog),
        "now": now(),
        "pace": {"reconcile": settings.RECONCILE_SECONDS, "block": settings.BLOCK_SECONDS},
    }
    return render(request, "status/status.html", context)


def _hints(state: dict[str, Any], backlog: int) -> list[tuple[str, str]]:
    """(process, what it seems to need) for what stands still, by the traces that processes leave."""
    hints = []
    if state["halted"]:
        hints.append(
            ("manage.py rewind_chain", _("A final block changed. An operator must look, then rewind."))
        )
    if state["indexer_silent"]:
        hints.append(("indexer", _("It has not heard the node lately: look at its log, and at the node.")))
    if (state["lag_blocks"] or 0) > ledger.deployment().confirmations:
        hints.append(
            ("indexer", _("It is behind the node; it catches up by itself, or its log says why not."))
        )
    if state["outgoing"]["oldest_waiting_seconds"] > max(60, 20 * settings.BLOCK_SECONDS):
        hints.append(
            ("sender, miner", _("A transaction waits for long: look at the sender's log and at the gas."))
        )
    if state["outgoing"]["counts"].get("failed"):
        hints.append(("sender", _("Some transactions failed for good; the list below says why.")))
    if state["unposted_events"]:
        hints.append(("indexer", _("Final money events wait to be posted.")))
    if backlog > 50:
        hints.append(("verifier", _("Many receipts wait for their verdict: start another verifier.")))
    if state["differences"]:
        hints.append(("manage.py verify_ledger", _("Rows differ from the chain: see the audit page.")))
    return hints
