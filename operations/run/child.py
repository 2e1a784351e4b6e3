"""Starting and ending child processes that cannot outlive us."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from operations.run import layout

LAUNCH = Path(__file__).resolve().parent / "launch.py"


def spawn(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    output: IO[bytes] | int = subprocess.DEVNULL,
    last_signal: str = "SIGTERM",
) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own; `last_signal` reaches it when the calling thread ends.

    The group keeps a Ctrl-C in the terminal from it: whoever started it decides when it stops.
    """
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), last_signal, *command],
        cwd=layout.PROJECT,
        env=None if environment is None else dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def stop(
    process: subprocess.Popen[bytes], *, number: signal.Signals = signal.SIGTERM, seconds: float = 10
) -> None:
    """Ask a child to end, and end it when it does not; its own children go with it."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    end_group(process)
    process.wait(5)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of a child and of the children in its group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def wait_until(
    is_ready: Callable[[], bool], *, seconds: float, alive: Callable[[], bool] = lambda: True
) -> bool:
    """Ask until ready, or until time is up or what we wait for has died."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and alive():
        if is_ready():
            return True
        time.sleep(0.05)
    return False
