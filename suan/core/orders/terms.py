"""The terms of a bid and of an offer: canonical JSON whose keccak256 stands in the signed order.

They are published as evidence. Anybody can read from them what was to be computed, and where.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

from suan.core.encoding import canonical_json, from_hex, keccak, normalise_address, to_hex
from suan.core.problems import FieldError


@dataclass(frozen=True)
class BidTerms:
    """What a bid's terms hash commits to: the job and its limits. Hashes are SHA-256 of the bytes."""

    module: bytes
    input: bytes
    memory_bytes: int
    wall_seconds: int
    profile: str = "strict"
    schedule: str = "meter/1"
    disclosure: str = "public"
    version: int = 1

    def to_json(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "module": to_hex(self.module),
            "input": to_hex(self.input),
            "memory_bytes": self.memory_bytes,
            "wall_seconds": self.wall_seconds,
            "profile": self.profile,
            "schedule": self.schedule,
            "disclosure": self.disclosure,
        }

    def canonical(self) -> bytes:
        return canonical_json(self.to_json())

    def hash(self) -> bytes:
        """The `terms` field of a Bid: keccak256 of the canonical JSON."""
        return keccak(self.canonical())

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Terms of a JSON object with exactly the known fields; FieldError names the field (`terms.…`)."""
        fields = _exact_fields(value, cls(bytes(32), bytes(32), 0, 0).to_json())
        return cls(
            module=from_hex(fields["module"], field="terms.module", length=32),
            input=from_hex(fields["input"], field="terms.input", length=32),
            **{name: fields[name] for name in _BID_TERMS_PLAIN},
        )


@dataclass(frozen=True)
class OfferTerms:
    """What an offer's terms hash commits to: the agent key that signs receipts, its rate and engine."""

    agent: str
    rate_mflops: int
    runtime: str = "wasm"
    engine: str = "wasmtime-50.0.1"
    version: int = 1

    def to_json(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "agent": self.agent,
            "rate_mflops": self.rate_mflops,
            "runtime": self.runtime,
            "engine": self.engine,
        }

    def canonical(self) -> bytes:
        return canonical_json(self.to_json())

    def hash(self) -> bytes:
        """The `terms` field of an Offer: keccak256 of the canonical JSON."""
        return keccak(self.canonical())

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Terms of a JSON object with exactly the known fields; FieldError names the field (`terms.…`)."""
        fields = _exact_fields(value, cls("", 0).to_json())
        try:
            agent = normalise_address(fields["agent"])
        except FieldError as error:
            raise FieldError("terms.agent", error.code, error.problem.message) from None
        return cls(agent=agent, **{name: fields[name] for name in _OFFER_TERMS_PLAIN})


_BID_TERMS_PLAIN: Final = ("memory_bytes", "wall_seconds", "profile", "schedule", "disclosure", "version")
_OFFER_TERMS_PLAIN: Final = ("rate_mflops", "runtime", "engine", "version")


def _exact_fields(value: Any, example: dict[str, Any]) -> dict[str, Any]:
    """The object itself when its names and types are those of the example; FieldError otherwise."""
    if not isinstance(value, dict):
        raise FieldError("terms", "not_an_object", f"a JSON object with {', '.join(example)} is needed.")
    for name in value:
        if name not in example:
            known = ", ".join(example)
            raise FieldError(
                f"terms.{str(name)[:60]}", "unknown_field", f"remove it; the fields are {known}."
            )
    for name, sample in example.items():
        if name not in value:
            raise FieldError(f"terms.{name}", "missing", "this field is needed; add it.")
        given = value[name]
        if isinstance(given, bool) or not isinstance(given, type(sample)):
            wanted = "a whole number" if isinstance(sample, int) else "text"
            raise FieldError(f"terms.{name}", "wrong_type", f"{wanted} is needed, not {repr(given)[:60]}.")
    return value
