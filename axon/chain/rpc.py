"""A chain behind a JSON-RPC node: what `axon.chain.chain.Chain` asks, by requests and signed transactions."""

from typing import Any, Self, cast

from axon.chain.chain import Log, TxReceipt, Wallet
from axon.chain.jsonrpc import NotThere, address_text, hex_text, inner_calls, read_log
from axon.chain.limits import recursion_limit_kept
from axon.chain.node import RpcNode
from axon.chain.sending import Sender, fees
from axon.chain.wallet import KeyWallet
from axon.errors import ChainError, ChainUnreachable
from axon.ids import Account

with recursion_limit_kept():
    from web3.types import FilterParams, TxParams

__all__ = ["RpcChain"]

_LOG_SPAN = 5_000  # blocks in one request when a node refuses more


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
        self._node = RpcNode(url)
        self._web3 = self._node.web3
        self._wallet = wallet
        self._timeout = timeout
        self._confirmations = confirmations
        self._chain_id = self._node.read(lambda: int(self._web3.eth.chain_id))

    @property
    def account(self) -> Account:
        """Who sends our transactions."""
        return self._signer().account

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
        return self._node.read(lambda: int(self._web3.eth.get_block("latest")["timestamp"]))

    def next_time(self) -> int:
        """Return the time of the pending block, for a node that makes none before it has transactions."""
        newest = self.now()
        try:
            pending = self._node.read(lambda: int(self._web3.eth.get_block("pending")["timestamp"]))
        except (ChainError, NotThere):
            return newest  # nodes need not have one
        return max(newest, pending)

    def block_number(self) -> int:
        """Return the newest block's number."""
        return self._node.read(lambda: int(self._web3.eth.block_number))

    def balance(self, account: Account) -> int:
        """Return an account's native coin, wei."""
        return self._node.read(lambda: int(self._web3.eth.get_balance(address_text(account))))

    def has_code(self, address: Account) -> bool:
        """Tell whether a contract lives at `address`."""
        return self._node.read(lambda: len(self._web3.eth.get_code(address_text(address))) > 0)

    def call(self, to: Account, data: bytes) -> bytes:
        """Run a call that changes nothing."""
        fields: TxParams = {"to": address_text(to), "data": hex_text(data)}
        if self._wallet is not None:
            fields["from"] = address_text(self._wallet.account)
        return self._node.read(lambda: bytes(self._web3.eth.call(fields)))

    def transact(self, to: Account | None, data: bytes) -> TxReceipt:
        """Send a transaction and wait for its block."""
        return self._sender().transact(to, data, 0)

    def transfer(self, to: Account, amount: int) -> TxReceipt:
        """Send native coin, wei."""
        return self._sender().transact(to, b"", amount)

    def _signer(self) -> KeyWallet:
        if self._wallet is None:
            raise ChainError("no wallet: give --keystore or --key-file")
        return self._wallet

    def _sender(self) -> Sender:
        return Sender(self._node, self._signer(), self._chain_id, self._timeout, self._confirmations)

    def gas_price(self) -> int:
        """Return what a gas may cost now at most, wei."""
        return fees(self._node)[1]

    def can_travel(self) -> bool:
        """Tell whether the node lets time pass at will, as development nodes do."""
        answer = self._web3.provider.make_request(cast(Any, "evm_increaseTime"), [0])
        return "error" not in answer

    def travel(self, seconds: int) -> None:
        """Let time pass, on a development node."""
        for method, arguments in (("evm_increaseTime", [seconds]), ("evm_mine", [])):
            answer = self._web3.provider.make_request(cast(Any, method), arguments)
            if "error" in answer:
                raise ChainError(f"node {self._node.url}: {method}: {answer['error']}")

    def calldata(self, transaction: bytes) -> tuple[Account | None, bytes]:
        """Return to whom a transaction went, and with what data."""

        def read() -> tuple[Account | None, bytes]:
            found = self._web3.eth.get_transaction(cast(Any, transaction))
            to = found.get("to")
            return Account(bytes.fromhex(to[2:])) if to else None, bytes(found["input"])

        try:
            return self._node.read(read)
        except NotThere:
            raise ChainError(f"node {self._node.url}: no transaction 0x{transaction.hex()}") from None

    def calls_to(self, address: Account, transaction: bytes) -> list[bytes]:
        """Return the data of all calls that contracts made to `address` within a transaction."""
        arguments = [hex_text(transaction), {"tracer": "callTracer"}]
        answer = self._node.read(
            lambda: self._web3.provider.make_request(cast(Any, "debug_traceTransaction"), arguments)
        )
        if "error" in answer:
            raise ChainError(f"node {self._node.url} gives no traces: {answer['error'].get('message')}")
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
        return self._node.read(lambda: [read_log(entry) for entry in self._web3.eth.get_logs(wanted)])
