"""Providers' machines: registered by their agent key with a measured rate, alive by heartbeat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from marketplace.accounts.models import Node, Participant
from marketplace.problems import NotFound, Refused
from marketplace.times import moment
from suan.core.orders import LIMITS, REGIONS, RESOURCE_CLASSES
from suan.core.signing import BadSignature, node_registration_digest, recover

MEASURED_SECONDS_MAX = 30 * 86_400
CLOCK_SKEW_SECONDS = 120


def register_node(
    *, participant: Participant, statement: Mapping[str, Any], signature: bytes, nodes_max: int, now: int
) -> tuple[Node, bool]:
    """Register or renew a node with what its benchmark measured; (node, made).

    The agent key signs the statement (suan.core.signing.messages), so nobody registers a key that is not theirs to use. A
    later measurement replaces an earlier one. Locks the participant. Raises Refused.
    """
    _check_statement(statement, now)
    try:
        signer = recover(node_registration_digest(statement), signature)
    except BadSignature as error:
        raise Refused.one(
            "signature", "bad_signature", f"{error}; the agent key signs the statement."
        ) from None
    agent = statement["agent"]
    if signer != agent:
        raise Refused.one(
            "signature", "wrong_signer", f"{signer} signed, not {agent}; sign with the agent key."
        )
    with transaction.atomic():
        Participant.objects.select_for_update().get(pk=participant.pk)
        other = Node.objects.filter(agent=agent).exclude(participant=participant).exists()
        if other:
            raise Refused.one(
                "agent", "taken", "this agent key belongs to another account; use a key of its own."
            )
        node = Node.objects.select_for_update().filter(agent=agent, resource_class=statement["class"]).first()
        if node is None and Node.objects.filter(participant=participant).count() >= nodes_max:
            raise Refused.one("agent", "too_many_nodes", f"the limit is {nodes_max} nodes of one account.")
        if node is not None and node.measured_at > moment(statement["measured_at"]):
            raise Refused.one("measured_at", "replayed", "a later measurement is known; measure again.")
        made = node is None
        node = node or Node(
            agent=agent, participant=participant, resource_class=statement["class"], created_at=moment(now)
        )
        node.region, node.rate_mflops = statement["region"], statement["rate_mflops"]
        node.benchmark = dict(statement.get("benchmark") or {})
        node.measured_at, node.last_seen = moment(statement["measured_at"]), moment(now)
        node.save()
    return node, made


def heartbeat(*, participant: Participant, agent: str, now: int) -> list[Node]:
    """Note that the machine of this agent key is alive. Raises NotFound."""
    nodes = list(Node.objects.filter(participant=participant, agent=agent))
    if not nodes:
        raise NotFound("You have no node with this agent key; register it first with POST /nodes.")
    Node.objects.filter(participant=participant, agent=agent).update(last_seen=moment(now))
    for node in nodes:
        node.last_seen = moment(now)
    return nodes


def _check_statement(statement: Mapping[str, Any], now: int) -> None:
    if statement["class"] not in RESOURCE_CLASSES:
        raise Refused.one("class", "unknown_value", f"choose one of {', '.join(RESOURCE_CLASSES)}.")
    if statement["region"] not in REGIONS:
        raise Refused.one("region", "unknown_value", f"choose one of {', '.join(REGIONS)}.")
    if not 1 <= statement["rate_mflops"] <= LIMITS.rate_mflops_max:
        raise Refused.one("rate_mflops", "out_of_range", f"must lie between 1 and {LIMITS.rate_mflops_max}.")
    if not now - MEASURED_SECONDS_MAX <= statement["measured_at"] <= now + CLOCK_SKEW_SECONDS:
        raise Refused.one(
            "measured_at",
            "out_of_range",
            f"must lie within the last {MEASURED_SECONDS_MAX} s (now {now}); measure again.",
        )
