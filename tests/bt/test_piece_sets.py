"""Sets of pieces as integers, against plain Python sets."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.piece_sets import Gathering, PieceSets


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


@given(
    st.integers(1, 40),
    st.lists(
        st.tuples(st.sampled_from(["add", "discard", "replace", "look"]), st.integers(0, 39)), max_size=60
    ),
)
def test_a_gathering_is_a_set(num_pieces: int, steps: list[tuple[str, int]]) -> None:
    sets = PieceSets(num_pieces)
    gathering, model = Gathering(sets), set[int]()
    for step, number in steps:
        index = number % num_pieces
        match step:
            case "add":
                assert gathering.add(index) == (index not in model)
                model.add(index)
            case "discard":
                assert gathering.discard(index) == (index in model)
                model.discard(index)
            case "replace":
                model = set(range(index))
                gathering.replace(sum(map(sets.bit, model)))
            case "look":
                assert (index in gathering) == (index in model)
                assert gathering.pieces == sum(map(sets.bit, model))
        assert gathering.count == len(model)
        assert gathering.full == (len(model) == num_pieces)
