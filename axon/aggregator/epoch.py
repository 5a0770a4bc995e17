"""The epoch job: receipts → edges → shares → root → quorum → proof → transaction.

Each stage leaves a file in the job's folder, whole or not at all, and begins by
looking for it: after kill -9 the next run goes on with the stage that was cut off,
and a finished job does nothing. Nothing is sent to the chain before the proof has
been verified here.
"""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axon.aggregator.chainrules import read_rules
from axon.aggregator.trackers import TrackerClient
from axon.chain.attestation import Attestation, combine
from axon.chain.pool import Pool, Totals
from axon.errors import AxonError, ChainError, StorageError, TrackerError
from axon.ids import Epoch
from axon.receipts import RECEIPT_SIZE
from axon.rewards.air import Statement, reward_trace
from axon.rewards.attestation import AttestRequest, Difference, Refusal, edges_of
from axon.rewards.epoch import RebuiltEpoch, commit, rebuild
from axon.rewards.pools import PoolRules
from axon.stark import Options, Proof, prove, verify

__all__ = ["EpochJob", "Registered", "Settled"]

Report = Callable[[str, Mapping[str, object]], None]  # stage, what it found


@dataclass(frozen=True, slots=True)
class Registered:
    """One of the pool's trackers: where it is, and how the chain knows it."""

    id: int  # in the registry
    client: TrackerClient
    public_key: bytes  # as registered; what it signs must verify under this


@dataclass(frozen=True, slots=True)
class Settled:
    """How a job ended."""

    epoch: RebuiltEpoch
    statement: Statement
    proof: bytes
    transaction: bytes  # empty: an earlier run sent it, and was cut off before it could note which
    gas_used: int


class EpochJob:
    """One epoch of one pool.

    Parameters
    ----------
    home : Path
        The job's folder; one job a folder.
    pool : Pool
        Seen by the account that settles (and gets the fee).
    epoch : Epoch
    blocks : int
        Of 16 KiB in the torrent.
    trackers : sequence of Registered
    options : Options
        A named set; the pool's verifier must be for it.
    report : callable
        Told of every stage when it is done.

    Raises
    ------
    StorageError, TrackerError, ChainError
        By `run`; the next run goes on from there.
    """

    def __init__(
        self,
        home: Path,
        pool: Pool,
        epoch: Epoch,
        blocks: int,
        trackers: Sequence[Registered],
        options: Options,
        report: Report = lambda stage, facts: None,
    ) -> None:
        self._home = home
        self._pool = pool
        self._epoch = epoch
        self._blocks = blocks
        self._trackers = list(trackers)
        self._options = options
        self._report = report
        home.mkdir(parents=True, exist_ok=True)

    def run(self, *, dry: bool = False) -> Settled | None:
        """Do what is left to do.

        Parameters
        ----------
        dry : bool
            Stop before the transaction.
        """
        rules = self._rules()
        over = rules.start + (self._epoch + 1) * rules.epoch_length
        if self._pool.chain.now() < over:
            raise ChainError(f"epoch {self._epoch} ends at {over}, the chain is at {self._pool.chain.now()}")
        receipts = self._receipts(rules)
        epoch = self._timed("edges", lambda: rebuild(rules.of_epoch(self._epoch), [_split(receipts)]))
        self._report(
            "edges",
            {
                "edges": len(epoch.collected.edges),
                "peers": epoch.collected.edges.n,
                "refused": len(epoch.collected.refused),
                "equivocations": len(epoch.collected.equivocations),
            },
        )
        seed = self._kept("seed", lambda: os.urandom(32))
        root = self._timed("root", lambda: commit(epoch, seed, self._options))
        self._report("root", {"root": root.hex()})
        attestation = self._attest(rules, epoch, seed, root)
        statement = self._statement(rules, epoch, root)
        proof = self._prove(epoch, statement, seed)
        if dry:
            return None
        transaction, gas = self._settle(root, attestation, statement, proof)
        return Settled(epoch, statement, proof, transaction, gas)

    # Stages.

    def _rules(self) -> PoolRules:
        raw = self._kept(
            "rules.json", lambda: json.dumps(read_rules(self._pool, self._blocks).to_json()).encode()
        )
        return PoolRules.from_json(json.loads(raw))

    def _receipts(self, rules: PoolRules) -> bytes:
        def gather() -> bytes:
            found: dict[bytes, None] = {}
            answered = 0
            for tracker in self._trackers:
                try:
                    held = list(tracker.client.receipts(rules.chain_id, rules.pool, self._epoch))
                except TrackerError as error:
                    self._report("warning", {"message": str(error)})
                    continue
                answered += 1
                found |= dict.fromkeys(held)
                self._report("receipts", {"tracker": tracker.client.url, "receipts": len(held)})
            if answered < self._pool.terms().quorum:
                raise TrackerError(f"{answered} of {len(self._trackers)} trackers answer: below the quorum")
            return b"".join(sorted(found))

        return self._kept("receipts.bin", gather)

    def _attest(self, rules: PoolRules, epoch: RebuiltEpoch, seed: bytes, root: bytes) -> Attestation:
        terms = self._pool.terms()
        wanted = AttestRequest(
            rules.chain_id,
            rules.pool,
            self._epoch,
            root.ljust(32, b"\0"),
            seed,
            self._options.name,
            edges_of(epoch),
        )

        def gather() -> bytes:
            signed: dict[int, str] = {}
            for tracker in self._trackers:
                try:
                    signature = self._signature(tracker, wanted, rules.rules_hash, epoch)
                except (TrackerError, Refusal) as error:
                    self._report("warning", {"message": f"{tracker.client.url}: {error}"})
                    continue
                signed[tracker.id] = signature.hex()
                self._report("attested", {"tracker": tracker.client.url})
            if len(signed) < terms.quorum:
                raise TrackerError(f"{len(signed)} trackers sign, the pool wants {terms.quorum}")
            return json.dumps({"root": root.hex(), "signatures": signed}).encode()

        kept = json.loads(self._kept("attestation.json", gather))
        if kept["root"] != root.hex():
            raise StorageError(f"{self._home}: attestation of another root; start the job in a new folder")
        return combine(terms.trackers, {int(k): bytes.fromhex(v) for k, v in kept["signatures"].items()})

    def _signature(
        self, tracker: Registered, wanted: AttestRequest, rules_hash: bytes, epoch: RebuiltEpoch
    ) -> bytes:
        """Ask; if the tracker lacks receipts that we hold, hand them over and ask once more."""
        try:
            return tracker.client.attest(wanted, rules_hash, tracker.public_key)
        except Refusal as refusal:
            lacking = _receipts_for(refusal.differences, epoch)
            if not lacking:
                raise
            tracker.client.submit(lacking)
            return tracker.client.attest(wanted, rules_hash, tracker.public_key)

    def _statement(self, rules: PoolRules, epoch: RebuiltEpoch, root: bytes) -> Statement:
        statement = Statement(
            rules.chain_id,
            rules.pool,
            self._epoch,
            self._pool.chain.account,
            root,
            rules.c,
            rules.c_e,
            int(epoch.rewards.trust.sum()),
            int(epoch.pretrust.sum()),
            epoch.shares,
        )
        statement.check()
        return statement

    def _prove(self, epoch: RebuiltEpoch, statement: Statement, seed: bytes) -> bytes:
        air, options = epoch.air(self._options), self._options

        def make() -> bytes:
            self._report("proving", {"log_rows": air.log_rows})
            trace = reward_trace(
                epoch.collected.edges,
                epoch.pretrust,
                epoch.collected.joined,
                statement.c,
                statement.c_e,
                epoch.rewards,
                air.rows(options),
            )
            proof = prove(air, trace, statement.public(), options, attested_seed=seed)
            return proof.to_bytes()

        raw: bytes = self._timed("proof", lambda: self._kept(f"proof-{statement.submitter.hex()}.bin", make))
        verify(air, statement.public(), Proof.from_bytes(raw), options)
        self._report(
            "proof", {"bytes": len(raw), "log_rows": air.log_rows, "bits": options.security_bits(air)}
        )
        return raw

    def _settle(
        self, root: bytes, attestation: Attestation, statement: Statement, proof: bytes
    ) -> tuple[bytes, int]:
        def send() -> bytes:
            if self._epoch in self._pool.settled_epochs():  # perhaps by us, cut off before we could note it
                if self._pool.shares_of(self._epoch).shares != list(statement.shares):
                    raise ChainError(f"epoch {self._epoch} was settled by somebody else, with other shares")
                return json.dumps({"transaction": "", "gas_used": 0}).encode()
            receipt = self._pool.settle(
                self._epoch,
                root.ljust(32, b"\0"),
                attestation,
                Totals(statement.sum_trust, statement.sum_pretrust),
                statement.shares,
                proof,
            )
            return json.dumps(
                {"transaction": receipt.transaction.hex(), "gas_used": receipt.gas_used}
            ).encode()

        done = json.loads(self._timed("settled", lambda: self._kept("settled.json", send)))
        self._report("settled", done)
        return bytes.fromhex(done["transaction"]), done["gas_used"]

    # Files and times.

    def _kept(self, name: str, make: Callable[[], bytes]) -> bytes:
        """Return the file, or make it: written beside, synced, then renamed."""
        path = self._home / name
        try:
            if path.exists():
                return path.read_bytes()
            data = make()
            partial = path.with_name(f".{name}.part")
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror or error}") from error
        return data

    def _timed(self, stage: str, work: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = work()
        self._report("time", {"stage": stage, "seconds": time.perf_counter() - started})
        return result


def _split(raw: bytes) -> list[bytes]:
    if len(raw) % RECEIPT_SIZE:
        raise AxonError(f"{len(raw)} bytes of receipts, want a multiple of {RECEIPT_SIZE}")
    return [raw[at : at + RECEIPT_SIZE] for at in range(0, len(raw), RECEIPT_SIZE)]


def _receipts_for(found: Sequence[Difference], epoch: RebuiltEpoch) -> list[bytes]:
    """Return our receipts of pairs for which a tracker counts fewer blocks than we do."""
    pairs = {
        (d.downloader, d.uploader) for d in found if d.ours < d.theirs
    }  # theirs: the request's, so ours here
    return [
        raw
        for raw in epoch.collected.receipts
        if (raw[52:84], raw[84:116]) in pairs  # where a receipt has its two keys
    ]
