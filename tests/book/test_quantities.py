"""Run ranges: what is taken and what comes back never gets lost or doubled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.book.quantities import count, first_of, joined, without


def runs_of(ranges) -> list[int]:
    return [run for first, number in ranges for run in range(first, first + number)]


def ranges_of(runs) -> list[list[int]]:
    return joined([], [[run, 1] for run in runs])


some_runs = st.sets(st.integers(0, 60), max_size=40)


@given(some_runs, some_runs)
def test_what_is_taken_and_given_back_leaves_the_same_runs(free, wanted):
    taken = sorted(free & wanted)
    left = without(ranges_of(free), ranges_of(taken))
    assert runs_of(left) == sorted(free - wanted)
    assert joined(left, ranges_of(taken)) == ranges_of(free)
    assert count(left) + len(taken) == len(free)


@given(some_runs, st.integers(0, 50))
def test_the_first_runs_are_the_first(free, number):
    assert runs_of(first_of(ranges_of(free), number)) == sorted(free)[:number]


def test_a_run_is_neither_taken_nor_given_back_twice():
    with pytest.raises(ValueError, match="not free"):
        without([[0, 4]], [(3, 2)])
    with pytest.raises(ValueError, match="free already"):
        joined([[0, 4]], [(3, 1)])
