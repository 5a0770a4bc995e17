"""The DHT of a process: a UDP socket for each address family, and when to search for which torrent.

The sockets have the peers' port where that is free. Nodes to begin with come from the last run
(`dht.state` in the data folder), peers' PORT messages (BEP 5), torrents' `nodes`, and
`--dht-bootstrap`; nobody else is asked. Private torrents (BEP 27) are neither searched nor
announced, and their peers hear nothing of our port. While only a magnet link is known, its torrent
may turn out private: so it is searched, but not announced.
"""

import os
import random
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from axon.bt.bencode import decode, encode
from axon.bt.dht_events import DhtEvent, PeersFound, SearchDone
from axon.bt.dht_id import ID_SIZE, NodeId
from axon.bt.dht_krpc import Contact, pack_contact, unpack_contacts
from axon.bt.dht_node import DhtNode
from axon.bt.handshake import Reserved
from axon.errors import BencodeError
from axon.peer.config import Address
from axon.peer.peerbook import Source

if TYPE_CHECKING:
    from axon.peer.node import Node
    from axon.peer.peer import Peer
    from axon.peer.swarm import Swarm

__all__ = ["Dht"]

_ANNOUNCE = 900.0  # seconds between announces of one torrent
_FIRST, _HUNGRY = 2.0, 60.0  # seconds to the next search while there are no peers, or too few
_PATIENT = 300.0  # seconds that both double to
_ENOUGH = 40  # peers
_SAVE = 300.0  # seconds
_MAX_DATAGRAM = 2048  # longer ones are nobody's messages
_AT_ONCE = 64  # datagrams between two looks at the other tasks
_MAX_NAMES = 16  # of a torrent's `nodes`
_MAX_STATE = 1 << 16  # bytes
_FAMILIES = {socket.AF_INET: 4, socket.AF_INET6: 6}


@dataclass(slots=True)
class _Round:
    """When one info-hash is searched for next."""

    at: float
    pause: float = _FIRST
    announces: bool = False


class Dht:
    """The process's nodes of the DHT.

    Parameters
    ----------
    node : Node
        Whose torrents are searched for.

    Attributes
    ----------
    nodes : dict of int to DhtNode
        By family, 4 and 6; empty until `open`.
    ports : dict of int to int
        UDP ports by family.
    """

    def __init__(self, node: "Node") -> None:
        self._node = node
        self.nodes: dict[int, DhtNode] = {}
        self.ports: dict[int, int] = {}
        self._sockets: dict[int, socket.socket] = {}
        self._rounds: dict[bytes, _Round] = {}
        self._seen: set[Swarm] = set()  # torrents whose `nodes` were taken
        self._save_at = 0.0

    # -- life -----------------------------------------------------------------------------------------------

    def open(self, addresses: Sequence[Address]) -> None:
        """Bind a socket beside each address where peers are accepted, one for each family."""
        saved, now = _load(self._path), trio.current_time()
        self._save_at = now + _SAVE
        for host, port in addresses:
            sock = _bind(host, port)
            if sock is None or _FAMILIES[sock.family] in self.nodes:
                if sock is not None:
                    sock.close()
                continue
            family, port = _FAMILIES[sock.family], int(sock.getsockname()[1])
            self._sockets[family], self.ports[family] = sock, port
            old_id, old_port, contacts = saved.get(family, (None, 0, []))
            self.nodes[family] = DhtNode(
                family,
                random.SystemRandom(),
                now,
                # Another process of the same data folder may be running, at another port.
                node_id=old_id if port == old_port else None,
                read_only=self._node.config.dht_read_only,
            )
            if contacts:
                self.nodes[family].remember(contacts, now)
            self._node.emit("dht", {"host": sock.getsockname()[0], "port": port})
        if len(self.nodes) == 2:
            self.nodes[4].pair(self.nodes[6])

    async def run(self) -> None:
        """Receive until cancelled; then close the sockets, and remember who is there."""
        try:
            async with trio.open_nursery() as nursery:
                for family in self.nodes:
                    nursery.start_soon(self._receive, family)
                nursery.start_soon(self._begin_at, self._node.config.dht_bootstrap)
        finally:
            self.save()
            for sock in self._sockets.values():
                sock.close()

    def sweep(self, now: float) -> None:
        """Twice a second: timers, searches that are due, the state on disk."""
        for swarm in self._node.swarms:
            self._search(swarm, now)
        for family, node in self.nodes.items():
            if now >= node.deadline():
                node.on_deadline(now)
            self._flush(family)
        if now >= self._save_at:
            self._save_at = now + _SAVE
            self.save()

    # -- peers ----------------------------------------------------------------------------------------------

    def serves(self, swarm: "Swarm | None") -> bool:
        """Tell whether a torrent is one for the DHT."""
        return bool(self.nodes) and swarm is not None and not swarm.is_private

    def greet(self, peer: "Peer") -> None:
        """Tell a peer our port, if its handshake says that it has a node, too."""
        handshake = peer.conn.handshake
        if handshake is None or Reserved.DHT not in handshake.reserved or not self.serves(peer.swarm):
            return
        port = self.ports.get(_family(peer.link.address[0]))
        if port is not None and not self._node.config.dht_read_only:
            peer.conn.port(port)

    def heard(self, peer: "Peer", port: int) -> None:
        """A peer told its node's port."""
        host = peer.link.address[0]
        family = _family(host)
        if family in self.nodes and self.serves(peer.swarm):
            self.nodes[family].ping((host, port), trio.current_time())
            self._flush(family)

    # -- searches -------------------------------------------------------------------------------------------

    def _search(self, swarm: "Swarm", now: float) -> None:
        if swarm.is_private:
            self._leave(swarm)
            return
        if swarm not in self._seen and swarm.metainfo is not None:
            self._seen.add(swarm)
            self._node.nursery.start_soon(self._begin_at, swarm.metainfo.nodes[:_MAX_NAMES])
        if swarm.paused or not swarm.ready.is_set():
            return
        announces = swarm.metainfo is not None
        for info_hash in swarm.handshake_hashes:
            turn = self._rounds.setdefault(info_hash, _Round(now))
            if announces and not turn.announces:  # the metadata is here, and says that it is not private
                turn.at, turn.pause, turn.announces = now, _FIRST, True
            if now < turn.at:
                continue
            port = self._node.port if announces else None
            able = [node for node in self.nodes.values() if node.knows_anybody]
            begun = [node.search(info_hash, now, port=port) for node in able]
            if any(begun):
                turn.at = now + turn.pause
                turn.pause = min(2 * turn.pause, _PATIENT)

    def _leave(self, swarm: "Swarm") -> None:
        """The metadata came, and says private (BEP 27): have nothing more to do with it."""
        for info_hash in swarm.handshake_hashes:
            if self._rounds.pop(info_hash, None) is not None:
                swarm.book.drop(Source.DHT)
                for node in self.nodes.values():
                    node.forget(info_hash)

    def _happened(self, event: DhtEvent) -> None:
        if isinstance(event, PeersFound):
            swarm = self._node.by_hash.get(event.info_hash)
            if self.serves(swarm) and swarm is not None:
                for address in event.peers:
                    swarm.book.add(address, Source.DHT)
                self._node.dial_soon()
        elif isinstance(event, SearchDone):
            turn, swarm = self._rounds.get(event.info_hash), self._node.by_hash.get(event.info_hash)
            if turn is not None and swarm is not None and event.announced:
                if swarm.done.is_set() or len(swarm.peers) >= _ENOUGH:
                    turn.at = trio.current_time() + _ANNOUNCE
                elif swarm.peers:
                    turn.pause = max(turn.pause, _HUNGRY)
                    turn.at = trio.current_time() + turn.pause
        else:
            self._node.seen_as(event.ip)

    async def _begin_at(self, addresses: Sequence[Address]) -> None:
        """Find out what names mean, and begin at those nodes."""
        for host, port in addresses:
            try:
                found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
            except (OSError, UnicodeError):
                continue  # nobody there; there may be others
            for family, _, _, _, address in found:
                node = self.nodes.get(_FAMILIES.get(family, 0))
                if node is not None:
                    node.add_router((str(address[0]), int(address[1])), trio.current_time())

    # -- sockets --------------------------------------------------------------------------------------------

    async def _receive(self, family: int) -> None:
        sock, node = self._sockets[family], self.nodes[family]
        while True:
            await trio.lowlevel.wait_readable(sock)
            now = trio.current_time()
            for _ in range(_AT_ONCE):
                try:
                    data, source = sock.recvfrom(_MAX_DATAGRAM)
                except BlockingIOError:
                    break
                except OSError:
                    await trio.sleep(0.1)  # an ICMP error of an earlier datagram, or no memory just now
                    break
                if len(data) < _MAX_DATAGRAM:
                    node.receive(data, (str(source[0]), int(source[1])), now)
            self._flush(family)

    def _flush(self, family: int) -> None:
        node, sock = self.nodes[family], self._sockets[family]
        for event in node.events():
            self._happened(event)
        for data, address in node.datagrams():
            try:
                sock.sendto(data, address)
            except OSError:
                continue  # no way there, or no room: datagrams may be lost

    # -- memory ---------------------------------------------------------------------------------------------

    @property
    def _path(self) -> Path:
        return self._node.config.data / "dht.state"

    def save(self) -> None:
        """Write down who is there, whole or not at all."""
        state = {
            b"v%d" % family: {
                b"id": node.id,
                b"port": self.ports[family],
                b"nodes": b"".join(map(pack_contact, node.contacts())),
            }
            for family, node in self.nodes.items()
            if len(node.table)
        }
        if not state:
            return  # an earlier run may know more
        aside = self._path.with_name(f".dht.state.{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(encode(state))
            aside.replace(self._path)
        except OSError as error:
            aside.unlink(missing_ok=True)
            self._node.emit("warning", {"message": f"cannot write {self._path}: {error.strerror}"})


def _load(path: Path) -> dict[int, tuple[NodeId, int, list[Contact]]]:
    """Read what an earlier run knew: id, port and nodes by family; a damaged file says nothing."""
    try:
        with path.open("rb") as file:
            told: Any = decode(file.read(_MAX_STATE))
    except (OSError, BencodeError):
        return {}
    found = {}
    for family in (4, 6):
        match told.get(b"v%d" % family) if isinstance(told, dict) else None:
            case {b"id": bytes(own), b"port": int(port), b"nodes": bytes(nodes)} if len(own) == ID_SIZE:
                found[family] = (NodeId(own), port, unpack_contacts(nodes, family))
    return found


def _bind(host: str, port: int) -> socket.socket | None:
    """Bind a UDP socket there, or at another port of that host; None if the machine cannot."""
    info = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)[0]
    for where in (info[4], (info[4][0], 0, *info[4][2:])):
        sock = socket.socket(info[0], socket.SOCK_DGRAM)
        try:
            if info[0] == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(where)
            sock.setblocking(False)
        except OSError:
            sock.close()
        else:
            return sock
    return None


def _family(host: str) -> int:
    return 6 if ":" in host else 4
