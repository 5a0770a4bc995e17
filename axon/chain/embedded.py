"""An EVM inside this process (titanoboa on py-evm): for tests and the demo, no node needed.

Every transaction gets a block of its own, 12 seconds after the last. Gas is
the whole transaction's: titanoboa meters execution only, so 21000, calldata
and the floor of EIP-7623 are added here; refunds are not given.
"""

from dataclasses import dataclass
from typing import Any, Self

from axon.chain.chain import Log, TxReceipt, Wallet, revert_reason
from axon.errors import ChainError
from axon.ids import Account
from axon.merkle import keccak256

__all__ = ["EmbeddedAccount", "EmbeddedChain", "transaction_gas"]

TRANSACTION_CAP = 1 << 24  # gas (EIP-7825)
_BASE_GAS = 21_000
_CREATE_GAS = 32_000
_INITCODE_WORD_GAS = 2  # EIP-3860
_BLOCK_SECONDS = 12


@dataclass(frozen=True, slots=True)
class EmbeddedAccount:
    """An account that needs no key: nobody else is on this chain."""

    account: Account

    @classmethod
    def named(cls, name: str) -> Self:
        """Derive an account from a name."""
        return cls(Account(keccak256(name.encode())[12:]))


def transaction_gas(data: bytes, execution: int, create: bool = False) -> int:
    """Return what a transaction costs in gas, refunds aside (EIP-2028, EIP-7623)."""
    zeros = data.count(0)
    tokens = zeros + 4 * (len(data) - zeros)
    extra = _CREATE_GAS + _INITCODE_WORD_GAS * ((len(data) + 31) // 32) if create else 0
    return max(_BASE_GAS + 4 * tokens + extra + execution, _BASE_GAS + 10 * tokens)


class _State:
    """What all views of one chain share."""

    def __init__(self, chain_id: int, start: int | None) -> None:
        from boa import Env

        self.env = Env()
        self.env.evm.patch.chain_id = chain_id
        if start is not None:
            self.env.evm.patch.timestamp = start
        self.chain_id = chain_id
        self.logs: list[Log] = []
        self.calldata: dict[bytes, tuple[Account | None, bytes]] = {}


class EmbeddedChain:
    """One in-process chain, seen by one account.

    Parameters
    ----------
    wallet : Wallet, optional
        Who sends; by default an account of the chain's own.
    chain_id : int
        EIP-155 id.
    start : int, optional
        Time of the first block, seconds since 1970; by default the EVM's.
    """

    def __init__(
        self, wallet: Wallet | None = None, chain_id: int = 31_337, start: int | None = None
    ) -> None:
        self._state = _State(chain_id, start)
        self._wallet: Wallet = wallet or EmbeddedAccount.named("axon")

    @property
    def account(self) -> Account:
        """Who sends our transactions."""
        return self._wallet.account

    @property
    def chain_id(self) -> int:
        """EIP-155 id."""
        return self._state.chain_id

    def using(self, wallet: Wallet) -> Self:
        """Return the same chain with another account in front of it."""
        view = object.__new__(type(self))
        view._state = self._state
        view._wallet = wallet
        return view

    def now(self) -> int:
        """Return the time of the newest block."""
        return int(self._state.env.evm.patch.timestamp)

    def next_time(self) -> int:
        """Return the time of the newest block: time stands still here."""
        return self.now()

    def travel(self, seconds: int) -> None:
        """Let time pass."""
        self._state.env.evm.patch.timestamp += seconds

    def block_number(self) -> int:
        """Return the newest block's number."""
        return int(self._state.env.evm.patch.block_number)

    def has_code(self, address: Account) -> bool:
        """Tell whether a contract lives at `address`."""
        return bool(self._state.env.get_code(_address(address)))

    def call(self, to: Account, data: bytes) -> bytes:
        """Run a call that changes nothing."""
        result = self._run(to, data, simulate=True)
        return bytes(result.output)

    def call_with_gas(self, to: Account, data: bytes, gas: int) -> bytes:
        """Run a call with no more than `gas` (execution only)."""
        return bytes(self._run(to, data, simulate=True, gas=gas).output)

    def transact(self, to: Account | None, data: bytes) -> TxReceipt:
        """Send a transaction in a block of its own."""
        state = self._state
        patch = state.env.evm.patch
        patch.timestamp += _BLOCK_SECONDS
        patch.block_number += 1
        state.env.evm.reset_access_counters()
        created = None
        if to is None:
            created, result = self._create(data)
        else:
            result = self._run(to, data, simulate=False, gas=TRANSACTION_CAP)
        gas = transaction_gas(data, int(result.get_gas_used()), create=to is None)
        if gas > TRANSACTION_CAP:
            raise ChainError(f"transaction of {gas} gas, at most {TRANSACTION_CAP} (EIP-7825)")
        name = keccak256(len(state.calldata).to_bytes(8, "big") + data)
        state.calldata[name] = to, data
        logs = tuple(
            Log(
                Account(address),
                tuple(t.to_bytes(32, "big") for t in topics),
                bytes(body),
                patch.block_number,
                name,
            )
            for _, address, topics, body in sorted(result.get_raw_log_entries())
        )
        state.logs += logs
        return TxReceipt(name, int(patch.block_number), gas, logs, created)

    def calldata(self, transaction: bytes) -> tuple[Account | None, bytes]:
        """Return to whom a transaction went, and with what data."""
        if transaction not in self._state.calldata:
            raise ChainError(f"no transaction 0x{transaction.hex()}")
        return self._state.calldata[transaction]

    def calls_to(self, address: Account, transaction: bytes) -> list[bytes]:
        """No traces are kept here."""
        raise ChainError("the embedded chain keeps no traces")

    def logs(self, address: Account, topics: list[bytes | None], since: int = 0) -> list[Log]:
        """Return matching events, oldest first."""
        return [
            log
            for log in self._state.logs
            if log.address == address
            and log.block >= since
            and len(log.topics) >= len(topics)
            and all(want is None or want == have for want, have in zip(topics, log.topics))
        ]

    def _run(self, to: Account, data: bytes, simulate: bool, gas: int | None = None) -> Any:
        env = self._state.env
        result = env.execute_code(
            to_address=_address(to), sender=_address(self.account), data=data, simulate=simulate, gas=gas
        )
        if result.is_error:
            raise ChainError(_reason(result))
        return result

    def _create(self, data: bytes) -> tuple[Account, Any]:
        address, result = self._state.env.deploy(sender=_address(self.account), bytecode=data)
        if result.is_error:
            raise ChainError(_reason(result))
        return Account(address.canonical_address), result


def _reason(result: Any) -> str:
    from eth.exceptions import Revert

    if isinstance(result.error, Revert):
        return revert_reason(bytes(result.output))
    return f"{type(result.error).__name__}: {result.error}"


def _address(account: Account) -> Any:
    from boa.util.abi import Address

    return Address("0x" + account.hex())
