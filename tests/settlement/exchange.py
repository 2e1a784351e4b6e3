"""The whole market on a real node, driven by hand: orders, auctions, locks, jobs that really run, receipts, closes.

Every step is the one that a task or a process of the market does; only the clock that wakes them is missing.
"""

from __future__ import annotations

import time
from typing import Any

from django.utils import timezone

from ledger.control import node
from marketplace.clearing import actions as clearing
from marketplace.clearing.models import Trade
from marketplace.delivery import tasks as delivery_tasks
from marketplace.receipts import tasks as receipts_tasks
from marketplace.settlement import actions as settlement
from marketplace.settlement import tasks as settlement_tasks
from suan.core import encoding, ids, signing
from suan.core.delivery.receipts import Receipt
from suan.runtime.runner import RunResult
from suan.runtime.wasm.run import run_job
from tests.book.market import PRODUCT, Person, bid_body, custodial, offer_body, register_node
from tests.core.signing.keys import Key
from tests.ledger.chain import World
from tests.receipts.programs import additions
from tests.runtime import jobs

YEAR = 365 * 86_400


class Exchange:
    """A deployed market with a buyer and a provider whose agent is registered on chain."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.senders = node.senders()
        self.buyer = self._person("buyer")
        self.provider = self._person("provider")
        self.agent = self.join(self.provider, "node")
        self.settle_chain(final=True)

    def _person(self, name: str) -> Person:
        """A custodial account with 100 tokens in the market, paid in by a patron."""
        person = custodial(name)
        self.world.person("patron")
        amount = 100 * 10**18
        known = self.world.known
        self.world.send("patron", known.token, "faucet", self.world.keys.address("patron"), amount)
        self.world.send("patron", known.token, "approve", known.market, amount)
        self.world.send("patron", known.market, "deposit", person.address, amount)
        return person

    def join(self, person: Person, label: str) -> Key:
        """A node of this provider, its agent key on its way to the chain."""
        agent = register_node(person, label=label)
        answer = person.post(
            "/account/agents", {"key": agent.address, "valid_until": int(time.time()) + YEAR}
        )
        assert answer.status_code < 300, answer.content
        return agent

    # ------------------------------------------------------------------------------------------ chain

    def send(self) -> None:
        """What `send_transactions` does in one round."""
        for sender in self.senders:
            sender.step(now=timezone.now())

    def settle_chain(self, *, final: bool = False) -> None:
        """Send what is planned, mine it with one block on top (or until it is final), index and post."""
        self.send()
        self.world.anvil.mine(2)
        self.world.follow()
        self.send()
        if final:
            self.world.finalise()
            self.send()

    # ------------------------------------------------------------------------------------------ orders

    def offer(self, person: Person | None = None, agent: Key | None = None, **changes: Any) -> dict[str, Any]:
        person, agent = person or self.provider, agent or self.agent
        answer = person.post("/offers", offer_body(agent.address, **changes))
        assert answer.status_code == 201, answer.content
        return answer.json()

    def bid(self, module: bytes | None = None, **changes: Any) -> dict[str, Any]:
        sha256 = self.buyer.upload(module or additions(1_000))
        terms = {"module": sha256} | changes.pop("terms", {})
        answer = self.buyer.post("/bids", bid_body(self.buyer, terms=terms, **changes))
        assert answer.status_code == 201, answer.content
        return answer.json()

    def trade(self, module: bytes | None = None, *, runs: int = 1, **changes: Any) -> Trade:
        """One trade of `runs` runs, locked on chain and open for its agent."""
        known = set(Trade.objects.values_list("pk", flat=True))
        number = len(known)
        self.offer(client_order_id=f"offer-{number}")
        self.bid(module, runs=runs, client_order_id=f"bid-{number}", **changes)
        self.lock()
        (trade,) = Trade.objects.exclude(pk__in=known)
        assert trade.status == "locked", (trade.status, trade.reject_reason)
        return trade

    def lock(self) -> None:
        """Clear the product, lock its trades and open their runs."""
        now = int(time.time())
        clearing.clear_product(symbol=PRODUCT, now=now)
        clearing.lock_trades(now=now, pace_seconds=0)
        self.settle_chain()
        clearing.observe_locks(now=int(time.time()))
        delivery_tasks.open_jobs()

    # ------------------------------------------------------------------------------------------ the agent

    def lease(
        self, most: int = 8, person: Person | None = None, agent: Key | None = None
    ) -> list[dict[str, Any]]:
        person, agent = person or self.provider, agent or self.agent
        answer = person.post("/leases", {"agent": agent.address, "max": most})
        assert answer.status_code == 200, answer.content
        return answer.json()["leases"]

    def run(self, lease: dict[str, Any], person: Person | None = None) -> RunResult:
        """Fetch code and input under the lease and really run the job."""
        person = person or self.provider
        return run_job(
            jobs.request(
                self.download(lease["module"], person),
                stdin=self.download(lease["input"], person),
                run=lease["run"],
                seed=encoding.from_hex(lease["seed"]),
                ceiling_units=int(lease["ceiling_units"]),
                resource_class=lease["class"],
                memory_bytes=lease["memory_bytes"],
                wall_seconds=lease["wall_seconds"],
                profile=lease["profile"],
            )
        )

    def download(self, sha256: str, person: Person) -> bytes:
        answer = person.get(f"/artifacts/{sha256}")
        assert answer.status_code == 200, answer.content
        return answer.content

    def signed(
        self, lease: dict[str, Any], result: RunResult, agent: Key | None = None, **lies: Any
    ) -> dict[str, Any]:
        """The body of POST /receipts for a result; `lies` replace fields of the receipt before it is signed."""
        now = int(time.time())
        receipt = Receipt(
            **{
                "trade": ids.parse_id(lease["trade"]),
                "run": lease["run"],
                "module": encoding.from_hex(lease["module"]),
                "input": encoding.from_hex(lease["input"]),
                "output": encoding.from_hex(encoding.sha256_hex(result.output)),
                "seed": encoding.from_hex(lease["seed"]),
                "fp64": result.counters.fp64,
                "fp32": result.counters.fp32,
                "integer": result.counters.integer,
                "memory_control": result.counters.memory_control,
                "fuel": result.fuel,
                "engine": result.engine,
                "profile": result.profile,
                "exit_reason": int(result.exit_reason),
                "cpu_milliseconds": result.cpu_ms,
                "wall_milliseconds": result.wall_ms,
                "peak_memory_bytes": result.peak_memory_bytes,
                "started_at": now - 60,
                "ended_at": now,
            }
            | lies
        )
        domain = signing.market_domain(self.world.known.chain_id, self.world.known.market)
        signature = (agent or self.agent).sign(receipt.digest(domain))
        return {"receipt": receipt.to_json(), "signature": encoding.to_hex(signature)}

    def deliver(self, lease: dict[str, Any], **lies: Any) -> dict[str, Any]:
        """Run, upload and hand in; returns the stored receipt."""
        result = self.run(lease)
        self.provider.upload(lies.pop("upload", result.output))
        answer = self.provider.post("/receipts", self.signed(lease, result, **lies))
        assert answer.status_code == 201, answer.content
        return answer.json()

    def verify(self) -> None:
        """Recompute everything that waits."""
        while receipts_tasks.verify_next():
            pass

    # ------------------------------------------------------------------------------------------ settlement

    def close(self, *, final: bool = False) -> None:
        """Cut, send, mine and observe."""
        now = int(time.time())
        settlement.retry_failed(now=now)
        settlement.conclude_trades(now=now)
        settlement.cut_batches(now=now, pace_seconds=0, outcomes_max=100)
        self.settle_chain()
        self.pass_window()
        self.settle_chain(final=final)
        settlement_tasks.finalize()

    def pass_window(self) -> None:
        """Let the dispute window of what was decided pass, on the chain and for us, and plan the settlements."""
        anvil = self.world.anvil
        anvil.pass_time(self.world.known.dispute_window + 3)
        now = int(anvil.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
        settlement.settle_decided(now=now)

    def seen(self, trade: Trade) -> dict[str, Any]:
        """The trade as the API shows it to anybody."""
        answer = self.buyer.get(f"/trades/{trade.trade_id}")
        assert answer.status_code == 200, answer.content
        return answer.json()
