"""The published schedule: weights, rounding, and the page that tells people about them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suan.core.delivery import metering
from suan.core.delivery.metering import (
    OPERATORS,
    WEIGHT_SCALE,
    WEIGHTS,
    units_of_bytes,
    weighted_sum,
    weights,
    work_units,
)
from suan.core.delivery.receipts import Counters
from suan.core.orders.products import PRODUCTS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "metering.md").read_text()
COUNTS = st.integers(0, 2**61)
CLASSES = st.sampled_from(sorted(WEIGHTS))


def test_every_class_of_the_market_has_weights_and_its_own_flop_is_the_unit() -> None:
    products = PRODUCTS.values() if isinstance(PRODUCTS, dict) else PRODUCTS
    assert {product.resource_class for product in products} == set(WEIGHTS)
    for resource_class, weight in WEIGHTS.items():
        assert getattr(weight, resource_class.removeprefix("cpu.")) == WEIGHT_SCALE
        assert min(weight.as_tuple()) >= 1  # No counter is free, so no counter can outrun the ceiling.


def test_only_arithmetic_of_floating_point_counts_as_flops() -> None:
    flops = {name for name, charge in OPERATORS.items() if charge.counter in (metering.FP64, metering.FP32)}
    kinds = {"f64": metering.FP64, "f64x2": metering.FP64, "f32": metering.FP32, "f32x4": metering.FP32}
    assert flops == {f"{kind}.{verb}" for kind in kinds for verb in ("add", "sub", "mul", "div", "sqrt")}
    for name in flops:
        kind = name.split(".")[0]
        lanes = int(kind.partition("x")[2] or 1)
        assert OPERATORS[name] == (kinds[kind], lanes)


def test_work_is_rounded_up_once_for_a_run() -> None:
    assert work_units(Counters(0, 0, 0, 0), "cpu.fp64") == 0
    assert work_units(Counters(1, 0, 0, 0), "cpu.fp64") == 1
    assert work_units(Counters(10**6, 0, 0, 0), "cpu.fp64") == 1
    assert work_units(Counters(10**6 + 1, 0, 0, 0), "cpu.fp64") == 2
    # Four counters of which each alone would be rounded up to one unit are one unit together.
    assert work_units(Counters(1000, 1000, 1000, 1000), "cpu.fp64") == 1
    assert work_units(Counters(0, 0, 10**7, 0), "cpu.fp64") == weights("cpu.fp64").integer / 10


@given(CLASSES, COUNTS, COUNTS, COUNTS, COUNTS)
def test_work_units_cover_the_weighted_sum_by_less_than_one_unit(
    resource_class: str, fp64: int, fp32: int, integer: int, control: int
) -> None:
    counters = Counters(fp64, fp32, integer, control)
    exact = weighted_sum(counters, resource_class)
    units = work_units(counters, resource_class)
    assert units * WEIGHT_SCALE * 10**6 - WEIGHT_SCALE * 10**6 < exact <= units * WEIGHT_SCALE * 10**6


@given(st.integers(0, 2**32))
def test_bytes_are_counted_by_eights_begun(size: int) -> None:
    assert 8 * units_of_bytes(size) - 8 < size <= 8 * units_of_bytes(size)


def test_an_unknown_class_is_named() -> None:
    with pytest.raises(ValueError, match="no weights for 'gpu.int8'"):
        work_units(Counters(1, 1, 1, 1), "gpu.int8")


def test_the_page_shows_the_weights_that_are_in_force() -> None:
    for resource_class, weight in WEIGHTS.items():
        cells = " | ".join(str(value) for value in weight.as_tuple())
        assert f"| `{resource_class}` | {cells} |" in PAGE
    for value in (metering.HOST_CALL_UNITS, metering.PAGE_UNITS):
        assert f"{value:,}" in PAGE
    assert f"{metering.RANDOM_BYTE_UNITS} for every byte" in PAGE


def test_the_page_names_every_operator_with_its_counter_and_amount() -> None:
    table = PAGE.split("## All operators")[1]
    listed: dict[str, tuple[str, int]] = {}
    for line in table.splitlines():
        if line.startswith("| ") and "`" in line:
            counter, amount, names = (cell.strip() for cell in line.strip("|").split("|"))
            for name in names.replace("`", "").split():
                assert name not in listed, name
                listed[name] = (counter, int(amount))
    expected = {n: (metering.COUNTER_NAMES[charge.counter], charge.amount) for n, charge in OPERATORS.items()}
    assert listed == expected
