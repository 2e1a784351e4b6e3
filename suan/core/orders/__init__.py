"""Offers and bids: the products and terms that they name, and the rules that admit them."""

from suan.core.orders import terms
from suan.core.orders.admission import LIMITS, AdmissionContext, Limits, check_bid, check_offer
from suan.core.orders.products import (
    PRODUCTS,
    REGIONS,
    RESOURCE_CLASSES,
    Product,
    product_by_id,
    product_by_symbol,
    runtime_of,
)
from suan.core.orders.terms import BidTerms, OfferTerms

__all__ = [
    "AdmissionContext",
    "BidTerms",
    "LIMITS",
    "Limits",
    "OfferTerms",
    "PRODUCTS",
    "Product",
    "REGIONS",
    "RESOURCE_CLASSES",
    "check_bid",
    "check_offer",
    "product_by_id",
    "product_by_symbol",
    "runtime_of",
    "terms",
]
