"""EIP-712 domains: a signature binds to one contract on one chain."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from suan.core.encoding import checksum, keccak, normalise_address

_DOMAIN_TYPE: Final = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"


@dataclass(frozen=True)
class Domain:
    """An EIP-712 domain: it binds a signature to one contract on one chain."""

    name: str
    version: str
    chain_id: int
    verifying_contract: str

    def separator(self) -> bytes:
        """The domain separator of EIP-712 (32 bytes)."""
        return _separator(self.name, self.version, self.chain_id, normalise_address(self.verifying_contract))

    def to_json(self) -> dict[str, Any]:
        """The `domain` object of eth_signTypedData_v4."""
        return {
            "name": self.name,
            "version": self.version,
            "chainId": self.chain_id,
            "verifyingContract": checksum(self.verifying_contract),
        }


def market_domain(chain_id: int, market: str) -> Domain:
    return Domain("Suan", "1", chain_id, normalise_address(market))


def registry_domain(chain_id: int, registry: str) -> Domain:
    return Domain("Suan Registry", "1", chain_id, normalise_address(registry))


def token_domain(chain_id: int, token: str, *, name: str = "Suan Test Token") -> Domain:
    """The domain of an ERC-2612 token whose permits are of version "1"."""
    return Domain(name, "1", chain_id, normalise_address(token))


def typed_digest(domain: Domain, struct_hash: bytes) -> bytes:
    """What is signed under EIP-712: keccak256(0x1901 || separator || struct hash)."""
    return keccak(b"\x19\x01" + domain.separator() + struct_hash)


@lru_cache(maxsize=64)
def _separator(name: str, version: str, chain_id: int, verifying_contract: str) -> bytes:
    return keccak(
        keccak(_DOMAIN_TYPE)
        + keccak(name.encode("utf-8"))
        + keccak(version.encode("utf-8"))
        + chain_id.to_bytes(32, "big")
        + bytes(12)
        + bytes.fromhex(verifying_contract[2:])
    )
