"""Sets of pieces as integers, against plain Python sets."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.availability import Availability, PieceSets


@given(st.integers(1, 70), st.data())
def test_sets_are_bitfields(num_pieces: int, data: st.DataObject) -> None:
    sets = PieceSets(num_pieces)
    pieces = data.draw(st.sets(st.integers(0, num_pieces - 1), min_size=1))
    as_int = sum(sets.bit(index) for index in pieces)
    assert sets.indices(as_int) == sorted(pieces)
    assert sets.first(as_int) == min(pieces)
    assert sets.any(as_int, Random(len(pieces))) in pieces
    assert sets.parse(sets.to_bytes(as_int)) == as_int


def test_bitfield_vector() -> None:
    """BEP 3: the first piece is the high bit of the first byte."""
    sets = PieceSets(10)
    assert sets.to_bytes(sets.bit(0) | sets.bit(9)).hex() == "8040"
    assert sets.to_bytes(sets.all).hex() == "ffc0"
    for wrong in (b"", b"\xff", b"\xff\xe0", b"\xff\xc0\x00"):
        with pytest.raises(ValueError, match="does not fit"):
            sets.parse(wrong)
    with pytest.raises(IndexError):
        sets.bit(10)


def test_any_reaches_every_member() -> None:
    sets, rng = PieceSets(30), Random(1)
    pieces = sets.bit(0) | sets.bit(1) | sets.bit(29)
    assert {sets.any(pieces, rng) for _ in range(500)} == {0, 1, 29}


@given(st.lists(st.sets(st.integers(0, 11)), max_size=6), st.data())
def test_availability_counts_peers(peers: list[set[int]], data: st.DataObject) -> None:
    sets = PieceSets(12)
    availability = Availability(sets)
    held = [sum(sets.bit(index) for index in peer) for peer in peers]
    for pieces in held:
        availability.add(pieces)
    if held:
        gone = data.draw(st.integers(0, len(held) - 1))
        availability.remove(held.pop(gone))
        del peers[gone]
    counts = {index: sum(index in peer for peer in peers) for index in range(12)}
    assert {index: availability.of(sets.bit(index)) for index in range(12)} == counts
    rarest = {index for index in counts if counts[index] == min(counts.values())}
    assert set(sets.indices(availability.rarest(sets.all))) == rarest
    low = min(counts.values())
    assert availability.copies(12) == pytest.approx(low + sum(n > low for n in counts.values()) / 12)
