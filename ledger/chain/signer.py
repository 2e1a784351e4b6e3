"""Private keys: made, kept and used here and nowhere else on the server.

Named keys (NAMES) are files of mode 600 in the secrets folder; the key that encrypts platform-held keys is one more.
Nothing here returns a private key, but to ledger/custodial.py in encrypted form. A signer made with limits signs
transactions of the keys that they name, within them, and nothing else.

Known limit: the keys are files that this process can read; a hardware signer would replace this module.
"""

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import rlp
from coincurve import PrivateKey
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from ledger.chain.limits import Limits, SigningRefused
from suan.core.encoding import keccak

NAMES = (
    "admin", "acknowledger", "deployer", "operator", "relayer", "verifier", "arbiter",
    "treasury", "pool", "rerun",
)  # fmt: skip
MASTER_KEY = "custodial.key"
_TYPE: Final = b"\x02"
_BEFORE_TO: Final = ("chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas", "gas")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@dataclass(frozen=True)
class SignedTransaction:
    """Raw bytes ready to broadcast and their hash (66 characters of hex)."""

    raw: bytes
    tx_hash: str


class Signer:
    """The keys of one secrets folder. A missing named key is made on first use.

    limits: by name of a key. With them, this signer is the sender's: see sign_transaction, and nothing else is signed.
    """

    def __init__(self, folder: Path, limits: Mapping[str, Limits] | None = None) -> None:
        self._folder = folder
        self._limits = limits

    def address(self, name: str) -> str:
        """The address of a named key, lower case."""
        return _address(self._key(name))

    def sign_digest(self, name: str, digest: bytes) -> bytes:
        """65 bytes r || s || v (v 27 or 28, low s) of a named key over a 32-byte digest."""
        self._only_without_limits()
        return _sign(self._key(name), digest)

    def sign_transaction(self, name: str, fields: dict[str, Any]) -> SignedTransaction:
        """Sign an EIP-1559 transaction: chainId, nonce, value, data, gas, maxFeePerGas, maxPriorityFeePerGas, and
        `to` unless it creates a contract. Its access list (EIP-2930) is empty. Raises SigningRefused outside the limits
        of the key."""
        if self._limits is not None:
            limits = self._limits.get(name)
            if limits is None:
                raise SigningRefused(f"this process does not sign for {name}")
            limits.check(self.address(name), fields)
        content = [fields[field] for field in _BEFORE_TO]
        content += [bytes.fromhex((fields.get("to") or "0x")[2:]), fields["value"], bytes(fields["data"]), []]
        signature = _sign(self._key(name), keccak(_TYPE + rlp.encode(content)))
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
        raw = _TYPE + rlp.encode([*content, signature[64] - 27, r, s])
        return SignedTransaction(raw=raw, tx_hash="0x" + keccak(raw).hex())

    def new_encrypted_key(self) -> tuple[str, bytes]:
        """A fresh key for a participant: its address and its ciphertext under the master key."""
        self._only_without_limits()
        key = _new_key()
        return _address(key), self._vault().encrypt(key)

    def sign_digest_encrypted(self, ciphertext: bytes, digest: bytes) -> bytes:
        """As sign_digest, with a key that new_encrypted_key made."""
        self._only_without_limits()
        return _sign(self._vault().decrypt(ciphertext), digest)

    def begin_master_key(self) -> None:
        """Put a fresh master key before the present one, unless a rotation was begun before."""
        self._only_without_limits()
        keys = self._master_keys()
        if len(keys) == 1:
            _replace(self._folder / MASTER_KEY, b"\n".join([Fernet.generate_key(), *keys]))

    def encrypt_again(self, ciphertext: bytes) -> bytes:
        """The same key under the first master key. Raises ValueError when none of them opens it."""
        self._only_without_limits()
        try:
            return self._vault().rotate(ciphertext)
        except InvalidToken:
            raise ValueError("no master key opens it") from None

    def end_master_key(self) -> None:
        """Forget all master keys but the first. Only after every row was encrypted again."""
        self._only_without_limits()
        _replace(self._folder / MASTER_KEY, self._master_keys()[0])

    def _only_without_limits(self) -> None:
        if self._limits is not None:
            raise SigningRefused("this process signs transactions only, no digests and for no participant")

    def _key(self, name: str) -> bytes:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a key")
        return bytes.fromhex(
            _read_or_make(self._folder, f"{name}.key", lambda: _new_key().hex().encode()).decode()
        )

    def _vault(self) -> MultiFernet:
        """Encrypts with the first master key, opens with any: two stand in the file during a rotation."""
        return MultiFernet([Fernet(key) for key in self._master_keys()])

    def _master_keys(self) -> list[bytes]:
        return _read_or_make(self._folder, MASTER_KEY, Fernet.generate_key).split()


def _new_key() -> bytes:
    while True:
        key = secrets.token_bytes(32)
        if 0 < int.from_bytes(key, "big") < _CURVE_ORDER:
            return key


def _address(key: bytes) -> str:
    public = PrivateKey(key).public_key.format(compressed=False)[1:]
    return "0x" + keccak(public)[-20:].hex()


def _sign(key: bytes, digest: bytes) -> bytes:
    if len(digest) != 32:
        raise ValueError(f"a digest has 32 bytes, not {len(digest)}")
    signature = PrivateKey(key).sign_recoverable(digest, hasher=None)
    return signature[:64] + bytes([signature[64] + 27])


def _read_or_make(folder: Path, file_name: str, make: Any) -> bytes:
    path = folder / file_name
    try:
        return _read(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        pass
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = folder / f".{file_name}.{os.getpid()}.{secrets.token_hex(4)}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)  # Fails if another process was first: its key is the key.
        except FileExistsError:
            pass
    finally:
        os.unlink(temporary)
    return _read(path, path.stat().st_mtime_ns)


def _replace(path: Path, content: bytes) -> None:
    """Put other content into a secret file at once: a reader sees the old or the new, whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


@lru_cache(maxsize=32)
def _read(path: Path, _mtime: int) -> bytes:
    if path.stat().st_mode & 0o077:
        raise PermissionError(f"{path} may be read by others; set its mode to 600")
    return path.read_bytes().strip()
