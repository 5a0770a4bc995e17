"""The uploader's half of a ledger's shell: receipt from the wire → judged → log → credit.

A receipt is judged where it arrives, signature included: verifying takes 75 µs, does
not let go of the interpreter's lock, and a hop into a thread costs more.
The lane's thread only stores. One hop, then it counts.
"""

from collections.abc import Callable
from dataclasses import dataclass

from axon.bt.tally import Taken
from axon.errors import ReceiptError, RemoteProtocolError
from axon.peer.receiptlink import Link
from axon.receiptlog import KEPT, Outcome, ReceiptLog, Role
from axon.receipts import LedgerId, PieceAck, Receipt, Reject

__all__ = ["Taking"]


@dataclass(slots=True)
class _Arrival:
    """A receipt of somebody's, on its way into the log."""

    link: Link
    taken: Taken | None  # None: it proves equivocation, and counts for nothing
    receipt: Receipt
    acks: tuple[PieceAck, ...]
    outcome: Outcome | None = None


class Taking:
    """Receipts that others sign for us.

    Parameters
    ----------
    log : ReceiptLog
    find : callable
        The tally of a ledger, if it was opened.
    """

    def __init__(self, log: ReceiptLog, find: Callable[[LedgerId], Taken | None]) -> None:
        self.log = log
        self._find = find
        self._judged: list[_Arrival] = []  # to be stored

    def arrived(self, link: Link, receipt: Receipt, acks: tuple[PieceAck, ...]) -> bool:
        """Judge a receipt; True if it is to be stored."""
        link.channel.queued -= 1
        taken = self._find(receipt.ledger) if receipt.downloader == link.channel.peer else None
        taken = taken or link.taken
        if taken is None:
            return False  # we have not told what we hold yet; then it comes again
        try:
            fresh = taken.judge(receipt, acks)
        except ReceiptError as error:
            proof = error.code == Reject.EQUIVOCATION
            if proof:  # the log tells it from a receipt, and keeps the proof
                self._judged.append(_Arrival(link, None, receipt, acks))
            _reject(link, error.code, receipt.sequence)
            return proof
        if fresh:
            self._judged.append(_Arrival(link, taken, receipt, acks))
        elif taken is link.taken:
            self.tell(link, resend=True)
        return fresh

    def collect(self, force: bool) -> list[_Arrival] | None:
        """Return what was judged since."""
        judged, self._judged = self._judged, []
        return judged or None

    def work(self, job: list[_Arrival]) -> None:
        """In the thread. What others signed need not wait for the disk.

        It survives kill -9; after power loss the downloader sends what we lack again. What we sign
        ourselves always waits, or one sequence number could be signed twice with different contents.
        """
        entries = [(entry.receipt, entry.acks) for entry in job]
        outcomes = self.log.append(Role.RECEIVED, entries, verified=True, durable=False)
        for entry, outcome in zip(job, outcomes):
            entry.outcome = outcome

    def act(self, job: list[_Arrival]) -> None:
        """It is in the log: now it counts."""
        paid = dict[Link, None]()
        for entry in job:
            link, taken = entry.link, entry.taken
            if taken is None:
                continue
            if entry.outcome not in KEPT:
                _reject(link, Reject.SCOPE, entry.receipt.sequence)  # the epoch is sealed
                continue
            taken.commit(entry.acks)
            if taken is link.taken:
                paid[link] = None
        for link in paid:
            if link.taken is not None and link.taken.limit >= link.told + link.told // 8:
                self.tell(link)
            self.feed(link)

    def tell(self, link: Link, *, resend: bool = False) -> None:
        """Tell a downloader its credit; with `resend`, that we lack receipts beyond those we hold."""
        assert link.taken is not None
        link.told = link.taken.limit
        link.channel.credit(link.told, link.taken.blocks, resend=resend)
        link.flush()

    @staticmethod
    def feed(link: Link) -> None:
        """Let a downloader that has credit again go on."""
        if link.starved and link.taken is not None and not link.taken.exhausted:
            link.starved = False
            link.resume()


def _reject(link: Link, code: int, sequence: int) -> None:
    try:
        link.channel.reject(code, sequence)
    except RemoteProtocolError as error:
        link.flush()
        link.hang_up(str(error))
    else:
        link.flush()
