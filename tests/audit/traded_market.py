"""A market with as many trades as a benchmark or a test wants: everything in it is real but the computing.

Real: contracts on a node (Anvil), orders, acknowledgements, receipts, seals and verdicts with their signatures, auctions
cleared by the rule, money locked and paid by the contract, evidence in the published form. Not real: the jobs were never run;
their receipts state counters that were made up. So an audit with a share of re-runs is not measured here.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ledger.chain.signer import Signer
from ledger.deployment.deploy import PROFILES, Parameters, deploy
from suan.core import encoding, ids
from suan.core.clearing import BidEntry, ClearingBook, OfferEntry
from suan.core.clearing.evidence import ClearingDocument, clear_document
from suan.core.contract import abi
from suan.core.contract.proving import prove_records
from suan.core.contract.records import (
    BatchHead,
    Clearing,
    Fill,
    KeySet,
    Outcome,
    ReceiptVerdict,
    Record,
    batch_head,
    pack_outcomes,
    receipts_root,
    trade_id,
)
from suan.core.delivery.metering import work_units
from suan.core.delivery.receipts import Counters, ExitReason, Receipt
from suan.core.encoding import canonical_json, keccak, to_hex
from suan.core.orders.terms import BidTerms, OfferTerms
from suan.core.settlement.outcomes import VerifiedRun, outcome_of
from suan.core.signing.domains import market_domain
from suan.core.signing.messages import evidence_seal_digest
from suan.core.signing.structs import SIDE_BUY, SIDE_SELL, Acknowledgement, Bid, Offer, Verdict
from suan.core.units import Price, WorkUnits, bond, bond_price
from tests.core.signing.keys import Key
from tests.nodes import AnvilNode

SYMBOL = "cpu.fp64:eu-north:recomputed"
PROVIDERS, BUYERS = 20, 30
TOKEN = 10**18
CEILING = 3_600_000
GAS = hex(29_000_000)
RATE_MFLOPS = 400_000
Json = dict[str, Any]


@dataclass
class Placed:
    """A signed order with what the book says of it."""

    order: Offer | Bid
    digest: bytes
    signature: bytes
    sequence: int


@dataclass
class TradedMarket:
    """A node, the contracts, and people who trade. `trade` adds one auction with its lock, its delivery and its close."""

    folder: Path
    chance: random.Random
    compiled: Path | None = None
    """A cache of the compiler's; without one the contracts are compiled."""
    refused: list[Fill] = field(default_factory=list)
    """Fills that the next opening carries besides its own."""
    trades: int = 0
    auctions: int = 0
    sequence: int = 0
    providers: list[Key] = field(default_factory=lambda: [Key(f"provider {n}") for n in range(PROVIDERS)])
    buyers: list[Key] = field(default_factory=lambda: [Key(f"buyer {n}") for n in range(BUYERS)])

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.evidence = self.folder / "evidence"
        for kind in ("orders", "terms", "acknowledgements", "cancels", "clearings", "settlements", "seals"):
            (self.evidence / kind).mkdir(parents=True, exist_ok=True)
        self.node = AnvilNode(self.folder)
        self.node.rpc("anvil_autoImpersonateAccount", True)
        self.keys = Signer(self.folder / "secrets")
        self.arbiter = Key("arbiter")
        self.verifier, self.agents = (
            Key("verifier"),
            {key.address: Key(f"agent of {key.address}") for key in self.providers},
        )
        self.made = self._deploy()
        self.market, self.operator = self.made["market"], self.keys.address("operator")
        self.domain = market_domain(self.made["chain_id"], self.market)
        self.verifier_set = encoding.from_hex(self.made["verifier_set"]["id"])
        said = self.made["verifier_set"]
        self.verifiers = KeySet(tuple(said["members"]), said["threshold"], int(said["payout_cap"]))
        self.bid_of: dict[bytes, bytes] = {}
        self.job = BidTerms(keccak(b"module"), keccak(b"input"), 2**24, 60)
        self._publish("terms", f"{to_hex(self.job.hash())}.json", self.job.to_json())
        self._people()

    def trade(self) -> int:
        """One auction of 20 offers and 30 bids, opened, delivered and closed; returns how many trades it made."""
        records = self.lock()
        said = self.decide(records)
        self.wait(self.made["dispute_window"])
        self.settle(said, records)
        return len(records)

    def lock(self, orders: Callable[[int], tuple[list[Placed], list[Placed]]] | None = None) -> list[Record]:
        """One auction, of the orders that `orders` makes at a unix time, and its open(); returns the locked trades."""
        now = int(self.node.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
        offers, bids = (orders or self.orders)(now)
        self.auctions += 1
        document = clear_document(self._book(offers, bids), number=self.auctions, now=now)
        self._publish(
            "clearings", f"{ids.clr_id(document.clearing_id)}.json", document.to_json(), sealed=True
        )
        records = self._open(document, offers, bids)
        self.trades += len(records)
        return records

    def stop(self) -> None:
        self.node.stop()

    # ------------------------------------------------------------------------------------------ orders and auctions

    def orders(self, now: int) -> tuple[list[Placed], list[Placed]]:
        """An offer of each provider and a bid of each buyer."""
        common = {
            "product": ids.product_id(SYMBOL), "valid_until": now + 3000, "deliver_by": now + 3600,
            "verifier_set": self.verifier_set, "max_fee_bps": 500,
        }  # fmt: skip
        offers = [
            self.placed(key, Offer(
                maker=key.address, side=SIDE_SELL, price=TOKEN // 1000 * self.chance.randint(300, 500),
                units=CEILING * self.chance.randint(3, 9), nonce=self.auctions, terms=self._offer_terms(key).hash(), **common,
            ))
            for key in self.providers
        ]  # fmt: skip
        bids = [
            self.placed(key, Bid(
                maker=key.address, side=SIDE_BUY, price=TOKEN // 1000 * self.chance.randint(500, 900),
                runs=self.chance.randint(2, 5), ceiling=CEILING, nonce=self.auctions, terms=self.job.hash(), **common,
            ))
            for key in self.buyers
        ]  # fmt: skip
        return offers, bids

    def placed(self, key: Key, order: Offer | Bid) -> Placed:
        """An order that `key` signed, acknowledged and published."""
        self.sequence += 1
        digest = order.digest(self.domain)
        placed = Placed(order, digest, key.sign(digest), self.sequence)
        name = f"{ids.ord_id(digest)}.json"
        kind = "bid" if isinstance(order, Bid) else "offer"
        document = {
            "type": kind,
            "order": order.to_json(),
            "signature": to_hex(placed.signature),
            "symbol": SYMBOL,
        }
        self._publish("orders", name, document)
        said = Acknowledgement(digest, self.sequence, order.valid_until - 3000)
        signature = self.keys.sign_digest("acknowledger", said.digest(self.domain))
        self._publish("acknowledgements", name, {
            "order": ids.ord_id(digest), "sequence": said.sequence, "accepted_at": said.accepted_at,
            "signature": to_hex(signature),
        })  # fmt: skip
        return placed

    def _book(self, offers: list[Placed], bids: list[Placed]) -> ClearingBook:
        def common(placed: Placed) -> Json:
            order = placed.order
            return {
                "order": placed.digest, "maker": order.maker, "limit_price": order.price,
                "sequence": placed.sequence, "deliver_by": order.deliver_by,
            }  # fmt: skip

        return ClearingBook(
            SYMBOL,
            self.sequence,
            tuple(OfferEntry(**common(p), units=p.order.units, rate_mflops=RATE_MFLOPS) for p in offers),
            tuple(BidEntry(**common(p), runs=((0, p.order.runs),), ceiling=CEILING) for p in bids),
        )

    # ------------------------------------------------------------------------------------------ the contract

    def _open(self, document: ClearingDocument, offers: list[Placed], bids: list[Placed]) -> list[Record]:
        sold = {placed.digest: number for number, placed in enumerate(offers)}
        bought = {placed.digest: number for number, placed in enumerate(bids)}
        price = document.result.price or 0
        clearing = Clearing(ids.product_id(SYMBOL), document.number, document.order_set_root, price)
        fills, records = [], []
        for index, trade in enumerate(document.result.trades):
            offer, bid = offers[sold[trade.offer]].order, bids[bought[trade.bid]].order
            self.bid_of[trade_id(trade.offer, trade.bid, trade.first_run, clearing.id())] = trade.bid
            fills.append(Fill(sold[trade.offer], bought[trade.bid], 0, trade.first_run, trade.runs))
            work = WorkUnits(trade.runs * CEILING)
            per_unit = bond_price(
                Price(offer.price), self.made["bond_bps"], Price(int(self.made["bond_floor_price"]))
            )
            records.append(Record(
                trade=trade_id(trade.offer, trade.bid, trade.first_run, clearing.id()),
                provider=offer.maker, buyer=bid.maker, index=index, first_run=trade.first_run, runs=trade.runs,
                ceiling=CEILING, price=price, bond=bond(per_unit, work), deliver_by=min(offer.deliver_by, bid.deliver_by),
                offer_nonce=offer.nonce, bid_nonce=bid.nonce,
            ))  # fmt: skip
        self.send(self.market, self.operator, abi.encode_open(
            verifier_set=self.verifier_set, clearings=[clearing], offers=[p.order for p in offers],
            offer_signatures=[p.signature for p in offers], bids=[p.order for p in bids],
            bid_signatures=[p.signature for p in bids], fills=[*fills, *self.refused],
        ))  # fmt: skip
        self.refused = []
        return records

    def decide(self, records: list[Record]) -> Json:
        """Deliver all runs of a lock batch, publish the receipts, and let the verifiers decide; returns what they said."""
        items: list[Json] = []
        leaves, outcomes = [], []
        for record in records:
            runs = []
            for run in range(record.first_run, record.first_run + record.runs):
                receipt = self.receipt(record, run)
                digest = receipt.digest(self.domain)
                counted = work_units(receipt.counters, "cpu.fp64")
                runs.append(VerifiedRun(run, ReceiptVerdict.ACCEPTED, ExitReason.OK, counted))
                units = runs[-1].billed(WorkUnits(CEILING))
                leaves.append((digest, record.trade, run, int(ReceiptVerdict.ACCEPTED), units))
                items.append(self._item(receipt, self.agents[record.provider].sign(digest), units))
            outcomes.append(outcome_of(record, runs))
        root, head = receipts_root(leaves), self.head(records)
        self._publish("settlements", f"{to_hex(root)}.json", {
            "batch": to_hex(head.id()),
            "outcomes": [self._outcome(record, outcome) for record, outcome in zip(records, outcomes, strict=True)],
            "receipts": items,
        }, sealed=True)  # fmt: skip
        listed = [(record.index, outcome) for record, outcome in zip(records, outcomes, strict=True)]
        verdict = Verdict(head.id(), pack_outcomes(listed), root)
        said = {"head": head, "outcomes": listed, "receipts_root": root}
        self.send(self.market, self.operator, abi.encode_decide(
            **said, verifiers=self.verifiers, signatures=[self.verifier.sign(verdict.digest(self.domain))],
        ))  # fmt: skip
        return said

    def settle(self, said: Json, records: list[Record]) -> None:
        """Have a verdict over a whole lock batch paid."""
        proven = prove_records(records, range(len(records)))
        self.send(self.market, self.operator, abi.encode_settle(**said, proven=proven))

    def head(self, records: list[Record]) -> BatchHead:
        """The head of the lock batch that was opened last."""
        return batch_head(self.auctions, self.verifier_set, records)

    def wait(self, seconds: int) -> None:
        """Let the chain's clock go on."""
        self.node.rpc("evm_increaseTime", seconds)
        self.node.rpc("evm_mine")

    def receipt(self, record: Record, run: int) -> Receipt:
        """What the provider's agent says of one run."""
        flops = self.chance.randint(CEILING // 2, CEILING - 1000)
        return Receipt(
            trade=record.trade, run=run, module=self.job.module, input=self.job.input, output=keccak(b"output"),
            seed=ids.run_seed(self.bid_of[record.trade], run), fp64=flops, fp32=0, integer=0, memory_control=0, fuel=2 * flops,
            engine="wasmtime-50.0.1", profile=self.job.profile, exit_reason=int(ExitReason.OK), cpu_milliseconds=10,
            wall_milliseconds=12, peak_memory_bytes=2**20, started_at=record.deliver_by - 3500,
            ended_at=record.deliver_by - 3499,
        )  # fmt: skip

    def _item(self, receipt: Receipt, signature: bytes, units: int) -> Json:
        counters = {name: str(getattr(receipt, name)) for name in (*Counters.__dataclass_fields__, "fuel")}
        return {
            "trade": to_hex(receipt.trade), "run": receipt.run, "receipt": receipt.to_json(), "signature": to_hex(signature),
            "verdict": int(ReceiptVerdict.ACCEPTED), "units": str(units), "reason": "", "confirmed_by": "",
            "recount": {
                "exit_reason": receipt.exit_reason, "output": to_hex(receipt.output), **counters,
                "engine": receipt.engine, "work_units": str(work_units(receipt.counters, "cpu.fp64")),
            },
        }  # fmt: skip

    @staticmethod
    def _outcome(record: Record, outcome: Outcome) -> Json:
        return {
            "trade": to_hex(record.trade), "kind": int(outcome.kind), "runs_delivered": outcome.runs_delivered,
            "units": str(outcome.units),
        }  # fmt: skip

    # ------------------------------------------------------------------------------------------ beginnings

    def _offer_terms(self, key: Key) -> OfferTerms:
        return OfferTerms(agent=self.agents[key.address].address, rate_mflops=RATE_MFLOPS)

    def _people(self) -> None:
        registry, token = self.made["registry"], self.made["token"]
        for key in (*self.providers, *self.buyers):
            for _ in range(3):
                self.send(token, key.address, abi.encode_call("faucet", key.address, 10**6 * TOKEN))
            self.send(token, key.address, abi.encode_call("approve", self.market, 2**255))
            self.send(self.market, key.address, abi.encode_call("deposit", key.address, 2 * 10**6 * TOKEN))
        for key in self.providers:
            terms = self._offer_terms(key)
            self._publish("terms", f"{to_hex(terms.hash())}.json", terms.to_json())
            self.send(registry, key.address, abi.encode_call("setAgent", terms.agent, 2**39))

    def _deploy(self) -> Json:
        deployer = self.keys.address("deployer")
        self._fund(deployer)
        address = self.keys.address
        return deploy(
            self.node.url, deployment_file=self.folder / "deployment.json", var=self.compiled or self.folder, deployer=deployer,
            sign_transaction=lambda fields: self.keys.sign_transaction("deployer", fields).raw,
            sign_as_operator=lambda digest: self.keys.sign_digest("operator", digest), mine=True,
            parameters=Parameters(
                profile="default", **PROFILES["default"], admin=address("admin"), operator=address("operator"),
                relayer=address("relayer"), acknowledger=address("acknowledger"), treasury=address("treasury"),
                pool=address("pool"), rerun_account=address("rerun"), members=(self.verifier.address,), threshold=1,
                arbiters=(self.arbiter.address,), arbiter_threshold=1,
            ),
        )  # fmt: skip

    def _fund(self, account: str) -> None:
        self.node.rpc("anvil_setBalance", account, hex(10**24))

    def send(self, to: str, sender: str, data: bytes) -> None:
        """Send a transaction of `sender`, whoever it is, and mine it. Raises RuntimeError when it fails."""
        if self.node.rpc("eth_getBalance", sender, "latest") == "0x0":
            self._fund(sender)
        call = {"from": sender, "to": to, "data": "0x" + data.hex(), "gas": GAS}
        transaction = self.node.rpc("eth_sendTransaction", call)
        self.node.rpc("evm_mine")
        receipt = self.node.rpc("eth_getTransactionReceipt", transaction)
        if receipt["status"] != "0x1":
            raise RuntimeError(f"a transaction of the benchmark failed: {receipt}")

    def _publish(self, kind: str, name: str, document: Json, *, sealed: bool = False) -> None:
        data = canonical_json(document)
        (self.evidence / kind / name).write_bytes(data)
        if sealed:
            file, digest = f"{kind}/{name}", encoding.sha256_hex(data)
            signature = self.keys.sign_digest("acknowledger", evidence_seal_digest(file, digest))
            seal = {"file": file, "sha256": digest, "signature": to_hex(signature)}
            (self.evidence / "seals" / name).write_bytes(canonical_json(seal))
