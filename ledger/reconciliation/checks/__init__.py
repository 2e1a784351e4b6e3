"""The ledger's own checks, in the order in which they are made: each yields a Finding for every cell that differs."""

from ledger.reconciliation.checks.books import check_balances, check_contract, check_journal, check_postings
from ledger.reconciliation.checks.database import check_references, check_switch, check_triggers
from ledger.reconciliation.checks.evidence import check_anchors, check_evidence
from ledger.reconciliation.checks.log import check_blocks, check_events
from ledger.reconciliation.checks.outbox import check_outgoing

CHECKS = {
    "triggers": check_triggers,
    "references": check_references,
    "blocks": check_blocks,
    "events": check_events,
    "journal": check_journal,
    "postings": check_postings,
    "balances": check_balances,
    "contract": check_contract,
    "outgoing": check_outgoing,
    "switch": check_switch,
    "evidence": check_evidence,
    "anchors": check_anchors,
}
