"""A small process that has loaded the engine once and forks a fresh child for each run.

Starting an interpreter and loading the engine costs five times the processor time of a small job, a fork costs a
hundredth of it. The server holds nothing of any job and no secret: its environment is what `environment()` gives, and
each child is born from that same state, limits itself and ends after one run (suan.runtime.wasm.worker).

Protocol: over the control socket come one byte and four descriptors: the child's source, sink and log, and a socket
for what becomes of it: one byte before the fork, then its exit code (4 bytes, big endian, signed as in subprocess). A
server that died before that byte began nothing, so another one is asked. Closing the socket early kills the child. The
end of the control socket, which the kernel closes when the caller dies in any way, kills all children and ends the
server.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import IO, Final, NoReturn

_CODE_BYTES: Final = 4
_DESCRIPTORS: Final = 4
_STARTS_MAX: Final = 2
_BEGINS: Final = b"b"
_ENDS_AT_ITS_START: Final = "The process that runs jobs ends at its start; is this machine out of memory?"


class ForkServer:
    """The caller's end; the server starts with the first run and again when somebody killed it. Thread-safe.

    `environment` gives the server's whole environment.
    """

    def __init__(self, environment: Callable[[], Mapping[str, str]]) -> None:
        self._environment = environment
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        os.register_at_fork(after_in_child=self._after_fork)

    def run(self, source: IO[bytes], sink: IO[bytes], log: IO[bytes], timeout: float) -> int | None:
        """Let a child answer what stands in `source`. Its exit code, negative for a signal; None at the timeout, which
        kills it. Raises RuntimeError when this machine cannot start the server."""
        for _ in range(_STARTS_MAX):
            ours, theirs = socket.socketpair()
            with ours:
                with theirs:
                    self._ask([source.fileno(), sink.fileno(), log.fileno(), theirs.fileno()])
                ours.settimeout(timeout)
                try:
                    if not ours.recv(len(_BEGINS)):
                        continue
                    code = ours.recv(_CODE_BYTES)
                except TimeoutError:
                    return None
            # A server that dies meanwhile leaves no code: for the caller that is a child that was killed.
            return int.from_bytes(code, "big", signed=True) if code else -signal.SIGKILL
        raise RuntimeError(_ENDS_AT_ITS_START)

    def _ask(self, descriptors: list[int]) -> None:
        with self._lock:
            for _ in range(_STARTS_MAX):
                control = self._control or self._start()
                try:
                    socket.send_fds(control, [b"r"], descriptors)
                    return
                except OSError:
                    self._forget()
        raise RuntimeError(_ENDS_AT_ITS_START)

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
                [sys.executable, "-S", "-m", "suan.runtime.wasm.forkserver"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env=dict(self._environment()),
                cwd="/",
                start_new_session=True,
            )
        self._control = ours
        return ours

    def _forget(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._control = self._process = None

    def _after_fork(self) -> None:
        """In a forked copy of the caller: the server belongs to the original."""
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.returncode = 0  # Not a child of the copy: nothing to wait for.
        self._lock, self._control, self._process = threading.Lock(), None, None


def main() -> None:
    """The server: one thread, no job's data, until the control socket ends."""
    from suan.runtime.wasm import worker  # noqa: F401 - loaded here, once, for all children

    control = socket.socket(fileno=os.dup(0))
    woken, wake = socket.socketpair()
    for end in (woken, wake):
        end.setblocking(False)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    _Server(control, woken).serve()


class _Server:
    def __init__(self, control: socket.socket, woken: socket.socket) -> None:
        self._control, self._woken = control, woken
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ, self._fork_next)
        self._selector.register(woken, selectors.EVENT_READ, self._reap)
        self._replies: dict[int, socket.socket] = {}
        self._over = False

    def serve(self) -> None:
        while not self._over:
            for key, _ in self._selector.select():
                key.data()
        for pid in self._replies:
            os.kill(pid, signal.SIGKILL)

    def _fork_next(self) -> None:
        message, descriptors, _, _ = socket.recv_fds(self._control, 1, _DESCRIPTORS)
        if not message or len(descriptors) != _DESCRIPTORS:
            self._over = True
            return
        reply = socket.socket(fileno=descriptors[-1])
        with suppress(OSError):  # The caller is gone; the child will be abandoned at once.
            reply.send(_BEGINS)
        pid = os.fork()
        if pid == 0:
            _become_child(descriptors)
        for descriptor in descriptors[:-1]:
            os.close(descriptor)
        self._replies[pid] = reply
        self._selector.register(reply, selectors.EVENT_READ, lambda: self._abandon(pid))

    def _abandon(self, pid: int) -> None:
        """The caller closed its end: nobody waits for this child. Not reaped yet, so the number is still its own."""
        self._selector.unregister(self._replies[pid])
        os.kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        self._woken.recv(4096)
        while self._replies:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            reply = self._replies.pop(pid)
            if reply in self._selector.get_map():
                self._selector.unregister(reply)
            code = os.waitstatus_to_exitcode(status)
            with reply:
                with suppress(OSError):  # The caller is gone.
                    reply.send(code.to_bytes(_CODE_BYTES, "big", signed=True))


def _become_child(descriptors: list[int]) -> NoReturn:
    """Answer one request and end. Never returns, whatever happens."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        for number, descriptor in enumerate(descriptors[:-1]):
            os.dup2(descriptor, number)
        os.closerange(3, 1024)
        from suan.runtime.wasm import worker

        worker.main()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
