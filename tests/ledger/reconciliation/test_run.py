"""A row that was changed behind the application's back is named: table, row, column, stored and expected value."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client, override_settings
from django.utils import timezone

from ledger import evidence, journal, queries, reconciliation
from ledger.models import Account, Block, ChainEvent, Difference, OutgoingTx, Reconciliation, Transfer
from ledger.outbox.plan import plan
from ledger.outbox.sender import Limits, Sender
from ledger.reconciliation import run
from ledger.reconciliation.finding import ChainView, Finding
from ledger.tasks import reconcile
from suan.core.contract.abi import encode_call
from suan.core.contract.records import Outcome
from suan.core.settlement import bookkeeping
from tests.ledger.chain import TOKEN, World
from tests.ledger.trading import CEILING, close, deal
from tests.nodes import AnvilNode

pytestmark = pytest.mark.chain


@pytest.fixture(scope="module")
def traded_once(
    module_anvil: AnvilNode, compiled: Path, tmp_path_factory, django_db_setup, django_db_blocker
) -> Iterator[World]:
    """A market with deposits, a settled and an open trade, a hold, a sent transaction and evidence; built once."""
    from tests.ledger.conftest import deployed

    var = tmp_path_factory.mktemp("audited")
    overridden = override_settings(SUAN_VAR=var, CHAIN_RPC_URL=module_anvil.url)
    with django_db_blocker.unblock(), overridden:
        try:
            world = deployed(module_anvil, var, compiled, django_settings)
            trade(world)
            yield world
        finally:
            with connection.cursor() as cursor:
                tables = [
                    table for table in connection.introspection.table_names() if table.startswith("ledger_")
                ]
                cursor.execute("SET session_replication_role = replica")
                cursor.execute(f"TRUNCATE {', '.join(tables)} CASCADE")
                cursor.execute("SET session_replication_role = DEFAULT")


@pytest.fixture
def traded(db, traded_once: World, monkeypatch) -> World:
    """The same for each test, whose changes are rolled back. These trades never went through the market's rooms, so
    that the rooms' own checks would rightly miss their rows."""
    monkeypatch.setattr(run, "_registered", {})
    return traded_once


def trade(world: World) -> None:
    for name in ("alice", "paula"):
        world.person(name)
        world.deposit(name, 50 * TOKEN)
    world.finalise()
    made = deal(world, buyer="alice", provider="paula", runs=2)
    for record, trade_ in zip(made.records, made.trades, strict=True):
        journal.hold(account=record.buyer, amount=record.payment, key=f"trade:trd_{trade_}:payment")
    world.send_raw("operator", world.known.market, made.calldata)
    world.finalise()
    close(world, made, {0: Outcome(1, 1, CEILING)})
    world.finalise()
    journal.hold(account=world.keys.address("alice"), amount=7, key="order:open")
    calldata = encode_call("faucet", world.keys.address("alice"), 5)
    plan(key="faucet:alice", signer="relayer", to=world.known.token, calldata=calldata)
    limits = Limits(chain_id=world.known.chain_id, stuck_blocks=6, confirmations=12, gas_max=10_000_000)
    sender = Sender(world.indexer.gateway, world.keys, "relayer", limits)
    sender.step(now=timezone.now())
    world.finalise()
    sender.step(now=timezone.now())
    evidence.publish("terms", "0x" + "ab" * 32, b'{"version":1}')


def findings(world: World) -> set[tuple[str, str, str]]:
    report = reconciliation.compare(gateway=world.indexer.gateway, deep=True)
    return {(finding.table, finding.row, finding.column) for _, finding in report.findings}


def tamper(statement: str, *parameters: object) -> None:
    """Change rows as somebody with the database's own power would: triggers do not fire."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statement, parameters)
        assert cursor.rowcount >= 1
        cursor.execute("SET session_replication_role = DEFAULT")


def test_an_honest_ledger_has_no_differences_and_says_how_much_it_looked_at(traded: World):
    report = reconciliation.reconcile(gateway=traded.indexer.gateway, now=timezone.now(), deep=True)
    assert report.findings == []
    for name in ("blocks", "events", "journal", "postings", "balances", "contract", "outgoing", "evidence"):
        assert report.checked[name] > 0, name
    assert Reconciliation.objects.get().differences == 0
    assert (
        report.checked["events"]
        == len(queries.events(name="Deposited")) + ChainEvent.objects.exclude(name="Deposited").count()
    )


@pytest.mark.parametrize("column", ["amount", "debit_id", "credit_id"])
def test_a_changed_transfer_of_an_event_is_named_with_its_column(traded: World, column: str):
    row = Transfer.objects.filter(event__name="TradeClosed").first()
    other = Account.objects.exclude(pk__in=(row.debit_id, row.credit_id)).first()
    value = row.amount - 1 if column == "amount" else other.pk
    tamper(f"UPDATE ledger_transfer SET {column} = %s WHERE id = %s", value, row.pk)
    found = findings(traded)
    assert ("ledger_transfer", row.key, column.removesuffix("_id")) in found
    assert ("ledger_transfer", row.key, "digest") in found


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("amount", 8),
        ("memo", "nothing to see"),
        ("hold_name", "order:other"),
        ("created_at", "2020-01-01T00:00:00Z"),
    ],
)
def test_a_changed_hold_is_named_though_the_chain_never_saw_it(traded: World, column: str, value: object):
    tamper(f"UPDATE ledger_transfer SET {column} = %s WHERE hold_name = 'order:open'", value)
    assert ("ledger_transfer", "hold:order:open", "digest") in findings(traded)


def test_a_deleted_transfer_breaks_the_chain_of_its_accounts(traded: World):
    row = Transfer.objects.get(hold_name="order:open")
    tamper("DELETE FROM ledger_transfer WHERE id = %s", row.pk)
    found = findings(traded)
    assert ("ledger_account", str(row.debit), "head") in found
    assert ("ledger_account", str(row.debit), "debits_pending") in found


def test_a_deleted_posting_is_named(traded: World):
    row = Transfer.objects.filter(event__name="TradeClosed").first()
    tamper("DELETE FROM ledger_transfer WHERE id = %s", row.pk)
    assert ("ledger_transfer", row.key, "*") in findings(traded)


def test_an_invented_posting_is_named(traded: World):
    alice = traded.keys.address("alice")
    journal.move(
        [
            journal.Movement(
                debit=bookkeeping.CUSTODY_REF,
                credit=bookkeeping.Ref(alice, bookkeeping.AVAILABLE),
                amount=9,
                key="event:0xfee:0:deposit",
            )
        ]
    )
    found = findings(traded)
    assert ("ledger_transfer", "event:0xfee:0:deposit", "*") in found
    assert ("ledger_account", f"{alice}:available", "posted") in found


@pytest.mark.parametrize("column", ["credits_posted", "debits_posted", "debits_pending"])
def test_a_changed_balance_is_named_with_both_values(traded: World, column: str):
    account = Account.objects.get(address=traded.keys.address("alice"), kind="available")
    before = getattr(account, column)
    tamper(f"UPDATE ledger_account SET {column} = {column} + 1 WHERE id = %s", account.pk)
    report = reconciliation.compare(gateway=traded.indexer.gateway, deep=True)
    mine = [finding for _, finding in report.findings if finding.column == column]
    assert mine == [Finding("ledger_account", str(account), column, str(before + 1), str(before))]


@pytest.mark.parametrize("column", ["tx_hash", "address", "name", "subject"])
def test_a_changed_column_of_an_event_is_named(traded: World, column: str):
    event = ChainEvent.objects.filter(name="TradeLocked").select_related("block").first()
    tamper(
        f"UPDATE ledger_chainevent SET {column} = overlay({column} placing"
        f" CASE substr({column}, 8, 1) WHEN 'f' THEN 'e' ELSE 'f' END from 8) WHERE id = %s",
        event.pk,
    )
    assert ("ledger_chainevent", f"{event.block.hash}:{event.log_index}", column) in findings(traded)


def test_a_changed_argument_of_an_event_is_named(traded: World):
    event = ChainEvent.objects.filter(name="TradeClosed").select_related("block").first()
    tamper("UPDATE ledger_chainevent SET args = jsonb_set(args, '{paid}', '1') WHERE id = %s", event.pk)
    assert ("ledger_chainevent", f"{event.block.hash}:{event.log_index}", "args.paid") in findings(traded)


def test_a_deleted_event_is_named(traded: World):
    event = ChainEvent.objects.filter(name="BatchLocked").select_related("block").first()
    tamper("DELETE FROM ledger_chainevent WHERE id = %s", event.pk)
    assert ("ledger_chainevent", f"{event.block.hash}:{event.log_index}", "*") in findings(traded)


@pytest.mark.parametrize(("column", "value"), [("parent", "0x" + "1" * 64), ("timestamp", 1)])
def test_a_changed_block_is_named(traded: World, column: str, value: object):
    block = Block.objects.filter(canonical=True).order_by("number")[3]
    tamper(f"UPDATE ledger_block SET {column} = %s WHERE id = %s", value, block.pk)
    assert ("ledger_block", str(block.number), column) in findings(traded)


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("ledger_outgoingtx", "calldata", b"\x01"),
        ("ledger_outgoingtx", "gas_used", 1),
        ("ledger_outgoingtx", "nonce", 99),
        ("ledger_attempt", "raw", b"\x01"),
    ],
)
def test_a_changed_outgoing_transaction_is_named(traded: World, table: str, column: str, value: object):
    row = OutgoingTx.objects.get()
    tamper(f"UPDATE {table} SET {column} = %s", value)
    name = row.key if table == "ledger_outgoingtx" else row.tx_hash
    assert (table, name, column) in findings(traded)


def test_changed_and_missing_evidence_is_named(traded: World):
    path = evidence.locate("terms", "0x" + "ab" * 32)
    name = f"terms/{path.name}"
    path.write_bytes(b'{"version":2}')
    assert findings(traded) == {("ledger_evidencefile", name, "sha256")}
    path.unlink()
    assert findings(traded) == {("ledger_evidencefile", name, "name")}
    path.write_bytes(b'{"version":1}')


def test_a_disabled_trigger_is_named(traded: World):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ledger_transfer DISABLE TRIGGER ledger_transfer_append_only")
    assert findings(traded) == {("pg_trigger", "ledger_transfer_append_only", "tgenabled")}


def test_a_difference_is_kept_until_it_is_mended(traded: World):
    account = Account.objects.get(address=traded.keys.address("alice"), kind="available")
    tamper("UPDATE ledger_account SET debits_pending = debits_pending + 1 WHERE id = %s", account.pk)
    for _ in range(2):
        with pytest.raises(CommandError, match="1 differences"):
            call_command("verify_ledger")
    assert Difference.objects.get().column == "debits_pending"
    tamper("UPDATE ledger_account SET debits_pending = debits_pending - 1 WHERE id = %s", account.pk)
    call_command("verify_ledger")
    assert queries.differences().count() == 0
    assert Difference.objects.get().resolved_at is not None


def test_one_sweep_finds_a_changed_row_and_the_status_page_names_it(traded: World, client: Client):
    account = Account.objects.get(address=traded.keys.address("alice"), kind="available")
    assert reconcile() == 0
    assert "changed behind" not in client.get("/status").content.decode()
    tamper("UPDATE ledger_account SET credits_posted = credits_posted + 41 WHERE id = %s", account.pk)
    assert reconcile() > 0
    page = client.get("/status").content.decode()
    assert "changed behind the application" in page
    for text in ("ledger_account", str(account), "credits_posted", str(account.credits_posted + 41)):
        assert text in page, text
    rows = client.get("/api/v1/status").json()["difference_rows"]
    assert rows[0]["row"] == str(account) and rows[0]["expected"] == str(account.credits_posted)
    tamper("UPDATE ledger_account SET credits_posted = credits_posted - 41 WHERE id = %s", account.pk)
    assert reconcile() == 0
    assert "changed behind" not in client.get("/status").content.decode()


def test_rooms_contribute_checks_of_their_own_rows(traded: World):
    def check(view: ChainView):
        for event in view.named("TradeLocked"):
            view.checked["trades"] = view.checked.get("trades", 0) + 1
            yield Finding("clearing_trade", event.subject, "payment", "1", str(event.args["payment"]))

    reconciliation.register_check("trades", check)
    report = reconciliation.compare(gateway=traded.indexer.gateway, deep=False)
    assert report.checked["trades"] == 2
    assert {(name, finding.table) for name, finding in report.findings} == {("trades", "clearing_trade")}
