"""Audit: what was checked, what differs, the books beside the contract's log, and how to check without us."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ledger import queries
from ledger.explorer import comparison, status

DIFFERENCES_SHOWN = 100


@require_safe
def audit(request: HttpRequest) -> HttpResponse:
    chain = queries.deployment()
    open_differences = queries.differences()
    context = {
        "summary": status.audit_summary(),
        "differences": open_differences[:DIFFERENCES_SHOWN],
        "differences_total": open_differences.count(),
        "comparison": comparison.compare(),
        "published": comparison.published(),
        "chain": chain,
        "named": _names(chain),
        "command": _command(request, chain),
        "rpc_is_shown": settings.LOCAL_CHAIN,
    }
    return render(request, "audit/audit.html", context)


def _command(request: HttpRequest, chain: queries.Deployment) -> str:
    """The audit of this very deployment. The address of a foreign node may contain a key, so it is not shown."""
    rpc = settings.CHAIN_RPC_URL if settings.LOCAL_CHAIN else "YOUR_NODE"
    origin = f"{request.scheme}://{request.get_host()}"
    return f"suan audit --rpc {rpc} --market {chain.market} --evidence {origin}/evidence"


def _names(chain: queries.Deployment) -> dict[str, str]:
    """Addresses of the market's own accounts, to recognise them in the table."""
    return {
        chain.treasury: "treasury",
        chain.pool: "pool",
        chain.rerun_account: "re-run account",
        chain.operator: "operator",
        chain.relayer: "relayer",
    }
