"""FRI folding: codewords fold as their polynomials do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.stark import ntt
from axon.stark.field import P
from axon.stark.fold import FOLDS, fold, fold_group
from tests.stark import reference
from tests.stark.kernel_cases import columns_as_ext, ext_elements, random_matrix, seeds


@given(st.sampled_from(FOLDS), st.integers(0, 5), st.integers(0, 3), ext_elements, seeds)
def test_folding_values_folds_the_polynomial(
    k: int, log_groups: int, log_blowup: int, alpha: tuple[int, int, int], seed: int
) -> None:
    n = k << log_groups
    coefficients = random_matrix(3, n, seed)
    codeword = ntt.low_degree_extend(coefficients, 1 << log_blowup)
    folded = reference.fold_coefficients(columns_as_ext(coefficients), alpha, k)
    want = ntt.low_degree_extend(np.array(folded, np.uint64).T.copy(), 1 << log_blowup, shift=pow(7, k, P))
    got = fold(codeword, alpha, k, 7)
    assert (got == want).all()
    for g in {0, got.shape[1] // 3, got.shape[1] - 1}:  # the verifier's twin, one query at a time
        x = int(ntt.domain_points(codeword.shape[1].bit_length() - 1)[g * k])
        group = columns_as_ext(codeword[:, g * k : (g + 1) * k])
        assert fold_group(group, alpha, x) == columns_as_ext(got)[g]


def test_layers_fold_one_after_the_other() -> None:
    coefficients, alphas = random_matrix(3, 1 << 10, 1), [(1, 2, 3), (P - 1, 0, 5), (7, 7, 7)]
    word, shift = ntt.low_degree_extend(coefficients, 4), 7
    want = columns_as_ext(coefficients)
    for k, alpha in zip((8, 4, 16), alphas):
        word, shift = fold(word, alpha, k, shift), pow(shift, k, P)
        want = reference.fold_coefficients(want, alpha, k)
    back = ntt.interpolate_blocks(word, shift=shift)
    assert columns_as_ext(back[:, : len(want)]) == want
    assert not back[:, len(want) :].any()


@pytest.mark.parametrize("k", FOLDS)
def test_folding_by_k_is_folding_by_two_repeatedly(k: int) -> None:
    word, alpha = random_matrix(3, 1 << 9, k), (3, 1, 4)
    once = fold(word, alpha, k, 7)
    shift, step = 7, alpha
    while k > 1:
        word, k = fold(word, step, 2, shift), k // 2
        shift, step = shift * shift % P, reference.ext_mul(step, step)
    assert (once == word).all()


def test_wrong_sizes_are_refused() -> None:
    for shape, k in (((3, 16), 3), ((2, 16), 2), ((3, 24), 8), ((3, 8), 16)):
        with pytest.raises(ValueError):
            fold(np.zeros(shape, np.uint64), (1, 0, 0), k, 7)
    with pytest.raises(ValueError):
        fold(np.zeros((3, 64), np.uint64), (1, 0, 0), 8, 7, np.zeros((3, 9), np.uint64))
