"""`suan dispute`: claim something about what verifiers decided, show receipts, free bonds, and see how it stands."""

from __future__ import annotations

import json as json_format
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from suan.client.api import Suan
from suan.client.audit.source.evidence import HttpEvidence
from suan.client.disputes import Disputes
from suan.client.errors import UsageError
from suan.client.keystore import LocalKey
from suan.client.rpc import Rpc
from suan.commands.common import (
    URL_DEFAULT,
    AsJson,
    KeyName,
    Url,
    console,
    reported,
    show_fields,
    show_rows,
    signer,
)
from suan.core.contract import Claim
from suan.provider.diary import acknowledged

Trade = Annotated[str, typer.Argument(help="Trade id (trd_0x…)")]
RpcUrl = Annotated[str, typer.Option(envvar="SUAN_RPC", help="Chain endpoint (JSON-RPC)")]
FIELDS = (
    "trade_id", "state", "disputed", "disputed_units", "claim_by", "reveal_by", "rule_by", "receipts_revealed", "ends_as",
    "ends_at", "ended_as", "because",
)  # fmt: skip
TIMES = ("claim_by", "reveal_by", "rule_by", "ends_at")
CLAIM_COLUMNS = ("claim", "run", "challenger", "bond", "state", "forfeited", "reward", "opponent")


class ClaimName(StrEnum):
    """Claims as the command line calls them."""

    NO_RECEIPT = "no-receipt"
    FALSE_RECEIPT = "false-receipt"
    WRONG_COUNT = "wrong-count"


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the `suan` application."""
    dispute = typer.Typer(no_args_is_help=True, help="Contest a verdict inside its window, with a bond.")
    dispute.command("open")(dispute_open)
    dispute.command("reveal")(dispute_reveal)
    dispute.command("reclaim")(dispute_reclaim)
    dispute.command("show")(dispute_show)
    app.add_typer(dispute, name="dispute")


@reported
def dispute_open(
    trade: Trade,
    claim: Annotated[ClaimName, typer.Option(help="What is wrong with what was decided")],
    rpc: RpcUrl,
    run: Annotated[int | None, typer.Option(min=0, help="The run that it is about")] = None,
    url: Url = URL_DEFAULT,
    key: KeyName = None,
    json: AsJson = False,
) -> None:
    """Lock the bond of --key behind a claim. no-receipt: somebody must show it, or the trade is refunded; of each run --run asks
    for one. false-receipt and wrong-count: arbiters rule, and who was right is paid."""
    owner = _key(key)
    _said("sending the claim and waiting for its block…", json)
    _show(_disputes(url, rpc).open(trade, owner, claim=Claim[claim.name], run=run), json)


@reported
def dispute_reveal(
    trade: Trade,
    rpc: RpcUrl,
    run: Annotated[
        int | None, typer.Argument(min=0, help="Index of the run; of a slashed trade leave it out")
    ] = None,
    by_acknowledgement: Annotated[
        bool, typer.Option("--acknowledged", help="Answer with the exchange's word that it has the receipt")
    ] = False,
    kept: Annotated[
        Path | None, typer.Option(help="That word: a file, or the agent's folder; else the exchange is asked")
    ] = None,
    url: Url = URL_DEFAULT,
    key: KeyName = None,
    json: AsJson = False,
) -> None:
    """Show the receipt that somebody asks for, from published evidence or --acknowledged: else the trade is refunded."""
    owner, disputes, word = _key(key), _disputes(url, rpc), None
    if by_acknowledgement or kept:
        if run is None:
            raise UsageError("an acknowledgement is of one run: name it")
        word = disputes.kept(trade, run) if kept is None else _read(kept, trade, run)
    _said("sending the receipt and waiting for its block…", json)
    _show(disputes.reveal(trade, run, owner, acknowledgement=word), json)


@reported
def dispute_reclaim(
    trade: Trade, rpc: RpcUrl, url: Url = URL_DEFAULT, key: KeyName = None, json: AsJson = False
) -> None:
    """Free the bonds of claims that were still open when their trade ended; --key pays the gas."""
    owner = _key(key)
    _said("sending what frees the bonds and waiting for its block…", json)
    _show(_disputes(url, rpc).reclaim(trade, owner), json)


@reported
def dispute_show(trade: Trade, rpc: RpcUrl, url: Url = URL_DEFAULT, json: AsJson = False) -> None:
    """How a dispute stands, from the chain alone: claims, deadlines, and what follows for whom."""
    _show(_disputes(url, rpc).show(trade), json)


def _disputes(url: str, rpc: str) -> Disputes:
    return Disputes(Suan(url), HttpEvidence(f"{url.rstrip('/')}/evidence"), Rpc(rpc))


def _key(name: str | None) -> LocalKey:
    key = signer(name)
    if key is None:
        raise UsageError("it is sent by a key that pays the gas, and the bond of a claim: name it with --key")
    return key


def _read(kept: Path, trade: str, run: int) -> dict[str, Any]:
    """{receipt, signature, acknowledgement} from a file, or from the diary of the agent that delivered the run."""
    if kept.is_dir():
        found = acknowledged(kept, trade, run)
        if found is None:
            raise UsageError(f"the diary in {kept} has no acknowledged receipt of run {run} of {trade}")
        return found
    try:
        document = json_format.loads(kept.read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"{kept} cannot be read as JSON: {error}") from None
    if not isinstance(document, dict):
        raise UsageError(f"{kept} is no JSON object with receipt, signature and acknowledgement")
    return document


def _said(text: str, as_json: bool) -> None:
    if not as_json:
        console.print(text)


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_fields(found, FIELDS, as_json)
        return
    times = {name: _in(found[name]) for name in TIMES if found.get(name) is not None}
    show_fields(found | times, FIELDS, as_json)
    if found["claims"]:
        show_rows(found["claims"], CLAIM_COLUMNS, as_json, "")
    for sentence in found.get("follows", []):
        console.print(f"- {sentence}", highlight=False, soft_wrap=True)


def _in(at: int) -> str:
    left = at - int(time.time())
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
    return f"{when} (in {left} s)" if left > 0 else f"{when} (over)"
