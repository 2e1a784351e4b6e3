"""The live market, shared with the other folders that use it."""

from tests.journey.live import live
from tests.journey.story import traded

__all__ = ["live", "traded"]
