"""Swarms in packed arrays: who is in which, and a fair sample of the others (pure).

Each swarm keeps its peers in one packed array an address family, seeds first:
a peer is its address and port (6 or 18 bytes) and a stamp byte. So an answer is at
most three copies of contiguous bytes. A peer that leaves is overwritten by the last one.
`kernel.py` is the same machine compiled; the two answer byte for byte alike.

Time is counted in *ticks*, a sixtieth of the time to live; a stamp is a tick
modulo 128, so the sweeper must see every swarm once in 64 ticks.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from axon.bt.announce import Event, SwarmCounts

__all__ = [
    "FULL",
    "PEER_COST",
    "PEER_SIZE",
    "TORRENT_COST",
    "TTL_TICKS",
    "Answer",
    "Store",
    "Swarms",
    "Totals",
]

PEER_SIZE: Final = (6, 18)  # bytes, by family: address and port
TTL_TICKS: Final = 60  # a peer that was silent for longer is gone
PARTIAL: Final = 0x80  # in a stamp: a partial seed (BEP 21)
# Bytes, bounds on what the compiled store takes: the memory budget is counted in these.
TORRENT_COST: Final = 176
PEER_COST: Final = (24, 48)
_MASK: Final = (1 << 64) - 1


class Answer(NamedTuple):
    """What an announce is told; peers of the family it came from."""

    seeders: int
    leechers: int
    peers: bytes


FULL: Final = Answer(-1, -1, b"")  # a new torrent that the memory budget has no room for


class Totals(NamedTuple):
    """How much is stored."""

    torrents: int
    peers4: int
    peers6: int
    seeds: int
    cost: int  # bytes, by the constants above


class Store(Protocol):
    """What the tracker needs of a store; `Swarms` and `FastSwarms` are two."""

    def announce(
        self, info_hash: bytes, family: int, key: bytes, *, left: int, event: int, want: int, tick: int
    ) -> Answer: ...
    def sample(self, info_hash: bytes, family: int, *, leechers_only: bool, want: int) -> bytes: ...
    def scrape(self, info_hash: bytes) -> SwarmCounts | None: ...
    def sweep(self, tick: int, budget: int) -> int: ...
    def remove(self, info_hash: bytes) -> None: ...
    def totals(self) -> Totals: ...
    def dump(self) -> Iterator[tuple[bytes, int, int, bytes, bytes, int]]: ...
    def load(
        self, info_hash: bytes, completed: int, family: int, keys: bytes, stamps: bytes, seeds: int
    ) -> None: ...


@dataclass(slots=True)
class _Slice:
    """One family's peers of one swarm: `seeds` seeds, then leechers."""

    size: int  # bytes a peer
    keys: bytearray = field(default_factory=bytearray)
    stamps: bytearray = field(default_factory=bytearray)
    index: dict[bytes, int] = field(default_factory=dict)
    seeds: int = 0
    partial: int = 0

    def key(self, at: int) -> bytes:
        return bytes(self.keys[self.size * at : self.size * (at + 1)])

    def add(self, key: bytes) -> int:
        self.index[key] = len(self.stamps)
        self.keys += key
        self.stamps.append(0)
        return len(self.stamps) - 1

    def stamp(self, at: int, stamp: int) -> None:
        self.partial += (stamp >> 7) - (self.stamps[at] >> 7)
        self.stamps[at] = stamp

    def promote(self, at: int) -> None:
        self._swap(at, self.seeds)
        self.seeds += 1

    def demote(self, at: int) -> int:
        self.seeds -= 1
        self._swap(at, self.seeds)
        return self.seeds

    def remove(self, at: int) -> None:
        if at < self.seeds:
            at = self.demote(at)
        self._swap(at, len(self.stamps) - 1)
        self.partial -= self.stamps.pop() >> 7
        del self.index[bytes(self.keys[-self.size :])]
        del self.keys[-self.size :]

    def _swap(self, a: int, b: int) -> None:
        if a == b:
            return
        one, two = self.key(a), self.key(b)
        self.keys[self.size * a : self.size * (a + 1)] = two
        self.keys[self.size * b : self.size * (b + 1)] = one
        self.stamps[a], self.stamps[b] = self.stamps[b], self.stamps[a]
        self.index[one], self.index[two] = b, a


class _Swarm:
    __slots__ = ("completed", "slices")

    def __init__(self) -> None:
        self.completed = 0
        self.slices = tuple(_Slice(size) for size in PEER_SIZE)

    def counts(self) -> tuple[int, int]:
        seeds = sum(part.seeds for part in self.slices)
        return seeds, sum(len(part.stamps) for part in self.slices) - seeds


class Swarms:
    """The reference store, in plain Python.

    Parameters
    ----------
    seed : int
        Of the generator that draws samples; non-zero, 64 bits.
    budget : int
        Bytes, counted by `TORRENT_COST` and `PEER_COST`. Beyond it new torrents are
        refused, and new peers are answered but not remembered; nobody who is in is thrown out.
    """

    def __init__(self, seed: int, budget: int = 1 << 40) -> None:
        self._random = seed
        self._budget = budget
        self._cost = 0
        self._swarms: dict[bytes, _Swarm] = {}
        self._cursor: list[bytes] = []  # swarms that the sweeper has not seen in this round

    def announce(
        self, info_hash: bytes, family: int, key: bytes, *, left: int, event: int, want: int, tick: int
    ) -> Answer:
        """Note one announce and draw up to `want` other peers; seeds are given leechers only.

        Parameters
        ----------
        family : int
            0 for IPv4, 1 for IPv6; `key` is the address and port, 6 or 18 bytes.
        left : int
            Bytes missing; none makes a seed.
        """
        swarm = self._swarms.get(info_hash)
        if swarm is None:
            if event == Event.STOPPED:
                return Answer(0, 0, b"")
            if self._cost + TORRENT_COST + PEER_COST[family] > self._budget:
                return FULL
            swarm = self._swarms[info_hash] = _Swarm()
            self._cost += TORRENT_COST
        part = swarm.slices[family]
        at = part.index.get(key)
        if event == Event.STOPPED:
            if at is not None:
                part.remove(at)
                self._cost -= PEER_COST[family]
            return Answer(*swarm.counts(), b"")
        if at is None and self._cost + PEER_COST[family] <= self._budget:
            at = part.add(key)
            self._cost += PEER_COST[family]
        was_seed = at is not None and at < part.seeds
        if event == Event.COMPLETED and not was_seed:
            swarm.completed += 1
        if at is not None:
            part.stamp(at, tick & 0x7F | (PARTIAL if event == Event.PAUSED and left else 0))
            if not left and not was_seed:
                part.promote(at)
            elif left and was_seed:
                part.demote(at)
        leechers_only = not left or event == Event.PAUSED
        return Answer(*swarm.counts(), self._draw(part, part.index.get(key, -1), leechers_only, want))

    def sample(self, info_hash: bytes, family: int, *, leechers_only: bool, want: int) -> bytes:
        """Draw peers of another family than the announce came from (BEP 7)."""
        swarm = self._swarms.get(info_hash)
        return b"" if swarm is None else self._draw(swarm.slices[family], -1, leechers_only, want)

    def scrape(self, info_hash: bytes) -> SwarmCounts | None:
        """Return the counts of one torrent, or None if nobody announced it."""
        swarm = self._swarms.get(info_hash)
        if swarm is None:
            return None
        seeds, leechers = swarm.counts()
        partial = sum(part.partial for part in swarm.slices)
        return SwarmCounts(seeds, swarm.completed, leechers, leechers - partial)

    def sweep(self, tick: int, budget: int) -> int:
        """Look at about `budget` peers, drop the silent ones and empty swarms; return how many peers went."""
        gone = 0
        while budget > 0:
            if not self._cursor:
                self._cursor = list(self._swarms)
                if not self._cursor:
                    break
            info_hash = self._cursor.pop()
            swarm = self._swarms.get(info_hash)
            budget -= 1
            if swarm is None:
                continue
            for family, part in enumerate(swarm.slices):
                for at in range(len(part.stamps) - 1, -1, -1):
                    if (tick - part.stamps[at]) & 0x7F > TTL_TICKS:
                        part.remove(at)
                        gone += 1
                        self._cost -= PEER_COST[family]
                budget -= len(part.stamps)
            if not any(part.stamps for part in swarm.slices):
                self.remove(info_hash)
            if not self._cursor:
                break
        return gone

    def remove(self, info_hash: bytes) -> None:
        """Forget one torrent."""
        swarm = self._swarms.pop(info_hash, None)
        if swarm is not None:
            self._cost -= TORRENT_COST
            self._cost -= sum(PEER_COST[f] * len(part.stamps) for f, part in enumerate(swarm.slices))

    def totals(self) -> Totals:
        """Count everything."""
        peers = [sum(len(s.slices[f].stamps) for s in self._swarms.values()) for f in (0, 1)]
        seeds = sum(s.counts()[0] for s in self._swarms.values())
        return Totals(len(self._swarms), peers[0], peers[1], seeds, self._cost)

    def dump(self) -> Iterator[tuple[bytes, int, int, bytes, bytes, int]]:
        """Yield `(info_hash, completed, family, keys, stamps, seeds)` of each slice that has peers."""
        for info_hash, swarm in self._swarms.items():
            for family, part in enumerate(swarm.slices):
                if part.stamps:
                    yield info_hash, swarm.completed, family, bytes(part.keys), bytes(part.stamps), part.seeds

    def load(
        self, info_hash: bytes, completed: int, family: int, keys: bytes, stamps: bytes, seeds: int
    ) -> None:
        """Take in what `dump` gave; peers that the budget has no room for are left out."""
        size = PEER_SIZE[family]
        for at, stamp in enumerate(stamps):
            event = Event.PAUSED if stamp & PARTIAL else Event.NONE
            key = keys[size * at : size * (at + 1)]
            self.announce(
                info_hash, family, key, left=int(at >= seeds), event=event, want=0, tick=stamp & 0x7F
            )
        if info_hash in self._swarms:
            self._swarms[info_hash].completed = completed

    def _draw(self, part: _Slice, own: int, leechers_only: bool, want: int) -> bytes:
        """Draw `want` peers but not the one at `own` (-1: it is not there); each is as likely as another."""
        total, seeds = len(part.stamps), part.seeds
        others_s = 0 if leechers_only else seeds - (0 <= own < seeds)
        others_l = total - seeds - (own >= seeds)
        if others_s + others_l <= want:
            take_s, take_l = others_s, others_l
        elif not others_s:
            take_s, take_l = 0, want
        else:
            # Split in proportion; rounding at random keeps every peer's chance the same.
            take_s, rest = divmod(want * others_s, others_s + others_l)
            take_s += self._below(others_s + others_l) < rest
            take_l = want - take_s
        out = self._window(part, 0, others_s, own, take_s)
        return out + self._window(part, seeds, others_l, own - seeds, take_l)

    def _window(self, part: _Slice, base: int, others: int, own: int, take: int) -> bytes:
        """Copy `take` of `others` peers after `base`, around the circle, jumping over `own`."""
        start = self._below(others) if take < others else 0
        out = bytearray()
        for k in range(take):
            at = start + k
            if at >= others:
                at -= others
            if 0 <= own <= at:
                at += 1
            out += part.key(base + at)
        return bytes(out)

    def _below(self, bound: int) -> int:
        """Draw from 0..bound-1 (xorshift64, top half scaled)."""
        x = self._random
        x ^= x << 13 & _MASK
        x ^= x >> 7
        x ^= x << 17 & _MASK
        self._random = x
        return (x >> 32) * bound >> 32
