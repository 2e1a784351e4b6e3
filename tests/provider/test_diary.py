"""The diary: what was announced survives a power loss, and a torn line harms nothing but itself."""

import json
import threading
from pathlib import Path

from suan.provider.diary import Diary, acknowledged

DOCUMENT = {"receipt": {"output": "0x00"}, "signature": "0x01"}
TRADE = "trd_0x" + "11" * 32


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    diary = Diary(tmp_path)
    diary.measured("cpu.fp64", 480, 1_000)
    diary.promised(TRADE, 0, "lea_1", 1_001)
    diary.ran(TRADE, 0, DOCUMENT, b"output")
    again = Diary(tmp_path)
    assert again.results == {(TRADE, 0): DOCUMENT}
    assert again.undelivered() == [(TRADE, 0)]
    assert again.rates["cpu.fp64"]["rate_mflops"] == 480
    assert again.output_path(TRADE, 0).read_bytes() == b"output"


def test_a_torn_last_line_is_cut_off_and_the_next_line_is_whole(tmp_path: Path) -> None:
    diary = Diary(tmp_path)
    diary.ran(TRADE, 0, DOCUMENT, b"")
    with (tmp_path / "diary.jsonl").open("a") as file:
        file.write('{"document": {"receipt": {"out')  # The power went here.
    after = Diary(tmp_path)
    after.ran(TRADE, 1, DOCUMENT, b"")
    assert set(Diary(tmp_path).results) == {(TRADE, 0), (TRADE, 1)}
    assert all(json.loads(line) for line in (tmp_path / "diary.jsonl").read_text().splitlines())


def test_a_line_that_is_no_step_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "diary.jsonl").write_text('3\n{"step": "ran"}\nnot json\n{"no": "step"}\n')
    diary = Diary(tmp_path)
    assert diary.results == {}
    diary.promised(TRADE, 0, "lea_1", 1)
    assert len((tmp_path / "diary.jsonl").read_text().splitlines()) == 5


def test_a_closed_run_is_remembered_without_its_bytes(tmp_path: Path) -> None:
    diary = Diary(tmp_path)
    diary.ran(TRADE, 0, DOCUMENT, b"output")
    diary.closed(TRADE, 0)
    diary.ran(TRADE, 1, DOCUMENT, b"output")
    diary.closed(TRADE, 1, refused="run: already delivered")
    for found in (diary, Diary(tmp_path)):
        assert found.undelivered() == []
        assert found.delivered == {(TRADE, 0), (TRADE, 1)}
        assert not found.output_path(TRADE, 0).exists()
        assert found.results[(TRADE, 0)] == {}


def test_the_acknowledgement_of_a_receipt_is_found_again_with_the_receipt(tmp_path: Path) -> None:
    diary = Diary(tmp_path)
    for run in (0, 1, 2):
        diary.ran(TRADE, run, DOCUMENT | {"run": run}, b"output")
    diary.closed(TRADE, 0, acknowledgement="0x02")
    diary.closed(TRADE, 1, refused="run: already delivered")
    assert acknowledged(tmp_path, TRADE, 0) == DOCUMENT | {"run": 0, "acknowledgement": "0x02"}
    assert acknowledged(tmp_path, TRADE, 1) is None  # refused
    assert acknowledged(tmp_path, TRADE, 2) is None  # not delivered
    assert acknowledged(tmp_path / "elsewhere", TRADE, 0) is None


def test_several_threads_write_whole_lines(tmp_path: Path) -> None:
    diary = Diary(tmp_path)
    long = {"receipt": {"output": "0x" + "ab" * 20_000}}
    threads = [threading.Thread(target=diary.ran, args=(TRADE, run, long, b"x")) for run in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Diary(tmp_path).undelivered()) == 16


def test_files_of_the_diary_are_for_their_owner(tmp_path: Path) -> None:
    Diary(tmp_path / "agent")
    assert (tmp_path / "agent" / "outputs").stat().st_mode & 0o077 == 0
