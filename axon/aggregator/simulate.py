"""Attackers against reward functions: what part of the reward a ring takes, and what honesty still earns.

`python -m axon.aggregator simulate` prints the table and draws it. Rows are
scenarios (`swarms.py`), columns are reward functions (`axon.rewards`, `baselines.py`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from axon.aggregator.baselines import capped_proportional, ebsl, eigentrust, merit_rank, proportional
from axon.aggregator.swarms import TORRENT_BLOCKS, Attack, Scenario, honest_swarm, under_attack
from axon.rewards.edges import Edges
from axon.rewards.function import DEFAULT_C_E, PRETRUST_TOTAL, SHARE_TOTAL, rewards

__all__ = ["FUNCTIONS", "Row", "kendall_tau", "simulate"]

_OBSERVER_EVIDENCE = 20 * TORRENT_BLOCKS  # what EBSL's observer is taken to hold itself

Function = Callable[[Scenario], NDArray[np.float64]]


def _axr1(scenario: Scenario) -> NDArray[np.float64]:
    got = rewards(scenario.edges, scenario.pretrust, TORRENT_BLOCKS, DEFAULT_C_E)
    return got.shares.astype(np.float64) / SHARE_TOTAL


def _eigentrust_earned(scenario: Scenario, pretrust: NDArray[np.float64]) -> NDArray[np.float64]:
    """EigenTrust less what the pre-trust alone gives, so that only serving pays."""
    trust = eigentrust(scenario.edges, pretrust)
    silent = scenario.edges.row_sums() == 0
    free = 0.15 + 0.85 * trust[silent].sum()
    return np.asarray(np.maximum(trust - free * pretrust / pretrust.sum(), 0))


def _ebsl(scenario: Scenario) -> NDArray[np.float64]:
    evidence = scenario.pretrust / PRETRUST_TOTAL * _OBSERVER_EVIDENCE
    return ebsl(scenario.edges, evidence, TORRENT_BLOCKS)


FUNCTIONS: Mapping[str, Function] = {
    "bytes": lambda s: proportional(s.edges),
    "bytes, capped": lambda s: capped_proportional(s.edges, TORRENT_BLOCKS),
    "EigenTrust, uniform": lambda s: _eigentrust_earned(s, np.ones(s.edges.n)),
    "EigenTrust, publisher": lambda s: _eigentrust_earned(s, s.pretrust.astype(np.float64)),
    "MeritRank": lambda s: merit_rank(s.edges, s.pretrust),
    "EBSL": _ebsl,
    "AXR-1": _axr1,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One scenario's outcome for each function, a mean over seeds."""

    scenario: str
    measure: (
        str  # "share": of the reward, by those watched; "tau": Kendall's, of reward against blocks served
    )
    values: Mapping[str, float]


def simulate(seeds: int = 3, *, quick: bool = False) -> list[Row]:
    """Run every scenario.

    Parameters
    ----------
    seeds : int
        Swarms drawn for each row; the same ones for every function.
    quick : bool
        Leave out the thousand Sybils, whose MeritRank takes seconds.
    """
    rows = [
        _row("honest swarm: reward follows service", "tau", honest_swarm, seeds),
        _row("30 % free riders take", "share", partial(honest_swarm, free_riders=0.3), seeds),
    ]
    for identities in (1, 10, 100) if quick else (1, 10, 100, 1000):
        attack = Attack(identities)
        name = f"{identities} fresh Sybil{'s' * (identities > 1)} take"
        rows.append(_row(name, "share", partial(under_attack, attack=attack), seeds))
    ring = partial(under_attack, attack=Attack(9, members=1))
    rows.append(_row("ring of 10 with one member takes", "share", ring, seeds))
    rows.append(_self_dealing(seeds))
    return rows


def kendall_tau(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Return Kendall's tau-b of two samples: 1 same order, 0 unrelated, -1 reversed."""
    dx, dy = np.sign(x[:, None] - x[None, :]), np.sign(y[:, None] - y[None, :])
    norm = np.sqrt((dx * dx).sum() * (dy * dy).sum())
    return float((dx * dy).sum() / norm) if norm else 0.0


def _row(name: str, measure: str, draw: Callable[[np.random.Generator], Scenario], seeds: int) -> Row:
    found: dict[str, list[float]] = {function: [] for function in FUNCTIONS}
    for seed in range(seeds):
        scenario = draw(np.random.default_rng(100 + seed))
        for function, reward in FUNCTIONS.items():
            weight = reward(scenario)
            if measure == "tau":
                able = scenario.served > 0
                found[function].append(kendall_tau(weight[able], scenario.served[able]))
            else:
                found[function].append(_taken(function, weight, scenario))
    return Row(name, measure, {function: float(np.mean(values)) for function, values in found.items()})


def _self_dealing(seeds: int) -> Row:
    """By how much an honest server multiplies its income by adding 50 Sybils that attest to it (no λ)."""
    gains = dict.fromkeys(FUNCTIONS, 0.0)
    for seed in range(seeds):
        alone, dealing = (
            under_attack(np.random.default_rng(100 + seed), Attack(k, honest_customers=40), fresh_trust=0.0)
            for k in (1, 50)
        )
        for function, reward in FUNCTIONS.items():
            honest = _taken(function, reward(_without_fakes(alone)), alone)
            gains[function] += _taken(function, reward(dealing), dealing) / honest / seeds
    return Row("honest server plus 50 self-dealing Sybils gains ×", "ratio", gains)


def _without_fakes(scenario: Scenario) -> Scenario:
    ring = np.isin(scenario.edges.src, scenario.watched)
    kept = ~ring
    edges = Edges(
        scenario.edges.n, scenario.edges.src[kept], scenario.edges.dst[kept], scenario.edges.blocks[kept]
    )
    return Scenario(edges, scenario.pretrust, scenario.served, scenario.watched)


def _taken(function: str, weight: NDArray[np.float64], scenario: Scenario) -> float:
    whole = 1.0 if function == "AXR-1" else float(weight.sum())  # AXR-1 keeps back what is uncertain
    return float(weight[scenario.watched].sum()) / whole if whole else 0.0
