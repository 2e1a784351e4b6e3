"""Work under way: leases of runs, what a run counts and costs, and the receipt that a provider signs.

Names are loaded on first use: a process that runs jobs counts by `metering` and has no use for signatures and the
contract's tongue, which would make its start several times longer.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from suan.core.delivery import metering, receipts
    from suan.core.delivery.leases import LeaseRules, OpenRun, Step, is_lost, lease_expiry, sweep
    from suan.core.delivery.metering import (
        CEILING_UNITS_MAX,
        COUNTER_NAMES,
        HOST_CALL_UNITS,
        MEMORY_CONTROL,
        OPERATORS,
        PAGE_UNITS,
        RANDOM_BYTE_UNITS,
        SCHEDULE,
        SIZED,
        UNIT_BYTES,
        WEIGHT_SCALE,
        carried_values,
        units_of_bytes,
        weights,
        work_units,
    )
    from suan.core.delivery.receipts import Counters, ExitReason, Expected, Receipt, check_receipt

__all__ = [
    "CEILING_UNITS_MAX",
    "COUNTER_NAMES",
    "Counters",
    "ExitReason",
    "Expected",
    "HOST_CALL_UNITS",
    "LeaseRules",
    "MEMORY_CONTROL",
    "OPERATORS",
    "OpenRun",
    "PAGE_UNITS",
    "RANDOM_BYTE_UNITS",
    "Receipt",
    "SCHEDULE",
    "SIZED",
    "Step",
    "UNIT_BYTES",
    "WEIGHT_SCALE",
    "carried_values",
    "check_receipt",
    "is_lost",
    "lease_expiry",
    "metering",
    "receipts",
    "sweep",
    "units_of_bytes",
    "weights",
    "work_units",
]

_MODULES = ("metering", "receipts", "leases")
"""The cheapest first: what is found there needs none of those behind it."""


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name in __all__:
        for module in _MODULES:
            if hasattr(found := import_module(f"{__name__}.{module}"), name):
                return getattr(found, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
