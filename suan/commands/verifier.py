"""`suan verifier`: take part in deciding what trades are paid, with a key of one's own."""

from __future__ import annotations

import json as _json
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from suan.client import keystore
from suan.client.api import Suan
from suan.client.audit.source.evidence import HttpEvidence
from suan.client.errors import Rejected
from suan.client.keystore import LocalKey
from suan.client.rpc import Rpc
from suan.client.session import Session
from suan.commands.common import URL_DEFAULT, AsJson, Url, console, reported, show_fields
from suan.verifier.judge import Judge
from suan.verifier.loop import Verifier

Folder = Annotated[Path, typer.Option(help="The verifier's key and its API key; made when missing")]
RpcUrl = Annotated[
    str, typer.Option(envvar="SUAN_RPC", help="Chain endpoint (JSON-RPC), best one of your own")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the `suan` application."""
    verifier = typer.Typer(
        no_args_is_help=True, help="Verify runs and sign verdicts as a member of the verifier set."
    )
    verifier.command("key")(verifier_key)
    verifier.command("run")(verifier_run)
    app.add_typer(verifier, name="verifier")


@reported
def verifier_key(folder: Folder = Path("verifier"), json: AsJson = False) -> None:
    """Show the address to give to the market's operator, who names it when the contracts are deployed."""
    show_fields({"address": _key(folder).address}, ("address",), json)


@reported
def verifier_run(
    rpc: RpcUrl,
    folder: Folder = Path("verifier"),
    url: Url = URL_DEFAULT,
    once: Annotated[bool, typer.Option(help="Answer what is open now, then stop")] = False,
    json: AsJson = False,
) -> None:
    """Recompute what is proposed and sign it, or say why not, until stopped."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    key = _key(folder)
    market = Suan(url, api_key=_api_key(folder, url, key))
    judge = Judge(market, HttpEvidence(f"{url.rstrip('/')}/evidence"), Rpc(rpc), time.time)
    verifier = Verifier(market, key, judge, _say_json if json else _say)
    known = verifier.require_membership()
    if not json:
        console.print(
            f"verifier {key.address}, one of {len(known['members'])} of whom {known['threshold']} must sign",
            highlight=False,
        )
    if once:
        verifier.step()
        return
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    verifier.run_forever(stop)


def _key(folder: Path) -> LocalKey:
    path = folder / "verifier-key.json"
    return keystore.load(path, os.environ.get("SUAN_PASSWORD")) if path.exists() else keystore.create(path)


def _api_key(folder: Path, url: str, key: LocalKey) -> str:
    """The stored API key if the exchange still takes it, else a new one, signed in for with the verifier's key."""
    path = folder / "api-key"
    if path.exists():
        stored = path.read_text().strip()
        try:
            Suan(url, api_key=stored).account()
            return stored
        except Rejected:
            pass  # Revoked, or of another market.
    with Session(url) as session:
        session.sign_in(key)
        made = session.create_api_key("verifier", ("read",))
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(made)
    return made


def _say(answer: dict[str, Any]) -> None:
    word = "signed" if answer["agrees"] else "refused"
    reason = "" if answer["agrees"] else f": {answer['reason']}"
    console.print(f"{word} {answer['kind']} {answer['digest']}{reason}", highlight=False, soft_wrap=True)


def _say_json(answer: dict[str, Any]) -> None:
    sys.stdout.write(_json.dumps(answer, sort_keys=True) + "\n")
    sys.stdout.flush()
