"""Real services for the tests, in a temporary folder of their own, started only when a test asks for them.

PostgreSQL starts with the first test that uses the database, Valkey with the first that uses `valkey`, and
each `anvil` is a fresh node. Tests of pure rules start nothing. Every pytest-xdist worker has services of its own.
`DATABASE_URL` and `REDIS_URL` of the environment are used instead when they are given.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from operations.run import layout
from tests.compiled import share
from tests.nodes import AnvilNode
from tests.services import TestServices

# Django reads its settings once, so the addresses are chosen now, though nothing is started.
# A marker tells what the main process chose for itself from what the user gave.
if "marketplace.settings" in sys.modules:
    raise pytest.UsageError(
        "Unset DJANGO_SETTINGS_MODULE: the tests choose their services before Django reads them."
    )
_inherited = os.environ.get("SUAN_TEST_FOLDER") is not None
FOLDER = Path(tempfile.mkdtemp(prefix="suan-test-"))
SERVICES = TestServices(FOLDER / "var", keep=() if _inherited else ("DATABASE_URL", "REDIS_URL"))
share(SERVICES.var)
os.environ.update(
    SUAN_TEST_FOLDER=str(FOLDER),
    SUAN_VAR=str(SERVICES.var),
    DEPLOYMENT_PROFILE="demo",
    **SERVICES.addresses(),
)


def pytest_configure(config: pytest.Config) -> None:
    import django
    from django.conf import settings

    os.environ["DJANGO_SETTINGS_MODULE"] = "marketplace.settings"
    settings.DATABASES["default"]["ENGINE"] = "tests.database"
    django.setup()
    # A pytest-xdist worker inherits our environment; with this name in it, pytest-django would read the settings
    # before the worker has chosen addresses of its own.
    del os.environ["DJANGO_SETTINGS_MODULE"]


def pytest_unconfigure(config: pytest.Config) -> None:
    SERVICES.stop()
    layout.remove(SERVICES.var)
    shutil.rmtree(FOLDER, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> str:
    """Address of a running PostgreSQL. Tests that use pytest-django's `db` need not ask for it."""
    return SERVICES.start("postgres")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None, postgres: str) -> None:
    """pytest-django calls this before it makes the test database."""


@pytest.fixture(scope="session")
def valkey() -> str:
    """Address of a running Valkey, the one in `settings.REDIS_URL`."""
    return SERVICES.start("valkey")


@pytest.fixture
def var(tmp_path: Path, settings) -> Path:
    """An empty `var/` for one test, as `settings.SUAN_VAR`: secrets, evidence and deployment of its own."""
    folder = tmp_path / "var"
    layout.prepare(folder)
    settings.SUAN_VAR = folder
    return folder


@pytest.fixture(scope="session")
def anvil_factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., AnvilNode]]:
    """Starts nodes: `anvil_factory(chain_id=…, keep_state=True)`; all of them end with the session."""
    nodes: list[AnvilNode] = []

    def start(**options) -> AnvilNode:
        nodes.append(AnvilNode(tmp_path_factory.mktemp("chain"), **options))
        return nodes[-1]

    yield start
    for node in nodes:
        node.stop()


@pytest.fixture
def anvil(anvil_factory: Callable[..., AnvilNode], settings) -> Iterator[AnvilNode]:
    """A fresh node that mines only when asked, for one test; `settings.CHAIN_RPC_URL` points to it."""
    node = anvil_factory()
    settings.CHAIN_RPC_URL = node.url
    yield node
    node.stop()


@pytest.fixture(scope="module")
def module_anvil(anvil_factory: Callable[..., AnvilNode]) -> Iterator[AnvilNode]:
    """A fresh node for one module; its tests must not reorganise the chain under each other."""
    node = anvil_factory()
    yield node
    node.stop()
