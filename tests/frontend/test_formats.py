"""Numbers for people: cut, never rounded, and exact behind it."""

import pytest

from frontend import formats


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0.85", "0.85"),
        ("1000", "1000"),
        ("999.999818999", "999.999818…"),
        ("0.0000145555555", "0.00001455…"),
        ("0.123456", "0.123456"),
        ("-0.9999999", "-0.999999…"),
    ],
)
def test_a_decimal_is_cut_and_says_so(text, shown):
    assert formats.short_decimal(text) == shown


def test_thousands_are_grouped_and_the_fraction_is_not():
    assert formats.grouped("1234567.1234567") == "1,234,567.1234567"
    assert formats.grouped("-1000") == "-1,000"
    assert formats.grouped("999.99…") == "999.99…"


def test_an_id_is_shortened_but_keeps_its_kind():
    assert formats.short_id("ord_0x" + "ab" * 32) == "ord_0xababab…abab"
    assert formats.short_id("cpu.fp64:eu-north:recomputed") == "cpu.fp64:eu-north:recomputed"


def test_rates_and_durations_carry_their_units():
    assert [formats.rate_text(rate) for rate in (812, 1_000, 1_250)] == [
        "812 MFLOPS",
        "1 GFLOPS",
        "1.25 GFLOPS",
    ]
    assert [formats.duration_text(s) for s in (0, 5, 90, 3_660, 90_061)] == [
        "0 s",
        "5 s",
        "1 min 30 s",
        "1 h 1 min",
        "1 d 1 h",
    ]


def test_every_state_of_the_lifecycle_has_a_look():
    from suan.core import lifecycle

    missing = {name for kind in lifecycle.Kind for name in lifecycle.states(kind)} - set(formats.TONES)
    assert not missing


def test_a_time_that_no_calendar_has_is_no_error():
    assert formats.utc(2**60) is None
