"""`suan audit` and `suan verify`: what anybody may do who trusts no one."""

from __future__ import annotations

import json as jsonlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from suan.client.api import Suan
from suan.client.audit import signed_report
from suan.client.audit.follow import Follow
from suan.client.audit.progress import Progress
from suan.client.audit.report import Report
from suan.client.audit.run import Audit, Wish
from suan.client.audit.source.anchor import CONFIRMATIONS
from suan.client.audit.source.evidence import open_evidence
from suan.client.errors import EXIT_DIFFERENCE, Unreachable, UsageError
from suan.client.keystore import LocalKey
from suan.client.proof import check_file
from suan.client.rpc import Rpc
from suan.client.verifier import verify_run
from suan.commands.common import (
    URL_DEFAULT,
    AsJson,
    KeyName,
    Url,
    console,
    errors,
    reported,
    show_json,
    signer,
)
from suan.core import units
from suan.core.encoding import normalise_address
from suan.core.evidence import proofs
from suan.core.units import BaseUnits

PPM = 1_000_000
POLL_SECONDS = 1.0
LINES_PACE_SECONDS = 5.0
STATUS_PACE_SECONDS = 0.25


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the `suan` application."""
    audit = typer.Typer(invoke_without_command=True, help="Recompute the whole market, trusting no one.")
    audit.callback()(audit_market)
    audit.command("verify-report")(verify_report)
    app.add_typer(audit, name="audit")
    verify = typer.Typer(no_args_is_help=True, help="Recompute what somebody else claims.")
    verify.command("run")(verify_one)
    verify.command("proof")(verify_proof)
    app.add_typer(verify, name="verify")
    proof = typer.Typer(no_args_is_help=True, help="Fetch proofs that anybody can check.")
    proof.command("receipt")(fetch_proof)
    app.add_typer(proof, name="proof")


@reported
def audit_market(
    context: typer.Context,
    rpc: Annotated[str | None, typer.Option(help="Chain endpoint (JSON-RPC)")] = None,
    market: Annotated[str | None, typer.Option(help="Address of the Market contract")] = None,
    evidence: Annotated[str | None, typer.Option(help="Published evidence: an address or a folder")] = None,
    ack: Annotated[
        list[Path] | None, typer.Option(help="Acknowledged order to look for; may be given often")
    ] = None,
    rerun: Annotated[str, typer.Option(help="Share of runs to recompute, for example 0.05 or 1")] = "0",
    from_block: Annotated[
        int, typer.Option(min=0, help="First block to read; must not be after the deployment")
    ] = 0,
    as_of: Annotated[
        str, typer.Option(help="Block to read as of: a number, a hash, final or latest")
    ] = "latest",
    confirmations: Annotated[
        int, typer.Option(min=0, help="Blocks on top of one that is final")
    ] = CONFIRMATIONS,
    state: Annotated[
        Path | None, typer.Option(help="File to remember progress in, from which a killed run goes on")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write a signed report there; needs --key")] = None,
    key: KeyName = None,
    follow: Annotated[bool, typer.Option(help="Then report each new block, until Ctrl-C")] = False,
    json: AsJson = False,
) -> None:
    """Recompute the whole market from a chain endpoint and published evidence; 0 if nothing differs, 1 otherwise."""
    if context.invoked_subcommand is not None:
        return
    if rpc is None or market is None or evidence is None:
        missing = [
            name
            for name, value in (("--rpc", rpc), ("--market", market), ("--evidence", evidence))
            if not value
        ]
        raise UsageError(f"an audit needs {', '.join(missing)}; see suan audit --help")
    if follow and as_of not in ("final", "latest"):
        raise UsageError("--follow goes with --as-of final or latest")
    auditor = _auditor(report, key)
    wish = Wish(market, evidence, ack or [], _share(rerun), from_block, as_of, confirmations)
    began_at = int(time.time())
    with _progress() as progress:
        audit = Audit(Rpc(rpc), wish, state=state, progress=progress)
        found = audit.run()
    if report is not None and auditor is not None:
        facts = signed_report.statement(
            found, wish, began_at=began_at, ended_at=int(time.time()), version=version("suan")
        )
        signed_report.write(report, signed_report.sign(facts, auditor))
        errors.print(f"signed by {auditor.address}: {report}", highlight=False, markup=False)
    if follow:
        _follow(audit, found, json)
    elif json:
        show_json(found.to_json())
    else:
        show_report(found)
    audit.close()
    if audit.report.differences_total:
        raise typer.Exit(EXIT_DIFFERENCE)


def _auditor(report: Path | None, key: str | None) -> LocalKey | None:
    """The key that signs the report, before hours of work are done for a report that nobody can sign."""
    if report is None:
        return None
    if key is None:
        raise UsageError("a report is signed: name your key with --key (suan keys new auditor makes one)")
    if not report.parent.is_dir():
        raise UsageError(f"the folder {report.parent} does not exist; make it, or choose another --report")
    return signer(key)


@contextmanager
def _progress() -> Iterator[Progress]:
    """Progress on standard error: a moving line on a terminal, a line now and then elsewhere."""
    if not errors.is_terminal:
        yield Progress(
            lambda text: errors.print(text, highlight=False, markup=False, soft_wrap=True),
            pace_seconds=LINES_PACE_SECONDS,
        )
        return
    with errors.status("") as status:
        yield Progress(status.update, pace_seconds=STATUS_PACE_SECONDS)


def _follow(audit: Audit, found: Report, json: bool) -> None:
    """One line for each block until Ctrl-C; a node that does not answer is waited for."""
    tell = _tell_json if json else _tell_words
    tell({"kind": "audit"} | found.to_json())
    if not json:
        show_report(found)
    following = Follow(audit, tell)
    with _until_ctrl_c() as goes_on:
        while goes_on():
            try:
                if following.step() == 0:
                    time.sleep(POLL_SECONDS)
            except Unreachable as error:
                errors.print(f"{error}; trying again", highlight=False, markup=False, soft_wrap=True)
                time.sleep(POLL_SECONDS)
    report = audit.report
    errors.print(
        f"stopped after block {report.block}: {report.differences_total or 'no'} differences in all",
        highlight=False,
        markup=False,
    )


@contextmanager
def _until_ctrl_c() -> Iterator[Callable[[], bool]]:
    """Whether to go on: no longer after the first Ctrl-C, which lets the block at hand be finished. A second one ends at once.

    An exception from the handler would be lost wherever Python drops exceptions (a finaliser, a callback of a library).
    """
    asked = False

    def stop(_number: int, _frame: object) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield lambda: not asked
    finally:
        signal.signal(signal.SIGINT, before)


def _tell_json(document: dict[str, Any]) -> None:
    sys.stdout.write(jsonlib.dumps(document, sort_keys=True) + "\n")
    sys.stdout.flush()


def _tell_words(document: dict[str, Any]) -> None:
    if document["kind"] == "block":
        text = (
            f"block {document['block']} {document['block_hash'][:18]}… {document['verdict']}: {document['events']} events, "
            f"{document['trades_locked']} trades locked, {document['trades_closed']} closed, "
            f"{document['words_proven']} words proven"
        )
        _line(text, "bold red" if document["differences_total"] else None)
        for difference in document["differences"]:
            _line("  ✗ {subject}: {field} should be {expected}, is {found}".format(**difference), "red")
    elif document["kind"] == "reorganised" and document["back_to"] is not None:
        text = f"reorganised: {document['blocks_replaced']} blocks after block {document['back_to']} were replaced"
        _line(f"{text}; what they said is undone", "yellow")
    elif document["kind"] == "reorganised":
        _line(
            f"reorganised deeper than the audit can undo, at block {document['was_at']}: auditing all again",
            "yellow",
        )
    else:
        _line(
            f"audited as of block {document['block']}: {document['differences_total'] or 'no'} differences",
            None,
        )


def _line(text: str, style: str | None) -> None:
    console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)


def show_report(report: Report) -> None:
    """Say in words what was proved, or name each difference."""
    amount = {
        name: units.format_tokens(BaseUnits(getattr(report, name)))
        for name in ("custody", "paid", "fees", "refunded", "slashed")
    }
    lines = [
        f"Market {report.market} on chain {report.chain_id}, as of block {report.block} ({report.block_hash[:18]}…)",
        f"  {report.events} events replayed; {report.accounts_checked} accounts and all orders and batches compared with "
        f"storage: {report.words_proven} words proven by the block's state root",
        f"  money {'conserved' if report.money_conserved else 'NOT conserved'}: {amount['custody']} tokens in custody",
        f"  {report.trades_checked} trades ({report.trades_open} open), {report.fills_checked} fills with both signatures",
        f"  {report.files_checked} published files: {report.clearings_checked} clearings cleared again, "
        f"{report.orders_checked} orders, "
        f"{report.acknowledgements_checked} acknowledgements",
        f"  {report.receipts_checked} receipts; {report.runs_recomputed} runs recomputed, {report.runs_private} private",
        f"  paid {amount['paid']}, of it fees {amount['fees']}; returned {amount['refunded']}; slashed {amount['slashed']}",
    ]
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    for difference in report.differences:
        console.print(f"  ✗ {difference}", style="red", highlight=False, markup=False, soft_wrap=True)
    if report.differences_total:
        console.print(f"{report.differences_total} differences.", style="bold red")
    else:
        console.print("No difference: the published books follow from the chain.", style="bold green")


def _share(text: str) -> int:
    """Parts per million of a decimal share between 0 and 1, without a float."""
    whole, _, fraction = text.partition(".")
    if not (whole.isdigit() and (fraction.isdigit() or not fraction)):
        raise UsageError("--rerun is a share between 0 and 1, for example 0.05")
    ppm = int(whole) * PPM + int((fraction + "000000")[:6])
    if ppm > PPM:
        raise UsageError("--rerun is a share between 0 and 1, for example 0.05")
    return ppm


@reported
def verify_report(
    file: Annotated[Path, typer.Argument(help="A report that suan audit --report wrote")],
    auditor: Annotated[str | None, typer.Option(help="Address that must have signed it")] = None,
    json: AsJson = False,
) -> None:
    """Check who signed an audit report, and over what; 0 if its auditor did and it names no difference, 1 otherwise."""
    checked = signed_report.read(file)
    wanted = normalise_address(auditor) if auditor else checked.auditor
    genuine = checked.genuine and checked.signer == wanted
    report = checked.statement["report"]
    if json:
        show_json(
            {"auditor": checked.auditor, "signer": checked.signer, "genuine": genuine, "report": report}
        )
    elif not genuine:
        _line(f"NOT genuine: signed by {checked.signer}, not by {wanted}", "bold red")
    else:
        when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(checked.statement["ended_at"]))
        _line(f"signed by {checked.signer} on {when}", "bold green")
        _line(
            f"  Market {report['market']} on chain {report['chain_id']}, as of block {report['block']} "
            f"({report['block_hash']})",
            None,
        )
        _line(f"  {report['trades_checked']} trades, {report['words_proven']} words of storage proven", None)
        _line(f"  {report['differences_total'] or 'no'} differences", None)
    if not genuine or report["differences_total"]:
        raise typer.Exit(EXIT_DIFFERENCE)


@reported
def verify_one(
    trade: Annotated[str, typer.Argument(help="trd_0x…")],
    run: Annotated[int, typer.Argument(help="Index of the run")],
    url: Url = URL_DEFAULT,
    evidence: Annotated[
        str | None, typer.Option(help="Published evidence; default: that of the exchange")
    ] = None,
    json: AsJson = False,
) -> None:
    """Run one delivered job again and compare it with its receipt, as the exchange's own verifier does."""
    source = open_evidence(evidence or f"{url.rstrip('/')}/evidence")
    finding = verify_run(Suan(url), source, trade, run)
    if json:
        show_json(finding)
    else:
        console.print(f"{trade} run {run}: {finding['judgement']} {finding['reason']}", highlight=False)
    if finding["judgement"] != "accepted":
        raise typer.Exit(EXIT_DIFFERENCE)


@reported
def fetch_proof(
    receipt: Annotated[str, typer.Argument(help="rcp_0x…")],
    out: Annotated[Path | None, typer.Option(help="File to write; default: standard output")] = None,
    url: Url = URL_DEFAULT,
) -> None:
    """Fetch the file that proves a receipt under the root that the contract logged; it is checked before it is kept."""
    data = Suan(url).request("GET", f"/audit/receipts/{receipt}/proof").content
    failed = [check for check in proofs.check_proof(data) if not check.passed]
    if failed:
        raise UsageError(f"the exchange sent a proof that does not hold: {failed[0].name}")
    if out is None:
        typer.echo(data, nl=False)
        return
    out.write_bytes(data)
    console.print(f"{out}: {len(data)} bytes; check it with: suan verify proof {out}", highlight=False)


@reported
def verify_proof(
    file: Annotated[Path, typer.Argument(help="A proof file")],
    rpc: Annotated[
        str | None, typer.Option(help="Chain endpoint: also look for the root in the contract's log")
    ] = None,
    json: AsJson = False,
) -> None:
    """Check a proof file step by step, asking nobody but (with --rpc) a node; 0 if every step holds, 1 otherwise."""
    checks = check_file(file, rpc)
    if json:
        show_json({"passed": proofs.passed(checks), "checks": [check.to_json() for check in checks]})
    else:
        for check in checks:
            mark, style = ("✓", "green") if check.passed else ("✗", "red")
            console.print(f"{mark} {check.name}", style=style, highlight=False, markup=False)
            console.print(
                f"    needed {check.expected}\n    found  {check.found}", highlight=False, soft_wrap=True
            )
    if not proofs.passed(checks):
        raise typer.Exit(EXIT_DIFFERENCE)
