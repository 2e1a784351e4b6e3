"""A market without a chain. Imports of Django code stand inside the functions: see tests/ledger/conftest.py."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def quick_passwords(settings) -> None:
    """Slow hashing protects people, not tests."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def fresh_throttles() -> None:
    """Counters of calls live in the process; a test starts with none."""
    from django.core.cache import cache

    cache.clear()


@pytest.fixture
def market(db, var: Path):
    """A deployment file, and everything that is on_commit happens (each test is one transaction of its own)."""
    from tests.book.market import write_deployment

    return write_deployment(var)


@pytest.fixture
def open_market(transactional_db, var: Path):
    """As market, for tests with real commits and several connections."""
    from tests.book.market import write_deployment

    return write_deployment(var)
