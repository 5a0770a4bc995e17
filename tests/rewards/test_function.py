"""AXR-1: equal to its slow twin, and keeping what DESIGN §4 promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.rewards.edges import EdgeError
from axon.rewards.function import PRETRUST_TOTAL, SHARE_TOTAL, axr1, publisher_pretrust
from tests.rewards import reference

Graph = tuple[int, list[tuple[int, int, int]], list[int], int, int]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    n = draw(st.integers(1, 12))
    peer = st.integers(0, n - 1)
    blocks = st.one_of(st.integers(0, 100), st.integers(0, 2**30), st.just(2**30 - 1))
    edges = draw(st.lists(st.tuples(peer, peer, blocks), max_size=40))
    raw = draw(st.lists(st.integers(0, 1000), min_size=n, max_size=n))
    p = [PRETRUST_TOTAL * a // max(1, sum(raw)) for a in raw]
    c = draw(st.one_of(st.integers(1, 1000), st.integers(1, 3 << 36), st.just(3 << 36)))
    c_e = draw(st.one_of(st.just(1), st.just(1 << 32), st.integers(1, 1 << 36)))
    return n, edges, p, c, c_e


def run(graph: Graph):  # type: ignore[no-untyped-def]
    n, edges, p, c, c_e = graph
    src, dst, blocks = ([edge[k] for edge in edges] for k in range(3))
    return axr1(n, src, dst, blocks, p, c, c_e)


@given(graphs())
def test_vectorised_function_equals_the_slow_twin(graph: Graph) -> None:
    n, edges, p, c, c_e = graph
    got = run(graph)
    assert (got.trust.tolist(), got.shares.tolist(), got.rollover) == reference.axr1(n, edges, p, c, c_e)
    assert got.trust.dtype == got.shares.dtype == np.uint64


@given(graphs())
def test_shares_and_rollover_are_the_whole_budget(graph: Graph) -> None:
    got = run(graph)
    assert got.rollover >= 0
    assert int(got.shares.sum()) + got.rollover == SHARE_TOTAL


@given(graphs(), st.randoms(use_true_random=False))
def test_order_and_splitting_of_edges_do_not_matter(graph: Graph, rng) -> None:  # type: ignore[no-untyped-def]
    n, edges, p, c, c_e = graph
    split = [part for i, j, b in edges for part in ((i, j, b // 3), (i, j, b - b // 3))]
    rng.shuffle(split)
    assert run((n, split, p, c, c_e)).shares.tolist() == run(graph).shares.tolist()


@given(graphs(), st.data())
def test_more_attested_blocks_never_lower_what_is_earned_beyond_rounding(
    graph: Graph, data: st.DataObject
) -> None:
    n, edges, p, c, c_e = graph
    live = [(i, j, b) for i, j, b in edges if i != j and b]
    if not live:
        return
    i, j, b = data.draw(st.sampled_from(live))
    before, after = run(graph), run((n, [*edges, (i, j, b)], p, c, c_e))
    assert int(after.earned[j]) >= int(before.earned[j]) - 2 * n


@given(graphs(), st.data())
def test_a_set_of_colluders_earns_at_most_a_third_of_its_pretrust_and_what_others_attest(
    graph: Graph, data: st.DataObject
) -> None:
    n, edges, p, c, _ = graph
    ring = data.draw(st.frozensets(st.integers(0, n - 1), min_size=1))
    got = run(graph)
    rows: dict[int, int] = {}
    pairs: dict[tuple[int, int], int] = {}
    for i, j, b in edges:
        if i != j:
            rows[i] = rows.get(i, 0) + b
            pairs[i, j] = pairs.get((i, j), 0) + b
    given_to_ring = sum(
        int(got.trust[i]) * b / (rows[i] + max(c, 3 * rows[i]))
        for (i, j), b in pairs.items()
        if b and i not in ring and j in ring
    )
    bound = sum(p[i] for i in ring) / 3 + 4 / 3 * given_to_ring
    assert sum(int(got.earned[i]) for i in ring) <= bound + 1


def test_hand_computed_pair() -> None:
    """One downloader with all the pre-trust acknowledges 100 blocks of one uploader; c = 1."""
    got = axr1(2, [0], [1], [100], [PRETRUST_TOTAL, 0], c=1, c_e=1 << 36)
    earned = (1 << 36) // 4  # d = 400, f = 2^24
    assert got.earned.tolist() == [0, earned]
    assert got.shares.tolist() == [0, SHARE_TOTAL // 5]  # w / (w + 2^36) = 1/5, floored
    assert got.trust.tolist() == [1 << 36, earned]


def test_largest_star_does_not_overflow() -> None:
    n = 1 << 16
    got = axr1(
        n, np.arange(1, n), np.zeros(n - 1, int), np.full(n - 1, (1 << 36) - 1), [1 << 20] * n, c=1, c_e=1
    )
    assert int(got.earned[0]) == (n - 1) << 18
    assert int(got.shares.sum()) + got.rollover == SHARE_TOTAL


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"n": 0}, "peers"),
        ({"n": (1 << 16) + 1}, "peers"),
        ({"src": [2]}, "src"),
        ({"dst": [-1]}, "dst"),
        ({"blocks": [1 << 36]}, "blocks"),
        ({"blocks": [1.5]}, "blocks"),
        ({"src": [0, 1]}, "entries"),
        ({"pretrust": [PRETRUST_TOTAL, 1]}, "pretrust"),
        ({"pretrust": [-1, 1]}, "pretrust"),
        ({"pretrust": [1]}, "pretrust"),
        ({"c": 0}, "c:"),
        ({"c": (3 << 36) + 1}, "c:"),
        ({"c_e": 0}, "c_e"),
        ({"c_e": (1 << 36) + 1}, "c_e"),
    ],
)
def test_input_out_of_range_is_refused(change: dict[str, object], complaint: str) -> None:
    good: dict[str, object] = {
        "n": 2, "src": [0], "dst": [1], "blocks": [5], "pretrust": [1, 1], "c": 1, "c_e": 1,
    }  # fmt: skip
    with pytest.raises(EdgeError, match=complaint):
        axr1(**(good | change))  # type: ignore[arg-type]


def test_a_row_that_sums_too_high_is_refused() -> None:
    with pytest.raises(EdgeError, match="acknowledged"):
        axr1(3, [0, 0], [1, 2], [(1 << 36) - 1, 1], [0, 0, 0], 1, 1)


def test_publisher_divides_pretrust_as_designed() -> None:
    p = publisher_pretrust(4, {0: 1, 1: 2}, [1, 2, 3])
    assert p.tolist() == [
        PRETRUST_TOTAL * 15 // 48,
        PRETRUST_TOTAL * 30 // 48,
        PRETRUST_TOTAL // 32,
        PRETRUST_TOTAL // 32,
    ]
    assert publisher_pretrust(2, {}, []).tolist() == [0, 0]
    with pytest.raises(EdgeError):
        publisher_pretrust(2, {2: 1}, [])
