"""One whole market for all tests that need one: the first test process that asks starts it, the others join.

The process that started it waits at its end until nobody uses it any more; SUAN_LIVE_FOLDER names a folder in which
another process holds one, which spares the start while tests are written. `alone` keeps tests that change the database
behind the market's back apart from tests that say that nothing is wrong.
"""

import fcntl
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from operations.run import child, layout
from operations.run.market import AGENTS, Market, start_market
from suan.cli import app
from suan.client import keystore
from suan.client.keystore import LocalKey
from suan.client.rpc import Rpc
from tests.compiled import share

OWN_SERVICES = {"DATABASE_URL": "", "REDIS_URL": "", "CHAIN_RPC_URL": "", "PORT": ""}
COMMAND_SECONDS_MAX = 120


@dataclass(frozen=True)
class Live:
    """A running market as an outsider reaches it, and its folder, as only its operator does."""

    var: Path
    base_url: str
    rpc_url: str
    environment: dict[str, str]

    @property
    def evidence(self) -> Path:
        return self.var / "evidence"

    @property
    def deployment(self) -> dict:
        return json.loads((self.var / "deployment.json").read_text())

    def rpc(self) -> Rpc:
        return Rpc(self.rpc_url)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else looks at, or changes, the database as a whole meanwhile."""
        with (self.var / "run" / "alone.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def product(self, symbol: str) -> Iterator[str]:
        """A product for one story alone, so that no other story's orders trade with its own."""
        with (self.var / "run" / f"{symbol}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield symbol

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of manage.py as this market's operator."""
        return subprocess.run(
            [sys.executable, *arguments],
            env=self.environment,
            cwd=layout.PROJECT,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS_MAX,
        )

    def suan(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Result:
        """Run a `suan` command against this market."""
        return CliRunner().invoke(
            app,
            list(arguments),
            env={"SUAN_URL": self.base_url, "SUAN_HOME": str(self.var / "home"), **(environment or {})},
        )

    def audit(self, *arguments: str, evidence: Path | str | None = None) -> Result:
        """`suan audit` of this market, by default from its evidence address."""
        source = str(evidence or f"{self.base_url}/evidence")
        address = self.deployment["market"]
        return self.suan(
            "audit", "--rpc", self.rpc_url, "--market", address, "--evidence", source, *arguments
        )

    @contextmanager
    def agent(self, folder: Path, api_key: str, product: str) -> Iterator[LocalKey]:
        """A provider's agent in a process of its own; yields its key once it has made one."""
        resource_class, region, _ = product.split(":")
        command = [sys.executable, "-m", "suan.cli", "provider", "run", "--folder", str(folder)]
        command += ["--class", resource_class, "--region", region]
        environment = self.environment | {"SUAN_API_KEY": api_key}
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "agent.log").open("ab") as log:
            process = child.spawn(command, environment=environment, output=log)
            try:
                made = folder / "agent-key.json"
                assert child.wait_until(lambda: made.exists() and made.stat().st_size > 0, seconds=30), (
                    folder / "agent.log"
                ).read_text()
                yield keystore.load(made)
            finally:
                child.stop(process)


@contextmanager
def shared_market(folder: Path) -> Iterator[Live]:
    """Join the market in `folder`, or start one there. `folder` is common to all test processes of this run.

    A process that comes when the owner of a market is about to end it starts the next one, in a place of its own.
    """
    folder.mkdir(exist_ok=True)
    card = folder / "market.json"
    with ExitStack() as stack:
        with (folder / "start.lock").open("w") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            owner = not card.exists()
            if owner:
                home = Path(tempfile.mkdtemp(prefix="market", dir=folder))
                home.chmod(0o755)  # PostgreSQL may run as another user than this process.
                market = stack.enter_context(_started(home / "var"))
                facts = {
                    "var": str(market.var),
                    "base_url": market.base_url,
                    "rpc_url": market.rpc_url,
                    "environment": market.environment,
                }
                card.write_text(json.dumps(facts))
            facts = json.loads(card.read_text())
            users = stack.enter_context((Path(facts["var"]).parent / "users.lock").open("w"))
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield Live(Path(facts["var"]), facts["base_url"], facts["rpc_url"], facts["environment"])
        finally:
            if owner:
                with (folder / "start.lock").open("w") as ending:
                    fcntl.flock(ending, fcntl.LOCK_EX)
                    card.unlink()  # Whoever comes now starts a market of their own.
                fcntl.flock(users, fcntl.LOCK_EX)  # Waits for those who joined.


@contextmanager
def _started(var: Path) -> Iterator[Market]:
    share(var)
    try:
        with start_market(
            var=var, profile="demo", without=AGENTS, environment=OWN_SERVICES, report=print
        ) as market:
            yield market
    finally:
        layout.remove(var)


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Live]:
    """The market that all live tests share."""
    base = tmp_path_factory.getbasetemp()
    common = (base if worker_id == "master" else base.parent) / "live"
    with shared_market(Path(os.environ.get("SUAN_LIVE_FOLDER") or common)) as market:
        yield market
