"""Compile the contracts for deployment, from one standard-JSON input with the settings that forge uses.

The settings are read from contracts/foundry.toml, the sources are the files of contracts/src and whatever they
import, under the names that forge gives them. The compiler is the npm package behind contracts/solc, run by
py-solc-x. Results are cached under the hash of the input, so a second start compiles nothing and a changed source
never meets an old result.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypedDict

import solcx

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
DEPLOYED = ("Market", "Registry", "EvidenceLog", "TestToken")
LIBRARIES = (
    "Belated",
    "Counts",
    "Disputes",
    "Endings",
    "Exits",
    "Rulings",
    "Sessions",
    "Signatures",
    "Verdicts",
)
"""Code of the Market that stands at addresses of its own; its own code is linked to them."""
INTERFACES = ("IMarket", "IRegistry", "IEvidenceLog")
IMPORT = re.compile(r'^\s*(?:import|\}\s*from|from)\b[^"\']*["\']([^"\']+)["\']', re.MULTILINE)
SOURCES_MAX = 200


class CompileError(Exception):
    """The compiler refused the sources; the message is the compiler's."""


class Artifact(TypedDict):
    """One contract: both codes as hex ("0x" for an interface), the places of immutables in the deployed one, and the
    places, in bytes, where each code names a library. Code that names one is no hex there before `link`.
    """

    abi: list[dict[str, Any]]
    bytecode: str
    deployed_bytecode: str
    immutable_references: dict[str, list[dict[str, int]]]
    links: dict[str, list[int]]
    deployed_links: dict[str, list[int]]


def link(code: str, places: dict[str, list[int]], addresses: dict[str, str]) -> str:
    """The code with every library's address in its places. KeyError names a library without an address."""
    for name, starts in places.items():
        address = addresses[name].lower().removeprefix("0x")
        for start in starts:
            at = 2 + 2 * start
            code = code[:at] + address + code[at + 40 :]
    return code


def artifacts(var: Path) -> dict[str, Artifact]:
    """Return the contracts, the Market's libraries and the interfaces, compiled now or read from var/contracts/.

    Raises CompileError if the sources do not compile.
    """
    text = json.dumps(standard_json(), sort_keys=True, separators=(",", ":"))
    key = hashlib.sha256((_compiler_version() + text).encode()).hexdigest()
    path = var / "contracts" / f"{key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path.parent):
        if path.exists():
            cached: dict[str, Artifact] = json.loads(path.read_bytes())
            return cached
        result = _compile(json.loads(text))
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(result))
        temporary.replace(path)
        return result


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else compiles into the folder meanwhile: half a minute of work is done once."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def standard_json() -> dict[str, Any]:
    """Return the compiler's input: sources by the name forge gives them, and the settings of foundry.toml."""
    profile = _profile()
    names = [f"src/{path.name}" for path in sorted((CONTRACTS / "src").glob("*.sol"))]
    sources: dict[str, dict[str, str]] = {}
    while names:
        name = names.pop()
        if name in sources:
            continue
        if len(sources) == SOURCES_MAX:
            raise CompileError(f"the contracts import more than {SOURCES_MAX} files")
        content = (CONTRACTS / name).read_text()
        sources[name] = {"content": content}
        names += [_resolve(target, name, profile["remappings"]) for target in IMPORT.findall(content)]
    return {
        "language": "Solidity",
        "sources": dict(sorted(sources.items())),
        "settings": {
            "remappings": profile["remappings"],
            "optimizer": {"enabled": profile["optimizer"], "runs": profile["optimizer_runs"]},
            "metadata": {
                "useLiteralContent": False,
                "bytecodeHash": profile["bytecode_hash"],
                "appendCBOR": profile["cbor_metadata"],
            },
            "evmVersion": profile["evm_version"],
            "viaIR": profile["via_ir"],
            "libraries": {},
            "outputSelection": {
                "*": {
                    "*": [
                        "abi",
                        "evm.bytecode.object",
                        "evm.deployedBytecode.object",
                        "evm.deployedBytecode.immutableReferences",
                        "evm.bytecode.linkReferences",
                        "evm.deployedBytecode.linkReferences",
                    ]
                }
            },
        },
    }


def _profile() -> dict[str, Any]:
    """What forge compiles src/*.sol with: the default profile, and over it the one named "deployed"."""
    profile: dict[str, Any] = tomllib.loads((CONTRACTS / "foundry.toml").read_text())["profile"]["default"]
    (deployed,) = (entry for entry in profile["additional_compiler_profiles"] if entry["name"] == "deployed")
    merged: dict[str, Any] = profile | deployed
    return merged


@cache
def _compiler_version() -> str:
    return str(solcx.wrapper.get_solc_version(CONTRACTS / "solc", with_commit_hash=True))


def _resolve(target: str, importer: str, remappings: list[str]) -> str:
    if target.startswith("."):
        return os.path.normpath(os.path.join(os.path.dirname(importer), target))
    for remapping in remappings:
        prefix, _, folder = remapping.partition("=")
        if target.startswith(prefix):
            return folder + target[len(prefix) :]
    return target


def _compile(source: dict[str, Any]) -> dict[str, Artifact]:
    try:
        output = solcx.compile_standard(source, solc_binary=CONTRACTS / "solc")
    except solcx.exceptions.SolcError as error:
        raise CompileError(str(error)) from error
    found: dict[str, Artifact] = {}
    for contracts in output["contracts"].values():
        for name, contract in contracts.items():
            if name in DEPLOYED + LIBRARIES + INTERFACES:
                found[name] = _artifact(contract)
    return {name: found[name] for name in DEPLOYED + LIBRARIES + INTERFACES}


def _artifact(contract: dict[str, Any]) -> Artifact:
    evm = contract["evm"]
    return {
        "abi": contract["abi"],
        "bytecode": "0x" + evm["bytecode"]["object"],
        "deployed_bytecode": "0x" + evm["deployedBytecode"]["object"],
        "immutable_references": evm["deployedBytecode"].get("immutableReferences", {}),
        "links": _links(evm["bytecode"]),
        "deployed_links": _links(evm["deployedBytecode"]),
    }


def _links(code: dict[str, Any]) -> dict[str, list[int]]:
    return {
        name: [place["start"] for place in places]
        for libraries in code.get("linkReferences", {}).values()
        for name, places in libraries.items()
    }
