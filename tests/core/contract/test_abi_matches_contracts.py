"""The hand-written signatures are those of the compiled contracts, in both directions."""

import pytest

from ledger.deployment.compile import artifacts
from operations.run import layout
from suan.core.contract import abi
from suan.core.contract.records import BATCH_RECORDS_MAX
from suan.core.encoding import keccak

CONTRACTS = ("Market", "Registry", "EvidenceLog", "TestToken")
UNUSED_FUNCTIONS = {
    "ATTRIBUTE_BYTES_MAX", "hashSession",
    "DOMAIN_SEPARATOR", "FAUCET_MAX", "FEE_BPS_MAX", "FILLS_MAX", "VERIFIERS_MAX", "decimals", "eip712Domain",
    "hashBid", "hashOffer", "name", "symbol", "transferFrom",
}  # fmt: skip
"""What only people, wallets and the contracts' own tests call."""


@pytest.fixture(scope="module")
def entries():
    """{kind: {signature: [(parameter name, indexed)]}} of all three contracts, from the cached compiler output."""
    compiled = artifacts(layout.default_var())
    found = {"function": {}, "event": {}, "error": {}}
    for contract in CONTRACTS:
        for entry in compiled[contract]["abi"]:
            if entry["type"] in found:
                inputs = [(part["name"], part.get("indexed", False)) for part in entry["inputs"]]
                signature = f"{entry['name']}({','.join(canonical(part) for part in entry['inputs'])})"
                found[entry["type"]][signature] = (inputs, entry.get("outputs", []))
    return found


def canonical(part):
    if not part["type"].startswith("tuple"):
        return part["type"]
    inside = ",".join(canonical(component) for component in part["components"])
    return f"({inside}){part['type'].removeprefix('tuple')}"


@pytest.mark.parametrize("kind", ["function", "event", "error"])
def test_everything_declared_here_exists_in_the_contracts(entries, kind):
    table = {"function": abi.FUNCTIONS, "event": abi.EVENTS, "error": abi.ERRORS}[kind]
    missing = {entry.signature for entry in table.values()} - set(entries[kind])
    assert not missing


def test_every_event_of_the_contracts_is_declared_with_the_same_indexed_fields(entries):
    ours = {entry.signature: entry for entry in abi.EVENTS.values()}
    for signature, (inputs, _) in entries["event"].items():
        if signature.startswith(("EIP712DomainChanged", "Initialized")):
            continue
        assert [indexed for _, indexed in inputs] == [p.indexed for p in ours[signature].parameters]
        assert [name for name, _ in inputs] == [camel(p.name) for p in ours[signature].parameters]


def test_every_function_that_somebody_needs_is_declared_with_its_results(entries):
    ours = {entry.signature: entry for entry in abi.FUNCTIONS.values()}
    undeclared = {s.partition("(")[0] for s in entries["function"] if s not in ours}
    assert undeclared <= UNUSED_FUNCTIONS
    for signature, entry in ours.items():
        outputs = entries["function"][signature][1]
        flat = [part for out in outputs for part in (out.get("components") or [out])]
        if entry.returns or not outputs:
            assert [part["type"] for part in flat] == [parameter.abi_type for parameter in entry.returns]


def test_selectors_are_the_first_bytes_of_the_compiled_signatures(entries):
    for entry in abi.FUNCTIONS.values():
        assert entry.signature in entries["function"]
        assert entry.selector == keccak(entry.signature.encode())[:4]


def test_a_batch_is_as_large_here_as_in_the_contract():
    source = (layout.PROJECT / "contracts" / "src" / "base" / "SignedOrders.sol").read_text()
    assert f"FILLS_MAX = {BATCH_RECORDS_MAX};" in source


def camel(name):
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
