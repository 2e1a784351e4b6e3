"""manage.py verify_ledger: the books and the index against the chain, row by row."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ledger import reconciliation
from ledger.chain import NodeError
from ledger.control import node
from ledger.errors import NotDeployed


class Command(BaseCommand):
    help = "Recompute every row that the chain determines; exit 1 and name each difference, if there is one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--quick", action="store_true", help="skip headers without events and bytes of evidence"
        )

    def handle(self, *args: Any, quick: bool, **options: Any) -> None:
        try:
            report = reconciliation.reconcile(gateway=node.gateway(), now=timezone.now(), deep=not quick)
        except (NodeError, NotDeployed) as error:
            raise CommandError(f"cannot verify: {error}") from error
        counted = ", ".join(f"{count} {name}" for name, count in report.checked.items())
        self.stdout.write(
            f"compared up to block {report.head_number} (final {report.final_number}): {counted}"
        )
        for name, finding in report.findings:
            self.stdout.write(
                f"DIFFERENCE ({name}) {finding.table} {finding.row} {finding.column}: "
                f"stored {finding.stored[:200]}, expected {finding.expected[:200]}"
            )
        if report.findings:
            raise CommandError(f"{len(report.findings)} differences")
        self.stdout.write("no differences")
