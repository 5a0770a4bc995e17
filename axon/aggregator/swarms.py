"""Made-up epochs to try reward functions on: honest swarms, free riders, Sybils, rings of members.

Upload capacities are Pareto-distributed (few serve much, most little); three of the
publisher's canaries download everything. All randomness comes from the generator given.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from axon.rewards.edges import Edges
from axon.rewards.function import publisher_pretrust

__all__ = ["TORRENT_BLOCKS", "Attack", "Scenario", "honest_swarm", "under_attack"]

TORRENT_BLOCKS: Final = 1 << 16  # 1 GiB
_CANARIES: Final = 3
_LEECHERS: Final = 200
_SEEDS: Final = 8
_CANARY_TRUST: Final = 0.3  # of the publisher's weight
_REGISTERED: Final = 0.4  # of the leechers
_PEERS_ASKED: Final = 25


@dataclass(frozen=True, slots=True)
class Scenario:
    """One epoch, and who in it is to be watched."""

    edges: Edges
    pretrust: NDArray[np.uint64]  # (n,)
    served: NDArray[np.float64]  # (n,) blocks that really moved
    watched: NDArray[np.int64]  # indices: the attackers, or the free riders


@dataclass(frozen=True, slots=True)
class Attack:
    """What a ring adds to an honest swarm."""

    identities: int = 10  # beside the one that collects
    fake_torrents: int = 100  # volume that each identity attests to the collector, in torrents
    members: int = 0  # of the ring, how many are registered with the publisher
    honest_customers: int = 0  # leechers that the collector really serves a twentieth of the torrent


def honest_swarm(rng: Generator, *, free_riders: float = 0.0, fresh_trust: float = 1 / 16) -> Scenario:
    """Draw a swarm of 3 canaries, 200 leechers and 8 seeds; some leechers serve nothing."""
    swarm = _Swarm(rng, free_riders)
    return swarm.scenario([], 0, (), fresh_trust, np.array(sorted(swarm.free), np.int64))


def under_attack(rng: Generator, attack: Attack, *, fresh_trust: float = 1 / 16) -> Scenario:
    """Draw a swarm and let a ring attest to itself what never moved."""
    swarm = _Swarm(rng, 0.0)
    collector, volume = swarm.n, attack.fake_torrents * TORRENT_BLOCKS
    extra = []
    for identity in range(collector + 1, collector + 1 + attack.identities):
        extra += [(identity, collector, volume), (collector, identity, volume // attack.identities)]
    customers = rng.choice(swarm.leechers, attack.honest_customers, replace=False)
    real = [(int(leecher), collector, TORRENT_BLOCKS // 20) for leecher in customers]
    ring = np.arange(collector, collector + 1 + attack.identities)
    members = tuple(int(i) for i in ring[: attack.members])
    return swarm.scenario(extra + real, len(ring), members, fresh_trust, ring, real)


class _Swarm:
    def __init__(self, rng: Generator, free_riders: float) -> None:
        self.n = _CANARIES + _LEECHERS + _SEEDS
        self.leechers = np.arange(_CANARIES, _CANARIES + _LEECHERS)
        self.seeds = np.arange(_CANARIES + _LEECHERS, self.n)
        capacity = np.zeros(self.n)
        capacity[self.leechers] = rng.pareto(1.2, _LEECHERS) + 0.05
        capacity[self.seeds] = (rng.pareto(1.2, _SEEDS) + 1) * 3
        idle = rng.choice(self.leechers, int(free_riders * _LEECHERS), replace=False)
        capacity[idle] = 0
        self.free = {int(i) for i in idle}
        willing = [int(i) for i in self.leechers if int(i) not in self.free]
        registered = rng.choice(willing, int(_REGISTERED * _LEECHERS), replace=False)
        self.registered = [int(i) for i in registered]
        self.edges = [edge for i in range(self.seeds[0]) for edge in self._downloads(rng, i, capacity)]

    def _downloads(self, rng: Generator, i: int, capacity: NDArray[np.float64]) -> list[tuple[int, int, int]]:
        asked = np.r_[
            rng.choice(self.leechers, _PEERS_ASKED, replace=False), rng.choice(self.seeds, 4, replace=False)
        ]
        asked = asked[asked != i]
        weight = capacity[asked] * rng.uniform(0.5, 1.5, len(asked))
        wanted = TORRENT_BLOCKS if i < _CANARIES else int(TORRENT_BLOCKS * rng.uniform(0.2, 1))
        got = np.floor(wanted * weight / weight.sum()).astype(int)
        return [(i, int(j), int(b)) for j, b in zip(asked, got, strict=True) if b]

    def scenario(
        self,
        extra: list[tuple[int, int, int]],
        more_peers: int,
        members: tuple[int, ...],
        fresh_trust: float,
        watched: NDArray[np.int64],
        real: list[tuple[int, int, int]] | None = None,
    ) -> Scenario:
        n = self.n + more_peers
        trusted = dict.fromkeys(range(_CANARIES), int(1e6 * _CANARY_TRUST / _CANARIES))
        inner = [*self.registered, *members]
        trusted |= dict.fromkeys(inner, int(1e6 * (1 - _CANARY_TRUST) / len(inner)))
        downloaders = [i for i in range(n) if i not in self.seeds]
        pretrust = publisher_pretrust(n, trusted, downloaders, (round(fresh_trust * 256), 256))
        served = np.zeros(n)
        for _, j, b in [*self.edges, *(real or [])]:
            served[j] += b
        src, dst, blocks = zip(*(self.edges + extra), strict=True)
        return Scenario(Edges.canonical(n, src, dst, blocks), pretrust, served, watched)
