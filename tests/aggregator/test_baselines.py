"""Baselines against published values and their own definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.aggregator.baselines import capped_proportional, ebsl, eigentrust, merit_rank, proportional
from axon.rewards.edges import Edges


def test_eigentrust_matches_a_published_example() -> None:
    """The example in go-eigentrust's README: ek, sd, vm; alpha one half."""
    edges = Edges.canonical(3, [0, 2, 0], [1, 1, 2], [100, 100, 75])
    trust = eigentrust(edges, [50, 0, 100], alpha=0.5)
    assert trust == pytest.approx([0.217054, 0.302326, 0.480620], abs=1e-6)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 99)), max_size=20))
def test_eigentrust_is_a_distribution_and_a_fixed_point(raw: list[tuple[int, int, int]]) -> None:
    edges = Edges.canonical(6, *([edge[k] for edge in raw] for k in range(3)))
    p = np.arange(1, 7) / 21
    trust = eigentrust(edges, p)
    assert trust.sum() == pytest.approx(1)
    rows = edges.row_sums().astype(float)
    flow = np.zeros(6)
    for i, j, b in zip(edges.src, edges.dst, edges.blocks):
        flow[j] += trust[i] * b / rows[i]
    flow += trust[rows == 0].sum() * p
    assert trust == pytest.approx(0.15 * p + 0.85 * flow, abs=1e-9)


def test_ebsl_solves_its_quadratic() -> None:
    """0 → 1 → 2: r_1 = g(a)·b, r_2 = g(r_1)·b', computed by hand."""
    edges = Edges.canonical(3, [0, 1], [1, 2], [10, 20])
    got = ebsl(edges, [30, 0, 0], c=10)
    assert got == pytest.approx([0, 7.5, 7.5 / 17.5 * 20])


def test_ebsl_slander_lowers_a_victim() -> None:
    edges = Edges.canonical(3, [0, 1], [1, 2], [10, 20])
    bad = Edges.canonical(3, [0], [2], [1000])
    assert ebsl(edges, [30, 0, 0], c=10, negative=bad)[2] < ebsl(edges, [30, 0, 0], c=10)[2] / 2


def test_merit_rank_matches_a_simulated_walk() -> None:
    edges = Edges.canonical(3, [0, 0, 1, 2], [1, 2, 2, 0], [3, 1, 1, 1])
    exact = merit_rank(edges, [1, 0, 0], alpha=0.3)
    rng, walks = np.random.default_rng(5), 40_000
    met = np.zeros(3)
    for _ in range(walks):
        at, seen = 0, {0}
        while rng.random() > 0.3:
            at = {0: 1 if rng.random() < 0.75 else 2, 1: 2, 2: 0}[at]
            seen.add(at)
        met[list(seen)] += 1
    assert exact[1:] == pytest.approx(met[1:] / walks, abs=0.01)


def test_proportional_pays_liars_and_the_cap_bounds_them() -> None:
    edges = Edges.canonical(3, [0, 2], [1, 1], [10, 1000])
    assert proportional(edges).tolist() == [0, 1010, 0]
    assert capped_proportional(edges, 100).tolist() == [0, 110, 0]


@pytest.mark.parametrize("alpha", [0, -1, 1.5])
def test_alpha_outside_its_range_is_refused(alpha: float) -> None:
    edges = Edges.canonical(2, [0], [1], [1])
    with pytest.raises(ValueError, match="alpha"):
        eigentrust(edges, [1, 0], alpha)
    with pytest.raises(ValueError, match="alpha"):
        merit_rank(edges, [1, 0], alpha)
