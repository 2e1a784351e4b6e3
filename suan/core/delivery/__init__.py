"""Work under way: leases of runs, what a run counts and costs, and the receipt that a provider signs."""

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
