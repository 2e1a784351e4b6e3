"""Keys that the platform keeps for participants without a wallet, and signatures of its own named keys.

A platform-held key is random, encrypted with the master key of the secrets folder (Fernet: AES-128-CBC with
HMAC-SHA256) and stored in CustodialKey. It is decrypted in memory for one signature at a time. Rotation puts a new
master key before the old one, encrypts every row under it, and drops the old one when no row needs it: at each moment
every row opens with one of the keys in the file, so it may be interrupted and repeated while the market runs.
"""

from collections.abc import Callable

from django.db import connection, transaction

from ledger import conf
from ledger.chain.signer import NAMES, Signer
from ledger.errors import LedgerError
from ledger.models import CustodialKey

ROWS_PER_LINE = 1_000


def create_key() -> str:
    """Make and store a key; returns its address in lower case. Runs in the caller's transaction."""
    with transaction.atomic():
        _lock("ROW EXCLUSIVE")
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


class UnreadableKey(LedgerError):
    """A platform-held key that no master key in the file opens; nothing was thrown away."""

    def __init__(self, *, address: str) -> None:
        super().__init__(
            f"no master key opens the key of {address}: put the right custodial.key back, then repeat"
        )


def rotate_master_key(*, say: Callable[[str], object]) -> int:
    """Bring every platform-held key under a fresh master key; returns how many. Raises UnreadableKey, and keeps both."""
    signer = _signer()
    signer.begin_master_key()
    with transaction.atomic():
        _lock("SHARE ROW EXCLUSIVE")
        rows = list(CustodialKey.objects.order_by("id"))
        for count, row in enumerate(rows, start=1):
            try:
                row.ciphertext = signer.encrypt_again(bytes(row.ciphertext))
            except ValueError:
                raise UnreadableKey(address=row.address) from None
            row.save(update_fields=["ciphertext"])
            if count % ROWS_PER_LINE == 0:
                say(f"{count} of {len(rows)} keys")
    signer.end_master_key()
    return len(rows)


def _lock(mode: str) -> None:
    """Makers of keys and a rotation wait for each other; who signs waits for nobody."""
    with connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE ledger_custodialkey IN {mode} MODE")


def _signer() -> Signer:
    return Signer(conf.secrets_dir())
