"""Names and numbers of refusals are those of the contract, and each has its words."""

import re

from operations.run.layout import PROJECT
from suan.core.contract.reject_codes import FILL_CODES, REJECT_WORDS, RejectCode, reject_words

SOURCES = PROJECT / "contracts" / "src"
CONSTANT = re.compile(r"uint256 internal constant ([A-Z_]+) = (\d+);")
USED = re.compile(r"RejectCodes\.([A-Z_]+)")


def test_names_and_numbers_are_those_of_the_contract():
    text = (SOURCES / "libraries" / "RejectCodes.sol").read_text()
    assert {name: int(number) for name, number in CONSTANT.findall(text)} == {
        code.name: code.value for code in RejectCode
    }


def test_every_code_that_the_contract_uses_has_words_and_no_two_the_same():
    used = {name for path in SOURCES.rglob("*.sol") for name in USED.findall(path.read_text())}
    assert used == {code.name for code in RejectCode}
    assert set(REJECT_WORDS) == set(RejectCode)
    assert len(set(REJECT_WORDS.values())) == len(REJECT_WORDS)


def test_fills_and_vouchers_are_refused_with_codes_of_their_own():
    sessions = set(USED.findall((SOURCES / "libraries" / "Sessions.sol").read_text()))
    of_vouchers = {code for code in RejectCode if code.name in sessions} - {RejectCode.NONE}
    assert FILL_CODES | of_vouchers | {RejectCode.NONE} == set(RejectCode)
    assert {RejectCode.SESSION_NOT_OPEN, RejectCode.VOUCHER_NOT_GREATER} <= of_vouchers - FILL_CODES


def test_a_number_that_the_contract_does_not_know_stays_a_number():
    assert [reject_words(code) for code in (14, 19)] == ["code 14", "code 19"]
    assert reject_words(5) == "offer and bid name different clearings"
