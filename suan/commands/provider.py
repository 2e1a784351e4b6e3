"""`suan provider run`: the seller's agent on this machine."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from suan.client import keystore
from suan.commands.common import URL_DEFAULT, ApiKey, KeyName, Url, connect, console, reported, signer
from suan.provider.diary import Diary
from suan.provider.loop import Agent


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the `suan` application."""
    provider = typer.Typer(no_args_is_help=True, help="Sell the capacity of this machine.")
    provider.command("run")(provider_run)
    app.add_typer(provider, name="provider")


@reported
def provider_run(
    folder: Annotated[Path, typer.Option(help="Agent key and diary; made when missing")] = Path("agent"),
    region: Annotated[str, typer.Option(help="Where this machine stands")] = "eu-north",
    resource_class: Annotated[
        list[str] | None, typer.Option("--class", help="Resource class; may be given twice")
    ] = None,
    slots: Annotated[int, typer.Option(min=1, max=256, help="Runs at once")] = 1,
    url: Url = URL_DEFAULT,
    api_key: ApiKey = None,
    key: KeyName = None,
) -> None:
    """Measure this machine, register it, then lease, run, sign and deliver until stopped."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    path = folder / "agent-key.json"
    agent_key = keystore.load(path) if path.exists() else keystore.create(path)
    agent = Agent(
        market=connect(url, api_key),
        key=agent_key,
        diary=Diary(folder),
        region=region,
        resource_classes=tuple(resource_class or ["cpu.fp64", "cpu.fp32"]),
        slots=slots,
        owner=signer(key),
    )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    console.print(f"agent {agent_key.address}, region {region}: measuring this machine…", highlight=False)
    rates = agent.register_patiently(stop)
    for name, rate in rates.items():
        console.print(f"{name}: {rate} MFLOPS measured", highlight=False)
    agent.run_forever(stop)
