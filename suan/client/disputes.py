"""Disputes by anybody with the bond: claim something about what was decided, show receipts, see what follows for whom.

The exchange says where a trade was locked; the rest is read from the chain (what was decided, until when, who claims what)
and from published evidence (receipts and their place under the verdict's root). Sources: IMarket.sol, docs/protocol.md 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from suan.client.api import Suan
from suan.client.audit.source.evidence import Evidence, parse
from suan.client.errors import UsageError
from suan.client.keystore import LocalKey
from suan.client.locks import LockedBatch, NotLocked, read_batch
from suan.client.rpc import Rpc
from suan.client.sending import send
from suan.client.standing import EVENTS, Told, standing
from suan.core import encoding, ids
from suan.core.contract import ANY_RUN, Claim, Outcome, OutcomeKind, Shown, abi, pack_outcomes, prove_records
from suan.core.delivery import Receipt
from suan.core.evidence import Answers, acknowledged
from suan.core.settlement import open_claims, receipts_asked
from suan.core.signing import Verdict
from suan.core.units import format_tokens

Json = dict[str, Any]


@dataclass(frozen=True)
class Decided:
    """What verifiers decided about a trade: the whole verdict, and when it settles (unix seconds)."""

    outcomes: list[tuple[int, Outcome]]
    receipts_root: bytes
    settle_after: int


@dataclass
class Disputes:
    """The disputes of one market, through one chain endpoint."""

    market: Suan
    evidence: Evidence
    rpc: Rpc

    @property
    def address(self) -> str:
        return str(self.market.market["market"]).lower()

    def open(self, trade_id: str, key: LocalKey, *, claim: Claim, run: int | None = None) -> Json:
        """Claim something about what was decided of a trade with the bond of `key`; returns `show`.

        run: whose receipt is asked for; of a slashed trade none. Raises UsageError while nothing was decided, for a claim that
        nobody can make or without the bond, Reverted with the contract's reason (too late, settled already, somebody else's).
        """
        batch, index = self._batch(trade_id)
        decided = self._decided(batch, index)
        kind = dict(decided.outcomes)[index].kind
        if claim == Claim.NO_RECEIPT:
            run = _asked_run(OutcomeKind(kind), run)
        bond = self._number("disputeBond")
        account = self._read("accountOf", key.address)
        if account["available"] < bond:
            raise UsageError(
                f"a claim takes a bond of {format_tokens(bond)} tokens, available in the Market; {key.address} has "
                f"{format_tokens(account['available'])}: deposit first (`suan account faucet` on a test market)"
            )
        call = abi.encode_dispute(
            head=batch.head,
            outcomes=decided.outcomes,
            receipts_root=decided.receipts_root,
            proven=self._proven(batch, index),
            claim=claim,
            run=ANY_RUN if run is None else run,
        )
        send(self.rpc, key, to=self.address, data=call)
        return self.show(trade_id)

    def reveal(
        self, trade_id: str, run: int | None, key: LocalKey, *, acknowledgement: Json | None = None
    ) -> Json:
        """Answer the claim that there is no receipt for `run` (of a slashed trade: no false receipt); returns `show`.

        From published evidence, or by the exchange's `acknowledgement`: {receipt, signature, acknowledgement}. Whoever sends it
        gets a tenth of the challenger's bond. Raises UsageError if nobody asks for this, or what is given does not answer it.
        """
        told = self._told(trade_id)
        batch, index = self._batch(trade_id)
        trade = ids.parse_id(trade_id, prefix="trd")
        asked = {int(event["run"]): event for event in receipts_asked(open_claims(told.opened, told.ended))}
        claimed = ANY_RUN if run is None else run
        if told.closed or claimed not in asked:
            raise UsageError(
                f"nobody asks for this of {trade_id}; runs that are asked for: {sorted(asked) or 'none'}"
            )
        opened = asked[claimed]
        root = self._decided(batch, index, verdict=opened["verdict"]).receipts_root
        if acknowledgement is None:
            shown = self._published(root, trade_id, claimed, OutcomeKind(opened["kind"]))
        else:
            shown = _acknowledged(acknowledgement, trade, claimed, root)
        record = batch.trades[trade].record
        call = abi.encode_reveal(batch=batch.head.id(), record=record, run=claimed, shown=shown)
        send(self.rpc, key, to=self.address, data=call)
        return self.show(trade_id)

    def kept(self, trade_id: str, run: int) -> Json:
        """{receipt, signature, acknowledgement} of a run as the exchange's API gives it."""
        runs = {row["run"]: row for row in self.market.get(f"/trades/{trade_id}")["runs_detail"]}
        if run not in runs or not runs[run].get("receipt_id"):
            raise UsageError(f"the exchange shows no receipt of run {run} of {trade_id}")
        found = self.market.get(f"/receipts/{runs[run]['receipt_id']}")
        return {name: found[name] for name in ("receipt", "signature", "acknowledgement")}

    def reclaim(self, trade_id: str, key: LocalKey) -> Json:
        """Free the bonds of all claims that were open when their trade ended, whoever made them; returns `show`."""
        told = self._told(trade_id)
        left = receipts_asked(open_claims(told.opened, told.ended))
        if not told.closed or not left:
            raise UsageError(f"no bond of a claim about {trade_id} is left to be freed")
        batch, index = self._batch(trade_id)
        for event in left:
            call = abi.encode_reclaim(head=batch.head, proven=self._proven(batch, index), run=event["run"])
            send(self.rpc, key, to=self.address, data=call)
        return self.show(trade_id)

    def show(self, trade_id: str) -> Json:
        """How the dispute of a trade stands, from the chain alone (`suan.client.standing`)."""
        return standing(trade_id, self._told(trade_id), self._number("disputeWindow"))

    def _told(self, trade_id: str) -> Told:
        """What the chain says of a trade's dispute, in order."""
        told = Told()
        topics = [abi.event_topics(*EVENTS), encoding.to_hex(ids.parse_id(trade_id, prefix="trd"))]
        for log in self._logs(topics):
            name, values = abi.decode_event(log["topics"], log["data"])
            told.add(name, values)
            if name == "ReceiptRevealed":
                block = self.rpc.block(int(log["blockNumber"], 16))
                told.revealed_at.append(int(block["timestamp"], 16))
        return told

    def _published(self, root: bytes, trade_id: str, run: int, kind: OutcomeKind) -> Shown:
        name = f"{encoding.to_hex(root)}.json"
        data = self.evidence.read("settlements", name)
        if data is None:
            raise UsageError(f"settlements/{name} is not published; a provider answers with --acknowledged")
        answers = Answers(parse(data, f"settlements/{name}")["receipts"], self.market.domain)
        if answers.root != root:
            raise UsageError(
                f"settlements/{name} is not what its name says: its root is {answers.root.hex()}"
            )
        shown = answers.to(ids.parse_id(trade_id, prefix="trd"), run, kind)
        if shown is None:
            raise UsageError(f"settlements/{name} has nothing that answers this claim about {trade_id}")
        return shown

    def _proven(self, batch: LockedBatch, index: int) -> Any:
        return prove_records([trade.record for trade in batch.trades.values()], [index])

    def _batch(self, trade_id: str) -> tuple[LockedBatch, int]:
        """The lock batch of a trade, and the trade's index in it."""
        lock = self.market.get(f"/trades/{trade_id}").get("lock") or {}
        if not lock.get("batch_id") or not lock.get("tx_hash"):
            raise UsageError(f"{trade_id} is not locked, so nothing was decided about it")
        batch_id = ids.parse_id(lock["batch_id"], prefix="bat")
        try:
            batch = read_batch(
                self.rpc, self.market.domain, market=self.address, batch=batch_id, tx_hash=lock["tx_hash"]
            )
            return batch, batch.trades[ids.parse_id(trade_id, prefix="trd")].record.index
        except (NotLocked, KeyError) as error:
            raise UsageError(
                f"the chain does not know {trade_id} as the exchange shows it: {error}"
            ) from error

    def _decided(self, batch: LockedBatch, index: int, *, verdict: str | None = None) -> Decided:
        """The newest verdict that names the trade with this index, or the one with this hash."""
        for log in reversed(self._logs([abi.event_topics("BatchDecided"), encoding.to_hex(batch.head.id())])):
            _, event = abi.decode_event(log["topics"], log["data"])
            if verdict is not None and event["verdict"] != verdict:
                continue
            name, call = abi.decode_call(self.rpc.transaction(log["transactionHash"])["input"])
            if name != "decide":
                continue  # Sent through another contract: its arguments are not ours to guess.
            outcomes = [
                (row["index"], Outcome(row["kind"], row["runs_delivered"], row["units"]))
                for row in call["outcomes"]
            ]
            root = encoding.from_hex(call["receipts_root"])
            said = Verdict(batch.head.id(), pack_outcomes(outcomes), root)
            if encoding.to_hex(said.struct_hash()) == event["verdict"] and index in dict(outcomes):
                return Decided(outcomes, root, event["settle_after"])
        raise UsageError("nothing was decided about this trade yet, so there is nothing to dispute")

    def _logs(self, topics: list[Any]) -> list[Json]:
        query = {"address": self.address, "fromBlock": "0x0", "toBlock": "latest", "topics": topics}
        return list(self.rpc.call("eth_getLogs", query))

    def _read(self, name: str, *arguments: Any) -> Json:
        data = self.rpc.read(self.address, abi.encode_call(name, *arguments), self.rpc.block_number())
        return abi.decode_result(name, data)

    def _number(self, name: str) -> int:
        return int(next(iter(self._read(name).values())))


def _asked_run(kind: OutcomeKind, run: int | None) -> int:
    """The run that a claim for a missing receipt names. Raises UsageError for what nobody can claim."""
    if kind == OutcomeKind.SLASHED and run is None:
        return ANY_RUN
    if kind == OutcomeKind.SETTLED and run is not None:
        return run
    raise UsageError(
        {
            OutcomeKind.SLASHED: "of a slashed trade the receipt that was found false is asked for: leave out --run",
            OutcomeKind.SETTLED: "say of which run there is no receipt: --run N",
            OutcomeKind.REFUNDED: "the trade is refunded, which needs no receipt; claim wrong-count instead",
        }[kind]
    )


def _acknowledged(document: Json, trade: bytes, run: int, root: bytes) -> Shown:
    """Raises UsageError, FieldError for what is no acknowledged receipt of this run."""
    try:
        receipt = Receipt.from_json(document["receipt"])
        signature = encoding.from_hex(document["signature"], field="signature", length=65)
        said = encoding.from_hex(document["acknowledgement"], field="acknowledgement", length=65)
    except (KeyError, TypeError) as error:
        raise UsageError(f"this is no acknowledged receipt: {error} is missing or has another form") from None
    if (receipt.trade, receipt.run) != (trade, run):
        raise UsageError("this receipt is of another trade or run, or its trade is slashed")
    return acknowledged(receipt, signature, said, root=root)
