"""Breaches planted in a copy of the house: each is found, by name, with a sentence that says how to mend it.

What `make check` runs is run here on the copy: `lint-imports` with the project's own law, and the rules of tests/architecture.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from operations.run.layout import PROJECT
from tests.architecture import faces, writers
from tests.architecture.modules import ROOTS
from tests.architecture.source import Source

pytestmark = pytest.mark.slow

STEPS = ("accounts", "book", "clearing", "delivery", "receipts", "settlement")
PULL = "Work moves by pull"
FLOOR = "needs a floor"
PAGES = "Add a query that returns what the page shows"

LATER = {
    **{
        f"marketplace/{step}/actions.py": (f"marketplace.{later}.queries", PULL)
        for step, later in zip(STEPS, STEPS[1:], strict=False)
    },
    "marketplace/settlement/actions.py": ("frontend.pages", "A lower floor does not know who stands on it"),
    "ledger/journal/verbs.py": ("ledger.explorer.status", "what is asked lies above what is kept"),
    "ledger/indexer/blocks.py": ("ledger.outbox.plan", "outbox and indexer meet only in stored facts"),
    "suan/core/signing/structs.py": ("suan.core.settlement.split", "What two rooms need lies below both"),
    "suan/runtime/verify.py": ("suan.provider.loop", "nothing in it may need one of them"),
    "operations/run/layout.py": ("operations.demo.people", FLOOR),
    "suan/client/audit/replay/events.py": ("suan.client.audit.replay.chain", FLOOR),
}
"""By file: something that lies above it, and the sentence that the breach is answered with."""

PAGE_FOLDERS = sorted(path.parent.name for path in (PROJECT / "frontend").glob("*/views.py"))
HOMELESS = sorted(
    str(path.parent.relative_to(PROJECT) / "homeless.py")
    for room in ROOTS
    for path in (PROJECT / room).rglob("__init__.py")
    # Below a page, a command or a table's history the file's own folder is the floor.
    if not {"migrations", "management", "checks", "verbs", "targets"} & set(path.parts)
    and path.relative_to(PROJECT).parts[:1] != ("frontend",)
) + ["frontend/homeless.py"]
READERS = {
    **{
        f"marketplace/{step}/queries.py": "Thing.objects.create(name='x')" for step in STEPS if step != "book"
    },
    "marketplace/book/queries/drafts.py": "Thing.objects.create(name='x')",
    "marketplace/book/api.py": "thing.save()",
    "frontend/home/views.py": "Thing.objects.filter(pk=1).update(name='x')",
    "ledger/queries.py": "Thing.objects.get_or_create(name='x')",
    "ledger/explorer/status.py": "thing.delete()",
    "ledger/control/node.py": "cursor.execute('INSERT INTO ledger_transfer VALUES (1)')",
    "ledger/reconciliation/checks/books.py": "Thing.objects.bulk_create([])",
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The production code and its law, without what it writes."""
    for room in ROOTS:
        shutil.copytree(
            PROJECT / room,
            tmp_path / room,
            ignore=lambda folder, names: [
                name
                for name in names
                if name == "__pycache__" or not ("." not in name or name.endswith(".py"))
            ],
        )
    shutil.copy(PROJECT / ".importlinter", tmp_path)
    return tmp_path


def plant(root: Path, file: str, line: str) -> None:
    path = root / file
    text = path.read_text() if path.exists() else '"""Somebody put this here."""\n'
    path.write_text(f"{text}\n\ndef planted() -> None:\n    {line}\n")


def judged(root: Path) -> str:
    """What lint-imports says, on one line, since it breaks its sentences at the width of a terminal."""
    program = Path(sys.executable).parent / "lint-imports"
    environment = os.environ | {"PYTHONPATH": str(root), "COLUMNS": "1000"}
    done = subprocess.run(
        [program, "--no-cache"], cwd=root, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    text = " ".join(done.stdout.split())
    assert (done.returncode == 0) == (" 0 broken" in text)
    return text


def test_the_house_as_it_stands_keeps_its_law(copy: Path) -> None:
    assert " 0 broken" in judged(copy)


def test_a_step_that_imports_a_later_one_is_told_to_let_it_pull(copy: Path) -> None:
    for file, (above, _) in LATER.items():
        plant(copy, file, f"import {above}")
    said = judged(copy)
    for file, (above, lesson) in LATER.items():
        module = file.removesuffix(".py").replace("/", ".")
        assert f"{module} -> {above}" in said, f"{file} imports {above} unseen"
        assert lesson in said


def test_a_page_that_imports_a_model_is_told_to_add_a_query(copy: Path) -> None:
    for folder, step in zip(PAGE_FOLDERS, STEPS * len(PAGE_FOLDERS), strict=False):
        plant(copy, f"frontend/{folder}/views.py", f"import marketplace.{step}.models")
    said = judged(copy)
    for folder, step in zip(PAGE_FOLDERS, STEPS * len(PAGE_FOLDERS), strict=False):
        assert f"frontend.{folder}.views -> marketplace.{step}.models" in said
    assert PAGES in said


@pytest.mark.parametrize(
    "behind", ["marketplace.book.queries.drafts", "marketplace.settlement.checking", "ledger.models"]
)
def test_a_page_that_reaches_behind_queries_and_actions_is_told_to_add_a_query(
    copy: Path, behind: str
) -> None:
    plant(copy, "frontend/home/views.py", f"import {behind}")
    said = judged(copy)
    assert (
        f"frontend.home.views -> {behind}" in said and "Add a query that returns what the page shows" in said
    )


def test_a_verb_that_is_called_past_its_actions_is_told_to_use_them(copy: Path) -> None:
    callers = {
        "marketplace/accounts/api.py": "marketplace.accounts.verbs.keys",
        "marketplace/clearing/actions.py": "marketplace.book.verbs.placing",
        "marketplace/clearing/api.py": "marketplace.clearing.verbs.auctions",
        "marketplace/settlement/api.py": "marketplace.settlement.verbs.ruling",
    }
    for file, verb in callers.items():
        plant(copy, file, f"import {verb}")
    said = judged(copy)
    for file, verb in callers.items():
        assert f"{file.removesuffix('.py').replace('/', '.')} -> {verb}" in said
    assert "Show the verb in the room's actions.py and call it there" in said


def test_a_file_without_a_floor_is_told_to_name_one(copy: Path) -> None:
    for file in HOMELESS:
        plant(copy, file, "return None")
    said = judged(copy)
    for file in HOMELESS:
        assert file.removesuffix(".py").replace("/", ".") in said, f"{file} has no floor and nobody minds"
    assert FLOOR in said


def test_a_writer_outside_the_actions_is_told_where_writes_belong(copy: Path) -> None:
    for file, line in READERS.items():
        plant(copy, file, line)
    found = writers.strangers(Source(copy))
    assert {place.split(":")[0] for place in found} == set(READERS)
    assert "move the write into the room's actions.py" in writers.LESSON


@pytest.mark.parametrize(
    "line", ["from ledger.journal.rows import Ref", "from suan.core.signing.typed import Struct"]
)
def test_whoever_enters_a_room_behind_its_face_is_told_to_use_it(copy: Path, line: str) -> None:
    plant(copy, "marketplace/delivery/queries.py", line)
    (found,) = faces.side_entrances(Source(copy))
    assert found.startswith("marketplace/delivery/queries.py") and found.endswith(line)
    assert "import the name from the room" in faces.LESSON
