"""The seller's agent: measure, register, then lease, run, sign, deliver, and again.

One process per machine, `slots` runs at once; where they are executed is the target's affair. The loop holds no state that
matters: a lease is on the exchange, a result is in the diary. Killed at any point it resumes: leases that are still its own
come back first, results that were not delivered are delivered from disk.
Not handled here: which bids are worth serving (the offer's price says that), and payment (the contract says that).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from suan.client.api import Suan
from suan.client.errors import Rejected, SuanError, UnknownOutcome, Unreachable
from suan.client.keystore import LocalKey
from suan.core import encoding, ids, signing
from suan.core.delivery import Receipt
from suan.core.signing import node_registration_digest
from suan.provider.diary import Diary
from suan.provider.targets import Target
from suan.provider.targets.local import LocalTarget
from suan.runtime import RunLimits, RunRequest, RunResult

HEARTBEAT_SECONDS = 2.0
IDLE_SECONDS = 1.0
RATE_FRESH_SECONDS = 86_400
AGENT_VALID_SECONDS = 365 * 86_400
SIGNATURE_DEADLINE_SECONDS = 600
IDLE_SECONDS_MAX = 5.0
LEASES_MAX = 8
"""The most that one call may ask for; more slots ask again."""
REFUSALS_THAT_PASS = frozenset({"agent_not_registered", "not_uploaded"})
"""Codes of refusals that go away by themselves: the key's registration is on its way, the upload is repeated."""
STATUSES_THAT_PASS = frozenset({401, 403, 409, 425})
"""Refusals of the caller, not of the receipt: a key that is replaced, a call that came too early."""

Json = dict[str, Any]
log = logging.getLogger("suan.provider")


@dataclass
class Agent:
    """One node of a provider: its key, its exchange, its diary, and the target that executes its runs.

    `owner` signs the registration when it is held here.
    """

    market: Suan
    key: LocalKey
    diary: Diary
    region: str
    resource_classes: tuple[str, ...]
    slots: int = 1
    owner: LocalKey | None = None
    target: Target = field(default_factory=LocalTarget)
    clock: Callable[[], float] = time.time

    # ---------------------------------------------------------------- register
    def register(self) -> dict[str, int]:
        """Measure each class (or take a fresh figure from the diary), register the node and its key; class -> MFLOPS."""
        rates = {name: self._rate(name) for name in self.resource_classes}
        for name, known in rates.items():
            self.market.post("/nodes", self._registration(name, known))
        self._register_key()
        return {name: int(known["rate_mflops"]) for name, known in rates.items()}

    def register_patiently(self, stop: threading.Event) -> dict[str, int]:
        """`register`, waiting out an exchange that is still starting or not reachable; {} when stopped meanwhile."""
        while not stop.is_set():
            try:
                return self.register()
            except (Unreachable, UnknownOutcome) as error:
                log.warning("%s; trying again", error)
                stop.wait(HEARTBEAT_SECONDS)
        return {}

    def _rate(self, resource_class: str) -> Json:
        """The last measurement when it is fresh, else a new one: {"rate_mflops", "at"}."""
        known = self.diary.rates.get(resource_class)
        if known and self.clock() - known["at"] < RATE_FRESH_SECONDS:
            return known
        log.info("measuring %s", resource_class)
        rate = self.target.measure_rate(resource_class)
        self.diary.measured(resource_class, rate, int(self.clock()))
        return self.diary.rates[resource_class]

    def _registration(self, resource_class: str, known: Json) -> Json:
        statement: Json = {
            "agent": self.key.address,
            "class": resource_class,
            "measured_at": int(known["at"]),
            "rate_mflops": int(known["rate_mflops"]),
            "region": self.region,
        }
        digest = node_registration_digest(statement)
        return statement | {"signature": "0x" + self.key.sign_digest(digest).hex()}

    def _register_key(self) -> None:
        """Make sure that the owner's registration of this agent key is on chain, or on its way."""
        account = self.market.account()
        if any(known["key"] == self.key.address for known in account.get("agents", [])):
            return
        now = int(self.clock())
        body: Json = {"key": self.key.address, "valid_until": now + AGENT_VALID_SECONDS}
        if self.owner is not None:
            wish = signing.SetAgent(
                owner=self.owner.address,
                key=self.key.address,
                valid_until=body["valid_until"],
                nonce=int(account["registry_nonce"]),
                deadline=now + SIGNATURE_DEADLINE_SECONDS,
            )
            signature = self.owner.sign_digest(wish.digest(self.market.registry_domain))
            body |= {"nonce": wish.nonce, "deadline": wish.deadline, "signature": "0x" + signature.hex()}
        self.market.post("/account/agents", body)

    # ---------------------------------------------------------------- work
    def run_forever(self, stop: threading.Event) -> None:
        """Serve leases until `stop` is set; faults of the network are waited out, longer and longer."""
        threading.Thread(target=self._heartbeats, args=(stop,), daemon=True).start()
        pause = IDLE_SECONDS
        with ThreadPoolExecutor(self.slots, thread_name_prefix="run") as pool:
            while not stop.is_set():
                try:
                    busy = self.step(pool)
                    pause = IDLE_SECONDS
                except SuanError as error:
                    log.warning("%s", error)
                    busy, pause = False, min(2 * pause, IDLE_SECONDS_MAX)
                if not busy:
                    stop.wait(pause)

    def step(self, pool: ThreadPoolExecutor) -> bool:
        """Deliver what lies on disk, lease up to `slots` runs and finish them; False when there was nothing to do."""
        self._deliver_waiting()
        wanted = min(self.slots, LEASES_MAX)
        answer = self.market.post("/leases", {"agent": self.key.address, "max": wanted})
        served = [pool.submit(self.serve, lease) for lease in answer["leases"]]
        done = [outcome.result() for outcome in served]  # All of them, before anything is decided.
        return any(done)

    def _deliver_waiting(self) -> None:
        """Hand in what an earlier life of this agent left on disk; a refusal of one holds up no other."""
        for key in self.diary.undelivered():
            try:
                self._deliver(key)
            except Rejected as error:
                log.warning("receipt of %s run %d is not taken yet: %s", *key, error)

    def _heartbeats(self, stop: threading.Event) -> None:
        while not stop.wait(HEARTBEAT_SECONDS):
            try:
                self.market.post(f"/nodes/{self.key.address}/heartbeat")
            except SuanError as error:
                log.warning("heartbeat: %s", error)

    def serve(self, lease: Json) -> bool:
        """Run one lease unless its result is in the diary already, then deliver; False when nothing could be done."""
        key = (lease["trade"], lease["run"])
        if key in self.diary.delivered:
            return False  # Refused for good: the lease runs out and the run trades again.
        if key not in self.diary.results:
            self.diary.promised(*key, lease["lease_id"], int(self.clock()))
            started = int(self.clock())
            try:
                result = self.execute(lease)
            except (ValueError, RuntimeError) as error:
                log.error(
                    "run %d of %s cannot be executed on this machine: %s", lease["run"], lease["trade"], error
                )
                return False  # the lease runs out and the run trades again, unpaid
            receipt = self.receipt(lease, result, started, max(started, int(self.clock())))
            self.diary.ran(*key, self._signed(receipt), result.output)
        self._deliver(key)
        return True

    def execute(self, lease: Json) -> RunResult:
        """Fetch code and input by hash and hand the run to the target."""
        limits = (int(lease[name]) for name in ("ceiling_units", "memory_bytes", "wall_seconds"))
        return self.target.execute(
            RunRequest(
                module=self.market.download(lease["module"]),
                stdin=self.market.download(lease["input"]),
                run=lease["run"],
                seed=bytes.fromhex(lease["seed"][2:]),
                resource_class=lease["class"],
                limits=RunLimits(*limits),
                profile=lease["profile"],
            )
        )

    def receipt(self, lease: Json, result: RunResult, started: int, ended: int) -> Receipt:
        """State what was done, to be signed."""
        return Receipt(
            trade=ids.parse_id(lease["trade"]),
            run=lease["run"],
            module=bytes.fromhex(lease["module"][2:]),
            input=bytes.fromhex(lease["input"][2:]),
            output=bytes.fromhex(encoding.sha256_hex(result.output)[2:]),
            seed=bytes.fromhex(lease["seed"][2:]),
            fp64=result.counters.fp64,
            fp32=result.counters.fp32,
            integer=result.counters.integer,
            memory_control=result.counters.memory_control,
            fuel=result.fuel,
            engine=result.engine,
            profile=result.profile,
            exit_reason=int(result.exit_reason),
            cpu_milliseconds=result.cpu_ms,
            wall_milliseconds=result.wall_ms,
            peak_memory_bytes=result.peak_memory_bytes,
            started_at=started,
            ended_at=ended,
        )

    def _signed(self, receipt: Receipt) -> Json:
        signature = self.key.sign_digest(receipt.digest(self.market.domain))
        return {"receipt": receipt.to_json(), "signature": "0x" + signature.hex()}

    def _deliver(self, key: tuple[str, int]) -> None:
        """Upload the output, hand in the receipt; a refusal for good is recorded with its reason."""
        if key in self.diary.delivered:
            return
        document = self.diary.results[key]
        try:
            output = self.diary.output_path(*key).read_bytes()
        except FileNotFoundError:
            output = b""
        if encoding.sha256_hex(output) != document["receipt"]["output"]:
            log.error("the output of %s run %d is no longer on this disk; it is run again", *key)
            self.diary.forget(*key)
            return
        try:
            self.market.upload(output)
            taken = self.market.post("/receipts", document)
        except Rejected as error:
            if error.status in STATUSES_THAT_PASS or error.code in REFUSALS_THAT_PASS:
                raise
            log.error("receipt of %s run %d refused: %s", *key, error)
            self.diary.closed(*key, refused=str(error))
            return
        self.diary.closed(*key, acknowledgement=str(taken.get("acknowledgement", "")))
