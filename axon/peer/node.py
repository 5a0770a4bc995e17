"""All torrents of a process, and what they share: rates, disk threads, trackers, the receipts' log.

Its sockets are `connections.py`'s. Twice a second it sweeps: every timer, rate and
retry of every torrent is looked at then, so that none needs a task of its own.
"""

import os
import random
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import trio

from axon.bt.peer_id import make_peer_id
from axon.errors import ConfigError
from axon.ids import InfoHash
from axon.keys import NodeSecret
from axon.peer.announcer import TrackerClient
from axon.peer.config import DEFAULT_LISTEN, Config
from axon.peer.connections import Connections
from axon.peer.dht import Dht
from axon.peer.disk import DiskThreads
from axon.peer.epochs import Epochs
from axon.peer.http import is_private
from axon.peer.ledger import Ledger
from axon.peer.promises import PROMISES, Promises
from axon.peer.ratelimit import Bucket
from axon.peer.sockets import listen
from axon.peer.source import TorrentSource
from axon.peer.submitter import Submitter
from axon.peer.swarm import Swarm
from axon.peer.udp import UdpTrackers
from axon.peer.upload import BlockReader
from axon.receiptlog import ReceiptLog
from axon.receipts import BLOCK_SIZE

__all__ = ["Node"]

_SWEEP = 0.5  # seconds
_SETTLE, _LINGER = 4.0, 0.5  # seconds for the last receipts to come and go, for peers to hang up
_LAST_RECEIPTS = 2.2  # seconds for those that we wait for
_CLOSE_TIMEOUT = 2.5  # seconds for trackers, receipts and resume data when the program ends


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
    nursery : trio.Nursery
        Of `run`, while it runs.
    """

    nursery: trio.Nursery

    def __init__(self, config: Config, emit: Callable[[str, dict[str, Any]], None]) -> None:
        self.config = config
        self.emit = emit
        self.peer_id = make_peer_id(os.urandom(12))
        self.announce_key = random.getrandbits(32)
        self.down_bucket, self.up_bucket = Bucket(config.max_down), Bucket(config.max_up)
        self.disk = DiskThreads(2)
        self.writer = DiskThreads(1)  # stores what is downloaded, while it keeps up
        self.reader = BlockReader(self.disk)
        self.udp = UdpTrackers()
        self.trackers = TrackerClient(self.udp)
        self.port = 0
        self.external: dict[int, IPv4Address | IPv6Address] = {}
        self.swarms: list[Swarm] = []
        self.by_hash: dict[bytes, Swarm] = {}
        self.connections = Connections(self)
        self.dht = None if config.no_dht else Dht(self)
        self._error: BaseException | None = None
        self._failed = trio.Event()
        self._log: ReceiptLog | None = None
        self._log_threads: DiskThreads | None = None
        self._secret: NodeSecret | None = None
        self.epochs: Epochs | None = None
        self._promises: Promises | None = None
        self._turning = trio.Lock()  # one epoch after the other, however long the disk takes
        if not config.no_receipts:
            self._secret = NodeSecret.load_or_create(config.key_path)
            self._log = ReceiptLog(config.data / "receipts.sqlite", durable=True)
            self._log_threads = DiskThreads(1)  # beside the others: a receipt waits for no hash
            self._promises = Promises(config.data / PROMISES)
            self.epochs = Epochs(config, self._log, emit)

    # -- life -----------------------------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen, dial and sweep until cancelled; then close everything within four seconds."""
        listeners = listen(self.config.listen, may_move=self.config.listen == DEFAULT_LISTEN)
        for listener in listeners:
            host, self.port = listener.getsockname()[:2]
            self.emit("listening", {"host": host, "port": self.port})
        try:
            async with trio.open_nursery() as nursery:
                self.nursery = nursery
                await nursery.start(self.udp.run)
                for listener in listeners:
                    nursery.start_soon(self.connections.accept, listener)
                nursery.start_soon(self.connections.dial)
                if self.dht is not None:
                    self.dht.open([listener.getsockname()[:2] for listener in listeners])
                    nursery.start_soon(self.dht.run)
                nursery.start_soon(self._sweep)
                nursery.start_soon(self._watch)
                if self.epochs is not None:
                    nursery.start_soon(self.epochs.run, self._turn)
                task_status.started()
        finally:
            for listener in listeners:
                listener.close()
            with trio.move_on_after(_CLOSE_TIMEOUT, shield=True):
                async with trio.open_nursery() as nursery:
                    for swarm in self.swarms:
                        nursery.start_soon(swarm.close)
            self.writer.close(1.0)
            self.disk.close(1.0)
            if self._log is not None and self._log_threads is not None:
                self._log_threads.close(1.0)
                self._log.close()
            if self._promises is not None:
                self._promises.close()

    def add(self, source: TorrentSource) -> Swarm:
        """Start a torrent.

        Raises
        ------
        ConfigError
            If it is running already.
        """
        swarm = Swarm(self, source)
        self.renamed(swarm)
        self.swarms.append(swarm)
        self.nursery.start_soon(swarm.run)
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
        """A torrent's names among peers are known (a magnet link may hold one of two).

        Raises
        ------
        ConfigError
            If it is running already under one of them.
        """
        if any(self.by_hash.get(name, swarm) is not swarm for name in swarm.handshake_hashes):
            raise ConfigError(f"{swarm.name}: the same torrent was given twice")
        for name in swarm.handshake_hashes:
            self.by_hash[name] = swarm

    def v2_name(self, name: InfoHash) -> InfoHash | None:
        """Return the v2 name (20 bytes) of the torrent that goes by `name`; None without a v2 half."""
        swarm = self.by_hash.get(name)
        return swarm.handshake_hashes[-1] if swarm is not None and swarm.is_v2 else None

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
            peers = [peer for swarm in self.swarms for peer in swarm.peers]
            while True:
                for swarm in self.swarms:
                    if swarm.ledger is not None:
                        await swarm.ledger.finish()
                # A download may be over before the two have even proved their keys to each other.
                if not any(peer.gossip.has_unsigned for peer in peers if not peer.link.closed):
                    break
                await trio.sleep(0.02)
            # Those whom we served sign within two seconds for what they have whole (`giving.py`).
            served = [peer for peer in peers if peer.gossip.is_owed_receipts]
            for peer in served:
                peer.conn.choke()
            for peer in peers:
                peer.link.flush()
            with trio.move_on_after(_LAST_RECEIPTS):
                while any(peer.gossip.is_owed_receipts for peer in served if not peer.link.closed):
                    await trio.sleep(0.02)
            while any(peer.link.busy for peer in peers if not peer.link.closed):
                await trio.sleep(0.02)
            # Closing a socket with unread bytes resets it, and the receipts on their way would be lost:
            # end our half, and let those who hold receipts of ours hang up first.
            waiting = [peer for peer in peers if peer.gossip.signs_receipts]
            for peer in waiting:
                peer.link.end()
            with trio.move_on_after(_LINGER):
                while not all(peer.link.closed for peer in waiting):
                    await trio.sleep(0.02)
            for swarm in self.swarms:
                if swarm.ledger is not None:
                    await swarm.ledger.finish()  # those that came meanwhile

    def ledger(self, swarm: Swarm) -> Ledger | None:
        """Make the receipts' ledger of a torrent; None if there are to be none."""
        if self._log is None or self._secret is None or self.epochs is None or swarm.metainfo is None:
            return None
        metainfo = swarm.metainfo
        return Ledger(
            self._log,
            self._secret,
            self.epochs.scope(metainfo.handshake_hashes[0]),
            num_pieces=metainfo.num_pieces,
            threads=self._log_threads,
            piece_blocks=lambda index: -(-metainfo.piece_size(index) // BLOCK_SIZE),
        )

    async def _turn(self) -> None:
        """An epoch begins: the receipts of the last one are signed and sent, no connection ends."""
        assert self.epochs is not None
        async with self._turning, trio.open_nursery() as nursery:
            for swarm in self.swarms:
                book = swarm.ledger
                if book is not None and (scope := self.epochs.scope(book.scope.info_hash)) != book.scope:
                    nursery.start_soon(book.rescope, scope)

    def submitter(self, swarm: Swarm) -> Submitter | None:
        """Make what hands a torrent's receipts to its trackers; None if there are no receipts."""
        if self._log is None or self._promises is None or self.epochs is None or swarm.metainfo is None:
            return None
        epochs = self.epochs
        return Submitter(
            self._log,
            self._promises,
            swarm.metainfo.handshake_hashes[0],
            swarm.announcing.urls,
            self.emit,
            pace=lambda: epochs.pace,
        )

    @property
    def crowded(self) -> bool:
        """Are nearly all connections in use?"""
        return self.connections.count >= 0.9 * self.config.max_connections

    def dial_soon(self) -> None:
        """There may be somebody to dial."""
        self.connections.dial_soon()

    async def _sweep(self) -> None:
        while True:
            await trio.sleep(_SWEEP)
            now = trio.current_time()
            self.connections.sweep(now)
            if self.dht is not None:
                self.dht.sweep(now)
            for swarm in self.swarms:
                swarm.sweep(now)
