"""The search box: takes any id, hash, number or address, and goes to its page."""

from __future__ import annotations

import re

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from frontend.explorer import names
from ledger.explorer import facts
from marketplace.clearing import queries as clearing

PREFIXES = {"ord": "order", "trd": "trade", "rcp": "receipt", "clr": "clearing", "bat": "batch"}
QUERY_MAX = 200
_ID = re.compile(r"(ord|trd|rcp|clr|bat)_0x[0-9a-f]{64}")
_HASH = re.compile(r"(0x)?[0-9a-f]{64}")
_ADDRESS = re.compile(r"(0x)?[0-9a-f]{40}")
_NUMBER = re.compile(r"[0-9]{1,15}")


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    asked = request.GET.get("q", "").strip()[:QUERY_MAX]
    text = re.sub(r"[\s,#]", "", asked).lower()
    found = page_of(text)
    if found is not None:
        return redirect(found)
    return render(request, "explorer/search.html", {"asked": asked}, status=404 if asked else 200)


def page_of(text: str) -> str | None:
    """The page of what was asked for, or None if it is no id or nothing here has it. text: lower case, no spaces."""
    if _NUMBER.fullmatch(text):
        return names.href("block", text)
    if match := _ID.fullmatch(text):
        return names.href(PREFIXES[match[1]], text)
    if _ADDRESS.fullmatch(text):
        return names.href("party", "0x" + text[-40:])
    return _page_of_hash("0x" + text[-64:]) if _HASH.fullmatch(text) else None


def _page_of_hash(hash_: str) -> str | None:
    """A bare hash may be a block, a transaction, or an id whose prefix was left out."""
    kind = facts.kind_of_hash(hash_)
    if kind is not None:
        return names.href(kind, hash_)
    if clearing.trade_by_hash(hash_) is not None:
        return names.href("trade", hash_)
    return None
