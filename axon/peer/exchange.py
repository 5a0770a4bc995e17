"""The way of the blocks through a torrent: in, put together, checked, stored; out again.

What comes from a peer or web seed goes through picker and assembly at once, and
whole pieces through a disk thread. What peers asked for is read here and
handed to their links.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import trio

from axon.bt.assembly import PieceBuffer
from axon.bt.sha_lanes import sha1_lanes
from axon.errors import AxonError, StorageError
from axon.peer.batch import MOST, PATIENCE, Batch
from axon.peer.contributor import Contributor
from axon.peer.upload import joined

if TYPE_CHECKING:
    from axon.peer.content import Content
    from axon.peer.peer import Peer
    from axon.peer.swarm import Swarm

__all__ = ["Exchange"]

_BACKLOG = 16 << 20  # bytes that wait for one thread before others help


class Exchange:
    """The blocks of one swarm.

    Attributes
    ----------
    started : bool
        Has any block come?
    verified, wasted : int
        Bytes downloaded and verified in this run; bytes that came twice.
    """

    def __init__(self, swarm: "Swarm") -> None:
        self._swarm = swarm
        self._batch: Batch[Contributor] = Batch(lanes=sha1_lanes.available)
        self._waiting = trio.Event()  # for `run`: a batch waits for more
        self._under_way = 0  # batches in disk threads
        self._storing = 0  # bytes in them
        self.started = False
        self.verified = self.wasted = 0

    def begin(self) -> None:
        """The first block came."""
        self.started = True
        self._swarm.node.emit("first", {"name": self._swarm.name})

    # -- out ------------------------------------------------------------------------------------------------

    async def load(self, peer: "Peer", count: int) -> tuple[list[bytes | memoryview], int]:
        """Read the next blocks that a peer asked for: headers and payload, and the payload's size."""
        swarm, conn = self._swarm, peer.conn
        assert swarm.content is not None
        requests = conn.next_requests(count)
        size = sum(length for _, _, length in requests)
        buffer = peer.buffer(size)
        parts = joined(requests)
        try:
            await swarm.node.reader.read(parts, swarm.content.storage.runs, buffer)
        except StorageError as error:
            swarm.fail(str(error))
            for request in requests:
                conn.reject(*request)
            return [], 0
        peer.gossip.sent(parts)
        pieces: list[bytes | memoryview] = []
        at = 0
        for index, begin, length in requests:
            pieces += (conn.piece_header(index, begin, length), buffer[at : at + length])
            at += length
        return pieces, size

    # -- in -------------------------------------------------------------------------------------------------

    def take(self, source: Contributor, index: int, begin: int, views: Sequence[memoryview]) -> None:
        """Blocks of a piece came, each behind the other; all payload passes here."""
        content = self._swarm.content
        if content is None:
            return
        if content.picker.on_blocks(source, index, begin, len(views)):
            self._store(source, content.assembly.add(source, index, begin, views))
            return
        for view in views:
            self._take_one(content, source, index, begin, view)
            begin += len(view)

    def _take_one(
        self, content: "Content", source: Contributor, index: int, begin: int, view: memoryview
    ) -> None:
        """A block that others may have been asked for, or that is here already."""
        others = content.picker.on_block(source, index, begin)
        if others is None:
            self.wasted += len(view)
            return
        piece = content.assembly.add(source, index, begin, [view])
        for other in others:
            other.cancel(index, begin)
        self._store(source, piece)

    def _store(self, source: Contributor, piece: PieceBuffer[Contributor] | None) -> None:
        """A piece that is whole goes to a disk thread: at once, or with others of the moment."""
        if piece is None:
            return
        link = source.receipts
        most = MOST if link is None else link.until_due(self._storing)
        if self._batch.add(piece, trio.current_time(), most):
            self.hand_over()

    async def run(self) -> None:
        """Hand over the batches that have waited long enough, until cancelled."""
        while True:
            await self._waiting.wait()
            while self._batch.pieces and (wait := self._batch.since + PATIENCE - trio.current_time()) > 0:
                await trio.sleep(wait)
            self._waiting = trio.Event()
            self.hand_over()

    def pause(self) -> None:
        """A source has nothing more for now: pieces that are whole wait only if others come soon."""
        if not self._batch.pieces:
            return
        coming = any(peer.conn.outstanding for peer in self._swarm.peers)
        if coming and self._batch.waits(trio.current_time()):
            self._waiting.set()
        else:
            self.hand_over()

    def hand_over(self) -> None:
        """Have the pieces that are whole checked and written."""
        content, node = self._swarm.content, self._swarm.node
        if not self._batch.pieces or content is None:
            return
        size, relaxed = self._batch.size, self._batch.relaxed
        pieces = self._batch.take()
        # One thread is best while it keeps up: every other makes the interpreter's lock change hands.
        threads = node.writer if node.writer.waiting * size < _BACKLOG else node.disk
        self._under_way += 1
        self._storing += size
        threads.submit(
            lambda: content.store(pieces),
            lambda found: self._stored(pieces, found),
            node.crash,
            linger=relaxed,
            then=self._rest,
        )

    async def finish(self) -> None:
        """Wait until all that is whole is stored, so that the files change no more."""
        self.hand_over()
        while self._under_way:
            await trio.sleep(0.005)

    def _stored(self, pieces: Sequence[PieceBuffer[Contributor]], found: Sequence[bool | AxonError]) -> None:
        self._under_way -= 1
        self._storing -= sum(len(piece.view) for piece in pieces)
        for piece, good in zip(pieces, found):
            if isinstance(good, AxonError):
                self._not_stored(piece, good)
            else:
                self._checked(piece, good)

    def _checked(self, piece: PieceBuffer[Contributor], good: bool) -> None:
        content = self._swarm.content
        assert content is not None
        if good:
            culprits = content.assembly.verified(piece)
            content.verified(piece.index)
            self._acknowledge(piece)
            self.verified += len(piece.view)
            self._tell_all(piece.index)
        else:
            culprits = content.assembly.failed(piece)
            content.picker.piece_failed(piece.index)
            self._swarm.node.hash_failed(self._swarm, piece.index)
        content.assembly.release(piece)
        for source in culprits:
            source.ban()

    def _acknowledge(self, piece: PieceBuffer[Contributor]) -> None:
        ledger = self._swarm.ledger
        if ledger is None:
            return
        for source, mask in _masks(piece.senders).items():
            link = source.receipts
            if link is not None:
                ledger.piece_verified(piece.index, link, mask)

    def _tell_all(self, index: int) -> None:
        """Announce a piece to those who lack it; `_rest` sends."""
        for peer in self._swarm.peers:
            have = peer.conn.peer_have
            if peer.joined and (have is None or index not in have):
                peer.conn.have(index)

    def _rest(self) -> None:
        """What follows once for all pieces that were stored together."""
        content = self._swarm.content
        assert content is not None
        content.note()
        for peer in self._swarm.peers:
            peer.link.flush()
        if content.picker.complete and not self._swarm.done.is_set():
            self._swarm.complete()
        else:
            self._refill_dry()

    def _not_stored(self, piece: PieceBuffer[Contributor], error: AxonError) -> None:
        assert self._swarm.content is not None
        self._swarm.content.picker.piece_failed(piece.index)
        self._swarm.content.assembly.release(piece)
        self._swarm.fail(str(error))

    def _refill_dry(self) -> None:
        """A piece's place in memory is free again: peers that waited for one go on."""
        now = trio.current_time()
        for peer in self._swarm.peers:
            if peer.dry and not peer.conn.outstanding:
                peer.refill(now)
                peer.link.flush()


def _masks(senders: Sequence[Contributor | None]) -> dict[Contributor, int]:
    """Return who sent which blocks of a whole piece, bit k for block k."""
    first = senders[0]
    if first is not None and senders.count(first) == len(senders):
        return {first: (1 << len(senders)) - 1}
    masks: dict[Contributor, int] = {}
    for block, sender in enumerate(senders):
        if sender is not None:
            masks[sender] = masks.get(sender, 0) | 1 << block
    return masks
