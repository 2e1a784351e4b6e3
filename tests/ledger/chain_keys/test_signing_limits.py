"""The sender's keys sign typed calls of the market within limits; whatever else stands in the outbox fails unsigned."""

from typing import Any

import pytest
from django.utils import timezone

from ledger import queries
from ledger.chain.limits import SigningRefused, limits_of
from ledger.chain.signer import Signer
from ledger.control import node
from ledger.models import Attempt, OutgoingTx
from ledger.outbox.plan import plan
from suan.core.contract.abi import encode_call
from suan.core.encoding import keccak
from tests.ledger.chain import World

MARKET, REGISTRY, TOKEN, THIEF, LOG = ("0x" + digit * 40 for digit in "12346")
GIFT = 10**18
LIMITS = limits_of(
    chain_id=31337,
    market=MARKET,
    registry=REGISTRY,
    evidence_log=LOG,
    token=TOKEN,
    gas_max=10_000_000,
    faucet_gas_wei=GIFT,
)
OWN = "0x" + "5" * 40
WITHDRAW = encode_call("withdraw", THIEF)


def fields(**changes: Any) -> dict[str, Any]:
    """A transaction that the relayer may sign, with changes."""
    honest = {
        "chainId": 31337, "nonce": 0, "to": MARKET, "value": 0, "data": WITHDRAW, "gas": 100_000,
        "maxFeePerGas": 10**9, "maxPriorityFeePerGas": 10**9,
    }  # fmt: skip
    return honest | changes


ALLOWED = [
    ("relayer", fields()),
    ("relayer", fields(to=MARKET.upper().replace("0X", "0x"))),
    ("relayer", fields(to=TOKEN, data=encode_call("approve", MARKET, 2**256 - 1))),
    ("relayer", fields(to=THIEF, data=b"", value=GIFT)),
    ("relayer", fields(to=OWN, data=b"")),
    ("relayer", fields(to=LOG, data=encode_call("append", b"terms".ljust(32, b"\0"), b"\1" * 32, 1))),
    ("operator", fields(to=OWN, data=b"")),
]
REFUSED = [
    ("relayer", fields(to=TOKEN, data=encode_call("transfer", THIEF, 1)), "transfer is none of the calls"),
    ("relayer", fields(to=TOKEN, data=encode_call("approve", THIEF, 1)), "only 0x1111"),
    ("relayer", fields(data=encode_call("setOperator", THIEF)), "setOperator is none"),
    ("relayer", fields(data=encode_call("setPaused", True)), "setPaused is none"),
    ("relayer", fields(data=encode_call("requestWithdrawal", 5)), "requestWithdrawal is none"),
    ("relayer", fields(to=THIEF), "none of the contracts"),
    ("relayer", fields(to=REGISTRY, data=encode_call("setAgent", THIEF, 5)), "setAgent is none"),
    ("relayer", fields(data=b"\xde\xad\xbe\xef"), "no typed call"),
    ("relayer", fields(data=WITHDRAW[:-1]), "no typed call"),
    ("relayer", fields(value=1), "value is 1 wei"),
    ("relayer", fields(to=THIEF, data=b"", value=GIFT + 1), "the limit is"),
    ("relayer", fields(to=THIEF, data=b""), "sends 0 wei"),
    ("relayer", fields(to=MARKET, data=b"", value=1), "with no call"),
    ("relayer", fields(to=None, data=b"\x60"), "create a contract"),
    ("relayer", fields(chainId=1), "chainId is 1"),
    ("relayer", fields(gas=10_000_001), "gas is 10000001"),
    ("relayer", fields(maxFeePerGas=2_001 * 10**9), "maxFeePerGas"),
    ("relayer", fields(maxPriorityFeePerGas=2_001 * 10**9), "maxPriorityFeePerGas"),
    ("operator", fields(), "withdraw is none"),
    ("operator", fields(to=THIEF, data=b"", value=1), "the limit is 0"),
    ("operator", fields(to=TOKEN, data=encode_call("faucet", THIEF, 1)), "none of the contracts"),
]


@pytest.mark.parametrize(("key", "transaction"), ALLOWED)
def test_what_the_market_needs_is_within_the_limits(key: str, transaction: dict[str, Any]):
    LIMITS[key].check(OWN, transaction)


@pytest.mark.parametrize(("key", "transaction", "reason"), REFUSED)
def test_everything_else_is_refused_with_the_limit_in_words(
    key: str, transaction: dict[str, Any], reason: str
):
    with pytest.raises(SigningRefused, match=reason):
        LIMITS[key].check(OWN, transaction)


def test_without_a_faucet_no_key_sends_value_or_calls_the_token():
    strict = limits_of(
        chain_id=1,
        market=MARKET,
        registry=REGISTRY,
        evidence_log=LOG,
        token=TOKEN,
        gas_max=1,
        faucet_gas_wei=None,
    )
    assert {key: limits.gift_max for key, limits in strict.items()} == {"operator": 0, "relayer": 0}
    assert all(TOKEN not in limits.calls for limits in strict.values())


def test_a_signer_with_limits_signs_transactions_of_its_own_keys_and_no_digest(var):
    keys = Signer(var / "secrets", LIMITS)
    assert keys.sign_transaction("relayer", fields()).tx_hash.startswith("0x")
    _, ciphertext = Signer(var / "secrets").new_encrypted_key()
    for attempt in (
        lambda: keys.sign_transaction("admin", fields()),
        lambda: keys.sign_transaction("verifier", fields()),
        lambda: keys.sign_transaction("operator", fields()),
        lambda: keys.sign_digest("verifier", keccak(b"x")),
        lambda: keys.sign_digest_encrypted(ciphertext, keccak(b"x")),
        lambda: keys.new_encrypted_key(),
    ):
        with pytest.raises(SigningRefused):
            attempt()


@pytest.mark.chain
def test_a_row_that_the_signer_refuses_fails_with_the_reason_and_holds_up_nobody(world: World):
    world.follow()
    known, thief = world.known, world.person("thief")
    world.send("thief", known.token, "faucet", known.relayer, 500)
    world.anvil.mine()
    bad = {
        "steal": (known.token, encode_call("transfer", thief, 500), 0),
        "approve": (known.token, encode_call("approve", thief, 500), 0),
        "elsewhere": (thief, b"\x01\x02\x03\x04", 0),
        "gift": (thief, b"", 2 * GIFT),
    }
    world.anvil.rpc("anvil_setBalance", known.relayer, hex(10**20))
    for key, (to, data, value) in bad.items():
        plan(key=key, signer="relayer", to=to, calldata=data, value=value)
    plan(key="good", signer="relayer", to=known.token, calldata=encode_call("faucet", thief, 7))
    for sender in node.senders():
        sender.step(now=timezone.now())
    world.anvil.mine()
    for key in bad:
        row = queries.outgoing(key)
        assert row.status == "failed" and row.error.startswith("the signer refuses: "), (key, row.error)
        assert row.nonce is None
    assert queries.outgoing("good").status == "sent"
    assert Attempt.objects.count() == 1 and OutgoingTx.objects.filter(nonce__isnull=False).count() == 1
    assert world.call(known.token, "balanceOf", thief)["value"] == 7
