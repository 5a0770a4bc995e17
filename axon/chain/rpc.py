"""A chain behind a JSON-RPC node, by web3.py: EIP-1559 fees, waits, retries, revert reasons.

Reading is retried when the node is out of reach. A transaction is signed once and handed in again
while no block has it: nodes that were restarted, or gave up a block, forget, and the chain takes
each nonce once. It counts when it has as many blocks on top as the caller asks.
"""

import time
from collections.abc import Callable
from typing import Any, Self, TypeVar, cast

from axon.chain.chain import Log, TxReceipt, Wallet
from axon.chain.jsonrpc import (
    NonceTaken,
    NotThere,
    address_text,
    complaint,
    hex_text,
    inner_calls,
    is_nonce_taken,
    read_log,
)
from axon.chain.limits import recursion_limit_kept
from axon.chain.wallet import KeyWallet
from axon.errors import ChainError, ChainUnreachable
from axon.ids import Account

with recursion_limit_kept():
    from web3 import HTTPProvider, Web3
    from web3.exceptions import TransactionNotFound, Web3Exception
    from web3.types import FilterParams, TxParams

__all__ = ["RpcChain"]

_T = TypeVar("_T")
_ATTEMPTS = 4
_NONCES = 16  # tries to be quicker than others who use our key
_FIRST_PAUSE = 0.25  # seconds; doubles
_TIMEOUT = 20.0  # seconds for one request
_POLL = 0.1  # seconds at first; grows to two
_RESEND = 2.0  # seconds without a block before a transaction is handed in again
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
        Seconds to wait for a transaction to be in a block, with the blocks on top.
    confirmations : int
        Blocks on top of a transaction's before it counts: more on chains that reorder.

    Raises
    ------
    ChainError
        If the node does not answer.
    """

    def __init__(
        self, url: str, wallet: KeyWallet | None = None, timeout: float = 180.0, confirmations: int = 0
    ) -> None:
        provider = HTTPProvider(url, request_kwargs={"timeout": _TIMEOUT}, exception_retry_configuration=None)
        self._web3 = Web3(provider)
        self._url = url
        self._wallet = wallet
        self._timeout = timeout
        self._confirmations = confirmations
        self._chain_id = self._read(lambda: int(self._web3.eth.chain_id))

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
        return self._read(lambda: int(self._web3.eth.get_block("latest")["timestamp"]))

    def next_time(self) -> int:
        """Return the time of the pending block, for a node that makes none before it has transactions."""
        newest = self.now()
        try:
            pending = self._read(lambda: int(self._web3.eth.get_block("pending")["timestamp"]))
        except (ChainError, NotThere):
            return newest  # nodes need not have one
        return max(newest, pending)

    def block_number(self) -> int:
        """Return the newest block's number."""
        return self._read(lambda: int(self._web3.eth.block_number))

    def balance(self, account: Account) -> int:
        """Return an account's native coin, wei."""
        return self._read(lambda: int(self._web3.eth.get_balance(address_text(account))))

    def has_code(self, address: Account) -> bool:
        """Tell whether a contract lives at `address`."""
        return self._read(lambda: len(self._web3.eth.get_code(address_text(address))) > 0)

    def call(self, to: Account, data: bytes) -> bytes:
        """Run a call that changes nothing."""
        fields: TxParams = {"to": address_text(to), "data": hex_text(data)}
        if self._wallet is not None:
            fields["from"] = address_text(self._wallet.account)
        return self._read(lambda: bytes(self._web3.eth.call(fields)))

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
        sender = address_text(self._wallet.account)
        fields: dict[str, Any] = {"from": sender, "data": hex_text(data), "value": value}
        if to is not None:
            fields["to"] = address_text(to)
        estimate = self._estimate(cast(TxParams, fields))
        fields["gas"] = min(int(estimate * _GAS_MARGIN), max(_TRANSACTION_CAP, estimate))
        fields["chainId"] = self._chain_id
        fields["type"] = 2
        fields["maxPriorityFeePerGas"], fields["maxFeePerGas"] = self._fees()
        del fields["from"]
        for attempt in range(_NONCES):
            fields["nonce"] = self._read(lambda: int(self._web3.eth.get_transaction_count(sender, "pending")))
            raw = self._wallet.sign(fields)
            try:
                return self._wait(self._send(raw), raw)
            except NonceTaken as error:  # by another program that uses our key
                if attempt + 1 == _NONCES:
                    raise ChainError(f"nonce {fields['nonce']}: {error}") from error
        raise AssertionError("unreachable")

    def _estimate(self, fields: TxParams) -> int:
        """Return the gas in the block to come: the newest may be from before the time that this waits for."""
        try:
            return self._read(lambda: int(self._web3.eth.estimate_gas(fields, "pending")))
        except ChainError:  # nodes need not have one
            return self._read(lambda: int(self._web3.eth.estimate_gas(fields)))

    def calldata(self, transaction: bytes) -> tuple[Account | None, bytes]:
        """Return to whom a transaction went, and with what data."""

        def read() -> tuple[Account | None, bytes]:
            found = self._web3.eth.get_transaction(cast(Any, transaction))
            to = found.get("to")
            return Account(bytes.fromhex(to[2:])) if to else None, bytes(found["input"])

        try:
            return self._read(read)
        except NotThere:
            raise ChainError(f"node {self._url}: no transaction 0x{transaction.hex()}") from None

    def calls_to(self, address: Account, transaction: bytes) -> list[bytes]:
        """Return the data of all calls that contracts made to `address` within a transaction."""
        arguments = [hex_text(transaction), {"tracer": "callTracer"}]
        answer = self._read(
            lambda: self._web3.provider.make_request(cast(Any, "debug_traceTransaction"), arguments)
        )
        if "error" in answer:
            raise ChainError(f"node {self._url} gives no traces: {answer['error'].get('message')}")
        return list(inner_calls(answer["result"], "0x" + address.hex()))

    def logs(self, address: Account, topics: list[bytes | None], since: int = 0) -> list[Log]:
        """Return matching events, oldest first; in spans of blocks if the node refuses all at once."""
        newest = self.block_number()
        try:
            return self._logs(address, topics, since, newest)
        except ChainUnreachable:
            raise
        except ChainError:
            found: list[Log] = []
            for first in range(since, newest + 1, _LOG_SPAN):
                found += self._logs(address, topics, first, min(first + _LOG_SPAN - 1, newest))
            return found

    def _logs(self, address: Account, topics: list[bytes | None], first: int, last: int) -> list[Log]:
        wanted: FilterParams = {
            "address": address_text(address),
            "topics": [None if t is None else hex_text(t) for t in topics],
            "fromBlock": first,
            "toBlock": last,
        }
        return self._read(lambda: [read_log(entry) for entry in self._web3.eth.get_logs(wanted)])

    def _fees(self) -> tuple[int, int]:
        """Return (tip, limit) in wei a gas: room for the base fee to double."""
        base = self._read(lambda: int(self._web3.eth.get_block("latest").get("baseFeePerGas", 0)))
        tip = self._read(lambda: int(self._web3.eth.max_priority_fee))
        return tip, 2 * base + tip

    def _send(self, raw: bytes) -> bytes:
        """Hand a transaction in and return its hash; one that the node has already is as good."""
        name = bytes(Web3.keccak(raw))
        try:
            self._read(lambda: self._web3.eth.send_raw_transaction(raw))
        except ChainUnreachable as error:
            raise ChainUnreachable(f"{error}; transaction 0x{name.hex()} may have been sent") from error
        except ChainError as error:
            if self._knows(name):  # the answer to an earlier attempt was lost
                return name
            if is_nonce_taken(str(error)):
                raise NonceTaken(str(error)) from error
            raise
        return name

    def _knows(self, name: bytes) -> bool:
        try:
            self._read(lambda: self._web3.eth.get_transaction(cast(Any, name)))
        except NotThere:
            return False
        return True

    def _wait(self, name: bytes, raw: bytes) -> TxReceipt:
        """Wait until a transaction counts; a node that is away for a while, or forgets, costs only time."""
        deadline = time.monotonic() + self._timeout
        pause, missing = _POLL, 0.0
        while True:
            receipt: TxReceipt | None = None
            try:
                receipt = self._receipt(name)
                if receipt is not None and self._counts(receipt):
                    break
                if receipt is None and missing >= _RESEND:
                    missing = 0.0
                    self._send(raw)
            except NonceTaken as error:
                raise ChainError(f"transaction 0x{name.hex()} was displaced by another: {error}") from error
            except ChainUnreachable:
                if time.monotonic() > deadline:
                    raise
            if time.monotonic() > deadline:
                where = (
                    "not in a block" if receipt is None else f"without {self._confirmations} blocks on top"
                )
                raise ChainError(
                    f"transaction 0x{name.hex()} {where} after {self._timeout:g} s; it may still be taken up"
                )
            time.sleep(pause)
            missing = missing + pause if receipt is None else 0.0
            pause = min(2.0, pause * 1.5)
        return receipt

    def _receipt(self, name: bytes) -> TxReceipt | None:
        """Return the receipt, or None if no block has the transaction. ChainError if it reverted."""

        def read() -> tuple[bool, TxReceipt]:
            found = self._web3.eth.get_transaction_receipt(cast(Any, name))
            created = found.get("contractAddress")
            return bool(found["status"]), TxReceipt(
                name,
                int(found["blockNumber"]),
                int(found["gasUsed"]),
                tuple(read_log(entry) for entry in found["logs"]),
                Account(bytes.fromhex(created[2:])) if created else None,
            )

        try:
            succeeded, receipt = self._read(read)
        except NotThere:
            return None
        if not succeeded:
            raise ChainError(f"transaction 0x{name.hex()} reverted: {self._replay(name)}")
        return receipt

    def _counts(self, receipt: TxReceipt) -> bool:
        return self._confirmations == 0 or self.block_number() - receipt.block >= self._confirmations

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
            return complaint(error)
        except OSError as error:
            return f"unknown ({error})"
        return "for a reason that passed, such as gas"

    def _read(self, request: Callable[[], _T]) -> _T:
        pause = _FIRST_PAUSE
        for attempt in range(_ATTEMPTS):
            try:
                return request()
            except TransactionNotFound:
                raise NotThere from None
            except Web3Exception as error:
                raise ChainError(complaint(error)) from error
            except (OSError, ValueError) as error:  # requests' errors are OSErrors; ValueError: not JSON
                if attempt + 1 == _ATTEMPTS:
                    raise ChainUnreachable(f"node {self._url}: {error}") from error
                time.sleep(pause)
                pause *= 2
            except (KeyError, TypeError, AttributeError, RecursionError) as error:
                what = f"{type(error).__name__}: {error}"
                raise ChainUnreachable(f"node {self._url}: answer not understood: {what}") from error
        raise AssertionError("unreachable")
