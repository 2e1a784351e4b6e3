"""The embedded services: real servers that survive a kill and leave the machine as it was."""

import pytest
import redis
from django.conf import settings
from django.db import connection


@pytest.mark.django_db
def test_the_database_is_postgresql_18_on_a_socket_of_our_own() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('server_version_num')::int, current_setting('listen_addresses')"
        )
        version, addresses = cursor.fetchone()
    assert version >= 180_000
    assert addresses == ""


def test_valkey_answers_on_the_address_in_the_settings(valkey: str) -> None:
    assert valkey == settings.REDIS_URL
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.set("a", "1")
        assert client.get("a") == b"1"


def test_a_node_mines_only_when_asked(anvil) -> None:
    assert anvil.head() == 0
    assert anvil.mine(3) == 3
    assert settings.CHAIN_RPC_URL == anvil.url


def test_a_killed_node_comes_back_with_its_chain(anvil_factory) -> None:
    node = anvil_factory(keep_state=True)
    node.mine(2)
    hashes = {number: node.rpc("eth_getBlockByNumber", hex(number), False)["hash"] for number in range(3)}
    node.stop()
    node.start()
    node.mine(1)
    node.kill()
    node.start()
    assert node.head() >= 2
    assert node.rpc("eth_getBlockByNumber", "0x2", False)["hash"] == hashes[2]
