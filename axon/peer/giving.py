"""The downloader's half of a ledger's shell: verified piece → receipt → log → wire.

A receipt costs a signature, a synced transaction and the uploader's checks, whatever it
covers. So verified pieces wait for others, but never so long that the
uploader runs out of credit. The lane's thread only stores; signing takes 35 µs and
does not let go of the interpreter's lock, so a thread would win nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from axon.bt.tally import Given
from axon.keys import NodeSecret
from axon.peer.receiptlink import Link
from axon.receiptlog import KEPT, Outcome, ReceiptLog, Role
from axon.receipts import PieceAck, Receipt, Reject

__all__ = ["Giving"]

_DELAY = 2.0  # seconds that a verified piece waits for others to share its receipt, at most


@dataclass(slots=True)
class _Signed:
    """A receipt of ours, on its way into the log and to its uploader."""

    link: Link
    given: Given
    receipt: Receipt
    acks: list[PieceAck]
    outcome: Outcome | None = None


@dataclass(slots=True)
class _Resend:
    """An uploader lacks our receipts beyond so many blocks."""

    link: Link
    given: Given
    held: int
    found: list[tuple[Receipt, tuple[PieceAck, ...]]] = field(default_factory=list)


@dataclass(slots=True)
class _Job:
    signed: list[_Signed] = field(default_factory=list)
    resend: list[_Resend] = field(default_factory=list)


class Giving:
    """Receipts that we sign.

    Parameters
    ----------
    log : ReceiptLog
    secret : NodeSecret
    clock, wall : callable
        Seconds for delays, and seconds since 1970 for timestamps.
    """

    def __init__(
        self, log: ReceiptLog, secret: NodeSecret, clock: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        self.log = log
        self._secret, self._clock, self._wall = secret, clock, wall
        self._pending: dict[Link, None] = {}  # links with verified pieces, longest waiting first
        self._resend: dict[Link, int] = {}  # the peer misses receipts beyond so many blocks

    def verified(self, link: Link, index: int, mask: int) -> bool:
        """A piece's hash was right, and these of its blocks came over `link`; True: sign soon."""
        if not mask or (link.given is not None and not link.given.usable):
            return False
        if not link.pending:
            link.pending_since = self._clock()
            self._pending[link] = None
        link.pending[index] = link.pending.get(index, 0) | mask
        link.pending_blocks += mask.bit_count()
        return link.closed or link.pending_blocks >= link.receipt_blocks

    def credited(self, link: Link, held: int, *, resend: bool) -> bool:
        """The uploader told what it holds; True if there is something to do."""
        if resend:
            self._resend[link] = held
        return self.opened(link)

    def opened(self, link: Link) -> bool:
        """The ledger with this peer is known, or its credit; True if there is something to do."""
        if link.pending:
            self._pending[link] = None
        return bool(link.pending or self._resend)

    def due_at(self) -> float:
        """When the piece that waits longest has waited enough, in seconds of the clock."""
        oldest = next(iter(self._pending), None)
        return float("inf") if oldest is None else oldest.pending_since + _DELAY

    def collect(self, force: bool) -> _Job | None:
        """Sign what is due; with `force`, everything."""
        job = _Job()
        for link, held in list(self._resend.items()):
            if link.given is None and not link.closed:
                continue  # its credit came before we knew what we gave it
            del self._resend[link]
            if link.given is not None and link.given.usable and link.given.blocks != held:
                job.resend.append(_Resend(link, link.given, held))
        now = self._clock()
        for link in list(self._pending):
            if force or _is_due(link, now):
                self._sign(job, link)
        return job if job.signed or job.resend else None

    def _sign(self, job: _Job, link: Link) -> None:
        given, stamp = link.given, int(self._wall())
        # Before its first credit, an uploader may not know our key: if the connection ends
        # then, it cannot tell to whom it sent the blocks, and would refuse the receipt.
        known = given is not None and link.channel.limit > 0
        if not known and not link.closed:
            del self._pending[link]  # comes back with the credit
            return
        if given is None or not known or not given.usable:
            link.pending.clear()
        while link.pending and given is not None:
            if written := given.acknowledge(link.pending, stamp):
                receipt, acks = written
                job.signed.append(_Signed(link, given, receipt.signed(self._secret), acks))
        link.pending_blocks = 0
        del self._pending[link]

    def work(self, job: _Job) -> None:
        """In the thread: what is signed is on disk before anybody sees it."""
        if job.signed:
            entries = [(entry.receipt, entry.acks) for entry in job.signed]
            outcomes = self.log.append(Role.GIVEN, entries, verified=True)
            for entry, outcome in zip(job.signed, outcomes):
                entry.outcome = outcome
        for resend in job.resend:
            resend.found = self.log.since(resend.given.ledger, resend.held)

    def act(self, job: _Job) -> None:
        """Send it."""
        newest: dict[Link, int] = {}  # sequences, so that none goes out twice
        for resend in job.resend:
            self._send_again(resend, newest)
        for entry in job.signed:
            if entry.outcome not in KEPT:
                # Another process signs with this key and log: whatever we say now would contradict it.
                entry.given.broken = True
            elif entry.receipt.sequence > newest.get(entry.link, 0):
                entry.link.channel.receipt(entry.receipt, entry.acks)
            entry.link.flush()

    @staticmethod
    def _send_again(resend: _Resend, newest: dict[Link, int]) -> None:
        link, given, found = resend.link, resend.given, resend.found
        base = found[0][0].blocks - sum(ack.num_blocks for ack in found[0][1]) if found else given.blocks
        if resend.held > given.blocks or (found and base != resend.held):
            given.stopped = Reject.ROOT  # it holds receipts of ours that we do not know
            return
        for receipt, acks in found:
            link.channel.receipt(receipt, acks)
            newest[link] = receipt.sequence
        link.flush()


def _is_due(link: Link, now: float) -> bool:
    return link.closed or link.pending_blocks >= link.receipt_blocks or now - link.pending_since >= _DELAY
