"""Pools with types: open one, read its terms, stake, join, settle, claim.

A peer needs nobody's server: shares are read from the settlement's event and
checked against the root that the pool keeps.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from axon.chain.artifacts import artifact
from axon.chain.attestation import Attestation
from axon.chain.chain import Chain, TxReceipt
from axon.chain.contract import Contract
from axon.chain.deploy import Deployment
from axon.chain.schedule import Schedule
from axon.chain.shares import ShareList, pack_shares, unpack_shares
from axon.errors import ChainError
from axon.ids import Account, InfoHash, NodeKey

__all__ = ["Member", "Pool", "Schedule", "Terms", "TokenTerms", "Totals", "Weight", "create_pool", "pools_of"]

_MAX_CLAIMS = 32  # epochs in one transaction


class TokenTerms(NamedTuple):
    """One reward token of a pool."""

    token: Account
    parameter: int  # for the distribution


class Weight(NamedTuple):
    """How much the publisher trusts a peer."""

    node_key: bytes
    weight: int


class Totals(NamedTuple):
    """Sums that the proof speaks of, units of 2^-36."""

    trust: int
    pretrust: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What a pool pays for, fixed for good; `contracts/interfaces/IPool.vyi` says what each means."""

    info_hash: InfoHash
    start: int  # seconds since 1970
    epoch_length: int  # seconds
    epochs: int
    claim_window: int  # seconds
    quorum: int
    c: int  # blocks of 16 KiB
    distribution: Account
    verifier: Account
    tokens: list[TokenTerms]
    trackers: list[int]
    c_e: int = 1 << 32
    lambda_: int = 1 << 12  # units of 2^-16: a sixteenth
    fee: int = 0  # basis points
    weights: list[Weight] = field(default_factory=list)

    @property
    def end(self) -> int:
        """When the last epoch ends, seconds since 1970."""
        return self.schedule.end

    @property
    def schedule(self) -> Schedule:
        """When the epochs are."""
        return Schedule(self.start, self.epoch_length, self.epochs)


@dataclass(frozen=True, slots=True)
class Member:
    """One joined peer."""

    index: int
    account: Account
    node_key: NodeKey
    binding: bytes  # 64 bytes; check with `axon.receipts.check_binding` before believing it
    joined: int  # epoch
    left: int | None  # epoch; it still earns in that one


class Pool:
    """One pool, seen by the account of `chain`.

    Raises
    ------
    ChainError
        If there is no contract at `address`.
    """

    def __init__(self, chain: Chain, address: Account) -> None:
        if not chain.has_code(address):
            raise ChainError(f"no contract at 0x{address.hex()} on chain {chain.chain_id}")
        self.chain = chain
        self.address = address
        self.contract = Contract(chain, artifact("pool"), address)

    def using(self, chain: Chain) -> "Pool":
        """Return the same pool seen by another account."""
        return Pool(chain, self.address)

    def terms(self) -> Terms:
        """Return all terms."""
        raw = vars(self.contract.call("terms"))
        raw["info_hash"] = InfoHash(raw["info_hash"])
        raw["tokens"] = [TokenTerms(t.token, t.parameter) for t in raw["tokens"]]
        raw["weights"] = [Weight(w.node_key, w.weight) for w in raw["weights"]]
        return Terms(**raw)

    def rules_hash(self) -> bytes:
        """Return the hash of the terms, which trackers' attestations name."""
        answer: bytes = self.contract.call("rules_hash")
        return answer

    def schedule(self) -> Schedule:
        """Return when the epochs are, which never changes; no further call tells the epoch then."""
        return self.terms().schedule

    def current_epoch(self) -> int:
        """Return the running epoch; the number of epochs once the pool is over."""
        return int(self.contract.call("current_epoch"))

    def approve_and_stake(self, token: Account, amount: int) -> TxReceipt:
        """Let the pool take `amount` base units of `token`, and stake them."""
        Contract(self.chain, artifact("mocks/token"), token).transact("approve", self.address, amount)
        return self.contract.transact("stake", token, amount)

    def join(self, node_key: NodeKey, binding: bytes) -> int:
        """Join as our account and return the index."""
        receipt = self.contract.transact("join", node_key, binding)
        (event,) = [e for e in self.contract.decode(receipt.logs) if e.name == "Joined"]
        return int(event["index"])

    def leave(self) -> TxReceipt:
        """Stop earning after the current epoch."""
        return self.contract.transact("leave")

    def members(self) -> list[Member]:
        """Return everyone who ever joined, by index."""
        left = {e["index"] for e in self.contract.events("Left")}
        members = []
        for event in self.contract.events("Joined"):
            index = event["index"]
            _, joined, after = self.contract.call("member", index)
            members.append(
                Member(
                    index,
                    event["account"],
                    NodeKey(event["node_key"]),
                    event["binding"],
                    joined,
                    after - 1 if index in left else None,
                )
            )
        return members

    def settle(
        self,
        epoch: int,
        receipts_root: bytes,
        attestation: Attestation,
        totals: Totals,
        shares: Sequence[int],
        proof: bytes,
    ) -> TxReceipt:
        """Settle an epoch; `shares` has one entry for each of `members_of(epoch)`."""
        return self.contract.transact(
            "settle", epoch, receipts_root, attestation, totals, pack_shares(shares), proof
        )

    def members_of(self, epoch: int) -> int:
        """Return how many shares the settlement of `epoch` lists."""
        return int(self.contract.call("members_of", epoch))

    def settled_epochs(self) -> list[int]:
        """Return the epochs that were settled, in order of settlement."""
        return [int(e["epoch"]) for e in self.contract.events("Settled")]

    def shares_of(self, epoch: int) -> ShareList:
        """Return the shares of a settled epoch, checked against the pool's root.

        Raises
        ------
        ChainError
            If the epoch is not settled, or the node's answer does not match the root.
        """
        settled = self.contract.events("Settled", epoch=epoch)
        listed = self.contract.events("Shares", epoch=epoch)
        if not settled or not listed:
            raise ChainError(f"epoch {epoch} of 0x{self.address.hex()} is not settled")
        shares = ShareList(epoch, unpack_shares(listed[0]["words"], settled[0]["members"]))
        if shares.root != self.contract.call("claims_root", epoch):
            raise ChainError(f"epoch {epoch}: the node's shares do not match the pool's root")
        return shares

    def claimable_epochs(self, index: int) -> list[int]:
        """Return the settled epochs in which member `index` has not claimed yet."""
        return [e for e in self.settled_epochs() if self.contract.call("is_unclaimed", e, index)]

    def claim(self, index: int, epochs: Sequence[int]) -> list[TxReceipt]:
        """Claim for member `index`, whoever we are; one transaction per 32 epochs."""
        proofs = [self.shares_of(epoch).claim(index) for epoch in epochs]
        return [
            self.contract.transact("claim", index, proofs[k : k + _MAX_CLAIMS])
            for k in range(0, len(proofs), _MAX_CLAIMS)
        ]

    def balances(self, token: Account) -> tuple[int, int]:
        """Return (carried, reserved) of one token, base units."""
        return self.contract.call("carried", token), self.contract.call("reserved", token)


def create_pool(
    chain: Chain, deployment: Deployment, terms: Terms, salt: bytes = bytes(32)
) -> tuple[Pool, TxReceipt]:
    """Open a pool as its publisher."""
    factory = Contract(chain, artifact("pool_factory"), deployment.factory)
    receipt = factory.transact("create_pool", terms, salt)
    (event,) = [e for e in factory.decode(receipt.logs) if e.name == "PoolCreated"]
    return Pool(chain, event["pool"]), receipt


def pools_of(chain: Chain, deployment: Deployment, info_hash: InfoHash) -> list[Pool]:
    """Return all pools for one torrent, oldest first. Anybody can open one: read the terms."""
    factory = Contract(chain, artifact("pool_factory"), deployment.factory)
    count = factory.call("pool_count", info_hash)
    return [Pool(chain, factory.call("pool_at", info_hash, k)) for k in range(count)]
