"""A deployed market for the ledger's tests.

Imports of Django code stand inside the functions: pytest loads this file before Django is set up.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.compiled import FOLDER
from tests.nodes import AnvilNode

if TYPE_CHECKING:
    from tests.ledger.chain import World


@pytest.fixture(scope="session")
def compiled() -> Path:
    """The compiler's cache of all tests."""
    from ledger.deployment.compile import artifacts

    artifacts(FOLDER)
    return FOLDER / "contracts"


@pytest.fixture
def world(db, anvil: AnvilNode, var: Path, compiled: Path, settings) -> World:
    """A fresh node with the contracts on it, nothing indexed yet."""
    return deployed(anvil, var, compiled, settings)


@pytest.fixture
def open_world(transactional_db, anvil: AnvilNode, var: Path, compiled: Path, settings) -> World:
    """As world, for tests with several connections to the database."""
    return deployed(anvil, var, compiled, settings)


def deployed(anvil: AnvilNode, var: Path, compiled: Path, settings) -> World:
    from django.core.management import call_command

    from ledger.chain.signer import Signer
    from tests.ledger.chain import World

    (var / "contracts").symlink_to(compiled)
    settings.LOCAL_CHAIN = True
    call_command("deploy_contracts", verbosity=0)
    return World(anvil, Signer(var / "secrets"))
