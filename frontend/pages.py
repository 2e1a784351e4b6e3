"""What every window shares: who looks, what time it is, and what a refusal looks like on a page."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError

from ledger.errors import LedgerError, NotDeployed
from marketplace.accounts import queries as accounts
from marketplace.problems import DomainError, problem_of
from suan.core.problems import FieldError

View = Callable[..., HttpResponse]
REFUSALS = (DomainError, FieldError, LedgerError, ValidationError)
"""What an action answers to a wish that cannot be fulfilled."""


def now() -> int:
    """Unix seconds."""
    return int(time.time())


def me(request: HttpRequest) -> Any:
    """The participant who looks at the page, or None."""
    return accounts.participant_of(request.user)


def page(view: View) -> View:
    """A view whose refusals become pages: 404 says what is missing, 403, 409 and 503 say what to do."""

    @wraps(view)
    def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except Http404 as error:
            return refusal(request, 404, str(error))
        except NotDeployed:
            text = _(
                "The contracts of this market are not on its chain yet. This page works as soon as they are."
            )
            return refusal(request, 503, text)
        except REFUSALS as error:
            problem = problem_of(error)
            if problem is None:
                raise
            return refusal(request, problem["status"], problem["detail"])

    return shown


def private(view: View) -> View:
    """A page of one's own: visitors are sent to sign in and come back. The view gets the participant as `me`."""

    @wraps(view)
    def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        who = me(request)
        if who is None:
            wanted = request.get_full_path() if request.method == "GET" else "/account"
            return redirect(f"/sign-in?{urlencode({'next': wanted})}")
        response = view(request, *args, me=who, **kwargs)
        response["Cache-Control"] = "private, no-store"
        return response

    return page(shown)


def refusal(request: HttpRequest, status: int, detail: str) -> HttpResponse:
    """The page of a refusal, in the look of all others."""
    titles = {
        403: _("Not allowed"),
        404: _("Nothing here"),
        409: _("Not possible now"),
        422: _("Refused"),
        429: _("Too many requests"),
        503: _("Not ready"),
    }
    context = {"status": status, "heading": titles.get(status, _("Refused")), "detail": detail}
    return render(request, "parts/refusal.html", context, status=status)


def add_refusal(form: forms.Form, error: Exception, names: dict[str, str]) -> None:
    """Show each problem of a refusal at its field. names: field of the rule -> field of the form; the rest on top."""
    problem = problem_of(error)
    if problem is None:
        raise error
    problems = getattr(error, "problems", ()) or ((error.problem,) if isinstance(error, FieldError) else ())
    if not problems:
        form.add_error(None, problem["detail"])
    for found in problems:
        name = names.get(found.field, found.field)
        text = found.message[:1].upper() + found.message[1:]
        if name in form.fields:
            form.add_error(name, text)
        else:
            form.add_error(None, text if not found.field else f"{found.field}: {found.message}")


def page_number(request: HttpRequest, *, most: int = 10_000) -> int:
    """`?page=` as a number from 1; anything strange is the first page."""
    text = request.GET.get("page", "1")
    return min(max(int(text), 1), most) if text.isascii() and text.isdigit() and len(text) <= 6 else 1
