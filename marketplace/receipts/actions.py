"""Verbs of receipts: take in what agents sign, claim what must be recomputed, record the verdict.

Between claim and verdict nothing is locked and no transaction is open: recomputing a job takes as long as the job. A
claim runs out, so a killed verifier's work is taken up by another; a verdict counts only under the claim that it was
made for, so two verifiers never write over each other.
Locks: the run, then its receipt. Times are unix seconds, given by the caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Q

from ledger import custodial
from ledger import queries as ledger
from marketplace.accounts.models import Participant
from marketplace.book import queries as book
from marketplace.delivery import actions as delivery
from marketplace.delivery.models import Run
from marketplace.problems import Forbidden, NotFound, Refused
from marketplace.receipts import queries
from marketplace.receipts.models import Receipt
from marketplace.signed import columns
from suan.core.contract import ReceiptVerdict
from suan.core.delivery import ExitReason, Expected, check_receipt
from suan.core.delivery import Receipt as SignedReceipt
from suan.core.encoding import from_hex, to_hex
from suan.core.ids import rcp_id
from suan.core.settlement import Judgement, level_of
from suan.core.signing import BadSignature, ReceiptAcknowledgement, market_domain, recover
from suan.runtime import RunLimits, RunRequest
from suan.runtime.verify import Finding, Statement

RECEIPT_ATTEMPTS_MAX = 3
CLAIM_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Assignment:
    """Everything that a second run needs, read beforehand, so that no transaction is open while it runs."""

    receipt: int
    claim: str
    claimed: Statement
    request: RunRequest


def submit_receipt(
    *, participant: Participant, body: Mapping[str, Any], signature: bytes, now: int
) -> tuple[Receipt, bool]:
    """Take in a signed receipt whose output was uploaded before, and acknowledge it; (receipt, made).

    The same receipt again is answered with the stored one. Refused with a reason that names the field: a signature of a
    key that the provider did not register on chain, another's trade, a run that is closed or delivered already, a
    receipt that contradicts its trade, a missing output, one that comes after deliver by. Locks the run.
    """
    signed = SignedReceipt.from_json(body)
    deployment = ledger.deployment()
    digest = signed.digest(market_domain(deployment.chain_id, deployment.market))
    known = Receipt.objects.filter(receipt_id=rcp_id(digest)).select_related("run__trade").first()
    if known is not None:
        _own(known.run, participant)
        return known, False
    run = _run_of(signed, participant)
    agent = _agent_of(run, digest, signature, now)
    problems = check_receipt(signed, _expected(run, now))
    if problems:
        raise Refused(problems)
    _require_output(signed, participant)
    with transaction.atomic():
        run = Run.objects.select_for_update(of=("self",)).select_related("trade__bid").get(pk=run.pk)
        again = Receipt.objects.filter(run=run).first()
        if again is not None:
            return _repeated(again, rcp_id(digest))
        _require_open(run)
        receipt = _stored(signed, digest, signature, agent, run, now)
        delivery.deliver_run(run=run, now=now)
        reason = ExitReason(signed.exit_reason)
        if not level_of(run.trade.symbol).recomputes(signed.trade, signed.run, reason):
            _take_at_word(receipt, run, now)
    return receipt, True


def claim_receipt(*, claim: str, now: int) -> Assignment | None:
    """Take one receipt to recompute, oldest first; None when there is nothing to do.

    `claim` names the verifier's turn. Receipts that another worker locks are passed over, those whose claim ran out are
    taken again; one that was claimed too often (its verifier died each time) is parked and shown with that reason.
    """
    with transaction.atomic():
        free = Q(claim_expires_at=None) | Q(claim_expires_at__lte=now)
        receipt = (
            Receipt.objects.filter(free, status="submitted", parked_at=None)
            .select_for_update(skip_locked=True, of=("self",))
            .order_by("submitted_at", "id")
            .first()
        )
        if receipt is None:
            return None
        receipt.claim, receipt.claim_expires_at = claim, now + CLAIM_SECONDS
        receipt.attempts += 1
        receipt.save(update_fields=["claim", "claim_expires_at", "attempts"])
    if receipt.attempts > RECEIPT_ATTEMPTS_MAX:
        reason = f"not decided in {RECEIPT_ATTEMPTS_MAX} attempts: the verifier ended each time"
        record_finding(
            receipt_key=receipt.pk, claim=claim, finding=Finding(Judgement.UNDECIDED, reason), now=now
        )
        return claim_receipt(claim=claim, now=now)
    return _assignment(receipt, claim)


def renew_claim(*, receipt_key: int, claim: str, now: int) -> bool:
    """Keep a claim while its job runs; False when it was lost, and the verdict will not count."""
    return bool(
        Receipt.objects.filter(pk=receipt_key, claim=claim, status="submitted").update(
            claim_expires_at=now + CLAIM_SECONDS
        )
    )


def record_finding(*, receipt_key: int, claim: str, finding: Finding, now: int) -> bool:
    """Write the verdict of one recomputation; False when the claim was lost meanwhile. Locks run and receipt."""
    with transaction.atomic():
        run_key = Receipt.objects.values_list("run_id", flat=True).get(pk=receipt_key)
        run = Run.objects.select_for_update(of=("self",)).select_related("trade").get(pk=run_key)
        receipt = Receipt.objects.select_for_update().get(pk=receipt_key)
        if receipt.status != "submitted" or receipt.parked_at is not None or receipt.claim != claim:
            return False
        receipt.claim, receipt.claim_expires_at = "", None
        receipt.reason, receipt.recount = finding.reason, finding.recount
        if finding.judgement is Judgement.UNFINISHED and receipt.attempts < RECEIPT_ATTEMPTS_MAX:
            _seal(receipt)
            return True
        _judge(receipt, run, finding, now)
        _seal(receipt)
    return True


def _judge(receipt: Receipt, run: Run, finding: Finding, now: int) -> None:
    receipt.units = finding.work_units
    receipt.confirmed_by = finding.confirmed_by
    receipt.verdict = level_of(run.trade.symbol).verdict(finding.judgement)
    if receipt.verdict == ReceiptVerdict.UNDECIDED:
        receipt.parked_at = now
    else:
        receipt.status, receipt.verified_at = receipt.verdict.name.lower(), now
    accepted = receipt.verdict == ReceiptVerdict.ACCEPTED
    reason = "" if accepted else finding.reason
    delivery.conclude_run(run=run, verified=accepted, reason=reason, now=now)


def _take_at_word(receipt: Receipt, run: Run, now: int) -> None:
    """A run that its level does not recompute: a timeout or a refused module, the provider's own word against itself."""
    word = ExitReason(receipt.exit_reason).name.lower()
    receipt.status, receipt.verdict, receipt.verified_at = "accepted", ReceiptVerdict.ACCEPTED, now
    receipt.reason = f"{word}: nothing was delivered, nothing is paid, the run trades again"
    _seal(receipt)
    delivery.conclude_run(run=run, verified=False, reason=receipt.reason, now=now)


def _run_of(signed: SignedReceipt, participant: Participant) -> Run:
    runs = Run.objects.select_related("trade__bid", "trade__offer")
    run = runs.filter(trade__trade_hash=to_hex(signed.trade), index=signed.run).first()
    if run is None:
        raise NotFound(
            "There is no such run: the trade is unknown, not locked yet, or has no run of this index."
        )
    _own(run, participant)
    return run


def _own(run: Run, participant: Participant) -> None:
    if run.trade.provider != participant.address:
        raise Forbidden("This run was sold by another provider; deliver your own leases only.")


def _agent_of(run: Run, digest: bytes, signature: bytes, now: int) -> str:
    """The agent key that signed, if the provider registered it on chain and it is valid now."""
    try:
        signer = recover(digest, signature)
    except BadSignature as error:
        raise Refused.one(
            "signature", "bad_signature", f"{error}; sign the EIP-712 digest of the receipt."
        ) from None
    if signer != run.agent:
        message = f"{signer} signed, but the offer names agent {run.agent}; sign with that key."
        raise Refused.one("signature", "wrong_signer", message)
    known = {agent.key: agent.valid_until for agent in ledger.agents(run.trade.provider)}
    if known.get(signer, 0) < now:
        message = f"agent {signer} is not registered on chain, or no longer; send setAgent for it."
        raise Refused.one("signature", "agent_not_registered", message)
    return signer


def _expected(run: Run, now: int) -> Expected:
    terms = run.trade.bid.terms
    return Expected(
        trade=from_hex(run.trade.trade_hash),
        first_run=run.trade.first_run,
        runs=run.trade.runs,
        module=from_hex(terms["module"]),
        input=from_hex(terms["input"]),
        seed=from_hex(run.seed),
        engines=frozenset({run.trade.offer.terms["engine"]}),
        profile=terms["profile"],
        memory_bytes=terms["memory_bytes"],
        wall_seconds=terms["wall_seconds"],
        deliver_by=run.trade.deliver_by,
        received_at=now,
    )


def _require_output(signed: SignedReceipt, participant: Participant) -> None:
    """A delivery counts when its output was uploaded; its SHA-256 was computed by the exchange on arrival."""
    if not ExitReason(signed.exit_reason).delivers:
        return
    sha256 = to_hex(signed.output)
    if not book.owns_artifact(participant, sha256):
        raise Refused.one(
            "output",
            "not_uploaded",
            f"upload the output {sha256} with POST /artifacts first, then repeat this call.",
        )


def _repeated(stored: Receipt, receipt_id: str) -> tuple[Receipt, bool]:
    if stored.receipt_id == receipt_id:
        return stored, False
    raise Refused.one(
        "run", "already_delivered", f"this run was delivered with {stored.receipt_id}; a run has one receipt."
    )


def _require_open(run: Run) -> None:
    if run.status not in delivery.OPEN_STATUSES:
        raise Refused.one(
            "run", "run_closed", f"this run is {run.status} ({run.reason}); it takes no receipt any more."
        )


def _stored(
    signed: SignedReceipt, digest: bytes, signature: bytes, agent: str, run: Run, now: int
) -> Receipt:
    receipt = Receipt(
        **columns(signed, queries.RENAMED),
        receipt_id=rcp_id(digest),
        run=run,
        signature=to_hex(signature),
        agent=agent,
        submitted_at=now,
        acknowledgement=to_hex(_acknowledged(digest)),
    )
    _seal(receipt)
    return receipt


def _acknowledged(digest: bytes) -> bytes:
    """Our signature that we have this receipt: with it its provider answers challengers even if we withheld the evidence."""
    deployment = ledger.deployment()
    said = ReceiptAcknowledgement(receipt=digest)
    return custodial.sign_with(
        "acknowledger", said.digest(market_domain(deployment.chain_id, deployment.market))
    )


def _seal(receipt: Receipt) -> None:
    """Store a receipt with the seal over its new content."""
    receipt.seal = queries.seal_of(receipt)
    receipt.save()


def _assignment(receipt: Receipt, claim: str) -> Assignment:
    run = Run.objects.select_related("trade__bid").get(pk=receipt.run_id)
    terms = run.trade.bid.terms
    request = RunRequest(
        module=_bytes_of(receipt.module),
        stdin=_bytes_of(receipt.input),
        run=receipt.run_index,
        seed=from_hex(run.seed),
        resource_class=run.trade.symbol.split(":")[0],
        limits=RunLimits(run.trade.ceiling_units, terms["memory_bytes"], terms["wall_seconds"]),
        profile=terms["profile"],
    )
    return Assignment(receipt.pk, claim, Statement.claimed(queries.signed_struct(receipt)), request)


def _bytes_of(sha256: str) -> bytes:
    data = book.read_artifact(sha256)
    if data is None:
        raise LookupError(f"the bytes of {sha256} are not in the object store")
    return data
