"""`suan job measure`: what a job is, what it counts and what it would cost, before the first bid."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from suan.client.api import Suan
from suan.client.errors import EXIT_REJECTED, SuanError, UsageError
from suan.client.job import MEMORY_BYTES, WALL_SECONDS, JobError, JobReport, measure
from suan.commands.common import URL_DEFAULT, AsJson, Url, console, errors, reported, show_json
from suan.core import units
from suan.core.units import Price, WorkUnits

COUNTER_NAMES = ("fp64", "fp32", "integer", "memory_control")


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the `suan` application."""
    job = typer.Typer(no_args_is_help=True, help="Jobs on this machine, under the job contract.")
    job.command("measure")(job_measure)
    app.add_typer(job, name="job")


@reported
def job_measure(
    module: Annotated[Path, typer.Argument(help="WebAssembly module")],
    stdin: Annotated[Path | None, typer.Option(help="File that the job reads")] = None,
    runs: Annotated[int, typer.Option(help="Run index 0 to runs - 1")] = 1,
    resource_class: Annotated[str, typer.Option("--class", help="Resource class to bill by")] = "cpu.fp64",
    memory: Annotated[int, typer.Option(help="Memory of a run in bytes")] = MEMORY_BYTES,
    wall_seconds: Annotated[int, typer.Option(help="Wall-clock limit of a run")] = WALL_SECONDS,
    price: Annotated[str | None, typer.Option(help="Tokens per GFLOPS·h; default: today's prices")] = None,
    url: Url = URL_DEFAULT,
    json: AsJson = False,
) -> None:
    """Run a job here and print exit reason, counters, work units, a ceiling to bid with, and what that costs."""
    with errors.status(f"running {module.name} on this machine…"):
        report = _measured(module, stdin, runs, resource_class, memory, wall_seconds)
    prices = _prices(url, resource_class, price) if report.accepted else {}
    document = report.to_json() | {"costs": _costs(report, prices)}
    if json:
        show_json(document)
    elif report.accepted:
        _show(report, document["costs"])
    else:
        for problem in report.problems:
            errors.print(f"{problem.field}: {problem.message} [{problem.code}]", markup=False, style="red")
    if not report.accepted:
        raise typer.Exit(EXIT_REJECTED)


def _measured(
    module: Path, stdin: Path | None, runs: int, resource_class: str, memory: int, wall_seconds: int
) -> JobReport:
    try:
        return measure(
            module,
            stdin=stdin.read_bytes() if stdin else b"",
            runs=runs,
            resource_class=resource_class,
            memory_bytes=memory,
            wall_seconds=wall_seconds,
        )
    except (JobError, OSError, ValueError) as error:
        raise UsageError(str(error)) from error


def _prices(url: str, resource_class: str, price: str | None) -> dict[str, str]:
    """Price per product of the class: the one given, or the last clearing prices; {} when nobody can be asked."""
    if price is not None:
        units.parse_tokens(price)
        return {"at the given price": price}
    try:
        products = Suan(url, timeout_seconds=3.0, attempts_max=1).market["products"]
    except SuanError:
        return {}
    return {
        product["symbol"]: product["last_price"]
        for product in products
        if product["symbol"].startswith(f"{resource_class}:") and product.get("last_price")
    }


def _costs(report: JobReport, prices: dict[str, str]) -> list[dict[str, str]]:
    """What one run would lock at the suggested ceiling and pay for the measured work, per product."""
    ceiling = report.suggested_ceiling_units
    if ceiling is None:
        return []
    counted = max(run.result.work_units for run in report.runs if run.result.exit_reason.delivers)
    billed = units.billed_units(WorkUnits(counted), ceiling)
    return [
        {
            "product": product,
            "price": text,
            "locked_per_run": units.format_tokens(
                units.lock_payment(Price(units.parse_tokens(text)), ceiling)
            ),
            "paid_per_run": units.format_tokens(units.payment(Price(units.parse_tokens(text)), billed)),
        }
        for product, text in prices.items()
    ]


def _show(report: JobReport, costs: Any) -> None:
    table = Table()
    for heading in (
        "run",
        "exit",
        *(name.replace("_", " ") for name in COUNTER_NAMES),
        "work units",
        "ms",
        "output",
    ):
        table.add_column(heading, overflow="fold")
    for run in report.runs:
        result = run.result
        counted = [str(getattr(result.counters, name)) for name in COUNTER_NAMES]
        exit_reason = result.exit_reason.name.lower()
        table.add_row(
            str(run.run),
            exit_reason,
            *counted,
            str(result.work_units),
            str(result.wall_ms),
            f"{run.output_hash[:14]}…",
        )
        if not result.exit_reason.delivers or exit_reason != "ok":
            console.print(f"run {run.run}: {result.detail}", highlight=False, markup=False)
    console.print(table)
    ceiling = report.suggested_ceiling_units
    if ceiling is None:
        console.print(
            "Nothing was delivered, so there is no ceiling to suggest; raise the limits or mend the job."
        )
        return
    hours = units.format_gflops_hours(ceiling)
    console.print(f"suggested ceiling: {ceiling} work units a run ({hours} GFLOPS·h)", highlight=False)
    for cost in costs:
        console.print(
            f"{cost['product']} at {cost['price']}: pays {cost['paid_per_run']}, locks {cost['locked_per_run']} a run",
            highlight=False,
        )
    if not costs:
        console.print("No price known: name one with --price, or point --url to an exchange.")
