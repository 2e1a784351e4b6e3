"""manage.py rule_dispute: end a disputed trade by a ruling of the arbiters."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from marketplace.clearing.models import Trade
from marketplace.problems import DomainError
from marketplace.settlement.actions import rule_dispute
from marketplace.settlement.lockbatches import BatchUnknown
from suan.core.contract import Outcome, OutcomeKind
from suan.core.problems import FieldError


class Command(BaseCommand):
    help = (
        "Sign a ruling on a disputed trade with our arbiter key and send it when enough arbiters have signed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("trade", help="trade id (trd_0x…)")
        parser.add_argument("outcome", choices=[kind.word for kind in OutcomeKind])
        parser.add_argument("--runs", type=int, default=0, help="delivered runs of a settled outcome")
        parser.add_argument(
            "--units", type=int, default=0, help="work units that are paid, or priced for a re-run"
        )
        parser.add_argument(
            "--signature", action="append", default=[], help="of another arbiter over the digest; repeat"
        )

    def handle(self, *args: Any, trade: str, outcome: str, **options: Any) -> None:
        found = Trade.objects.filter(trade_hash=trade.removeprefix("trd_")).first()
        if found is None:
            raise CommandError(f"there is no trade {trade}")
        kind = OutcomeKind[outcome.upper()]
        try:
            planned = rule_dispute(
                trade=found,
                outcome=Outcome(kind, options["runs"], options["units"]),
                signatures=options["signature"],
            )
        except (DomainError, FieldError, BatchUnknown) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"digest {planned.digest}, signed by {', '.join(planned.signers) or 'nobody yet'}")
        if planned.key:
            self.stdout.write(f"planned as {planned.key}: the sender sends it, the trade ends with its block")
        else:
            missing = planned.needed - len(planned.signers)
            self.stdout.write(f"{missing} more signature(s) over the digest are needed: --signature")
