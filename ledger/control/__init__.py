"""The hands of operators: kill switch, pause, roles of the database, and the long-running processes."""

from ledger.control import kill_switch, loop, node, pausing
from ledger.control.roles import ROLES, Role, rights

__all__ = [
    "ROLES",
    "Role",
    "kill_switch",
    "loop",
    "node",
    "pausing",
    "rights",
]
