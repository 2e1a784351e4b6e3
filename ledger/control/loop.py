"""A long-running command: one step after another, alone under an advisory lock, through every failure.

A lost database connection loses the lock too, so the lock is taken anew with each new connection. A node that does
not answer is waited for; what else goes wrong is logged with its trace and tried again, ever more slowly.
"""

import hashlib
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from types import FrameType

from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.utils import timezone

from ledger.chain import NodeError
from ledger.errors import NotDeployed

PAUSE_SECONDS_MAX = 5.0

log = logging.getLogger(__name__)


def run(
    name: str,
    step: Callable[[datetime], object],
    *,
    seconds: float,
    say: Callable[[str], object],
    steps_max: int | None = None,
) -> None:
    """Call `step(now)` every `seconds` until SIGTERM or SIGINT, alone among all processes that run `name`.

    `steps_max` ends the loop earlier. Nothing is lost when the process is killed between two statements.
    """
    with _stop_on_signals() as stop:
        _run(name, step, seconds, say, steps_max, stop)


def _run(
    name: str,
    step: Callable[[datetime], object],
    seconds: float,
    say: Callable[[str], object],
    steps_max: int | None,
    stop: threading.Event,
) -> None:
    pause, complaint, locked_on, waiting, done = seconds, "", None, False, 0
    while not stop.is_set():
        try:
            connection.ensure_connection()
            if locked_on is not connection.connection:
                if not _lock(name):
                    if not waiting:
                        say(f"{name}: another process does this work; waiting for it to end")
                    waiting = True
                    stop.wait(max(seconds, 0.5))
                    continue
                locked_on, waiting = connection.connection, False
                say(f"{name}: at work")
            step(timezone.now())
            done += 1
            if complaint:
                say(f"{name}: goes on")
            pause, complaint = seconds, ""
        except Exception as error:
            pause = min(max(pause * 2, 0.25), PAUSE_SECONDS_MAX)
            complaint = _complain(name, error, complaint)
            if isinstance(error, OperationalError | InterfaceError):
                connection.close()
                locked_on = None
        if steps_max is not None and done >= steps_max:
            break
        stop.wait(pause)
    if locked_on is not None and locked_on is connection.connection:
        _unlock(name)


def _complain(name: str, error: Exception, before: str) -> str:
    text = f"{type(error).__name__}: {error}"
    if text == before:
        return text
    expected = isinstance(error, NodeError | NotDeployed | DatabaseError)
    log.error("%s: %s", name, text.strip(), exc_info=None if expected else error)
    return text


def _lock_number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"suan:{name}".encode()).digest()[:8], "big", signed=True)


def _lock(name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_lock_number(name)])
        return bool(cursor.fetchone()[0])


def _unlock(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock(%s)", [_lock_number(name)])


@contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
