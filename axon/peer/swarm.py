"""One torrent at work: its peers, its content, its trackers, and who is unchoked.

A swarm begins without content when only a magnet link is known; the metadata
comes from peers, and the content is opened then. The node calls `sweep` twice
a second; all else follows from what the links bring.
"""

import random
from collections.abc import Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING

import trio

from axon.bt.choker import RECHOKE, Candidate, Choker
from axon.bt.metainfo import Metainfo
from axon.bt.priority import peer_priority
from axon.errors import ConfigError, MetainfoError, StorageError
from axon.ids import InfoHash
from axon.peer.announcing import Announcing
from axon.peer.content import Content
from axon.peer.exchange import Exchange
from axon.peer.learning import Learning
from axon.peer.ledger import Ledger
from axon.peer.peer import Peer
from axon.peer.peerbook import Address, PeerBook, Source
from axon.peer.ratelimit import Bucket, Limits
from axon.peer.source import TorrentSource
from axon.peer.submitter import Submitter
from axon.peer.superseeding import SuperSeeding
from axon.peer.webseed import WebSeed

if TYPE_CHECKING:
    from axon.peer.node import Node
    from axon.peer.wire import Link

__all__ = ["BOTH_SEEDS", "Swarm"]

BOTH_SEEDS = "both are seeds"  # why a link is closed that is of no more use

_ENOUGH = 40  # peers; with fewer the trackers are asked more often, and peers are dialled
_SYNC = 5.0  # seconds between two writes of the resume data


class Swarm:
    """One torrent.

    Parameters
    ----------
    node : Node
        Whose torrent it is.
    source : TorrentSource
        A torrent or magnet link, and what is wanted of it.

    Attributes
    ----------
    content : Content or None
        None until the metadata is known and what is on disk has been looked at.
    learning : Learning
        What peers are asked for besides blocks: metadata, piece layers.
    exchange : Exchange
        Where blocks go in and out.
    error : str or None
        Why the torrent is paused.
    """

    def __init__(self, node: "Node", source: TorrentSource) -> None:
        self.node = node
        self.source = source
        self.content: Content | None = None
        self.metainfo: Metainfo | None = source.metainfo
        self.learning: Learning = Learning(self)
        self.exchange = Exchange(self)
        self.peers: set[Peer] = set()
        self.book = PeerBook(self._priority)
        self.choker: Choker[Peer] = Choker(max(1, node.config.slots - 1), 1, seed=random.getrandbits(32))
        config = node.config
        self.down = Limits(Bucket(config.torrent_max_down), node.down_bucket)
        self.up = Limits(Bucket(config.torrent_max_up), node.up_bucket)
        self.ledger: Ledger | None = None
        self.submitter: Submitter | None = None
        self.super_seeding: SuperSeeding | None = None
        self.webseeds: list[WebSeed] = []
        self.paused = False
        self.error: str | None = None
        self.uploaded = self.downloaded = 0  # payload bytes of closed connections
        self._rechoke_at = 0.0
        self._sync_at = 0.0
        self.done = trio.Event()  # everything wanted is here
        self.ready = trio.Event()  # connections are welcome
        self.announcing = Announcing(self)
        for address in source.peers:
            self.book.add(address, Source.USER)

    # -- what it is -----------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """What people call it."""
        return self.metainfo.name if self.metainfo else self.source.name

    @property
    def handshake_hashes(self) -> tuple[InfoHash, ...]:
        """Its 20-byte names among peers."""
        return self.metainfo.handshake_hashes if self.metainfo else self.source.handshake_hashes

    @property
    def is_v2(self) -> bool:
        """Does it have a v2 half?"""
        return self.metainfo.info_hash_v2 is not None if self.metainfo else self.source.is_v2

    @property
    def is_private(self) -> bool:
        """BEP 27: peers come from its trackers only."""
        return self.metainfo.private if self.metainfo else False

    @property
    def exchanges_peers(self) -> bool:
        """Does it take part in peer exchange (BEP 11)?"""
        return not (self.is_private or self.node.config.no_pex)

    @property
    def crowded(self) -> bool:
        """Are connections scarce?"""
        return self.node.crowded

    @property
    def hungry(self) -> bool:
        """Are there too few peers for a download?"""
        return len(self.peers) < _ENOUGH and not self.done.is_set()

    @property
    def full(self) -> bool:
        """Has it as many connections as it may?"""
        most = self.node.config.torrent_max_connections
        return most is not None and len(self.peers) >= most

    @property
    def wants_peers(self) -> bool:
        """Should more peers be dialled?"""
        if self.paused or not self.ready.is_set():
            return False
        if self.full:
            return False
        # A seed dials too, for downloaders may be unreachable; but it leaves room for those who come.
        return len(self.peers) < (_ENOUGH // 2 if self.done.is_set() else 2 * _ENOUGH)

    def total_down(self) -> int:
        """Payload bytes received in this run."""
        return self.downloaded + sum(
            (peer.conn.bytes_received for peer in self.peers), sum(seed.received for seed in self.webseeds)
        )

    def total_up(self) -> int:
        """Payload bytes sent in this run."""
        return self.uploaded + sum(peer.link.uploaded for peer in self.peers)

    # -- life -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Work until cancelled."""
        async with trio.open_nursery() as nursery:
            try:
                if self.metainfo is None:
                    self.ready.set()
                    self.announcing.begin(nursery)
                    self.node.dial_soon()
                    self.metainfo = await self.learning.begin()
                self.content = await Content.open(self.metainfo, self.source, self.node)
            except (ConfigError, MetainfoError, StorageError) as error:
                self.fail(str(error))
                return
            nursery.start_soon(self.exchange.run)
            self.ledger = self.node.ledger(self)
            if self.ledger is not None:
                nursery.start_soon(self.ledger.run)
            self.submitter = self.node.submitter(self)
            if self.submitter is not None:
                nursery.start_soon(self.submitter.run)
            picker = self.content.picker
            if self.source.seeding and not picker.complete:
                here = f"{picker.num_have} of {self.metainfo.num_pieces} pieces are in {self.source.root}"
                self.fail(f"{here}; `download --seed` fetches the rest and seeds")
                return
            if self.source.super_seed and self.content.picker.is_seed:
                self.super_seeding = SuperSeeding(self.content)
            self.node.opened(self)
            for peer in list(self.peers):
                peer.link.guard(peer.join)
                peer.link.guard(peer.gossip.hello)
                peer.link.flush()
            if self.content.picker.complete:
                self.complete()
            self.webseeds = [
                WebSeed(self, url) for url in (*self.metainfo.webseeds, *self.node.config.webseed)
            ]
            if not self.content.picker.complete:
                for webseed in self.webseeds:
                    nursery.start_soon(webseed.run)
            self.ready.set()
            self.announcing.begin(nursery)
            if self.metainfo.missing_piece_layers:
                nursery.start_soon(self.learning.rest, self.metainfo)
            self.stir()
            self.node.dial_soon()
            await trio.sleep_forever()

    async def close(self) -> None:
        """Say goodbye to the trackers and leave the resume data whole; after `run` was cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.announcing.stop)
            if self.content is not None:
                nursery.start_soon(self._close_content, self.content)
            if self.submitter is not None:
                nursery.start_soon(self.submitter.flush)

    async def _close_content(self, content: Content) -> None:
        await self.exchange.finish()
        await content.close()

    def fail(self, error: str) -> None:
        """Pause: stop transferring, keep what is here, and say why, once."""
        if self.paused:
            return
        self.paused, self.error = True, error
        for peer in self.peers:
            peer.give_up_requests()
            peer.update_interest()
            peer.conn.choke()
            peer.link.flush()
        self.node.torrent_failed(self, error)

    # -- peers ----------------------------------------------------------------------------------------------

    def attach(self, link: "Link", now: float) -> Peer:
        """A link's handshake named this torrent."""
        peer = Peer(self, link, now)
        self.peers.add(peer)
        link.owner = peer
        peer.start()
        return peer

    def detach(self, peer: Peer, now: float) -> None:
        """A link is closed."""
        self.peers.discard(peer)
        peer.leave()
        if self.super_seeding is not None:
            self.super_seeding.gone(peer)
        self.learning.gone(peer)
        self.downloaded += peer.conn.bytes_received
        self.uploaded += peer.link.uploaded
        self._rechoke_at = min(self._rechoke_at, now + 1.0)
        self.stir()

    def stir(self) -> None:
        """Blocks became free: peers without work may find some."""
        for peer in self.peers:
            peer.dry = False

    def peer_has_changed(self, peer: Peer, index: int | None = None) -> None:
        """A peer has more than before: one piece, or a whole set."""
        if self.super_seeding is not None and index is not None:
            self.super_seeding.peer_has(peer, index)

    def interest_changed(self, peer: Peer) -> None:
        """A peer became interested in us, or ceased to be: fill free slots at once, re-choose soon."""
        now = trio.current_time()
        if peer.conn.peer_interested and not self.paused:
            busy = sum(not other.conn.am_choking for other in self.peers)
            if busy < self.node.config.slots and not peer.conn.upload_only:
                self._unchoke(peer, now)
        self._rechoke_at = min(self._rechoke_at, now + 1.0)

    def complete(self) -> None:
        """All that is wanted is here."""
        assert self.content is not None
        self.content.assembly.trim()
        if self.exchange.verified:
            self.announcing.completed()
        self.done.set()
        for peer in list(self.peers):
            peer.update_interest()
            peer.link.flush()
        self.node.completed(self)

    # -- now and then ---------------------------------------------------------------------------------------

    def sweep(self, now: float) -> None:
        """Twice a second: timers, rates, choking, resume data."""
        content = self.content
        if content is not None and now >= self._sync_at:
            self._sync_at = now + _SYNC
            content.sync_soon()
        self.exchange.hand_over()
        if not self.peers:
            return
        if content is not None and not self.paused:
            for peer in content.picker.overdue(now, 30.0):
                peer.give_up_requests()
        if self.super_seeding is not None:
            self._sweep_super_seeding(self.super_seeding)
        for peer in list(self.peers):
            self._sweep_peer(peer, now)
        candidates = [peer.candidate(now) for peer in self.peers]
        seeding = content is not None and content.picker.complete
        if now >= self._rechoke_at or (seeding and self.choker.is_wasteful(candidates, now)):
            self._rechoke_at = now + RECHOKE
            self._rechoke(candidates, now, seeding=seeding)

    def _sweep_super_seeding(self, seeding: SuperSeeding) -> None:
        seeding.sweep(self.peers)
        if not seeding.finished or self.content is None:
            return
        # The swarm holds a whole copy without us: be an ordinary seed from now on.
        self.super_seeding = None
        for peer in self.peers:
            peer.conn.offer = self.content.have
            for index in self.content.have:
                if peer.conn.peer_have is None or index not in peer.conn.peer_have:
                    peer.conn.have(index)
            peer.link.flush()

    def _sweep_peer(self, peer: Peer, now: float) -> None:
        peer.link.guard(lambda: peer.sweep(now))
        if not (self.content is not None and self.content.picker.is_seed and peer.conn.peer_is_seed):
            peer.useless_since = now
        elif now - peer.useless_since > peer.gossip.patience:
            peer.link.close(BOTH_SEEDS)

    def _rechoke(self, candidates: Sequence[Candidate[Peer]], now: float, *, seeding: bool) -> None:
        if self.paused:
            return
        changes = self.choker.rechoke(candidates, now, seeding=seeding)
        for peer in changes.choke:
            peer.conn.choke()
            peer.link.flush()
        for peer in changes.unchoke:
            self._unchoke(peer, now)

    def _unchoke(self, peer: Peer, now: float) -> None:
        peer.unchoked_at = now
        peer.conn.unchoke()
        peer.link.flush()

    def _priority(self, address: Address) -> int:
        try:
            theirs = ip_address(address[0])
        except ValueError:
            return 0
        ours = self.node.external.get(theirs.version)
        if ours is None:
            return random.getrandbits(32)
        return peer_priority(ours, self.node.port, theirs, address[1])
