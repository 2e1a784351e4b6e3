"""Database columns for whole numbers that outgrow 64 bits, and for hex identifiers."""

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models


class UnitsField(models.DecimalField):
    """An integer of up to 78 digits (uint256) stored as NUMERIC(78,0), always a Python int outside SQL.

    Unit: token base units (10^-18 token) unless the column says otherwise. A value with a fraction is refused.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_digits"] = 78
        kwargs["decimal_places"] = 0
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("max_digits", None)
        kwargs.pop("decimal_places", None)
        return name, path, args, kwargs

    def from_db_value(self, value: Decimal | int | None, expression: Any, connection: Any) -> int | None:
        return None if value is None else int(value)

    def to_python(self, value: Any) -> int | None:
        if value is None or isinstance(value, int):
            return value
        if isinstance(value, Decimal) and value == int(value):
            return int(value)
        if isinstance(value, str) and value.lstrip("-").isdigit():
            return int(value)
        raise ValidationError(f"{value!r} is not a whole number")

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if value is None or hasattr(value, "as_sql"):
            return value
        if isinstance(value, int) or isinstance(value, Decimal) and value == int(value):
            return Decimal(int(value))
        raise TypeError(f"UnitsField stores whole numbers, not {type(value).__name__}")

    get_db_prep_save = get_db_prep_value


class AddressField(models.CharField):
    """An account on chain: 42 characters, 0x and 40 lower-case hex digits."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_length"] = 42
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("max_length", None)
        return name, path, args, kwargs


class HashField(models.CharField):
    """A 32-byte value: 66 characters, 0x and 64 lower-case hex digits."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_length"] = 66
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("max_length", None)
        return name, path, args, kwargs
