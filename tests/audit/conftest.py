"""The live market, shared with the other folders that use it, and a market of one's own without rooms and database."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.journey.live import live
from tests.journey.story import traded
from tests.ledger.conftest import compiled, deployed
from tests.nodes import AnvilNode

__all__ = ["compiled", "live", "traded"]


@pytest.fixture
def own(anvil_factory: Callable[..., AnvilNode], var: Path, compiled: Path, settings) -> Iterator:
    """The contracts on a fresh node of one test, old states kept so that it can be reorganised."""
    node = anvil_factory(keep_state=True)
    settings.CHAIN_RPC_URL = node.url
    yield deployed(node, var, compiled, settings)
    node.stop()
