"""Bodies of the order calls. Ranges that depend on the deployment are the admission rules' business."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from marketplace.rest import AddressField, HexField, StrictSerializer, TextField, TokensField, UintField

UINT40_MAX = 2**40 - 1
UINT64_MAX = 2**64 - 1
CLIENT_ORDER_ID = r"^[\x21-\x7e]{1,64}\Z"


class TermsField(serializers.DictField):
    """A JSON object of text and whole numbers; suan.core checks its fields."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            raise serializers.ValidationError("A JSON object is needed.", "not_an_object")
        for name, value in data.items():
            if not isinstance(value, str | int) or isinstance(value, bool) or len(str(name)) > 64:
                raise serializers.ValidationError(
                    {str(name)[:64]: ["Text or a whole number is needed."]}, "wrong_type"
                )
            if isinstance(value, str) and (len(value) > 256 or not value.isprintable()):
                raise serializers.ValidationError(
                    {str(name)[:64]: ["Printable text of at most 256 characters is needed."]}, "not_text"
                )
        return dict(data)


class OrderBody(StrictSerializer):
    """The five last belong to an order that the maker's own key signed; without them the platform signs."""

    client_order_id = serializers.RegexField(
        CLIENT_ORDER_ID,
        error_messages={"invalid": "1 to 64 printable ASCII characters without spaces are needed."},
        trim_whitespace=False,
    )
    product = TextField(max_length=96)
    limit_price = TokensField()
    valid_until = UintField(most=UINT40_MAX)
    deliver_by = UintField(most=UINT40_MAX)
    terms = TermsField()
    maker = AddressField(required=False)
    nonce = UintField(most=2**32 - 1, required=False)
    max_fee_bps = UintField(most=2**16 - 1, required=False)
    verifier_set = HexField(length=32, required=False)
    signature = HexField(length=65, required=False)


class BidBody(OrderBody):
    runs = UintField(least=1, most=2**20 - 2)
    ceiling_units = UintField(least=1, most=UINT64_MAX)


class OfferBody(OrderBody):
    units = UintField(least=1, most=2**52 - 2)


class NonceBody(StrictSerializer):
    side = serializers.ChoiceField(choices=["buy", "sell"])
    client_order_id = serializers.RegexField(
        CLIENT_ORDER_ID,
        error_messages={"invalid": "1 to 64 printable ASCII characters without spaces are needed."},
        trim_whitespace=False,
    )


class PreviewBody(StrictSerializer):
    """runs and ceiling_units for a bid (side buy), units for an offer (side sell)."""

    side = serializers.ChoiceField(choices=["buy", "sell"])
    product = TextField(max_length=96)
    limit_price = TokensField()
    runs = UintField(least=1, most=2**32 - 1, required=False)
    ceiling_units = UintField(least=1, most=UINT64_MAX, required=False)
    units = UintField(least=1, most=UINT64_MAX, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        needed = ("runs", "ceiling_units") if attrs["side"] == "buy" else ("units",)
        missing = [name for name in needed if name not in attrs]
        if missing:
            raise serializers.ValidationError(
                {
                    name: [serializers.ErrorDetail("It is needed for this side.", "required")]
                    for name in missing
                }
            )
        return attrs


class CancelBody(StrictSerializer):
    signature = HexField(length=65, required=False, default=None)
    on_chain = serializers.BooleanField(required=False, default=False)
