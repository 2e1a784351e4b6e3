"""`suan audit` and `suan verify`: what anybody may do who trusts no one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from suan.client.api import Suan
from suan.client.audit.evidence import open_evidence
from suan.client.audit.report import Report
from suan.client.audit.run import audit
from suan.client.errors import EXIT_DIFFERENCE, UsageError
from suan.client.verifier import verify_run
from suan.commands.common import URL_DEFAULT, AsJson, Url, console, errors, reported, show_json
from suan.core import units
from suan.core.units import BaseUnits

PPM = 1_000_000


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the `suan` application."""
    app.command("audit")(audit_market)
    verify = typer.Typer(no_args_is_help=True, help="Recompute what somebody else claims.")
    verify.command("run")(verify_one)
    app.add_typer(verify, name="verify")


@reported
def audit_market(
    rpc: Annotated[str, typer.Option(help="Chain endpoint (JSON-RPC)")],
    market: Annotated[str, typer.Option(help="Address of the Market contract")],
    evidence: Annotated[str, typer.Option(help="Published evidence: an address or a folder")],
    ack: Annotated[
        list[Path] | None, typer.Option(help="Acknowledged order to look for; may be given often")
    ] = None,
    rerun: Annotated[str, typer.Option(help="Share of runs to recompute, for example 0.05 or 1")] = "0",
    from_block: Annotated[
        int, typer.Option(min=0, help="First block to read; must not be after the deployment")
    ] = 0,
    json: AsJson = False,
) -> None:
    """Recompute the whole market from a chain endpoint and published evidence; 0 if nothing differs, 1 otherwise."""
    with console.status("connecting…") if not json else errors.status("auditing…") as status:
        report = audit(
            rpc,
            market,
            evidence,
            acknowledgements=ack or [],
            rerun_ppm=_share(rerun),
            first_block=from_block,
            progress=status.update,
        )
    show_json(report.to_json()) if json else show_report(report)
    if report.differences_total:
        raise typer.Exit(EXIT_DIFFERENCE)


def show_report(report: Report) -> None:
    """Say in words what was proved, or name each difference."""
    amount = {
        name: units.format_tokens(BaseUnits(getattr(report, name)))
        for name in ("custody", "paid", "fees", "refunded", "slashed")
    }
    lines = [
        f"Market {report.market} on chain {report.chain_id}, as of block {report.block} ({report.block_hash[:18]}…)",
        f"  {report.events} events replayed; {report.accounts_checked} accounts equal to the contract's storage",
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
