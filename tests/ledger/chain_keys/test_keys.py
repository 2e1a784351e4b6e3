"""Keys are made once, readable by nobody else, never stored in the clear, and sign as Ethereum expects."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet, InvalidToken
from django.core.management import CommandError, call_command
from django.db import connection
from eth_account import Account as EthAccount

from ledger import custodial
from ledger.chain.signer import Signer
from ledger.models import CustodialKey
from suan.core.encoding import checksum, keccak
from suan.core.signing.recover import recover

DIGEST = keccak(b"anything")


def test_a_named_key_is_a_file_of_mode_600_and_stays_the_same(var: Path):
    first = Signer(var / "secrets").address("operator")
    assert Signer(var / "secrets").address("operator") == first
    assert stat.S_IMODE((var / "secrets" / "operator.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((var / "secrets").stat().st_mode) == 0o700


def test_processes_that_start_together_agree_on_one_key(var: Path):
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: Signer(var / "secrets").address("relayer"), range(32)))) == 1


def test_a_key_that_others_may_read_is_refused(var: Path):
    keys = Signer(var / "secrets")
    keys.address("operator")
    (var / "secrets" / "operator.key").chmod(0o644)
    (var / "secrets" / "operator.key").touch()
    with pytest.raises(PermissionError, match="600"):
        keys.address("operator")


@pytest.mark.parametrize("name", ["../operator", "Operator", "", "a" * 33, "custodial.key"])
def test_a_name_that_is_no_name_is_refused(var: Path, name: str):
    with pytest.raises(ValueError, match="not the name of a key"):
        Signer(var / "secrets").sign_digest(name, DIGEST)


def test_a_signature_recovers_to_the_address_and_has_a_low_s(var: Path):
    keys = Signer(var / "secrets")
    for number in range(20):
        digest = keccak(bytes([number]))
        signature = keys.sign_digest("verifier", digest)
        assert recover(digest, signature) == keys.address("verifier")
    with pytest.raises(ValueError, match="32 bytes"):
        keys.sign_digest("verifier", b"short")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"to": None},
        {"nonce": 0, "value": 0, "data": b""},
        {"chainId": 2**40, "data": bytes(range(256)) * 200},
    ],
    ids=["call", "creation", "zeros", "large"],
)
def test_a_transaction_is_signed_byte_for_byte_as_eth_account_does(var: Path, changes: dict):
    keys = Signer(var / "secrets")
    fields = {
        "chainId": 1, "nonce": 3, "to": "0x" + "ab" * 20, "value": 1, "data": b"\x01", "gas": 50_000,
        "maxFeePerGas": 5, "maxPriorityFeePerGas": 2,
    } | changes  # fmt: skip
    signed = keys.sign_transaction("operator", fields)
    target = {"to": checksum(fields.pop("to"))} if fields["to"] else {"to": fields.pop("to")}
    secret = (var / "secrets" / "operator.key").read_text()
    theirs = EthAccount.sign_transaction({"type": 2, **fields} | (target if target["to"] else {}), secret)
    assert (signed.raw, signed.tx_hash) == (bytes(theirs.raw_transaction), "0x" + theirs.hash.hex())
    assert EthAccount.recover_transaction(signed.raw).lower() == keys.address("operator")


@pytest.mark.django_db
def test_a_platform_held_key_signs_and_is_stored_encrypted(var: Path):
    address = custodial.create_key()
    assert recover(DIGEST, custodial.sign_digest(address, DIGEST)) == address
    assert recover(DIGEST, custodial.sign_digest("0x" + address[2:].upper(), DIGEST)) == address
    row = CustodialKey.objects.get()
    assert bytes(row.ciphertext).startswith(b"gAAAA") and custodial.holds(address)
    with pytest.raises(CustodialKey.DoesNotExist):
        custodial.sign_digest("0x" + "00" * 20, DIGEST)


@pytest.mark.django_db
def test_a_platform_held_key_is_useless_without_the_master_key(var: Path):
    address = custodial.create_key()
    (var / "secrets" / "custodial.key").unlink()
    with pytest.raises(Exception, match=r"^$"):  # cryptography's InvalidToken says nothing, on purpose.
        custodial.sign_digest(address, DIGEST)
    connection.close_if_unusable_or_obsolete()


def test_named_signatures_are_for_named_keys_only(var: Path):
    assert recover(DIGEST, custodial.sign_with("acknowledger", DIGEST)) == custodial.address_of(
        "acknowledger"
    )
    with pytest.raises(ValueError, match="no key called"):
        custodial.sign_with("custodial", DIGEST)


@pytest.mark.django_db
def test_after_a_rotation_every_platform_held_key_signs_and_the_old_master_key_opens_nothing(var: Path):
    addresses = [custodial.create_key() for _ in range(3)]
    old = (var / "secrets" / "custodial.key").read_bytes()
    call_command("rotate_master_key")
    for address in addresses:
        assert recover(DIGEST, custodial.sign_digest(address, DIGEST)) == address
    new = (var / "secrets" / "custodial.key").read_bytes()
    assert new != old and len(new.split()) == 1
    assert stat.S_IMODE((var / "secrets" / "custodial.key").stat().st_mode) == 0o600
    for row in CustodialKey.objects.all():
        with pytest.raises(InvalidToken):
            Fernet(old).decrypt(bytes(row.ciphertext))


@pytest.mark.django_db
def test_an_interrupted_rotation_loses_no_key_and_the_next_one_finishes_it(var: Path):
    address, lost = custodial.create_key(), custodial.create_key()
    row = CustodialKey.objects.get(address=lost)
    kept = bytes(row.ciphertext)
    CustodialKey.objects.filter(pk=row.pk).update(ciphertext=Fernet(Fernet.generate_key()).encrypt(b"x" * 32))
    with pytest.raises(CommandError, match=f"no master key opens the key of {lost}"):
        call_command("rotate_master_key")
    assert len((var / "secrets" / "custodial.key").read_bytes().split()) == 2, "both are kept"
    CustodialKey.objects.filter(pk=row.pk).update(ciphertext=kept)
    for one in (address, lost, custodial.create_key()):
        assert recover(DIGEST, custodial.sign_digest(one, DIGEST)) == one
    call_command("rotate_master_key")
    assert len((var / "secrets" / "custodial.key").read_bytes().split()) == 1
    for one in (address, lost):
        assert recover(DIGEST, custodial.sign_digest(one, DIGEST)) == one
