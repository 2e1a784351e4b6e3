"""Bodies of the account calls."""

from __future__ import annotations

from rest_framework import serializers

from marketplace.accounts.models import SCOPES
from marketplace.rest import AddressField, HexField, StrictSerializer, TextField, TokensField, UintField

UINT40_MAX = 2**40 - 1
PASSWORD_CHARACTERS_MAX = 256


class RegisterBody(StrictSerializer):
    username = TextField(max_length=32)
    password = TextField(max_length=PASSWORD_CHARACTERS_MAX, trim_whitespace=False)
    display_name = TextField(max_length=64, required=False, default="", allow_blank=True)


class PasswordBody(StrictSerializer):
    username = TextField(max_length=32)
    password = TextField(max_length=PASSWORD_CHARACTERS_MAX, trim_whitespace=False)


class NonceBody(StrictSerializer):
    address = AddressField()


class VerifyBody(StrictSerializer):
    message = TextField(max_length=2000, trim_whitespace=False)
    signature = HexField(length=65)


class ApiKeyBody(StrictSerializer):
    name = TextField(max_length=64)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=SCOPES), min_length=1, max_length=len(SCOPES)
    )
    expires_at = UintField(most=UINT40_MAX, required=False, allow_null=True, default=None)


class EmptyBody(StrictSerializer):
    pass


class DepositBody(StrictSerializer):
    amount = TokensField(most=2**128 - 1)
    deadline = UintField(most=UINT40_MAX)
    signature = HexField(length=65)


class RelayBody(StrictSerializer):
    """The three last are needed from wallet owners; for custodial accounts the platform signs."""

    nonce = UintField(required=False, default=None)
    deadline = UintField(most=UINT40_MAX, required=False, default=None)
    signature = HexField(length=65, required=False, default=None)


class WithdrawalBody(RelayBody):
    amount = TokensField(most=2**128 - 1)


class AgentBody(RelayBody):
    key = AddressField()
    valid_until = UintField(most=UINT40_MAX)


class DelegateBody(RelayBody):
    key = AddressField()
    side = serializers.ChoiceField(choices=["buy", "sell"])
    spend_cap = TokensField()
    worst_price = TokensField()
    valid_until = UintField(most=UINT40_MAX)


class NodeBody(StrictSerializer):
    agent = AddressField()
    region = TextField(max_length=32)
    rate_mflops = UintField(most=2**53 - 1)
    measured_at = UintField(most=UINT40_MAX)
    benchmark = serializers.DictField(required=False, allow_empty=True)
    signature = HexField(length=65)

    def get_fields(self) -> dict[str, serializers.Field]:
        # `class` is a word of Python, so this one field is added by name.
        return {**super().get_fields(), "class": TextField(max_length=32)}
