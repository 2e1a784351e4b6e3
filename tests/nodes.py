"""A real Anvil node for tests: mines only when asked, can be killed, started again and reorganised."""

import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil

from operations.run import child, services
from tests.ports import free_port

START_SECONDS_MAX = 20
HISTORY_BLOCKS = 256


class RpcError(Exception):
    """The node's answer was an error: `code` and `message` as JSON-RPC gives them."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def rpc(url: str, method: str, *parameters: Any, client: httpx.Client | None = None) -> Any:
    """One JSON-RPC call; raises RpcError."""
    post = client.post if client else httpx.post
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}
    answer = post(url, json=body, timeout=30).json()
    if "error" in answer:
        raise RpcError(answer["error"]["code"], answer["error"]["message"])
    return answer["result"]


class AnvilNode:
    """One node process. `keep_state` makes it survive `kill` and `start`, old states for reorgs included."""

    def __init__(self, folder: Path, *, chain_id: int = services.CHAIN_ID, keep_state: bool = False) -> None:
        self.folder = folder
        self.chain_id = chain_id
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.state = folder / "state.json" if keep_state else None
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        command = services.anvil_command(
            port=self.port,
            chain_id=self.chain_id,
            state=self.state,
            history_blocks=HISTORY_BLOCKS if self.state else 0,
        )
        log = self.folder / "anvil.log"
        with log.open("ab") as output:
            process = child.spawn(command, output=output)
        self.process = process
        self._http = httpx.Client(timeout=30)
        ready = child.wait_until(
            lambda: services.anvil_is_ready(self.url),
            seconds=START_SECONDS_MAX,
            alive=lambda: process.poll() is None,
        )
        if not ready:
            raise RuntimeError(f"anvil did not start:\n{log.read_text()[-2000:]}")

    def _stops_between_saves(self) -> bool:
        """Stop the process; if its state file is half written, let it go on."""
        assert self.process
        if self.process.poll() is not None:
            return True
        self.process.send_signal(signal.SIGSTOP)
        seen = psutil.Process(self.process.pid)
        child.wait_until(lambda: seen.status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE), seconds=5)
        if self.state is None or not self.state.exists() or services.is_complete(self.state.read_bytes()):
            return True
        self.process.send_signal(signal.SIGCONT)
        return False

    def stop(self) -> None:
        if self.process:
            child.stop(self.process)
            self._forget()

    def kill(self) -> None:
        """End it as a power cut would, between two saves of its state: nobody here keeps the copy for a half of one."""
        if self.process:
            with suppress(ProcessLookupError):
                assert child.wait_until(self._stops_between_saves, seconds=START_SECONDS_MAX)
                self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)
            self._forget()

    def whole_state(self) -> bytes:
        """The state file between two saves, never half of one."""
        assert self.process and self.state
        assert child.wait_until(self._stops_between_saves, seconds=START_SECONDS_MAX)
        try:
            return self.state.read_bytes()
        finally:
            self.process.send_signal(signal.SIGCONT)

    def _forget(self) -> None:
        self._http.close()
        self.process = None

    def rpc(self, method: str, *parameters: Any) -> Any:
        return rpc(self.url, method, *parameters, client=self._http)

    def mine(self, blocks: int = 1) -> int:
        """Mine blocks and return the new head's number."""
        self.rpc("anvil_mine", hex(blocks))
        return self.head()

    def head(self) -> int:
        return int(self.rpc("eth_blockNumber"), 16)

    def reorg(self, depth: int) -> None:
        """Replace the newest `depth` blocks by empty ones; their transactions are gone, also from the pool."""
        self.rpc("anvil_reorg", depth, [])

    def pass_time(self, seconds: int) -> None:
        """Move the chain's clock forward and mine a block with it."""
        self.rpc("evm_increaseTime", seconds)
        self.mine()
