"""What can go wrong between a program and the exchange, and what to do then.

Every error says whether a retry is safe. Exit codes of the command line are fixed here, beside the errors they stand for.
"""

from __future__ import annotations

from typing import Any

EXIT_OK = 0
EXIT_DIFFERENCE = 1
EXIT_USAGE = 2
EXIT_REJECTED = 3
EXIT_UNKNOWN_OUTCOME = 4
EXIT_NETWORK = 5


class SuanError(Exception):
    """Base of all errors of this package. `exit_code` is what the command line returns for it."""

    exit_code = EXIT_REJECTED


class Rejected(SuanError):
    """The exchange refused the request and changed nothing (HTTP 4xx, RFC 9457 problem).

    `status` is the HTTP status, `code` the first machine code, `problem` the whole document.
    """

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status = status
        self.problem = problem
        errors = [error for error in problem.get("errors") or [] if isinstance(error, dict)]
        first = errors[0].get("code") if errors else problem.get("code")
        self.code: str = str(first or problem.get("title") or "rejected")
        lines = [str(problem.get("detail") or problem.get("title") or f"HTTP {status}")]
        lines += [f"{e.get('pointer', '')}: {e.get('detail', '')} [{e.get('code', '')}]" for e in errors]
        super().__init__("\n".join(lines))


class UnknownOutcome(SuanError):
    """The connection broke after a request that may have been carried out.

    Sending the same request again is safe: the exchange answers a repeated client_order_id with the first order.
    """

    exit_code = EXIT_UNKNOWN_OUTCOME


class Unreachable(SuanError):
    """The exchange or the chain endpoint did not answer; nothing was changed."""

    exit_code = EXIT_NETWORK


class UsageError(SuanError):
    """The call itself cannot be carried out as written; the text says what to change."""

    exit_code = EXIT_USAGE
