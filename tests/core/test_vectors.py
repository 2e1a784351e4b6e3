"""Golden files and rendered pages are exactly what the code makes today."""

import pytest

from tests.vectors.generate import DOCS, FOLDER, files, pages

HINT = "run `python -m tests.vectors.generate` and look at the difference before you commit it"


@pytest.mark.parametrize(
    "name", ["units.json", "orders.json", "merkle.json", "records.json", "receipt_proof.json"]
)
def test_regenerating_a_golden_file_gives_the_same_bytes(name):
    assert (FOLDER / name).read_bytes() == files()[name], HINT


def test_there_is_no_golden_file_that_nothing_writes():
    assert {path.name for path in FOLDER.glob("*.json")} >= set(files())


@pytest.mark.parametrize("name", ["lifecycle.md", "money-outcomes.md"])
def test_a_rendered_page_is_what_its_table_says(name):
    assert (DOCS / name).read_bytes() == pages()[name], HINT
