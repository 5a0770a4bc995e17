"""Pieces from blocks, their senders, and who is to blame."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.assembly import Assembly, PieceBuffer
from axon.bt.messages import BLOCK_SIZE

SIZE = 3 * BLOCK_SIZE + 5  # four blocks


def assembly(budget: int = 64 << 20) -> Assembly[str]:
    return Assembly(lambda index: SIZE, SIZE, budget)


def fill(it: Assembly[str], data: bytes, senders: str, index: int = 0) -> PieceBuffer[str]:
    for block, sender in enumerate(senders):
        piece = it.add(sender, index, block * BLOCK_SIZE, [data[block * BLOCK_SIZE :][:BLOCK_SIZE]])
        assert (piece is not None) == (block == len(senders) - 1)
    assert piece is not None
    return piece


@given(st.permutations(range(4)), st.lists(st.sampled_from("abc"), min_size=4, max_size=4))
def test_blocks_in_any_order_make_the_piece(order: list[int], senders: list[str]) -> None:
    data = random.Random(1).randbytes(SIZE)
    it = assembly()
    for block in order:
        got = memoryview(bytearray(data[block * BLOCK_SIZE :][:BLOCK_SIZE]))
        piece = it.add(senders[block], 0, block * BLOCK_SIZE, [got])
        got[:] = bytes(len(got))  # the receive buffer is used again
    assert piece is not None
    assert bytes(piece.view) == data
    assert piece.contributors() == {
        sender: frozenset(block for block in range(4) if senders[block] == sender) for sender in set(senders)
    }


def test_a_row_of_blocks_is_taken_at_once_but_for_those_that_are_here() -> None:
    it = assembly()
    row = [bytes([k]) * BLOCK_SIZE for k in (1, 2, 3)]
    assert it.add("a", 0, BLOCK_SIZE, [b"a" * BLOCK_SIZE]) is None
    assert it.add("b", 0, 0, row) is None
    piece = it.add("b", 0, 3 * BLOCK_SIZE, [b"xxxxx"])
    assert piece is not None
    assert bytes(piece.view) == row[0] + b"a" * BLOCK_SIZE + row[2] + b"xxxxx"
    assert piece.contributors() == {"a": frozenset({1}), "b": frozenset({0, 2, 3})}


def test_second_copy_of_a_block_changes_nothing() -> None:
    it = assembly()
    assert it.add("a", 0, 0, [b"x" * BLOCK_SIZE]) is None
    assert it.add("b", 0, 0, [b"y" * BLOCK_SIZE]) is None
    for block in (1, 2):
        it.add("a", 0, block * BLOCK_SIZE, [b"x" * BLOCK_SIZE])
    piece = it.add("a", 0, 3 * BLOCK_SIZE, [b"xxxxx"])
    assert piece is not None
    assert bytes(piece.view) == b"x" * SIZE
    assert set(piece.contributors()) == {"a"}


@pytest.mark.parametrize(
    ("begin", "length"),
    [(1, BLOCK_SIZE), (0, 5), (0, BLOCK_SIZE + 1), (0, 0), (3 * BLOCK_SIZE, BLOCK_SIZE), (4 * BLOCK_SIZE, 5)],
)
def test_overlapping_and_short_blocks_are_refused(begin: int, length: int) -> None:
    """HOSTILE 15."""
    with pytest.raises(ValueError, match="block of"):
        assembly().add("a", 0, begin, [bytes(length)])


def test_single_sender_of_a_bad_piece_is_banned_at_once() -> None:
    it = assembly()
    assert it.failed(fill(it, bytes(SIZE), "aaaa")) == {"a"}


def test_only_the_sender_of_the_bad_block_is_banned() -> None:
    it = assembly()
    good = random.Random(2).randbytes(SIZE)
    bad = bytearray(good)
    bad[BLOCK_SIZE + 9] ^= 1
    piece = fill(it, bytes(bad), "abca")
    assert it.failed(piece) == set()
    it.release(piece)
    worse = bytearray(good)
    worse[-1] ^= 1
    piece = fill(it, bytes(worse), "abcd")  # b is innocent this time, d is not
    assert it.failed(piece) == set()
    it.release(piece)
    piece = fill(it, good, "aaaa")
    assert it.verified(piece) == {"b", "d"}
    assert it.verified(piece) == set()  # and only once


def test_buffers_are_reused_and_bounded() -> None:
    it = assembly(budget=1)
    assert it.max_pieces == 2
    for index in range(50):
        piece = fill(it, bytes(SIZE), "aaaa", index)
        it.verified(piece)
        it.release(piece)
    assert it.buffered == SIZE
    it.add("a", 7, 0, [bytes(BLOCK_SIZE)])
    it.add("a", 8, 0, [bytes(BLOCK_SIZE)])
    it.drop(7)
    it.drop(7)
    it.drop(8)
    assert it.buffered == 2 * SIZE
    it.trim()
    assert it.buffered == 0


def test_suspicions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("axon.bt.assembly._MAX_SUSPECT_BLOCKS", 8)
    it = assembly()
    for index in range(10):
        piece = fill(it, bytes(SIZE), "abab", index)
        it.failed(piece)
        it.release(piece)
    assert len(it._suspects) == 2
    piece = fill(it, b"x" * SIZE, "cccc", 9)
    assert it.verified(piece) == {"a", "b"}
