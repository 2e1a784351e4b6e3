"""The whole market on a fresh node. Imports of Django code stand inside the functions: see tests/ledger/conftest.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ledger.conftest import compiled, deployed  # noqa: F401  the compiler's cache of the run
from tests.nodes import AnvilNode


@pytest.fixture
def exchange(transactional_db, anvil: AnvilNode, var: Path, compiled: Path, settings):  # noqa: F811
    from tests.settlement.exchange import Exchange

    return Exchange(deployed(anvil, var, compiled, settings))
