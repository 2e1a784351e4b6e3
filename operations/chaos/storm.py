"""Faults on a running market: kills, reorganisations, a flushed broker, a node that answers wrongly.

`Storm.strike` lets one blow fall and returns when it has; the market recovers while the next ones come. Only a
reorganisation waits: until the chain is as high as it ever was, since a killed node comes back a few blocks short and
both depths together would go below final. The one that is meant to go there is followed to its end: settlement must
halt loudly, nothing may be sent, an operator's command resumes it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import redis

from operations.chaos.faults import DEEP_REORG, FLUSH, KILL, NODE, NODE_FAULTS, REORG, Blow
from operations.chaos.proxy import FaultProxy
from operations.demo.people import DidNotHappen, wait_until
from operations.run import layout
from operations.run.market import Market
from operations.run.supervisor import Report
from suan.client.api import Suan
from suan.client.errors import SuanError
from suan.client.rpc import Rpc

BACK_SECONDS_MAX = 300.0
CHAIN_SECONDS_MAX = 300.0
HALT_SECONDS_MAX = 300.0
HALT_WATCHED_SECONDS = 5.0
COMMAND_SECONDS_MAX = 600.0
MINED_MEANWHILE_MAX = 2
"""Blocks that the miner may add between our look and the reorganisation."""
DEPLOYMENT_BLOCKS = 5
"""The contracts themselves stay: a chain that never had them is not this market's."""

Json = dict[str, Any]


@dataclass
class Storm:
    """One run's blows on one market, counted. `node` reaches the chain without the proxy."""

    market: Market
    proxy: FaultProxy
    confirmations: int
    say: Report
    kills: Counter[str] = field(default_factory=Counter)
    reorgs: Counter[int] = field(default_factory=Counter)
    kept: int = 0
    flushes: int = 0
    halts: list[Json] = field(default_factory=list)
    dead: dict[str, int] = field(default_factory=dict)
    highest: int = 0
    loaded: int = 0
    """The height at which the node last came back from its file."""

    def __post_init__(self) -> None:
        self.node = Rpc(self.market.rpc_url)

    def strike(self, blow: Blow) -> None:
        """Let one blow fall. Raises DidNotHappen when the market is not in a state in which it can, and stays so."""
        self.say(f"blow     {blow}")
        if blow.kind == KILL:
            self._kill(blow.target)
        elif blow.kind == REORG:
            self._reorganise(blow)
            self.reorgs[blow.depth] += 1
        elif blow.kind == DEEP_REORG:
            self._halt_and_resume(blow)
        elif blow.kind == FLUSH:
            self._flush()
        elif blow.kind == NODE:
            method, fault = NODE_FAULTS[blow.target]
            self.proxy.on(method, fault, times=blow.times)

    def calm(self) -> None:
        """No more faults: the node answers well again, every process is back."""
        self.proxy.heal()
        for name in list(self.dead):
            self._wait_back(name)

    def look(self) -> int:
        """The chain's height now, remembered if it is the highest so far; -1 while the node is down."""
        try:
            head = self.node.block_number()
        except SuanError:
            return -1
        self.highest = max(self.highest, head)
        return head

    def _kill(self, name: str) -> None:
        self._wait_back(name)
        if name == "anvil":
            self.look()
        self.dead[name] = self.market.kill(name)
        self.kills[name] += 1

    def _wait_back(self, name: str) -> None:
        dead = self.dead.pop(name, None)
        if dead is not None:
            back = self.market.wait_restarted(name, dead, seconds=BACK_SECONDS_MAX)
            assert back, (
                f"{name} did not come back within {BACK_SECONDS_MAX:.0f} s; see {self.market.var / 'log'}"
            )
            if name == "anvil":
                self.loaded = self.node.block_number()

    def _flush(self) -> None:
        self._wait_back("valkey")
        with redis.Redis.from_url(layout.services(self.market.var)["redis_url"], socket_timeout=10) as broker:
            broker.flushall()
        self.flushes += 1

    def _reorganise(self, blow: Blow) -> None:
        """Replace the newest blocks. Their transactions are gone, unless `keeps`: then each comes a block earlier.

        Anvil 1.7.1 keeps old states in its file without the code of contracts, so a chain that goes back to a block
        from before a restart has no market any more: only blocks mined since the last restart are replaced.
        """
        self._wait_back("anvil")
        lowest = self.confirmations - blow.depth if blow.kind == REORG else 0

        def high_enough() -> bool:
            head = self.look()
            grown = head - blow.depth > self.loaded and head > self.highest - max(lowest, 1)
            return grown and (blow.kind == REORG or self._is_read(head))

        wait_until("the chain to be as high as it was", high_enough, seconds=CHAIN_SECONDS_MAX)
        head = self.node.block_number()
        before = self._hashes(head - blow.depth, head)
        kept = self._transactions(head - blow.depth + 1, head) if blow.keeps else []
        # Another miner, so that no block of the new branch can be one of the old.
        self.node.call("anvil_setCoinbase", f"0x{sum(self.reorgs.values()) + 1:040x}")
        # Patient, since a call that is repeated after a timeout would go back twice.
        Rpc(self.market.rpc_url, timeout_seconds=CHAIN_SECONDS_MAX).call("anvil_reorg", blow.depth, kept)
        self.kept += len(kept)
        gone = [number for number, known in before.items() if self.node.block(number)["hash"] != known]
        self.say(f"         blocks {min(gone, default=head)} to {head} left the chain")
        if len(gone) < blow.depth - MINED_MEANWHILE_MAX:
            raise DidNotHappen(f"of {blow.depth} blocks up to {head} only {len(gone)} left the chain")

    def _hashes(self, first: int, last: int) -> dict[int, str]:
        return {number: self.node.block(number)["hash"] for number in range(first, last + 1)}

    def _transactions(self, first: int, last: int) -> list[list[Any]]:
        """Signed transactions of these blocks in order, each with its place in the new branch."""
        found = []
        for number in range(first, last + 1):
            for tx_hash in self.node.block(number)["transactions"]:
                raw = self.node.call("eth_getRawTransactionByHash", tx_hash)
                found.append([raw, max(number - first - 1, 0)])
        return found

    def _halt_and_resume(self, blow: Blow) -> None:
        """Go below final: the market says so and stands still, until `rewind_chain`."""
        for name in list(self.dead):
            self._wait_back(name)
        wait_until("the exchange to answer", lambda: bool(self.status()), seconds=BACK_SECONDS_MAX)
        lowest = int(self._deployment()["block"]) + blow.depth + DEPLOYMENT_BLOCKS
        wait_until("the chain to be deep enough", lambda: self.look() > lowest, seconds=CHAIN_SECONDS_MAX)
        self.proxy.heal()
        began = time.monotonic()
        self._reorganise(blow)
        self.reorgs[blow.depth] += 1
        wait_until("settlement to halt", lambda: bool(self.status()["halted"]), seconds=HALT_SECONDS_MAX)
        status = self.status()
        sent_before = self._sent()
        time.sleep(HALT_WATCHED_SECONDS)
        halted_for, sent_after = time.monotonic() - began, self._sent()
        said = self.command("rewind_chain", "--yes", "--operator", "chaos")
        wait_until("settlement to go on", lambda: not self.status()["halted"], seconds=HALT_SECONDS_MAX)
        self.halts.append(
            {
                "depth": blow.depth,
                "healthy_while_halted": status["healthy"],
                "reason": [halt["reason"] for halt in status["halts"]],
                "transactions_sent_while_halted": sent_after - sent_before,
                "seconds": round(halted_for, 1),
                "rewind": said.splitlines()[-1:],
            }
        )

    def _is_read(self, head: int) -> bool:
        """Whether what is final on the chain is so for the exchange: what it has not read cannot leave its books."""
        return bool(self.status()["final_number"] >= head - self.confirmations - 1)

    def status(self) -> Json:
        found: Json = Suan(self.market.base_url).get("/status")
        return found

    def _deployment(self) -> Json:
        found: Json = json.loads((self.market.var / "deployment.json").read_text())
        return found

    def _sent(self) -> int:
        """Transactions that the exchange's signers have in blocks or in the pool."""
        deployment = self._deployment()
        return sum(
            int(self.node.call("eth_getTransactionCount", deployment[name], "pending"), 16)
            for name in ("operator", "relayer")
        )

    def command(self, *arguments: str, environment: Json | None = None) -> str:
        """What a management command of this market prints. Raises RuntimeError with its last lines when it fails."""
        done = subprocess.run(  # noqa: S603 - a command of this project
            (sys.executable, "manage.py", *arguments),
            env=self.market.environment | (environment or {}),
            cwd=layout.PROJECT,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS_MAX,
        )
        if done.returncode:
            raise RuntimeError(f"{arguments[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        return done.stdout
