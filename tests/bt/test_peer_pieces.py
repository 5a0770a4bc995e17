import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.bitfield import Bitfield
from axon.bt.peer_pieces import PeerPieces
from axon.errors import RemoteProtocolError

SIZE = 12
index = st.integers(0, SIZE - 1)
told = st.one_of(
    st.none(), st.booleans(), st.sets(index).map(lambda s: memoryview(Bitfield(SIZE, s).to_bytes()))
)


@given(told, st.lists(st.tuples(st.booleans(), index), max_size=20), st.integers(0, 21))
def test_it_does_not_matter_when_the_number_of_pieces_becomes_known(first, then, known_at):
    pieces, model = PeerPieces(), set()
    if known_at == 0:
        pieces.set_num_pieces(SIZE)
    if first is not None:
        pieces.tell(first)
        whole = range(SIZE) if first is True else () if first is False else Bitfield.from_bytes(SIZE, first)
        model |= set(whole)
    for step, (gain, i) in enumerate(then, start=1):
        if step == known_at:
            pieces.set_num_pieces(SIZE)
        changed = pieces.add(i) if gain else pieces.discard(i)
        assert changed == (pieces.have is not None and (i in model) != gain)
        (model.add if gain else model.discard)(i)
    if pieces.num_pieces is None:
        assert pieces.have is None
        pieces.set_num_pieces(SIZE)
    assert set(pieces.have) == model and pieces.is_seed == (len(model) == SIZE)


def test_a_lost_piece_is_lost_before_and_after_the_metadata():
    for early in (True, False):
        pieces = PeerPieces()
        if not early:
            pieces.set_num_pieces(SIZE)
        pieces.tell(True)
        lost = pieces.discard(3)
        assert lost != early
        if early:
            assert not pieces.is_seed
            pieces.set_num_pieces(SIZE)
        assert list(pieces.have.missing()) == [3]
        assert pieces.add(3) and pieces.is_seed


def test_pieces_that_cannot_be_are_refused():
    pieces = PeerPieces()
    with pytest.raises(RemoteProtocolError, match="have: piece 16777216, want less than 16777216"):
        pieces.add(1 << 24)
    pieces.set_num_pieces(SIZE)
    with pytest.raises(RemoteProtocolError, match="lt_donthave: piece 12, want less than 12"):
        pieces.discard(SIZE)
