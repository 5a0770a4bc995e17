from hypothesis import given
from hypothesis import strategies as st

from axon.bt.wantlist import WantList

PIECES = 11
SIZES = [16384] * 10 + [5]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("verified"), st.integers(0, PIECES - 1)),
        st.tuples(st.just("lost"), st.integers(0, PIECES - 1)),
        st.tuples(st.integers(0, 7), st.integers(0, PIECES - 1)),
    ),
    max_size=40,
)


@given(
    st.sets(st.integers(0, PIECES - 1)), st.dictionaries(st.integers(0, PIECES - 1), st.integers(0, 7)), STEPS
)
def test_it_counts_as_two_plain_collections_do(here, priorities, steps):
    bitfield = bytes(sum(0x80 >> k % 8 for k in here if k // 8 == byte) for byte in range(2))
    wants = WantList(PIECES, SIZES.__getitem__, bitfield, priorities)
    model = dict.fromkeys(range(PIECES), 4) | priorities
    for what, index in steps:
        if what == "verified":
            wants.piece_verified(index)
            here = here | {index}
        elif what == "lost":
            wants.piece_lost(index)
            here = here - {index}
        else:
            wants.set_priority(index, what)
            model[index] = what
    wanted = {index for index in range(PIECES) if model[index]} - here
    assert {index for index in range(PIECES) if wants.has(index)} == here and wants.num_have == len(here)
    assert [wants.priority(index) for index in range(PIECES)] == [model[i] for i in range(PIECES)]
    assert wants.left == sum(SIZES[index] for index in range(PIECES) if index not in here)
    assert wants.wanted_left == sum(SIZES[index] for index in wanted)
    assert (wants.complete, wants.is_seed) == (not wanted, len(here) == PIECES)
