"""Forms of the account page, one for each kind of request that reaches the chain."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy

from frontend.fields import DAY, DurationField, TokensField
from suan.core.encoding import normalise_address
from suan.core.signing import SIDE_BUY, SIDE_SELL

UINT128_MAX = 2**128 - 1


class WithdrawalForm(forms.Form):
    amount = TokensField(label=gettext_lazy("Amount in TSUAN"), most=UINT128_MAX)


class DepositForm(forms.Form):
    amount = TokensField(label=gettext_lazy("Amount in TSUAN"), most=UINT128_MAX)


class KeyAddressForm(forms.Form):
    key = forms.CharField(
        label=gettext_lazy("Address of the key"),
        max_length=42,
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off", "placeholder": "0x…"}),
    )

    def clean_key(self) -> str:
        try:
            return str(normalise_address(self.cleaned_data["key"].strip()))
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None


class DelegateForm(KeyAddressForm):
    side = forms.TypedChoiceField(
        label=gettext_lazy("It may"),
        coerce=int,
        choices=[(SIDE_BUY, gettext_lazy("buy")), (SIDE_SELL, gettext_lazy("sell"))],
    )
    spend_cap = TokensField(label=gettext_lazy("Locks at most, in TSUAN"))
    worst_price = TokensField(label=gettext_lazy("Worst price, in TSUAN per GFLOPS·h"))
    valid = DurationField(label=gettext_lazy("For"), initial=DAY)


class AgentForm(KeyAddressForm):
    valid = DurationField(label=gettext_lazy("For"), initial=29 * DAY)


FORMS: dict[str, type[forms.Form]] = {
    "withdrawal": WithdrawalForm,
    "deposit": DepositForm,
    "delegate": DelegateForm,
    "agent": AgentForm,
}
