"""Form fields that give whole numbers: base units and work units, never a float."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from suan.core.problems import FieldError
from suan.core.units import format_gflops_hours, format_tokens, parse_gflops_hours, parse_tokens

MINUTE, HOUR, DAY = 60, 3_600, 86_400
DURATIONS = [
    (10 * MINUTE, _("10 minutes")),
    (30 * MINUTE, _("30 minutes")),
    (HOUR, _("1 hour")),
    (6 * HOUR, _("6 hours")),
    (DAY, _("1 day")),
    (7 * DAY, _("7 days")),
    (29 * DAY, _("29 days")),
]


class TokensField(forms.CharField):
    """An amount in tokens, exact to 18 decimals; base units inside."""

    def __init__(self, *, most: int = 2**96 - 1, **kwargs: Any) -> None:
        self.most = most
        super().__init__(max_length=64, **kwargs)
        self.widget.attrs.update(inputmode="decimal", autocomplete="off", spellcheck="false")

    def clean(self, value: Any) -> int | None:
        text = super().clean(value)
        if not text:
            return None
        amount = exact(lambda: parse_tokens(text))
        if amount > self.most:
            raise ValidationError(_("This is more than the market can count; lower it."), "too_high")
        return amount

    def prepare_value(self, value: Any) -> Any:
        return format_tokens(value) if isinstance(value, int) else value


class HoursField(forms.CharField):
    """An amount of work in GFLOPS·h; work units inside."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=64, **kwargs)
        self.widget.attrs.update(inputmode="decimal", autocomplete="off", spellcheck="false")

    def clean(self, value: Any) -> int | None:
        text = super().clean(value)
        return exact(lambda: parse_gflops_hours(text)) if text else None

    def prepare_value(self, value: Any) -> Any:
        return format_gflops_hours(value) if isinstance(value, int) else value


class WholeField(forms.IntegerField):
    """A whole number; a browser's number field, so a phone shows digits."""

    def __init__(self, *, least: int, most: int, **kwargs: Any) -> None:
        super().__init__(min_value=least, max_value=most, **kwargs)
        self.widget.attrs.update(inputmode="numeric", autocomplete="off")


class DurationField(forms.TypedChoiceField):
    """A length of time from a short list; seconds inside."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=DURATIONS, coerce=int, **kwargs)


def exact(parse: Any) -> int:
    """The number of a parser of the rules, or its refusal as the form's."""
    try:
        return int(parse())
    except FieldError as error:
        message = error.problem.message
        raise ValidationError(message[:1].upper() + message[1:], error.code) from None
