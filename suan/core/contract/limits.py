"""Limits of the Market contract, by their names there."""

from __future__ import annotations

TERM_SECONDS_MAX = 30 * 86_400
DAY_SECONDS = 86_400
PLACES = 256
NONCE_AHEAD_MAX = 256
"""How far the nonce of an order may be above the newest of its maker and side."""
NONCE_MAX = 2**29 - 1
UNITS_MAX = 2**52 - 2
RUNS_MAX = 2**14 - 2
