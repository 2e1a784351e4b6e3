"""The ledger's own checks of blocks, events, transfers, accounts, outgoing transactions and evidence."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import connection
from django.db.models import Exists, OuterRef
from eth_hash.auto import keccak

from ledger import conf, switch
from ledger.anchors import check_anchors
from ledger.audit import ChainView, Finding, SeenEvent
from ledger.chain.gateway import NodeRefused
from ledger.models import Account, Attempt, Block, ChainEvent, EvidenceFile, OutgoingTx, SwitchEntry, Transfer
from ledger.posting import MONEY_EVENTS, BooksDisagree, Move, Payees, moves_of
from ledger.rows import AVAILABLE, CUSTODY_REF, EXITING, GENESIS, LOCKED, Ref, digest_of
from suan.core.abi import decode_result, encode_call

OUTGOING_ROWS_SHALLOW = 200
REFERENCES_SHOWN_MAX = 20
REFERRING = ("ledger.", "marketplace.")
TRIGGERS = (
    "ledger_transfer_append_only",
    "ledger_block_kept",
    "ledger_chainevent_kept",
    "ledger_attempt_bytes",
    "ledger_attempt_kept",
    "ledger_transfer_applied",
    "ledger_account_guarded",
    "ledger_block_facts",
    "ledger_chainevent_facts",
    "ledger_outgoingtx_wish",
    "ledger_outgoingtx_kept",
    "ledger_account_never_emptied",
    "ledger_transfer_never_emptied",
    "ledger_block_never_emptied",
    "ledger_chainevent_never_emptied",
    "ledger_outgoingtx_never_emptied",
    "ledger_attempt_never_emptied",
    "ledger_switchentry_kept",
    "ledger_switchentry_never_emptied",
)


def check_triggers(view: ChainView) -> Iterator[Finding]:
    """The database still refuses what it must refuse."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgname, tgenabled FROM pg_trigger WHERE tgname = ANY(%s)", [list(TRIGGERS)])
        states = dict(cursor.fetchall())
    view.checked["triggers"] = len(TRIGGERS)
    for name in TRIGGERS:
        state = states.get(name, "missing")
        if state != "O":
            yield Finding("pg_trigger", name, "tgenabled", str(state), "O")


def check_references(view: ChainView) -> Iterator[Finding]:
    """Every foreign key of the ledger's and the market's rows leads to a row; a join would hide one that does not."""
    for model in apps.get_models():
        if not model.__module__.startswith(REFERRING):
            continue
        for field in model._meta.concrete_fields:
            target = field.related_model
            if target is None or isinstance(target, str):
                continue
            view.checked["references"] = view.checked.get("references", 0) + 1
            there = target._base_manager.filter(pk=OuterRef(field.attname))
            lost = model._base_manager.filter(~Exists(there), **{f"{field.attname}__isnull": False})
            for key, value in lost.values_list("pk", field.attname)[:REFERENCES_SHOWN_MAX]:
                yield Finding(
                    model._meta.db_table, str(key), field.attname, str(value), f"a row of {target.__name__}"
                )


def check_blocks(view: ChainView) -> Iterator[Finding]:
    """Headers of canonical blocks; without `deep`, of those with events and of the newest one."""
    rows = Block.objects.filter(canonical=True, number__lte=view.number).order_by("number")
    with_events = {event.block_hash for event in view.events}
    previous: Block | None = None
    for row in rows.iterator(chunk_size=500):
        view.checked["blocks"] = view.checked.get("blocks", 0) + 1
        if previous is not None and previous.number == row.number - 1 and row.parent != previous.hash:
            yield Finding("ledger_block", str(row.number), "parent", row.parent, previous.hash)
        previous = row
        if not (view.deep or row.hash in with_events or row.number == view.number):
            continue
        header = view.gateway.header(row.number)
        if header is None:
            yield Finding("ledger_block", str(row.number), "number", str(row.number), "no such block")
            continue
        for column in ("hash", "parent", "timestamp"):
            stored, expected = getattr(row, column), getattr(header, column)
            if stored != expected:
                yield Finding("ledger_block", str(row.number), column, str(stored), str(expected))


def check_events(view: ChainView) -> Iterator[Finding]:
    """Every log has its row and every canonical row its log, equal in every column."""
    rows = ChainEvent.objects.filter(block__canonical=True, block__number__lte=view.number).select_related(
        "block"
    )
    stored = {(row.block.hash, row.log_index): row for row in rows.iterator(chunk_size=500)}
    view.checked["events"] = len(stored)
    for event in view.events:
        name = f"{event.block_hash}:{event.log_index}"
        row = stored.pop((event.block_hash, event.log_index), None)
        if row is None:
            yield Finding("ledger_chainevent", name, "*", "no row", f"{event.name} in {event.tx_hash}")
            continue
        for column in ("tx_hash", "address", "name", "subject"):
            if getattr(row, column) != getattr(event, column):
                yield Finding(
                    "ledger_chainevent", name, column, str(getattr(row, column)), str(getattr(event, column))
                )
        for key in sorted({*row.args, *event.args}):
            if row.args.get(key) != event.args.get(key):
                yield Finding(
                    "ledger_chainevent", name, f"args.{key}", str(row.args.get(key)), str(event.args.get(key))
                )
        if row.name in MONEY_EVENTS and row.posted_at is None and row.block.number <= view.posted_number:
            yield Finding("ledger_chainevent", name, "posted_at", "None", "posted, as all before the cursor")
    for block_hash, index in stored:
        row = stored[block_hash, index]
        yield Finding(
            "ledger_chainevent", f"{block_hash}:{index}", "*", f"{row.name} in {row.tx_hash}", "no such log"
        )


def check_journal(view: ChainView) -> Iterator[Finding]:
    """Digests and links of every transfer, and the balances of every account as their fold."""
    heads: dict[int, str] = defaultdict(lambda: GENESIS)
    debits: dict[int, int] = defaultdict(int)
    credits: dict[int, int] = defaultdict(int)
    pending: dict[int, int] = defaultdict(int)
    rows = Transfer.objects.select_related("debit", "credit", "resolves", "event__block").order_by("id")
    for row in rows.iterator(chunk_size=500):
        view.checked["journal"] = view.checked.get("journal", 0) + 1
        expected = digest_of(row)
        if row.digest != expected:
            yield Finding("ledger_transfer", row.key, "digest", row.digest, expected)
        for column, account in (("debit_previous", row.debit_id), ("credit_previous", row.credit_id)):
            if getattr(row, column) != heads[account]:
                yield Finding("ledger_transfer", row.key, column, getattr(row, column), heads[account])
        heads[row.debit_id] = heads[row.credit_id] = row.digest
        if row.kind == Transfer.Kind.HOLD:
            pending[row.debit_id] += row.amount
        if row.resolves is not None:
            pending[row.debit_id] -= row.resolves.amount
            if row.amount > row.resolves.amount:
                yield Finding(
                    "ledger_transfer", row.key, "amount", str(row.amount), f"<= {row.resolves.amount}"
                )
        if row.kind in (Transfer.Kind.PLAIN, Transfer.Kind.POST):
            debits[row.debit_id] += row.amount
            credits[row.credit_id] += row.amount
    for account in Account.objects.order_by("id"):
        pairs = (
            ("debits_posted", account.debits_posted, debits[account.pk]),
            ("credits_posted", account.credits_posted, credits[account.pk]),
            ("debits_pending", account.debits_pending, pending[account.pk]),
            ("head", account.head, heads[account.pk]),
        )
        for column, stored, wanted in pairs:
            if stored != wanted:
                yield Finding("ledger_account", str(account), column, str(stored), str(wanted))


def check_postings(view: ChainView) -> Iterator[Finding]:
    """Every final event up to the posted height has exactly the transfers that it means, and no others exist."""
    generations = {
        (row.block.hash, row.log_index): row.postings
        for row in ChainEvent.objects.filter(postings__gt=0, block__canonical=True).select_related("block")
    }
    rows = Transfer.objects.filter(key__startswith="event:").select_related("debit", "credit")
    stored = {row.key: row for row in rows}
    undone = set(Transfer.objects.filter(key__startswith="reverse:event:").values_list("key", flat=True))
    for event, moves in _moves(view, upto=view.final_number):
        generation = generations.get((event.block_hash, event.log_index), 1) - 1
        for move in moves:
            key = f"event:{event.block_hash}:{event.log_index}:{move.part}" + (
                f"~{generation}" if generation else ""
            )
            view.checked["postings"] = view.checked.get("postings", 0) + 1
            row = stored.pop(key, None)
            if row is None:
                if event.block_number <= view.posted_number:
                    yield Finding(
                        "ledger_transfer", key, "*", "no row", f"{move.debit} to {move.credit}: {move.amount}"
                    )
                continue
            for column, value, wanted in (
                ("amount", row.amount, move.amount),
                ("debit", str(row.debit), ":".join(move.debit)),
                ("credit", str(row.credit), ":".join(move.credit)),
            ):
                if value != wanted:
                    yield Finding("ledger_transfer", key, column, str(value), str(wanted))
    for key, row in stored.items():
        if f"reverse:{key}" not in undone:
            yield Finding(
                "ledger_transfer", key, "*", f"{row.debit} to {row.credit}: {row.amount}", "no such event"
            )


def check_balances(view: ChainView) -> Iterator[Finding]:
    """Posted balances against the fold of the log at the posted height."""
    expected = fold(view, upto=view.posted_number)
    halfway = any(
        row.block.number > view.posted_number
        for row in ChainEvent.objects.filter(posted_at__isnull=False, block__canonical=True).select_related(
            "block"
        )
    )
    if halfway:  # The poster is between two events: the next run compares.
        return
    accounts = {Ref(row.address, row.kind): row for row in Account.objects.all()}
    for ref in sorted({*accounts, *expected}):
        view.checked["balances"] = view.checked.get("balances", 0) + 1
        stored = accounts[ref].posted if ref in accounts else 0
        if stored != expected.get(ref, 0):
            yield Finding("ledger_account", ":".join(ref), "posted", str(stored), str(expected.get(ref, 0)))


def check_contract(view: ChainView) -> Iterator[Finding]:
    """The contract's own storage at that height against the fold of its log, and its tokens against its custody."""
    if view.number < 0:
        return
    market, block = view.deployment.market, view.number
    expected = fold(view, upto=view.number)
    for address in sorted({ref.address for ref in expected if ref != CUSTODY_REF}):
        view.checked["contract"] = view.checked.get("contract", 0) + 1
        account = _ask(view, market, "accountOf", address, block=block)
        leaving = _ask(view, market, "exitOf", address, block=block)
        if account is None or leaving is None:
            return  # The node has no state of that block any more; the next run asks for a newer one.
        for kind, found in (
            (AVAILABLE, account["available"]),
            (LOCKED, account["locked"]),
            (EXITING, leaving["amount"]),
        ):
            folded = expected.get(Ref(address, kind), 0)
            if found != folded:
                yield Finding(
                    "chain", f"{address}:{kind}", f"Market at block {block}", str(found), str(folded)
                )
    custody = _ask(view, market, "custody", block=block)
    if custody is not None and custody["custody"] != -expected.get(CUSTODY_REF, 0):
        folded = -expected.get(CUSTODY_REF, 0)
        yield Finding("chain", market, f"custody at block {block}", str(custody["custody"]), str(folded))


def check_outgoing(view: ChainView) -> Iterator[Finding]:
    """Included transactions are on chain with the stored calldata; signed bytes hash to their name."""
    rows = OutgoingTx.objects.filter(
        tx_hash__isnull=False, block__canonical=True, block__number__lte=view.number
    )
    rows = rows.select_related("block").order_by("-id")
    for row in rows if view.deep else rows[:OUTGOING_ROWS_SHALLOW]:
        view.checked["outgoing"] = view.checked.get("outgoing", 0) + 1
        found = view.gateway.transaction(row.tx_hash or "")
        receipt = view.gateway.receipt(row.tx_hash or "")
        if found is None or receipt is None or row.block is None:
            yield Finding("ledger_outgoingtx", row.key, "tx_hash", str(row.tx_hash), "no such transaction")
            continue
        for column, stored, expected in (
            ("calldata", "0x" + bytes(row.calldata).hex(), "0x" + found.calldata.hex()),
            ("to", row.to, found.to),
            ("value", row.value, found.value),
            ("nonce", row.nonce, found.nonce),
            ("block", row.block.hash, receipt.block_hash),
            ("reverted", row.reverted, not receipt.succeeded),
            ("gas_used", row.gas_used, receipt.gas_used),
        ):
            if stored != expected:
                yield Finding("ledger_outgoingtx", row.key, column, str(stored), str(expected))
    attempts = Attempt.objects.order_by("-id")
    for attempt in attempts if view.deep else attempts[:OUTGOING_ROWS_SHALLOW]:
        digest = "0x" + keccak(bytes(attempt.raw)).hex()
        if digest != attempt.tx_hash:
            yield Finding("ledger_attempt", attempt.tx_hash, "raw", digest, attempt.tx_hash)


def check_switch(view: ChainView) -> Iterator[Finding]:
    """Digests and links of the kill switch's log."""
    previous = GENESIS
    for row in SwitchEntry.objects.order_by("id").iterator(chunk_size=500):
        view.checked["switch"] = view.checked.get("switch", 0) + 1
        for column, stored, wanted in (
            ("previous", row.previous, previous),
            ("digest", row.digest, switch.digest_of(row)),
        ):
            if stored != wanted:
                yield Finding("ledger_switchentry", str(row.pk), column, stored, wanted)
        previous = row.digest


def check_evidence(view: ChainView) -> Iterator[Finding]:
    """Every indexed file is there with its size; with `deep`, with its bytes."""
    for row in EvidenceFile.objects.order_by("id").iterator(chunk_size=500):
        view.checked["evidence"] = view.checked.get("evidence", 0) + 1
        path = conf.evidence_dir() / row.kind / row.name
        if not path.is_file():
            yield Finding("ledger_evidencefile", str(row), "name", str(row), "no such file")
        elif path.stat().st_size != row.size:
            yield Finding("ledger_evidencefile", str(row), "size", str(row.size), str(path.stat().st_size))
        elif view.deep:
            found = "0x" + hashlib.sha256(path.read_bytes()).hexdigest()
            if found != row.sha256:
                yield Finding("ledger_evidencefile", str(row), "sha256", row.sha256, found)


def fold(view: ChainView, *, upto: int) -> dict[Ref, int]:
    """Balances of every account (credits minus debits) after the events at or below block `upto`."""
    balances: dict[Ref, int] = defaultdict(int)
    for _, moves in _moves(view, upto=upto):
        for move in moves:
            balances[move.debit] -= move.amount
            balances[move.credit] += move.amount
    return dict(balances)


def _moves(view: ChainView, *, upto: int) -> Iterator[tuple[SeenEvent, list[Move]]]:
    known = view.deployment
    payees = Payees(treasury=known.treasury, pool=known.pool, rerun_account=known.rerun_account)
    locks: dict[str, dict[str, Any]] = {}
    for event in view.events:
        if event.block_number > upto or event.name not in MONEY_EVENTS or event.address != known.market:
            continue
        if event.name in ("TradeLocked", "SessionOpened"):
            locks[event.subject] = event.args
        try:
            yield event, moves_of(event.name, event.args, locks.get(event.subject), payees=payees)
        except BooksDisagree:
            yield event, []  # The contract check then names the accounts.


def _ask(view: ChainView, to: str, name: str, *arguments: object, block: int) -> dict[str, Any] | None:
    try:
        data = view.gateway.call(to=to, data=encode_call(name, *arguments), block=block)
    except NodeRefused:
        return None
    return decode_result(name, data)


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
