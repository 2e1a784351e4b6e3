"""Rows that repeat a signed struct have a column for every field of it, and give the struct back."""

import pytest
from django.core.exceptions import FieldDoesNotExist

from marketplace import signed
from marketplace.book.models import Order
from marketplace.book.queries import orders
from marketplace.receipts import queries as receipts
from marketplace.receipts.models import Receipt
from suan.core.delivery.receipts import Receipt as SignedReceipt
from suan.core.signing.structs import Bid, Offer
from suan.core.signing.typed import layout

ROWS = [
    (Bid, Order, orders.RENAMED),
    (Offer, Order, orders.RENAMED),
    (SignedReceipt, Receipt, receipts.RENAMED),
]


def example(kind):
    """A struct in which no two fields of one type are alike."""
    values = {}
    for number, (type_name, _, field) in enumerate(layout(kind.TYPE), start=1):
        if type_name.startswith("uint"):
            values[field] = number
        elif type_name == "address":
            values[field] = f"0x{number:040x}"
        else:
            values[field] = bytes([number]) * 32 if type_name == "bytes32" else f"text {number}"
    return kind(**values)


@pytest.mark.parametrize(("kind", "row", "renamed"), ROWS)
def test_every_field_of_a_signed_struct_has_a_column(kind, row, renamed):
    stored = signed.columns(example(kind), renamed)
    assert len(stored) == len(layout(kind.TYPE))
    for column in stored:
        try:
            row._meta.get_field(column)
        except FieldDoesNotExist:
            pytest.fail(f"{row.__name__} would drop {column} of a signed {kind.__name__}: add a column")
    assert set(signed.labels(kind, renamed)) == set(stored)


@pytest.mark.parametrize(("kind", "row", "renamed"), ROWS)
def test_a_row_gives_back_the_struct_that_it_was_made_of(kind, row, renamed):
    struct = example(kind)
    assert signed.restored(kind, row(**signed.columns(struct, renamed)), renamed) == struct
