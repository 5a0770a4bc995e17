"""Receipts of one torrent: verified piece → receipt → log → wire, and back.

The shell around `axon.bt.receipt_ext` and `axon.bt.tally`. Judging and signing
happen in the event loop, at once; a thread stores, in three lanes (`lane.py`)
that do not wait for one another's decisions: who we meet is `tallies.py`'s, what we
sign `giving.py`'s, what we are given `taking.py`'s. A receipt is sent only
after it is in the log, and credit grows only after the receipt for it is.
So after kill -9 the log is never behind what the other side has seen, and no
sequence number is ever signed twice with different contents.
"""

import os
import time
from collections.abc import Callable
from typing import Any

import trio

from axon.bt.receipt_ext import (
    Audit,
    AuditArrived,
    AuditAsked,
    CreditArrived,
    Event,
    Opened,
    ReceiptArrived,
    ReceiptChannel,
    Rejected,
    State,
)
from axon.errors import StorageError
from axon.keys import NodeSecret
from axon.peer.disk import DiskThreads
from axon.peer.giving import Giving
from axon.peer.lane import Lane
from axon.peer.receiptlink import Link
from axon.peer.taking import Taking
from axon.peer.tallies import Meeting, Tallies
from axon.receiptlog import ReceiptLog
from axon.receipts import BLOCK_SIZE, Reject, Scope

__all__ = ["Ledger", "Link"]

_PAUSE = 0.02  # seconds between two looks at what is due while something else is under way
_PASSING = (Reject.RATE, Reject.SEQUENCE)  # rejects that do not end a ledger


class Ledger:
    """Receipts given and taken for one torrent.

    Parameters
    ----------
    log : ReceiptLog
        Shared by all torrents of the process.
    secret : NodeSecret
    scope : Scope
    num_pieces : int
    piece_blocks : callable
        Blocks of piece `index`.
    threads : DiskThreads, optional
        Who works for the log; one thread is enough for all torrents, for the log takes one writer. Without,
        `run` makes its own.
    clock, wall, random
        Seconds for delays, seconds since 1970 for timestamps, and bytes for nonces.
    """

    def __init__(
        self,
        log: ReceiptLog,
        secret: NodeSecret,
        scope: Scope,
        *,
        num_pieces: int,
        piece_blocks: Callable[[int], int],
        threads: DiskThreads | None = None,
        clock: Callable[[], float] = trio.current_time,
        wall: Callable[[], float] = time.time,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.scope = scope
        self.trouble: str | None = None  # what the disk says, while it refuses
        self._log, self._secret = log, secret
        self._clock, self._random = clock, random
        self._threads = threads
        self._links: set[Link] = set()
        self._tallies = Tallies(log, secret, num_pieces, piece_blocks)
        self._wake = trio.Event()  # for `run`
        self._idle = False  # `run` waits for that alone
        self._ended_one = trio.Event()  # for `finish`
        self._bug: BaseException | None = None
        self._giving = Giving(log, secret, clock, wall)
        self._taking = Taking(log, self._tallies.taken.get)
        self._meet = Lane(
            self._tallies.collect, self._tallies.work, self._met, clock=clock, ended=self._ended
        )
        self._give = Lane(
            self._giving.collect, self._giving.work, self._giving.act, clock=clock, ended=self._ended
        )
        self._take = Lane(
            self._taking.collect, self._taking.work, self._taking.act, clock=clock, ended=self._ended
        )

    # For the swarm; all of it returns at once.

    @property
    def given_blocks(self) -> int:
        """Blocks that we acknowledged, in the ledgers used since the start, of this epoch and the last."""
        return sum(given.blocks for given in self._tallies.given.values())

    @property
    def taken_blocks(self) -> int:
        """Blocks that others acknowledged to us, on disk."""
        return sum(taken.counted for taken in self._tallies.taken.values())

    def link(
        self,
        send: Callable[[bytes], None],
        *,
        resume: Callable[[], None] = lambda: None,
        hang_up: Callable[[str], None] = lambda why: None,
    ) -> Link:
        """Begin on a connection whose peer speaks the extension; before any block is served on it.

        Parameters
        ----------
        send : callable
            Puts a payload into an extended message; called from `receive` and whenever work was done.
        resume : callable
            The peer has credit again.
        hang_up : callable
            The peer broke the protocol, says the argument.
        """
        link = Link(ReceiptChannel(self._secret, self.scope, self._random(32)), send, resume, hang_up)
        self._links.add(link)
        link.flush()
        return link

    def receive(self, link: Link, payload: bytes) -> None:
        """Take the payload of an `axon` message; RemoteProtocolError as `ReceiptChannel.receive`."""
        for event in link.channel.receive(bytes(payload)):
            self._on_event(link, event)
        link.flush()

    def block_sent(self, link: Link, index: int, begin: int, length: int = BLOCK_SIZE) -> None:
        """Bytes of a piece are going out: one block or a run."""
        link.channel.sent.add(index, begin, length)

    def credit(self, link: Link, most: int) -> int:
        """How many blocks, at most `most`, the peer may get before it signs; if none, `resume` follows."""
        taken = link.taken
        if taken is None or (left := taken.limit - taken.sent.owed) >= most:
            return most
        if left <= 0:
            if link.channel.state is not State.OPEN:
                return most
            taken.sent.forgive(self._clock())
            left = max(0, taken.limit - taken.sent.owed)
            link.starved = not left
        return left

    def piece_verified(self, index: int, link: Link, mask: int) -> None:
        """A piece's hash was right; these of its blocks (bit k: block k) came over `link`, closed or not."""
        if self._giving.verified(link, index, mask):
            self._kick(self._give)
        if self._idle:
            self._wake.set()  # there is something to wait for

    def close_link(self, link: Link) -> None:
        """The connection ended; what it brought is still acknowledged, and delivered at the next one."""
        link.closed = True
        self._links.discard(link)
        if link.taken is not None:
            link.taken.disconnected()
            for other in self._links:
                if other.taken is link.taken:
                    self._taking.feed(other)
        if link.pending:
            self._kick(self._give)
        elif all(other.channel.peer != link.channel.peer for other in self._links):
            self._tallies.forget_stranger(link)

    # Time, and the end.

    async def run(self) -> None:
        """Sign what has waited long enough, until cancelled; `finish` afterwards signs what is left."""
        own = None if self._threads is not None else DiskThreads(1)
        self._threads = self._threads or own
        try:
            while self._bug is None:
                for lane in self._lanes:
                    self._kick(lane)
                self._wake = trio.Event()
                delay = self._next_at() - self._clock()
                self._idle = delay == float("inf")
                with trio.move_on_after(max(_PAUSE, delay)):
                    await self._wake.wait()
                self._idle = False
            raise self._bug
        finally:
            if own is not None:
                self._threads = None
                own.close()

    async def finish(self) -> None:
        """Sign and store all that waits, and hand it to the connections that are still there."""
        if self._threads is None:
            while self.step_now(force=True):
                pass
            return
        while self._bug is None:
            self._ended_one = trio.Event()
            for lane in self._lanes:
                lane.kick(self._threads, force=True)
            if any(lane.busy for lane in self._lanes):
                await self._ended_one.wait()
            elif (retry := min(lane.retry_at for lane in self._lanes)) < float("inf"):
                await trio.sleep(max(_PAUSE, retry - self._clock()))
            else:
                return

    def step_now(self, *, force: bool = False) -> bool:
        """Do all that is due in this thread, for programs without trio; after a StorageError, call again.

        False if there was nothing. With `force`, do not wait for more pieces.
        """
        steps = [lane.step_now(force=force) for lane in self._lanes]
        return any(steps)

    async def rescope(self, scope: Scope) -> None:
        """A new epoch: finish the receipts of the old one, then go on in the new."""
        await self.finish()
        self._tallies.forget_all_but(self.scope, scope)
        self.scope = scope
        for link in self._links:
            link.given = link.taken = None
            link.told = 0
            link.channel.rescope(scope, self._random(32))
            link.flush()

    @property
    def _lanes(self) -> tuple[Lane[Meeting], Lane[Any], Lane[Any]]:
        return self._meet, self._take, self._give

    def _kick(self, lane: Lane[Any]) -> None:
        if self._threads is not None:
            lane.kick(self._threads)

    def _next_at(self) -> float:
        retry_at = min(lane.retry_at for lane in self._lanes)
        return retry_at if self._give.retry_at < float("inf") else min(retry_at, self._giving.due_at())

    def _ended(self, error: BaseException | None) -> None:
        self.trouble = str(error) if error is not None else None
        if error is not None and not isinstance(error, StorageError):
            self._bug = error
        if error is not None:
            self._wake.set()
        self._ended_one.set()

    # Who is there.

    def _on_event(self, link: Link, event: Event) -> None:
        match event:
            case ReceiptArrived(receipt, acks):
                if self._taking.arrived(link, receipt, acks):
                    self._kick(self._take)
            case CreditArrived(_, held, resend):
                link.credited()
                if self._giving.credited(link, held, resend=resend):
                    self._kick(self._give)
            case Opened():
                self._tallies.met.append(link)
                self._kick(self._meet)
            case Rejected(code, _) if code not in _PASSING:
                if link.given is not None:
                    link.given.stopped = code
            case AuditAsked(piece):
                if link.given is not None and (found := link.given.audit(piece)):
                    ack, position, count, path = found
                    link.channel.answer_audit(Audit(link.given.sequence, position, count, tuple(path), ack))
            case AuditArrived(audit):
                last = link.taken.last if link.taken is not None else None
                if last is not None and last.sequence == audit.sequence:
                    link.audited[audit.ack.piece] = audit.holds(last)

    def _met(self, meeting: Meeting) -> None:
        """Peers' tallies are here: tell each what we hold of its receipts, and go on with ours."""
        self._tallies.act(meeting)
        for link in meeting.links:
            if link.channel.state is not State.OPEN or link.channel.scope != self.scope:
                continue  # the epoch changed meanwhile
            if self._tallies.open(link, self._clock()):
                self._taking.tell(link, resend=True)
                if self._giving.opened(link):
                    self._kick(self._give)
