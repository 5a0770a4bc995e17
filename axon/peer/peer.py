"""One connected peer of one torrent: what its events do to picker, choker and disk.

The link calls in (`wire.Owner`), the peer answers by queueing messages in its
connection. Everything here is synchronous but the reading of blocks from disk.
"""

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import trio

from axon.bt import events as ev
from axon.bt.bitfield import Bitfield
from axon.bt.choker import Candidate
from axon.bt.fast import allowed_fast_set
from axon.bt.handshake import Reserved
from axon.peer.contributor import Contributor
from axon.peer.gossip import Gossip
from axon.peer.ledger import Link as ReceiptLink
from axon.peer.window import Rate, Window

if TYPE_CHECKING:
    from axon.peer.swarm import Swarm
    from axon.peer.wire import Link

__all__ = ["Peer"]

_OVERDUE = 30.0  # seconds; then a block is asked of somebody else
_FEW = 4  # pieces; whoever has fewer gets the allowed-fast set (BEP 6)


class Peer(Contributor):
    """A peer after its handshake; the `owner` of its link.

    Attributes
    ----------
    joined : bool
        Does the picker know it? Not before the metadata is here.
    dry : bool
        The picker had nothing more for it; ask again when something changed.
    """

    def __init__(self, swarm: "Swarm", link: "Link", now: float) -> None:
        self.swarm = swarm
        self.link = link
        self.conn = link.conn
        self._said_v2 = link.conn.v2
        self.down, self.up = swarm.down, swarm.up
        self.window = Window()
        self.from_rate, self.to_rate = Rate(now, 10.0), Rate(now, 10.0)
        self._look = Rate(now, 0.0)
        self.connected_at = now
        self.unchoked_at = self.used_at = 0.0
        self.useless_since = now  # both ends are seeds
        self.joined = self.dry = False
        self._arrived = self._sent = 0
        self._buffer: bytearray | None = None
        self.gossip: Gossip = Gossip(self, now)

    @property
    def client(self) -> str:
        """The name of its software, safe to print."""
        return self.gossip.client

    @property
    def speaks_v2(self) -> bool:
        """Is this a v2 connection (BEP 52): did both say so, or name the torrent's v2 half?

        Not so after we asked by a v1 magnet link: others hang up when such a one sends hash requests.
        """
        handshake, metainfo = self.conn.handshake, self.swarm.metainfo
        if not self._said_v2 or handshake is None or metainfo is None or metainfo.info_hash_v2 is None:
            return False
        named_so = handshake.info_hash == metainfo.info_hash_v2[:20]
        return named_so or bool(handshake.reserved & Reserved.V2)

    def start(self) -> None:
        """Say hello: our extensions, what we have, what it may fetch while choked."""
        conn, swarm = self.conn, self.swarm
        conn.v2 = swarm.is_v2
        if swarm.content is not None:
            self.join()
            shown = swarm.content.have if swarm.super_seeding is None else Bitfield(swarm.content.have.size)
            conn.have_set(shown)
        else:
            conn.have_set(Bitfield(1))  # nothing, of how many pieces we do not know yet
        self.gossip.hello()
        if swarm.node.dht is not None:
            swarm.node.dht.greet(self)

    def join(self) -> None:
        """The torrent's geometry is known: take part in the download."""
        content = self.swarm.content
        assert content is not None
        if self.joined:
            return
        conn = self.conn
        conn.set_num_pieces(content.metainfo.num_pieces, content.metainfo.piece_size)
        conn.offer = (
            content.have if self.swarm.super_seeding is None else self.swarm.super_seeding.offer(self)
        )
        content.picker.peer_joined(self)
        self.joined = True
        self._told_set()

    def leave(self) -> None:
        """The link is closed."""
        if self.joined and self.swarm.content is not None:
            self.swarm.content.picker.peer_gone(self)
        self.gossip.bye()
        self.conn.close()

    # -- the link's owner -----------------------------------------------------------------------------------

    def on_blocks(self, index: int, begin: int, views: Sequence[memoryview]) -> None:
        """Blocks of a piece came, in a row."""
        self.swarm.exchange.take(self, index, begin, views)

    def cancel(self, index: int, begin: int) -> None:
        """A block that it owes us came from somebody else."""
        if self.conn.cancel(index, begin):
            self.link.flush()

    def ban(self) -> None:
        """It sent bad data: never again from this address."""
        self.swarm.book.ban(self.link.address[0])
        self.link.close("sent bad data")

    @property
    def receipts(self) -> ReceiptLink | None:
        """Where its blocks are acknowledged; None if nowhere."""
        return self.gossip.receipts

    def on_event(self, event: ev.Event) -> None:
        """Something happened; blocks do not come this way."""
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)

    def on_read(self) -> None:
        """One read was handled: keep the pipeline full."""
        blocks = self.conn.blocks_received
        if blocks != self._arrived:
            self.window.arrived(blocks - self._arrived)
            self._arrived = blocks
            if not self.swarm.exchange.started:
                self.swarm.exchange.begin()
        if 4 * len(self.conn.outstanding) <= 3 * self.window.size and not self.dry:
            self.refill(trio.current_time())

    def on_pause(self) -> None:
        """Its socket is empty."""
        self.swarm.exchange.pause()

    def sent(self) -> None:
        """The blocks of the last `load` are in the socket."""
        if self._buffer is not None:
            self.swarm.node.reader.give(self._buffer)
            self._buffer = None

    def buffer(self, size: int) -> memoryview:
        """Memory for the blocks that are sent next, until `sent`."""
        self.sent()
        self._buffer = self.swarm.node.reader.take(size)
        return memoryview(self._buffer)

    def upload_batch(self, most: int) -> int:
        """How many blocks may go out now."""
        return 0 if self.swarm.paused else self.gossip.credit(most)

    async def load(self, count: int) -> tuple[list[bytes | memoryview], int]:
        """Read the next blocks that the peer asked for."""
        return await self.swarm.exchange.load(self, count)

    def refill(self, now: float) -> None:
        """Ask for blocks until the window is full."""
        conn, content = self.conn, self.swarm.content
        if content is None or not conn.am_interested or self.swarm.paused:
            return
        choked = conn.peer_choking
        if choked and not conn.allowed_fast:
            return
        count = self.window.size - len(conn.outstanding)
        if count <= 0:
            return
        blocks = content.picker.pick(self, count, now, allowed=conn.allowed_fast if choked else None)
        self.dry = len(blocks) < count
        if blocks:
            conn.request_many(blocks)

    # -- now and then ---------------------------------------------------------------------------------------

    def sweep(self, now: float) -> None:
        """Every half second: rates, timers, interest, and whatever could not be done before."""
        conn, link = self.conn, self.link
        self.from_rate.look(conn.bytes_received, now)
        self.to_rate.look(link.uploaded, now)
        if conn.requests_waiting or link.uploaded != self._sent:
            self._sent, self.used_at = link.uploaded, now
        blocks = conn.blocks_received
        self._look.look(blocks, now)
        if conn.outstanding:
            self.window.look(self._look.value * 16384, link.round_trip())
        link.tick(now)
        content = self.swarm.content
        if content is not None and self.joined:
            self.update_interest()
            self.dry = False
            self.refill(now)
        self.gossip.sweep(now)
        link.flush()
        if conn.requests_waiting:
            link.wake()

    def update_interest(self) -> None:
        """Tell the peer whether it has anything that we want."""
        content = self.swarm.content
        wanted = content is not None and self.joined and content.picker.interesting(self)
        if wanted and not self.swarm.paused:
            self.conn.interested()
        elif not self.conn.outstanding:
            self.conn.not_interested()

    def give_up_requests(self) -> None:
        """Ask others for what this peer owes us."""
        if not self.joined or self.swarm.content is None:
            return
        self.swarm.content.picker.release(self)
        for index, begin in list(self.conn.outstanding):
            self.conn.cancel(index, begin)
        self.swarm.stir()

    def candidate(self, now: float) -> Candidate["Peer"]:
        """What the choker needs to know."""
        conn = self.conn
        return Candidate(
            self,
            interested=conn.peer_interested,
            choked=conn.am_choking,
            from_peer=self.from_rate.value,
            to_peer=self.to_rate.value,
            connected_at=self.connected_at,
            unchoked_at=self.unchoked_at,
            used_at=self.used_at,
            snubbing=conn.snubbed,
            upload_only=conn.upload_only,
            may_upload=not self.gossip.is_starved(now),
            preferred=self.gossip.signs_receipts,
        )

    # -- events ---------------------------------------------------------------------------------------------

    def _told_set(self, event: object = None) -> None:
        content, have = self.swarm.content, self.conn.peer_have
        if content is None or not self.joined or have is None:
            return
        if have.is_full:
            content.picker.peer_has_all(self)
        else:
            content.picker.peer_bitfield(self, have.to_bytes())
        self.dry = False
        self.update_interest()
        self.swarm.peer_has_changed(self)
        if event is not None and self.conn.fast and len(have) < _FEW and self.swarm.super_seeding is None:
            address = ip_address(self.link.address[0].partition("%")[0])
            allowed = allowed_fast_set(address, self.conn.info_hash or b"", have.size)
            self.conn.allow_fast(index for index in allowed if index in content.have)

    def _has(self, event: ev.PeerHas) -> None:
        content = self.swarm.content
        if content is None or not self.joined:
            return
        if content.picker.peer_has(self, event.index):
            self.dry = False
            if not self.swarm.paused:
                self.conn.interested()
        self.swarm.peer_has_changed(self, event.index)

    def _lost(self, event: ev.PeerLost) -> None:
        # Rare, so the whole set is told again; to ask it for the piece now would be our own bug.
        self._told_set()

    def _choked(self, event: ev.Choked) -> None:
        if not self.conn.fast and self.joined and self.swarm.content is not None:
            self.swarm.content.picker.release(self)
            self.swarm.stir()

    def _unchoked(self, event: ev.Unchoked) -> None:
        if self.joined and self.swarm.content is not None:
            self.swarm.content.picker.peer_unchoked(self)
            self.dry = False

    def _rejected(self, event: ev.Rejected) -> None:
        if self.joined and self.swarm.content is not None:
            request = event.request
            self.swarm.content.picker.block_rejected(self, request.index, request.begin, trio.current_time())
            self.swarm.stir()

    def _snubbed(self, event: ev.Snubbed) -> None:
        self.window.snubbed()
        self.give_up_requests()

    def _suggested(self, event: ev.Suggested) -> None:
        if self.joined and self.swarm.content is not None:
            self.swarm.content.picker.suggested(self, event.index)

    def _interest(self, event: object) -> None:
        self.swarm.interest_changed(self)

    def _allowed_fast(self, event: object) -> None:
        self.dry = False

    def _hashes_requested(self, event: ev.HashesRequested) -> None:
        content = self.swarm.content
        found = content.hashes(event.request) if content is not None else None
        if found is None:
            self.conn.hash_reject(event.request)
        else:
            self.conn.hashes(event.request, found)

    def _dht_port(self, event: ev.DhtPort) -> None:
        if self.swarm.node.dht is not None:
            self.swarm.node.dht.heard(self, event.port)

    def _inactive(self, event: object) -> None:
        if self.swarm.crowded:
            self.link.close("idle for ten minutes, and its place is needed")


_HANDLERS: dict[type, Callable[[Peer, Any], None]] = {
    ev.PeerHasSet: Peer._told_set,
    ev.PeerHas: Peer._has,
    ev.PeerLost: Peer._lost,
    ev.Choked: Peer._choked,
    ev.Unchoked: Peer._unchoked,
    ev.Rejected: Peer._rejected,
    ev.Snubbed: Peer._snubbed,
    ev.Suggested: Peer._suggested,
    ev.PeerInterested: Peer._interest,
    ev.PeerNotInterested: Peer._interest,
    ev.AllowedFastReceived: Peer._allowed_fast,
    ev.Inactive: Peer._inactive,
    ev.DhtPort: Peer._dht_port,
    ev.ExtensionsReceived: lambda peer, event: peer.gossip.extensions(event.handshake),
    ev.ExtendedMessage: lambda peer, event: peer.gossip.message(event.name, event.payload),
    ev.HashesRequested: Peer._hashes_requested,
    ev.HashesReceived: lambda peer, event: peer.swarm.learning.hashes_received(peer, event.hashes),
    ev.HashesRejected: lambda peer, event: peer.swarm.learning.hashes_rejected(peer, event.request),
}
