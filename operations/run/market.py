"""A whole market on this machine: services, set-up steps, processes of the Procfile, and how to end them.

with start_market(var=folder, profile="demo") as market:
    httpx.get(market.base_url + "/api/v1/market")
    market.kill("worker")  # It comes back.
"""

import json
import os
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from operations.run import child, layout, services
from operations.run.supervisor import Program, Report, Supervisor, python_path, read_procfile

STOP_SIGNALS = {"postgres": signal.SIGINT}
SETUP_SECONDS_MAX = 900.0
WEB_READY_SECONDS_MAX = 300.0
AGENTS = ("agent1", "agent2")
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Login:
    """A demo account: what a person types to sign in, and what a program sends."""

    username: str
    password: str
    role: str
    address: str
    api_key: str


@dataclass
class Market:
    """Handle of a running market. `environment` is what a command of the project needs to reach it."""

    var: Path
    base_url: str
    rpc_url: str
    environment: dict[str, str]
    supervisor: Supervisor

    @property
    def processes(self) -> dict[str, int]:
        """Process numbers by name, as they are now."""
        return self.supervisor.pids()

    def add(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start and watch one more process, for example another agent."""
        self.supervisor.start(Program(name, tuple(command), dict(environment or {})))

    def kill(self, name: str) -> int:
        """`kill -9` of a process; the supervisor restarts it. Returns the number that died."""
        return self.supervisor.kill(name)

    def wait_restarted(self, name: str, dead: int, *, seconds: float = 30.0) -> bool:
        """Wait until a killed process has a successor; a service must answer again, too."""

        def is_back() -> bool:
            if self.processes.get(name, dead) == dead:
                return False
            return services.is_ready(name, self.var) if name in services.NAMES else True

        return child.wait_until(is_back, seconds=seconds)

    def stop(self) -> None:
        """Stop all processes: those of the market first, then chain, Valkey and PostgreSQL."""
        embedded = [name for name in reversed(services.NAMES) if name in self.processes]
        self.supervisor.end(*((name,) for name in embedded))

    def logins(self) -> list[Login]:
        return read_logins(self.var)


def read_logins(var: Path) -> list[Login]:
    """Demo logins as `manage.py create_demo_logins` wrote them."""
    path = var / "secrets" / "demo_logins.json"
    if not path.exists():
        return []
    return [
        Login(**{key: entry[key] for key in Login.__dataclass_fields__})
        for entry in json.loads(path.read_text())
    ]


@contextmanager
def start_market(
    *,
    var: Path | None = None,
    profile: str | None = None,
    without: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    chain_proxy: Callable[[str], str] | None = None,
    report: Report = print,
) -> Iterator[Market]:
    """Start a market and yield its handle once its pages answer; stop it at the end, whatever happens.

    `without` names lines of the Procfile to leave out (a demo brings its own agents). `chain_proxy` is given the address
    of the embedded node and returns the one under which the processes shall reach it; `Market.rpc_url` stays the node's
    own. Raises Refused, with what to do, when a step fails or when this folder's market runs already.
    """
    folder = (var or layout.default_var()).resolve()
    layout.prepare(folder)
    with layout.locked(folder / "run" / "market.lock", wait=False):
        layout.write(folder / "run" / "market.pid", f"{os.getpid()}\n")
        variables = market_environment(folder, profile=profile, extra=environment or {})
        supervisor = Supervisor(folder, variables, report)
        rpc_url = variables.get("CHAIN_RPC_URL") or layout.services(folder)["chain_rpc_url"]
        market = Market(folder, variables["SUAN_URL"], rpc_url, variables, supervisor)
        wanted = services.embedded(variables)
        if chain_proxy is not None and "anvil" in wanted:
            variables |= {"CHAIN_RPC_URL": chain_proxy(rpc_url), "SUAN_LOCAL_CHAIN": "1"}
        try:
            start_all(market, wanted=wanted, without=without)
            yield market
        finally:
            market.stop()
            (folder / "run" / "market.pid").unlink(missing_ok=True)


def market_environment(var: Path, *, profile: str | None, extra: Mapping[str, str]) -> dict[str, str]:
    """Environment of every process: the caller's, with this market's folder and addresses."""
    variables = {**os.environ, **extra}
    layout.record_services(var)
    host = variables.get("SUAN_HOST") or HOST
    port = variables.get("PORT") or str(layout.port(var, "web", base=8_000))
    url = f"http://{HOST if host == '0.0.0.0' else host}:{port}"  # noqa: S104
    layout.write(var / "run" / "web.url", url)
    return variables | {
        "PATH": python_path(),
        "PYTHONUNBUFFERED": "1",
        "SUAN_VAR": str(var),
        "SUAN_HOST": host,
        "PORT": port,
        "SUAN_URL": url,
        "DEPLOYMENT_PROFILE": profile or variables.get("DEPLOYMENT_PROFILE") or "demo",
        "DJANGO_SETTINGS_MODULE": "marketplace.settings",
    }


def start_all(market: Market, *, wanted: Sequence[str], without: Sequence[str]) -> None:
    """The services that are `wanted`, then set-up, then everything else at once."""
    supervisor, report = market.supervisor, market.supervisor.report
    commands = read_procfile(layout.PROJECT / "Procfile", market.environment)
    left_out = {*without, *(name for name in services.NAMES if name not in wanted)}
    if "anvil" not in wanted:
        left_out.add("miner")
    programs = {
        name: program(name, command, market) for name, command in commands.items() if name not in left_out
    }

    began = time.monotonic()
    supervisor.start(*(programs.pop(name) for name in services.NAMES if name in programs))
    report("set up   database, contracts, accounts")
    supervisor.run("prepare", (sys.executable, "-m", "operations.run.prepare"), seconds_max=SETUP_SECONDS_MAX)
    agents = [programs.pop(name) for name in AGENTS if name in programs]
    if "web" in programs:
        supervisor.start(programs.pop("web"))  # Alone, it answers in half the time.
    supervisor.start(*programs.values())
    if agents:
        supervisor.start(*give_keys(agents, market.logins()))
    report(f"up       after {time.monotonic() - began:.1f} s: {market.base_url}")


def program(name: str, command: tuple[str, ...], market: Market) -> Program:
    """A line of the Procfile with what we know about it: when it is ready, how it likes to be stopped."""
    if name in services.NAMES:
        state = market.var / "chain" / "state.json"
        return Program(
            name,
            command,
            ready=lambda: services.is_ready(name, market.var),
            stop_signal=STOP_SIGNALS.get(name, signal.SIGTERM),
            tick=(lambda: services.keep_chain(state)) if name == "anvil" else None,
        )
    if name == "web":
        ready_url = market.base_url + "/api/v1/market"
        return Program(
            name, command, ready=lambda: answers(ready_url), ready_seconds_max=WEB_READY_SECONDS_MAX
        )
    return Program(name, command)


def give_keys(agents: Sequence[Program], logins: Sequence[Login]) -> list[Program]:
    """Agents with the API keys of the demo providers, in turn."""
    providers = [login for login in logins if login.role == "provider"]
    if not providers:
        raise layout.Refused("No demo provider exists: run `manage.py create_demo_logins`.")
    return [
        Program(agent.name, agent.command, {"SUAN_API_KEY": providers[number % len(providers)].api_key})
        for number, agent in enumerate(agents)
    ]


def answers(url: str) -> bool:
    """True when a web server answers at all; what it says is judged elsewhere."""
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except (OSError, ValueError):
        return False


def web_url(var: Path) -> str:
    """Address of the pages of this folder's market, as its last start wrote it."""
    path = var / "run" / "web.url"
    if not path.exists():
        raise layout.Refused("This folder has no market yet: start one with `make up`.")
    return path.read_text()


def stop_running(var: Path, *, seconds: float = 60.0) -> bool:
    """Ask the market of this folder, started by another process, to stop. True when none runs afterwards."""
    pid_file = var / "run" / "market.pid"
    if not pid_file.exists():
        return True
    try:
        with layout.locked(var / "run" / "market.lock", wait=False):
            return True  # Nobody holds the lock: the file is a leftover of a killed supervisor.
    except layout.Refused:
        os.kill(int(pid_file.read_text()), signal.SIGTERM)
    return child.wait_until(lambda: not pid_file.exists(), seconds=seconds)


def wait_for_interrupt() -> None:
    """Sleep until Ctrl-C, SIGTERM or the end of the terminal."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
