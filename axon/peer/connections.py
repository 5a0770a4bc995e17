"""All connections of a process: who may come, whom to dial, and whose a connection is.

A connection belongs to nobody until its handshake names a torrent; until then a
`_Greeter` owns its link, for twenty seconds at most and with few others. Then
the swarm's `Peer` takes over. Limits that cut across torrents are kept here.
"""

import errno
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING

import trio

from axon.bt import events as ev
from axon.bt.connection import PeerConnection
from axon.bt.host_rate import HostRate
from axon.bt.mse import torrent_digest
from axon.errors import LocalProtocolError
from axon.ids import InfoHash
from axon.peer.encryption import Opening, answer, ask
from axon.peer.gossip import EXTENSIONS, REQQ
from axon.peer.peer import Peer
from axon.peer.policy import Policy
from axon.peer.ratelimit import Bucket, Limits
from axon.peer.sockets import Address, dial, plain_host, show_address
from axon.peer.swarm import BOTH_SEEDS, Swarm
from axon.peer.wire import Link, tune

if TYPE_CHECKING:
    from axon.peer.node import Node

__all__ = ["Connections"]

_PAUSE, _SEED_PAUSE = 30.0, 1800.0  # seconds before a peer is dialled again
_DIAL_TIMEOUT = 10.0  # seconds
_MAX_STRANGERS = 32  # incoming connections whose handshake is not complete
_EXCHANGES, _EXCHANGES_AT_ONCE = 10.0, 100.0  # encrypted handshakes of a host a second; each costs half a ms


class Connections:
    """The node's sockets.

    Attributes
    ----------
    count : int
        Connections that stand, greeted or not.
    """

    def __init__(self, node: "Node") -> None:
        self._node = node
        self.count = 0
        self._half_open = 0
        self._strangers: dict[Link, None] = {}  # handshake not complete; oldest first
        self._exchanges = HostRate(_EXCHANGES, _EXCHANGES_AT_ONCE)
        self._dial_wanted = trio.Event()

    def sweep(self, now: float) -> None:
        """Hang up on strangers who take too long."""
        for link in list(self._strangers):
            link.tick(now)

    async def accept(self, listener: socket.socket) -> None:
        """Take whoever comes, while there is room, until cancelled."""
        node = self._node
        while True:
            await trio.lowlevel.wait_readable(listener)
            try:
                sock, address = listener.accept()
            except (BlockingIOError, ConnectionError):
                continue
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    raise
                await trio.sleep(0.5)  # full for the moment
                continue
            host = plain_host(str(address[0]))
            full = self.count >= node.config.max_connections
            if full or any(swarm.book.is_banned(host) for swarm in node.swarms):
                sock.close()
                continue
            self._make_room()
            node.nursery.start_soon(self._serve, self._link(sock, (host, int(address[1])), None))

    def _make_room(self) -> None:
        """Too many wait for a handshake: drop the oldest one of the host that has most of them.

        Whoever shakes hands at once gets in, however many others only connect.
        """
        waiting = [link for link in self._strangers if not link.outgoing and link.closed_because is None]
        if len(waiting) >= _MAX_STRANGERS:
            hosts = Counter(link.address[0] for link in waiting)
            worst = max(hosts.values())
            next(link for link in waiting if hosts[link.address[0]] == worst).close("others came")

    def dial_soon(self) -> None:
        """There may be somebody to dial."""
        self._dial_wanted.set()

    async def dial(self) -> None:
        """Dial the best peers of all torrents, until cancelled."""
        node = self._node
        while True:
            now = trio.current_time()
            for swarm in node.swarms:
                while (
                    swarm.wants_peers
                    and self._half_open < node.config.half_open
                    and self.count + self._half_open < node.config.max_connections
                    and (address := swarm.book.next(now)) is not None
                ):
                    self._half_open += 1
                    node.nursery.start_soon(self._connect, swarm, address)
            self._dial_wanted = trio.Event()
            with trio.move_on_after(1.0 if any(swarm.wants_peers for swarm in node.swarms) else 30.0):
                await self._dial_wanted.wait()

    async def _connect(self, swarm: Swarm, address: Address) -> None:
        """Dial, plain or encrypted; the other way if the peer hangs up, or is silent to encryption."""
        ways = list(self._node.config.encryption.ways(swarm.book.spoke(address)))
        while True:
            encrypted = ways.pop(0)
            try:
                sock = await _dial(address)
            finally:
                self._half_open -= 1
            if sock is None:
                break
            reached = sock.getpeername()[:2]  # the address may be a name
            if swarm.book.is_banned(reached[0]):
                sock.close()
                swarm.book.forget(address)
                return
            swarm.book.connected(address)
            link = self._link(sock, reached, swarm, encrypted)
            await self._serve(link)
            if link not in self._strangers:
                swarm.book.spoken(address, encrypted)
                both_seeds = link.closed_because == BOTH_SEEDS
                pause = _SEED_PAUSE if both_seeds else _PAUSE
                swarm.book.disconnected(address, trio.current_time(), pause)
                self.dial_soon()
                return
            del self._strangers[link]
            if not (ways and (link.left or encrypted)):
                break
            self._half_open += 1
        swarm.book.failed(address, trio.current_time())
        self.dial_soon()

    def _link(
        self, sock: socket.socket, address: Address, swarm: Swarm | None, encrypted: bool = False
    ) -> Link:
        node = self._node
        tune(sock)
        link = Link(sock, address, outgoing=swarm is not None)
        conn = PeerConnection(
            info_hashes=swarm.handshake_hashes if swarm else node.by_hash,
            peer_id=node.peer_id,
            outgoing=swarm is not None,
            now=trio.current_time(),
            extensions=EXTENSIONS,
            v2=swarm.is_v2 if swarm else node.v2_name,
            dht=lambda name: node.dht is not None and node.dht.serves(node.by_hash.get(name)),
            reqq=REQQ,
            on_blocks=link.on_blocks,
        )
        policy = node.config.encryption
        opening: Callable[[], Awaitable[Opening]] | None = None
        if swarm is None and policy is not Policy.OFF:
            host = ip_address(address[0].partition("%")[0]).packed
            admits = partial(self._admits_exchange, host)
            opening = partial(answer, sock, policy, self._find, admits)
        elif swarm is not None and encrypted:
            opening = partial(ask, sock, policy, swarm.handshake_hashes[0], conn.data_to_send())
        link.open(conn, _Greeter(self, link), opening)
        return link

    def _admits_exchange(self, host: bytes) -> bool:
        return self._exchanges.admits(host, trio.current_time())

    def _find(self, digest: bytes) -> InfoHash | None:
        """Which torrent of ours an encrypted connection is for."""
        names = map(InfoHash, self._node.by_hash)
        return next((name for name in names if torrent_digest(name) == digest), None)

    async def _serve(self, link: Link) -> None:
        self.count += 1
        self._strangers[link] = None
        try:
            await link.run()
        finally:
            self.count -= 1
            if isinstance(link.owner, Peer):
                link.owner.swarm.detach(link.owner, trio.current_time())
            elif not link.outgoing:
                self._strangers.pop(link, None)
            if self._node.config.verbose:
                self._node.emit(
                    "disconnected", {"peer": show_address(link.address), "why": link.closed_because}
                )

    def greeted(self, link: Link) -> None:
        """A handshake is complete: hand the link to its torrent, unless that has it already."""
        node, conn = self._node, link.conn
        swarm = node.by_hash.get(conn.info_hash or b"")
        self._strangers.pop(link, None)
        if swarm is None or conn.handshake is None or not swarm.ready.is_set():
            link.close("its torrent is not ready")
            return
        theirs = conn.handshake.peer_id
        for other in swarm.peers:
            if other.conn.handshake is not None and other.conn.handshake.peer_id == theirs:
                # Both dialled at once: both ends keep the connection that the greater id opened.
                if link.outgoing == (node.peer_id > theirs) and other.link.outgoing != link.outgoing:
                    other.link.close("connected twice")
                    break
                link.close("connected twice")
                return
        if swarm.full:
            link.close("its torrent has enough connections")
            return
        peer = swarm.attach(link, trio.current_time())
        if self._node.config.verbose:
            facts = {"peer": show_address(link.address), "client": peer.client}
            self._node.emit("connected", facts | {"encrypted": link.encryption is not None})


async def _dial(address: Address) -> socket.socket | None:
    with (
        trio.move_on_after(_DIAL_TIMEOUT),
        suppress(OSError, UnicodeError),
    ):  # a magnet link's names may be none
        return await dial(address)
    return None


class _Greeter:
    """Owns a link until its handshake is complete."""

    down = up = Limits(Bucket())

    def __init__(self, connections: Connections, link: Link) -> None:
        self._connections, self._link = connections, link

    def on_blocks(self, index: int, begin: int, views: Sequence[memoryview]) -> None:
        raise LocalProtocolError("a block before the handshake")

    def on_event(self, event: ev.Event) -> None:
        if isinstance(event, ev.HandshakeReceived):
            self._connections.greeted(self._link)

    def on_read(self) -> None:
        """Nothing to ask for yet."""

    def on_pause(self) -> None:
        """Nothing to hand on."""

    def upload_batch(self, most: int) -> int:
        return 0

    async def load(self, count: int) -> tuple[list[bytes | memoryview], int]:
        return [], 0

    def sent(self) -> None:
        """Nothing was."""
