"""Strategies and helpers that the kernel tests share."""

import numpy as np
from hypothesis import strategies as st

from axon.stark.field import P, Vector

EDGES = [0, 1, 2, 2**32 - 2, 2**32 - 1, 2**32, 2**32 + 1, 2**63, P - 2**32, P - 2, P - 1]

elements = st.one_of(st.sampled_from(EDGES), st.integers(0, P - 1))
ext_elements = st.tuples(elements, elements, elements)
seeds = st.integers(0, 2**32 - 1)


def random_matrix(columns: int, n: int, seed: int) -> Vector:
    """Canonical elements, every eighth an edge case: carries are where kernels go wrong."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, P, (columns, n), dtype=np.uint64)
    edges = rng.random((columns, n)) < 1 / 8
    values[edges] = rng.choice(np.array(EDGES, np.uint64), int(edges.sum()))
    return values


def ints(values: Vector) -> list[int]:
    return [int(v) for v in values]


def columns_as_ext(values: Vector) -> list[tuple[int, int, int]]:
    return [(int(a), int(b), int(c)) for a, b, c in values.T]
