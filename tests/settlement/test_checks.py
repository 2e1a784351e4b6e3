"""A changed byte in any trade, receipt, run, close or published document is named by the ledger's reconciliation."""

import pytest
from django.db import connection

from ledger import conf, reconciliation
from ledger.control import node
from marketplace.settlement.models import SettlementBatch

TRADE_COLUMNS = {
    "trade_hash": "'0x" + "ab" * 32 + "'",
    "offer_hash": "'0x" + "ab" * 32 + "'",
    "bid_hash": "'0x" + "ab" * 32 + "'",
    "provider": "'0x" + "ab" * 20 + "'",
    "buyer": "'0x" + "ab" * 20 + "'",
    "symbol": "'cpu.fp32:eu-north:recomputed'",
    "verifier_set": "'0x" + "ab" * 32 + "'",
    "first_run": "first_run + 1",
    "runs": "runs + 1",
    "ceiling_units": "ceiling_units + 1",
    "price": "price + 1",
    "payment": "payment + 1",
    "bond": "bond + 1",
    "deliver_by": "deliver_by + 1",
    "index": "index + 1",
    "matched_at": "matched_at + 1",
    "status": "'refunded'",
}
RECEIPT_COLUMNS = {
    "receipt_id": "'rcp_0x" + "ab" * 32 + "'",
    "module": "'0x" + "ab" * 32 + "'",
    "input": "'0x" + "ab" * 32 + "'",
    "output": "'0x" + "ab" * 32 + "'",
    "seed": "'0x" + "ab" * 32 + "'",
    "trade": "'0x" + "ab" * 32 + "'",
    "run_index": "run_index + 1",
    "fp64": "fp64 + 1",
    "fp32": "fp32 + 1",
    "integer": "integer + 1",
    "memory_control": "memory_control + 1",
    "fuel": "fuel + 1",
    "engine": "'wasmtime-50.0.2'",
    "profile": "'fast'",
    "exit_reason": "2",
    "cpu_milliseconds": "cpu_milliseconds + 1",
    "wall_milliseconds": "wall_milliseconds + 1",
    "peak_memory_bytes": "peak_memory_bytes + 1",
    "started_at": "started_at + 1",
    "ended_at": "ended_at + 1",
    "signature": "overlay(signature placing CASE substr(signature, 40, 1) WHEN 'f' THEN 'e' ELSE 'f' END from 40)",
    "agent": "'0x" + "ab" * 20 + "'",
    "submitted_at": "submitted_at + 1",
    "status": "'rejected'",
    "verdict": "2",
    "reason": "'because'",
    "units": "units + 1",
    "verified_at": "verified_at + 1",
    "confirmed_by": "'pulley'",
    "recount": "'{}'",
}
RUN_COLUMNS = {
    "seed": "'0x" + "ab" * 32 + "'",
    "agent": "'0x" + "ab" * 20 + "'",
    "bid_hash": "'0x" + "ab" * 32 + "'",
}
CLOSE_COLUMNS = {
    "kind": "0",
    "units": "units + 1",
    "runs_delivered": "runs_delivered + 1",
    "transaction": "'0x'",
}
SETTLEMENT_COLUMNS = {
    "outcomes": "'[]'",
    "lock_batch": "'0x" + "ab" * 32 + "'",
    "verdict_digest": "'0x" + "ab" * 32 + "'",
}


def findings() -> set[tuple[str, str]]:
    """(table, column) of everything that reconciliation names now; nothing is written."""
    report = reconciliation.compare(gateway=node.gateway(), deep=True)
    return {(finding.table, finding.column) for _, finding in report.findings}


@pytest.fixture
def settled(exchange):
    """A settled, final trade of two runs."""
    trade = exchange.trade(runs=2)
    for lease in exchange.lease():
        exchange.deliver(lease)
    exchange.verify()
    exchange.close(final=True)
    trade.refresh_from_db()
    assert trade.status == "settled"
    assert findings() == set()
    return exchange


def test_every_column_of_a_trade_receipt_run_and_close_is_watched(settled):
    tables = {
        "clearing_trade": TRADE_COLUMNS,
        "receipts_receipt": RECEIPT_COLUMNS,
        "delivery_run": RUN_COLUMNS,
        "settlement_closing": CLOSE_COLUMNS,
        "settlement_settlementbatch": SETTLEMENT_COLUMNS,
    }
    unnoticed = []
    for table, columns in tables.items():
        for column, value in columns.items():
            with connection.cursor() as cursor:
                cursor.execute(f"CREATE TEMP TABLE kept AS SELECT * FROM {table} ORDER BY id LIMIT 1")
                cursor.execute(f'UPDATE {table} SET "{column}" = {value} WHERE id = (SELECT id FROM kept)')
                found = findings()
                cursor.execute(
                    f'UPDATE {table} SET "{column}" = (SELECT "{column}" FROM kept) WHERE id = (SELECT id FROM kept)'
                )
                cursor.execute("DROP TABLE kept")
            if table not in {name for name, _ in found}:
                unnoticed.append((table, column, found))
    assert unnoticed == []
    assert findings() == set()


def test_a_changed_byte_of_a_published_settlement_is_named(settled):
    root = SettlementBatch.objects.get().receipts_root
    path = conf.evidence_dir() / "settlements" / f"{root}.json"
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(content.replace(b'"runs_delivered":2', b'"runs_delivered":1'))
    assert ("settlement_settlementbatch", "outcomes") in findings()
    path.unlink()
    assert ("evidence", "*") in findings()
