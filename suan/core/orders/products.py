"""What can be traded: resource class x region x level of verification.

A resource class is device kind and precision, and one runtime runs its jobs. The symbol `class:region:verification` is
for people, its keccak256 is what is signed and stored on chain.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from suan.core.encoding import to_hex
from suan.core.ids import product_id
from suan.core.problems import FieldError

_RUNTIME_OF: Final = {"cpu.fp64": "wasm", "cpu.fp32": "wasm"}
RESOURCE_CLASSES: Final = tuple(_RUNTIME_OF)
REGIONS: Final = ("eu-north", "us-east", "cn-west")
VERIFICATIONS: Final = ("recomputed",)
RUNTIMES: Final = tuple(dict.fromkeys(_RUNTIME_OF.values()))


@dataclass(frozen=True)
class Product:
    """One tradable product. `id` is the bytes32 of the signed orders, `symbol` its readable name."""

    resource_class: str
    region: str
    verification: str

    @cached_property
    def symbol(self) -> str:
        return f"{self.resource_class}:{self.region}:{self.verification}"

    @cached_property
    def id(self) -> bytes:
        return product_id(self.symbol)

    @cached_property
    def id_hex(self) -> str:
        return to_hex(self.id)


PRODUCTS: Final[dict[str, Product]] = {
    product.symbol: product
    for product in (
        Product(resource_class, region, verification)
        for resource_class in RESOURCE_CLASSES
        for region in REGIONS
        for verification in VERIFICATIONS
    )
}
_BY_ID: Final[dict[bytes, Product]] = {product.id: product for product in PRODUCTS.values()}


def runtime_of(resource_class: str) -> str:
    """The name of the runtime that runs the jobs of a class. Raises ValueError for a class that is not traded."""
    if resource_class not in _RUNTIME_OF:
        raise ValueError(
            f"resource_class must be one of {', '.join(RESOURCE_CLASSES)}, got {resource_class!r}"
        )
    return _RUNTIME_OF[resource_class]


def product_by_symbol(symbol: str) -> Product:
    """The product of a symbol; FieldError lists the symbols there are."""
    product = PRODUCTS.get(symbol) if isinstance(symbol, str) else None
    if product is None:
        raise FieldError(
            "product",
            "unknown_product",
            f"{repr(symbol)[:80]} is not traded here; choose one of {', '.join(PRODUCTS)}.",
        )
    return product


def product_by_id(identity: bytes) -> Product:
    """The product of a bytes32 id; FieldError when it is not traded here."""
    product = _BY_ID.get(identity)
    if product is None:
        raise FieldError(
            "product",
            "unknown_product",
            f"{to_hex(identity)} is not traded here; choose one of {', '.join(PRODUCTS)}.",
        )
    return product
