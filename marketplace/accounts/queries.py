"""Reads of accounts: who is who, what they own, what is on its way."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from ledger import queries as ledger_queries
from marketplace.accounts.models import ApiKey, Node, Participant, RelayedRequest
from marketplace.times import moment, rfc3339, seconds
from suan.core.units import format_tokens

RELAYED_SHOWN_MAX = 50


def participant(address: str) -> Participant | None:
    """The participant of an address in any case, or None."""
    return Participant.objects.filter(address=address.lower()).first()


def participant_of(user: Any) -> Participant | None:
    """The participant of a Django user (pages), or None for a visitor."""
    if not getattr(user, "is_authenticated", False):
        return None
    return user if isinstance(user, Participant) else Participant.objects.filter(user=user).first()


def node(agent: str, resource_class: str | None = None) -> Node | None:
    """The node of an agent key, for one class if given; None if it is not registered."""
    rows = Node.objects.select_related("participant").filter(agent=agent.lower())
    if resource_class is not None:
        rows = rows.filter(resource_class=resource_class)
    return rows.order_by("id").first()


def nodes(owner: Participant) -> QuerySet[Node]:
    """The nodes of a participant, oldest first."""
    return Node.objects.filter(participant=owner).order_by("id")


def is_alive(row: Node, *, now: int, silence_seconds: int) -> bool:
    """Was there a heartbeat within the last `silence_seconds`?"""
    return row.last_seen >= moment(now - silence_seconds)


def api_keys(owner: Participant) -> QuerySet[ApiKey]:
    """The keys of a participant, newest first, revoked ones included."""
    return ApiKey.objects.filter(participant=owner).order_by("-id")


def next_market_nonce(owner: Participant) -> int:
    """The next nonce of the Market's signed requests, as far as requests went through this relayer."""
    return _relayed_count(owner, ("withdrawal",))


def next_registry_nonce(owner: Participant) -> int:
    """The next nonce of the Registry's signed settings, as far as they went through this relayer."""
    return _relayed_count(owner, ("agent", "delegate"))


def _relayed_count(owner: Participant, kinds: tuple[str, ...]) -> int:
    """Requests that used, or will use, a nonce: one that failed for good did not."""
    keys = RelayedRequest.objects.filter(participant=owner, kind__in=kinds).values_list("key", flat=True)
    return sum(1 for key in keys if not _failed(key))


def _failed(key: str) -> bool:
    sent = ledger_queries.outgoing(key)
    return sent is None or sent.status == "failed" or sent.reverted


def money(address: str) -> dict[str, str]:
    """Balances in tokens, as text: free for orders, held by orders, locked in trades, on the way out."""
    found = ledger_queries.balances(address)
    return {
        "available": format_tokens(found.available),
        "held": format_tokens(found.held),
        "locked": format_tokens(found.locked),
        "exiting": format_tokens(found.exiting),
    }


def relayed(owner: Participant) -> list[dict[str, Any]]:
    """The newest relayed requests with the state of their transactions."""
    rows = RelayedRequest.objects.filter(participant=owner).order_by("-id")[:RELAYED_SHOWN_MAX]
    return [relayed_view(row) for row in rows]


def relayed_view(row: RelayedRequest) -> dict[str, Any]:
    sent = ledger_queries.outgoing(row.key)
    return {
        "request_id": row.key,
        "kind": row.kind,
        "amount": None if row.amount is None else format_tokens(row.amount),
        "status": "failed" if sent is not None and sent.reverted else sent.status if sent else "planned",
        "tx_hash": sent.tx_hash if sent else None,
        "error": sent.error if sent else "",
        "created_at": rfc3339(row.created_at),
    }


def exits(owner: Participant) -> list[dict[str, Any]]:
    """Withdrawals asked for on chain that were not paid yet: amount in tokens, ready_at in unix seconds.

    What trades and sessions took of them since is missing from the newest.
    """
    rest = ledger_queries.balances(owner.address).exiting
    found: list[dict[str, Any]] = []
    paid = ledger_queries.events_of(name="Withdrawn", subject=owner.address)
    last_paid = paid[-1].position if paid else 0
    for event in ledger_queries.events_of(name="WithdrawalRequested", subject=owner.address):
        amount = min(int(event.args["amount"]), rest)
        if event.position > last_paid and amount:
            rest -= amount
            found.append({"amount": format_tokens(amount), "ready_at": int(event.args["ready_at"])})
    return found


def account_view(owner: Participant) -> dict[str, Any]:
    """All of an account that its owner sees (GET /account)."""
    return {
        "address": owner.address,
        "display_name": owner.display_name,
        "username": owner.user.get_username() if owner.custodial and owner.user else None,
        "custodial": owner.custodial,
        "balances": money(owner.address),
        "exits": exits(owner),
        "agents": [
            {"key": agent.key, "valid_until": agent.valid_until}
            for agent in ledger_queries.agents(owner.address)
        ],
        "delegates": [
            {
                "key": delegate.key,
                "side": {1: "buy", 2: "sell"}.get(delegate.side, "unknown"),
                "spend_cap": format_tokens(delegate.spend_cap),
                "worst_price": format_tokens(delegate.worst_price),
                "valid_until": delegate.valid_until,
            }
            for delegate in ledger_queries.delegates(owner.address)
        ],
        "nodes": [node_view(row) for row in nodes(owner)],
        "registry_nonce": next_registry_nonce(owner),
        "market_nonce": next_market_nonce(owner),
        "requests": relayed(owner),
        "created_at": rfc3339(owner.created_at),
    }


def node_view(row: Node) -> dict[str, Any]:
    return {
        "agent": row.agent,
        "region": row.region,
        "class": row.resource_class,
        "rate_mflops": row.rate_mflops,
        "measured_at": seconds(row.measured_at),
        "last_seen": seconds(row.last_seen),
    }


def api_key_view(row: ApiKey) -> dict[str, Any]:
    return {
        "prefix": row.prefix,
        "name": row.name,
        "scopes": row.scopes,
        "created_at": rfc3339(row.created_at),
        "expires_at": rfc3339(row.expires_at),
        "revoked_at": rfc3339(row.revoked_at),
        "last_used_at": rfc3339(row.last_used_at),
    }
