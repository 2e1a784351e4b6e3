"""A refusal that names the field, the limit that was hit and what to do next."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why an input is refused.

    field: the name in the input, dotted for nested ones (`terms.memory_bytes`).
    code: a stable word for programs (`too_high`).
    message: a sentence for people: the limit that was hit and what to do.
    """

    field: str
    code: str
    message: str

    def to_json(self) -> dict[str, str]:
        return {"field": self.field, "code": self.code, "message": self.message}


class FieldError(ValueError):
    """An input that cannot become a value of the market; carries the Problem that says why."""

    def __init__(self, field: str, code: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.problem = Problem(field, code, message)

    @property
    def field(self) -> str:
        return self.problem.field

    @property
    def code(self) -> str:
        return self.problem.code
