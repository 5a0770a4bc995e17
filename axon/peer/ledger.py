"""Receipts of one torrent: verified piece → receipt → log → wire, and back.

The shell around `axon.bt.receipt_ext` and `axon.bt.tally`. One task works in
rounds (`receiptround.py`); a round gathers all that is due, goes to a worker thread once (sign,
verify, two transactions), and then acts on what is on disk: a receipt is sent
only after it is in the log, and credit grows only after the receipt for it is.
So after kill -9 the log is never behind what the other side has seen, and no
sequence number is ever signed twice with different contents.
"""

import os
import time
from collections.abc import Callable, Collection, Mapping
from hashlib import sha256

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
from axon.bt.tally import START_CREDIT, Given, SentBlocks, Taken
from axon.errors import ReceiptError, RemoteProtocolError, StorageError
from axon.ids import NodeKey
from axon.keys import NodeSecret
from axon.peer.receiptround import KEPT, Arrival, Link, Round, Signing
from axon.receiptlog import ReceiptLog
from axon.receipts import BLOCK_SIZE, LedgerId, PieceAck, Reject, Scope

__all__ = ["Ledger", "Link"]

_DELAY = 0.1  # seconds that a verified piece waits for others to share its receipt
_RETRY = 2.0  # seconds between attempts when the disk refuses
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
    received : ReceiptLog, optional
        The same file, opened so that a commit does not wait for the disk: for receipts of others. Those
        still survive kill -9; after power loss the downloader sends what we lack again. What we sign
        ourselves always waits, or one sequence number could be signed twice with different contents.
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
        received: ReceiptLog | None = None,
        clock: Callable[[], float] = trio.current_time,
        wall: Callable[[], float] = time.time,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.scope = scope
        self.trouble: str | None = None  # what the disk says, while it refuses
        self._log, self._received, self._secret = log, received, secret
        self._num_pieces, self._piece_blocks = num_pieces, piece_blocks
        self._clock, self._wall, self._random = clock, wall, random
        self._links: set[Link] = set()
        self._given: dict[LedgerId, Given] = {}
        self._taken: dict[LedgerId, Taken] = {}
        self._sent: dict[NodeKey, SentBlocks] = {}
        self._next = Round()  # being gathered
        self._work = Round()  # under way, or waiting for the disk to recover
        self._pending: dict[Link, None] = {}  # links with verified pieces, longest waiting first
        self._wake = trio.Event()
        self._urgent = False
        self._lock = trio.Lock()

    # For the swarm; all of it returns at once.

    @property
    def given_blocks(self) -> int:
        """Blocks that we acknowledged, in the ledgers used since the start."""
        return sum(given.blocks for given in self._given.values())

    @property
    def taken_blocks(self) -> int:
        """Blocks that others acknowledged to us, on disk."""
        return sum(taken.counted for taken in self._taken.values())

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
            Puts a payload into an extended message; called from this ledger's task and from `receive`.
        resume : callable
            `may_upload` is true again.
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

    def may_upload(self, link: Link) -> bool:
        """Tell whether the peer has credit; if not, let its requests wait until `resume`."""
        taken = link.taken
        if taken is None or not taken.exhausted or link.channel.state is not State.OPEN:
            return True
        taken.sent.forgive(self._clock())
        link.starved = taken.exhausted
        return not link.starved

    def piece_verified(self, index: int, contributors: Mapping[Link, Collection[int]]) -> None:
        """A piece's hash was right: who sent which of its blocks. Closed links count too."""
        for link, blocks in contributors.items():
            if not blocks or (link.given is not None and not link.given.usable):
                continue
            if not link.pending:
                link.pending_since = self._clock()
                self._pending[link] = None
            link.pending[index] = link.pending.get(index, frozenset()) | frozenset(blocks)
            link.pending_blocks += len(blocks)
            self._hurry(self._is_due(link, link.pending_since))

    def close_link(self, link: Link) -> None:
        """The connection ended; what it brought is still acknowledged, and delivered at the next one."""
        link.closed = True
        self._links.discard(link)
        if link.taken is not None:
            link.taken.disconnected()
            for other in self._links:
                if other.taken is link.taken:
                    self._feed(other)
        if link.pending:
            self._hurry(True)
        elif link.channel.peer is not None and self._is_stranger(link):
            ledgers = link.channel.given_ledger, link.channel.taken_ledger
            self._given.pop(ledgers[0], None)
            self._taken.pop(ledgers[1], None)
            self._sent.pop(link.channel.peer, None)

    # The task.

    async def run(self) -> None:
        """Work until cancelled; `finish` afterwards signs what is left."""
        while True:
            await self._wait()
            await self.step()

    async def finish(self) -> None:
        """Sign and store all that waits, and hand it to the connections that are still there."""
        while await self.step(force=True):
            pass

    async def step(self, *, force: bool = False) -> bool:
        """Do one round; False if there was nothing to do. With `force`, do not wait for more pieces."""
        async with self._lock:
            self._work = self._work or self._collect(force)
            while self._work:
                try:
                    await trio.to_thread.run_sync(self._do, self._work)
                except StorageError as error:
                    self.trouble = str(error)
                    await trio.sleep(_RETRY)
                else:
                    self.trouble = None
                    self._done()
                    return True
            return False

    def step_now(self, *, force: bool = False) -> bool:
        """Do one round in this thread, for programs without trio; after a StorageError, call again."""
        self._work = self._work or self._collect(force)
        if not self._work:
            return False
        self._do(self._work)
        self._done()
        return True

    def _done(self) -> None:
        work, self._work = self._work, Round()
        self._act(work)

    async def rescope(self, scope: Scope) -> None:
        """A new epoch: finish the receipts of the old one, then go on in the new."""
        await self.finish()
        self.scope = scope
        for link in self._links:
            link.given = link.taken = None
            link.told = 0
            link.channel.rescope(scope, self._random(32))
            link.flush()

    async def _wait(self) -> None:
        while not self._urgent:
            self._wake = trio.Event()
            oldest = next(iter(self._pending), None)
            delay = float("inf") if oldest is None else oldest.pending_since + _DELAY - self._clock()
            with trio.move_on_after(max(0.0, delay)) as scope:
                await self._wake.wait()
            if scope.cancelled_caught:
                return

    def _hurry(self, urgent: bool) -> None:
        self._urgent |= urgent
        self._wake.set()

    def _on_event(self, link: Link, event: Event) -> None:
        match event:
            case Opened():
                self._next.opening.append(link)
                self._hurry(True)
            case ReceiptArrived(receipt, acks):
                self._next.arrivals.append(Arrival(link, receipt, acks))
                self._hurry(True)
            case CreditArrived(_, held, resend):
                if resend:
                    link.resend_from = held
                if link.pending:
                    self._pending[link] = None
                self._hurry(resend)
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

    def _is_stranger(self, link: Link) -> bool:
        """Tell whether nothing was exchanged with a peer, nor is about to be: no use remembering it."""
        if (
            link.given is None
            or link.taken is None
            or any(other.channel.peer == link.channel.peer for other in self._links)
        ):
            return False
        return not (link.given.blocks or link.taken.blocks or link.taken.sent.owed)

    def _is_due(self, link: Link, now: float) -> bool:
        """Slow: each piece after 0.1 s at most. Fast: as soon as half the uploader's credit is used."""
        half = max(link.channel.limit, START_CREDIT) // 2
        return link.closed or link.pending_blocks >= half or now - link.pending_since >= _DELAY

    def _collect(self, force: bool) -> Round:
        work, self._next = self._next, Round()
        self._urgent = False
        now, stamp = self._clock(), int(self._wall())
        for link in self._links:
            if link.resend_from is not None and link.given is not None:
                if link.given.usable:
                    work.resending.append((link, link.given, link.resend_from))
                link.resend_from = None
        for link in list(self._pending):
            given = link.given
            # Before its first credit, an uploader may not know our key: if the connection ends
            # then, it cannot tell to whom it sent the blocks, and would refuse the receipt.
            known = given is not None and link.channel.limit > 0
            if not known and not link.closed:
                del self._pending[link]  # comes back with the credit
                continue
            if given is None or not known or not given.usable:
                link.pending.clear()
            elif not (force or self._is_due(link, now)):
                continue
            elif signed := given.acknowledge(link.pending, stamp):
                work.signing.append(Signing(link, given, *signed))
            link.pending_blocks = sum(map(len, link.pending.values()))
            if link.pending:
                self._urgent = True  # more than one receipt's worth
            else:
                del self._pending[link]
        return work

    def _do(self, work: Round) -> None:
        """In the worker thread."""
        for link in work.opening:
            self._load(work, link.channel.given_ledger, link.channel.taken_ledger)
        work.do(self._log, self._received or self._log, self._secret)

    def _load(self, work: Round, mine: LedgerId, theirs: LedgerId) -> None:
        """Read a peer's tallies from the log."""
        if mine not in work.givens and mine not in self._given:
            work.givens[mine] = Given(mine, self._log.last(mine), self._log.acks(mine))
        if theirs not in work.takens and theirs not in self._taken:
            key = theirs.scope.pool + theirs.scope.info_hash + theirs.downloader + theirs.uploader
            name = f"met/{theirs.scope.chain_id}/{theirs.scope.epoch}/{sha256(key).hexdigest()}"
            resumed = self._log.fact(name) is not None
            if not resumed:
                self._log.set_fact(name, b"")
            work.takens[theirs] = Taken(
                theirs,
                SentBlocks(),
                self._num_pieces,
                self._piece_blocks,
                self._log.last(theirs),
                self._log.acks(theirs),
                resumed=resumed,
            )

    def _act(self, work: Round) -> None:
        """Back in the event loop: all of the round is on disk."""
        self._given = work.givens | self._given
        self._taken = work.takens | self._taken
        for link in work.opening:
            self._open(link)
        newest = self._resend(work)
        for entry in work.signing:
            if entry.outcome not in KEPT:
                # Another process signs with this key and log: whatever we say now would contradict it.
                entry.given.broken = True
            elif entry.receipt.sequence > newest.get(entry.link, 0):
                entry.link.channel.receipt(entry.receipt, entry.acks)
            entry.link.flush()
        for arrival in work.keeping:
            self._count(arrival)
        for arrival in work.arrivals:
            self._judge(arrival)

    def _open(self, link: Link) -> None:
        channel = link.channel
        if channel.peer is None or channel.state is not State.OPEN or channel.scope != self.scope:
            return  # the epoch changed meanwhile
        link.given = self._given[channel.given_ledger]
        link.given.stopped = None  # try again: it may know more than on the last connection
        link.taken = taken = self._taken[channel.taken_ledger]
        shared = self._sent.setdefault(channel.peer, channel.sent)
        if shared is not channel.sent:
            shared.merge(channel.sent)
            channel.sent = shared
        taken.sent = shared
        shared.forgive(self._clock())
        self._tell(link, resend=True)
        if link.pending:
            self._pending[link] = None
        self._hurry(bool(link.pending) or link.resend_from is not None)

    def _resend(self, work: Round) -> dict[Link, int]:
        """Send again what a peer has missed; return the newest sequence that each link got."""
        newest: dict[Link, int] = {}
        held_by = {link: held for link, _, held in work.resending}
        for link, given, entries in work.resent:
            held = held_by[link]
            base = entries[0][0].blocks - _blocks(entries[0][1]) if entries else given.blocks
            if held > given.blocks or (entries and base != held):
                given.stopped = Reject.ROOT  # it holds receipts of ours that we do not know
                continue
            for receipt, acks in entries:
                link.channel.receipt(receipt, acks)
                newest[link] = receipt.sequence
            link.flush()
        return newest

    def _judge(self, arrival: Arrival) -> None:
        link, receipt = arrival.link, arrival.receipt
        link.channel.queued -= 1
        taken = self._taken.get(receipt.ledger) if receipt.downloader == link.channel.peer else None
        taken = taken or link.taken
        if taken is None:
            return
        try:
            fresh = taken.judge(receipt, arrival.acks, verified=arrival.verified)
        except ReceiptError as error:
            if error.code == Reject.EQUIVOCATION:
                self._next.keeping.append(arrival)  # the log tells it from a receipt, and keeps the proof
                self._hurry(True)
            self._reject(link, error.code, receipt.sequence)
            return
        if fresh:
            arrival.taken = taken
            self._next.keeping.append(arrival)
            self._hurry(True)
        elif taken is link.taken:
            self._tell(link, resend=True)

    def _count(self, arrival: Arrival) -> None:
        link, taken = arrival.link, arrival.taken
        if taken is None:
            return
        if arrival.outcome not in KEPT:
            self._reject(link, Reject.SCOPE, arrival.receipt.sequence)  # the epoch is sealed
            return
        taken.commit(arrival.acks)
        if taken is not link.taken:
            return
        if taken.limit >= link.told + link.told // 8:
            self._tell(link)
        self._feed(link)

    def _feed(self, link: Link) -> None:
        if link.starved and link.taken is not None and not link.taken.exhausted:
            link.starved = False
            link.resume()

    def _tell(self, link: Link, *, resend: bool = False) -> None:
        assert link.taken is not None
        link.told = link.taken.limit
        link.channel.credit(link.told, link.taken.blocks, resend=resend)
        link.flush()

    def _reject(self, link: Link, code: int, sequence: int) -> None:
        try:
            link.channel.reject(code, sequence)
        except RemoteProtocolError as error:
            link.flush()
            link.hang_up(str(error))
        else:
            link.flush()


def _blocks(acks: Collection[PieceAck]) -> int:
    return sum(len(ack.blocks) for ack in acks)
