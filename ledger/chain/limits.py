"""What the sender's keys may sign: named calls to named contracts, no value, capped gas and fees. Pure.

A key that signs only what this file names cannot be made to move what is not the exchange's, whoever writes rows into
the outbox: the rows are wishes, and this is the judge. Beside the calls, a key may spend its own nonce on nothing (an
empty transaction to itself), which fills a gap.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ledger.chain.fees import MAX_FEE_WEI
from suan.core.contract import AbiError, decode_call

OPERATOR_CALLS = frozenset({"open"})
RELAYER_MARKET_CALLS = frozenset({
    "deposit", "depositWithPermit", "requestWithdrawalSigned", "withdraw", "cancelSigned",
    "decide", "settle", "refund", "rule", "timeOut", "reveal", "reclaim",
})  # fmt: skip
RELAYER_REGISTRY_CALLS = frozenset({"setAgentSigned", "setDelegateSigned"})
RELAYER_LOG_CALLS = frozenset({"append"})
FAUCET_TOKEN_CALLS = frozenset({"faucet", "approve"})


class SigningRefused(Exception):
    """A transaction outside the limits of its key; the text names the field, its value and the limit."""


@dataclass(frozen=True)
class Limits:
    """Of one key on one chain. calls: names of functions by contract (lower case). approves: whom it may approve.

    gas_max: gas of a transaction. fee_max: wei per gas. gift_max: wei that it may send along with no call, for the
    faucet of a chain of our own; 0 forbids it.
    """

    chain_id: int
    gas_max: int
    calls: Mapping[str, frozenset[str]] = field(default_factory=dict)
    approves: str = ""
    fee_max: int = MAX_FEE_WEI
    gift_max: int = 0

    def check(self, own_address: str, fields: Mapping[str, Any]) -> None:
        """Raise SigningRefused unless this transaction (as Signer.sign_transaction takes it) is within the limits."""
        for name, limit in (
            ("gas", self.gas_max),
            ("maxFeePerGas", self.fee_max),
            ("maxPriorityFeePerGas", self.fee_max),
        ):
            if not 0 <= fields[name] <= limit:
                raise SigningRefused(f"{name} is {fields[name]}, the limit is {limit}")
        if fields["chainId"] != self.chain_id:
            raise SigningRefused(f"chainId is {fields['chainId']}, the deployment is on {self.chain_id}")
        to, value, data = str(fields.get("to") or "").lower(), fields["value"], bytes(fields["data"])
        if not to:
            raise SigningRefused("it would create a contract")
        if not data:
            self._check_empty(own_address, to, value)
            return
        if value != 0:
            raise SigningRefused(f"value is {value} wei; a call sends none")
        self._check_call(to, data)

    def _check_empty(self, own_address: str, to: str, value: int) -> None:
        to_itself = to == own_address.lower() and value == 0
        if not to_itself and (to in self.calls or not 0 < value <= self.gift_max):
            raise SigningRefused(f"it sends {value} wei to {to} with no call; the limit is {self.gift_max}")

    def _check_call(self, to: str, data: bytes) -> None:
        allowed = self.calls.get(to)
        if allowed is None:
            raise SigningRefused(f"{to} is none of the contracts that this key calls")
        try:
            name, arguments = decode_call(data)
        except AbiError as error:
            raise SigningRefused(f"the calldata is no typed call of the contracts: {error}") from None
        if name not in allowed:
            raise SigningRefused(f"{name} is none of the calls of this key: {', '.join(sorted(allowed))}")
        if name == "approve" and arguments["spender"] != self.approves:
            raise SigningRefused(f"approve of {arguments['spender']}; only {self.approves} may be approved")


def limits_of(
    *,
    chain_id: int,
    market: str,
    registry: str,
    evidence_log: str,
    token: str,
    gas_max: int,
    faucet_gas_wei: int | None,
) -> dict[str, Limits]:
    """Limits of operator and relayer. faucet_gas_wei: the gift of a faucet on a chain of our own, None without one."""
    relayer = {
        market: RELAYER_MARKET_CALLS,
        registry: RELAYER_REGISTRY_CALLS,
        evidence_log: RELAYER_LOG_CALLS,
    }
    if faucet_gas_wei is not None:
        relayer[token] = FAUCET_TOKEN_CALLS
    return {
        "operator": Limits(chain_id, gas_max, {market: OPERATOR_CALLS}),
        "relayer": Limits(chain_id, gas_max, relayer, approves=market, gift_max=faucet_gas_wei or 0),
    }
