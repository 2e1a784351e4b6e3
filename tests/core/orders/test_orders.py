"""Admission: every rule has an order that just keeps it and one that just breaks it."""

from dataclasses import replace

import pytest

from suan.core.encoding import keccak
from suan.core.orders.admission import LIMITS, AdmissionContext, check_bid, check_offer
from suan.core.orders.products import PRODUCTS, product_by_id, product_by_symbol
from suan.core.orders.terms import BidTerms, OfferTerms
from suan.core.problems import FieldError
from suan.core.signing.structs import SIDE_BUY, SIDE_SELL, Bid, Offer
from suan.core.units import bid_hold, offer_hold

NOW = 1_800_000_000
SET = keccak(b"verifiers")
PRODUCT = PRODUCTS["cpu.fp64:eu-north:recomputed"]
MAKER = "0x" + "11" * 20
CONTEXT = AdmissionContext(
    available=10**24, open_orders=0, verifier_sets=frozenset({SET}), fee_bps=100, bond_bps=2_500,
    bond_floor_price=10**15, payout_cap=10**24, measured_mflops=800,
)  # fmt: skip
BID_TERMS = BidTerms(keccak(b"module"), keccak(b"input"), 64 << 20, 30)
OFFER_TERMS = OfferTerms("0x" + "22" * 20, 800)


def bid(terms=BID_TERMS, **changes):
    values = {
        "maker": MAKER, "product": PRODUCT.id, "side": SIDE_BUY, "price": 10**18, "runs": 8, "ceiling": 5_000,
        "nonce": 1, "valid_until": NOW + 600, "deliver_by": NOW + 3_600, "verifier_set": SET, "max_fee_bps": 100,
        "terms": terms.hash(),
    }  # fmt: skip
    return Bid(**values | changes)


def offer(terms=OFFER_TERMS, **changes):
    values = {
        "maker": MAKER, "product": PRODUCT.id, "side": SIDE_SELL, "price": 10**18, "units": 800 * 3_600,
        "nonce": 1, "valid_until": NOW + 600, "deliver_by": NOW + 3_600, "verifier_set": SET, "max_fee_bps": 100,
        "terms": terms.hash(),
    }  # fmt: skip
    return Offer(**values | changes)


def codes(problems):
    return {(problem.field, problem.code) for problem in problems}


def test_a_sound_bid_and_a_sound_offer_are_admitted():
    assert check_bid(bid(), BID_TERMS, now=NOW, context=CONTEXT) == []
    assert check_offer(offer(), OFFER_TERMS, now=NOW, context=CONTEXT) == []


@pytest.mark.parametrize(
    ("kept", "broken", "field", "code"),
    [
        ({"price": LIMITS.price_min}, {"price": LIMITS.price_min - 1}, "limit_price", "too_low"),
        ({"price": LIMITS.price_max}, {"price": LIMITS.price_max + 1}, "limit_price", "too_high"),
        ({"runs": 1}, {"runs": 0}, "runs", "too_low"),
        ({"runs": LIMITS.runs_max}, {"runs": LIMITS.runs_max + 1}, "runs", "too_high"),
        ({"ceiling": LIMITS.ceiling_min}, {"ceiling": 0}, "ceiling_units", "too_low"),
        ({"ceiling": LIMITS.ceiling_max}, {"ceiling": LIMITS.ceiling_max + 1}, "ceiling_units", "too_high"),
        ({"valid_until": NOW + 1}, {"valid_until": NOW}, "valid_until", "expired"),
        ({"deliver_by": NOW + 600}, {"deliver_by": NOW + 599}, "deliver_by", "before_valid_until"),
        ({"max_fee_bps": 10_000}, {"max_fee_bps": 99}, "max_fee_bps", "out_of_range"),
        ({}, {"max_fee_bps": 10_001}, "max_fee_bps", "out_of_range"),
        ({}, {"verifier_set": bytes(32)}, "verifier_set", "unknown_verifier_set"),
        ({}, {"product": bytes(32)}, "product", "unknown_product"),
        ({}, {"side": SIDE_SELL}, "side", "wrong_side"),
    ],
)
def test_each_rule_of_a_bid_has_an_edge(kept, broken, field, code):
    rich = replace(CONTEXT, available=10**60, payout_cap=10**60)
    assert (field, code) not in codes(check_bid(bid(**kept), BID_TERMS, now=NOW, context=rich))
    assert (field, code) in codes(check_bid(bid(**broken), BID_TERMS, now=NOW, context=rich))


def test_orders_cannot_be_valid_or_due_later_than_the_contract_would_lock_money():
    late = NOW + LIMITS.valid_seconds_max
    assert (
        codes(check_bid(bid(valid_until=late, deliver_by=late), BID_TERMS, now=NOW, context=CONTEXT)) == set()
    )
    found = codes(
        check_bid(bid(valid_until=late + 1, deliver_by=late + 1), BID_TERMS, now=NOW, context=CONTEXT)
    )
    assert found == {("valid_until", "too_late"), ("deliver_by", "too_late")}


def test_a_bid_leaves_a_run_as_much_time_as_it_may_take():
    short = {"valid_until": NOW + 1, "deliver_by": NOW + 29}
    assert ("deliver_by", "too_soon") in codes(check_bid(bid(**short), BID_TERMS, now=NOW, context=CONTEXT))
    short["deliver_by"] = NOW + 30
    assert check_bid(bid(**short), BID_TERMS, now=NOW, context=CONTEXT) == []


def test_a_hash_of_other_terms_is_refused():
    other = replace(BID_TERMS, wall_seconds=31)
    assert codes(check_bid(bid(), other, now=NOW, context=CONTEXT)) == {("terms", "differs")}


def test_runs_times_ceiling_has_a_limit_of_its_own():
    huge = bid(runs=10_000, ceiling=LIMITS.ceiling_max)
    rich = replace(CONTEXT, available=10**60, payout_cap=10**60)
    assert codes(check_bid(huge, BID_TERMS, now=NOW, context=rich)) == {("runs", "too_high")}


def test_a_bid_needs_the_whole_of_its_hold_and_is_told_how_much_is_missing():
    need = bid_hold(10**18, 8, 5_000)
    assert check_bid(bid(), BID_TERMS, now=NOW, context=replace(CONTEXT, available=need)) == []
    [problem] = check_bid(bid(), BID_TERMS, now=NOW, context=replace(CONTEXT, available=need - 1))
    assert problem.code == "insufficient_funds"
    assert "deposit 0.000000000000000001 more" in problem.message


def test_a_bid_whose_payment_and_bond_could_pass_the_cap_of_its_verifiers_is_told_before_it_trades():
    most = bid_hold(10**18, 8, 5_000) + offer_hold(10**18, 8 * 5_000, 2_500, 10**15)
    assert check_bid(bid(), BID_TERMS, now=NOW, context=replace(CONTEXT, payout_cap=most)) == []
    [problem] = check_bid(bid(), BID_TERMS, now=NOW, context=replace(CONTEXT, payout_cap=most - 1))
    assert (problem.field, problem.code) == ("runs", "above_payout_cap")
    assert f"at most {most - 1}" in problem.message


def test_an_offer_needs_the_bond_of_all_its_units():
    need = offer_hold(10**18, 800 * 3_600, 2_500, 10**15)
    assert check_offer(offer(), OFFER_TERMS, now=NOW, context=replace(CONTEXT, available=need)) == []
    [problem] = check_offer(offer(), OFFER_TERMS, now=NOW, context=replace(CONTEXT, available=need - 1))
    assert problem.code == "insufficient_bond"


def test_an_offer_promises_no_more_than_its_node_was_measured_at():
    slower = replace(CONTEXT, measured_mflops=799)
    assert codes(check_offer(offer(), OFFER_TERMS, now=NOW, context=slower)) == {
        ("terms.rate_mflops", "above_measured")
    }
    unknown = replace(CONTEXT, measured_mflops=None)
    assert codes(check_offer(offer(), OFFER_TERMS, now=NOW, context=unknown)) == {
        ("terms.agent", "unknown_agent")
    }


def test_an_offer_sells_no_more_than_its_rate_finishes_in_time():
    assert codes(check_offer(offer(units=800 * 3_600 + 1), OFFER_TERMS, now=NOW, context=CONTEXT)) == {
        ("units", "beyond_capacity")
    }


def test_open_orders_of_one_maker_are_limited():
    full = replace(CONTEXT, open_orders=LIMITS.open_orders_max)
    assert codes(check_bid(bid(), BID_TERMS, now=NOW, context=full)) == {("maker", "too_many_open_orders")}
    assert (
        check_bid(bid(), BID_TERMS, now=NOW, context=replace(full, open_orders=LIMITS.open_orders_max - 1))
        == []
    )


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"version": 2}, "too_high"),
        ({"memory_bytes": 65_535}, "too_low"),
        ({"memory_bytes": (1 << 30) + 1}, "too_high"),
        ({"wall_seconds": 0}, "too_low"),
        ({"wall_seconds": 3_601}, "too_high"),
        ({"profile": "loose"}, "unknown_value"),
        ({"schedule": "meter/2"}, "unknown_value"),
        ({"disclosure": "maybe"}, "unknown_value"),
    ],
)
def test_terms_of_a_bid_that_no_runner_keeps_are_refused(change, code):
    terms = replace(BID_TERMS, **change)
    [(name, _)] = change.items()
    found = codes(check_bid(bid(terms, deliver_by=NOW + 7_200), terms, now=NOW, context=CONTEXT))
    assert found == {(f"terms.{name}", code)}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"version": 0}, "too_low"),
        ({"runtime": "docker"}, "unknown_value"),
        ({"engine": "Wasm Time"}, "not_an_engine"),
        ({"engine": "x" * 65}, "not_an_engine"),
    ],
)
def test_terms_of_an_offer_that_nobody_can_recompute_are_refused(change, code):
    terms = replace(OFFER_TERMS, **change)
    [(name, _)] = change.items()
    assert codes(check_offer(offer(terms), terms, now=NOW, context=CONTEXT)) == {(f"terms.{name}", code)}


def test_every_problem_says_what_to_do_and_none_stops_at_the_first():
    wrong = bid(
        price=0, runs=0, ceiling=0, valid_until=0, deliver_by=0, max_fee_bps=0, verifier_set=bytes(32)
    )
    problems = check_bid(wrong, BID_TERMS, now=NOW, context=CONTEXT)
    assert len(problems) >= 7
    assert all(problem.message.endswith((".", "…")) and len(problem.message) > 20 for problem in problems)


@pytest.mark.parametrize("terms", [BID_TERMS, OFFER_TERMS])
def test_terms_survive_json_and_their_hash_is_that_of_the_canonical_json(terms):
    assert type(terms).from_json(terms.to_json()) == terms
    assert terms.hash() == keccak(terms.canonical())
    assert b'"version":1' in terms.canonical() and b" " not in terms.canonical()


@pytest.mark.parametrize(
    ("terms", "change", "field", "code"),
    [
        (BID_TERMS, {"gpu": 1}, "terms.gpu", "unknown_field"),
        (BID_TERMS, {"memory_bytes": "64"}, "terms.memory_bytes", "wrong_type"),
        (BID_TERMS, {"wall_seconds": True}, "terms.wall_seconds", "wrong_type"),
        (BID_TERMS, {"wall_seconds": 1.5}, "terms.wall_seconds", "wrong_type"),
        (BID_TERMS, {"module": "0x00"}, "terms.module", "wrong_length"),
        (BID_TERMS, {"input": "text"}, "terms.input", "not_hex"),
        (OFFER_TERMS, {"agent": "0x00"}, "terms.agent", "not_an_address"),
        (OFFER_TERMS, {"price": 3}, "terms.price", "unknown_field"),
    ],
)
def test_terms_with_a_wrong_field_are_refused_by_its_name(terms, change, field, code):
    with pytest.raises(FieldError) as refused:
        type(terms).from_json(terms.to_json() | change)
    assert (refused.value.field, refused.value.code) == (field, code)


def test_terms_with_a_field_left_out_are_refused_by_its_name():
    value = BID_TERMS.to_json()
    del value["schedule"]
    with pytest.raises(FieldError) as refused:
        BidTerms.from_json(value)
    assert (refused.value.field, refused.value.code) == ("terms.schedule", "missing")
    with pytest.raises(FieldError):
        OfferTerms.from_json([])


def test_there_are_six_products_and_their_ids_are_the_hashes_of_their_symbols():
    assert len(PRODUCTS) == 6
    for symbol, product in PRODUCTS.items():
        assert product.id == keccak(symbol.encode())
        assert product_by_symbol(symbol) is product is product_by_id(product.id)
    with pytest.raises(FieldError, match="cpu.fp32:us-east:recomputed"):
        product_by_symbol("gpu.fp16:mars:trusted")


def test_limits_are_shown_with_wide_ones_as_text():
    shown = LIMITS.to_json()
    assert (shown["price_max"], shown["runs_max"]) == (str(10**24), 10_000)
