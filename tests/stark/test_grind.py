"""Grinding finds the least good nonce."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.stark import cpu
from axon.stark.grind import grind, hash_nonce, leading_zero_bits
from tests.stark import reference


def test_the_hash_is_of_seed_and_big_endian_nonce() -> None:
    seed = bytes(range(32))
    assert hash_nonce(seed, 258) == reference.keccak256(seed + b"\0\0\0\0\0\0\1\2")


@pytest.mark.parametrize(("digest", "bits"), [(b"\xff", 0), (b"\x01", 7), (b"\0\x80", 8), (b"\0\0", 16)])
def test_leading_zero_bits(digest: bytes, bits: int) -> None:
    assert leading_zero_bits(digest) == bits


@given(st.binary(min_size=32, max_size=32), st.integers(0, 8))
def test_no_smaller_nonce_is_good(seed: bytes, bits: int) -> None:
    nonce = grind(seed, bits)
    assert leading_zero_bits(hash_nonce(seed, nonce)) >= bits
    assert all(leading_zero_bits(hash_nonce(seed, n)) < bits for n in range(nonce))


def test_the_nonce_does_not_depend_on_the_threads() -> None:
    before, seed = cpu.threads(), b"\7" * 32
    try:
        nonces = []
        for count in (1, 2, 3):
            cpu.set_threads(count)
            nonces.append(grind(seed, 17))
        assert len(set(nonces)) == 1
        assert leading_zero_bits(hash_nonce(seed, nonces[0])) >= 17
    finally:
        cpu.set_threads(before)


def test_bad_parameters_are_refused() -> None:
    for seed, bits in ((b"short", 3), (bytes(32), -1), (bytes(32), 41)):
        with pytest.raises(ValueError):
            grind(seed, bits)
