"""Addresses of one torrent's peers: whom to dial next, whom never again (pure).

Bounded, and fair to sources: what strangers tell (peer exchange) never pushes
out what the user named. Order: the user's peers, then those that failed least,
then canonical priority (BEP 40), which spreads a swarm's connections evenly.
"""

import enum
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Address", "PeerBook", "Source"]

Address = tuple[str, int]  # an IP literal and a port

_MAX_PEERS = 2000
_RETRY = 30.0  # seconds after the first failure; doubles with each
_MAX_RETRY = 1800.0
_MAX_FAILURES = 6  # then it is forgotten, unless the user named it
_MAX_BANS = 4096


class Source(enum.IntEnum):
    """Who told us of a peer, most trusted first."""

    USER = 0
    TRACKER = 1
    INCOMING = 2
    PEX = 3
    DHT = 4


@dataclass(slots=True)
class _Peer:
    source: Source
    priority: int
    failures: int = 0
    not_before: float = 0.0
    busy: bool = False  # dialled or connected
    encrypted: bool | None = None  # how it was spoken to the last time, or how it is said to like it


class PeerBook:
    """The known peers of one torrent.

    Parameters
    ----------
    priority : callable
        BEP 40 priority of an address, higher first.
    """

    def __init__(self, priority: Callable[[Address], int] = lambda address: 0) -> None:
        self._priority = priority
        self._peers: dict[Address, _Peer] = {}
        self._banned: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._peers)

    def add(self, address: Address, source: Source, *, encrypted: bool | None = None) -> bool:
        """Remember an address; False if it is known, banned, unusable or there is no room.

        `encrypted` is how it is said to like being spoken to; what worked counts for more.
        """
        host, port = address
        if not 0 < port < 65536 or host in self._banned or not _usable(host, source):
            return False
        known = self._peers.get(address)
        if known is not None:
            known.source = min(known.source, source)
            return False
        if len(self._peers) >= _MAX_PEERS and not self._evict(source):
            return False
        self._peers[address] = _Peer(source, self._priority(address), encrypted=encrypted)
        return True

    def next(self, now: float) -> Address | None:
        """Return the best address to dial now, and take it for busy; None if there is none."""
        best, best_rank = None, None
        for address, peer in self._peers.items():
            if peer.busy or peer.not_before > now:
                continue
            rank = (peer.source is not Source.USER, peer.failures, -peer.priority)
            if best_rank is None or rank < best_rank:
                best, best_rank = address, rank
        if best is not None:
            self._peers[best].busy = True
        return best

    def connected(self, address: Address) -> None:
        """A connection to it stands, whoever dialled."""
        peer = self._peers.get(address)
        if peer is not None:
            peer.busy, peer.failures = True, 0

    def spoke(self, address: Address) -> bool | None:
        """Whether the last connection to it was encrypted, or it is said to like that; None: who knows."""
        peer = self._peers.get(address)
        return None if peer is None else peer.encrypted

    def spoken(self, address: Address, encrypted: bool) -> None:
        """A connection came about in this way."""
        peer = self._peers.get(address)
        if peer is not None:
            peer.encrypted = encrypted

    def failed(self, address: Address, now: float) -> None:
        """It could not be reached, or said nothing sensible: later again, and later still."""
        peer = self._peers.get(address)
        if peer is None:
            return
        peer.busy = False
        peer.failures += 1
        if peer.failures >= _MAX_FAILURES and peer.source is not Source.USER:
            del self._peers[address]
            return
        peer.not_before = now + min(_RETRY * 2.0 ** (peer.failures - 1), _MAX_RETRY)

    def disconnected(self, address: Address, now: float, pause: float = _RETRY) -> None:
        """A connection that had stood is over; not again for `pause` seconds."""
        peer = self._peers.get(address)
        if peer is not None:
            peer.busy = False
            peer.not_before = now + pause

    def forget(self, address: Address) -> None:
        """Never dial it (ourselves, or the same peer by another address)."""
        self._peers.pop(address, None)

    def drop(self, source: Source) -> None:
        """Forget whom only this source named, but for those that we are connected to."""
        for address in [a for a, peer in self._peers.items() if peer.source is source and not peer.busy]:
            del self._peers[address]

    def ban(self, host: str) -> None:
        """Never again have to do with an IP: it sent bad data."""
        if len(self._banned) >= _MAX_BANS:
            del self._banned[next(iter(self._banned))]
        self._banned[host] = None
        for address in [address for address in self._peers if address[0] == host]:
            del self._peers[address]

    def is_banned(self, host: str) -> bool:
        """Tell whether an IP is banned."""
        return host in self._banned

    def _evict(self, source: Source) -> bool:
        idle = [
            (peer.failures, peer.source, address) for address, peer in self._peers.items() if not peer.busy
        ]
        if not idle:
            return False
        failures, worst, address = max(idle)
        if not failures and worst <= source:
            return False
        del self._peers[address]
        return True


def _usable(host: str, source: Source) -> bool:
    """Tell whether one can dial it; loopback and private addresses are judged by who heard of them."""
    try:
        ip = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return source is Source.USER  # a name: resolved when it is dialled
    return not (ip.is_multicast or ip.is_unspecified or (ip.is_reserved and not ip.is_loopback))
