"""A small world for tests of the pool: mock trackers and verifier, real pool, factory and tokens."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from eth_abi.abi import encode

from axon.chain.artifacts import artifact
from axon.chain.attestation import Attestation, attestation_digest
from axon.chain.chain import TxReceipt
from axon.chain.contract import Contract, deploy
from axon.chain.deploy import deploy_system
from axon.chain.embedded import EmbeddedAccount, EmbeddedChain
from axon.chain.pool import Pool, Terms, TokenTerms, Totals, create_pool
from axon.chain.shares import SHARE_BITS, pack_shares
from axon.ids import Account, InfoHash
from axon.merkle import keccak256

EPOCH = 3600
WHOLE = 1 << SHARE_BITS
ROOT = keccak256(b"receipts")
TOTALS = Totals(5, 3)
HONEST, SILENT, REFUSE, REVERT, FEE, BURN, REENTER, GARBAGE, LIE, BARE = range(10)  # mocks/hostile_token.vy


def account(name: str) -> Account:
    return EmbeddedAccount.named(name).account


class World:
    """A chain with one pool of `tokens` (names of mock contracts)."""

    def __init__(
        self, tokens: Sequence[str] = ("mocks/token",), verifier: str = "mocks/verifier", **changes: Any
    ) -> None:
        self.chain = EmbeddedChain()
        registry = deploy(self.chain, artifact("mocks/trackers"))
        self.deployment = deploy_system(self.chain, registry.address)
        self.verifier = deploy(self.chain, artifact(verifier))
        self.tokens = [self.token(name) for name in tokens]
        terms = Terms(
            info_hash=InfoHash(b"\x11" * 20),
            start=self.chain.now() + EPOCH,
            epoch_length=EPOCH,
            epochs=4,
            claim_window=2 * EPOCH,
            quorum=2,
            c=1000,
            distribution=self.deployment.linear,
            verifier=self.verifier.address,
            tokens=[TokenTerms(token.address, 0) for token in self.tokens],
            trackers=[0, 3, 7],
        )
        self.terms = replace(terms, **changes)
        self.pool, self.created = create_pool(self.chain, self.deployment, self.terms)

    def open(self, **changes: Any) -> None:
        """Open another pool like the first and turn to it."""
        self.terms = replace(self.terms, **changes)
        self.pool, self.created = create_pool(self.chain, self.deployment, self.terms, b"\x01" * 32)

    def token(self, name: str) -> Contract:
        args = ("Test", "T") if name == "mocks/token" else ()
        return deploy(self.chain, artifact(name), *args)

    def as_(self, name: str) -> Pool:
        """The pool as somebody else sees it."""
        return self.pool.using(self.chain.using(EmbeddedAccount.named(name)))

    def stake(self, amount: int, number: int = 0, name: str = "staker") -> TxReceipt:
        token = self.tokens[number]
        token.transact("mint", account(name), amount)
        return self.as_(name).approve_and_stake(token.address, amount)

    def join(self, *names: str) -> list[int]:
        return [self.as_(n).join(keccak256(n.encode()), bytes(64)) for n in names]  # type: ignore[arg-type]

    def to_end_of(self, epoch: int) -> None:
        """Let time pass until `epoch` can be settled."""
        wanted = self.terms.start + (epoch + 1) * EPOCH
        self.chain.travel(max(0, wanted - self.chain.now()))

    def attest(self, epoch: int, root: bytes = ROOT, signers: int = 0b011) -> Attestation:
        digest = attestation_digest(
            self.chain.chain_id, self.pool.address, epoch, root, self.pool.rules_hash()
        )
        return Attestation(signers, digest)

    def prove(
        self,
        epoch: int,
        shares: Sequence[int],
        submitter: Account | None = None,
        root: bytes = ROOT,
        totals: Totals = TOTALS,
    ) -> bytes:
        statement = [
            self.chain.chain_id,
            int.from_bytes(self.pool.address, "big"),
            epoch,
            int.from_bytes(submitter or self.chain.account, "big"),
            int.from_bytes(root, "big"),
            len(shares),
            self.terms.c,
            self.terms.c_e,
            *totals,
        ]
        return keccak256(encode(["uint256[10]", "uint256[]"], [statement, pack_shares(shares)]))

    def settle(self, epoch: int, shares: Sequence[int], **changes: Any) -> TxReceipt:
        """Settle honestly, except for `changes` to the arguments."""
        arguments: dict[str, Any] = {
            "epoch": epoch,
            "receipts_root": ROOT,
            "attestation": self.attest(epoch),
            "totals": TOTALS,
            "shares": shares,
            "proof": self.prove(epoch, shares),
        }
        return self.pool.settle(**(arguments | changes))

    def balance(self, name: str, number: int = 0) -> int:
        return int(self.tokens[number].call("balanceOf", account(name)))

    def held(self, number: int = 0) -> int:
        return int(self.tokens[number].call("balanceOf", self.pool.address))
