"""Put the contracts on a chain once, and write down where they are.

`deploy` sends sixteen transactions (token, registry, evidence log, two key sets, nine libraries, market, acknowledger's
key), asserts what they must have brought about, and writes the deployment file of docs/protocol.md, section 4. With the
file in place it sends nothing: it checks that the chain still runs exactly this code at these addresses and returns the
file's content. It holds no key; the caller signs.

Known limit: a crash before the file is written leaves contracts behind that nobody uses; the next call makes new ones.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from eth_abi.abi import encode

from ledger.deployment.compile import LIBRARIES, Artifact, artifacts, link
from suan.core.contract import KeySet, decode_result, encode_call
from suan.core.encoding import checksum, normalise_address
from suan.core.signing import SetAgent, registry_domain

RPC_TIMEOUT_SECONDS = 10
RECEIPT_POLL_SECONDS = 0.1
RECEIPT_TIMEOUT_SECONDS = 120
PERMISSION_SECONDS = 3_600
FOREVER = 2**40 - 1
ROLES = (("market", "Market"), ("registry", "Registry"), ("evidence_log", "EvidenceLog"))
DAY = 86_400
# The members of IMarketTypes.Parameters, in its order.
CONSTRUCTOR_TYPES = (
    "(address,address,address,address,address,address,address,address,"
    "uint16,uint16,uint96,uint40,uint40,uint40,uint40,uint96,bytes32)"
)

SignTransaction = Callable[[dict[str, Any]], bytes]
"""Takes chainId, nonce, to (absent for a creation), value, data, gas, maxFeePerGas and maxPriorityFeePerGas;
returns the raw bytes."""
SignDigest = Callable[[bytes], bytes]
"""Takes a 32-byte digest, returns 65 bytes r || s || v."""


class DeployError(Exception):
    """The chain is not in the state that the deployment needs; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """What a market is deployed with. Addresses in any case; prices in base units; windows in seconds.

    `members` and `threshold` are the verifier set, which pays out at most `payout_cap` base units in a dispute window;
    `token` None deploys the test token.
    """

    profile: str
    admin: str
    operator: str
    relayer: str
    acknowledger: str
    treasury: str
    pool: str
    rerun_account: str
    members: tuple[str, ...]
    threshold: int
    arbiters: tuple[str, ...]
    arbiter_threshold: int
    verification_grace: int
    withdrawal_delay: int
    match_window: int
    dispute_window: int
    confirmations: int
    fee_bps: int = 100
    bond_bps: int = 2_500
    bond_floor_price: int = 10**16
    dispute_bond: int = 10**18
    payout_cap: int = 10**24
    token: str | None = None


PROFILES: dict[str, dict[str, int]] = {
    "demo": {
        "verification_grace": 20,
        "withdrawal_delay": 30,
        "match_window": 15,
        "dispute_window": 3,
        "confirmations": 12,
    },
    "default": {
        "verification_grace": DAY,
        "withdrawal_delay": DAY,
        "match_window": 30,
        "dispute_window": DAY,
        "confirmations": 12,
    },
}
"""Windows of the named profiles, for `Parameters(profile=name, **PROFILES[name], …)`."""


def deploy(
    rpc_url: str,
    *,
    deployment_file: Path,
    var: Path,
    deployer: str,
    sign_transaction: SignTransaction,
    sign_as_operator: SignDigest,
    parameters: Parameters,
    mine: bool = False,
) -> dict[str, Any]:
    """Return the deployment, made now or before; see the module.

    `var` holds the compiler's cache. `deployer` pays the gas and has no power afterwards. `sign_as_operator` signs
    the operator's permission for the acknowledger's key. `mine` asks a local node for a block after each transaction.
    Raises DeployError when the chain is unreachable, a transaction fails, or the chain lacks what the file names.
    """
    compiled = artifacts(var)
    with httpx.Client(timeout=RPC_TIMEOUT_SECONDS) as http:
        chain = _Chain(http, rpc_url, normalise_address(deployer), sign_transaction, mine)
        if deployment_file.exists():
            found: dict[str, Any] = json.loads(deployment_file.read_text())
            _check_existing(chain, found, compiled, deployment_file)
            return found
        made = _deploy_all(chain, compiled, parameters, sign_as_operator)
        _check_code(chain, made, compiled)
        _check_state(chain, made, parameters)
    _write(deployment_file, made)
    return made


def _deploy_all(
    chain: _Chain, compiled: dict[str, Artifact], p: Parameters, sign_as_operator: SignDigest
) -> dict[str, Any]:
    first_block = chain.number("eth_blockNumber") + 1
    token = normalise_address(p.token) if p.token else chain.create(compiled["TestToken"]["bytecode"])
    registry = chain.create(compiled["Registry"]["bytecode"])
    evidence_log = chain.create(compiled["EvidenceLog"]["bytecode"])
    verifiers = KeySet(tuple(sorted(map(normalise_address, p.members))), p.threshold, p.payout_cap)
    arbiters = KeySet(tuple(sorted(map(normalise_address, p.arbiters))), p.arbiter_threshold, 0)
    for key_set in (verifiers, arbiters):
        chain.send(
            registry,
            encode_call("registerVerifierSet", key_set.members, key_set.threshold, key_set.payout_cap),
        )
    libraries = {name: chain.create(compiled[name]["bytecode"]) for name in LIBRARIES}
    addresses = (token, registry, p.admin, p.operator, p.treasury, p.pool, p.rerun_account, p.acknowledger)
    rules = (p.fee_bps, p.bond_bps, p.bond_floor_price)
    windows = (p.verification_grace, p.withdrawal_delay, p.match_window, p.dispute_window)
    disputes = (p.dispute_bond, arbiters.id())
    arguments = encode(
        [CONSTRUCTOR_TYPES], [(*map(normalise_address, addresses), *rules, *windows, *disputes)]
    )
    code = link(compiled["Market"]["bytecode"], compiled["Market"]["links"], libraries)
    market = chain.create(code + arguments.hex())
    chain.send(registry, _permission(chain, registry, p, sign_as_operator))
    return {
        "chain_id": chain.chain_id,
        "block": first_block,
        "market": market,
        "registry": registry,
        "evidence_log": evidence_log,
        "token": token,
        "operator": normalise_address(p.operator),
        "relayer": normalise_address(p.relayer),
        "verifier_set": _set_json(verifiers),
        "arbiter_set": _set_json(arbiters),
        "libraries": libraries,
        "treasury": normalise_address(p.treasury),
        "pool": normalise_address(p.pool),
        "rerun_account": normalise_address(p.rerun_account),
        "admin": normalise_address(p.admin),
        "acknowledger": normalise_address(p.acknowledger),
        "fee_bps": p.fee_bps,
        "bond_bps": p.bond_bps,
        "bond_floor_price": str(p.bond_floor_price),
        "verification_grace": p.verification_grace,
        "withdrawal_delay": p.withdrawal_delay,
        "match_window": p.match_window,
        "dispute_window": p.dispute_window,
        "dispute_bond": str(p.dispute_bond),
        "confirmations": p.confirmations,
        "profile": p.profile,
    }


def _set_json(key_set: KeySet) -> dict[str, Any]:
    return {
        "id": "0x" + key_set.id().hex(),
        "members": list(key_set.members),
        "threshold": key_set.threshold,
        "payout_cap": str(key_set.payout_cap),
    }


def _permission(chain: _Chain, registry: str, p: Parameters, sign_as_operator: SignDigest) -> bytes:
    """Calldata by which the operator names the acknowledger its agent, without a transaction of the operator's own."""
    permission = SetAgent(
        owner=normalise_address(p.operator),
        key=normalise_address(p.acknowledger),
        valid_until=FOREVER,
        nonce=chain.read(registry, "nonces", p.operator)["nonce"],
        deadline=chain.time() + PERMISSION_SECONDS,
    )
    signature = sign_as_operator(permission.digest(registry_domain(chain.chain_id, registry)))
    return encode_call(
        "setAgentSigned",
        permission.owner,
        permission.key,
        permission.valid_until,
        permission.nonce,
        permission.deadline,
        signature,
    )


# --- what must be true ---------------------------------------------------------------------------------------


def _check_existing(chain: _Chain, found: dict[str, Any], compiled: dict[str, Artifact], path: Path) -> None:
    advice = f"restore the chain's state, or remove {path} to deploy anew (make reset removes everything)"
    if found["chain_id"] != chain.chain_id:
        raise DeployError(
            f"{path.name} is of chain {found['chain_id']}, the node of chain {chain.chain_id}: {advice}"
        )
    try:
        _check_code(chain, found, compiled)
    except DeployError as error:
        raise DeployError(f"{error}: {advice}") from error


def _check_code(chain: _Chain, deployment: dict[str, Any], compiled: dict[str, Artifact]) -> None:
    libraries = deployment["libraries"]
    places = {name: (address, name) for name, address in libraries.items()}
    places |= {role: (deployment[role], name) for role, name in ROLES}
    for role, (address, name) in places.items():
        code = chain.code(address)
        if not code:
            raise DeployError(f"there is no contract at {address} ({role})")
        if _comparable(code, address, name, compiled[name]) != _expected(compiled[name], name, libraries):
            raise DeployError(f"the contract at {address} ({role}) is not the {name} of these sources")
    if not chain.code(deployment["token"]):
        raise DeployError(f"there is no contract at {deployment['token']} (token)")


def _expected(artifact: Artifact, name: str, libraries: dict[str, str]) -> bytes:
    code = link(artifact["deployed_bytecode"], artifact["deployed_links"], libraries)
    return bytes.fromhex(code[2:])


def _comparable(code: bytes, address: str, name: str, artifact: Artifact) -> bytes:
    """The compiler leaves zeros where the constructor writes immutables, and where a library keeps its own address."""
    blank = bytearray(code)
    for places in artifact["immutable_references"].values():
        for place in places:
            blank[place["start"] : place["start"] + place["length"]] = bytes(place["length"])
    if name in LIBRARIES and blank[1:21] == bytes.fromhex(address[2:]):
        blank[1:21] = bytes(20)
    return bytes(blank)


def _check_state(chain: _Chain, made: dict[str, Any], p: Parameters) -> None:
    expected = {
        "token": made["token"],
        "registry": made["registry"],
        "admin": made["admin"],
        "operator": made["operator"],
        "treasury": made["treasury"],
        "pool": made["pool"],
        "rerunAccount": made["rerun_account"],
        "acknowledger": made["acknowledger"],
        "feeBps": p.fee_bps,
        "bondBps": p.bond_bps,
        "bondFloorPrice": p.bond_floor_price,
        "verificationGrace": p.verification_grace,
        "withdrawalDelay": p.withdrawal_delay,
        "matchWindow": p.match_window,
        "disputeWindow": p.dispute_window,
        "disputeBond": p.dispute_bond,
        "arbiterSet": made["arbiter_set"]["id"],
        "paused": False,
        "custody": 0,
    }
    for name, value in expected.items():
        _expect(name, chain.only(made["market"], name), value)
    for name in ("verifier_set", "arbiter_set"):
        found = chain.read(made["registry"], "verifierSetOf", bytes.fromhex(made[name]["id"][2:]))
        _expect(f"members of the {name}", list(found["members"]), made[name]["members"])
        _expect(f"threshold of the {name}", found["threshold"], made[name]["threshold"])
        _expect(f"cap of the {name}", str(found["payout_cap"]), made[name]["payout_cap"])
    until = chain.only(made["registry"], "agentValidUntil", p.operator, p.acknowledger)
    _expect("agent of the operator", until, FOREVER)


def _expect(name: str, found: Any, expected: Any) -> None:
    if found != expected:
        raise DeployError(f"after deployment {name} is {found!r} where {expected!r} was asked for")


def _write(path: Path, deployment: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w") as file:
        file.write(json.dumps(deployment, indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


# --- the node ------------------------------------------------------------------------------------------------


class _Chain:
    """Plain JSON-RPC with one sending account; each transaction waits for the receipt of the one before."""

    def __init__(
        self, http: httpx.Client, url: str, sender: str, sign_transaction: SignTransaction, mine: bool
    ) -> None:
        self._http = http
        self._url = url
        self._sender = sender
        self._sign = sign_transaction
        self._mine = mine
        self.chain_id = self.number("eth_chainId")

    def rpc(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        try:
            answer = self._http.post(self._url, json=body).raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            raise DeployError(f"the node at CHAIN_RPC_URL did not answer {method}: {error}") from error
        if "error" in answer:
            raise DeployError(f"the node refused {method}: {answer['error'].get('message')}")
        return answer["result"]

    def number(self, method: str, *params: Any) -> int:
        return int(self.rpc(method, *params), 16)

    def time(self) -> int:
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def code(self, address: str) -> bytes:
        return bytes.fromhex(self.rpc("eth_getCode", address, "latest")[2:])

    def read(self, target: str, name: str, *arguments: Any) -> dict[str, Any]:
        data = "0x" + encode_call(name, *arguments).hex()
        return decode_result(name, self.rpc("eth_call", {"to": target, "data": data}, "latest"))

    def only(self, target: str, name: str, *arguments: Any) -> Any:
        """The one value that a function returns."""
        (value,) = self.read(target, name, *arguments).values()
        return value

    def create(self, code: str) -> str:
        return normalise_address(self._transact({"data": code})["contractAddress"])

    def send(self, target: str, calldata: bytes) -> None:
        self._transact({"to": checksum(target), "data": "0x" + calldata.hex()})

    def _transact(self, fields: dict[str, Any]) -> dict[str, Any]:
        gas = self.number("eth_estimateGas", {"from": self._sender, **fields})
        base_fee = int(self.rpc("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)
        tip = self.number("eth_maxPriorityFeePerGas")
        raw = self._sign(
            {
                "chainId": self.chain_id,
                "nonce": self.number("eth_getTransactionCount", self._sender, "pending"),
                "value": 0,
                "gas": gas * 5 // 4,
                "maxFeePerGas": 2 * base_fee + tip,
                "maxPriorityFeePerGas": tip,
                **fields,
                "data": bytes.fromhex(fields["data"][2:]),
            }
        )
        return self._wait(self.rpc("eth_sendRawTransaction", "0x" + raw.hex()))

    def _wait(self, tx_hash: str) -> dict[str, Any]:
        deadline = time.monotonic() + RECEIPT_TIMEOUT_SECONDS
        if self._mine:
            self.rpc("evm_mine")
        while time.monotonic() < deadline:
            receipt: dict[str, Any] | None = self.rpc("eth_getTransactionReceipt", tx_hash)
            if receipt is not None:
                if int(receipt["status"], 16) != 1:
                    raise DeployError(f"the deployment's transaction {tx_hash} failed")
                return receipt
            time.sleep(RECEIPT_POLL_SECONDS)
        raise DeployError(f"the transaction {tx_hash} was not mined within {RECEIPT_TIMEOUT_SECONDS} seconds")
