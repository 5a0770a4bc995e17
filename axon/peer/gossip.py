"""The extensions of one connection: handshake, metadata, peer exchange, receipts (BEP 9, 10, 11)."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING

import trio

from axon import __version__
from axon.bt.connection import State
from axon.bt.extended import LT_DONTHAVE, UPLOAD_ONLY, UT_METADATA, UT_PEX, ExtendedHandshake
from axon.bt.metadata import MetadataMessage, MetadataType, MetadataUpload
from axon.bt.peer_id import client_name
from axon.bt.pex import PexAddress, PexFlags, PexReceiver, PexSender
from axon.bt.receipt_ext import EXTENSION
from axon.bt.receipt_ext import State as ReceiptState
from axon.peer import ledger
from axon.peer.peerbook import Source

if TYPE_CHECKING:
    from axon.peer.peer import Peer
    from axon.peer.swarm import Swarm

__all__ = ["EXTENSIONS", "REQQ", "Gossip"]

EXTENSIONS = {UT_METADATA: 1, UT_PEX: 2, UPLOAD_ONLY: 3, LT_DONTHAVE: 4, EXTENSION: 5}
_LAST_RECEIPTS, _OLD_RECEIPTS = 5.0, 2.0  # seconds, see `patience`
_STARVED = 5.0  # seconds without credit before a peer is choked for it
REQQ = 1000  # requests that we queue for a peer


class Gossip:
    """What is said beside the blocks."""

    def __init__(self, peer: "Peer", now: float) -> None:
        self._peer = peer
        self._swarm = peer.swarm
        self._conn = peer.conn
        self._pex_in = PexReceiver(now, allow_loopback=peer.link.is_local)
        self._pex_out = PexSender()
        self._served: MetadataUpload | None = None
        self._served_all = False
        self.receipts: ledger.Link | None = None
        self._starved_since = 0.0

    @property
    def client(self) -> str:
        """The name of the peer's software, safe to print."""
        handshake = self._conn.handshake
        return self._conn.client or (client_name(handshake.peer_id) if handshake else "unknown")

    def hello(self) -> None:
        """Send our extension handshake."""
        if not self._conn.extended_protocol:
            return
        swarm = self._swarm
        names = dict(EXTENSIONS)
        if not swarm.exchanges_peers:
            del names[UT_PEX]
        if swarm.ledger is None:
            del names[EXTENSION]
        content = swarm.content
        self._conn.extended_handshake(
            ExtendedHandshake(
                names,
                client=f"Axon {__version__}",
                port=swarm.node.port or None,
                reqq=REQQ,
                your_ip=ip_address(self._peer.link.address[0].partition("%")[0]).packed,
                metadata_size=len(content.metainfo.raw_info) if content else None,
                upload_only=True
                if content and content.picker.is_seed and swarm.super_seeding is None
                else None,
            )
        )
        self._open_receipts()

    def extensions(self, told: ExtendedHandshake) -> None:
        """The peer's extension handshake came."""
        peer, conn = self._peer, self._conn
        peer.window.limit = conn.peer_reqq
        if told.port and told.port != peer.link.listen_port:
            peer.link.listen_port = told.port
            self._swarm.book.add((peer.link.address[0], told.port), Source.INCOMING)
            self._swarm.book.connected((peer.link.address[0], told.port))
        if told.your_ip:
            self._swarm.node.seen_as(ip_address(told.your_ip))
        self._open_receipts()
        self._swarm.learning.ask(self._peer)

    def message(self, name: str, payload: bytes) -> None:
        """A message of one of our extensions came."""
        if name == UT_METADATA:
            self._metadata(payload)
        elif name == EXTENSION:
            if self.receipts is not None and self._swarm.ledger is not None:
                self._swarm.ledger.receive(self.receipts, payload)
        elif name == UT_PEX and self._swarm.exchanges_peers:
            for (ip, port), flags in self._pex_in.received(payload, trio.current_time()).added:
                likes_encryption = PexFlags.ENCRYPTION in flags or None
                self._swarm.book.add((str(ip), port), Source.PEX, encrypted=likes_encryption)
            self._swarm.node.dial_soon()

    def sweep(self, now: float) -> None:
        """Half a second has passed."""
        speaks = self._swarm.exchanges_peers and UT_PEX in self._conn.peer_extensions
        if speaks and now >= self._pex_out.deadline():
            message = self._pex_out.message(pex_addresses(self._swarm, self._peer), now)
            if message is not None:
                self._conn.extended(UT_PEX, message.serialize())
        self._swarm.learning.ask(self._peer)

    def bye(self) -> None:
        """The connection is closed."""
        if self.receipts is not None and self._swarm.ledger is not None:
            self._swarm.ledger.close_link(self.receipts)

    # -- receipts -------------------------------------------------------------------------------------------

    @property
    def signs_receipts(self) -> bool:
        """Does the peer acknowledge what it gets?"""
        return self.receipts is not None and self.receipts.taken is not None

    @property
    def has_unsigned(self) -> bool:
        """Are there verified pieces of the peer's that we have not acknowledged, and may?"""
        link = self.receipts
        return link is not None and bool(link.pending) and link.channel.state is not ReceiptState.PLAIN

    @property
    def patience(self) -> float:
        """Seconds that two seeds stay connected: for receipts under way, or to learn of any from before."""
        link, conn = self.receipts, self._conn
        if link is None:
            coming = self._swarm.ledger is not None and conn.extended_protocol and not conn.peer_extensions
            return _OLD_RECEIPTS if coming else 0.0
        return _LAST_RECEIPTS if link.pending or self.is_owed_receipts else _OLD_RECEIPTS

    @property
    def is_owed_receipts(self) -> bool:
        """Has the peer blocks of ours that it did not sign for yet?"""
        link = self.receipts
        if link is None or link.channel.state is ReceiptState.PLAIN:
            return False
        return (link.channel.sent if link.taken is None else link.taken.sent).owed > 0

    def credit(self, most: int) -> int:
        """How many blocks, at most `most`, the peer may get before it signs again."""
        link, book = self.receipts, self._swarm.ledger
        if link is None or book is None:
            return most
        count = book.credit(link, most)
        if not count:
            self._starved_since = self._starved_since or trio.current_time()
        return count

    def is_starved(self, now: float) -> bool:
        """Has the peer signed nothing for a while although it must, so that its slot is better used?"""
        return self.credit(1) == 0 and now - self._starved_since > _STARVED

    def sent(self, runs: Sequence[tuple[int, int, int]]) -> None:
        """Blocks are going out: joined (piece, begin, length)."""
        if self.receipts is not None and self._swarm.ledger is not None:
            for index, begin, length in runs:
                self._swarm.ledger.block_sent(self.receipts, index, begin, length)

    def _open_receipts(self) -> None:
        book, peer, conn = self._swarm.ledger, self._peer, self._conn
        if book is None or self.receipts is not None or EXTENSION not in conn.peer_extensions:
            return

        def send(payload: bytes) -> None:
            if EXTENSION in conn.peer_extensions and conn.state is not State.CLOSED:
                conn.extended(EXTENSION, payload)
                peer.link.flush()

        self.receipts = book.link(send, resume=self._credited, hang_up=peer.link.close)

    def _credited(self) -> None:
        self._starved_since = 0.0
        self._swarm.interest_changed(self._peer)
        self._peer.link.wake()

    # -- metadata -------------------------------------------------------------------------------------------

    def _metadata(self, payload: bytes) -> None:
        message = MetadataMessage.parse(payload)
        if message is None:
            return
        swarm = self._swarm
        if message.kind is MetadataType.REQUEST:
            if UT_METADATA not in self._conn.peer_extensions:
                return
            if self._served is None or (swarm.content is not None and not self._served_all):
                self._served = MetadataUpload(swarm.content.metainfo.raw_info if swarm.content else None)
                self._served_all = swarm.content is not None
            self._conn.extended(UT_METADATA, self._served.answer(message).serialize())
        else:
            swarm.learning.metadata_received(self._peer, message)


def pex_addresses(swarm: "Swarm", but: "Peer") -> dict[PexAddress, PexFlags]:
    """Whom a swarm is connected to, for telling `but`."""
    found = dict[PexAddress, PexFlags]()
    for peer in swarm.peers:
        port = peer.link.address[1] if peer.link.outgoing else peer.link.listen_port
        if peer is but or not port:
            continue
        if peer.link.is_local and not but.link.is_local:
            continue  # nobody else can reach it
        flags = pex_flags(peer.conn.peer_is_seed, peer.link.outgoing, peer.link.encryption is not None)
        found[pex_address(peer.link.address[0], port)] = flags
    return found


def pex_address(host: str, port: int) -> PexAddress:
    """Return an address as peer exchange tells it."""
    ip = ip_address(host.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return PexAddress(mapped or ip, port)


def pex_flags(seed: bool, outgoing: bool, encrypted: bool) -> PexFlags:
    """Return what is said of a connected peer."""
    flags = PexFlags.SEED if seed else PexFlags.NONE
    flags |= PexFlags.REACHABLE if outgoing else PexFlags.NONE
    return flags | (PexFlags.ENCRYPTION if encrypted else PexFlags.NONE)
