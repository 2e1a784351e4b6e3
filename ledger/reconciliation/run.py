"""The ledger's own reconciliation: every row that can be recomputed from the chain, recomputed.

`reconcile` reads logs from the node, then compares the tables with them inside one snapshot of the database, then
notes what differs in Difference. Each difference names table, row, column, stored and expected value. The rooms of
the market contribute checks of their own rows with `register_check`, called from their AppConfig.ready().

Known limits: the whole log of the contracts is read each time; rows of holds that never met the chain are protected
by their digests alone; deep=False skips headers of blocks without events and the bytes of evidence files."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from ledger import queries
from ledger.chain import Gateway, Log, NodeUnavailable
from ledger.indexer import decoded
from ledger.models import Block, Cursor, Difference, Reconciliation
from ledger.reconciliation.checks import CHECKS
from ledger.reconciliation.finding import ChainView, Finding, SeenEvent

LOG_RANGE_BLOCKS = 2000
ATTEMPTS_MAX = 4
FINDINGS_MAX = 1000
RECONCILIATIONS_KEPT = 500
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """The outcome of one reconciliation; `checked` counts rows by check."""

    head_number: int
    final_number: int
    checked: dict[str, int]
    findings: list[tuple[str, Finding]]


Check = Callable[[ChainView], Iterable[Finding]]
_registered: dict[str, Check] = {}


class ChainMoves(NodeUnavailable):
    """The chain reorganised while it was read, several times in a row."""


def register_check(name: str, check: Check) -> None:
    """Add a check of a room's rows: `check(view)` yields a Finding for each cell that differs from the chain.

    It runs inside the database snapshot of the reconciliation, reads only, and adds the number of rows that it
    looked at to `view.checked[name]`. Registering the same name again replaces the check.
    """
    _registered[name] = check


def reconcile(*, gateway: Gateway, now: datetime, deep: bool = False) -> Report:
    """Compare everything, store differences, return the report. Raises NodeError if the node cannot be read."""
    report = compare(gateway=gateway, deep=deep)
    with transaction.atomic():
        _record(report, now)
        Reconciliation.objects.create(
            finished_at=now,
            head_number=report.head_number,
            final_number=report.final_number,
            deep=deep,
            checked=report.checked,
            differences=len(report.findings),
        )
        old = Reconciliation.objects.order_by("-id").values_list("id", flat=True)[RECONCILIATIONS_KEPT:]
        Reconciliation.objects.filter(id__in=list(old)).delete()
    for name, finding in report.findings[:20]:
        log.error("difference (%s): %s %s %s", name, finding.table, finding.row, finding.column)
    return report


def compare(*, gateway: Gateway, deep: bool) -> Report:
    """As reconcile, but nothing is written."""
    for _ in range(ATTEMPTS_MAX):
        remote = gateway.header("latest")
        if remote is None:
            raise NodeUnavailable("the node has no latest block")
        known = queries.deployment()
        logs = _all_logs(gateway, known, remote.number)
        with transaction.atomic():
            if not connection.savepoint_ids:
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            view = _view(gateway, known, remote.number, logs, deep)
            if view is None:
                continue
            findings: list[tuple[str, Finding]] = []
            for name, check in (*CHECKS.items(), *_registered.items()):
                view.checked.setdefault(name, 0)
                for finding in _findings(name, check, view):
                    if len(findings) < FINDINGS_MAX:
                        findings.append((name, finding))
        return Report(view.number, view.final_number, view.checked, findings)
    raise ChainMoves("the chain reorganised each time it was read; try again when it is quiet")


def _findings(name: str, check: Check, view: ChainView) -> Iterable[Finding]:
    """What a check finds. One that cannot read its rows is a finding itself, and holds up no other check."""
    try:
        yield from check(view)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        log.exception("the check %s could not finish", name)
        yield Finding(name, "*", "*", repr(error)[:200], "rows that can be read")


def _all_logs(gateway: Gateway, known: queries.Deployment, last: int) -> list[Log]:
    logs: list[Log] = []
    for first in range(known.block, last + 1, LOG_RANGE_BLOCKS):
        upto = min(first + LOG_RANGE_BLOCKS - 1, last)
        logs += gateway.logs_between(first, upto, list(known.contracts))
    return logs


def _view(
    gateway: Gateway, known: queries.Deployment, remote_number: int, logs: list[Log], deep: bool
) -> ChainView | None:
    """The view up to the height that both sides know; None if they disagree there (a reorganisation under way)."""
    tip = Block.objects.filter(canonical=True, number__lte=remote_number).order_by("-number").first()
    if tip is None:
        return ChainView(gateway, known, -1, -1, -1, [], deep)
    header = gateway.header(tip.number)
    if (header is None or header.hash != tip.hash) and not queries.is_halted():
        return None
    cursors = {row.name: row.number for row in Cursor.objects.all()}
    final = min(cursors.get("final", -1), tip.number)
    events = []
    for entry in logs:
        columns = decoded(entry)
        if columns is not None and entry.block_number <= tip.number:
            events.append(SeenEvent(block_hash=entry.block_hash, block_number=entry.block_number, **columns))  # type: ignore[arg-type]
    posted = min(cursors.get("posted", -1), final)
    return ChainView(gateway, known, tip.number, final, posted, events, deep)


def _record(report: Report, now: datetime) -> None:
    open_rows = {
        (row.check_name, row.table, row.row, row.column): row
        for row in queries.differences().select_for_update()
    }
    for name, finding in report.findings:
        row = open_rows.pop((name, finding.table, finding.row[:200], finding.column), None)
        if row is None:
            row = Difference(
                check_name=name,
                table=finding.table,
                row=finding.row[:200],
                column=finding.column,
                found_at=now,
            )
        row.stored, row.expected, row.seen_at = finding.stored[:4000], finding.expected[:4000], now
        row.save()
    for row in open_rows.values():
        row.resolved_at = now
        row.save(update_fields=["resolved_at"])
