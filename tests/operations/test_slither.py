"""What a static analyser found, against our answers: both ways must fit."""

import json
from typing import Any

import pytest

from operations.tools.slither import ANSWERS, Finding, answered, findings


def element(
    name: str, kind: str = "function", *, file: str = "src/Market.sol", parent: Any = None
) -> dict[str, Any]:
    return {
        "type": kind,
        "name": name,
        "source_mapping": {"filename_relative": file},
        "type_specific_fields": {"parent": parent} if parent else {},
    }


MARKET = element("Market", "contract")


def test_a_finding_is_named_by_its_detector_and_function() -> None:
    inner = element("x = 1", "node", parent=element("open", parent=MARKET))
    detected = [
        {"check": "timestamp", "elements": [element("open", parent=MARKET)]},
        {"check": "assembly", "elements": [inner]},
        {"check": "pragma", "elements": [element("0.8.37", "pragma", file="src/Registry.sol")]},
    ]
    assert findings(detected) == {
        Finding("timestamp", "Market.open"),
        Finding("assembly", "Market.open"),
        Finding("pragma", "src/Registry.sol"),
    }


def test_what_libraries_and_tests_do_is_not_ours_to_answer() -> None:
    theirs = [
        {"check": "assembly", "elements": [element("f", file=file)]}
        for file in ("lib/oz.sol", "test/a.t.sol")
    ]
    assert findings([*theirs, {"check": "empty", "elements": []}]) == set()


def test_every_answer_has_words() -> None:
    found = answered(json.loads(ANSWERS.read_text()))
    assert Finding("missing-zero-check", "Custody.setOperator") in found and all(found.values())
    with pytest.raises(ValueError, match="is empty"):
        answered({"timestamp": [{"in": ["Market.open"], "answer": " "}]})
