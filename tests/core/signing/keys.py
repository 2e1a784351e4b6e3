"""Keys and signatures for the tests of pure rules, made with libsecp256k1 alone."""

from coincurve import PrivateKey

from suan.core.encoding import keccak
from suan.core.signing.recover import address_of


class Key:
    """A key that is the same in every run: its secret is the hash of a label."""

    def __init__(self, label: str) -> None:
        self._key = PrivateKey(keccak(label.encode()))
        self.secret = self._key.secret
        self.address = address_of(self._key.public_key.format(compressed=False))

    def sign(self, digest: bytes) -> bytes:
        signature = self._key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes([27 + signature[64]])
