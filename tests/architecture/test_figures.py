"""The house keeps its figures, and the measuring can fail: each fault planted in a little tree is found."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.figures import FOLDER_MODULES_MAX, Figures, Spread, measure, report, spread

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def house() -> Figures:
    return measure(PROJECT)


def test_a_folder_holds_at_most_fourteen_modules(house: Figures) -> None:
    crowded = {folder: count for folder, count in house.folders.items() if count > FOLDER_MODULES_MAX}
    assert not crowded, f"make rooms by noun, each with a face: {crowded}"


def test_no_import_runs_in_a_circle(house: Figures) -> None:
    assert not house.circles, "what both sides need lies below both; move it there: " + "; ".join(
        " <-> ".join(circle) for circle in house.circles
    )


def test_every_module_stands_on_a_floor_of_the_law(house: Figures) -> None:
    missing = ", ".join(house.without_floor)
    assert not missing, (
        f"name these in an exhaustive contract of .importlinter, above what they use: {missing}"
    )
    assert house.covered_percent == 100


def test_the_report_ends_with_its_summary(house: Figures) -> None:
    last = report(house).splitlines()[-1]
    assert last == house.summary()
    assert last.startswith(f"figures: {house.modules} modules, most in one folder ")


# ---------------------------------------------------------------- the measuring itself


def planted(root: Path, **texts: str) -> Figures:
    """Measure a little tree: `ledger__journal__rows="..."` is ledger/journal/rows.py; packages come by themselves."""
    for name, text in texts.items():
        path = root.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for folder in {path.parent for path in root.rglob("*.py")}:
        (folder / "__init__.py").touch()
    return measure(root)


def law(root: Path, text: str) -> None:
    (root / ".importlinter").write_text(
        "[importlinter]\nroot_packages =\n    ledger\n\n[importlinter:contract:rooms]\nname = Rooms\ntype = layers\n"
        + text
    )


def test_a_circle_behind_type_checking_is_found(tmp_path: Path) -> None:
    hidden = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ledger.rows import Row\n"
    figures = planted(tmp_path, ledger__posting=hidden, ledger__rows="from ledger import posting\n")
    assert figures.circles == [("ledger.posting", "ledger.rows")]


def test_a_circle_through_an_import_inside_a_function_is_found(tmp_path: Path) -> None:
    late = "def show():\n    from .rows import Row\n    return Row\n"
    figures = planted(tmp_path, ledger__posting=late, ledger__rows="import ledger.posting\n")
    assert figures.circles == [("ledger.posting", "ledger.rows")]


def test_a_circle_of_three_modules_is_found_once(tmp_path: Path) -> None:
    figures = planted(
        tmp_path,
        ledger__a="from ledger import b",
        ledger__b="from ledger import c",
        ledger__c="from ledger import a, d",
        ledger__d="",
    )
    assert figures.circles == [("ledger.a", "ledger.b", "ledger.c")]


def test_a_circle_between_packages_is_found_where_no_module_closes_it(tmp_path: Path) -> None:
    figures = planted(
        tmp_path,
        ledger__journal__rows="",
        ledger__journal__posting="from ledger.outbox import plan",
        ledger__outbox__plan="",
        ledger__outbox__sender="from ledger.journal import rows",
    )
    assert figures.circles == [("ledger.journal", "ledger.outbox")]


def test_a_tree_without_circles_has_none(tmp_path: Path) -> None:
    figures = planted(
        tmp_path,
        ledger__a="from ledger import b, c",
        ledger__b="from ledger import c",
        ledger__c="import json",
    )
    assert figures.circles == []


def test_a_folder_of_fifteen_is_found_among_production_and_tests(tmp_path: Path) -> None:
    pile = {f"ledger__file{number}": "" for number in range(FOLDER_MODULES_MAX)}
    tests = {f"tests__ledger__test_{number}": "" for number in range(FOLDER_MODULES_MAX)}
    migrations = {f"suan__migrations__m{number}": "" for number in range(20)}
    figures = planted(tmp_path, **pile, **tests, **migrations)
    crowded = {folder: count for folder, count in figures.folders.items() if count > FOLDER_MODULES_MAX}
    assert crowded == {"ledger": 15, "tests/ledger": 15}


def test_a_file_without_floor_is_found(tmp_path: Path) -> None:
    law(tmp_path, "containers =\n    ledger\nlayers =\n    journal\n    (rows) | fields\nexhaustive = True\n")
    figures = planted(tmp_path, ledger__journal="", ledger__rows="", ledger__fields="", ledger__stray="")
    assert figures.without_floor == ["ledger.stray"]
    assert figures.covered_percent == 80


def test_layers_that_are_not_exhaustive_cover_nothing(tmp_path: Path) -> None:
    law(tmp_path, "containers =\n    ledger\nlayers =\n    journal\n    rows\n")
    figures = planted(tmp_path, ledger__journal="", ledger__rows="")
    assert figures.without_floor == ["ledger.journal", "ledger.rows"]


def test_a_floor_of_a_package_is_no_floor_for_what_lies_inside(tmp_path: Path) -> None:
    law(tmp_path, "containers =\n    ledger\nlayers =\n    journal\nexhaustive = True\n")
    assert planted(tmp_path, ledger__journal__rows="").without_floor == ["ledger.journal.rows"]


def test_arrows_of_a_room_are_told_apart(tmp_path: Path) -> None:
    figures = planted(
        tmp_path,
        ledger__journal__rows="",
        ledger__journal__posting="from ledger.journal import rows",
        ledger__api="from ledger.journal import posting\nfrom ledger.journal.rows import Row\n",
    )
    rooms = {room.name: room for room in figures.rooms}
    journal, ledger = rooms["ledger.journal"], rooms["ledger"]
    assert (journal.boxes, journal.between, journal.inside, journal.into) == (2, 1, 1, 2)
    assert (ledger.boxes, ledger.between, ledger.inside, ledger.into) == (2, 1, 3, 0)


def test_lengths_are_those_of_functions_and_files(tmp_path: Path) -> None:
    text = "def short():\n    pass\n\n\nclass Row:\n    def long(self):\n        # why\n\n        return 1\n"
    figures = planted(tmp_path, ledger__rows=text)
    assert figures.functions == Spread(2, 4, 4)
    assert figures.files == Spread(0, 9, 9)


def test_a_spread_is_by_nearest_rank() -> None:
    assert spread(range(1, 101)) == Spread(50, 95, 100)
    assert spread([7]) == Spread(7, 7, 7)
    assert spread([]) == Spread(0, 0, 0)


def test_lines_of_tests_count_for_their_room(tmp_path: Path) -> None:
    figures = planted(
        tmp_path, ledger__rows="a = 1\n" * 4, tests__ledger__test_rows="a = 1\n" * 3, tests__nodes="a = 1\n"
    )
    tested = {tested.room: (tested.lines, tested.test_lines) for tested in figures.tested}
    assert tested["ledger"] == (4, 3)
    assert tested["whole"] == (4, 4)


def test_an_old_tree_is_measured_from_the_command_line(tmp_path: Path) -> None:
    planted(tmp_path, ledger__a="from ledger import b", ledger__b="from ledger import a")
    command = [sys.executable, "-m", "tests.architecture.figures", "--root", str(tmp_path)]
    table = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    facts = subprocess.run(
        [*command, "--json"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout
    assert "circles 1" in table.splitlines()[-1]
    assert json.loads(facts)["summary"] == table.splitlines()[-1]
