"""Expected lengths beside real ones."""

from dataclasses import replace

import pytest

from axon.stark.size import expected_bytes
from tests.stark.cases import CASES, OPEN, TINY, honest


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("options", [replace(TINY, queries=12), replace(OPEN, queries=20, log_fold=3)])
def test_expected_lengths_are_near_the_real_ones(name: str, options) -> None:  # type: ignore[no-untyped-def]
    case = CASES[name](options)
    real = len(honest(case, options))
    assert abs(expected_bytes(case[0], options) - real) < 0.08 * real
