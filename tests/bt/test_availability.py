"""How many peers have each piece, against plain counting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.availability import Availability
from axon.bt.piece_sets import PieceSets


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


@given(st.lists(st.tuples(st.booleans(), st.sets(st.integers(0, 4), max_size=5), st.booleans()), max_size=40))
def test_pieces_told_one_by_one_count_like_whole_sets(told: list[tuple[bool, set[int], bool]]) -> None:
    sets = PieceSets(5)
    availability = Availability(sets)
    counts = dict.fromkeys(range(5), 0)
    for at_once, pieces, look in told:
        if at_once:
            availability.add(sum(map(sets.bit, pieces)))
        else:
            for index in pieces:
                availability.add_one(index)
        for index in pieces:
            counts[index] += 1
        if look:
            assert {index: availability.of(sets.bit(index)) for index in range(5)} == counts
            rarest = {index for index in counts if counts[index] == min(counts.values())}
            assert set(sets.indices(availability.rarest(sets.all))) == rarest
    for _, pieces, _ in told:
        availability.remove(sum(map(sets.bit, pieces)))
    assert availability.copies(5) == 0


def test_one_piece_that_everybody_tells_of() -> None:
    sets = PieceSets(3)
    availability = Availability(sets)
    for _ in range(1000):
        availability.add_one(1)
    assert availability.of(sets.bit(1)) == 1000
    assert availability.of(sets.bit(0)) == 0
