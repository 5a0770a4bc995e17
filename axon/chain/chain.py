"""What a chain does for us, whichever it is: call, transact, find logs, tell the time.

`rpc.py` speaks to a node over JSON-RPC; `embedded.py` is an EVM in this
process, for tests and the demo. `contract.py` puts names and types on top.
"""

from dataclasses import dataclass
from typing import Protocol, Self

from axon.ids import Account

__all__ = ["Chain", "Log", "TxReceipt", "Wallet", "revert_reason"]

_ERROR = bytes.fromhex("08c379a0")  # Error(string)
_PANIC = bytes.fromhex("4e487b71")  # Panic(uint256)


@dataclass(frozen=True, slots=True)
class Log:
    """One event as the chain keeps it."""

    address: Account
    topics: tuple[bytes, ...]
    data: bytes
    block: int
    transaction: bytes = b""  # hash of the one that it came from, 32 bytes


@dataclass(frozen=True, slots=True)
class TxReceipt:
    """A transaction that succeeded; one that did not is a `ChainError`."""

    transaction: bytes  # hash, 32 bytes
    block: int
    gas_used: int  # embedded: with 21000, calldata and the floor of EIP-7623, without refunds
    logs: tuple[Log, ...]
    created: Account | None  # the contract, if one was deployed


class Wallet(Protocol):
    """Who pays for and signs transactions."""

    @property
    def account(self) -> Account:
        """Its address."""


class Chain(Protocol):
    """One chain, seen by one account."""

    @property
    def account(self) -> Account:
        """Who sends our transactions.

        Raises
        ------
        ChainError
            If there is no wallet.
        """

    @property
    def chain_id(self) -> int:
        """EIP-155 id."""

    def using(self, wallet: Wallet) -> Self:
        """Return the same chain with another account in front of it."""

    def now(self) -> int:
        """Return the time of the newest block, in seconds since 1970."""

    def next_time(self) -> int:
        """Return the time that a transaction sent now would see, as far as the node knows."""

    def block_number(self) -> int:
        """Return the newest block's number."""

    def has_code(self, address: Account) -> bool:
        """Tell whether a contract lives at `address`."""

    def call(self, to: Account, data: bytes) -> bytes:
        """Run a call that changes nothing and return what it returns.

        Raises
        ------
        ChainError
            If it reverts, with the reason.
        """

    def transact(self, to: Account | None, data: bytes) -> TxReceipt:
        """Send a transaction (a deployment if `to` is None) and wait until it is in a block.

        Raises
        ------
        ChainError
            If it reverts, with the reason, or is not taken up in time.
        """

    def calldata(self, transaction: bytes) -> tuple[Account | None, bytes]:
        """Return to whom a transaction went, and with what data.

        Raises
        ------
        ChainError
            If the chain does not know it.
        """

    def calls_to(self, address: Account, transaction: bytes) -> list[bytes]:
        """Return the data of all calls that contracts made to `address` within a transaction.

        Raises
        ------
        ChainError
            If this chain keeps no traces.
        """

    def logs(self, address: Account, topics: list[bytes | None], since: int = 0) -> list[Log]:
        """Return the events of one contract from block `since`, oldest first; None matches any topic."""


def revert_reason(data: bytes) -> str:
    """Say what a revert's return data says: the reason string, the panic code, or the bytes themselves."""
    if data[:4] == _ERROR and len(data) >= 68:
        size = int.from_bytes(data[36:68], "big")
        return data[68 : 68 + size].decode("utf-8", "replace")
    if data[:4] == _PANIC and len(data) >= 36:
        return f"panic {int.from_bytes(data[4:36], 'big'):#x}"
    return f"reverted with {data[:64].hex()}" if data else "reverted without a reason"
