"""A JSON-RPC proxy that misbehaves on request: between a real node and the code under test.

    with FaultProxy(node.url) as proxy:
        proxy.on("eth_sendRawTransaction", LoseAnswer(), times=2)
        Gateway(proxy.url).send(raw)          # The node has it; the answer never came.
        assert proxy.methods() == ["eth_sendRawTransaction"]

Faults that a real node shows and Anvil does not: lost answers after acceptance, "already known", "underpriced",
silence of a node that lags behind, broken connections, slowness, text that is not JSON.
"""

import json
import socket
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import httpx

UPSTREAM_SECONDS_MAX = 30.0
CALLS_KEPT_MAX = 10_000
REQUEST_BYTES_MAX = 16 * 1024 * 1024
HOLD_SECONDS_MAX = 60.0


@dataclass(frozen=True)
class Answer:
    """What the client gets: a body, or nothing (`body` None) after which the connection is cut."""

    body: bytes | None
    status: int = 200


class Fault:
    """How one call goes wrong. `forward` sends the call to the real node and returns its answer."""

    def apply(self, call: dict[str, Any], forward: Callable[[], bytes]) -> Answer:
        raise NotImplementedError


@dataclass(frozen=True)
class LoseAnswer(Fault):
    """The node accepts the call; the client hears nothing until it gives up, at most `seconds`."""

    seconds: float = HOLD_SECONDS_MAX

    def apply(self, call: dict[str, Any], forward: Callable[[], bytes]) -> Answer:
        forward()
        time.sleep(min(self.seconds, HOLD_SECONDS_MAX))
        return Answer(None)


@dataclass(frozen=True)
class CutAfter(Fault):
    """The node accepts the call, then the connection breaks."""

    def apply(self, call: dict[str, Any], forward: Callable[[], bytes]) -> Answer:
        forward()
        return Answer(None)


@dataclass(frozen=True)
class CutBefore(Fault):
    """The connection breaks before the node sees the call."""

    def apply(self, call: dict[str, Any], forward: Callable[[], bytes]) -> Answer:
        return Answer(None)


@dataclass(frozen=True)
class Delay(Fault):
    """The right answer, late."""

    seconds: float

    def apply(self, call: dict[str, Any], forward: Callable[[], bytes]) -> Answer:
        body = forward()
        time.sleep(min(self.seconds, HOLD_SECONDS_MAX))
        return Answer(body)


@dataclass(frozen=True)
class RpcFault(Fault):
    """A JSON-RPC error. With `accepted`, the node took the call all the same."""

    code: int
    message: str
    accepted: bool = False

    def apply(self, call: dict[str, Any], forward: Callable[[], bytes]) -> Answer:
        if self.accepted:
            forward()
        return Answer(reply(call, error={"code": self.code, "message": self.message}))


@dataclass(frozen=True)
class Result(Fault):
    """A given result instead of the node's: `Result([])` is the silence of a node that lags behind."""

    value: Any = None

    def apply(self, call: dict[str, Any], forward: Callable[[], bytes]) -> Answer:
        return Answer(reply(call, result=self.value))


@dataclass(frozen=True)
class Garbage(Fault):
    """An HTTP answer that is not JSON-RPC, as an overloaded gateway gives."""

    body: bytes = b"<html>502 Bad Gateway</html>"
    status: int = 502

    def apply(self, call: dict[str, Any], forward: Callable[[], bytes]) -> Answer:
        return Answer(self.body, self.status)


def already_known(*, accepted: bool = False) -> RpcFault:
    return RpcFault(-32_000, "already known", accepted)


def underpriced() -> RpcFault:
    return RpcFault(-32_000, "replacement transaction underpriced")


def nonce_too_low() -> RpcFault:
    return RpcFault(-32_000, "nonce too low")


def reply(call: dict[str, Any], **content: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": call.get("id"), **content}).encode()


@dataclass
class Rule:
    method: str
    fault: Fault
    left: int
    skip: int


@dataclass
class FaultProxy:
    """A loopback HTTP server in a thread. `calls` lists the newest of what came in, `met` counts the faults that calls
    met by method and kind of fault; the first rule that fits is used."""

    upstream: str
    calls: deque[tuple[str, list[Any]]] = field(default_factory=lambda: deque(maxlen=CALLS_KEPT_MAX))
    met: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._http = httpx.Client(timeout=UPSTREAM_SECONDS_MAX)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(self))
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def on(self, method: str, fault: Fault, *, times: int = 1, after: int = 0) -> None:
        """Let `times` calls of `method` ("*" for any) go wrong, once `after` of them went well."""
        with self._lock:
            self._rules.append(Rule(method, fault, times, after))

    def heal(self) -> None:
        """Forget all rules: every call reaches the node and comes back."""
        with self._lock:
            self._rules.clear()

    def methods(self) -> list[str]:
        with self._lock:
            return [method for method, _ in self.calls]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def answer(self, body: bytes) -> Answer:
        """Answer one HTTP body. A batch goes wrong as a whole when one of its calls meets a rule."""

        def forward() -> bytes:
            return self._http.post(
                self.upstream, content=body, headers={"Content-Type": "application/json"}
            ).content

        parsed = json.loads(body)
        fault, call = self._meet(parsed if isinstance(parsed, list) else [parsed])
        return fault.apply(call, forward) if fault else Answer(forward())

    def _meet(self, calls: list[dict[str, Any]]) -> tuple[Fault | None, dict[str, Any]]:
        met: Fault | None = None
        at = calls[0] if calls else {}
        with self._lock:
            for call in calls:
                self.calls.append((str(call.get("method")), list(call.get("params") or [])))
                if met is None:
                    met = self._take(str(call.get("method")))
                    at = call if met else at
        return met, at

    def _take(self, method: str) -> Fault | None:
        for rule in self._rules:
            if rule.method not in (method, "*") or rule.left == 0:
                continue
            if rule.skip > 0:
                rule.skip -= 1
                continue
            rule.left -= 1
            self.met[method, type(rule.fault).__name__] += 1
            return rule.fault
        return None


def handler_for(proxy: FaultProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = HOLD_SECONDS_MAX

        def do_POST(self) -> None:
            length = min(int(self.headers.get("Content-Length") or 0), REQUEST_BYTES_MAX)
            try:
                answer = proxy.answer(self.rfile.read(length))
            except (httpx.HTTPError, ValueError) as error:
                answer = Answer(f"proxy: {error}".encode(), 502)
            if answer.body is None:
                self.cut()
                return
            try:
                self.send_response(answer.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)
            except OSError:
                self.close_connection = True  # The client gave up waiting, which is what some faults are for.

        def cut(self) -> None:
            """Reset the connection instead of closing it, as a crashed peer does."""
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()

        def finish(self) -> None:
            try:
                super().finish()
            except (OSError, ValueError):
                self.close_connection = True

        def log_message(self, format: str, *arguments: Any) -> None:
            """Quiet: `calls` is the record."""

    return Handler
