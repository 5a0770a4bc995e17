"""Goldilocks vectors against Python ints."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.stark import cpu, field
from axon.stark.field import P
from tests.stark.kernel_cases import EDGES, elements, ints, random_matrix, seeds

vectors = st.lists(elements, min_size=1, max_size=40)


@given(vectors, seeds)
def test_vector_arithmetic_agrees_with_integers(a: list[int], seed: int) -> None:
    x = np.array(a, np.uint64)
    y = random_matrix(1, len(a), seed)[0]
    b = ints(y)
    assert ints(field.add(x, y)) == [(i + j) % P for i, j in zip(a, b)]
    assert ints(field.sub(x, y)) == [(i - j) % P for i, j in zip(a, b)]
    assert ints(field.mul(x, y)) == [i * j % P for i, j in zip(a, b)]
    assert ints(field.scale(x, b[0])) == [i * b[0] % P for i in a]


def test_every_pair_of_edge_cases() -> None:
    a, b = (np.ascontiguousarray(v.reshape(-1)) for v in np.meshgrid(*[np.array(EDGES, np.uint64)] * 2))
    assert ints(field.mul(a, b)) == [i * j % P for i, j in zip(ints(a), ints(b))]
    assert ints(field.add(a, b)) == [(i + j) % P for i, j in zip(ints(a), ints(b))]
    assert ints(field.sub(a, b)) == [(i - j) % P for i, j in zip(ints(a), ints(b))]


def test_output_may_be_an_input_and_matrices_keep_their_shape() -> None:
    a = random_matrix(3, 50, 1)
    want = field.mul(a, a)
    assert want.shape == (3, 50)
    assert field.mul(a, a, a) is a
    assert (a == want).all()


@pytest.mark.parametrize("n", [1, 63, 64, 100, 20_000])
def test_inverses_multiply_to_one(n: int) -> None:
    a = random_matrix(1, n, n)[0]
    a[a == 0] = 1
    assert (field.mul(field.batch_inverse(a), a) == 1).all()
    assert field.inverse(int(a[0])) * int(a[0]) % P == 1


def test_zero_has_no_inverse() -> None:
    with pytest.raises(ZeroDivisionError):
        field.inverse(P)
    with pytest.raises(ZeroDivisionError):
        field.batch_inverse(np.array([1, 0, 2], np.uint64))


@pytest.mark.parametrize("n", [0, 1, 7, 8, 100, 20_001])
def test_powers(n: int) -> None:
    assert ints(field.powers(P - 3, n, 5)) == [5 * pow(P - 3, k, P) % P for k in range(n)]


def test_roots_of_unity_square_to_each_other_and_are_primitive() -> None:
    assert field.root_of_unity(0) == 1
    assert field.root_of_unity(1) == P - 1
    for k in range(1, field.TWO_ADICITY + 1):
        assert pow(field.root_of_unity(k), 2, P) == field.root_of_unity(k - 1)
    with pytest.raises(ValueError):
        field.root_of_unity(33)


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError):
        field.add(np.zeros(3, np.uint64), np.zeros(4, np.uint64))
    with pytest.raises(ValueError):
        field.mul(np.zeros(4, np.uint64), np.zeros(4, np.uint64), np.zeros(5, np.uint64))


def test_the_result_does_not_depend_on_the_threads() -> None:
    a, before = random_matrix(1, 50_003, 2)[0], cpu.threads()
    try:
        results = []
        for count in (1, 2, 5):
            cpu.set_threads(count)
            results.append(field.batch_inverse(np.maximum(a, np.uint64(1))))
        assert all((r == results[0]).all() for r in results)
        with pytest.raises(ValueError):
            cpu.set_threads(0)
    finally:
        cpu.set_threads(before)


def test_an_error_in_one_range_is_raised() -> None:
    def kernel(start: int, stop: int) -> None:
        if start:
            raise RuntimeError("second range")

    before = cpu.threads()
    try:
        cpu.set_threads(2)
        with pytest.raises(RuntimeError, match="second range"):
            cpu.in_ranges(kernel, 100)
    finally:
        cpu.set_threads(before)


def test_ranges_within_ranges_run_in_place() -> None:
    """Or a pool of two would wait for itself."""
    seen = np.zeros((16, 100), np.int64)

    def inner(start: int, stop: int, row: int) -> None:
        seen[row, start:stop] += 1

    def outer(start: int, stop: int) -> None:
        for row in range(start, stop):
            cpu.in_ranges(inner, 100, row)

    cpu.in_ranges(outer, 16, align=1)
    assert (seen == 1).all()
