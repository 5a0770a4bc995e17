import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.bitfield import Bitfield
from axon.errors import RemoteProtocolError

sets = st.integers(0, 200).flatmap(
    lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)) if n else st.just(set()))
)


@given(sets)
def test_a_bitfield_is_a_set_that_survives_the_wire(drawn):
    size, pieces = drawn
    bits = Bitfield(size, pieces)
    again = Bitfield.from_bytes(size, bits.to_bytes())
    assert again == bits == bits.copy()
    assert list(again) == sorted(pieces)
    assert list(again.missing()) == sorted(set(range(size)) - pieces)
    assert again.count == len(again) == len(pieces)
    assert bool(again) == bool(pieces)
    assert again.is_full == (len(pieces) == size)
    assert [i in again for i in range(-1, size + 1)] == [i in pieces for i in range(-1, size + 1)]


@given(sets, st.data())
def test_adding_and_discarding_count_each_piece_once(drawn, data):
    size, _ = drawn
    bits, model = Bitfield(size), set()
    for index in data.draw(st.lists(st.integers(0, size - 1))) if size else []:
        if data.draw(st.booleans()):
            assert bits.add(index) == (index not in model)
            model.add(index)
        else:
            assert bits.discard(index) == (index in model)
            model.discard(index)
    assert list(bits) == sorted(model) and bits.count == len(model)


@given(sets, sets)
def test_offers_means_a_piece_there_and_not_here(a, b):
    size = max(a[0], b[0])
    assert Bitfield(size, a[1]).offers(Bitfield(size, b[1])) == bool(a[1] - b[1])


@given(sets, sets)
def test_update_is_union_and_tells_what_is_new(a, b):
    size = max(a[0], b[0])
    bits = Bitfield(size, a[1])
    assert list(bits.update(Bitfield(size, b[1]))) == sorted(b[1] - a[1])
    assert set(bits) == a[1] | b[1] and bits.count == len(a[1] | b[1])


def test_the_first_piece_is_the_highest_bit():
    assert Bitfield(10, [0, 9]).to_bytes() == b"\x80\x40"
    assert Bitfield.full(10).to_bytes() == b"\xff\xc0"
    assert Bitfield.full(8).is_full and Bitfield.full(0).is_full


@pytest.mark.parametrize("bits", [b"", b"\0", b"\0\0\0"])
def test_a_bitfield_of_wrong_size_is_refused(bits):
    with pytest.raises(RemoteProtocolError, match=f"{len(bits)} bytes, want 2 for 10 pieces"):
        Bitfield.from_bytes(10, bits)


@pytest.mark.parametrize("spare", range(6))
def test_a_spare_bit_is_refused(spare):
    with pytest.raises(RemoteProtocolError, match="spare bits"):
        Bitfield.from_bytes(10, bytes((0xFF, 0xC0 | 1 << spare)))


def test_there_is_no_piece_past_the_end():
    for index in (-1, 10):
        with pytest.raises(IndexError, match=f"piece {index} of 10"):
            Bitfield(10).add(index)
    with pytest.raises(ValueError, match="-1 pieces"):
        Bitfield(-1)
