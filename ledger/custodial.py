"""Keys that the platform keeps for participants without a wallet, and signatures of its own named keys.

A platform-held key is random, encrypted with the master key of the secrets folder (Fernet: AES-128-CBC with
HMAC-SHA256) and stored in CustodialKey. It is decrypted in memory for one signature at a time.
"""

from ledger import conf
from ledger.chain.signer import NAMES, Signer
from ledger.models import CustodialKey


def create_key() -> str:
    """Make and store a key; returns its address in lower case. Runs in the caller's transaction."""
    address, ciphertext = _signer().new_encrypted_key()
    CustodialKey.objects.create(address=address, ciphertext=ciphertext)
    return address


def sign_digest(address: str, digest: bytes) -> bytes:
    """65 bytes r || s || v of a platform-held key over a 32-byte digest. Raises CustodialKey.DoesNotExist."""
    row = CustodialKey.objects.get(address=address.lower())
    return _signer().sign_digest_encrypted(bytes(row.ciphertext), digest)


def sign_with(name: str, digest: bytes) -> bytes:
    """65 bytes r || s || v of a named key (`acknowledger`, `verifier`, …) over a 32-byte digest."""
    if name not in NAMES:
        raise ValueError(f"there is no key called {name!r}; names are {', '.join(NAMES)}")
    return _signer().sign_digest(name, digest)


def address_of(name: str) -> str:
    """The address of a named key, lower case; the key is made if it does not exist."""
    if name not in NAMES:
        raise ValueError(f"there is no key called {name!r}; names are {', '.join(NAMES)}")
    return _signer().address(name)


def holds(address: str) -> bool:
    """Does the platform keep the key of this address?"""
    return CustodialKey.objects.filter(address=address.lower()).exists()


def _signer() -> Signer:
    return Signer(conf.secrets_dir())
