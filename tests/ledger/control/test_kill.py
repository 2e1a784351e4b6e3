"""kill -9 of indexer, sender, miner and node while transactions are on their way: each is executed once."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from django.core.management import call_command
from django.db import connection

from ledger import queries
from ledger.models import Attempt, OutgoingTx
from ledger.outbox.plan import plan
from operations.run import layout
from suan.core.contract.abi import encode_call
from tests.ledger.conftest import deployed

pytestmark = [pytest.mark.chain, pytest.mark.slow]
COUNT, PROCESSES = 24, {"index_chain": "indexer", "send_transactions": "sender", "mine_blocks": "miner"}
WAIT_SECONDS_MAX = 120


def test_what_was_planned_is_executed_once_though_everything_is_killed(
    transactional_db, anvil_factory, var: Path, compiled: Path, settings
):
    anvil = anvil_factory(keep_state=True)
    settings.CHAIN_RPC_URL = anvil.url
    world = deployed(anvil, var, compiled, settings)
    settings.DATABASE_ROLE_PASSWORD = lambda role: layout.secret(var, f"database_{role}")
    call_command("grant_roles")
    with running(anvil.url, var) as restart:
        for number in range(COUNT):
            calldata = encode_call("faucet", f"0x{number + 0x7000:040x}", number + 1)
            plan(key=f"pay:{number}", signer="relayer", to=world.known.token, calldata=calldata)
            if number % 3 == 0:  # The operator's key signs auctions only, and empty transactions to itself.
                plan(key=f"empty:{number}", signer="operator", to=world.known.operator, calldata=b"")
            if number == COUNT // 3:
                wait(lambda: Attempt.objects.exists())
                for name in PROCESSES:
                    restart(name)
            if number == 2 * COUNT // 3:
                wait(lambda: OutgoingTx.objects.filter(status="included").exists())
                anvil.kill()
                anvil.start()
        restart("send_transactions")
        wait(lambda: not OutgoingTx.objects.exclude(status="final").exists())
    assert not queries.is_halted()
    for number in range(COUNT):
        holder = f"0x{number + 0x7000:040x}"
        assert world.call(world.known.token, "balanceOf", holder)["value"] == number + 1
    for signer in ("operator", "relayer"):
        nonces = OutgoingTx.objects.filter(signer=signer).order_by("nonce").values_list("nonce", flat=True)
        assert list(nonces) == list(range(len(nonces)))
    call_command("verify_ledger")


@contextmanager
def running(rpc_url: str, var: Path) -> Iterator[Callable[[str], None]]:
    """The three commands as processes, each under its database role; gives a function that kills one and starts it again."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "marketplace.settings",
        "DATABASE_URL": database_url(),
        "SUAN_VAR": str(var),
        "CHAIN_RPC_URL": rpc_url,
        "SUAN_LOCAL_CHAIN": "1",
        "BLOCK_SECONDS": "0.2",
    }
    processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(name: str) -> None:
        with (var / "log" / f"{name}.log").open("ab") as log:
            command = [sys.executable, "manage.py", name]
            processes[name] = subprocess.Popen(
                command, env=environment | {"SUAN_ROLE": PROCESSES[name]}, stdout=log, stderr=log
            )

    def restart(name: str) -> None:
        processes[name].send_signal(signal.SIGKILL)
        processes[name].wait(10)
        start(name)

    for name in PROCESSES:
        start(name)
    try:
        yield restart
    finally:
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            process.wait(15)


def database_url() -> str:
    known = connection.settings_dict
    user, password = quote(known["USER"]), quote(known["PASSWORD"] or "")
    return f"postgresql://{user}:{password}@/{known['NAME']}?host={quote(str(known['HOST']), safe='')}&port={known['PORT']}"


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not condition():
        states = list(OutgoingTx.objects.values_list("key", "status", "nonce", "error"))
        assert time.monotonic() < deadline, states
        time.sleep(0.2)
