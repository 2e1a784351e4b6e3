"""Disputes by anybody with the bond: find what was decided about a trade, contest it, show receipts, see how it stands.

The exchange says where a trade was locked; the rest is read from the chain (what was decided, until when, who disputes)
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
from suan.core import encoding, ids
from suan.core.contract import Outcome, OutcomeKind, abi, pack_outcomes, prove_records, receipts_tree
from suan.core.delivery import Receipt
from suan.core.signing import Verdict
from suan.core.units import format_tokens

EVENTS = ("DisputeOpened", "ReceiptRevealed", "DisputeRuled", "TradeClosed")

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

    def open(self, trade_id: str, key: LocalKey) -> Json:
        """Contest what was decided about a trade with the bond of `key`; returns `show`. The trade waits for a ruling.

        Raises UsageError while nothing was decided or the bond is not there, Reverted with the contract's reason (too
        late, settled already).
        """
        batch, index = self._batch(trade_id)
        decided = self._decided(batch, index)
        bond = self._number("disputeBond")
        account = self._read("accountOf", key.address)
        if account["available"] < bond:
            raise UsageError(
                f"a dispute takes a bond of {format_tokens(bond)} tokens, available in the Market; {key.address} has "
                f"{format_tokens(account['available'])}: deposit first (`suan account faucet` on a test market)"
            )
        call = abi.encode_dispute(
            head=batch.head,
            outcomes=decided.outcomes,
            receipts_root=decided.receipts_root,
            proven=prove_records([trade.record for trade in batch.trades.values()], [index]),
        )
        send(self.rpc, key, to=self.address, data=call)
        return self.show(trade_id)

    def reveal(self, trade_id: str, run: int, key: LocalKey) -> Json:
        """Show the receipt of one run of a disputed trade to the contract and the arbiters; returns `show`."""
        batch, index = self._batch(trade_id)
        trade = ids.parse_id(trade_id, prefix="trd")
        root = encoding.to_hex(self._decided(batch, index).receipts_root)
        data = self.evidence.read("settlements", f"{root}.json")
        if data is None:
            raise UsageError(f"settlements/{root}.json is not published")
        leaves, mine = [], None
        for item in parse(data, f"settlements/{root}.json")["receipts"]:
            receipt = None if item["receipt"] is None else Receipt.from_json(item["receipt"])
            digest = encoding.ZERO_BYTES32 if receipt is None else receipt.digest(self.market.domain)
            leaf = (
                digest,
                encoding.from_hex(item["trade"], length=32),
                int(item["run"]),
                int(item["verdict"]),
            )
            leaves.append(leaf)
            if leaf[1:3] == (trade, run) and receipt is not None:
                mine = (leaf, receipt, encoding.from_hex(item["signature"]))
        if mine is None:
            raise UsageError(f"run {run} of {trade_id} has no receipt under {root}")
        leaf, receipt, signature = mine
        call = abi.encode_reveal(
            batch=batch.head.id(),
            record=batch.trades[trade].record,
            words=receipt.encode_data(),
            signature=signature,
            verdict_of_run=leaf[3],
            proof=receipts_tree(leaves).proof(leaves.index(leaf)),
        )
        send(self.rpc, key, to=self.address, data=call)
        return self.show(trade_id)

    def show(self, trade_id: str) -> Json:
        """How the dispute of a trade stands, from the chain alone: {state, what follows, challenger, bond, deadlines, …}."""
        trade = encoding.to_hex(ids.parse_id(trade_id, prefix="trd"))
        found: dict[str, list[Json]] = {}
        for name, values in self._logs([abi.event_topics(*EVENTS), trade]):
            found.setdefault(name, []).append(values)
        opened = found.get("DisputeOpened", [])
        if not opened:
            return {"trade_id": trade_id, "state": "not disputed"}
        ruled, closed = found.get("DisputeRuled", []), found.get("TradeClosed", [])
        first = opened[-1]
        return {
            "trade_id": trade_id,
            "state": "ended" if closed else "open",
            "challenger": first["challenger"],
            "bond": format_tokens(first["bond"]),
            "disputed": OutcomeKind(first["kind"]).word,
            "disputed_units": str(first["units"]),
            "reveal_by": first["reveal_by"],
            "rule_by": first["rule_by"],
            "receipts_revealed": [values["run"] for values in found.get("ReceiptRevealed", [])],
            "ruled": OutcomeKind(ruled[-1]["kind"]).word if ruled else None,
            "forfeited": format_tokens(ruled[-1]["forfeited"]) if ruled else None,
            "reward": format_tokens(ruled[-1]["reward"]) if ruled else None,
            "ended_as": OutcomeKind(closed[-1]["kind"]).word if closed else None,
        }

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

    def _decided(self, batch: LockedBatch, index: int) -> Decided:
        """The newest verdict that names the trade with this index."""
        topics = [abi.event_topics("BatchDecided"), encoding.to_hex(batch.head.id())]
        query = {"address": self.address, "fromBlock": "0x0", "toBlock": "latest", "topics": topics}
        for log in reversed(self.rpc.call("eth_getLogs", query)):
            _, event = abi.decode_event(log["topics"], log["data"])
            name, call = abi.decode_call(self.rpc.transaction(log["transactionHash"])["input"])
            if name != "decide":
                continue  # Sent through another contract: its arguments are not ours to guess.
            outcomes = [
                (row["index"], Outcome(row["kind"], row["runs_delivered"], row["units"]))
                for row in call["outcomes"]
            ]
            root = encoding.from_hex(call["receipts_root"])
            verdict = Verdict(batch.head.id(), pack_outcomes(outcomes), root)
            if encoding.to_hex(verdict.struct_hash()) == event["verdict"] and index in dict(outcomes):
                return Decided(outcomes, root, event["settle_after"])
        raise UsageError("nothing was decided about this trade yet, so there is nothing to dispute")

    def _logs(self, topics: list[Any]) -> list[tuple[str, Json]]:
        query = {"address": self.address, "fromBlock": "0x0", "toBlock": "latest", "topics": topics}
        return [abi.decode_event(log["topics"], log["data"]) for log in self.rpc.call("eth_getLogs", query)]

    def _read(self, name: str, *arguments: Any) -> Json:
        data = self.rpc.read(self.address, abi.encode_call(name, *arguments), self.rpc.block_number())
        return abi.decode_result(name, data)

    def _number(self, name: str) -> int:
        return int(next(iter(self._read(name).values())))
