"""The pool's trackers together: the receipts that they hold, and who of them signs a root.

None of them is believed alone: one that is away, withholds, lies or signs something else
counts for nothing, and whoever runs the job hears why.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from axon.aggregator.trackers import TrackerClient
from axon.errors import TrackerError
from axon.ids import Account, Epoch, NodeKey
from axon.rewards.attestation import AttestRequest, Difference, Refusal
from axon.rewards.epoch import RebuiltEpoch

__all__ = ["Answers", "Quorum", "Registered", "Report"]

Report = Callable[[str, Mapping[str, object]], None]  # stage, what it found


@dataclass(frozen=True, slots=True)
class Registered:
    """One of the pool's trackers: where it is, and how the chain knows it."""

    id: int  # in the registry
    client: TrackerClient
    public_key: bytes  # as registered; what it signs must verify under this


@dataclass(frozen=True, slots=True)
class Answers:
    """What became of one round of questions."""

    signed: Mapping[int, bytes]  # signatures by id, checked
    refusals: tuple[str, ...]  # why the others did not sign
    behind: bool  # somebody counts more than we do


class Quorum:
    """All trackers that were named.

    Parameters
    ----------
    trackers : sequence of Registered
    report : callable
        Told who gave and signed what; of everything else as a warning.
    """

    def __init__(self, trackers: Sequence[Registered], report: Report) -> None:
        self._trackers = list(trackers)
        self._report = report

    def __len__(self) -> int:
        return len(self._trackers)

    def held(self, chain_id: int, pool: Account, epoch: Epoch) -> tuple[dict[bytes, None], int]:
        """Return all receipts that the trackers hand out, unchecked, and how many trackers answered."""
        found: dict[bytes, None] = {}
        answered = 0
        for tracker in self._trackers:
            try:
                held = list(tracker.client.receipts(chain_id, pool, epoch))
            except TrackerError as error:
                self._report("warning", {"message": str(error)})
                continue
            answered += 1
            found |= dict.fromkeys(held)
            self._report("receipts", {"tracker": tracker.client.url, "receipts": len(held)})
        return found, answered

    def ask(self, wanted: AttestRequest, rules_hash: bytes, epoch: RebuiltEpoch) -> Answers:
        """Ask every tracker to sign, all at once: each rebuilds the epoch, which takes it seconds."""

        def ask(tracker: Registered) -> bytes | TrackerError | Refusal:
            try:
                return _signature(tracker, wanted, rules_hash, epoch)
            except (TrackerError, Refusal) as error:
                return error

        with ThreadPoolExecutor(max(1, len(self._trackers))) as pool:
            answers = list(pool.map(ask, self._trackers))
        signed, refusals, behind = dict[int, bytes](), list[str](), False
        for tracker, answer in zip(self._trackers, answers, strict=True):
            url = tracker.client.url
            if isinstance(answer, bytes):
                signed[tracker.id] = answer
                self._report("attested", {"tracker": url})
                continue
            refusals.append(str(answer) if str(answer).startswith(url) else f"{url}: {answer}")
            self._report("warning", {"message": refusals[-1]})
            behind |= isinstance(answer, Refusal) and any(d.ours > d.theirs for d in answer.differences)
        return Answers(signed, tuple(refusals), behind)


def _signature(tracker: Registered, wanted: AttestRequest, rules_hash: bytes, epoch: RebuiltEpoch) -> bytes:
    """Ask; if the tracker lacks receipts or evidence that we hold, hand them over and ask once more."""
    try:
        return tracker.client.attest(wanted, rules_hash, tracker.public_key)
    except Refusal as refusal:
        lacking = _receipts_for(refusal.differences, epoch)
        if not lacking:
            raise
        tracker.client.submit(lacking)
        return tracker.client.attest(wanted, rules_hash, tracker.public_key)


def _receipts_for(found: Sequence[Difference], epoch: RebuiltEpoch) -> list[bytes]:
    """Return what a tracker needs to see the epoch as we do.

    Where it counts fewer blocks: our receipts. Where it counts a downloader whom we caught in a
    contradiction: both receipts (in its answer `theirs` are the request's blocks, so ours here).
    """
    fewer = {(d.downloader, d.uploader) for d in found if d.ours < d.theirs}
    more: set[NodeKey] = {d.downloader for d in found if d.ours > d.theirs}
    missing = [
        raw
        for raw in epoch.collected.receipts()
        if (raw[52:84], raw[84:116]) in fewer  # where a receipt has its two keys
    ]
    evidence = [
        receipt.serialize()
        for proof in epoch.collected.equivocations
        if proof.first.downloader in more
        for receipt in proof
    ]
    return missing + evidence
