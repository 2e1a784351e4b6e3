"""Pages without a browser: a market without a chain, as the book's tests have it."""

from __future__ import annotations

import pytest

from tests.book.conftest import fresh_throttles, market, quick_passwords  # noqa: F401


@pytest.fixture
def visitor():
    """A client that is not signed in."""
    from django.test import Client

    return Client()


@pytest.fixture
def seller(market):  # noqa: F811
    """A provider with 100 tokens and a node of 1,000 MFLOPS, signed in; `.client` is the browser."""
    return _signed_in("seller", with_node=True)


@pytest.fixture
def buyer(market):  # noqa: F811
    """A buyer with 100 tokens, signed in."""
    return _signed_in("buyer")


def _signed_in(name: str, *, with_node: bool = False):
    from django.test import Client

    from tests.book.market import custodial, register_node

    person = custodial(name, 100)
    if with_node:
        person.agent = register_node(person, label=f"node of {name}")
    person.browser = Client()
    person.browser.force_login(person.participant.user)
    return person
