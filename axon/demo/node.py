"""The demo's chain behind a JSON-RPC node: one funded account pays for all the others.

The publisher's key comes from a file or a mnemonic (by default the one that development nodes
such as anvil fund). Every other account's key is derived from it, so that nothing is lost with
a run that was cut off, and is sent some coin the first time that it is used.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from axon.chain.rpc import RpcChain
from axon.chain.wallet import KeyWallet
from axon.demo.chain import DAY, DemoChain
from axon.errors import ChainError, ConfigError
from axon.merkle import keccak256

__all__ = ["DEVELOPMENT", "node_demo_chain", "publisher_wallet"]

DEVELOPMENT: Final = "test test test test test test test test test test test junk"  # worthless anywhere else
_GAS_EACH: Final = 1_500_000  # join, claim, and one settlement's part, with room
_GAS_ALL: Final = 60_000_000  # deployments above all
_PATIENCE: Final = 1.0  # seconds between looks at a chain whose time cannot be moved


def publisher_wallet(key_file: Path | None, mnemonic: str | None) -> tuple[KeyWallet, bytes]:
    """Return the funded account and its secret.

    Raises
    ------
    ConfigError
        If the file or the words are no key.
    """
    from eth_account import Account as EthAccount
    from eth_utils.exceptions import ValidationError

    try:
        if key_file is not None:
            secret = bytes.fromhex(key_file.read_text("utf-8").strip().removeprefix("0x"))
        else:
            EthAccount.enable_unaudited_hdwallet_features()
            secret = bytes(EthAccount.from_mnemonic(mnemonic or DEVELOPMENT).key)
    except (OSError, ValueError, ValidationError) as error:
        raise ConfigError(f"demo account: {error}") from error
    return KeyWallet(secret), secret


def node_demo_chain(
    url: str, key_file: Path | None, mnemonic: str | None, epoch_seconds: int | None
) -> DemoChain:
    """Connect, and deploy everything.

    Parameters
    ----------
    epoch_seconds : int, optional
        Length of an epoch; by default a day where the node lets time pass at will, else two minutes.

    Raises
    ------
    ChainError
        If the node does not answer, or the publisher has too little coin.
    """
    wallet, secret = publisher_wallet(key_file, mnemonic)
    chain = RpcChain(url, wallet)
    price = chain.gas_price()
    held, wanted = chain.balance(wallet.account), _GAS_ALL * price
    if held < wanted:
        raise ChainError(
            f"0x{wallet.account.hex()} has {held / 1e18:.6f} coins on chain {chain.chain_id},"
            f" the demo wants {wanted / 1e18:.6f}: name a funded account by --key-file or --mnemonic"
        )
    wallets: dict[str, KeyWallet] = {}

    def wallet_of(name: str) -> KeyWallet:
        if name not in wallets:
            made = KeyWallet(keccak256(b"axon demo" + secret + name.encode()))
            lacking = _GAS_EACH * price - chain.balance(made.account)
            if lacking > 0:
                chain.transfer(made.account, lacking)
            wallets[name] = made
        return wallets[name]

    moves = chain.can_travel()
    length = epoch_seconds or (DAY if moves else 120)
    return DemoChain(chain, wallet_of, chain.travel if moves else _waiter(chain), length)


def _waiter(chain: RpcChain) -> Callable[[int], None]:
    def wait(seconds: int) -> None:
        end = chain.now() + seconds
        while chain.now() < end:
            time.sleep(_PATIENCE)

    return wait
