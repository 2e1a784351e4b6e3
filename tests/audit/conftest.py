"""The live market, shared with the other folders that use it."""

from tests.journey.live import live

__all__ = ["live"]
