"""A chain behind a JSON-RPC node, by web3.py: EIP-1559 fees, waits, retries, revert reasons.

Reading is retried when the node is out of reach. A transaction is signed once;
sending it again is harmless, since the chain takes each nonce once.
"""

import time
from collections.abc import Callable
from typing import Any, Self, TypeVar, cast

from web3 import HTTPProvider, Web3
from web3.exceptions import TransactionNotFound, Web3Exception, Web3RPCError
from web3.types import FilterParams, TxParams

from axon.chain.chain import Log, TxReceipt, Wallet, revert_reason
from axon.chain.wallet import KeyWallet
from axon.errors import ChainError
from axon.ids import Account

__all__ = ["RpcChain"]

_T = TypeVar("_T")
_ATTEMPTS = 4
_FIRST_PAUSE = 0.25  # seconds; doubles
_TIMEOUT = 20.0  # seconds for one request
_POLL = 0.1  # seconds at first; grows to two
_LOG_SPAN = 5_000  # blocks in one request when a node refuses more
_GAS_MARGIN = 1.15  # state may change between estimate and inclusion
_TRANSACTION_CAP = 1 << 24  # gas (EIP-7825)


class RpcChain:
    """One node, seen by one account.

    Parameters
    ----------
    url : str
        ``http://`` or ``https://``.
    wallet : KeyWallet, optional
        Who signs; without one the chain can only be read.
    timeout : float
        Seconds to wait for a transaction to be in a block.

    Raises
    ------
    ChainError
        If the node does not answer.
    """

    def __init__(self, url: str, wallet: KeyWallet | None = None, timeout: float = 180.0) -> None:
        provider = HTTPProvider(url, request_kwargs={"timeout": _TIMEOUT}, exception_retry_configuration=None)
        self._web3 = Web3(provider)
        self._url = url
        self._wallet = wallet
        self._timeout = timeout
        self._chain_id = self._read(lambda: self._web3.eth.chain_id)

    @property
    def account(self) -> Account:
        """Who sends our transactions."""
        if self._wallet is None:
            raise ChainError("no wallet: give --keystore or --key-file")
        return self._wallet.account

    @property
    def chain_id(self) -> int:
        """EIP-155 id, as the node says."""
        return self._chain_id

    def using(self, wallet: Wallet) -> Self:
        """Return the same node with another key in front of it."""
        if not isinstance(wallet, KeyWallet):
            raise ChainError(f"a node needs a key, got {type(wallet).__name__}")
        view = object.__new__(type(self))
        view.__dict__.update(self.__dict__)
        view._wallet = wallet
        return view

    def now(self) -> int:
        """Return the time of the newest block."""
        return int(self._read(lambda: self._web3.eth.get_block("latest"))["timestamp"])

    def next_time(self) -> int:
        """Return the time of the pending block, for a node that makes none before it has transactions."""
        newest = self.now()
        try:
            pending = self._read(lambda: self._web3.eth.get_block("pending"))
        except (ChainError, _NotThere):
            return newest  # nodes need not have one
        return max(newest, int(pending["timestamp"]))

    def block_number(self) -> int:
        """Return the newest block's number."""
        return int(self._read(lambda: self._web3.eth.block_number))

    def balance(self, account: Account) -> int:
        """Return an account's native coin, wei."""
        return int(self._read(lambda: self._web3.eth.get_balance(_address(account))))

    def has_code(self, address: Account) -> bool:
        """Tell whether a contract lives at `address`."""
        return bool(self._read(lambda: self._web3.eth.get_code(_address(address))))

    def call(self, to: Account, data: bytes) -> bytes:
        """Run a call that changes nothing."""
        fields: TxParams = {"to": _address(to), "data": _hex(data)}
        if self._wallet is not None:
            fields["from"] = _address(self._wallet.account)
        return bytes(self._read(lambda: self._web3.eth.call(fields)))

    def transact(self, to: Account | None, data: bytes) -> TxReceipt:
        """Send a transaction and wait for its block."""
        return self._transact(to, data, 0)

    def transfer(self, to: Account, amount: int) -> TxReceipt:
        """Send native coin, wei."""
        return self._transact(to, b"", amount)

    def gas_price(self) -> int:
        """Return what a gas may cost now at most, wei."""
        return self._fees()[1]

    def can_travel(self) -> bool:
        """Tell whether the node lets time pass at will, as development nodes do."""
        answer = self._web3.provider.make_request(cast(Any, "evm_increaseTime"), [0])
        return "error" not in answer

    def travel(self, seconds: int) -> None:
        """Let time pass, on a development node."""
        for method, arguments in (("evm_increaseTime", [seconds]), ("evm_mine", [])):
            answer = self._web3.provider.make_request(cast(Any, method), arguments)
            if "error" in answer:
                raise ChainError(f"node {self._url}: {method}: {answer['error']}")

    def _transact(self, to: Account | None, data: bytes, value: int) -> TxReceipt:
        if self._wallet is None:
            raise ChainError("no wallet: give --keystore or --key-file")
        sender = _address(self._wallet.account)
        fields: dict[str, Any] = {"from": sender, "data": _hex(data), "value": value}
        if to is not None:
            fields["to"] = _address(to)
        estimate = self._estimate(cast(TxParams, fields))
        fields["gas"] = min(int(estimate * _GAS_MARGIN), max(_TRANSACTION_CAP, estimate))
        fields["chainId"] = self._chain_id
        fields["type"] = 2
        fields["maxPriorityFeePerGas"], fields["maxFeePerGas"] = self._fees()
        fields["nonce"] = self._read(
            lambda: self._web3.eth.get_transaction_count(_address(self.account), "pending")
        )
        del fields["from"]
        raw = self._wallet.sign(fields)
        return self._wait(self._send(raw))

    def _estimate(self, fields: TxParams) -> int:
        """Return the gas in the block to come: the newest may be from before the time that this waits for."""
        try:
            return self._read(lambda: self._web3.eth.estimate_gas(fields, "pending"))
        except ChainError:  # nodes need not have one
            return self._read(lambda: self._web3.eth.estimate_gas(fields))

    def calldata(self, transaction: bytes) -> tuple[Account | None, bytes]:
        """Return to whom a transaction went, and with what data."""
        try:
            found = self._read(lambda: self._web3.eth.get_transaction(cast(Any, transaction)))
        except _NotThere:
            raise ChainError(f"node {self._url}: no transaction 0x{transaction.hex()}") from None
        to = found.get("to")
        return Account(bytes.fromhex(to[2:])) if to else None, bytes(found["input"])

    def logs(self, address: Account, topics: list[bytes | None], since: int = 0) -> list[Log]:
        """Return matching events, oldest first; in spans of blocks if the node refuses all at once."""
        newest = self.block_number()
        try:
            return self._logs(address, topics, since, newest)
        except ChainError:
            found: list[Log] = []
            for first in range(since, newest + 1, _LOG_SPAN):
                found += self._logs(address, topics, first, min(first + _LOG_SPAN - 1, newest))
            return found

    def _logs(self, address: Account, topics: list[bytes | None], first: int, last: int) -> list[Log]:
        wanted: FilterParams = {
            "address": _address(address),
            "topics": [None if t is None else _hex(t) for t in topics],
            "fromBlock": first,
            "toBlock": last,
        }
        return [_log(entry) for entry in self._read(lambda: self._web3.eth.get_logs(wanted))]

    def _fees(self) -> tuple[int, int]:
        """Return (tip, limit) in wei a gas: room for the base fee to double."""
        block = self._read(lambda: self._web3.eth.get_block("latest"))
        tip = int(self._read(lambda: self._web3.eth.max_priority_fee))
        return tip, 2 * int(block.get("baseFeePerGas", 0)) + tip

    def _send(self, raw: bytes) -> bytes:
        name = bytes(Web3.keccak(raw))
        try:
            self._read(lambda: self._web3.eth.send_raw_transaction(raw))
        except ChainError as error:
            # A lost answer to an earlier attempt: the node has it already.
            if "already known" not in str(error) and "already imported" not in str(error):
                raise
        return name

    def _wait(self, name: bytes) -> TxReceipt:
        deadline = time.monotonic() + self._timeout
        pause = _POLL
        while True:
            try:
                receipt = self._read(lambda: self._web3.eth.get_transaction_receipt(cast(Any, name)))
                break
            except _NotThere:
                if time.monotonic() > deadline:
                    raise ChainError(
                        f"transaction 0x{name.hex()} not in a block after {self._timeout:g} s; "
                        "it may still be taken up"
                    ) from None
                time.sleep(pause)
                pause = min(2.0, pause * 1.5)
        if not receipt["status"]:
            raise ChainError(f"transaction 0x{name.hex()} reverted: {self._replay(name)}")
        created = receipt.get("contractAddress")
        return TxReceipt(
            name,
            int(receipt["blockNumber"]),
            int(receipt["gasUsed"]),
            tuple(_log(entry) for entry in receipt["logs"]),
            Account(bytes.fromhex(created[2:])) if created else None,
        )

    def _replay(self, name: bytes) -> str:
        """Say why a mined transaction reverted, by calling it again in its block."""
        try:
            found = self._web3.eth.get_transaction(cast(Any, name))
            fields = {
                "from": found["from"],
                "to": found.get("to"),
                "data": found["input"],
                "gas": found["gas"],
            }
            self._web3.eth.call(cast(TxParams, fields), found["blockNumber"])
        except Web3Exception as error:
            return _reason(error)
        except OSError as error:
            return f"unknown ({error})"
        return "for a reason that passed, such as gas"

    def _read(self, request: Callable[[], _T]) -> _T:
        pause = _FIRST_PAUSE
        for attempt in range(_ATTEMPTS):
            try:
                return request()
            except TransactionNotFound:
                raise _NotThere from None
            except Web3Exception as error:
                raise ChainError(_reason(error)) from error
            except (OSError, ValueError) as error:  # requests' errors are OSErrors; ValueError: not JSON
                if attempt + 1 == _ATTEMPTS:
                    raise ChainError(f"node {self._url}: {error}") from error
                time.sleep(pause)
                pause *= 2
        raise AssertionError("unreachable")


class _NotThere(Exception):
    """The node does not know the transaction (yet)."""


def _reason(error: Web3Exception) -> str:
    """Dig the revert reason out of whatever shape the node wrapped it in."""
    data = getattr(error, "data", None)
    if isinstance(error, Web3RPCError) and error.rpc_response:
        data = error.rpc_response.get("error", {}).get("data", data)
    if isinstance(data, dict):
        data = data.get("data")
    if isinstance(data, str) and data.startswith("0x") and len(data) > 2:
        return revert_reason(bytes.fromhex(data[2:]))
    return str(getattr(error, "message", None) or error).removeprefix("execution reverted: ")


def _address(account: Account) -> Any:
    return Web3.to_checksum_address("0x" + account.hex())


def _hex(data: bytes) -> Any:
    return "0x" + data.hex()


def _log(entry: Any) -> Log:
    return Log(
        Account(bytes.fromhex(entry["address"][2:])),
        tuple(bytes(topic) for topic in entry["topics"]),
        bytes(entry["data"]),
        int(entry["blockNumber"]),
        bytes(entry["transactionHash"]),
    )
