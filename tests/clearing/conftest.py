"""Markets for the room's tests: one with books only, one with contracts on a node of its own."""

from tests.book.conftest import market, open_market  # noqa: F401
from tests.ledger.conftest import compiled, world  # noqa: F401
