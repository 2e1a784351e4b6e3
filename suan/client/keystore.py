"""The only client file that touches a secret key.

A key is a file of mode 600 in the keystore folder (`SUAN_HOME`, by default `.suan` in the home folder). With a password it is
an encrypted Web3 Secret Storage file (version 3, scrypt), without one it holds the bare secret: fit for a test network or an
agent key with nothing to lose, and said so when it is made.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coincurve import PrivateKey

from suan.client.errors import UsageError
from suan.core.encoding import checksum
from suan.core.signing import address_of

KEY_NAME_LENGTH_MAX = 64


@dataclass(frozen=True)
class LocalKey:
    """A secp256k1 secret in memory. Its repr shows the address only."""

    _secret: bytes = field(repr=False)

    @property
    def address(self) -> str:
        """Lower-case 0x address of the key."""
        return address_of(PrivateKey(self._secret).public_key.format(compressed=False))

    def sign_digest(self, digest: bytes) -> bytes:
        """Sign a 32-byte EIP-712 or EIP-191 digest: 65 bytes r || s || v with v in {27, 28} and low s."""
        if len(digest) != 32:
            raise ValueError(f"a digest has 32 bytes, not {len(digest)}")
        signature = PrivateKey(self._secret).sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes([signature[64] + 27])

    @classmethod
    def from_hex(cls, text: str) -> LocalKey:
        """Read a secret written as 64 hex digits, with or without 0x."""
        try:
            secret = bytes.fromhex(text.strip().removeprefix("0x"))
        except ValueError as error:
            raise UsageError("a secret key is 64 hexadecimal digits") from error
        if len(secret) != 32 or not any(secret):
            raise UsageError("a secret key is 64 hexadecimal digits, not all zero")
        return cls(secret)


def home() -> Path:
    """Folder of keys and diaries: SUAN_HOME, or .suan in the user's home."""
    return Path(os.environ.get("SUAN_HOME") or Path.home() / ".suan")


def create(path: Path, password: str | None = None) -> LocalKey:
    """Make a new key and write it to `path` (mode 600); refuses to overwrite."""
    secret = PrivateKey().secret
    address = checksum(LocalKey(secret).address)
    document = _encrypted(secret, password) if password else {"address": address, "secret": secret.hex()}
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise UsageError(f"{path} exists already; choose another name or use that key") from error
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(document, file)
        file.flush()
        os.fsync(file.fileno())
    return LocalKey(secret)


def load(path: Path, password: str | None = None) -> LocalKey:
    """Read a key file, encrypted or bare. Raises UsageError with the reason and the next step."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"no key at {path}; make one with: suan keys new {path.stem}") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is not a readable key file: {error}") from error
    if mode & 0o077:
        raise UsageError(f"{path} is open to other users (mode {mode:o}); close it with: chmod 600 {path}")
    if not isinstance(document, dict):
        raise UsageError(f"{path} is not a key file")
    if "secret" in document:
        return LocalKey.from_hex(str(document["secret"]))
    if password is None:
        raise UsageError(f"{path} is encrypted; set SUAN_PASSWORD")
    try:
        return LocalKey(_decrypted(document, password))
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"the password does not open {path}, or the file is damaged") from error


def _encrypted(secret: bytes, password: str) -> dict[str, Any]:
    from eth_account import Account  # Slow to load, so only where a password is.

    return dict(Account.encrypt(secret, password))


def _decrypted(document: dict[str, Any], password: str) -> bytes:
    from eth_account import Account

    return bytes(Account.decrypt(document, password))


def path_of(name: str) -> Path:
    """Path of the key `name` in the keystore, or the path itself when it names a file."""
    if "/" in name or name.endswith(".json"):
        return Path(name)
    if not name or len(name) > KEY_NAME_LENGTH_MAX or not name.replace("-", "").replace("_", "").isalnum():
        raise UsageError("a key name has letters, digits, - and _, at most 64 of them")
    return home() / "keys" / f"{name}.json"
