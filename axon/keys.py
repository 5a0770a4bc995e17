"""Node keys: Ed25519 identities that sign receipts, announces and bindings (RFC 8032).

A secret key lives in one file, 32 raw bytes as hexadecimal, readable by its
owner alone. BLS keys of trackers are in `bls.py`.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from axon.errors import ConfigError
from axon.ids import NodeKey

__all__ = ["SIGNATURE_SIZE", "NodeSecret", "verify"]

SIGNATURE_SIZE = 64  # bytes
_SEED_SIZE = 32


class NodeSecret:
    """An Ed25519 secret key and its public half."""

    __slots__ = ("_key", "public")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != _SEED_SIZE:
            raise ConfigError(f"node key: {len(seed)} bytes, want {_SEED_SIZE}")
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = NodeKey(self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    @classmethod
    def generate(cls) -> Self:
        """Make a key from the system's randomness."""
        return cls(os.urandom(_SEED_SIZE))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a key file.

        Raises
        ------
        ConfigError
            If the file is missing, unreadable or not 64 hexadecimal digits.
        """
        try:
            text = path.read_text("ascii").strip()
            return cls(bytes.fromhex(text))
        except (OSError, ValueError) as error:
            raise ConfigError(f"node key {path}: {error}") from error

    @classmethod
    def load_or_create(cls, path: Path) -> Self:
        """Read the key file, or make one (mode 0600); two processes racing get the same key."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            secret = cls.generate()
            partial = path.with_name(f".{path.name}.{os.urandom(8).hex()}")  # threads race as well
            fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(fd, "w", encoding="ascii") as file:
                file.write(secret.seed().hex() + "\n")
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(partial, path)  # fails when another process was first; whole or not at all
            except FileExistsError:
                pass
            finally:
                partial.unlink()
        return cls.load(path)

    def seed(self) -> bytes:
        """Return the 32 secret bytes."""
        return self._key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())

    def sign(self, message: bytes) -> bytes:
        """Return a 64-byte signature; deterministic (RFC 8032)."""
        return self._key.sign(message)


@lru_cache(maxsize=4096)
def _public(key: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(key)


def verify(key: NodeKey, signature: bytes, message: bytes) -> bool:
    """Tell whether `signature` over `message` was made by `key`; malformed input is simply False."""
    try:
        _public(bytes(key)).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
