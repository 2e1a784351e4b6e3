"""The agent: killed after a run and before its delivery, it delivers from disk and never runs the job again."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from operations.run import child, layout
from suan.client import keystore, wire
from suan.client.api import Suan
from suan.core import encoding, signing
from suan.core.delivery.receipts import Receipt
from suan.core.units import Mflops
from suan.provider.diary import Diary, acknowledged
from suan.provider.loop import Agent
from suan.runtime.runner import RunRequest, RunResult
from suan.runtime.wasm.run import run_job
from tests.client.exchange import Exchange, Reply, Request, exchange
from tests.runtime import jobs

NBODY = layout.PROJECT / "examples" / "build" / "nbody.wasm"
STDIN = b"100"
ACKNOWLEDGED = "0x" + "ac" * 65
MARKET = {"chain_id": 31337, "market": "0x" + "11" * 20, "registry": "0x" + "22" * 20}
TRADE = "trd_0x" + "ab" * 32
LEASE = {
    "lease_id": "lea_1",
    "trade": TRADE,
    "run": 3,
    "seed": "0x" + "07" * 32,
    "module": encoding.sha256_hex(NBODY.read_bytes()),
    "input": encoding.sha256_hex(STDIN),
    "ceiling_units": "100000",
    "class": "cpu.fp64",
    "memory_bytes": 64 * 1024 * 1024,
    "wall_seconds": 30,
    "profile": "strict",
}


class Counter:
    """The exchange as an agent sees it: one lease until its receipt is taken; `deaf` loses what is delivered."""

    def __init__(self) -> None:
        self.deaf = True
        self.refusal: Reply | None = None
        self.receipts: list[dict] = []
        self.stored: dict[str, bytes] = {LEASE["module"]: NBODY.read_bytes(), LEASE["input"]: STDIN}
        self.delivering = threading.Event()

    def __call__(self, request: Request) -> Reply:
        path = request.path.split("?")[0].removeprefix("/api/v1")
        if path == "/market":
            return Reply(document=MARKET)
        if path == "/leases":
            return Reply(document={"leases": [] if self.receipts else [LEASE]})
        if path == "/account":
            return Reply(document={"agents": [], "registry_nonce": "0"})
        if path.startswith("/artifacts/"):
            return Reply(body=self.stored[path.removeprefix("/artifacts/")])
        if path in ("/artifacts", "/receipts"):
            return self._deliver(path, request)
        return Reply(document={})

    def _deliver(self, path: str, request: Request) -> Reply:
        self.delivering.set()
        if self.deaf:
            return Reply(503)
        if path == "/artifacts":
            sha256 = encoding.sha256_hex(request.body)
            self.stored[sha256] = request.body
            return Reply(201, {"sha256": sha256, "size": len(request.body)})
        if self.refusal is not None:
            return self.refusal
        self.receipts.append(request.json())
        return Reply(201, {"acknowledgement": ACKNOWLEDGED})


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def server(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> Iterator[Exchange]:
    monkeypatch.setattr(wire, "PAUSE_SECONDS", 0.001)
    with exchange(counter) as running:
        yield running


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def agent_in(folder: Path, server: Exchange) -> Agent:
    path = folder / "agent-key.json"
    key = keystore.load(path) if path.exists() else keystore.create(path)
    market = Suan(server.url, attempts_max=1)
    return Agent(
        market=market, key=key, diary=Diary(folder), region="eu-north", resource_classes=("cpu.fp64",)
    )


def downloads(server: Exchange) -> int:
    return len([path for path in server.paths("GET") if path.endswith(LEASE["module"])])


def steps(folder: Path) -> list[str]:
    return [json.loads(line)["step"] for line in (folder / "diary.jsonl").read_text().splitlines()]


def test_an_agent_killed_before_its_delivery_delivers_from_disk_without_running_again(
    tmp_path: Path, counter: Counter, server: Exchange, pool: ThreadPoolExecutor
) -> None:
    folder = tmp_path / "agent"
    diary = Diary(folder)
    diary.measured("cpu.fp64", 100, 4_000_000_000)  # Fresh for a long time: nothing is benchmarked here.
    command = [
        sys.executable,
        "-m",
        "suan.cli",
        "provider",
        "run",
        "--folder",
        str(folder),
        "--class",
        "cpu.fp64",
    ]
    process = subprocess.Popen(
        [*command, "--url", server.url], cwd=layout.PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        assert counter.delivering.wait(60), "the agent never came to its delivery"
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert steps(folder).count("ran") == 1 and not counter.receipts
    ran = downloads(server)
    assert ran == 1

    counter.deaf = False
    later = agent_in(folder, server)
    assert later.diary.undelivered() == [(TRADE, 3)]
    later.step(pool)
    (document,) = counter.receipts
    receipt = Receipt.from_json(document["receipt"])
    output = counter.stored[encoding.to_hex(receipt.output)]
    assert (
        output
        == run_job(
            jobs.request(
                NBODY.read_bytes(),
                stdin=STDIN,
                run=3,
                seed=bytes.fromhex(LEASE["seed"][2:]),
                ceiling_units=100_000,
                memory_bytes=LEASE["memory_bytes"],
                wall_seconds=30,
            )
        ).output
    )
    digest = receipt.digest(later.market.domain)
    assert signing.recover(digest, encoding.from_hex(document["signature"])) == later.key.address
    assert acknowledged(folder, TRADE, 3) == document | {"acknowledgement": ACKNOWLEDGED}
    assert downloads(server) == ran, "the job was fetched, so it was run again"
    assert steps(folder).count("ran") == 1 and steps(folder)[-1] == "delivered"
    assert not later.step(pool), "there is nothing left to do"


def test_a_result_whose_output_is_lost_from_the_disk_is_run_again(
    tmp_path: Path, counter: Counter, server: Exchange, pool: ThreadPoolExecutor
) -> None:
    first = agent_in(tmp_path, server)
    with pytest.raises(Exception, match="503"):
        first.step(pool)
    first.diary.output_path(TRADE, 3).write_bytes(b"half")
    counter.deaf = False
    later = agent_in(tmp_path, server)
    assert later.step(pool)
    assert len(counter.receipts) == 1
    assert steps(tmp_path) == ["promised", "ran", "lost", "promised", "ran", "delivered"]


def test_a_receipt_refused_for_good_is_written_down_and_the_agent_rests(
    tmp_path: Path, counter: Counter, server: Exchange, pool: ThreadPoolExecutor
) -> None:
    counter.deaf = False
    counter.refusal = Reply(
        422, {"detail": "run: closed", "errors": [{"pointer": "/run", "code": "run_closed"}]}
    )
    agent = agent_in(tmp_path, server)
    agent.step(pool)
    assert steps(tmp_path)[-1] == "refused"
    assert not agent.step(pool), "the same lease again is no work"
    assert downloads(server) == 1


def test_a_refusal_that_passes_keeps_the_result_for_later(
    tmp_path: Path, counter: Counter, server: Exchange, pool: ThreadPoolExecutor
) -> None:
    counter.deaf = False
    counter.refusal = Reply(422, {"detail": "later", "errors": [{"code": "agent_not_registered"}]})
    agent = agent_in(tmp_path, server)
    with pytest.raises(Exception, match="later"):
        agent.step(pool)
    counter.refusal = None
    agent.step(pool)
    assert len(counter.receipts) == 1 and downloads(server) == 1


def test_a_job_that_this_machine_cannot_run_is_left_to_others(
    tmp_path: Path,
    counter: Counter,
    server: Exchange,
    pool: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(LEASE, "class", "gpu.fp64")
    assert not agent_in(tmp_path, server).step(pool)
    assert steps(tmp_path) == ["promised"] and not counter.receipts


class Cluster:
    """A target elsewhere: what it was handed, and the fault with which it answers while it has one."""

    def __init__(self, fault: Exception | None) -> None:
        self.fault = fault
        self.handed: list[RunRequest] = []

    def measure_rate(self, resource_class: str) -> Mflops:
        return Mflops(77)

    def execute(self, request: RunRequest) -> RunResult:
        self.handed.append(request)
        if self.fault is not None:
            raise self.fault
        return run_job(request)


@pytest.mark.parametrize("fault", [RuntimeError("no machine is free"), ValueError("a class not served here")])
def test_a_target_that_fails_leaves_the_run_to_others_and_its_next_run_is_delivered(
    fault: Exception, tmp_path: Path, counter: Counter, server: Exchange, pool: ThreadPoolExecutor
) -> None:
    counter.deaf = False
    agent = agent_in(tmp_path, server)
    agent.target = cluster = Cluster(fault)
    assert not agent.step(pool), "a run that cannot be executed is no work"
    assert steps(tmp_path) == ["promised"] and not counter.receipts
    cluster.fault = None
    assert agent.step(pool)
    assert steps(tmp_path)[-2:] == ["ran", "delivered"]
    assert [request.limits.memory_bytes for request in cluster.handed] == [LEASE["memory_bytes"]] * 2


def test_the_rate_that_is_registered_is_that_of_the_target(
    tmp_path: Path, counter: Counter, server: Exchange
) -> None:
    agent = agent_in(tmp_path, server)
    agent.target = Cluster(None)
    assert agent.register() == {"cpu.fp64": 77}
    assert next(r.json() for r in server.requests if r.path.endswith("/nodes"))["rate_mflops"] == 77


def test_a_fresh_measurement_is_registered_with_the_time_at_which_it_was_made(
    tmp_path: Path, counter: Counter, server: Exchange
) -> None:
    agent = agent_in(tmp_path, server)
    agent.clock = lambda: 2_000_000.0
    agent.diary.measured("cpu.fp64", 321, 1_990_000)
    assert agent.register() == {"cpu.fp64": 321}
    (node,) = [request.json() for request in server.requests if request.path.endswith("/nodes")]
    assert (node["rate_mflops"], node["measured_at"]) == (321, 1_990_000)
    (key,) = [request.json() for request in server.requests if request.path.endswith("/account/agents")]
    assert key["key"] == agent.key.address


def test_an_exchange_that_is_away_is_waited_for(tmp_path: Path, server: Exchange, counter: Counter) -> None:
    counter.deaf = False
    agent, stop = agent_in(tmp_path, server), threading.Event()
    away = agent.market._wire._http.base_url
    agent.market._wire._http.base_url = "http://127.0.0.1:1/api/v1"
    worker = threading.Thread(target=agent.run_forever, args=(stop,))
    worker.start()
    try:
        assert not counter.receipts
        agent.market._wire._http.base_url = away
        assert child.wait_until(lambda: bool(counter.receipts), seconds=30)
    finally:
        stop.set()
        worker.join(20)
    assert not worker.is_alive()
