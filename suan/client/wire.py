"""One HTTP connection to an exchange: bounded answers, bounded retries, and errors that say what may have happened.

| what happened | error | the same call again |
|---|---|---|
| no connection, 429, 503 | Unreachable | safe, nothing was changed |
| connection lost after the request, 500, 502, 504 | UnknownOutcome (a GET: Unreachable) | safe if repeatable |
| other 4xx | Rejected | pointless until the request is mended |
"""

from __future__ import annotations

import json
import time
import weakref
from dataclasses import dataclass
from typing import Any

import httpx

from suan.client.errors import Rejected, SuanError, UnknownOutcome, Unreachable, UsageError

TIMEOUT_SECONDS = 30.0
ATTEMPTS_MAX = 5
PAUSE_SECONDS = 0.25
PAUSE_SECONDS_MAX = 10.0
ANSWER_BYTES_MAX = 64 * 1024 * 1024
TRY_AGAIN = frozenset({429, 503})
MAY_HAVE_HAPPENED = frozenset({500, 502, 504})

Json = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """A complete answer of the exchange."""

    status: int
    content: bytes

    def json(self) -> Any:
        """The JSON document in it; SuanError when it is none, which no exchange answers."""
        try:
            return json.loads(self.content)
        except ValueError as error:
            raise SuanError("the answer is not JSON; is --url the address of an exchange?") from error


class Wire:
    """Requests below `url`/api/v1. Thread-safe."""

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        attempts_max: int = ATTEMPTS_MAX,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise UsageError(f"{url!r} is not the address of an exchange; it begins with http:// or https://")
        if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
            raise UsageError("an API key is printable ASCII text that begins with sk_; copy it again")
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self.url = url.rstrip("/")
        self._attempts_max = attempts_max
        self._http = httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=timeout_seconds)
        weakref.finalize(
            self, self._http.close
        )  # Connections go back with the last user, closed or forgotten.

    def request(self, method: str, path: str, *, repeatable: bool = True, **options: Any) -> Answer:
        """Send one request. Raises Rejected, UnknownOutcome or Unreachable as in the table above."""
        fault: SuanError = Unreachable(f"{self.url} does not answer")
        for attempt in range(self._attempts_max if repeatable else 1):
            if attempt:
                time.sleep(self._pause(attempt, fault))
            found = self._once(method, path, repeatable, options)
            if isinstance(found, Answer):
                return found
            # Once a request may have been carried out, a later refusal to connect does not undo that.
            fault = fault if isinstance(fault, UnknownOutcome) else found
        raise fault

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def _once(self, method: str, path: str, repeatable: bool, options: Json) -> Answer | SuanError:
        try:
            with self._http.stream(method, path, **options) as response:
                content = bytearray()
                for chunk in response.iter_bytes():
                    content += chunk
                    if len(content) > ANSWER_BYTES_MAX:
                        raise SuanError(
                            f"the answer to {method} {path} has more than {ANSWER_BYTES_MAX} bytes"
                        )
                answer = Answer(response.status_code, bytes(content))
                after = response.headers.get("Retry-After", "")
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return Unreachable(f"{self.url} does not answer: {error}; nothing was changed")
        except httpx.HTTPError as error:
            return _unsure(method, path, f"{type(error).__name__} {error}".strip(), repeatable)
        if answer.status in TRY_AGAIN:
            seconds = int(after) if after.isascii() and after.isdigit() and len(after) < 6 else 0
            return Busy(
                f"{method} {path}: HTTP {answer.status}; nothing was changed, try again later", seconds
            )
        if answer.status in MAY_HAVE_HAPPENED:
            return _unsure(method, path, f"HTTP {answer.status}", repeatable)
        if answer.status >= 400:
            raise Rejected(answer.status, problem_of(answer))
        if answer.status >= 300:
            raise UsageError(
                f"{self.url} sends its visitors elsewhere (HTTP {answer.status}); use that address"
            )
        return answer

    def _pause(self, attempt: int, fault: SuanError) -> float:
        wished = fault.seconds if isinstance(fault, Busy) else 0
        grown: float = PAUSE_SECONDS * 2**attempt
        return min(PAUSE_SECONDS_MAX, max(float(wished), grown))


class Busy(Unreachable):
    """The exchange asked for patience. `seconds` is its Retry-After, 0 when it named none."""

    def __init__(self, text: str, seconds: int) -> None:
        super().__init__(text)
        self.seconds = seconds


def _unsure(method: str, path: str, why: str, repeatable: bool) -> SuanError:
    if method == "GET":
        return Unreachable(f"{method} {path}: {why}; nothing was changed")
    advice = "the same call again is safe" if repeatable else "look at your account before you send it again"
    return UnknownOutcome(f"{method} {path}: {why}; it may have been carried out; {advice}")


def problem_of(answer: Answer) -> Json:
    """The RFC 9457 document of a refusal, or one made of what came instead."""
    try:
        problem = json.loads(answer.content)
    except ValueError:
        problem = None
    if isinstance(problem, dict):
        return problem
    return {"title": f"HTTP {answer.status}", "detail": answer.content[:200].decode("utf-8", "replace")}
