"""Peers that were announced to our DHT node (BEP 5): bounded, fair to hosts, forgotten in time.

Announcers repeat every 15 to 30 minutes; who has not for 40 is gone. When the store is full
the torrent goes that was announced longest ago; one host holds a bounded number of places, and
its own oldest ones go first.
"""

import random

__all__ = ["PeerStore"]

_LIFE = 2400.0  # seconds
_MAX_TORRENTS = 2000
_MAX_PEERS = 500  # of one torrent
_MAX_TOTAL = 20_000
_MAX_OF_HOST = 200


class PeerStore:
    """Info-hash to packed peers (6 or 18 bytes), with limits."""

    def __init__(
        self,
        *,
        max_torrents: int = _MAX_TORRENTS,
        max_peers: int = _MAX_PEERS,
        max_total: int = _MAX_TOTAL,
        max_of_host: int = _MAX_OF_HOST,
    ) -> None:
        self._max_torrents, self._max_peers = max_torrents, max_peers
        self._max_total, self._max_of_host = max_total, max_of_host
        # Both orders are by the last announce, the oldest first.
        self._torrents: dict[bytes, dict[bytes, float]] = {}  # info-hash -> peer -> expires
        self._hosts: dict[bytes, dict[tuple[bytes, bytes], None]] = {}  # host -> its (info-hash, peer)
        self._total = 0

    def __len__(self) -> int:
        return self._total

    @property
    def num_torrents(self) -> int:
        """Info-hashes with peers."""
        return len(self._torrents)

    def add(self, info_hash: bytes, peer: bytes, now: float) -> None:
        """Remember a packed peer; its host was proved by a token."""
        if peer in self._torrents.get(info_hash, ()):
            self._remove(info_hash, peer)
        held = self._hosts.get(peer[:-2])
        if held is not None and len(held) >= self._max_of_host:
            self._remove(*next(iter(held)))
        peers = self._torrents.pop(info_hash, {})
        while len(peers) >= self._max_peers:
            self._torrents[info_hash] = peers
            self._remove(info_hash, next(iter(peers)))
            peers = self._torrents.pop(info_hash, {})
        while self._torrents and (
            len(self._torrents) >= self._max_torrents or self._total >= self._max_total
        ):
            self._drop(next(iter(self._torrents)))
        while self._total >= self._max_total:  # all of them are this torrent's
            self._torrents[info_hash] = peers
            self._remove(info_hash, next(iter(peers)))
            peers = self._torrents.pop(info_hash, {})
        peers[peer] = now + _LIFE
        self._torrents[info_hash] = peers
        self._hosts.setdefault(peer[:-2], {})[info_hash, peer] = None
        self._total += 1

    def peers(self, info_hash: bytes, count: int, now: float, rng: random.Random) -> list[bytes]:
        """Return at most `count` peers of a torrent, from a random one on.

        A sample would cost a draw for each; and neighbours only have in common when they announced.
        """
        peers = self._torrents.get(info_hash)
        if not peers or count <= 0:
            return []
        self._forget(info_hash, peers, now)
        found = list(peers)
        if len(found) <= count:
            return found
        at = rng.randrange(len(found))
        return (found[at:] + found[:at])[:count]

    def expire(self, now: float) -> None:
        """Forget those who have not announced for 40 minutes."""
        for info_hash, peers in list(self._torrents.items()):
            self._forget(info_hash, peers, now)

    def _forget(self, info_hash: bytes, peers: dict[bytes, float], now: float) -> None:
        old = []
        for peer, expires in peers.items():
            if expires > now:
                break
            old.append(peer)
        for peer in old:
            self._remove(info_hash, peer)

    def _remove(self, info_hash: bytes, peer: bytes) -> None:
        peers, host = self._torrents[info_hash], peer[:-2]
        del peers[peer]
        if not peers:
            del self._torrents[info_hash]
        held = self._hosts[host]
        del held[info_hash, peer]
        if not held:
            del self._hosts[host]
        self._total -= 1

    def _drop(self, info_hash: bytes) -> None:
        for peer in list(self._torrents[info_hash]):
            self._remove(info_hash, peer)
