"""A receipt is held against its trade before anything is computed again."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suan.core.delivery.receipts import (
    CLOCK_SKEW_SECONDS_MAX,
    COUNTER_MAX,
    Counters,
    ExitReason,
    Expected,
    Receipt,
    check_receipt,
)
from suan.core.encoding import keccak
from suan.core.ids import run_seed
from suan.core.signing.domains import market_domain
from suan.core.signing.recover import recover
from tests.core.signing.keys import Key

NOW = 1_800_000_000
SEED = run_seed(keccak(b"bid"), 5)
EXPECTED = Expected(
    trade=keccak(b"trade"), first_run=4, runs=3, module=keccak(b"module"), input=keccak(b"input"), seed=SEED,
    engines=frozenset({"wasmtime-50.0.1"}), profile="strict", memory_bytes=64 << 20, wall_seconds=30,
    deliver_by=NOW + 60, received_at=NOW + 12,
)  # fmt: skip
RECEIPT = Receipt(
    trade=EXPECTED.trade, run=5, module=EXPECTED.module, input=EXPECTED.input, output=keccak(b"output"), seed=SEED,
    fp64=10**9, fp32=0, integer=5, memory_control=7, fuel=9, engine="wasmtime-50.0.1", profile="strict",
    exit_reason=ExitReason.OK, cpu_milliseconds=9_000, wall_milliseconds=9_500, peak_memory_bytes=80 << 20,
    started_at=NOW, ended_at=NOW + 10,
)  # fmt: skip


def codes(receipt, expected=EXPECTED):
    return {(problem.field, problem.code) for problem in check_receipt(receipt, expected)}


def test_an_honest_receipt_has_no_problem():
    assert check_receipt(RECEIPT, EXPECTED) == []
    assert RECEIPT.counters == Counters(10**9, 0, 5, 7)


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"trade": bytes(32)}, "trade", "differs"),
        ({"module": bytes(32)}, "module", "differs"),
        ({"input": bytes(32)}, "input", "differs"),
        ({"seed": bytes(32)}, "seed", "differs"),
        ({"run": 3}, "run", "outside_trade"),
        ({"run": 7}, "run", "outside_trade"),
        ({"engine": "wasmtime-1.0.0"}, "engine", "unknown_engine"),
        ({"profile": "loose"}, "profile", "differs"),
        ({"fp64": COUNTER_MAX + 1}, "fp64", "too_high"),
        ({"fuel": 2**64 - 1}, "fuel", "too_high"),
        ({"ended_at": NOW - 1}, "ended_at", "before_start"),
        ({"ended_at": NOW + 12 + CLOCK_SKEW_SECONDS_MAX + 1}, "ended_at", "in_the_future"),
        ({"wall_milliseconds": 12_001}, "wall_milliseconds", "too_high"),
        ({"exit_reason": 8}, "exit_reason", "unknown"),
        ({"output": bytes(32)}, "output", "missing"),
        ({"evidence": bytes(31) + b"\1"}, "evidence", "unknown_leaves"),
        ({"exit_reason": ExitReason.REFUSED}, "exit_reason", "inconsistent"),
        ({"peak_memory_bytes": 1 << 40}, "peak_memory_bytes", "too_high"),
    ],
)
def test_each_contradiction_is_named(change, field, code):
    assert codes(replace(RECEIPT, **change)) == {(field, code)}


def test_the_edges_of_a_trade_are_inside_it():
    assert codes(replace(RECEIPT, run=4)) == codes(replace(RECEIPT, run=6)) == set()


def test_a_receipt_counts_until_the_second_of_deliver_by_and_not_later():
    assert codes(RECEIPT, replace(EXPECTED, received_at=EXPECTED.deliver_by)) == set()
    assert codes(RECEIPT, replace(EXPECTED, received_at=EXPECTED.deliver_by + 1)) == {("trade", "too_late")}


def test_a_timeout_or_a_refusal_needs_no_output():
    empty = {"output": bytes(32)}
    assert codes(replace(RECEIPT, exit_reason=ExitReason.TIMEOUT, **empty)) == set()
    nothing = dict.fromkeys(("fp64", "integer", "memory_control", "fuel"), 0)
    assert codes(replace(RECEIPT, exit_reason=ExitReason.REFUSED, **empty, **nothing)) == set()


def test_only_what_depends_on_the_providers_machine_delivers_nothing():
    assert {reason.name for reason in ExitReason if not reason.delivers} == {"TIMEOUT", "REFUSED"}


@given(st.integers(0, 2**63), st.sampled_from(["fp64", "fp32", "integer", "memory_control", "fuel", "run"]))
def test_a_signature_over_a_receipt_is_for_its_exact_numbers(number, field):
    domain, agent = market_domain(31337, "0x" + "33" * 20), Key("agent")
    signature = agent.sign(RECEIPT.digest(domain))
    changed = replace(RECEIPT, **{field: number % 2**32})
    assert (recover(changed.digest(domain), signature) == agent.address) == (changed == RECEIPT)
