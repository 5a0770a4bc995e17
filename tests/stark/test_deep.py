"""Combination and division of polynomials by their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.stark import deep
from axon.stark.field import P
from tests.stark import reference
from tests.stark.kernel_cases import columns_as_ext, ext_elements, random_matrix, seeds


@given(st.integers(1, 60), ext_elements, seeds)
def test_division_leaves_the_value_as_remainder(n: int, z: tuple[int, int, int], seed: int) -> None:
    f = random_matrix(3, n, seed)
    quotient, value = deep.divide(f, z)
    want, remainder = reference.divide(columns_as_ext(f), z)
    assert columns_as_ext(quotient) == want
    assert value == remainder == reference.ext_evaluate(columns_as_ext(f), z)


@pytest.mark.parametrize("n", [263, 264, 265, 2112, 2113, 12_290])
def test_long_divisions_join_their_segments(n: int) -> None:
    f, z = random_matrix(3, n, n), (5, P - 1, 2**33)
    want, remainder = reference.divide(columns_as_ext(f), z)
    quotient, value = deep.divide(f, z, f)
    assert quotient is f
    assert columns_as_ext(quotient) == want and value == remainder


@given(st.integers(1, 8), st.integers(1, 40), seeds)
def test_combinations(columns: int, n: int, seed: int) -> None:
    f, weights = random_matrix(columns, n, seed), random_matrix(columns, 3, seed + 1)
    want = [
        [sum(int(f[c, i]) * int(weights[c, k]) for c in range(columns)) % P for i in range(n)]
        for k in range(3)
    ]
    out = deep.combine(f, weights)
    assert out.tolist() == want
    longer = np.zeros((3, n + 5), np.uint64)
    deep.combine(f, weights, longer)
    deep.combine(f, weights, longer, add=True)
    assert longer[:, :n].tolist() == [[2 * x % P for x in row] for row in want]
    assert not longer[:, n:].any()


@given(st.lists(ext_elements, min_size=1, max_size=4), seeds)
def test_extension_polynomials_take_three_weights_each(
    weights: list[tuple[int, int, int]], seed: int
) -> None:
    f = random_matrix(3 * len(weights), 9, seed)
    got = columns_as_ext(deep.combine(f, deep.extension_weights(weights)))
    for i in range(9):
        want = (0, 0, 0)
        for k, weight in enumerate(weights):
            want = reference.ext_add(want, reference.ext_mul(weight, columns_as_ext(f[3 * k : 3 * k + 3])[i]))
        assert got[i] == want


def test_wrong_shapes_are_refused() -> None:
    f, weights = random_matrix(2, 8, 0), random_matrix(2, 3, 0)
    with pytest.raises(ValueError):
        deep.combine(f, weights[:1])
    with pytest.raises(ValueError):
        deep.combine(f, weights, add=True)
    with pytest.raises(ValueError):
        deep.combine(f, weights, np.zeros((3, 7), np.uint64))
    with pytest.raises(ValueError):
        deep.divide(f, (1, 2, 3))
