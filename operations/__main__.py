"""`python -m operations VERB`: what the Makefile calls."""

import argparse
import importlib
import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType

from operations.run import child, layout, market
from operations.tools import backup

# Each is a module with `main(arguments: list[str]) -> int`.
SCRIPTS = {
    "demo": "operations.demo.demo",
    "chaos": "operations.chaos.chaos",
    "slither": "operations.tools.slither",
}


def line(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def up(arguments: Sequence[str]) -> int:
    """Start the market, print where it is and who may sign in, and keep it until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m operations up")
    parser.add_argument("--without", action="append", default=[], help="leave out a process of the Procfile")
    options = parser.parse_args(arguments)
    line("starting the market; Ctrl-C stops it")
    with market.start_market(without=options.without, report=line) as running:
        describe(running)
        market.wait_for_interrupt()
        line("stopping")
    line("stopped; everything is kept in " + str(running.var))
    return 0


def describe(running: market.Market) -> None:
    print(
        f"\n  pages    {running.base_url}\n  API      {running.base_url}/api/v1/  schema {running.base_url}/api/schema"
    )
    print(f"  chain    {running.rpc_url}\n  logs     {running.var / 'log'}")
    for login in running.logins():
        print(f"  login    {login.username:<12} password {login.password}   ({login.role}, {login.address})")
    print("\n  Ctrl-C stops everything; the state stays.\n", flush=True)


def reset(arguments: Sequence[str]) -> int:
    """Stop this folder's market and delete what it wrote."""
    var = layout.default_var()
    line("stopping the market of " + str(var))
    if not market.stop_running(var):
        raise layout.Refused("The market does not stop: end its process (var/run/market.pid) and try again.")
    layout.remove(var)
    line("removed " + str(var))
    return 0


def wait(arguments: Sequence[str]) -> int:
    """Wait until the market of this folder answers; exit code 1 when it does not."""
    parser = argparse.ArgumentParser(prog="python -m operations wait")
    parser.add_argument("--seconds", type=float, default=120.0)
    options = parser.parse_args(arguments)
    var = layout.default_var()
    url = market.web_url(var)
    line(f"waiting for {url}")
    ready = child.wait_until(lambda: market.answers(url + "/api/v1/market"), seconds=options.seconds)
    line("it answers" if ready else f"no answer after {options.seconds:.0f} s")
    return 0 if ready else 1


def save(arguments: Sequence[str]) -> int:
    """Write database, evidence and deployment file of a running market into one file."""
    return backup.main("backup", arguments)


def restore(arguments: Sequence[str]) -> int:
    """Fill an empty database and folder from such a file."""
    return backup.main("restore", arguments)


def interrupted(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    verbs = {"up": up, "reset": reset, "wait": wait, "backup": save, "restore": restore}
    parser = argparse.ArgumentParser(prog="python -m operations", description=__doc__)
    parser.add_argument("verb", choices=[*verbs, *SCRIPTS])
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    chosen = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    try:
        if chosen.verb in verbs:
            return verbs[chosen.verb](chosen.arguments)
        return int(importlib.import_module(SCRIPTS[chosen.verb]).main(chosen.arguments))
    except layout.Refused as refusal:
        print(f"\n{refusal}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        line("interrupted")
        return 130


if __name__ == "__main__":
    sys.exit(main())
