"""The account: balances, faucet, what was asked of the chain, nodes, keys. Requests that are signed: requests.py."""

from __future__ import annotations

import secrets
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from frontend.account.forms import FORMS
from frontend.fields import DAY
from frontend.offers.views import nodes_of
from frontend.pages import REFUSALS, add_refusal, now
from ledger import queries as ledger
from marketplace.accounts import actions, queries

KEYS_SHOWN, REQUESTS_SHOWN = 50, 12
SCOPES = [
    ("read", gettext_lazy("read: look at the account")),
    ("trade", gettext_lazy("trade: orders, deposits, withdrawals to the own address")),
    ("provide", gettext_lazy("provide: nodes, leases, receipts")),
]
# What was asked for, and what the words of the outbox mean to who asked.
KIND_WORDS = {
    "faucet": gettext_lazy("test tokens"),
    "deposit": gettext_lazy("deposit"),
    "withdrawal": gettext_lazy("withdrawal"),
    "sweep": gettext_lazy("payout of a withdrawal"),
    "delegate": gettext_lazy("delegate key"),
    "agent": gettext_lazy("agent key"),
    "cancel": gettext_lazy("cancel on chain"),
}
REQUEST_WORDS = {
    "planned": gettext_lazy("waits for its turn to be sent"),
    "signed": gettext_lazy("signed, about to be sent"),
    "sent": gettext_lazy("sent, waits for a block"),
    "included": gettext_lazy("in a block, waits for confirmations"),
    "final": gettext_lazy("done: enough confirmations, the books know it"),
    "failed": gettext_lazy("did not happen; nothing was moved"),
}


class KeyForm(forms.Form):
    name = forms.CharField(
        label=gettext_lazy("Name of the key"), max_length=64, help_text=gettext_lazy("To recognise it later.")
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("What it may do"),
        choices=SCOPES,
        initial=["read"],
        widget=forms.CheckboxSelectMultiple,
    )
    days = forms.TypedChoiceField(
        label=gettext_lazy("Good for"),
        coerce=int,
        choices=[(7, gettext_lazy("7 days")), (90, gettext_lazy("90 days")), (365, gettext_lazy("1 year"))],
        initial=90,
    )


@require_safe
def account(request: HttpRequest, *, me: Any) -> HttpResponse:
    return shown(request, me)


@require_POST
def faucet(request: HttpRequest, *, me: Any) -> HttpResponse:
    actions.faucet(
        participant=me,
        amount=settings.FAUCET_TOKENS,
        gas_wei=settings.FAUCET_GAS_WEI,
        is_local_chain=settings.FAUCET,
        now=now(),
    )
    messages.success(request, _("Test tokens are on their way; they count when the deposit is final."))
    return redirect("account")


@require_POST
def make_key(request: HttpRequest, *, me: Any) -> HttpResponse:
    """The text of the new key is in this answer only: it is stored as a hash."""
    form = KeyForm(request.POST)
    if form.is_valid():
        values = form.cleaned_data
        try:
            _key, text = actions.create_api_key(
                participant=me,
                name=values["name"],
                scopes=values["scopes"],
                expires_at=now() + values["days"] * DAY,
                secret=secrets.token_hex(24),
                keys_max=settings.API_KEYS_MAX,
                now=now(),
            )
        except REFUSALS as error:
            add_refusal(form, error, {})
        else:
            return shown(request, me, new_key=text)
    return shown(request, me, status=422, key_form=form)


@require_POST
def revoke_key(request: HttpRequest, prefix: str, *, me: Any) -> HttpResponse:
    key = actions.revoke_api_key(participant=me, prefix=prefix, now=now())
    messages.success(request, _("The key %(name)s works no more.") % {"name": key.name})
    return redirect("account")


def shown(request: HttpRequest, me: Any, *, status: int = 200, **extra: Any) -> HttpResponse:
    """The page of the account; `extra` replaces one of its forms by one with errors."""
    chain = ledger.deployment()
    view = queries.account_view(me)
    context = {
        "me": me,
        "account": view,
        "balances": ledger.balances(me.address),
        "requests": [
            {
                **row,
                "words": REQUEST_WORDS.get(row["status"], ""),
                "what": KIND_WORDS.get(row["kind"], row["kind"]),
            }
            for row in view["requests"][:REQUESTS_SHOWN]
        ],
        "nodes": nodes_of(me),
        "agents": ledger.agents(me.address),
        "delegates": ledger.delegates(me.address),
        "keys": [queries.api_key_view(row) for row in queries.api_keys(me)[:KEYS_SHOWN]],
        "key_form": KeyForm(auto_id="key_%s"),
        "forms": {kind: form(auto_id=f"{kind}_%s") for kind, form in FORMS.items()},
        "faucet": settings.FAUCET,
        "faucet_tokens": settings.FAUCET_TOKENS,
        "chain": chain,
        "now": now(),
        **extra,
    }
    if "form" in extra:
        context["forms"][extra["kind"]] = extra["form"]
    return render(request, "account/account.html", context, status=status)
