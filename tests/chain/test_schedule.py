"""Epochs by the clock: the Python schedule and the pool agree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.chain import Schedule
from tests.contracts.world import EPOCH, World

WORLD = World(epochs=3)


@given(st.integers(-EPOCH, 5 * EPOCH))
def test_the_schedule_names_the_epoch_that_the_pool_names(offset: int) -> None:
    schedule = WORLD.pool.schedule()
    assert schedule == Schedule(WORLD.terms.start, EPOCH, 3) == WORLD.terms.schedule
    WORLD.chain.travel(schedule.start + offset - WORLD.chain.now())
    assert schedule.epoch_at(schedule.start + offset) == WORLD.pool.current_epoch()


@given(st.integers(0, 2**40), st.integers(1, 2**28), st.integers(1, 2**24), st.data())
def test_an_epoch_holds_its_first_second_and_not_the_next_ones(
    start: int, length: int, epochs: int, data: st.DataObject
) -> None:
    schedule = Schedule(start, length, epochs)
    epoch = data.draw(st.integers(0, epochs - 1))
    begin, end = schedule.bounds(epoch)
    assert end - begin == length
    assert [schedule.epoch_at(t) for t in (begin, end - 1, end)] == [epoch, epoch, epoch + 1]
    assert schedule.epoch_at(begin - 1) == max(0, epoch - 1)
    assert schedule.epoch_at(schedule.end + length) == epochs


def test_a_schedule_by_hand() -> None:
    schedule = Schedule(start=1_000, length=100, epochs=2)
    assert [schedule.epoch_at(t) for t in (0, 999.9, 1_000, 1_099.9, 1_100, 1_200, 9_999)] == [
        0,
        0,
        0,
        0,
        1,
        2,
        2,
    ]
    assert schedule.bounds(1) == (1_100, 1_200)
    for none in (-1, 2):
        with pytest.raises(ValueError, match="of 2"):
            schedule.bounds(none)
