"""Keccak-256: known answers, and pycryptodome's as the twin."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.stark import keccak
from tests.stark import reference
from tests.stark.kernel_cases import random_matrix, seeds


@pytest.mark.parametrize(
    ("message", "digest"),
    [  # Ethereum's empty hash, and the Keccak team's vectors
        (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
        (b"\xcc", "eead6dbfc7340a56caedc044696a168870549a6a7f6f56961e84a54bd9970b8a"),
    ],
)
def test_known_answers(message: bytes, digest: str) -> None:
    assert keccak.keccak256(message).hex() == digest


@given(st.binary(max_size=600))
def test_bytes(data: bytes) -> None:
    assert keccak.keccak256(data) == reference.keccak256(data)


@pytest.mark.parametrize("size", [134, 135, 136, 137, 271, 272, 273])
def test_lengths_round_the_rate(size: int) -> None:
    assert keccak.keccak256(bytes(size)) == reference.keccak256(bytes(size))


@given(
    st.sampled_from([1, 2, 3, 12, 16, 17, 18, 24, 34, 35]),
    st.sampled_from([1, 2, 4, 8, 16]),
    st.sampled_from([0, 4]),
    st.integers(1, 40),
    seeds,
)
def test_leaves_are_rows_then_salt(columns: int, group: int, salts: int, leaves: int, seed: int) -> None:
    matrix = random_matrix(columns, leaves * group, seed)
    salt = random_matrix(salts, leaves, seed + 1) if salts else None
    digests = keccak.hash_leaves(matrix, salt, group)
    rows = [
        [*matrix[:, g * group : (g + 1) * group].T.reshape(-1), *(salt[:, g] if salt is not None else ())]
        for g in range(leaves)
    ]
    want = [reference.keccak256(reference.words(row)) for row in rows]
    assert [d.tobytes() for d in digests] == want
    assert [d.tobytes() for d in keccak.hash_rows(np.array(rows, np.uint64))] == want


def test_large_batches_are_split_over_threads() -> None:
    matrix = random_matrix(3, 5000, 1)
    digests = keccak.hash_leaves(matrix)
    for g in (0, 7, 2499, 4993, 4999):
        assert digests[g].tobytes() == reference.keccak256(reference.words(matrix[:, g].tolist()))


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError):
        keccak.hash_leaves(random_matrix(2, 9, 0), group=2)
    with pytest.raises(ValueError):
        keccak.hash_leaves(random_matrix(2, 9, 0), group=3)
    with pytest.raises(ValueError):
        keccak.hash_leaves(random_matrix(2, 8, 0), random_matrix(4, 7, 0))
    with pytest.raises(ValueError):
        keccak.hash_leaves(random_matrix(8, 8, 0).T[:, ::2])
