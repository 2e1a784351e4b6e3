"""What an account asks of the chain: withdrawals, deposits by permit, delegates, agents.

For custodial accounts the platform signs at once. A wallet sees what it will sign, signs it in the page, and the
relayer carries it. One form and one struct for each kind.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from frontend import drafts
from frontend.account.forms import FORMS
from frontend.account.views import shown
from frontend.fields import HOUR
from frontend.pages import REFUSALS, add_refusal, now
from ledger import queries as ledger
from marketplace.accounts import actions, queries
from marketplace.problems import Refused
from suan.core.signing import (
    Domain,
    Permit,
    SetAgent,
    SetDelegate,
    WithdrawalRequest,
    market_domain,
    registry_domain,
    token_domain,
)

SIGNING_SECONDS = 900


@require_POST
def ask(request: HttpRequest, kind: str, *, me: Any) -> HttpResponse:
    """First the form (a wallet then sees what it signs), then, with a draft, the signed request."""
    if kind not in FORMS:
        raise Http404(_("There is no such request."))
    if "draft" in request.POST:
        content = drafts.use(me, kind, request.POST["draft"])
        (signature,) = drafts.signatures(request.POST, 1)
        if signature is None:
            raise Refused.one("signature", "missing", _("the key is in your wallet, so the wallet signs."))
        return _relay(request, me, kind, content, signature)
    form = FORMS[kind](request.POST, auto_id=f"{kind}_%s")
    if form.is_valid():
        content = _content(me, kind, form.cleaned_data)
        try:
            _check(me, kind, content)
            if me.custodial:
                return _relay(request, me, kind, content, None)
            return _review(request, me, kind, content)
        except REFUSALS as error:
            add_refusal(form, error, {"spend_cap": "spend_cap", "valid_until": "valid"})
    return shown(request, me, status=422, kind=kind, form=form)


def _content(me: Any, kind: str, values: dict[str, Any]) -> dict[str, Any]:
    """The request in whole numbers, with the nonce and deadline that a wallet signs."""
    content = {name: value for name, value in values.items() if name != "valid"}
    if "valid" in values:
        content["valid_until"] = now() + values["valid"]
    content["deadline"] = now() + (HOUR if kind == "deposit" else SIGNING_SECONDS)
    if kind == "withdrawal":
        content["nonce"] = queries.next_market_nonce(me)
    elif kind != "deposit":
        content["nonce"] = queries.next_registry_nonce(me)
    return content


def _check(me: Any, kind: str, content: dict[str, Any]) -> None:
    if "amount" in content and content["amount"] <= 0:
        raise Refused.one("amount", "too_low", _("it must be more than 0."))
    if kind == "deposit" and me.custodial:
        text = _(
            "a password account has no wallet to deposit from; use the faucet, or have somebody deposit for you."
        )
        raise Refused.one("amount", "no_wallet", text)
    free = ledger.balances(me.address).available
    if kind == "withdrawal" and content["amount"] > free:
        raise Refused.one(
            "amount", "insufficient_funds", _("more than is available; cancel orders that hold money.")
        )


def _struct(me: Any, kind: str, content: dict[str, Any]) -> tuple[Any, Domain]:
    """What the wallet signs. The nonce of a permit is the token's; the page's script asks the token for it."""
    chain = ledger.deployment()
    market = market_domain(chain.chain_id, chain.market)
    registry = registry_domain(chain.chain_id, chain.registry)
    if kind == "withdrawal":
        return WithdrawalRequest(account=me.address, **content), market
    if kind == "deposit":
        permit = Permit(
            owner=me.address,
            spender=chain.market,
            value=content["amount"],
            nonce=0,
            deadline=content["deadline"],
        )
        return permit, token_domain(chain.chain_id, chain.token)
    struct = SetDelegate if kind == "delegate" else SetAgent
    return struct(owner=me.address, **content), registry


def _review(request: HttpRequest, me: Any, kind: str, content: dict[str, Any]) -> HttpResponse:
    struct, domain = _struct(me, kind, content)
    titles = {
        "withdrawal": _("Sign a withdrawal"),
        "deposit": _("Sign a deposit"),
        "delegate": _("Sign a delegate key"),
        "agent": _("Sign an agent key"),
    }
    context = {
        "me": me,
        "kind": kind,
        "heading": titles[kind],
        "content": content,
        "draft": drafts.keep(me, kind, content),
        "typed_data": [struct.typed_data(domain)],
        "chain": ledger.deployment(),
    }
    return render(request, "account/review.html", context)


def _relay(
    request: HttpRequest, me: Any, kind: str, content: dict[str, Any], signature: bytes | None
) -> HttpResponse:
    """Hand the request to the relayer. For custodial accounts nonce and deadline are the platform's business."""
    arguments = dict(content)
    if signature is None:
        arguments |= {"nonce": None, "deadline": None}
    verbs: dict[str, Any] = {
        "withdrawal": actions.request_withdrawal,
        "deposit": actions.deposit_by_permit,
        "delegate": actions.set_delegate,
        "agent": actions.set_agent,
    }
    verbs[kind](participant=me, **arguments, signature=signature, now=now())
    said = {
        "withdrawal": _("The withdrawal was asked for; it is paid to your own address after the delay."),
        "deposit": _("The deposit is on its way; it counts when it is final."),
        "delegate": _("The delegate key is on its way to the chain."),
        "agent": _("The agent key is on its way to the chain."),
    }
    messages.success(request, said[kind])
    return redirect("account")
