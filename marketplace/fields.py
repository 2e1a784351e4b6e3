"""Database fields that the rooms share: exact unsigned integers, hashes and addresses as lower-case hex.

Amounts are Python ints on the way in and out. PostgreSQL stores them as numeric without a fraction, because a uint256
does not fit a bigint; Decimal never leaves this module.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models

UINT256_DIGITS = 78

hash_validator = RegexValidator(r"^0x[0-9a-f]{64}\Z", "a 32-byte value is 0x and 64 lower-case hex digits")
address_validator = RegexValidator(r"^0x[0-9a-f]{40}\Z", "an address is 0x and 40 lower-case hex digits")


class UintField(models.DecimalField):
    """An exact int of up to 256 bits, stored as numeric(78, 0). Unit: that of the column's name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_digits"] = UINT256_DIGITS
        kwargs["decimal_places"] = 0
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("max_digits")
        kwargs.pop("decimal_places")
        return name, path, args, kwargs

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> int | None:
        return None if value is None else int(value)

    def to_python(self, value: Any) -> Any:
        if value is None or isinstance(value, int):
            return value
        if isinstance(value, Decimal) and value == value.to_integral_value():
            return int(value)
        if isinstance(value, str) and value.isascii() and value.isdigit():
            return int(value)
        raise ValidationError("a whole number is needed")

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if isinstance(value, int):
            value = Decimal(value)
        return super().get_db_prep_value(value, connection, prepared)


class HashField(models.CharField):
    """A 32-byte value as 0x and 64 lower-case hex digits."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_length"] = 66
        super().__init__(*args, **kwargs)
        if hash_validator not in self._validators:
            self._validators.append(hash_validator)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("max_length")
        kwargs.pop("validators", None)
        return name, path, args, kwargs


class AddressField(models.CharField):
    """An EVM address as 0x and 40 lower-case hex digits."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_length"] = 42
        super().__init__(*args, **kwargs)
        if address_validator not in self._validators:
            self._validators.append(address_validator)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("max_length")
        kwargs.pop("validators", None)
        return name, path, args, kwargs
