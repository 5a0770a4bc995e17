"""The demo's chain: contracts, two tokens, trackers' keys, one pool, and accounts for everybody."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from axon.bls import BlsSecret
from axon.chain.artifacts import artifact
from axon.chain.chain import Chain, Wallet
from axon.chain.contract import Contract, deploy
from axon.chain.deploy import Deployment, deploy_system
from axon.chain.pool import Pool, Terms, TokenTerms, Weight, create_pool
from axon.ids import Account, InfoHash, NodeKey
from axon.keys import NodeSecret
from axon.receipts import sign_binding

__all__ = ["DAY", "DemoChain", "Gas", "Token"]

DAY = 86_400
_STAKE = 10**21  # base units: a thousand tokens
_EPOCHS = 10


@dataclass(frozen=True, slots=True)
class Token:
    """One reward token."""

    symbol: str
    address: Account


@dataclass(slots=True)
class Gas:
    """Gas by what it was spent on, each transaction."""

    spent: dict[str, list[int]] = field(default_factory=dict)

    def note(self, what: str, gas: int) -> None:
        """Add one transaction."""
        self.spent.setdefault(what, []).append(gas)


class DemoChain:
    """One chain with everything deployed.

    Parameters
    ----------
    chain : Chain
        Seen by the publisher.
    wallets : callable
        Gives the wallet of a name.
    travel : callable
        Lets so many seconds pass on the chain.
    epoch_length : int
        Seconds.
    """

    def __init__(
        self,
        chain: Chain,
        wallets: Callable[[str], Wallet],
        travel: Callable[[int], None],
        epoch_length: int = DAY,
    ) -> None:
        self.chain = chain
        self.wallets = wallets
        self.gas = Gas()
        self._travel = travel
        self._epoch_length = epoch_length
        self.system: Deployment = deploy_system(chain)
        self.tokens = [self._token("Axon", "AXN"), self._token("Dollar", "USD")]
        self.tracker_ids: list[int] = []
        self.pool: Pool | None = None

    def _token(self, name: str, symbol: str) -> Token:
        return Token(symbol, deploy(self.chain, artifact("mocks/token"), name, symbol).address)

    def register_trackers(self, secrets: Sequence[BlsSecret]) -> None:
        """Put the trackers' keys into the registry, each with its proof of possession."""
        registry = Contract(self.chain, artifact("trackers"), self.system.trackers)
        for secret in secrets:
            receipt = registry.transact("register", secret.public, secret.prove_possession())
            self.gas.note("register a tracker", receipt.gas_used)
            (event,) = registry.decode(receipt.logs)
            self.tracker_ids.append(int(event["id"]))

    def open_pool(
        self, info_hash: InfoHash, blocks: int, weights: Mapping[NodeKey, int], verifier: Account
    ) -> Pool:
        """Open a pool of two tokens for ten epochs, and stake both."""
        axon, dollar = self.tokens
        terms = Terms(
            info_hash=info_hash,
            start=min(self.chain.now(), int(time.time())),  # trackers go by the wall clock
            epoch_length=self._epoch_length,
            epochs=_EPOCHS,
            claim_window=max(3 * self._epoch_length, 3600),
            quorum=len(self.tracker_ids) // 2 + 1,
            c=blocks,
            distribution=self.system.linear,
            verifier=verifier,
            tokens=[TokenTerms(axon.address, 0), TokenTerms(dollar.address, 0)],
            trackers=self.tracker_ids,
            fee=100,
            weights=[Weight(key, weight) for key, weight in weights.items()],
        )
        self.pool, receipt = create_pool(self.chain, self.system, terms)
        self.gas.note("open a pool", receipt.gas_used)
        for token in self.tokens:
            Contract(self.chain, artifact("mocks/token"), token.address).transact(
                "mint", self.chain.account, _STAKE
            )
            staked = self.pool.approve_and_stake(token.address, _STAKE)
            self.gas.note("stake", staked.gas_used)
        return self.pool

    def join(self, name: str, secret: NodeSecret) -> int:
        """Let an account join with its node key; return its index."""
        assert self.pool is not None
        wallet = self.wallets(name)
        binding = sign_binding(secret, self.chain.chain_id, self.pool.address, wallet.account)
        return self.pool.using(self.chain.using(wallet)).join(secret.public, binding)

    def end_epoch(self) -> None:
        """Let the first epoch end."""
        assert self.pool is not None
        left = self.pool.terms().start + self._epoch_length - self.chain.now()
        if left > 0:
            self._travel(left)

    def claim(self, name: str, index: int, epochs: Sequence[int]) -> None:
        """Claim what a peer earned, as that peer."""
        assert self.pool is not None
        pool = self.pool.using(self.chain.using(self.wallets(name)))
        for receipt in pool.claim(
            index, [epoch for epoch in epochs if epoch in pool.claimable_epochs(index)]
        ):
            self.gas.note("claim", receipt.gas_used)

    def balance(self, token: Token, name: str) -> int:
        """Return what an account holds of a token, base units."""
        held = Contract(self.chain, artifact("mocks/token"), token.address)
        return int(held.call("balanceOf", self.wallets(name).account))
