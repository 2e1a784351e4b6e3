"""Rounding: who gains, and what always covers what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suan.core.problems import FieldError
from suan.core.units import (
    UNITS_PER_GFLOPS_HOUR,
    bid_hold,
    billed_units,
    bond,
    bond_price,
    div_up,
    fee,
    format_gflops_hours,
    format_tokens,
    lock_payment,
    minimum_units,
    offer_hold,
    parse_gflops_hours,
    parse_tokens,
    payment,
    units_in,
)

prices = st.integers(0, 2**96 - 1)
amounts_of_work = st.integers(0, 2**64 - 1)
basis_points = st.integers(0, 10_000)


def test_one_gflops_hour_costs_exactly_its_price():
    assert lock_payment(850, UNITS_PER_GFLOPS_HOUR) == payment(850, UNITS_PER_GFLOPS_HOUR) == 850


def test_the_lock_rounds_up_and_the_payment_rounds_down():
    assert (lock_payment(1, 1), payment(1, 1)) == (1, 0)
    assert (lock_payment(1, 3_600_001), payment(1, 3_600_001)) == (2, 1)


def test_a_job_of_half_a_minute_on_one_gflops_costs_a_hundred_and_twentieth_of_the_price():
    assert units_in(1_000, 30) == 30_000
    assert payment(120 * 10**18, units_in(1_000, 30)) == 10**18


@given(prices, amounts_of_work)
def test_the_lock_covers_the_payment_and_reserves_at_most_one_base_unit_more(price, units):
    assert 0 <= lock_payment(price, units) - payment(price, units) <= 1


@given(prices, st.lists(amounts_of_work, max_size=8))
def test_locks_of_the_parts_cover_the_lock_of_the_whole(price, parts):
    assert sum(lock_payment(price, part) for part in parts) >= lock_payment(price, sum(parts))


@given(prices, st.lists(amounts_of_work, max_size=8))
def test_payments_of_the_parts_never_exceed_the_payment_of_the_whole(price, parts):
    assert sum(payment(price, part) for part in parts) <= payment(price, sum(parts))


@given(prices, prices, amounts_of_work, st.lists(st.integers(1, 50), max_size=8))
def test_the_hold_of_a_bid_covers_every_split_into_trades_at_any_better_price(limit, price, ceiling, split):
    price = min(price, limit)
    locks = sum(lock_payment(price, runs * ceiling) for runs in split)
    assert locks <= bid_hold(limit, sum(split), ceiling)


@given(prices, basis_points, prices, st.lists(amounts_of_work, max_size=8))
def test_the_hold_of_an_offer_covers_the_bonds_of_all_its_parts(price, bps, floor_price, parts):
    each = bond_price(price, bps, floor_price)
    assert sum(bond(each, part) for part in parts) <= offer_hold(price, sum(parts), bps, floor_price)


@given(prices, basis_points, prices)
def test_the_bond_price_never_falls_below_its_floor(price, bps, floor_price):
    assert bond_price(price, bps, floor_price) >= floor_price
    assert bond_price(price, bps, floor_price) <= max(price, floor_price)


@given(st.integers(0, 2**128 - 1), basis_points)
def test_a_fee_never_exceeds_the_payment_and_rounds_down(paid, bps):
    assert fee(paid, bps) * 10_000 <= paid * bps < (fee(paid, bps) + 1) * 10_000
    assert fee(paid, bps) <= paid


@given(amounts_of_work, amounts_of_work)
def test_a_run_is_billed_between_a_tenth_of_its_ceiling_and_the_ceiling(counted, ceiling):
    billed = billed_units(counted, ceiling)
    assert minimum_units(ceiling) <= billed <= ceiling
    assert 10 * minimum_units(ceiling) >= ceiling > 10 * (minimum_units(ceiling) - 1)
    if minimum_units(ceiling) <= counted <= ceiling:
        assert billed == counted


@given(prices, st.lists(st.tuples(amounts_of_work), min_size=1, max_size=6), amounts_of_work)
def test_what_is_billed_for_delivered_runs_never_costs_more_than_their_lock(price, counts, ceiling):
    billed = sum(billed_units(counted, ceiling) for (counted,) in counts)
    assert payment(price, billed) <= lock_payment(price, len(counts) * ceiling)


@given(st.integers(0, 2**128 - 1))
def test_token_amounts_survive_text_and_back(amount):
    assert parse_tokens(format_tokens(amount)) == amount


@given(amounts_of_work)
def test_every_number_of_work_units_survives_gflops_hours_and_back(units):
    assert parse_gflops_hours(format_gflops_hours(units)) == units


def test_token_texts_read_as_people_write_them():
    assert parse_tokens("0.85") == 850_000_000_000_000_000
    assert parse_tokens("1000000") == 10**24
    assert format_tokens(10**18) == "1"
    assert format_tokens(-1) == "-0.000000000000000001"
    assert format_gflops_hours(5_400_000) == "1.5"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("-1", "not_a_decimal"),
        ("1e9", "not_a_decimal"),
        ("1,5", "not_a_decimal"),
        (".5", "not_a_decimal"),
        ("", "not_a_decimal"),
        ("٣", "not_a_decimal"),
        ("1" * 61, "not_a_decimal"),
        ("0." + "0" * 18 + "1", "too_precise"),
    ],
)
def test_a_text_that_is_no_token_amount_is_refused_and_named(text, code):
    with pytest.raises(FieldError) as refused:
        parse_tokens(text)
    assert (refused.value.field, refused.value.code) == ("amount", code)


def test_a_positive_text_never_becomes_no_work():
    with pytest.raises(FieldError):
        parse_gflops_hours("0.0000001")
    assert parse_gflops_hours("0") == 0


@pytest.mark.parametrize("wrong", [-1, 1.5, True, "1"])
def test_money_is_never_negative_and_never_a_float(wrong):
    with pytest.raises((ValueError, TypeError)):
        payment(wrong, 1)
    with pytest.raises((ValueError, TypeError)):
        lock_payment(1, wrong)


def test_division_that_rounds_up_refuses_what_it_is_not_made_for():
    assert [div_up(n, 3) for n in (0, 1, 3, 4)] == [0, 1, 1, 2]
    with pytest.raises(ValueError):
        div_up(1, 0)
    with pytest.raises(ValueError):
        div_up(-1, 2)
