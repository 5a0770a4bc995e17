"""The identifiers that travel between packages, as distinct types.

`NewType` costs nothing at run time and stops a piece index from being passed
as an epoch. `parse_*` turn text from people (flags, URLs) into them.
"""

from typing import NewType

from axon.errors import ConfigError

__all__ = [
    "ZERO_ACCOUNT",
    "Account",
    "Epoch",
    "InfoHash",
    "NodeKey",
    "PeerId",
    "PieceIndex",
    "format_account",
    "parse_account",
    "parse_info_hash",
]

InfoHash = NewType("InfoHash", bytes)  # 20 bytes: SHA-1 (v1), or SHA-256 cut to 20 (v2; BEP 52)
PeerId = NewType("PeerId", bytes)  # 20 bytes (BEP 20)
NodeKey = NewType("NodeKey", bytes)  # 32 bytes: an Ed25519 public key
Account = NewType("Account", bytes)  # 20 bytes: an Ethereum address
Epoch = NewType("Epoch", int)  # counted from 0 within a pool
PieceIndex = NewType("PieceIndex", int)

ZERO_ACCOUNT = Account(bytes(20))


def parse_info_hash(text: str) -> InfoHash:
    """Read 40 hexadecimal digits.

    Raises
    ------
    ConfigError
        If `text` is anything else.
    """
    return InfoHash(_hex(text, 20, "info hash"))


def parse_account(text: str) -> Account:
    """Read an Ethereum address, with or without ``0x``; letter case is not checked (EIP-55 is advisory).

    Raises
    ------
    ConfigError
        If `text` is not 40 hexadecimal digits.
    """
    return Account(_hex(text.removeprefix("0x"), 20, "account"))


def format_account(account: Account) -> str:
    """Write an address as ``0x`` and 40 lower-case digits."""
    return "0x" + account.hex()


def _hex(text: str, size: int, what: str) -> bytes:
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raise ConfigError(f"{what}: {text!r} is not hexadecimal") from None
    if len(raw) != size or len(text) != 2 * size:
        raise ConfigError(f"{what}: {text!r} has {len(text)} characters, want {2 * size}")
    return raw
