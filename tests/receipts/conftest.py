"""The whole market on a fresh node; see tests/settlement/conftest.py."""

from tests.ledger.conftest import compiled  # noqa: F401
from tests.settlement.conftest import exchange  # noqa: F401
