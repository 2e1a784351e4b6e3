"""Coming in and going out: password accounts here, wallets through the page's script and /api/v1/session/…"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import login, logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST
from rest_framework.throttling import SimpleRateThrottle

from frontend.pages import REFUSALS, add_refusal, me, now, refusal
from ledger import queries as ledger
from marketplace.accounts import actions
from marketplace.problems import SignInFailed

BACKEND = "django.contrib.auth.backends.ModelBackend"
PASSWORD_CHARACTERS_MAX = 256


class PasswordThrottle(SimpleRateThrottle):
    """Guessing passwords is slow: as many tries a minute from one address as /api/v1/session allows."""

    scope = "sign_in"

    def get_cache_key(self, request: Any, view: Any) -> str:
        return self.cache_format % {"scope": self.scope, "ident": self.get_ident(request)}


class SignInForm(forms.Form):
    username = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=32,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none"}),
    )
    password = forms.CharField(
        label=gettext_lazy("Password"),
        max_length=PASSWORD_CHARACTERS_MAX,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class RegisterForm(forms.Form):
    username = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=32,
        help_text=gettext_lazy("3 to 32 characters: a-z, 0-9, dot, dash, underscore."),
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none"}),
    )
    password = forms.CharField(
        label=gettext_lazy("Password"),
        max_length=PASSWORD_CHARACTERS_MAX,
        strip=False,
        help_text=gettext_lazy("At least 10 characters."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    return _enter(request, SignInForm, "sessions/sign_in.html", actions.check_password)


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def register(request: HttpRequest) -> HttpResponse:
    def make(*, username: str, password: str) -> Any:
        return actions.register_with_password(
            username=username, password=password, display_name="", now=now()
        )

    return _enter(request, RegisterForm, "sessions/register.html", make)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("/")


def _enter(request: HttpRequest, form_class: type[forms.Form], template: str, verb: Any) -> HttpResponse:
    target = _target(request)
    if me(request) is not None and request.method != "POST":
        return redirect(target)
    form = form_class(request.POST if request.method == "POST" else None)
    status = 200
    if request.method == "POST":
        throttle = PasswordThrottle()
        if not throttle.allow_request(request, None):  # type: ignore[arg-type]
            wait = int(throttle.wait() or 60) + 1
            return refusal(request, 429, _("Too many tries from this address; wait %(s)s s.") % {"s": wait})
        status = 422
        if form.is_valid():
            try:
                participant = verb(**form.cleaned_data)
            except SignInFailed as error:
                form.add_error(None, error.detail)
            except REFUSALS as error:
                add_refusal(form, error, {})
            else:
                login(request, participant.user, backend=BACKEND)
                return redirect(target)
    context = {"form": form, "next": target, "chain": ledger.deployment()}
    return render(request, template, context, status=status)


def _target(request: HttpRequest) -> str:
    """Where to go afterwards: a path of this site, else the account."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if safe and wanted.startswith("/") else "/account"
