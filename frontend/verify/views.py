"""Verify: a proof file or an id, and what was checked, step by step with the values. Open to everybody."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from frontend.verify import sentences
from ledger import queries
from ledger.errors import LedgerError
from ledger.explorer import facts
from marketplace.problems import DomainError
from marketplace.settlement import queries as settlement
from suan.core.encoding import from_hex, to_hex
from suan.core.evidence import PROOF_BYTES_MAX, Check, check_anchor, check_proof, passed, read_proof
from suan.core.ids import bat_id, parse_id
from suan.core.problems import FieldError

ID_MAX = 200


@require_http_methods(["GET", "HEAD", "POST"])
def verify(request: HttpRequest) -> HttpResponse:
    """A form without a question; else the steps. A question that cannot be answered is 422, with the reason."""
    asked = (request.GET.get("id") or request.POST.get("id") or "").strip()[:ID_MAX]
    file = request.FILES.get("proof")
    context: dict[str, Any] = {"asked": asked, "most": PROOF_BYTES_MAX // 1024}
    if file is None and not asked:
        if request.method == "POST":
            context["refused"] = _("Choose a proof file, or paste the id of a trade or a receipt.")
            return render(request, "verify/verify.html", context, status=422)
        return render(request, "verify/verify.html", context)
    try:
        found = _file(file.read(PROOF_BYTES_MAX + 1)) if file is not None else _asked(asked)
    except (DomainError, FieldError, LedgerError) as error:
        context["refused"] = str(error)
        return render(request, "verify/verify.html", context, status=422)
    checks: list[Check] = found.pop("checks")
    context |= found | {
        "steps": sentences.told(checks),
        "verdict": "good" if passed(checks) else "bad" if any(c.passed is False for c in checks) else "wait",
        "failed": sum(check.passed is False for check in checks),
        "waiting": sum(check.passed is None for check in checks),
    }
    return render(request, "verify/verify.html", context)


def _asked(asked: str) -> dict[str, Any]:
    text = asked.lower()
    if text.startswith("rcp_"):
        return _file(settlement.proof_of(text))
    if text.startswith("0x"):
        text = f"trd_{text}"
    trade = to_hex(parse_id(text, prefix="trd"))
    at = facts.as_of(None)
    return {
        "kind": "trade",
        "subject": f"trd_{trade}",
        "at": at,
        "checks": settlement.trade_checks(trade, at),
    }


def _file(data: bytes) -> dict[str, Any]:
    """A proof file: by itself, then against the log that we have stored."""
    checks = check_proof(data)
    body = read_proof(data)
    batch = to_hex(parse_id(body["batch"]))
    event = queries.root_event(batch=batch, root=body["root"].lower())
    known = queries.deployment()
    logged = event and {
        "root": event.args["receipts_root"],
        "batch": bat_id(from_hex(event.args["batch_id"])),
        "transaction": event.tx_hash,
        "block_hash": event.block.hash,
        "contract": known.market,
        "chain_id": known.chain_id,
    }
    return {
        "kind": "proof",
        "subject": body["receipt"],
        "proof": body,
        "event": event,
        "checks": [*checks, *check_anchor(body, logged)],
    }
