"""A whole market as `make up` starts it: all processes, one kill each, and a restart with everything still there."""

import json
from pathlib import Path

import httpx
import pytest

from operations.run import child, layout
from operations.run.market import AGENTS, answers, start_market
from tests.compiled import share
from tests.nodes import rpc

OWN_SERVICES = {"DATABASE_URL": "", "REDIS_URL": "", "CHAIN_RPC_URL": "", "PORT": ""}
pytestmark = [pytest.mark.slow, pytest.mark.chain]


def public_part(base_url: str) -> dict:
    """What a stranger learns about the deployment, without the time of the answer."""
    answer = httpx.get(base_url + "/api/v1/market", timeout=10).raise_for_status().json()
    return {key: value for key, value in answer.items() if key != "time"}


def test_a_market_survives_the_kill_of_each_process_and_a_restart(tmp_path: Path) -> None:
    var = tmp_path / "var"
    share(var)
    with start_market(
        var=var, profile="demo", without=AGENTS, environment=OWN_SERVICES, report=print
    ) as market:
        before = public_part(market.base_url)
        names = list(market.processes)
        assert names[:3] == ["postgres", "valkey", "anvil"]
        for name in names:
            assert market.wait_restarted(name, market.kill(name)), name
        assert child.wait_until(lambda: answers(market.base_url + "/api/v1/market"), seconds=30)
        assert public_part(market.base_url) == before
        assert {death.name for death in market.supervisor.deaths} >= set(names)
        base_url, rpc_url = market.base_url, market.rpc_url

    deployment = json.loads((var / "deployment.json").read_text())
    with start_market(
        var=var, profile="demo", without=AGENTS, environment=OWN_SERVICES, report=print
    ) as market:
        assert (market.base_url, market.rpc_url) == (base_url, rpc_url)
        assert public_part(market.base_url) == before
        assert len(rpc(rpc_url, "eth_getCode", deployment["market"], "latest")) > 1000
        assert {login.role for login in market.logins()} == {"provider", "buyer", "auditor"}
    assert json.loads((var / "deployment.json").read_text()) == deployment
    layout.remove(var)
