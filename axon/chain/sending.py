"""Transactions through a node: EIP-1559 fees, nonces, waits, and what to do when one is not taken up.

A transaction is signed once and handed in again while no block has it: nodes that were restarted, or
gave up a block, forget, and the chain takes each nonce once. It counts when it has as many blocks on
top as the caller asks. When another program of the same key was quicker with its nonce, the call is
signed anew with the next one; when the owner of the key took it back, or made it already, that is said.
"""

import time
from typing import Any, cast

from axon.chain.chain import TxReceipt
from axon.chain.jsonrpc import (
    NonceTaken,
    NotThere,
    address_text,
    complaint,
    hex_text,
    is_nonce_taken,
    read_log,
)
from axon.chain.limits import recursion_limit_kept
from axon.chain.node import RpcNode
from axon.chain.wallet import KeyWallet
from axon.errors import ChainError, ChainUnreachable
from axon.ids import Account

with recursion_limit_kept():
    from web3 import Web3
    from web3.exceptions import Web3Exception
    from web3.types import TxData, TxParams

__all__ = ["Sender", "fees"]

_NONCES = 16  # tries to be quicker than others who use our key
_POLL = 0.1  # seconds at first; grows to two
_RESEND = 2.0  # seconds without a block before a transaction is handed in again
_GAS_MARGIN = 1.15  # state may change between estimate and inclusion
_TRANSACTION_CAP = 1 << 24  # gas (EIP-7825)


def fees(node: RpcNode) -> tuple[int, int]:
    """Return (tip, limit) in wei a gas: room for the base fee to double."""
    base = node.read(lambda: int(node.web3.eth.get_block("latest").get("baseFeePerGas", 0)))
    tip = node.read(lambda: int(node.web3.eth.max_priority_fee))
    return tip, 2 * base + tip


class Sender:
    """One key's way of sending through one node.

    Parameters
    ----------
    timeout : float
        Seconds to wait for a transaction to count.
    confirmations : int
        Blocks on top of a transaction's before it counts.
    """

    def __init__(
        self, node: RpcNode, wallet: KeyWallet, chain_id: int, timeout: float, confirmations: int
    ) -> None:
        self._node = node
        self._eth = node.web3.eth
        self._wallet = wallet
        self._address = address_text(wallet.account)
        self._chain_id = chain_id
        self._timeout = timeout
        self._confirmations = confirmations

    def transact(self, to: Account | None, data: bytes, value: int) -> TxReceipt:
        """Send `data` and `value` wei to `to`, or make a contract of `data`; wait until that counts.

        Raises
        ------
        ChainError
            If it reverts, is not in a block in time, or was taken back.
        ChainUnreachable
            If the node stays away.
        """
        fields: dict[str, Any] = {"data": hex_text(data), "value": value}
        if to is not None:
            fields["to"] = address_text(to)
        estimate = self._estimate(cast(TxParams, fields | {"from": self._address}))
        fields["gas"] = min(int(estimate * _GAS_MARGIN), max(_TRANSACTION_CAP, estimate))
        fields["chainId"] = self._chain_id
        fields["type"] = 2
        fields["maxPriorityFeePerGas"], fields["maxFeePerGas"] = fees(self._node)
        before = self._node.read(lambda: int(self._eth.block_number))
        for attempt in range(_NONCES):
            fields["nonce"] = self._node.read(
                lambda: int(self._eth.get_transaction_count(self._address, "pending"))
            )
            raw = self._wallet.sign(fields)
            sent: bytes | None = None
            try:
                sent = self._send(raw)
                return self._wait(sent, raw, fields["nonce"])
            except NonceTaken as error:  # by another program that uses our key
                if attempt + 1 == _NONCES:
                    raise ChainError(f"nonce {fields['nonce']}: {error}") from error
                if sent is not None:
                    self._see_who(sent, fields, before)
        raise AssertionError("unreachable")

    def _estimate(self, fields: TxParams) -> int:
        """Return the gas in the block to come: the newest may be from before the time that this waits for."""
        try:
            return self._node.read(lambda: int(self._eth.estimate_gas(fields, "pending")))
        except ChainError:  # nodes need not have one
            return self._node.read(lambda: int(self._eth.estimate_gas(fields)))

    def _send(self, raw: bytes) -> bytes:
        """Hand a transaction in and return its hash; one that the node has already is as good."""
        name = bytes(Web3.keccak(raw))
        try:
            self._node.read(lambda: self._eth.send_raw_transaction(raw))
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
            self._node.read(lambda: self._eth.get_transaction(cast(Any, name)))
        except NotThere:
            return False
        return True

    def _wait(self, name: bytes, raw: bytes, nonce: int) -> TxReceipt:
        """Wait until a transaction counts; a node that is away for a while, or forgets, costs only time.

        NonceTaken if another of its nonce counts.
        """
        deadline = time.monotonic() + self._timeout
        pause, missing = _POLL, 0.0
        while True:
            receipt: TxReceipt | None = None
            try:
                receipt = self._receipt(name)
                if receipt is not None and self._is_deep(receipt.block):
                    return receipt
                if receipt is None and missing >= _RESEND:
                    missing = 0.0
                    self._send(raw)
            except NonceTaken:
                if self._is_spent(nonce):
                    raise
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

    def _newest(self) -> int:
        return self._node.read(lambda: int(self._eth.block_number))

    def _is_deep(self, block: int) -> bool:
        return self._confirmations == 0 or self._newest() - block >= self._confirmations

    def _is_spent(self, nonce: int) -> bool:
        """Tell whether a transaction of ours with this nonce counts."""
        deep = max(0, self._newest() - self._confirmations)
        return self._node.read(lambda: self._eth.get_transaction_count(self._address, deep)) > nonce

    def _see_who(self, name: bytes, fields: dict[str, Any], before: int) -> None:
        """Return if another call displaced ours; ChainError if it is the same one, or took ours back.

        A wallet speeds a transaction up by sending it again for more, and cancels it by a transfer of
        nothing to itself; who would send on after either does what its owner does not want.
        """
        for number in range(before + 1, self._newest() + 1):
            for found in self._transactions(number):
                if found["from"] != self._address or found["nonce"] != fields["nonce"]:
                    continue
                to, data, value = found.get("to"), bytes(found["input"]), int(found["value"])
                cancels = (to, data, value) == (self._address, b"", 0)
                if cancels or (to, hex_text(data), value) == (
                    fields.get("to"),
                    fields["data"],
                    fields["value"],
                ):
                    how = "which cancels it" if cancels else "the same call"
                    other = bytes(found["hash"]).hex()
                    raise ChainError(f"transaction 0x{name.hex()} was displaced by 0x{other}, {how}")

    def _transactions(self, block: int) -> list[TxData]:
        found = self._node.read(lambda: self._eth.get_block(block, full_transactions=True))
        return cast(list[TxData], found["transactions"])

    def _receipt(self, name: bytes) -> TxReceipt | None:
        """Return the receipt, or None if no block has the transaction. ChainError if it reverted."""

        def read() -> tuple[bool, TxReceipt]:
            found = self._eth.get_transaction_receipt(cast(Any, name))
            created = found.get("contractAddress")
            return bool(found["status"]), TxReceipt(
                name,
                int(found["blockNumber"]),
                int(found["gasUsed"]),
                tuple(read_log(entry) for entry in found["logs"]),
                Account(bytes.fromhex(created[2:])) if created else None,
            )

        try:
            succeeded, receipt = self._node.read(read)
        except NotThere:
            return None
        if not succeeded:
            raise ChainError(f"transaction 0x{name.hex()} reverted: {self._replay(name)}")
        return receipt

    def _replay(self, name: bytes) -> str:
        """Say why a mined transaction reverted, by calling it again in its block."""
        try:
            found = self._eth.get_transaction(cast(Any, name))
            fields = {
                "from": found["from"],
                "to": found.get("to"),
                "data": found["input"],
                "gas": found["gas"],
            }
            self._eth.call(cast(TxParams, fields), found["blockNumber"])
        except Web3Exception as error:
            return complaint(error)
        except OSError as error:
            return f"unknown ({error})"
        return "for a reason that passed, such as gas"
