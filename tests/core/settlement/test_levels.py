"""A level of verification says which runs are run again and what a finding makes of a receipt."""

import pytest

from suan.core.contract.records import ReceiptVerdict
from suan.core.delivery.receipts import ExitReason
from suan.core.orders.products import PRODUCTS, VERIFICATIONS
from suan.core.settlement.levels import LEVELS, Judgement, level_of


def test_every_level_that_a_product_names_has_its_rules() -> None:
    assert set(LEVELS) == set(VERIFICATIONS)
    assert {level_of(symbol) for symbol in PRODUCTS} == {LEVELS["recomputed"]}


def test_a_symbol_without_a_known_level_is_refused_by_the_levels_there_are() -> None:
    for symbol in ("", "cpu.fp64", "cpu.fp64:eu-north:believed"):
        with pytest.raises(ValueError, match="there are recomputed"):
            level_of(symbol)


@pytest.mark.parametrize("reason", ExitReason)
def test_recomputed_runs_every_delivered_run_again(reason: ExitReason) -> None:
    assert LEVELS["recomputed"].recomputes(bytes(32), 0, reason) is reason.delivers


def test_recomputed_leaves_undecided_what_no_two_engines_agree_on() -> None:
    level = LEVELS["recomputed"]
    assert {judgement: level.verdict(judgement) for judgement in Judgement} == {
        Judgement.ACCEPTED: ReceiptVerdict.ACCEPTED,
        Judgement.REJECTED: ReceiptVerdict.REJECTED,
        Judgement.UNDECIDED: ReceiptVerdict.UNDECIDED,
        Judgement.UNFINISHED: ReceiptVerdict.UNDECIDED,
    }
