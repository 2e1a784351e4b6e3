"""A row changed behind the application's back is named by the ledger's own reconciliation, until it is mended."""

import json
import subprocess
import sys

import pytest

from operations.run import layout
from tests.journey.live import Live
from tests.journey.story import Traded

pytestmark = [pytest.mark.slow, pytest.mark.chain]
SECONDS_MAX = 300
# Table: which row, and the columns that nobody may change unnoticed. Those behind the bar are named as a whole, by the
# digest, seal or signature that covers them.
CELLS = {
    "clearing_trade": (
        "status = 'settled'",
        "trade_hash bid_hash provider buyer first_run runs ceiling_units price payment bond deliver_by index",
        "bid_id clearing_id",
    ),
    "receipts_receipt": (
        "status = 'accepted'",
        "receipt_id trade run_index output fp64 memory_control exit_reason agent signature verdict recount",
        "units verified_at",
    ),
    "ledger_account": ("credits_posted > 0", "debits_posted credits_posted debits_pending head", ""),
    "ledger_transfer": ("event_id IS NOT NULL", "amount debit_previous credit_previous", "key memo debit_id"),
    "delivery_run": ("status = 'verified'", "index bid_hash seed agent trade_id", ""),
    # A cancelled one: an open order would be cleared, and published, as it is while it is changed.
    "book_order": (
        "side = 1 AND order_status = 'canceled'",
        "order_hash maker product price runs valid_until terms_hash order_status free_runs held acknowledgement_at "
        "acknowledgement_signature cancel_signature",
        "signature signer symbol terms participant_id",
    ),
    "settlement_closing": ("true", "kind runs_delivered units transaction", ""),
}


@pytest.fixture(scope="module")
def named(live: Live, traded: Traded) -> dict:
    """What is named after each single change; one process makes them all, while nobody else looks at the books."""
    wishes = [
        [table, where, [*sure.split(), *covered.split()]] for table, (where, sure, covered) in CELLS.items()
    ]
    with live.alone():
        done = subprocess.run(
            [sys.executable, "-m", "tests.audit.rows"],
            input=json.dumps(wishes),
            env=live.environment,
            cwd=layout.PROJECT,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
        )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("table", "column"), [(table, name) for table in CELLS for name in CELLS[table][1].split()]
)
def test_a_changed_cell_is_named_by_table_and_column(named: dict, table: str, column: str) -> None:
    found = named["named"][table][column]
    assert found, f"nothing was named after {table}.{column} had changed"
    mine = [place[2] for place in found if place[0] == table]
    assert {column, column.removesuffix("_id"), "*"} & set(mine), f"only {mine} were named"


@pytest.mark.parametrize(
    ("table", "column"), [(table, name) for table in CELLS for name in CELLS[table][2].split()]
)
def test_a_changed_cell_under_a_digest_is_named_by_table_and_row(
    named: dict, table: str, column: str
) -> None:
    assert table in [place[0] for place in named["named"][table][column]]


def test_everything_is_well_again_once_the_rows_are_as_they_were(named: dict) -> None:
    assert named["afterwards"] == []
