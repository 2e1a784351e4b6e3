"""Who may touch which table: one PostgreSQL role for each kind of process, each with the least that its work needs.

The owner of the tables (DATABASE_URL of the set-up) migrates and runs `manage.py grant_roles`; no process that serves
the market connects as the owner. A role is called `<database>_<role>`, for example `suan_web`. Everything that is not
named here is refused. What the triggers refuse (ledger/migrations/triggers.sql), they refuse to every role and to the owner.

Known limits: web and worker share the rooms' tables where both do the same verbs, so a stolen web process can spoil
the rooms' rows (reconciliation finds it; money moves by signed orders and final events only), and can hold or let go
money of any account, never move it. PostgreSQL asks for an UPDATE right on one column to lock a row; where a role only
locks, that column is one that a trigger protects.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

READ, ADD, CHANGE, DELETE = "SELECT", "INSERT", "UPDATE", "DELETE"
OWN = (READ, ADD, CHANGE)
LOCK_ACCOUNTS = (READ, ADD, "UPDATE (head)")
"""Balances are moved by the trigger of ledger_transfer; the guard of ledger_account refuses every other change."""
ROOMS = ("accounts", "book", "clearing", "delivery", "receipts", "settlement")


@dataclass(frozen=True)
class Role:
    """`rooms`: rights on every table of a room. `tables`: rights on one table, in place of its room's."""

    does: str
    rooms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sequences: tuple[str, ...] = ()
    writes_every_transfer: bool = False


_INDEX = dict.fromkeys(
    (
        "ledger_block",
        "ledger_chainevent",
        "ledger_cursor",
        "ledger_halt",
        "ledger_reorg",
        "ledger_switchentry",
    ),
    (READ,),
)
_FOUND = dict.fromkeys(("ledger_difference", "ledger_reconciliation"), (READ,))
_MONEY = {
    "ledger_account": LOCK_ACCOUNTS,
    "ledger_transfer": (READ, ADD),
    "ledger_outgoingtx": (READ, ADD),
    "ledger_evidencefile": (READ, ADD),
}

ROLES: dict[str, Role] = {
    "web": Role(
        "answers pages and programs: accepts orders, receipts and wishes; holds money, plans transactions",
        rooms=dict.fromkeys(("accounts", "book", "delivery", "receipts"), OWN)
        | {"clearing": (READ,), "settlement": (READ,)},
        tables=_INDEX
        | _FOUND
        | _MONEY
        | {
            "clearing_trade": (READ, CHANGE),
            "settlement_answer": OWN,
            "ledger_custodialkey": (READ, ADD),
            "auth_user": OWN,
            "django_session": (*OWN, DELETE),
            "django_content_type": (READ,),
            "auth_permission": (READ,),
            "auth_group": (READ,),
            "auth_group_permissions": (READ,),
            "auth_user_groups": (READ,),
            "auth_user_user_permissions": (READ,),
        },
        sequences=("book_order_sequence",),
    ),
    "worker": Role(
        "takes the steps from book to close: auctions, locks, jobs, verdicts, closes, refunds",
        rooms=dict.fromkeys(ROOMS, OWN),
        tables=_INDEX
        | _FOUND
        | _MONEY
        | {
            "ledger_anchor": (READ, ADD),
            "ledger_evidencefile": (READ, ADD, "UPDATE (anchor_id)"),
            "auth_user": ("SELECT (id, username, is_active)",),
        },
        sequences=("book_order_sequence",),
    ),
    "indexer": Role(
        "writes blocks and events, and posts what is final to the books",
        tables={
            "ledger_block": OWN,
            "ledger_chainevent": OWN,
            "ledger_cursor": OWN,
            "ledger_halt": (READ, ADD),
            "ledger_reorg": (READ, ADD),
            "ledger_account": LOCK_ACCOUNTS,
            "ledger_transfer": (READ, ADD),
        },
        sequences=("ledger_chainevent_id_seq",),
        writes_every_transfer=True,
    ),
    "sender": Role(
        "spends nonces: signs, stores and broadcasts planned transactions",
        tables={
            "ledger_outgoingtx": OWN,
            "ledger_attempt": OWN,
            "ledger_signernonce": OWN,
            "ledger_block": (READ,),
            "ledger_cursor": (READ,),
            "ledger_halt": (READ,),
        },
    ),
    "auditor": Role(
        "compares every row with the chain and notes what differs",
        rooms=dict.fromkeys(ROOMS, (READ,)),
        tables=_INDEX
        | {
            "ledger_account": (READ,),
            "ledger_transfer": (READ,),
            "ledger_outgoingtx": (READ,),
            "ledger_attempt": (READ,),
            "ledger_signernonce": (READ,),
            "ledger_evidencefile": (READ,),
            "ledger_anchor": (READ,),
            "ledger_difference": OWN,
            "ledger_reconciliation": (READ, ADD, DELETE),
            "auth_user": ("SELECT (id)",),
        },
    ),
    "miner": Role("asks a chain of our own for blocks, alone under its advisory lock"),
}


def rights(role: Role, tables: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Rights by table name. tables: the label of its application by table name."""
    found = {table: role.rooms[app] for table, app in tables.items() if app in role.rooms}
    return found | dict(role.tables)
