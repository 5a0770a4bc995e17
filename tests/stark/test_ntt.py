"""Transforms against Horner's rule at every point (or a sample of large domains)."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.stark import cpu, ntt, reorder
from axon.stark.field import P
from tests.stark import reference
from tests.stark.kernel_cases import columns_as_ext, ext_elements, ints, random_matrix, seeds


def _sample(n: int) -> list[int]:
    return sorted(
        {0, 1 % n, n // 5, n // 3, n // 2, n - 1, *np.random.default_rng(n).integers(0, n, 6).tolist()}
    )


@pytest.mark.parametrize("log_n", range(15))
def test_interpolation_gives_the_polynomial_through_the_values(log_n: int) -> None:
    n = 1 << log_n
    values = random_matrix(2, n, log_n)
    coefficients = ntt.interpolate(values)
    w = reference.root_of_unity(log_n)
    for k in range(n) if n <= 64 else _sample(n):
        assert reference.evaluate(ints(coefficients[1]), pow(w, k, P)) == values[1, k]


@given(st.integers(0, 9), st.integers(0, 4), seeds)
def test_extension_evaluates_on_the_bit_reversed_coset(log_n: int, log_blowup: int, seed: int) -> None:
    coefficients = random_matrix(2, 1 << log_n, seed)
    extended = ntt.low_degree_extend(coefficients, 1 << log_blowup)
    points = reference.domain(log_n + log_blowup)
    assert ints(ntt.domain_points(log_n + log_blowup)) == points
    for q in _sample(len(points)):
        assert extended[0, q] == reference.evaluate(ints(coefficients[0]), points[q])


@pytest.mark.parametrize("log_n", [12, 13, 16, 17])
def test_large_extensions_pass_through_every_depth_of_the_transform(log_n: int) -> None:
    coefficients = random_matrix(1, 1 << log_n, log_n)
    extended = ntt.low_degree_extend(coefficients, 2)
    w = reference.root_of_unity(log_n + 1)
    for q in _sample(2 << log_n)[::3]:
        x = 7 * pow(w, reference.reverse_bits(q, log_n + 1), P) % P
        assert extended[0, q] == reference.evaluate(ints(coefficients[0]), x)


@given(st.integers(0, 8), seeds)
def test_blocks_are_the_extension_in_pieces(log_n: int, seed: int) -> None:
    n, blowup = 1 << log_n, 8
    coefficients = random_matrix(3, n, seed)
    whole = ntt.low_degree_extend(coefficients, blowup)
    for block in range(blowup):
        assert (
            ntt.evaluate_block(coefficients, blowup, block) == whole[:, block * n : (block + 1) * n]
        ).all()
    middle = ntt.low_degree_extend(coefficients, blowup, blocks=range(2, 5))
    assert (middle == whole[:, 2 * n : 5 * n]).all()


@given(st.integers(0, 8), st.integers(0, 3), seeds)
def test_the_first_blocks_interpolate_back(log_n: int, log_blocks: int, seed: int) -> None:
    n = 1 << log_n
    coefficients = random_matrix(2, n << log_blocks, seed)
    values = ntt.low_degree_extend(coefficients, 8 >> log_blocks)[:, : n << log_blocks]
    assert (ntt.interpolate_blocks(np.ascontiguousarray(values)) == coefficients).all()


def test_another_shift() -> None:
    coefficients = random_matrix(1, 32, 4)
    points = reference.domain(6, 49)
    extended = ntt.low_degree_extend(coefficients, 2, shift=49)
    assert ints(extended[0]) == [reference.evaluate(ints(coefficients[0]), x) for x in points]
    assert ints(ntt.domain_points(6, 49)) == points
    back = ntt.interpolate_blocks(extended, shift=49)
    assert (back[:, :32] == coefficients).all() and not back[:, 32:].any()


@given(st.integers(1, 70), ext_elements, seeds)
def test_evaluation_at_an_extension_point(n: int, z: tuple[int, int, int], seed: int) -> None:
    coefficients = random_matrix(3, n, seed)
    got = ntt.eval_at(coefficients, z)
    for c in range(3):
        assert tuple(ints(got[c])) == reference.ext_evaluate([(int(x), 0, 0) for x in coefficients[c]], z)


@pytest.mark.parametrize("n", [256, 257, 8192, 8193, 20_000])
def test_long_evaluations_join_their_segments(n: int) -> None:
    coefficients, z = random_matrix(2, n, n), (P - 2, 3, 2**40)
    want = reference.ext_evaluate([(int(x), 0, 0) for x in coefficients[1]], z)
    assert tuple(ints(ntt.eval_at(coefficients, z)[1])) == want


@pytest.mark.parametrize("log_n", range(13))
def test_reordering(log_n: int) -> None:
    n = 1 << log_n
    source, target = random_matrix(1, n, log_n)[0], np.empty(n, np.uint64)
    order = [reference.reverse_bits(k, log_n) for k in range(n)]
    reorder.reverse_order(source, target)
    assert (target == source[order]).all()
    reorder.reverse_negate_scale(source, target, np.uint64(3))
    want = [3 * int(source[order[-k % n]]) % P for k in range(n)]
    assert ints(target) == want


def test_results_do_not_depend_on_threads_nor_on_cached_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    values, before = random_matrix(5, 1 << 12, 9), cpu.threads()
    try:
        results = []
        for count in (1, 2):
            cpu.set_threads(count)
            results.append(ntt.low_degree_extend(ntt.interpolate(values), 4))
        monkeypatch.setattr(ntt, "TABLE_BYTES", 1)  # every table is made anew
        results.append(ntt.low_degree_extend(ntt.interpolate(values), 4))
        assert len(ntt._tables) == 1
        assert (results[0] == results[1]).all() and (results[0] == results[2]).all()
    finally:
        cpu.set_threads(before)


def test_output_buffers_are_used_and_checked() -> None:
    coefficients = random_matrix(2, 64, 1)
    out = np.empty((2, 256), np.uint64)
    assert ntt.low_degree_extend(coefficients, 4, out) is out
    wrong_ones: list[Any] = [
        np.empty((2, 255), np.uint64),
        np.empty((2, 256), np.int64),
        np.empty((256, 2), np.uint64).T,
    ]
    for wrong in wrong_ones:
        with pytest.raises(ValueError):
            ntt.low_degree_extend(coefficients, 4, wrong)


def test_sizes_that_are_no_power_of_two_are_refused() -> None:
    floats: Any = np.zeros((1, 8))
    with pytest.raises(ValueError):
        ntt.interpolate(random_matrix(1, 12, 0))
    with pytest.raises(ValueError):
        ntt.low_degree_extend(random_matrix(1, 16, 0), 3)
    with pytest.raises(ValueError):
        ntt.low_degree_extend(random_matrix(1, 16, 0), 4, blocks=range(3, 5))
    with pytest.raises(ValueError):
        ntt.block_shift(4, 2, 4)
    with pytest.raises(ValueError):
        ntt.interpolate(floats)


def test_extension_columns_evaluate_as_one_polynomial() -> None:
    coefficients = random_matrix(3, 16, 6)
    points = reference.domain(5)
    extended = columns_as_ext(ntt.low_degree_extend(coefficients, 2))
    for q in (0, 7, 31):
        assert extended[q] == reference.ext_evaluate(columns_as_ext(coefficients), (points[q], 0, 0))
