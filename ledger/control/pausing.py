"""The Market's own pause, set with the admin's key from the machine that has it: one transaction, watched to its end.

It does not go through the outbox: the sender has no admin key, and the pause must work while the sender does not.
"""

import time
from collections.abc import Callable
from pathlib import Path

from ledger.chain import Gateway, Limits, NodeUnavailable, first_fees, gas_limit
from ledger.chain.signer import Signer
from ledger.errors import LedgerError
from ledger.queries import Deployment
from suan.core.contract import decode_result, encode_call

GAS_MAX = 200_000
WAIT_SECONDS_MAX = 120
POLL_SECONDS = 0.25
SAY_SECONDS = 2


class PauseFailed(LedgerError):
    """The pause is not on the chain; the text says why and what to do."""


def is_paused(gateway: Gateway, known: Deployment) -> bool:
    """What the contract says now."""
    answer = gateway.call(to=known.market, data=encode_call("paused"))
    return bool(decode_result("paused", answer)["paused"])


def set_paused(
    *, paused: bool, gateway: Gateway, secrets: Path, known: Deployment, say: Callable[[str], object]
) -> str | None:
    """Pause or unpause; returns the hash of the included transaction, None if it is so already.

    Raises PauseFailed when the transaction reverts, or is in no block after WAIT_SECONDS_MAX; NodeError otherwise.
    """
    if is_paused(gateway, known) == paused:
        return None
    calldata = encode_call("setPaused", paused)
    limits = Limits(known.chain_id, GAS_MAX, {known.market: frozenset({"setPaused"})})
    keys = Signer(secrets, {"admin": limits})
    sender, header = keys.address("admin"), gateway.header("latest")
    if header is None:
        raise NodeUnavailable("the node has no latest block")
    estimate = gateway.estimate_gas(
        {"from": sender, "to": known.market, "data": "0x" + calldata.hex(), "value": "0x0"}
    )
    fees = first_fees(base_fee=header.base_fee, priority_fee=gateway.priority_fee())
    signed = keys.sign_transaction(
        "admin",
        {
            "chainId": known.chain_id,
            "nonce": gateway.nonce(sender, "latest"),
            "to": known.market,
            "value": 0,
            "data": calldata,
            "gas": gas_limit(estimate, limit=GAS_MAX),
            "maxFeePerGas": fees.max_fee_per_gas,
            "maxPriorityFeePerGas": fees.max_priority_fee_per_gas,
        },
    )
    gateway.send_raw(signed.raw)
    say(f"sent {signed.tx_hash}, waiting for a block")
    _wait(gateway, signed.tx_hash, say)
    return signed.tx_hash


def _wait(gateway: Gateway, tx_hash: str, say: Callable[[str], object]) -> None:
    said_each = round(SAY_SECONDS / POLL_SECONDS)
    for poll in range(1, round(WAIT_SECONDS_MAX / POLL_SECONDS)):
        receipt = gateway.receipt(tx_hash)
        if receipt is not None:
            if not receipt.succeeded:
                raise PauseFailed(
                    f"{tx_hash} reverted; is the admin of the deployment file still the contract's admin?"
                )
            return
        if poll % said_each == 0:
            say(f"waiting since {poll * POLL_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)
    raise PauseFailed(
        f"{tx_hash} is in no block after {WAIT_SECONDS_MAX} s; run the command again: it replaces nothing"
    )
