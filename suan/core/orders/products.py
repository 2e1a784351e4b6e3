"""What can be traded: resource class x region x level of verification.

A resource class is device kind and precision; the runtime it offers is WebAssembly. The symbol
`class:region:verification` is for people, its keccak256 is what is signed and stored on chain.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from suan.core.encoding import to_hex
from suan.core.ids import product_id
from suan.core.problems import FieldError

RESOURCE_CLASSES: Final = ("cpu.fp64", "cpu.fp32")
REGIONS: Final = ("eu-north", "us-east", "cn-west")
VERIFICATIONS: Final = ("recomputed",)
RUNTIMES: Final = ("wasm",)


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
