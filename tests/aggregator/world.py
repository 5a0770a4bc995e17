"""A small world for tests of the epoch job: an embedded chain, a pool, three trackers in this process.

Trackers are the real ones (log, intake's outcomes, attestation) without their sockets, and
sign with a toy: their key and the message (`contracts/mocks/trackers.vy` takes the message for
the signature). The verifier says yes to everything, for proofs are verified in Python before they are sent.
"""

import json
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from axon.aggregator.epoch import EpochJob, Registered, Report
from axon.aggregator.trackers import TrackerClient
from axon.bls import BlsSecret
from axon.bt.inclusion import Inclusion, Verdict, encode_answer
from axon.chain.artifacts import artifact
from axon.chain.attestation import Attestation
from axon.chain.chain import Chain
from axon.chain.contract import Contract, deploy
from axon.chain.deploy import Deployment, deploy_system
from axon.chain.embedded import EmbeddedAccount, EmbeddedChain
from axon.chain.pool import Pool, Terms, TokenTerms, Weight, create_pool
from axon.errors import TrackerError
from axon.ids import Account, Epoch, InfoHash, NodeKey, PieceIndex
from axon.keys import NodeSecret
from axon.receiptlog import Outcome, ReceiptLog, Role
from axon.receipts import RECEIPT_SIZE, Receipt, Reject, Scope, sign_binding
from axon.rewards.pools import read_rules
from axon.stark import ONCHAIN_100, Options
from axon.tracker.attest import Attester
from axon.tracker.pools import Pools

DAY = 86_400
_ONE_AT_A_TIME = threading.RLock()
BLOCKS = 4096
STAKE = 10**21
TORRENT = InfoHash(b"\x22" * 20)
SECRETS = [NodeSecret(bytes(31) + bytes([k])) for k in range(1, 6)]
# Reverts below 1024 bytes of calldata, for pools try a verifier with nonsense; else returns 1.
_YES = bytes.fromhex("36 610400 10 600b 57 5f 5f fd 5b 6001 5f 52 6020 5f f3")
YES = b"\x73" + _YES + bytes.fromhex("5f 52 6014 600c f3")  # and what deploys it


def yes_verifier(chain: Chain) -> Account:
    """Deploy a verifier that accepts every proof that is one by its size."""
    created = chain.transact(None, YES).created
    assert created is not None
    return created


class ToySecret:
    """Stands in for a BLS key."""

    def __init__(self, number: int) -> None:
        self.public = bytes([number]) * 256

    def sign(self, message: bytes) -> bytes:
        return self.public[:1] + message


TOYS = [ToySecret(k) for k in range(3)]


def toy_verify(keys: Sequence[bytes], message: bytes, signature: bytes) -> bool:
    return signature == keys[0][:1] + message


def toy_combine(trackers: list[int], signatures: Mapping[int, bytes]) -> Attestation:
    (message,) = {signature[1:] for signature in signatures.values()}
    return Attestation(sum(1 << trackers.index(id) for id in signatures), message)


class LocalTracker(TrackerClient):
    """A tracker without sockets; tests make it lie by setting its switches."""

    def __init__(self, number: int, home: Path, secret: "ToySecret | BlsSecret") -> None:
        super().__init__(f"http://tracker-{number}.test")
        self.log = ReceiptLog(home / "receipts.sqlite", durable=False)
        self.pools = Pools()
        self.away = False  # answers nothing
        self.withholds = False  # hands out no receipts
        self.signs_for: bytes | None = None  # another body, whatever is asked
        self.asked: list[str] = []
        self._attester = Attester(secret, lambda: self.pools)
        self._node = NodeSecret(bytes(30) + bytes([9, number]))

    def hold(self, *receipts: Receipt) -> None:
        self.log.append(Role.SUBMITTED, receipts)

    def _ask(
        self, method: str, path: str, body: bytes = b"", *, limit: int = 0, refusals: bool = False
    ) -> bytes:
        with _ONE_AT_A_TIME:  # the proof library's buffers are a process's
            return self._answer(path, body)

    def _answer(self, path: str, body: bytes) -> bytes:
        self.asked.append(path)
        if self.away:
            raise TrackerError(f"{self.url}: away")
        if path == "/attest":
            return json.dumps(self._attester.attest(self.signs_for or body, self.log)[1]).encode()
        if path == "/receipts":
            return self._take(body)
        if self.withholds:
            return b""
        held = [receipt.serialize() for receipt in self.log.latest()]
        for proof in self.log.equivocations():
            held += [receipt.serialize() for receipt in proof]
        return b"".join(held)

    def _take(self, body: bytes) -> bytes:
        raw = [body[k : k + RECEIPT_SIZE] for k in range(0, len(body), RECEIPT_SIZE)]
        outcomes = self.log.append(Role.SUBMITTED, [Receipt.parse(data) for data in raw])
        fine = [o in (Outcome.STORED, Outcome.DUPLICATE, Outcome.STALE) for o in outcomes]
        verdicts = [Verdict("stored") if ok else Verdict("rejected", Reject.EQUIVOCATION) for ok in fine]
        held = [data for data, ok in zip(raw, fine) if ok]
        return encode_answer(verdicts, Inclusion.of(self._node, held, 1))


class World:
    """One pool whose first epoch is over; `members` have joined it, in this order."""

    torrent = TORRENT

    def __init__(
        self,
        home: Path,
        members: Sequence[NodeSecret] = SECRETS[:3],
        quorum: int = 2,
        secrets: Sequence[ToySecret | BlsSecret] = TOYS,
        epoch_length: int = DAY,
    ) -> None:
        self.home = home
        self.secrets = secrets
        self.chain, self.deployment, tokens = self._ground(isinstance(secrets[0], ToySecret))
        registry = Contract(self.chain, artifact("trackers"), self.deployment.trackers)
        self.ids = list(range(len(secrets)))
        for k, secret in enumerate(secrets):
            if isinstance(secret, BlsSecret):
                registry.transact("register", secret.public, secret.prove_possession())
                self.ids[k] = registry.call("id_of", secret.public)
        self.tokens = list(tokens)
        terms = Terms(
            info_hash=self.torrent,
            start=self.chain.now(),
            epoch_length=epoch_length,
            epochs=4,
            claim_window=DAY,
            quorum=quorum,
            c=BLOCKS,
            distribution=self.deployment.linear,
            verifier=yes_verifier(self.chain),
            tokens=[TokenTerms(token, 0) for token in self.tokens],
            trackers=self.ids,
            fee=100,
            weights=[Weight(SECRETS[0].public, 5)],
        )
        salt = time.perf_counter_ns().to_bytes(32, "big")  # one chain for all tests
        self.pool, _ = create_pool(self.chain, self.deployment, terms, salt)
        for token in self.tokens:
            Contract(self.chain, artifact("mocks/token"), token).transact("mint", self.chain.account, STAKE)
            self.pool.approve_and_stake(token, STAKE)
        for k, member in enumerate(members):
            self.join(k, member)
        self.scope = Scope(self.chain.chain_id, self.pool.address, self.torrent, Epoch(0))
        self.trackers = [LocalTracker(k, home / f"tracker-{k}", secret) for k, secret in enumerate(secrets)]
        self.events: list[tuple[str, dict[str, object]]] = []

    def _ground(self, toy: bool) -> "Ground":
        return _base(toy)

    def member(self, k: int) -> Pool:
        return self.pool.using(self.chain.using(EmbeddedAccount.named(f"peer-{k}")))

    def join(self, k: int, secret: NodeSecret) -> int:
        pool = self.member(k)
        binding = sign_binding(secret, self.chain.chain_id, pool.address, pool.chain.account)
        return pool.join(secret.public, binding)

    def close_epoch(self) -> None:
        """Let the epoch end, and tell the trackers."""
        self.travel(DAY)
        self.tell_trackers()

    def travel(self, seconds: int) -> None:
        assert isinstance(self.chain, EmbeddedChain)
        self.chain.travel(seconds)

    def tell_trackers(self) -> None:
        """Give the trackers the pool's rules as they are now."""
        path = self.home / "pools.json"
        path.write_text(json.dumps({"pools": [read_rules(self.pool, BLOCKS).to_json()]}))
        for tracker in self.trackers:
            tracker.pools = Pools.load(path)

    def receipt(
        self,
        down: NodeSecret,
        up: NodeSecret | NodeKey,
        blocks: int,
        sequence: int = 1,
        scope: Scope | None = None,
    ) -> Receipt:
        key = up.public if isinstance(up, NodeSecret) else up
        unsigned = Receipt(
            *(scope or self.scope), down.public, key, PieceIndex(0), blocks, sequence, bytes(32), 1
        )
        return unsigned.signed(down)

    def honest(self) -> list[Receipt]:
        a, b, c = SECRETS[:3]
        return [self.receipt(a, b, 600), self.receipt(a, c, 300), self.receipt(c, b, 50)]

    def note(self, stage: str, facts: object) -> None:
        self.events.append((stage, dict(facts)))  # type: ignore[call-overload]

    def warnings(self) -> str:
        return "\n".join(str(facts["message"]) for stage, facts in self.events if stage == "warning")

    def job(
        self,
        name: str = "job",
        report: Report | None = None,
        epoch: int = 0,
        options: Options = ONCHAIN_100,
        pool: Pool | None = None,
    ) -> EpochJob:
        trackers = [
            Registered(self.ids[k], tracker, self.secrets[k].public)
            for k, tracker in enumerate(self.trackers)
        ]
        home, at = self.home / name, Epoch(epoch)
        return EpochJob(home, pool or self.pool, at, BLOCKS, trackers, options, report or self.note)


Ground = tuple[Chain, Deployment, tuple[Account, Account]]  # and two tokens


@cache
def _base(toy: bool) -> Ground:
    return ground(EmbeddedChain(EmbeddedAccount.named("publisher"), start=1_700_000_000), toy)


def ground(chain: Chain, toy: bool) -> Ground:
    """Deploy what all pools share."""
    deployment = deploy_system(chain, deploy(chain, artifact("mocks/trackers")).address if toy else None)
    first, second = (deploy(chain, artifact("mocks/token"), "Test", name).address for name in ("ONE", "TWO"))
    return chain, deployment, (first, second)
