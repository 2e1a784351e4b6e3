"""The arbiters' word on a disputed trade: signed with the keys that we hold or were sent, and put into the outbox.

Arbiters look at published and revealed receipts, recompute what they doubt, and sign one outcome (docs/runbook.md). Their keys are
not the verifiers'. Times are unix seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger import custodial, outbox
from ledger import queries as ledger
from marketplace.clearing.models import Trade
from marketplace.problems import Conflict, Refused
from marketplace.settlement.lockbatches import lock_batch_of
from suan.core.contract import Claim, Outcome, encode_rule, prove_records
from suan.core.encoding import from_hex, to_hex
from suan.core.settlement import InvalidOutcome, check_outcome
from suan.core.signing import BadSignature, Ruling, market_domain, recover

SIGNER = "relayer"
OWN_KEY = "arbiter"


@dataclass(frozen=True)
class Planned:
    """A ruling: its digest, who signed it, how many must; `key` of the transaction once it is planned, else empty."""

    digest: str
    signers: tuple[str, ...]
    needed: int
    key: str


def rule_dispute(*, trade: Trade, outcome: Outcome, signatures: Sequence[str]) -> Planned:
    """Sign a ruling with our arbiter key if it is one, and plan rule(...) when enough arbiters have signed.

    signatures: of other arbiters, over the digest that this returns (hex). Idempotent for the same outcome. Raises
    Conflict where nobody claims what arbiters rule on, Refused for an impossible outcome or a signature of no arbiter.
    """
    claims = [
        event.args["claim"] for event in ledger.events_of(name="DisputeOpened", subject=trade.trade_hash)
    ]
    if not claims:
        raise Conflict(f"{trade.trade_id} is not disputed; `suan dispute show` says how it stands.")
    if set(claims) == {Claim.NO_RECEIPT}:
        raise Conflict(
            f"of {trade.trade_id} only receipts are asked for, which arbiters do not rule on: showing them ends it, or time."
        )
    if ledger.events_of(name="TradeClosed", subject=trade.trade_hash):
        raise Conflict(f"{trade.trade_id} has ended; a ruling comes too late.")
    batch, known = lock_batch_of(trade.trade_hash), ledger.deployment()
    index = batch.index_of(from_hex(trade.trade_hash))
    try:
        check_outcome(batch.records[index], outcome)
    except InvalidOutcome as error:
        raise Refused.one("outcome", "impossible", f"{error}; the contract would refuse it.") from None
    ruling = Ruling(batch.id, from_hex(trade.trade_hash), outcome.kind, outcome.runs_delivered, outcome.units)
    digest = ruling.digest(market_domain(known.chain_id, known.market))
    signed = _signed(digest, signatures)
    chosen = sorted(signed)[: known.arbiter_set.threshold]
    key = ""
    if len(chosen) == known.arbiter_set.threshold:
        key = f"rule:{to_hex(digest)}"
        calldata = encode_rule(
            head=batch.head,
            arbiters=known.arbiter_set.key_set,
            proven=prove_records(batch.records, [index]),
            outcome=outcome,
            signatures=[signed[member] for member in chosen],
        )
        outbox.plan(key=key, signer=SIGNER, to=known.market, calldata=calldata)
    return Planned(to_hex(digest), tuple(sorted(signed)), known.arbiter_set.threshold, key)


def _signed(digest: bytes, signatures: Sequence[str]) -> dict[str, bytes]:
    members = ledger.deployment().arbiter_set.members
    given = [from_hex(text, field="signature", length=65) for text in signatures]
    if custodial.address_of(OWN_KEY) in members:
        given.append(custodial.sign_with(OWN_KEY, digest))
    found: dict[str, bytes] = {}
    for signature in given:
        try:
            signer = recover(digest, signature)
        except BadSignature as error:
            raise Refused.one("signature", "bad_signature", str(error)) from None
        if signer not in members:
            raise Refused.one("signature", "not_an_arbiter", f"{signer} is no arbiter of this market.")
        found[signer] = signature
    return found
