"""meter/1: what every allowed WebAssembly operator adds to the four counters of a run, and what the counters cost.

Layout: `OPERATORS` gives each operator one counter and one fixed amount; `SIZED` gives the amount that depends on an
operand known only at run time; `carried_values` names the operators that also count the values they move. The four
counters stand raw in the receipt; `work_units` weighs them into the bill of a resource class, rounded up once.

Invariant: an operator that is not in `OPERATORS` does not exist for the market; a module that uses it is refused.
The fp64 and fp32 counters hold FLOPs and nothing else: add, subtract, multiply, divide, square root, one per lane.
The page docs/metering.md gives the reasons, the measured costs and how a block is charged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from suan.core.units import FLOP_EQUIVALENTS_PER_WORK_UNIT, WorkUnits, div_up

SCHEDULE: Final = "meter/1"

FP64: Final = 0
FP32: Final = 1
INTEGER: Final = 2
MEMORY_CONTROL: Final = 3
COUNTER_NAMES: Final = ("fp64", "fp32", "integer", "memory_control")

WEIGHT_SCALE: Final = 100
"""Weights are hundredths: WEIGHT_SCALE is the weight of one FLOP of the class's own precision."""
CEILING_UNITS_MAX: Final = 2**60 // (FLOP_EQUIVALENTS_PER_WORK_UNIT * WEIGHT_SCALE)
"""The largest ceiling of a run (about 11.5 * 10^9 work units). Below it no 64-bit counter can overflow:
every weight is at least 1, so a counter never passes the weighted sum, which stops at 2^60 plus one block."""

UNIT_BYTES: Final = 8
"""Bulk memory, host transfers and vector loads count one for every eight bytes begun."""
PAGE_UNITS: Final = 65_536 // UNIT_BYTES
"""A granted memory page is handed out as zeroes: it counts as that many units of eight bytes."""
HOST_CALL_UNITS: Final = 100_000
"""memory_control of one call that reaches the host, besides the operator: such a call leaves the compiled code."""
RANDOM_BYTE_UNITS: Final = 12
"""memory_control of one byte of random_get, which is computed by a hash function."""


class Charge(NamedTuple):
    """What one execution of an operator adds: `amount` to the counter with index `counter`."""

    counter: int
    amount: int


class CountersLike(Protocol):
    """The four raw counters of a run, as in the receipt."""

    @property
    def fp64(self) -> int: ...
    @property
    def fp32(self) -> int: ...
    @property
    def integer(self) -> int: ...
    @property
    def memory_control(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Weights:
    """Cost of one count of each counter, in WEIGHT_SCALE-ths of one FLOP of the class's own precision."""

    fp64: int
    fp32: int
    integer: int
    memory_control: int

    def as_tuple(self) -> tuple[int, int, int, int]:
        return (self.fp64, self.fp32, self.integer, self.memory_control)


WEIGHTS: Final[Mapping[str, Weights]] = MappingProxyType(
    {
        "cpu.fp64": Weights(fp64=100, fp32=75, integer=10, memory_control=45),
        "cpu.fp32": Weights(fp64=130, fp32=100, integer=12, memory_control=60),
    }
)
"""Per resource class; measured by benchmarks/metering_weights.py and written down in docs/metering.md."""


def weights(resource_class: str) -> Weights:
    """The weights of a resource class. Raises ValueError for a class that meter/1 does not price."""
    found = WEIGHTS.get(resource_class)
    if found is None:
        raise ValueError(
            f"meter/1 has no weights for {resource_class!r}; it prices {', '.join(sorted(WEIGHTS))}"
        )
    return found


def weighted_sum(counters: CountersLike, resource_class: str) -> int:
    """FLOP-equivalents of a run times WEIGHT_SCALE: exact, before any rounding."""
    weight = weights(resource_class)
    return (
        weight.fp64 * counters.fp64
        + weight.fp32 * counters.fp32
        + weight.integer * counters.integer
        + weight.memory_control * counters.memory_control
    )


def work_units(counters: CountersLike, resource_class: str) -> WorkUnits:
    """Work units of one run: ceil(weighted sum / (WEIGHT_SCALE * 10^6)).

    Up, once per run: a run that did anything costs at least one unit, and the provider never works for nothing.
    """
    scale = WEIGHT_SCALE * FLOP_EQUIVALENTS_PER_WORK_UNIT
    return WorkUnits(div_up(weighted_sum(counters, resource_class), scale))


def units_of_bytes(size: int) -> int:
    """memory_control of moving `size` bytes: one for every eight bytes begun."""
    return div_up(size, UNIT_BYTES)


def carried_values(operator: str) -> bool:
    """Whether an operator also counts the values it carries, one memory_control each.

    A branch counts the values of its label, a call its parameters and results, a block, loop or if the parameters
    and results of its type: each may become a move, and otherwise a thousand moves would hide behind one operator.
    """
    return operator in _CARRYING


SIZED: Final[Mapping[str, int]] = MappingProxyType(
    {
        "memory.copy": UNIT_BYTES,
        "memory.fill": UNIT_BYTES,
        "memory.init": UNIT_BYTES,
        "table.copy": 1,
        "table.fill": 1,
        "table.init": 1,
    }
)
"""Operators whose last operand is a length: they add ceil(length / divisor) memory_control, before they run and
whether or not they trap. memory.grow adds PAGE_UNITS for every page that was granted and table.grow one for every
element, after they ran; a refusal costs nothing more."""

_CARRYING: Final = frozenset("block loop if br br_if br_table return call call_indirect".split())
_FREE: Final = (
    "nop drop block loop else end local.get i32.const i64.const f32.const f64.const v128.const".split()
)
_INTEGER_WIDTHS: Final = ("i32", "i64")
_FLOAT_COUNTERS: Final = {"f32": FP32, "f64": FP64, "f32x4": FP32, "f64x2": FP64}
_LANES: Final = {"i8x16": 16, "i16x8": 8, "i32x4": 4, "i64x2": 2, "f32x4": 4, "f64x2": 2, "v128": 2}
_FLOPS: Final = "add sub mul div sqrt".split()
_FLOAT_OTHER: Final = "eq ne lt gt le ge abs neg ceil floor trunc nearest min max".split()


def _control_charges() -> Iterator[tuple[str, Charge]]:
    for name in _FREE:
        yield name, Charge(MEMORY_CONTROL, 0)
    single = (
        "unreachable if br br_if br_table return call select local.set local.tee global.get global.set "
        "memory.size memory.grow memory.copy memory.fill memory.init data.drop elem.drop "
        "table.get table.set table.size table.grow table.fill table.copy table.init ref.null ref.is_null ref.func"
    )
    for name in single.split():
        yield name, Charge(MEMORY_CONTROL, 1)
    # Bounds check, signature check and the load of the target come on top of the call.
    yield "call_indirect", Charge(MEMORY_CONTROL, 4)


def _memory_charges() -> Iterator[tuple[str, Charge]]:
    names = [f"{kind}.{verb}" for kind in ("i32", "i64", "f32", "f64") for verb in ("load", "store")]
    names += [f"{kind}.load{size}_{sign}" for kind in _INTEGER_WIDTHS for size in (8, 16) for sign in "su"]
    names += [
        "i64.load32_s",
        "i64.load32_u",
        "i32.store8",
        "i32.store16",
        "i64.store8",
        "i64.store16",
        "i64.store32",
    ]
    names += [f"v128.load{shape}_{sign}" for shape in ("8x8", "16x4", "32x2") for sign in "su"]
    names += [f"v128.load{size}_splat" for size in (8, 16, 32, 64)] + ["v128.load32_zero", "v128.load64_zero"]
    names += [f"v128.{verb}{size}_lane" for verb in ("load", "store") for size in (8, 16, 32, 64)]
    for name in names:
        yield name, Charge(MEMORY_CONTROL, 1)
    for name in ("v128.load", "v128.store"):
        yield name, Charge(MEMORY_CONTROL, 16 // UNIT_BYTES)


def _scalar_charges() -> Iterator[tuple[str, Charge]]:
    integer = (
        "eqz eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u clz ctz popcnt add sub mul div_s div_u rem_s rem_u "
        "and or xor shl shr_s shr_u rotl rotr extend8_s extend16_s"
    ).split()
    names = [f"{width}.{verb}" for width in _INTEGER_WIDTHS for verb in integer]
    names += [f"{width}.{verb}" for width in ("f32", "f64") for verb in (*_FLOAT_OTHER, "copysign")]
    names += (
        "i64.extend32_s i32.wrap_i64 i64.extend_i32_s i64.extend_i32_u f32.demote_f64 f64.promote_f32".split()
    )
    names += "i32.reinterpret_f32 i64.reinterpret_f64 f32.reinterpret_i32 f64.reinterpret_i64".split()
    for whole in _INTEGER_WIDTHS:
        for real in ("f32", "f64"):
            for sign in "su":
                names += [f"{whole}.trunc_{real}_{sign}", f"{whole}.trunc_sat_{real}_{sign}"]
                names.append(f"{real}.convert_{whole}_{sign}")
    for name in names:
        yield name, Charge(INTEGER, 1)
    for real in ("f32", "f64"):
        for verb in _FLOPS:
            yield f"{real}.{verb}", Charge(_FLOAT_COUNTERS[real], 1)


def _vector_integer_verbs(shape: str) -> list[str]:
    """Verbs of an integer lane shape that work on every lane."""
    verbs = "splat eq ne lt_s gt_s le_s ge_s abs neg all_true bitmask shl shr_s shr_u add sub".split()
    if shape != "i64x2":
        verbs += "lt_u gt_u le_u ge_u min_s min_u max_s max_u".split()
    if shape != "i8x16":
        verbs.append("mul")
    if shape in ("i8x16", "i16x8"):
        verbs += "add_sat_s add_sat_u sub_sat_s sub_sat_u avgr_u".split()
    half = {"i16x8": "i8x16", "i32x4": "i16x8", "i64x2": "i32x4"}.get(shape)
    if half:
        verbs += [
            f"{verb}_{end}_{half}_{sign}"
            for verb in ("extend", "extmul")
            for end in ("low", "high")
            for sign in "su"
        ]
    if shape in ("i16x8", "i32x4"):
        verbs += [f"extadd_pairwise_{half}_{sign}" for sign in "su"]
    double = {"i8x16": "i16x8", "i16x8": "i32x4"}.get(shape)
    if double:
        verbs += [f"narrow_{double}_{sign}" for sign in "su"]
    return (
        verbs
        + {
            "i8x16": ["shuffle", "swizzle", "popcnt"],
            "i16x8": ["q15mulr_sat_s"],
            "i32x4": ["dot_i16x8_s"]
            + [f"trunc_sat_{real}" for real in ("f32x4_s", "f32x4_u", "f64x2_s_zero", "f64x2_u_zero")],
            "i64x2": [],
        }[shape]
    )


def _vector_charges() -> Iterator[tuple[str, Charge]]:
    for shape in ("i8x16", "i16x8", "i32x4", "i64x2"):
        for verb in _vector_integer_verbs(shape):
            yield f"{shape}.{verb}", Charge(INTEGER, _LANES[shape])
        signs = ("_s", "_u") if shape in ("i8x16", "i16x8") else ("",)
        for verb in [f"extract_lane{sign}" for sign in signs] + ["replace_lane"]:
            yield f"{shape}.{verb}", Charge(INTEGER, 1)
    for shape in ("f32x4", "f64x2"):
        for verb in (*_FLOAT_OTHER, "pmin", "pmax", "splat"):
            yield f"{shape}.{verb}", Charge(INTEGER, _LANES[shape])
        for verb in _FLOPS:
            yield f"{shape}.{verb}", Charge(_FLOAT_COUNTERS[shape], _LANES[shape])
        for verb in ("extract_lane", "replace_lane"):
            yield f"{shape}.{verb}", Charge(INTEGER, 1)
    for verb in "not and andnot or xor bitselect any_true".split():
        yield f"v128.{verb}", Charge(INTEGER, _LANES["v128"])
    for name in ("f32x4.demote_f64x2_zero", "f32x4.convert_i32x4_s", "f32x4.convert_i32x4_u"):
        yield name, Charge(INTEGER, 4)
    for name in ("f64x2.promote_low_f32x4", "f64x2.convert_low_i32x4_s", "f64x2.convert_low_i32x4_u"):
        yield name, Charge(INTEGER, 2)


OPERATORS: Final[Mapping[str, Charge]] = MappingProxyType(
    dict([*_control_charges(), *_memory_charges(), *_scalar_charges(), *_vector_charges()])
)
"""Every operator that a job may use, by its name in the WebAssembly text format."""
