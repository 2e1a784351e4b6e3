"""Rows of docs/powers.md that the contract alone cannot show: the store of custodial keys, and the database itself."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from ledger import tasks
from ledger.chain.signer import Signer
from ledger.models import CustodialKey
from suan.core.signing.domains import market_domain
from suan.core.signing.structs import WithdrawalRequest
from tests.book.market import TOKEN, custodial
from tests.nodes import RpcError
from tests.settlement.exchange import Exchange

ALL = 100 * TOKEN


def test_a_thief_of_the_custodial_store_takes_what_it_keeps_after_the_delay_in_which_it_is_seen(
    exchange, var
):
    world, victim, thief = exchange.world, exchange.buyer.address, exchange.world.person("thief")
    wallet = world.person("wallet")
    world.deposit("wallet", ALL)
    exchange.settle_chain(final=True)
    stolen, deadline = Signer(var / "secrets"), int(time.time()) + 3_600

    def ask(account: str) -> tuple[object, ...]:
        """A withdrawal of everything, signed by the only key that the thief has."""
        ciphertext = bytes(CustodialKey.objects.get(address=victim).ciphertext)
        digest = WithdrawalRequest(account, ALL, 0, deadline).digest(
            market_domain(world.known.chain_id, world.known.market)
        )
        return account, ALL, 0, deadline, stolen.sign_digest_encrypted(ciphertext, digest)

    with pytest.raises(RpcError, match="InvalidSignature|revert"):
        world.call(world.known.market, "requestWithdrawalSigned", *ask(wallet))
    world.send("thief", world.known.market, "requestWithdrawalSigned", *ask(victim))
    exchange.settle_chain(final=True)
    (seen,) = exchange.buyer.get("/account").json()["exits"]
    assert seen["amount"] == "100" and thief != victim
    with pytest.raises(RpcError, match="WithdrawalNotReady|revert"):
        world.call(world.known.market, "withdraw", victim)
    assert world.chain_balances(victim) == (0, 0, ALL)

    world.anvil.pass_time(world.known.withdrawal_delay + 1)
    world.send("thief", world.known.market, "withdraw", victim)
    exchange.settle_chain()
    assert world.call(world.known.token, "balanceOf", victim)["value"] == ALL  # where the thief has the key
    assert world.chain_balances(wallet) == (ALL, 0, 0)
    assert world.chain_balances(exchange.provider.address) == (ALL, 0, 0)


def test_a_superuser_of_the_database_lies_to_the_pages_takes_nothing_and_is_named_by_the_next_sweep(exchange):
    thief = custodial("mallory")
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            "INSERT INTO ledger_account (address, kind, debits_posted, credits_posted, debits_pending, head)"
            " VALUES (%s, 'available', 0, %s, 0, '0x' || repeat('0', 64))",
            [thief.address, ALL],
        )
        cursor.execute("SET session_replication_role = DEFAULT")
    assert thief.get("/account").json()["balances"]["available"] == "100"

    assert thief.post("/account/withdrawals", {"amount": "100"}).status_code == 202
    give_up(exchange)
    (request,) = thief.get("/account").json()["requests"]
    assert request["status"] == "failed", request
    world = exchange.world
    assert world.chain_balances(thief.address) == (0, 0, 0)
    assert world.call(world.known.token, "balanceOf", world.known.market)["value"] == 2 * ALL

    tasks.reconcile()
    for path in ("/status", "/audit"):
        assert "✕" in Client().get(path).content.decode()
    named = Client().get("/api/v1/audit/differences").json()["results"]
    assert ("ledger_account", f"{thief.address}:available") in {(row["table"], row["row"]) for row in named}


def give_up(exchange: Exchange) -> None:
    """The sender simulates a call that reverts ever more slowly before it gives up."""
    for minute in range(12):
        for sender in exchange.senders:
            sender.step(now=timezone.now() + timedelta(minutes=minute))
        exchange.world.anvil.mine(1)
        exchange.world.follow()
