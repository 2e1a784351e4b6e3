"""Texts that are signed outside EIP-712 structs: signing in, registering a node, sealing a published document,
a verifier's dissent, an audit report.

Sources: EIP-191 (version 0x45), EIP-4361 (Sign-In with Ethereum). The texts are built here and nowhere else, so
that who signs and who checks can never disagree about a byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from suan.core.encoding import canonical_json, checksum, keccak

SIGN_IN_STATEMENT = "Sign in to Suan. This moves no money and costs no gas."


def personal_digest(text: str) -> bytes:
    """What personal_sign signs: keccak256(0x19 "Ethereum Signed Message:\\n" length text)."""
    data = text.encode("utf-8")
    return keccak(b"\x19Ethereum Signed Message:\n" + str(len(data)).encode("ascii") + data)


@dataclass(frozen=True)
class SignIn:
    """The fields of an EIP-4361 message; times are unix seconds, the address is lower-case hex."""

    domain: str
    uri: str
    address: str
    chain_id: int
    nonce: str
    issued_at: int
    expires_at: int

    def text(self) -> str:
        """The whole message, which the server renders and the wallet shows."""
        return (
            f"{self.domain} wants you to sign in with your Ethereum account:\n{checksum(self.address)}\n\n"
            f"{SIGN_IN_STATEMENT}\n\nURI: {self.uri}\nVersion: 1\nChain ID: {self.chain_id}\n"
            f"Nonce: {self.nonce}\nIssued At: {_utc(self.issued_at)}\nExpiration Time: {_utc(self.expires_at)}"
        )


def node_registration_digest(statement: Mapping[str, Any]) -> bytes:
    """What an agent key signs to register its node: keccak256 of the canonical JSON of the statement.

    `statement`: {"agent", "class", "measured_at" (unix seconds), "rate_mflops", "region", ["benchmark"]}, all that
    is posted but the signature.
    """
    return keccak(canonical_json(dict(statement)))


def evidence_seal_digest(file: str, sha256: str) -> bytes:
    """What the exchange's acknowledgement key signs over a published document: keccak256 of the canonical JSON.

    file: `kind/name` as published, for example `clearings/clr_0x….json`; sha256: 0x hex of its bytes.
    """
    return keccak(canonical_json({"file": file, "sha256": sha256}))


def dissent_digest(digest: str, reason: str, outcomes: list[dict[str, Any]] | None) -> bytes:
    """What a verifier signs who refuses a proposal: keccak256 of the canonical JSON of {digest, reason, outcomes}.

    digest: 0x hex of what was proposed. outcomes: rows [{trade, kind, runs_delivered, units}] that it came to itself, or
    None where it came to none.
    """
    return keccak(canonical_json({"digest": digest, "reason": reason, "outcomes": outcomes}))


def audit_report_text(
    *,
    auditor: str,
    market: str,
    chain_id: int,
    block: int,
    block_hash: str,
    differences: int,
    sha256: str,
) -> str:
    """What an auditor signs (personal_sign) over a report; sha256: 0x hex, of the canonical JSON of its statement."""
    found = "no difference" if differences == 0 else f"{differences} difference{'s' * (differences != 1)}"
    return (
        f"Suan audit report\n\nAuditor: {checksum(auditor)}\nMarket: {checksum(market)}\nChain ID: {chain_id}\n"
        f"As of block: {block} ({block_hash})\nFound: {found}\nStatement SHA-256: {sha256}"
    )


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
