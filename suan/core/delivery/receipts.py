"""What a provider's agent signs after a run, and the checks that need no second computation.

A receipt is for one run of one trade. Recomputing the run is the verifier's work; here it is compared with
what the trade said must have happened. Counters are raw and exact; the bill is computed from them elsewhere
(`suan.core.delivery.metering`), so that nobody has to trust a provider's arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final

from suan.core.encoding import ZERO_BYTES32, to_hex
from suan.core.problems import Problem
from suan.core.signing import Struct

COUNTER_MAX: Final = 2**62
"""No run counts further within any wall-clock limit of the market; larger is broken or forged."""
CLOCK_SKEW_SECONDS_MAX: Final = 30
"""How far an agent's clock may differ from the exchange's before its times are refused."""
MEMORY_OVERHEAD_BYTES_MAX: Final = 512 * 1024 * 1024
"""The runner's own memory (engine, compiled code, stacks), which peak memory includes."""


class ExitReason(IntEnum):
    """Why a run ended; the number in Receipt.exitReason."""

    OK = 0
    EXIT = 1
    TRAP = 2
    CEILING = 3
    TIMEOUT = 4
    MEMORY = 5
    REFUSED = 6
    STACK = 7

    @property
    def delivers(self) -> bool:
        """Whether the run counts as delivered and is billed: everything that the job itself caused.

        A wall-clock timeout and a module that the agent refused depend on the provider's machine,
        so they deliver nothing and cost nothing.
        """
        return self not in (ExitReason.TIMEOUT, ExitReason.REFUSED)


@dataclass(frozen=True, slots=True)
class Counters:
    """The four raw operation counters of meter/1, exact."""

    fp64: int
    fp32: int
    integer: int
    memory_control: int


@dataclass(frozen=True)
class Receipt(Struct):
    """One run, as its provider's agent signs it (EIP-712, Market domain). Times are unix seconds.

    evidence: root of a tree of typed leaves about the run, beyond what every receipt states; zero without any.
    """

    TYPE: ClassVar[str] = (
        "Receipt(bytes32 trade,uint32 run,bytes32 module,bytes32 input,bytes32 output,bytes32 seed,"
        "uint64 fp64,uint64 fp32,uint64 integer,uint64 memoryControl,uint64 fuel,"
        "string engine,string profile,"
        "uint8 exitReason,uint64 cpuMilliseconds,uint64 wallMilliseconds,uint64 peakMemoryBytes,"
        "uint40 startedAt,uint40 endedAt,bytes32 evidence)"
    )

    trade: bytes
    run: int
    module: bytes
    input: bytes
    output: bytes
    seed: bytes
    fp64: int
    fp32: int
    integer: int
    memory_control: int
    fuel: int
    engine: str
    profile: str
    exit_reason: int
    cpu_milliseconds: int
    wall_milliseconds: int
    peak_memory_bytes: int
    started_at: int
    ended_at: int
    evidence: bytes = ZERO_BYTES32

    @property
    def counters(self) -> Counters:
        return Counters(self.fp64, self.fp32, self.integer, self.memory_control)


@dataclass(frozen=True)
class Expected:
    """What the trade, its bid and its offer say about a receipt.

    seed: of this run (`identity.run_seed`). engines: engine versions that the verifier can recompute.
    received_at: when the exchange got the receipt (unix seconds), its own clock.
    """

    trade: bytes
    first_run: int
    runs: int
    module: bytes
    input: bytes
    seed: bytes
    engines: frozenset[str]
    profile: str
    memory_bytes: int
    wall_seconds: int
    deliver_by: int
    received_at: int


def check_receipt(receipt: Receipt, expected: Expected) -> list[Problem]:
    """Every way in which a receipt contradicts its trade or itself; an empty list when there is none.

    Not checked here: the signature (who is allowed to sign is on chain) and the result (recomputed).
    """
    return [
        *_identity_problems(receipt, expected),
        *_evidence_problems(receipt),
        *_counter_problems(receipt),
        *_time_problems(receipt, expected),
        *_outcome_problems(receipt, expected),
    ]


def _identity_problems(receipt: Receipt, expected: Expected) -> list[Problem]:
    problems = []
    for field in ("trade", "module", "input", "seed"):
        got, wanted = getattr(receipt, field), getattr(expected, field)
        if got != wanted:
            message = f"{to_hex(got)} was signed where this run needs {to_hex(wanted)}; sign what was leased."
            problems.append(Problem(field, "differs", message))
    last = expected.first_run + expected.runs - 1
    if not expected.first_run <= receipt.run <= last:
        problems.append(
            Problem(
                "run", "outside_trade", f"run {receipt.run} is not one of {expected.first_run} to {last}."
            )
        )
    if receipt.engine not in expected.engines:
        known = ", ".join(sorted(expected.engines))
        problems.append(
            Problem("engine", "unknown_engine", f"{receipt.engine!r} cannot be recomputed; use {known}.")
        )
    if receipt.profile != expected.profile:
        problems.append(
            Problem(
                "profile", "differs", f"{receipt.profile!r} was used where the bid asks {expected.profile!r}."
            )
        )
    return problems


def _evidence_problems(receipt: Receipt) -> list[Problem]:
    if receipt.evidence == ZERO_BYTES32:
        return []
    return [Problem("evidence", "unknown_leaves", "this market knows no kind of leaf yet; sign zero.")]


def _counter_problems(receipt: Receipt) -> list[Problem]:
    problems = []
    for field in ("fp64", "fp32", "integer", "memory_control", "fuel"):
        if getattr(receipt, field) > COUNTER_MAX:
            problems.append(Problem(field, "too_high", "above 2^62, more than any run can count."))
    return problems


def _time_problems(receipt: Receipt, expected: Expected) -> list[Problem]:
    problems = []
    if receipt.ended_at < receipt.started_at:
        problems.append(Problem("ended_at", "before_start", "a run cannot end before it starts."))
    if receipt.ended_at > expected.received_at + CLOCK_SKEW_SECONDS_MAX:
        problems.append(
            Problem(
                "ended_at",
                "in_the_future",
                f"more than {CLOCK_SKEW_SECONDS_MAX} seconds after it was received; set the agent's clock.",
            )
        )
    if expected.received_at > expected.deliver_by:
        problems.append(
            Problem(
                "trade", "too_late", f"deliver by was {expected.deliver_by}; the run trades again, unpaid."
            )
        )
    # Whole seconds hide up to one second at each end.
    elapsed_milliseconds = 1000 * (receipt.ended_at - receipt.started_at + 2)
    if receipt.ended_at >= receipt.started_at and receipt.wall_milliseconds > elapsed_milliseconds:
        problems.append(
            Problem("wall_milliseconds", "too_high", "longer than the time between started_at and ended_at.")
        )
    return problems


def _outcome_problems(receipt: Receipt, expected: Expected) -> list[Problem]:
    if receipt.exit_reason not in ExitReason._value2member_map_:
        return [Problem("exit_reason", "unknown", f"{receipt.exit_reason} is not an exit reason (0 to 7).")]
    problems = []
    reason = ExitReason(receipt.exit_reason)
    if reason.delivers and receipt.output == ZERO_BYTES32:
        problems.append(
            Problem("output", "missing", "a delivered run has an output, even an empty one has its hash.")
        )
    if reason is ExitReason.REFUSED and any(
        (receipt.fp64, receipt.fp32, receipt.integer, receipt.memory_control, receipt.fuel)
    ):
        problems.append(Problem("exit_reason", "inconsistent", "a refused module ran nothing to count."))
    limit = expected.memory_bytes + MEMORY_OVERHEAD_BYTES_MAX
    if receipt.peak_memory_bytes > limit:
        problems.append(
            Problem("peak_memory_bytes", "too_high", f"above {limit}, the bid's memory and the runner's own.")
        )
    return problems
