"""A secret key that signs transactions, read from a keystore or a plain key file.

A keystore is Ethereum's encrypted JSON (Web3 Secret Storage, version 3); a key
file holds 64 hexadecimal digits and should be readable by its owner alone.
"""

import json
import os
from pathlib import Path
from typing import Any, Self

from axon.chain.limits import recursion_limit_kept
from axon.errors import ConfigError
from axon.ids import Account

with recursion_limit_kept():
    from eth_account import Account as _EthAccount

__all__ = ["KeyWallet"]

_KEY_SIZE = 32


class KeyWallet:
    """One secp256k1 key and its address."""

    __slots__ = ("_signer", "account")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != _KEY_SIZE:
            raise ConfigError(f"wallet: key of {len(secret)} bytes, want {_KEY_SIZE}")
        try:
            self._signer = _EthAccount.from_key(secret)
        except ValueError as error:
            raise ConfigError(f"wallet: {error}") from error
        self.account = Account(bytes.fromhex(self._signer.address[2:]))

    def __repr__(self) -> str:
        return f"KeyWallet(0x{self.account.hex()})"  # never the key

    @classmethod
    def load(cls, path: Path, password: str | None = None) -> Self:
        """Read a keystore or key file.

        Parameters
        ----------
        password : str, optional
            Of the keystore; a key file needs none.

        Raises
        ------
        ConfigError
            If the file is unreadable, or the password is missing or wrong.
        """
        try:
            text = path.read_text("utf-8").strip()
            if not text.startswith("{"):
                return cls(bytes.fromhex(text.removeprefix("0x")))
            if password is None:
                raise ConfigError(f"wallet {path}: a keystore needs its password")
            return cls(bytes(_EthAccount.decrypt(json.loads(text), password)))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ConfigError(f"wallet {path}: {error}") from error

    def save_keystore(self, path: Path, password: str) -> None:
        """Write an encrypted keystore (mode 0600); refuses to overwrite one.

        Raises
        ------
        ConfigError
            If the file exists or cannot be written.
        """
        text = json.dumps(_EthAccount.encrypt(self._signer.key, password))
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ConfigError(f"wallet {path}: {error}") from error

    def sign(self, transaction: dict[str, Any]) -> bytes:
        """Return the signed transaction's bytes (EIP-2718)."""
        return bytes(self._signer.sign_transaction(transaction).raw_transaction)
