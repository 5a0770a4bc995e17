"""A segment committed in parts is the segment committed whole, byte for byte."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.stark import committed
from axon.stark.committed import Committed
from axon.stark.field import P, Vector
from axon.stark.trace import Random
from tests.stark import cases, reference
from tests.stark.cases import OPEN, TINY

SEED = b"sixteen bytes or"


def _coefficients(columns: int, log_rows: int) -> Vector:
    return np.random.default_rng(columns).integers(0, P, (columns, 1 << log_rows), dtype=np.uint64)


def _forgetful(log_rows: int, log_blowup: int) -> int:
    return log_rows + min(1, log_blowup)


@st.composite
def openings(draw: st.DrawFn) -> tuple[int, int, list[int]]:
    log_rows, log_blowup = draw(st.integers(3, 8)), draw(st.integers(1, 5))
    positions = draw(st.sets(st.integers(0, (1 << log_rows + log_blowup) - 1), min_size=1, max_size=9))
    return log_rows, log_blowup, sorted(positions)


@given(openings(), st.booleans(), st.integers(1, 4))
def test_parts_give_the_same_root_rows_and_multi_proof(
    case: tuple[int, int, list[int]], hiding: bool, columns: int
) -> None:
    log_rows, log_blowup, positions = case
    options = replace(TINY if hiding else OPEN, log_blowup=log_blowup)
    coefficients = _coefficients(columns, log_rows)
    whole = Committed(coefficients, options, SEED, b"salts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(committed, "log_part", _forgetful)
        parts = Committed(coefficients, options, SEED, b"salts")
    assert parts.root == whole.root
    assert parts.open(positions) == whole.open(positions)
    points = 2 << log_rows
    assert (parts.blocks(2)[:, :points] == whole.blocks(2)[:, :points]).all()


def test_a_whole_proof_in_parts_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    case = cases.everything()
    honest = cases.honest(case)
    monkeypatch.setattr(committed, "log_part", _forgetful)
    assert cases.honest(cases.everything()).data == honest.data


def test_rows_and_siblings_are_those_of_the_definition() -> None:
    coefficients = _coefficients(3, 4)
    options = replace(TINY, log_blowup=2)
    made = Committed(coefficients, options, SEED, b"salts")
    points = reference.domain(6)
    salt = Random(SEED, b"salts").words(options.salt_words, 64)
    leaves = [
        reference.words(
            [reference.evaluate(column.tolist(), x) for column in coefficients] + salt[:, q].tolist()
        )
        for q, x in enumerate(points)
    ]
    levels = reference.merkle_levels([reference.keccak256(leaf) for leaf in leaves], options.digest_bytes)
    assert made.root == levels[-1][0]
    positions = [0, 7, 40, 41]
    assert made.open(positions) == b"".join(
        [*(leaves[p] for p in positions), *reference.merkle_siblings(levels, positions)]
    )


def test_many_parts_only_for_a_large_blowup() -> None:
    assert committed.log_part(13, 6) == 19
    assert committed.log_part(13, 10) == committed.LOG_PART
    assert committed.log_part(20, 7) == 20
    assert committed.log_part(3, 8) == 11
