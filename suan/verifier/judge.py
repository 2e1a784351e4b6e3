"""What a verifier makes of a proposal: every run again, every outcome again, from the chain and from hashes.

Nothing is taken from the exchange but where to look. A proposal is signed only when the same digest comes out; otherwise
`Refusal` says why, with the outcomes that came out instead. What cannot be fetched now raises SuanError and is tried again.

Known limit: a receipt that the exchange withholds looks like one that never came. The provider sees that in the verdict,
and disputes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from suan.client.api import Suan
from suan.client.audit.source.evidence import BadDocument, Evidence, parse
from suan.client.errors import Rejected, Unreachable
from suan.client.locks import LockedBatch, LockedTrade, NotLocked, read_batch
from suan.client.rpc import Rpc
from suan.core import encoding, ids, signing
from suan.core.contract import KeySet, Outcome, ReceiptLeaf, ReceiptVerdict, abi, pack_outcomes, receipts_root
from suan.core.delivery import ExitReason, Expected, Receipt, check_receipt
from suan.core.orders import BidTerms, OfferTerms, product_by_id
from suan.core.settlement import Judgement, VerifiedRun, level_of, outcome_of
from suan.core.signing import Verdict
from suan.core.units import WorkUnits
from suan.runtime import RunLimits, RunRequest, runner_for
from suan.runtime.verify import Finding, Statement, recompute

FINDINGS_KEPT_MAX = 10_000
MALFORMED = (KeyError, TypeError, ValueError, AttributeError)

Json = dict[str, Any]


class Refusal(Exception):
    """Why a proposal is not signed. outcomes: rows that came out instead, None where none did."""

    def __init__(self, reason: str, outcomes: list[Json] | None = None) -> None:
        super().__init__(reason)
        self.outcomes = outcomes


class NotYet(Unreachable):
    """The proposal cannot be judged now; it is looked at again."""


@dataclass
class Judge:
    """Judges proposals of one market."""

    market: Suan
    evidence: Evidence
    rpc: Rpc
    clock: Callable[[], float]
    _findings: dict[bytes, Finding] = field(default_factory=dict)

    def check(self, proposal: Json) -> bytes:
        """The digest to sign. Raises Refusal, or SuanError when something cannot be fetched now."""
        try:
            judged = self._verdict(proposal)
        except (NotLocked, BadDocument) as error:
            raise Refusal(str(error)) from error
        except MALFORMED as error:
            raise Refusal(f"the proposal cannot be read: {error!r}") from error
        if encoding.to_hex(judged) != proposal["digest"]:
            raise Refusal("the digest is not that of what is proposed")
        return judged

    # ---------------------------------------------------------------- verdicts
    def _verdict(self, proposal: Json) -> bytes:
        """Receipts under the root, every run recomputed, every outcome derived; the digest of the Verdict."""
        batch = self._batch(proposal)
        items: dict[bytes, list[Json]] = {}
        leaves = []
        for item in self._document("settlements", proposal["receipts_root"])["receipts"]:
            items.setdefault(encoding.from_hex(item["trade"], length=32), []).append(item)
            leaves.append(self._leaf(item))
        root = receipts_root(leaves)
        if encoding.to_hex(root) != proposal["receipts_root"]:
            raise Refusal("the published receipts are not those under the root")
        outcomes, mine, faults = [], [], []
        for row in proposal["outcomes"]:
            locked = _trade(batch, encoding.from_hex(row["trade"], length=32))
            runs = [self._run(locked, item) for item in items.get(locked.record.trade, [])]
            faults += [fault for _, fault in runs if fault]
            outcome = outcome_of(locked.record, [run for run, _ in runs])
            outcomes.append((locked.record.index, outcome))
            mine.append(_row(locked.record.trade, outcome))
        if faults or mine != proposal["outcomes"]:
            raise Refusal("; ".join(faults) or "the outcomes do not follow from the receipts", mine)
        return Verdict(batch.head.id(), pack_outcomes(outcomes), root).digest(self.market.domain)

    def _leaf(self, item: Json) -> ReceiptLeaf:
        digest = encoding.ZERO_BYTES32
        if item["receipt"] is not None:
            digest = Receipt.from_json(item["receipt"]).digest(self.market.domain)
        trade = encoding.from_hex(item["trade"], length=32)
        return digest, trade, int(item["run"]), int(item["verdict"]), int(item["units"])

    def _run(self, locked: LockedTrade, item: Json) -> tuple[VerifiedRun, str]:
        """What one published run is worth, and in words where its published verdict is another one."""
        run, said = int(item["run"]), ReceiptVerdict(item["verdict"])
        if item["receipt"] is None:
            missing = VerifiedRun.missing(run)
            fault = "" if said is ReceiptVerdict.MISSING else f"run {run} has no receipt"
            return missing, fault or _misbilled(missing, locked, item)
        receipt = Receipt.from_json(item["receipt"])
        self._signed(locked, receipt, str(item["signature"]))
        reason, level = ExitReason(receipt.exit_reason), level_of(product_by_id(locked.bid.product).symbol)
        if level.recomputes(receipt.trade, run, reason):
            finding = self._finding(locked, receipt)
            verdict, counted = level.verdict(finding.judgement), finding.work_units
            words = f"{verdict.name.lower()} ({finding.reason})" if finding.reason else verdict.name.lower()
        else:
            verdict, counted, words = ReceiptVerdict.ACCEPTED, 0, "the provider's own word against itself"
        fault = "" if verdict is said else f"run {run} is {words}, not {said.name.lower()}"
        verified = VerifiedRun(run, verdict, reason, WorkUnits(counted))
        return verified, fault or _misbilled(verified, locked, item)

    def _finding(self, locked: LockedTrade, receipt: Receipt) -> Finding:
        """The judgement on one receipt by running its job again; each is run once."""
        digest = receipt.digest(self.market.domain)
        if digest not in self._findings:
            terms, product = self._bid_terms(locked), product_by_id(locked.bid.product)
            request = RunRequest(
                module=self._bytes(terms.module),
                stdin=self._bytes(terms.input),
                run=receipt.run,
                seed=receipt.seed,
                resource_class=product.resource_class,
                limits=RunLimits(locked.record.ceiling, terms.memory_bytes, terms.wall_seconds),
                profile=terms.profile,
            )
            finding = recompute(request, Statement.claimed(receipt), runner_for(product.resource_class))
            if finding.judgement is Judgement.UNFINISHED:
                raise NotYet(f"run {receipt.run} did not finish here: {finding.reason}")
            if len(self._findings) >= FINDINGS_KEPT_MAX:
                self._findings.clear()
            self._findings[digest] = finding
        return self._findings[digest]

    # ---------------------------------------------------------------- what both need
    def _batch(self, proposal: Json) -> LockedBatch:
        """The lock batch from the chain; it must name the verifier set of this market."""
        known = self.market.market["verifier_set"]
        batch = read_batch(
            self.rpc,
            self.market.domain,
            market=str(self.market.market["market"]).lower(),
            batch=ids.parse_id(proposal["batch_id"], prefix="bat"),
            tx_hash=str(proposal["locked_in"]),
        )
        members = tuple(str(member).lower() for member in known["members"])
        if batch.head.verifier_set != KeySet(members, int(known["threshold"]), int(known["payout_cap"])).id():
            raise Refusal("the lock batch names another verifier set than the market does")
        return batch

    def _signed(self, locked: LockedTrade, receipt: Receipt, signature: str) -> None:
        """The receipt fits its trade, and the agent of its offer signed it, whose key the provider registered."""
        terms, offered = self._bid_terms(locked), self._offer_terms(locked)
        record = locked.record
        problems = check_receipt(
            receipt,
            Expected(
                trade=record.trade,
                first_run=record.first_run,
                runs=record.runs,
                module=terms.module,
                input=terms.input,
                seed=ids.run_seed(locked.bid_hash, receipt.run),
                engines=frozenset({offered.engine}),
                profile=terms.profile,
                memory_bytes=terms.memory_bytes,
                wall_seconds=terms.wall_seconds,
                deliver_by=record.deliver_by,
                received_at=min(int(self.clock()), record.deliver_by),
            ),
        )
        if problems:
            raise Refusal(f"receipt of run {receipt.run}: {problems[0].field} {problems[0].message}")
        try:
            signer = signing.recover(receipt.digest(self.market.domain), encoding.from_hex(signature))
        except signing.BadSignature as error:
            raise Refusal(f"receipt of run {receipt.run}: {error}") from error
        if signer != offered.agent.lower():
            raise Refusal(
                f"receipt of run {receipt.run} is signed by {signer}, not by the agent of the offer"
            )
        call = abi.encode_call("agentValidUntil", record.provider, signer)
        word = self.rpc.read(str(self.market.market["registry"]).lower(), call, self.rpc.block_number())
        if not int.from_bytes(word, "big"):
            raise Refusal(f"{signer} is no agent that {record.provider} registered")

    def _bid_terms(self, locked: LockedTrade) -> BidTerms:
        terms = BidTerms.from_json(self._document("terms", encoding.to_hex(locked.bid.terms)))
        if terms.hash() != locked.bid.terms:
            raise Refusal("the published terms of the bid have another hash")
        return terms

    def _offer_terms(self, locked: LockedTrade) -> OfferTerms:
        terms = OfferTerms.from_json(self._document("terms", encoding.to_hex(locked.offer.terms)))
        if terms.hash() != locked.offer.terms:
            raise Refusal("the published terms of the offer have another hash")
        return terms

    def _document(self, kind: str, name: str) -> Json:
        """A published document. Not there is not yet: it is published in the transaction that proposes."""
        data = self.evidence.read(kind, f"{name}.json")
        if data is None:
            raise NotYet(f"{kind}/{name}.json is not published yet")
        return parse(data, f"{kind}/{name}.json")

    def _bytes(self, sha256: bytes) -> bytes:
        """Code, input or output by its hash: as published, or, of private jobs, as the exchange shows it to verifiers."""
        name = encoding.to_hex(sha256)
        data = self.evidence.read("objects", name)
        if data is None:
            try:
                return self.market.download(name)
            except Rejected as error:
                raise NotYet(f"the bytes of {name} cannot be fetched: {error}") from error
        if encoding.sha256_hex(data) != name:
            raise Refusal(f"the published bytes of {name} have another hash")
        return data


def _trade(batch: LockedBatch, trade: bytes) -> LockedTrade:
    if trade not in batch.trades:
        raise Refusal(f"trade 0x{trade.hex()} is not in the lock batch")
    return batch.trades[trade]


def _misbilled(run: VerifiedRun, locked: LockedTrade, item: Json) -> str:
    """In words, where the leaf of a run bills it something else."""
    right = int(run.billed(WorkUnits(locked.record.ceiling)))
    return (
        "" if int(item["units"]) == right else f"run {run.run} is billed {item['units']} units, not {right}"
    )


def _row(trade: bytes, outcome: Outcome) -> Json:
    return {
        "trade": encoding.to_hex(trade),
        "kind": int(outcome.kind),
        "runs_delivered": outcome.runs_delivered,
        "units": str(outcome.units),
    }
