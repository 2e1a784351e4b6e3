"""The supervisor: what dies comes back, what must end ends, nothing stays behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from operations.run import child, layout, supervisor
from operations.run.supervisor import Program, Supervisor, read_procfile
from tests.operations.programs import PARENT, SLEEPER, STUBBORN, python


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Supervisor]:
    running = Supervisor(tmp_path / "var", dict(os.environ), report=lambda line: lines.append(line))
    lines: list[str] = []
    running.lines = lines  # type: ignore[attr-defined]
    yield running
    running.end()


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_killed_program_comes_back_with_a_new_number(watched: Supervisor) -> None:
    watched.start(Program("sleeper", SLEEPER))
    dead = watched.kill("sleeper")
    assert child.wait_until(lambda: watched.pid("sleeper") != dead, seconds=5)
    assert is_gone(dead)
    assert psutil.pid_exists(watched.pid("sleeper"))
    assert (watched.var / "run" / "sleeper.pid").read_text().strip() == str(watched.pid("sleeper"))
    assert [death.code for death in watched.deaths] == [-signal.SIGKILL]


def test_a_program_that_dies_again_and_again_is_started_less_and_less_often(watched: Supervisor) -> None:
    watched.start(Program("broken", python("raise SystemExit(3)")))
    assert child.wait_until(lambda: len(watched.deaths) >= 4, seconds=10)
    times = [death.at for death in watched.deaths]
    pauses = [later - earlier for earlier, later in zip(times, times[1:], strict=False)]
    assert pauses[2] > pauses[0] >= supervisor.BACKOFF_SECONDS_MIN
    assert {death.code for death in watched.deaths} == {3}


def test_one_death_leaves_the_other_programs_alone(watched: Supervisor) -> None:
    watched.start(Program("one", SLEEPER), Program("other", SLEEPER))
    other = watched.pid("other")
    dead = watched.kill("one")
    assert child.wait_until(lambda: watched.pid("one") != dead, seconds=5)
    assert watched.pid("other") == other
    assert not is_gone(other)


def test_a_program_that_ignores_the_signal_is_ended_in_bounded_time(watched: Supervisor) -> None:
    watched.stop_seconds_max = 0.5
    log = watched.log("stubborn")
    watched.start(Program("stubborn", STUBBORN, ready=lambda: "ready" in log.read_text()))
    pid = watched.pid("stubborn")
    began = time.monotonic()
    watched.end()
    assert time.monotonic() - began < 3
    assert is_gone(pid)


def test_children_of_a_killed_program_end_with_it(watched: Supervisor) -> None:
    log = watched.log("parent")
    watched.start(Program("parent", PARENT, ready=lambda: log.read_text().strip() != ""))
    grandchild = int(log.read_text().split()[0])
    os.kill(watched.pid("parent"), signal.SIGKILL)
    assert child.wait_until(lambda: is_gone(grandchild), seconds=5)


def test_stages_end_one_after_the_other_and_unnamed_programs_first(watched: Supervisor) -> None:
    for name in ("postgres", "web", "worker"):
        watched.start(Program(name, SLEEPER))
    watched.end(("postgres",))
    stops = [line.split()[1] for line in watched.lines if line.startswith("stopped")]  # type: ignore[attr-defined]
    assert stops == ["worker", "web", "postgres"]


def test_a_program_that_never_becomes_ready_is_an_error_with_its_last_lines(watched: Supervisor) -> None:
    with pytest.raises(layout.Refused, match="cannot find the moon"):
        watched.start(
            Program("moon", python("print('cannot find the moon')"), ready=lambda: False, ready_seconds_max=1)
        )


def test_a_failing_set_up_step_is_an_error_with_its_last_lines(watched: Supervisor) -> None:
    with pytest.raises(layout.Refused, match="no such table"):
        watched.run("prepare", python("raise SystemExit('no such table')"), seconds_max=10)


def test_nothing_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    code = f"""
    import os, time
    from pathlib import Path
    from operations.run.supervisor import Program, Supervisor
    running = Supervisor(Path({str(tmp_path)!r}) / "var", dict(os.environ))
    running.start(Program("sleeper", {SLEEPER!r}))
    print(running.pid("sleeper"), flush=True)
    time.sleep(600)
    """
    with subprocess.Popen(
        python(code), stdout=subprocess.PIPE, text=True, cwd=layout.PROJECT, start_new_session=True
    ) as process:
        assert process.stdout
        pid = int([process.stdout.readline(), process.stdout.readline()][1])
        assert not is_gone(pid)
        process.kill()
    assert child.wait_until(lambda: is_gone(pid), seconds=5)


def test_every_line_of_the_procfile_is_a_command_we_have() -> None:
    variables = {"SUAN_HOST": "127.0.0.1", "PORT": "8000", "SUAN_VAR": "/somewhere/var"}
    commands = read_procfile(layout.PROJECT / "Procfile", variables)
    assert list(commands)[:3] == ["postgres", "valkey", "anvil"]
    known = {sys.executable, "celery", "env"}
    assert {command[0] for command in commands.values()} <= known
    assert not any("$" in word for command in commands.values() for word in command)


def test_a_procfile_with_an_unknown_variable_is_refused_by_line(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("web: serve $NOWHERE\n")
    with pytest.raises(layout.Refused, match="Procfile line 1.*NOWHERE"):
        read_procfile(tmp_path / "Procfile", {})


def test_a_program_is_a_direct_child_so_that_its_death_is_seen(watched: Supervisor) -> None:
    watched.start(Program("sleeper", SLEEPER))
    assert psutil.Process(watched.pid("sleeper")).ppid() == os.getpid()
    sleeper = psutil.Process(watched.pid("sleeper"))
    assert child.wait_until(sleeper.cmdline, seconds=5)  # a process in the middle of its exec has none
    assert sleeper.cmdline()[0] == sys.executable
