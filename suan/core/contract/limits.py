"""Limits of the Market contract, by their names there."""

from __future__ import annotations

TERM_SECONDS_MAX = 30 * 86_400
DAY_SECONDS = 86_400
PLACES = 256
UNITS_MAX = 2**52 - 2
RUNS_MAX = 2**20 - 2
