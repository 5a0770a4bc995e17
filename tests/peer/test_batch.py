"""Which whole pieces go to the disk together."""

from hypothesis import given
from hypothesis import strategies as st

from axon.bt.assembly import PieceBuffer
from axon.bt.sha_lanes import LANES
from axon.peer.batch import PATIENCE, Batch


def piece(index, size=1 << 18):
    return PieceBuffer(index, size, bytearray(size))


def test_pieces_that_come_quickly_wait_for_each_other_and_slow_ones_do_not():
    batch = Batch(lanes=True)
    for number in range(2):
        batch.add(piece(number), number * PATIENCE / 4)
        assert not batch.waits(number * PATIENCE / 4)  # perhaps there are no others
    batch.add(piece(2), PATIENCE / 2)
    assert batch.waits(PATIENCE / 2)
    assert batch.waits(PATIENCE) and not batch.waits(PATIENCE * 1.01)
    batch.take()
    batch.add(piece(5), 3 * PATIENCE)
    assert not batch.waits(3 * PATIENCE)


def test_a_batch_is_full_with_all_lanes_or_enough_bytes():
    batch = Batch(lanes=True)
    assert [batch.add(piece(k, 64), 0.0) for k in range(LANES)] == [False] * (LANES - 1) + [True]
    batch.take()
    assert [batch.add(piece(k, 4 << 20), 0.0) for k in range(4)] == [False, False, False, True]
    batch.take()
    assert [batch.add(piece(k), 0.0, 1 << 20) for k in range(4)] == [False, False, False, True]


def test_one_sender_who_waits_for_receipts_hurries_the_whole_batch_and_no_other():
    batch = Batch(lanes=True)
    assert not batch.add(piece(0), 0.0)
    assert batch.add(piece(1), 0.0, 1 << 18)
    assert not batch.relaxed
    batch.take()
    assert not batch.add(piece(2), 0.0) and batch.relaxed
    assert not batch.add(piece(3), 0.0)


def test_without_lanes_nobody_waits_and_small_pieces_share_a_hop():
    batch = Batch(lanes=False)
    assert [batch.add(piece(k), 0.0) for k in range(4)] == [False, False, False, True]
    batch.take()
    assert not batch.add(piece(9), 0.0) and not batch.waits(0.0)


@given(st.lists(st.tuples(st.floats(0, PATIENCE), st.booleans()), max_size=60))
def test_no_piece_is_lost_or_doubled(steps):
    batch, now, taken = Batch(lanes=True), 0.0, []
    for number, (delay, pause) in enumerate(steps):
        now += delay
        full = batch.add(piece(number, 100), now)
        assert batch.since <= now and batch.size == 100 * len(batch.pieces)
        if full or (pause and not batch.waits(now)):
            taken += batch.take()
    taken += batch.take()
    assert [one.index for one in taken] == list(range(len(steps)))
