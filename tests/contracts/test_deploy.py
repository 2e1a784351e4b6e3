"""Deployment on a real node: made once, checked ever after."""

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.deployment import deploy as deployment
from ledger.deployment.deploy import PROFILES, DeployError, Parameters, deploy
from ledger.chain.signer import Signer
from suan.core.contract.abi import decode_result, encode_call

RICH = 10**21


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("var")


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer(tmp_path / "secrets")


def parameters(signer: Signer, **changes: Any) -> Parameters:
    values: dict[str, Any] = {
        "profile": "demo",
        **PROFILES["demo"],
        "admin": signer.address("admin"),
        "operator": signer.address("operator"),
        "relayer": signer.address("relayer"),
        "acknowledger": signer.address("acknowledger"),
        "treasury": "0x" + "71" * 20,
        "pool": "0x" + "72" * 20,
        "rerun_account": "0x" + "73" * 20,
        "members": (signer.address("verifier"), signer.address("verifier2")),
        "threshold": 1,
        "arbiters": (signer.address("arbiter"),),
        "arbiter_threshold": 1,
    }
    return Parameters(**{**values, **changes})


def run(node, signer: Signer, cache: Path, file: Path, **changes: Any) -> dict[str, Any]:
    node.rpc("anvil_setBalance", signer.address("deployer"), hex(RICH))
    return deploy(
        node.url,
        deployment_file=file,
        var=cache,
        deployer=signer.address("deployer"),
        sign_transaction=lambda fields: signer.sign_transaction("deployer", fields).raw,
        sign_as_operator=lambda digest: signer.sign_digest("operator", digest),
        parameters=parameters(signer, **changes),
        mine=True,
    )


def read(node, target: str, name: str, *arguments: Any) -> dict[str, Any]:
    data = "0x" + encode_call(name, *arguments).hex()
    return decode_result(name, node.rpc("eth_call", {"to": target, "data": data}, "latest"))


def only(node, target: str, name: str, *arguments: Any) -> Any:
    (value,) = read(node, target, name, *arguments).values()
    return value


def test_a_fresh_chain_gets_contracts_that_are_what_the_file_says(anvil, signer, cache, tmp_path) -> None:
    file = tmp_path / "deployment.json"
    made = run(anvil, signer, cache, file)
    assert json.loads(file.read_text()) == made
    assert made["block"] == 1
    market, registry = made["market"], made["registry"]
    assert only(anvil, market, "operator") == signer.address("operator")
    assert only(anvil, market, "verificationGrace") == 20
    assert only(anvil, market, "withdrawalDelay") == 30
    assert only(anvil, market, "matchWindow") == 15
    assert only(anvil, market, "bondFloorPrice") == int(made["bond_floor_price"])
    verifiers = made["verifier_set"]
    found = read(anvil, registry, "verifierSetOf", bytes.fromhex(verifiers["id"][2:]))
    assert list(found["members"]) == verifiers["members"] == sorted(verifiers["members"])
    owner, key = signer.address("operator"), signer.address("acknowledger")
    assert only(anvil, registry, "agentValidUntil", owner, key) == 2**40 - 1


def test_a_second_deployment_sends_nothing_and_returns_the_first(anvil, signer, cache, tmp_path) -> None:
    file = tmp_path / "deployment.json"
    made = run(anvil, signer, cache, file)
    height = anvil.rpc("eth_blockNumber")
    assert run(anvil, signer, cache, file, fee_bps=7) == made
    assert anvil.rpc("eth_blockNumber") == height


def test_a_chain_that_lost_its_state_is_refused_with_advice(
    anvil_factory, anvil, signer, cache, tmp_path
) -> None:
    file = tmp_path / "deployment.json"
    run(anvil, signer, cache, file)
    other = anvil_factory()
    with pytest.raises(DeployError, match="no contract at .* restore the chain's state, or remove"):
        run(other, signer, cache, file)


def test_another_chain_is_refused(anvil_factory, anvil, signer, cache, tmp_path) -> None:
    file = tmp_path / "deployment.json"
    run(anvil, signer, cache, file)
    with pytest.raises(DeployError, match="is of chain 31337, the node of chain 31338"):
        run(anvil_factory(chain_id=31338), signer, cache, file)


def test_changed_code_at_the_market_is_refused(anvil, signer, cache, tmp_path) -> None:
    file = tmp_path / "deployment.json"
    made = run(anvil, signer, cache, file)
    code = bytearray.fromhex(anvil.rpc("eth_getCode", made["market"], "latest")[2:])
    code[-1] ^= 1
    anvil.rpc("anvil_setCode", made["market"], "0x" + code.hex())
    with pytest.raises(DeployError, match="is not the Market of these sources"):
        run(anvil, signer, cache, file)


def test_a_fee_above_the_limit_stops_the_deployment_and_writes_no_file(
    anvil, signer, cache, tmp_path
) -> None:
    file = tmp_path / "deployment.json"
    with pytest.raises(DeployError, match="eth_estimateGas"):
        run(anvil, signer, cache, file, fee_bps=1_001)
    assert not file.exists()


def test_a_permission_that_the_operator_did_not_sign_stops_the_deployment(
    anvil, signer, cache, tmp_path
) -> None:
    with pytest.raises(DeployError, match="eth_estimateGas"):
        run(anvil, signer, cache, tmp_path / "d.json", operator=signer.address("admin"))


def test_a_node_that_is_not_there_is_a_named_error(signer, cache, tmp_path) -> None:
    with pytest.raises(DeployError, match="did not answer eth_chainId"):
        deploy(
            "http://127.0.0.1:9",
            deployment_file=tmp_path / "d.json",
            var=cache,
            deployer=signer.address("deployer"),
            sign_transaction=lambda fields: b"",
            sign_as_operator=lambda digest: b"",
            parameters=parameters(signer),
        )


def test_an_existing_token_is_used(anvil, signer, cache, tmp_path) -> None:
    first = run(anvil, signer, cache, tmp_path / "first.json")
    second = run(anvil, signer, cache, tmp_path / "second.json", token=first["token"])
    assert second["token"] == first["token"]
    assert second["market"] != first["market"]


def test_both_profiles_are_complete() -> None:
    windows = {"verification_grace", "withdrawal_delay", "match_window", "dispute_window", "confirmations"}
    assert {name: set(values) for name, values in PROFILES.items()} == {"demo": windows, "default": windows}
    assert deployment.PROFILES["default"]["withdrawal_delay"] == 86_400
