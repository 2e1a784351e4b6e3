"""Everything that accounts do. The verbs live beside this file by group; other rooms import them from here only."""

from marketplace.accounts.verbs.keys import create_api_key, revoke_api_key, use_api_key
from marketplace.accounts.verbs.nodes import heartbeat, register_node
from marketplace.accounts.verbs.relays import (
    deposit_by_permit,
    execute_ready_withdrawals,
    faucet,
    relay_cancel,
    request_withdrawal,
    set_agent,
    set_delegate,
)
from marketplace.accounts.verbs.signing_in import (
    check_password,
    issue_sign_in,
    register_with_password,
    verify_sign_in,
)

__all__ = [
    "check_password",
    "create_api_key",
    "deposit_by_permit",
    "execute_ready_withdrawals",
    "faucet",
    "heartbeat",
    "issue_sign_in",
    "register_node",
    "register_with_password",
    "relay_cancel",
    "request_withdrawal",
    "revoke_api_key",
    "set_agent",
    "set_delegate",
    "use_api_key",
    "verify_sign_in",
]
