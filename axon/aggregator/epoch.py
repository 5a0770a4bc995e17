"""The epoch job: receipts → edges → shares → root → quorum → proof → transaction.

Each stage leaves a file in the job's folder (`folder.py`) and begins by looking for it: after
kill -9 the next run goes on with the stage that was cut off, and a finished job does nothing.
Receipts are gathered anew, beside those held already, until a quorum has signed for them;
from then on they are fixed. Nothing is sent to the chain before the proof has been verified here.
"""

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from axon.aggregator.folder import JobFolder
from axon.aggregator.proofs import check_rows, envelope, make_proof
from axon.aggregator.quorum import Quorum, Registered, Report
from axon.chain.attestation import Attestation, combine
from axon.chain.contract import Event
from axon.chain.pool import Pool, Terms, Totals
from axon.errors import AxonError, ChainError, ConfigError, ProofRejected, StorageError, TrackerError
from axon.ids import Account, Epoch, format_account
from axon.receipts import RECEIPT_SIZE
from axon.rewards.air import Statement
from axon.rewards.attestation import AttestRequest, edges_of
from axon.rewards.epoch import RebuiltEpoch, commit, rebuild
from axon.rewards.pools import PoolRules, read_rules
from axon.stark import Options, Proof, verify

__all__ = ["EpochJob", "Registered", "Report", "Settled"]

_T = TypeVar("_T")
_LOOK: Final = 15.0  # seconds between looks at the chain while the epoch lasts


@dataclass(frozen=True, slots=True)
class Settled:
    """How a job ended."""

    epoch: RebuiltEpoch
    statement: Statement
    proof: bytes
    transaction: bytes  # hash; empty after a dry run
    gas_used: int  # 0: an earlier run sent it, and was cut off before it could note what it cost


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
    processes : int
        That check signatures, when there are many.
    sleep : callable
        Lets so many seconds pass.

    Raises
    ------
    StorageError, TrackerError, ChainError
        By `run`; the next run goes on from there.
    ConfigError
        By `run`: the folder is another job's, or the epoch is larger than the options admit.
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
        *,
        processes: int = 2,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._folder = JobFolder(home)
        self._pool = pool
        self._epoch = epoch
        self._blocks = blocks
        self._quorum = Quorum(trackers, report)
        self._options = options
        self._report = report
        self._processes = processes
        self._sleep = sleep
        self._rebuilt: tuple[list[bytes], RebuiltEpoch, bytes] | None = None

    def run(self, *, dry: bool = False, submitter: Account | None = None, wait: bool = False) -> Settled:
        """Do what is left to do.

        Parameters
        ----------
        dry : bool
            Stop before the transaction.
        submitter : Account, optional
            Whom the proof names; by default the account that the pool is seen by.
        wait : bool
            Wait for the end of the epoch, instead of saying when that is.
        """
        with self._folder.locked():
            self._is_ours()
            terms = self._pool.terms()
            self._is_over(terms, wait)
            by = submitter or self._pool.chain.account
            if not dry:
                self._is_open(by)
            rules = self._rules()
            epoch, seed, root, attestation = self._agree(rules, terms)
            statement = _statement(rules, epoch, root, by)
            proof = self._prove(epoch, statement, seed)
            if dry:
                return Settled(epoch, statement, proof, b"", 0)
            transaction, gas = self._settle(epoch, attestation, statement, proof)
            return Settled(epoch, statement, proof, transaction, gas)

    # May it run?

    def _is_ours(self) -> None:
        mine = {
            "chain_id": self._pool.chain.chain_id,
            "pool": format_account(self._pool.address),
            "epoch": self._epoch,
            "blocks": self._blocks,
            "options": self._options.name,
        }
        kept = self._folder.read_json("job.json")
        if kept is None:
            self._folder.write("job.json", json.dumps(mine, indent=1).encode())
        elif kept != mine:
            other = {key: value for key, value in kept.items() if mine.get(key) != value}
            raise ConfigError(f"{self._folder.path} is the folder of another job: {other}")

    def _is_over(self, terms: Terms, wait: bool) -> None:
        """The rules of an epoch are fixed when it is over, and not before: peers may still join."""
        if not 0 <= self._epoch < terms.epochs:
            raise ChainError(f"epoch {self._epoch}: the pool has {terms.epochs}")
        end = terms.start + (self._epoch + 1) * terms.epoch_length
        left = end - self._pool.chain.next_time()
        if left > 0 and not wait:
            raise ChainError(f"epoch {self._epoch} ends at {_date(end)}, in {left} seconds: run again then")
        if left > 0:
            self._report("waiting", {"until": _date(end), "seconds": left})
        while left > 0:
            self._sleep(min(left, _LOOK))
            try:
                left = end - self._pool.chain.next_time()
            except ChainError as error:  # nothing to lose: look again
                self._warn(str(error))

    def _is_open(self, submitter: Account) -> None:
        """No work for an epoch that somebody else has settled."""
        found = self._pool.contract.events("Settled", epoch=self._epoch)
        if found and found[0]["submitter"] != submitter:
            raise self._taken(found[0])

    def _taken(self, event: Event) -> ChainError:
        by, how = format_account(event["submitter"]), event.transaction.hex()
        return ChainError(f"epoch {self._epoch} was settled already, by {by} in 0x{how}")

    # Stages.

    def _rules(self) -> PoolRules:
        """Read the rules; those of an epoch that is over change only if the chain reorders."""
        rules = read_rules(self._pool, self._blocks)
        kept = self._folder.read_json("rules.json")
        if kept is not None and PoolRules.from_json(kept).of_epoch(self._epoch) != rules.of_epoch(
            self._epoch
        ):
            self._warn(
                "the chain has other members or terms than in an earlier run: asking and proving again"
            )
            self._forget("attestation.json")
            kept = None
        if kept is None:
            self._folder.write("rules.json", json.dumps(rules.to_json()).encode())
        return rules

    def _forget(self, first: str) -> None:
        """Drop a stage and what was made of it."""
        self._folder.drop(first)
        for proof in self._folder.path.glob("proof-*.bin"):
            self._folder.drop(proof.name)

    def _agree(self, rules: PoolRules, terms: Terms) -> tuple[RebuiltEpoch, bytes, bytes, Attestation]:
        """Find the receipts that a quorum signs for: the epoch, the seed, the root, the quorum's word."""
        seed = self._folder.kept("seed", lambda: os.urandom(32))
        kept = self._folder.read_json("attestation.json")
        if kept is None:
            kept = self._attest(rules, terms, seed)
        epoch, root = self._rebuild(rules, seed)
        if kept.get("root") != root.hex():
            raise StorageError(
                f"{self._folder.path}: the kept attestation is of another root than the kept receipts"
                " make; delete attestation.json and run again"
            )
        try:
            signatures = {int(id): bytes.fromhex(text) for id, text in kept["signatures"].items()}
            return epoch, seed, root, combine(terms.trackers, signatures)
        except (LookupError, AttributeError, TypeError, ValueError, AxonError) as error:
            path = self._folder.path / "attestation.json"
            raise StorageError(f"{path} is damaged ({error!r}): delete it and run again") from error

    def _rebuild(self, rules: PoolRules, seed: bytes) -> tuple[RebuiltEpoch, bytes]:
        """Make the epoch and its root of the receipts that are here."""
        receipts = _split(self._folder.read("receipts.bin") or b"")
        if self._rebuilt is not None and self._rebuilt[0] == receipts:
            return self._rebuilt[1:]
        wanted = rules.of_epoch(self._epoch)
        epoch = self._timed("edges", lambda: rebuild(wanted, [receipts], processes=self._processes))
        self._report("edges", _facts(epoch))
        check_rows(epoch, self._options)
        root = self._timed("root", lambda: commit(epoch, seed, self._options))
        self._report("root", {"root": root.hex()})
        self._rebuilt = receipts, epoch, root
        return epoch, root

    def _attest(self, rules: PoolRules, terms: Terms, seed: bytes) -> dict[str, Any]:
        """Get the word of a quorum; if a tracker counts receipts that we lack, fetch once more."""
        for last in (False, True):
            self._gather(rules, terms)
            epoch, root = self._rebuild(rules, seed)
            wanted = AttestRequest(
                rules.chain_id,
                rules.pool,
                self._epoch,
                root.ljust(32, b"\0"),
                seed,
                self._options.name,
                edges_of(epoch),
            )
            answers = self._timed("quorum", partial(self._quorum.ask, wanted, rules.rules_hash, epoch))
            self._report("quorum", {"signatures": len(answers.signed), "wanted": terms.quorum})
            if len(answers.signed) >= terms.quorum:
                signed = {str(id): signature.hex() for id, signature in answers.signed.items()}
                found = {"root": root.hex(), "signatures": signed}
                self._folder.write("attestation.json", json.dumps(found).encode())
                return found
            if last or not answers.behind:
                break
        why = "; ".join(answers.refusals)
        raise TrackerError(f"{len(answers.signed)} trackers sign, the pool wants {terms.quorum}: {why}")

    def _gather(self, rules: PoolRules, terms: Terms) -> None:
        """Add what the trackers hold to what earlier runs got from them."""
        found = dict.fromkeys(_split(self._folder.read("receipts.bin") or b""))
        held, answered = self._quorum.held(rules.chain_id, rules.pool, self._epoch)
        self._folder.write("receipts.bin", b"".join(sorted(found | held)))
        if answered < terms.quorum:
            raise TrackerError(
                f"{answered} of {len(self._quorum)} trackers answer, the pool wants {terms.quorum}"
            )

    def _prove(self, epoch: RebuiltEpoch, statement: Statement, seed: bytes) -> bytes:
        air, options, name = epoch.air(self._options), self._options, f"proof-{statement.submitter.hex()}.bin"

        def make() -> bytes:
            self._report("proving", {"log_rows": air.log_rows})
            return self._timed("proof", lambda: make_proof(epoch, statement, seed, options))

        raw = self._folder.kept(name, make)
        try:
            verify(air, statement.public(), Proof.from_bytes(raw), options)
        except ProofRejected as error:  # a disk that forgets; or else a bug, and then it says so again
            self._warn(f"the kept proof is rejected ({error}): proving again")
            self._folder.drop(name)
            raw = self._folder.kept(name, make)
            verify(air, statement.public(), Proof.from_bytes(raw), options)
        facts = {"bytes": len(raw), "log_rows": air.log_rows, "bits": options.security_bits(air)}
        self._report("proof", facts)
        return raw

    def _settle(
        self, epoch: RebuiltEpoch, attestation: Attestation, statement: Statement, proof: bytes
    ) -> tuple[bytes, int]:
        kept = self._folder.read_json("settled.json")
        found = self._found(statement)
        if kept is not None and found is None:
            self._warn("the chain has forgotten the settlement: sending it again")
            kept = None
        if kept is None and found is not None:  # sent by a run that was cut off before it could note it
            kept = {"transaction": found.hex(), "gas_used": 0}
        if kept is None:
            kept = self._send(epoch, attestation, statement, proof)
        self._folder.write("settled.json", json.dumps(kept).encode())
        self._report("settled", kept)
        return bytes.fromhex(kept["transaction"]), int(kept["gas_used"])

    def _found(self, statement: Statement) -> bytes | None:
        """Return the hash of the transaction that settled the epoch as we would."""
        on_chain = self._pool.contract.events("Settled", epoch=self._epoch)
        if not on_chain:
            return None
        if on_chain[0]["submitter"] != statement.submitter:
            raise self._taken(on_chain[0])
        if self._pool.shares_of(self._epoch).shares != list(statement.shares):
            raise ChainError(f"epoch {self._epoch} was settled with other shares")
        return on_chain[0].transaction

    def _send(
        self, epoch: RebuiltEpoch, attestation: Attestation, statement: Statement, proof: bytes
    ) -> dict[str, Any]:
        root = statement.root.ljust(32, b"\0")
        totals = Totals(statement.sum_trust, statement.sum_pretrust)
        wrapped = envelope(epoch.air(self._options), proof)
        try:
            receipt = self._timed(
                "settled",
                lambda: self._pool.settle(self._epoch, root, attestation, totals, statement.shares, wrapped),
            )
        except ChainError as error:
            # An earlier transaction of ours may have been taken up late, and this one refused for it.
            found = self._found(statement)
            if found is not None:
                return {"transaction": found.hex(), "gas_used": 0}
            raise self._refused(error) from error
        return {"transaction": receipt.transaction.hex(), "gas_used": receipt.gas_used}

    def _refused(self, error: ChainError) -> ChainError:
        """Say what a revert means for whoever runs the job."""
        if "attestation refused" in str(error) or "below quorum" in str(error):
            self._folder.drop("attestation.json")
            return ChainError(f"{error}: the kept signatures are dropped, run again to ask for new ones")
        if "verifier:" in str(error) or "proof refused" in str(error):
            # It was verified here, so the contract must be for something else.
            return ChainError(f"{error}: is the pool's verifier one for {self._options.name}?")
        return error

    def _warn(self, message: str) -> None:
        self._report("warning", {"message": message})

    def _timed(self, stage: str, work: Callable[[], _T]) -> _T:
        started = time.perf_counter()
        result = work()
        self._report("time", {"stage": stage, "seconds": time.perf_counter() - started})
        return result


def _statement(rules: PoolRules, epoch: RebuiltEpoch, root: bytes, submitter: Account) -> Statement:
    if not epoch.shares:
        raise ChainError(f"epoch {epoch.rules.scope.epoch}: nobody has joined the pool, nobody can be paid")
    statement = Statement(
        rules.chain_id,
        rules.pool,
        epoch.rules.scope.epoch,
        submitter,
        root,
        rules.c,
        rules.c_e,
        int(epoch.rewards.trust.sum()),
        int(epoch.pretrust.sum()),
        epoch.shares,
    )
    statement.check()
    return statement


def _facts(epoch: RebuiltEpoch) -> dict[str, object]:
    collected = epoch.collected
    return {
        "edges": len(collected.edges),
        "peers": collected.edges.n,
        "refused": len(collected.refused),
        "equivocations": len(collected.equivocations),
    }


def _split(raw: bytes) -> list[bytes]:
    if len(raw) % RECEIPT_SIZE:
        raise AxonError(f"{len(raw)} bytes of receipts, want a multiple of {RECEIPT_SIZE}")
    return [raw[at : at + RECEIPT_SIZE] for at in range(0, len(raw), RECEIPT_SIZE)]


def _date(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
