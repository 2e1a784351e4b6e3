"""A small supervisor: starts programs in order, restarts what dies, stops everything in reverse order.

Each program is a direct child in a process group of its own, writes to `var/log/NAME.log`, and has its number in
`var/run/NAME.pid`. It is restarted with a pause that doubles up to a limit and is forgotten after a quiet while. When
the supervisor itself is killed, the kernel ends its children.
"""

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from operations.run import child, layout

POLL_SECONDS = 0.1
BACKOFF_SECONDS_MIN = 0.2
BACKOFF_SECONDS_MAX = 10.0
QUIET_SECONDS = 30.0  # After so long without a death, the next one is restarted at once.
STOP_SECONDS_MAX = 10.0
LOG_BYTES_MAX = 10 * 1024 * 1024
DEATHS_KEPT_MAX = 1000
DEATHS_AT_START_MAX = 5  # A program that died so often before it was ready will not come.

Report = Callable[[str], None]


@dataclass(frozen=True)
class Program:
    """What to run. `ready` says when others may rely on it; `tick` runs every `tick_seconds` while it is watched.
    `environment` comes on top of the supervisor's; secrets travel there, since everybody sees arguments."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] | None = None
    ready_seconds_max: float = 60.0
    stop_signal: signal.Signals = signal.SIGTERM
    tick: Callable[[], None] | None = None
    tick_seconds: float = 2.0


@dataclass(frozen=True)
class Death:
    name: str
    at: float
    code: int


@dataclass
class Running:
    program: Program
    process: subprocess.Popen[bytes]
    started_at: float
    pause_seconds: float = BACKOFF_SECONDS_MIN
    restart_at: float | None = None
    ticked_at: float = 0.0
    held: bool = False


@dataclass
class Supervisor:
    """Programs by name. Safe to use from several threads; `kill` is for tests and chaos."""

    var: Path
    environment: Mapping[str, str]
    report: Report = print
    stop_seconds_max: float = STOP_SECONDS_MAX
    deaths: deque[Death] = field(default_factory=lambda: deque(maxlen=DEATHS_KEPT_MAX))

    def __post_init__(self) -> None:
        self._running: dict[str, Running] = {}
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        layout.prepare(self.var)

    def start(self, *programs: Program) -> None:
        """Start programs together and return when all of them are ready. Raises Refused when one is not in time."""
        if not self._watcher.is_alive():
            self._watcher.start()
        with self._lock:
            for program in programs:
                self._running[program.name] = Running(program, self._spawn(program), time.monotonic())
                self.report(f"started  {program.name}")
        for program in programs:
            if program.ready and not self._wait_until_ready(program):
                raise layout.Refused(
                    f"{program.name} does not become ready. Its last lines "
                    f"({self.log(program.name)}):\n{tail(self.log(program.name))}"
                )

    def _wait_until_ready(self, program: Program) -> bool:
        began, deaths_before = time.monotonic(), self._deaths_of(program.name)

        def may_come() -> bool:
            deaths = self._deaths_of(program.name) - deaths_before
            return not self._ended.is_set() and program.name in self._running and deaths < DEATHS_AT_START_MAX

        ready = child.wait_until(
            program.ready or (lambda: True), seconds=program.ready_seconds_max, alive=may_come
        )
        if ready:
            self.report(f"ready    {program.name} after {time.monotonic() - began:.1f} s")
        return ready

    def _deaths_of(self, name: str) -> int:
        return sum(death.name == name for death in list(self.deaths))

    def run(self, name: str, command: tuple[str, ...], *, seconds_max: float) -> None:
        """Run a program to its end; its lines are reported as they come. Raises Refused when it fails."""
        with self.log(name).open("ab") as log:
            process = child.spawn(command, environment=self.environment, output=subprocess.PIPE)
            timer = threading.Timer(seconds_max, child.end_group, [process])
            timer.start()
            try:
                for line in process.stdout or ():
                    log.write(line)
                    log.flush()
                    if line.startswith(b"- "):
                        self.report(line[2:].decode(errors="replace").rstrip())
                code = process.wait(seconds_max)
            finally:
                timer.cancel()
                child.stop(process)
                if process.stdout:
                    process.stdout.close()
        if code != 0:
            raise layout.Refused(
                f"{name} failed with exit code {code}. Its last lines ({self.log(name)}):\n{tail(self.log(name))}"
            )

    def pid(self, name: str) -> int:
        with self._lock:
            return self._running[name].process.pid

    def pids(self) -> dict[str, int]:
        with self._lock:
            return {name: running.process.pid for name, running in self._running.items()}

    def log(self, name: str) -> Path:
        return self.var / "log" / f"{name}.log"

    def kill(self, name: str) -> int:
        """`kill -9` of one program's process and its group, as a crash would; returns the number that it had."""
        with self._lock:
            process = self._running[name].process
            if process.poll() is None:
                child.end_group(process)
            return process.pid

    def hold(self, name: str) -> None:
        """Keep a program down when it dies, until `release`."""
        with self._lock:
            self._running[name].held = True

    def release(self, name: str) -> None:
        with self._lock:
            self._running[name].held = False

    def stop(self, *names: str) -> None:
        """Stop programs in reverse order of start: all are asked at once, then those that do not end are killed."""
        with self._lock:
            chosen = [self._running.pop(name) for name in reversed(list(self._running)) if name in names]
        for running in chosen:
            with suppress(ProcessLookupError):
                if running.restart_at is None:
                    running.process.send_signal(running.program.stop_signal)
        deadline = time.monotonic() + self.stop_seconds_max
        for running in chosen:
            with suppress(subprocess.TimeoutExpired):
                running.process.wait(max(0.0, deadline - time.monotonic()))
            late = running.process.poll() is None
            child.end_group(running.process)
            running.process.wait(5)
            (self.var / "run" / f"{running.program.name}.pid").unlink(missing_ok=True)
            self.report(f"{'killed ' if late else 'stopped'}  {running.program.name}")

    def end(self, *stages: tuple[str, ...]) -> None:
        """Stop everything: the named stages one after the other, what no stage names first."""
        try:
            later = {name for stage in stages for name in stage}
            self.stop(*(name for name in self.pids() if name not in later))
            for stage in stages:
                self.stop(*stage)
        except BaseException:
            self._end_now()
            raise
        finally:
            self._ended.set()

    def _end_now(self) -> None:
        with self._lock:
            for running in self._running.values():
                child.end_group(running.process)
            self._running.clear()

    def _spawn(self, program: Program) -> subprocess.Popen[bytes]:
        log = self.log(program.name)
        if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
            os.replace(log, log.with_suffix(".log.1"))
        with log.open("ab") as output:
            process = child.spawn(
                program.command,
                environment={**self.environment, **program.environment},
                output=output,
                last_signal=program.stop_signal.name,
            )
        layout.write(self.var / "run" / f"{program.name}.pid", f"{process.pid}\n")
        return process

    def _watch(self) -> None:
        while not self._ended.wait(POLL_SECONDS):
            with self._lock:
                for running in list(self._running.values()):
                    self._look_at(running, time.monotonic())

    def _look_at(self, running: Running, now: float) -> None:
        program = running.program
        if running.restart_at is None:
            code = running.process.poll()
            if code is not None:
                self._bury(running, code, now)
            elif program.tick and now - running.ticked_at >= program.tick_seconds:
                running.ticked_at = now
                program.tick()
        elif now >= running.restart_at and not running.held:
            running.process = self._spawn(program)
            running.started_at, running.restart_at = now, None
            self.report(f"restart  {program.name} (process {running.process.pid})")

    def _bury(self, running: Running, code: int, now: float) -> None:
        """Note a death, end what is left of its group, and set the time of the restart."""
        name = running.program.name
        child.end_group(running.process)
        if now - running.started_at >= QUIET_SECONDS:
            running.pause_seconds = BACKOFF_SECONDS_MIN
        running.restart_at = now + running.pause_seconds
        self.deaths.append(Death(name, time.time(), code))
        self.report(
            f"died     {name} ({cause(code)}); again in {running.pause_seconds:.1f} s; {self.log(name)}"
        )
        running.pause_seconds = min(2 * running.pause_seconds, BACKOFF_SECONDS_MAX)


def cause(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log, for a message."""
    if not path.exists():
        return ""
    return "\n".join(f"    {line}" for line in path.read_text(errors="replace").splitlines()[-lines:])


def read_procfile(path: Path, environment: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Commands by name, in order, with $NAME and ${NAME} taken from `environment`; an unknown name is refused.
    `python` is the interpreter that runs us."""
    commands: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, command = line.partition(":")
        if not colon or not command.strip():
            raise layout.Refused(f"{path.name} line {number}: expected `name: command`.")
        where = f"{path.name} line {number}"
        words = [expand(word, environment, where=where) for word in shlex.split(command)]
        commands[name.strip()] = (sys.executable if words[0] == "python" else words[0], *words[1:])
    return commands


def expand(word: str, environment: Mapping[str, str], *, where: str) -> str:
    try:
        return Template(word).substitute(environment)
    except KeyError as missing:
        raise layout.Refused(f"{where}: the variable {missing} is not set.") from None


def python_path() -> str:
    """PATH with our own interpreter's programs first, so that `python` and `celery` are those of the environment."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
