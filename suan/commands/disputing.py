"""`suan dispute`: contest what verifiers decided, show the contract receipts, and see how it stands."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from suan.client.api import Suan
from suan.client.audit.source.evidence import HttpEvidence
from suan.client.disputes import Disputes
from suan.client.errors import UsageError
from suan.client.keystore import LocalKey
from suan.client.rpc import Rpc
from suan.commands.common import URL_DEFAULT, AsJson, KeyName, Url, console, reported, show_fields, signer

Trade = Annotated[str, typer.Argument(help="Trade id (trd_0x…)")]
RpcUrl = Annotated[str, typer.Option(envvar="SUAN_RPC", help="Chain endpoint (JSON-RPC)")]
FIELDS = (
    "trade_id", "state", "challenger", "bond", "disputed", "disputed_units", "reveal_by", "rule_by", "receipts_revealed",
    "ruled", "ended_as", "reward", "forfeited",
)  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the `suan` application."""
    dispute = typer.Typer(no_args_is_help=True, help="Contest a verdict inside its window, with a bond.")
    dispute.command("open")(dispute_open)
    dispute.command("reveal")(dispute_reveal)
    dispute.command("show")(dispute_show)
    app.add_typer(dispute, name="dispute")


@reported
def dispute_open(
    trade: Trade, rpc: RpcUrl, url: Url = URL_DEFAULT, key: KeyName = None, json: AsJson = False
) -> None:
    """Lock the bond of --key against what was decided about a trade; arbiters rule, and who was right is paid."""
    owner = _key(key)
    _said("sending the dispute and waiting for its block…", json)
    _show(_disputes(url, rpc).open(trade, owner), json)


@reported
def dispute_reveal(
    trade: Trade,
    run: Annotated[int, typer.Argument(min=0, help="Index of the run")],
    rpc: RpcUrl,
    url: Url = URL_DEFAULT,
    key: KeyName = None,
    json: AsJson = False,
) -> None:
    """Show the receipt of a run: a settled outcome that nobody backs with one falls."""
    owner = _key(key)
    _said("sending the receipt and waiting for its block…", json)
    _show(_disputes(url, rpc).reveal(trade, run, owner), json)


@reported
def dispute_show(trade: Trade, rpc: RpcUrl, url: Url = URL_DEFAULT, json: AsJson = False) -> None:
    """How a dispute stands, from the chain alone."""
    _show(_disputes(url, rpc).show(trade), json)


def _disputes(url: str, rpc: str) -> Disputes:
    return Disputes(Suan(url), HttpEvidence(f"{url.rstrip('/')}/evidence"), Rpc(rpc))


def _key(name: str | None) -> LocalKey:
    key = signer(name)
    if key is None:
        raise UsageError("a dispute is sent by the key whose bond it locks: name it with --key")
    return key


def _said(text: str, as_json: bool) -> None:
    if not as_json:
        console.print(text)


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_fields(found, FIELDS, as_json)
        return
    times = {name: f"{_in(found[name])}" for name in ("reveal_by", "rule_by") if name in found}
    show_fields(found | times, FIELDS, as_json)


def _in(at: int) -> str:
    left = at - int(time.time())
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
    return f"{when} (in {left} s)" if left > 0 else f"{when} (over)"
