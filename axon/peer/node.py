"""The process's part: one listener for all torrents, the dialling, the half-second sweep.

A connection belongs to nobody until its handshake names a torrent; then the
swarm's `Peer` takes over the link. All limits that cut across torrents are
kept here: connections, half-open attempts, rates, disk threads.
"""

import errno
import os
import random
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import trio

from axon.bt import events as ev
from axon.bt.connection import PeerConnection
from axon.bt.peer_id import make_peer_id
from axon.errors import ConfigError, LocalProtocolError
from axon.ids import Epoch, parse_account
from axon.keys import NodeSecret
from axon.peer.announcer import TrackerClient
from axon.peer.config import Config
from axon.peer.disk import DiskThreads
from axon.peer.gossip import EXTENSIONS, REQQ
from axon.peer.http import is_private
from axon.peer.ledger import Ledger
from axon.peer.peer import Peer
from axon.peer.peerbook import Address
from axon.peer.ratelimit import Bucket, Limits
from axon.peer.source import TorrentSource
from axon.peer.submitter import Submitter
from axon.peer.swarm import BOTH_SEEDS, Swarm
from axon.peer.udp import UdpTrackers
from axon.peer.upload import BlockReader
from axon.peer.wire import Link, tune
from axon.receiptlog import ReceiptLog
from axon.receipts import BLOCK_SIZE, Scope

__all__ = ["Node", "show_address"]

_SWEEP = 0.5  # seconds
_PAUSE, _SEED_PAUSE = 30.0, 1800.0  # seconds before a peer is dialled again
_DIAL_TIMEOUT = 10.0  # seconds
_MAX_STRANGERS = 32  # incoming connections whose handshake is not complete
_SETTLE = 1.0  # seconds for the last receipts to leave
_CLOSE_TIMEOUT = 3.5  # seconds for trackers, receipts and resume data when the program ends


class Node:
    """All torrents of a process.

    Parameters
    ----------
    config : Config
    emit : callable (event name, facts)
        Told what people and programs want to know: listening, added, metadata, completed, failed, ….

    Attributes
    ----------
    port : int
        Where we accept peers; 0 while nothing listens.
    """

    def __init__(self, config: Config, emit: Callable[[str, dict[str, Any]], None]) -> None:
        self.config = config
        self.emit = emit
        self.peer_id = make_peer_id(os.urandom(12))
        self.announce_key = random.getrandbits(32)
        self.down_bucket, self.up_bucket = Bucket(config.max_down), Bucket(config.max_up)
        self.disk = DiskThreads(2)
        self.reader = BlockReader(self.disk)
        self.udp = UdpTrackers()
        self.trackers = TrackerClient(self.udp)
        self.port = 0
        self.external: dict[int, IPv4Address | IPv6Address] = {}
        self.swarms: list[Swarm] = []
        self._by_hash: dict[bytes, Swarm] = {}
        self._connections = 0
        self._half_open = 0
        self._strangers: set[Link] = set()  # handshake not complete
        self._dial_wanted = trio.Event()
        self._error: BaseException | None = None
        self._failed = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._log: ReceiptLog | None = None
        self._secret: NodeSecret | None = None
        if not config.no_receipts:
            parse_account(config.pool)
            self._secret = NodeSecret.load_or_create(config.key_path)
            self._log = ReceiptLog(config.data / "receipts.sqlite", durable=True)

    # -- life -----------------------------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen, dial and sweep until cancelled; then close everything within four seconds."""
        listeners = self._listen()
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                await nursery.start(self.udp.run)
                for listener in listeners:
                    nursery.start_soon(self._accept, listener)
                nursery.start_soon(self._dial)
                nursery.start_soon(self._sweep)
                nursery.start_soon(self._watch)
                task_status.started()
        finally:
            for listener in listeners:
                listener.close()
            with trio.move_on_after(_CLOSE_TIMEOUT, shield=True):
                async with trio.open_nursery() as nursery:
                    for swarm in self.swarms:
                        nursery.start_soon(swarm.close)
            self.disk.close(1.0)
            if self._log is not None:
                self._log.close()

    def add(self, source: TorrentSource) -> Swarm:
        """Start a torrent.

        Raises
        ------
        ConfigError
            If it is running already.
        """
        assert self._nursery is not None
        for name in source.handshake_hashes:
            if name in self._by_hash:
                raise ConfigError(f"{source.name}: the same torrent was given twice")
        swarm = Swarm(self, source)
        self.swarms.append(swarm)
        self.renamed(swarm)
        self._nursery.start_soon(swarm.run)
        return swarm

    async def _watch(self) -> None:
        await self._failed.wait()
        assert self._error is not None
        raise self._error

    def crash(self, error: BaseException) -> None:
        """A bug showed in a disk thread: end the program with it."""
        self._error = self._error or error
        self._failed.set()

    # -- what swarms tell -----------------------------------------------------------------------------------

    def renamed(self, swarm: Swarm) -> None:
        """A torrent's names among peers are known (a magnet link may hold one of two)."""
        for name in swarm.handshake_hashes:
            self._by_hash[name] = swarm

    def opened(self, swarm: Swarm) -> None:
        """A torrent's files have been looked at."""
        assert swarm.content is not None and swarm.metainfo is not None
        picker = swarm.content.picker
        self.emit(
            "added",
            {
                "name": swarm.name,
                "info_hash": swarm.handshake_hashes[0].hex(),
                "length": swarm.metainfo.length,
                "pieces": swarm.metainfo.num_pieces,
                "have": picker.num_have,
                "left": picker.wanted_left,
            },
        )

    def completed(self, swarm: Swarm) -> None:
        """All that was wanted of a torrent is here."""
        self.emit(
            "complete",
            {
                "name": swarm.name,
                "info_hash": swarm.handshake_hashes[0].hex(),
                "downloaded": swarm.total_down(),
            },
        )

    def torrent_failed(self, swarm: Swarm, message: str) -> None:
        """A torrent is paused for an error."""
        self.emit("error", {"name": swarm.name, "message": message})

    def hash_failed(self, swarm: Swarm, index: int) -> None:
        """A piece had the wrong hash."""
        self.emit("hash_failed", {"name": swarm.name, "piece": index})

    def seen_as(self, address: IPv4Address | IPv6Address) -> None:
        """Somebody told us our address."""
        if address.is_global or address.version not in self.external:
            self.external[address.version] = address

    def tracker_is_local(self, url: str) -> bool:
        """May a tracker name loopback peers: is it on this machine or network itself?"""
        host = urlsplit(url).hostname or ""
        try:
            return is_private(host)
        except ValueError:
            return host == "localhost" or "." not in host

    @property
    def resume_folder(self) -> Path:
        """Where resume data is kept."""
        return self.config.data / "resume"

    @staticmethod
    def random_seed() -> int:
        """Return 64 random bits for somebody's own generator."""
        return random.getrandbits(64)

    async def settle(self) -> None:
        """Give the last receipts and `have`s a moment before the program ends."""
        with trio.move_on_after(_SETTLE):
            for swarm in self.swarms:
                if swarm.ledger is not None and swarm.peers:
                    await swarm.ledger.finish()
            for swarm in self.swarms:
                for peer in swarm.peers:
                    peer.link.flush()
            while any(peer.link.busy for swarm in self.swarms for peer in swarm.peers):
                await trio.sleep(0.02)

    def ledger(self, swarm: Swarm) -> Ledger | None:
        """Make the receipts' ledger of a torrent; None if there are to be none."""
        if self._log is None or self._secret is None or swarm.metainfo is None:
            return None
        metainfo = swarm.metainfo
        scope = Scope(
            self.config.chain_id,
            parse_account(self.config.pool),
            metainfo.handshake_hashes[0],
            Epoch(self.config.epoch),
        )
        return Ledger(
            self._log,
            self._secret,
            scope,
            num_pieces=metainfo.num_pieces,
            piece_blocks=lambda index: -(-metainfo.piece_size(index) // BLOCK_SIZE),
        )

    def submitter(self, swarm: Swarm) -> Submitter | None:
        """Make what hands a torrent's receipts to its trackers; None if there are no receipts."""
        if self._log is None or swarm.metainfo is None:
            return None
        urls = [state.url for state in swarm.announcer.trackers]
        return Submitter(self._log, swarm.metainfo.handshake_hashes[0], urls, self.emit)

    @property
    def crowded(self) -> bool:
        """Are nearly all connections in use?"""
        return self._connections >= 0.9 * self.config.max_connections

    # -- listening ------------------------------------------------------------------------------------------

    def _listen(self) -> list[socket.socket]:
        """Bind all addresses to one port.

        Raises
        ------
        ConfigError
            If an address cannot be bound.
        """
        listeners: list[socket.socket] = []
        addresses = self.config.listen
        for host, port in addresses:
            port = port or self.port  # the same port for both families, chosen by the system for the first
            try:
                info = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
                listener = socket.socket(info[0], socket.SOCK_STREAM)
                if os.name == "posix":
                    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if info[0] == socket.AF_INET6:
                    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listener.bind(info[4])
            except OSError as error:
                if len(addresses) > 1 and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                    continue  # a machine without IPv6
                for listener in listeners:
                    listener.close()
                raise ConfigError(f"cannot listen on {host} port {port}: {error.strerror}") from error
            listener.listen(128)
            listener.setblocking(False)
            self.port = listener.getsockname()[1]
            listeners.append(listener)
            self.emit("listening", {"host": listener.getsockname()[0], "port": self.port})
        if not listeners:
            raise ConfigError("cannot listen on any address")
        return listeners

    async def _accept(self, listener: socket.socket) -> None:
        assert self._nursery is not None
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
            host = _plain(str(address[0]))
            strangers = sum(not link.outgoing for link in self._strangers)
            full = self._connections >= self.config.max_connections or strangers >= _MAX_STRANGERS
            if full or any(swarm.book.is_banned(host) for swarm in self.swarms):
                sock.close()
                continue
            self._nursery.start_soon(self._serve, self._link(sock, (host, int(address[1])), None))

    # -- dialling -------------------------------------------------------------------------------------------

    def dial_soon(self) -> None:
        """There may be somebody to dial."""
        self._dial_wanted.set()

    async def _dial(self) -> None:
        assert self._nursery is not None
        while True:
            now = trio.current_time()
            for swarm in self.swarms:
                while (
                    swarm.wants_peers
                    and self._half_open < self.config.half_open
                    and self._connections + self._half_open < self.config.max_connections
                    and (address := swarm.book.next(now)) is not None
                ):
                    self._half_open += 1
                    self._nursery.start_soon(self._connect, swarm, address)
            self._dial_wanted = trio.Event()
            with trio.move_on_after(1.0 if any(swarm.wants_peers for swarm in self.swarms) else 30.0):
                await self._dial_wanted.wait()

    async def _connect(self, swarm: Swarm, address: Address) -> None:
        sock = None
        try:
            with trio.move_on_after(_DIAL_TIMEOUT):
                sock = await _open(address)
        except (OSError, UnicodeError):  # or a name that cannot be one, of a magnet link
            pass
        finally:
            self._half_open -= 1
        if sock is None:
            swarm.book.failed(address, trio.current_time())
            self.dial_soon()
            return
        swarm.book.connected(address)
        link = self._link(sock, address, swarm)
        await self._serve(link)
        now = trio.current_time()
        if link in self._strangers:
            self._strangers.discard(link)
            swarm.book.failed(address, now)
        else:
            both_seeds = link.closed_because == BOTH_SEEDS
            swarm.book.disconnected(address, now, _SEED_PAUSE if both_seeds else _PAUSE)
        self.dial_soon()

    # -- connections ----------------------------------------------------------------------------------------

    def _link(self, sock: socket.socket, address: Address, swarm: Swarm | None) -> Link:
        tune(sock)
        link = Link(sock, address, outgoing=swarm is not None)
        conn = PeerConnection(
            info_hashes=swarm.handshake_hashes if swarm else self._by_hash,
            peer_id=self.peer_id,
            outgoing=swarm is not None,
            now=trio.current_time(),
            extensions=EXTENSIONS,
            v2=swarm.is_v2 if swarm else False,
            reqq=REQQ,
            on_block=link.on_block,
        )
        link.open(conn, _Greeter(self, link))
        return link

    async def _serve(self, link: Link) -> None:
        self._connections += 1
        self._strangers.add(link)
        try:
            await link.run()
        finally:
            self._connections -= 1
            if isinstance(link.owner, Peer):
                link.owner.swarm.detach(link.owner, trio.current_time())
            elif not link.outgoing:
                self._strangers.discard(link)
            if self.config.verbose:
                self.emit("disconnected", {"peer": show_address(link.address), "why": link.closed_because})

    def greeted(self, link: Link) -> None:
        """A handshake is complete: hand the link to its torrent, unless that has it already."""
        conn = link.conn
        swarm = self._by_hash.get(conn.info_hash or b"")
        self._strangers.discard(link)
        if swarm is None or conn.handshake is None or not swarm.ready.is_set():
            link.close("its torrent is not ready")
            return
        theirs = conn.handshake.peer_id
        for other in swarm.peers:
            if other.conn.handshake is not None and other.conn.handshake.peer_id == theirs:
                # Both dialled at once: both ends keep the connection that the greater id opened.
                if link.outgoing == (self.peer_id > theirs) and other.link.outgoing != link.outgoing:
                    other.link.close("connected twice")
                    break
                link.close("connected twice")
                return
        peer = swarm.attach(link, trio.current_time())
        if self.config.verbose:
            self.emit("connected", {"peer": show_address(link.address), "client": peer.client})

    async def _sweep(self) -> None:
        while True:
            await trio.sleep(_SWEEP)
            now = trio.current_time()
            for link in list(self._strangers):
                link.tick(now)
            for swarm in self.swarms:
                swarm.sweep(now)


class _Greeter:
    """Owns a link until its handshake is complete."""

    down = up = Limits(Bucket())

    def __init__(self, node: Node, link: Link) -> None:
        self._node, self._link = node, link

    def on_block(self, index: int, begin: int, view: memoryview) -> None:
        raise LocalProtocolError("a block before the handshake")

    def on_event(self, event: ev.Event) -> None:
        if isinstance(event, ev.HandshakeReceived):
            self._node.greeted(self._link)

    def on_read(self) -> None:
        """Nothing to ask for yet."""

    def upload_batch(self, most: int) -> int:
        return 0

    async def load(self, count: int) -> tuple[list[bytes | memoryview], int]:
        return [], 0

    def sent(self) -> None:
        """Nothing was."""


async def _open(address: Address) -> socket.socket:
    """Connect; a name is resolved first."""
    host, port = address
    found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family, kind, proto, _, target = found[0]
    sock = socket.socket(family, kind, proto)
    try:
        sock.setblocking(False)
        try:
            sock.connect(target)
        except BlockingIOError:
            await trio.lowlevel.wait_writable(sock)
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
    except BaseException:
        sock.close()
        raise
    return sock


def show_address(address: Address) -> str:
    """Write an address for people."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _plain(host: str) -> str:
    """An IPv4 peer on an IPv6 socket is still an IPv4 peer."""
    return host.removeprefix("::ffff:") if host.startswith("::ffff:") and "." in host else host
