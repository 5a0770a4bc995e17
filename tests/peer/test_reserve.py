"""Room reserved before it is written: only there, only once, and never a reason to fail."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.peer.reserve import EXTENT, Reservations


@pytest.mark.parametrize("answer", [-1, None])
def test_a_file_system_that_reserves_nothing_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: int | None
) -> None:
    asked = []

    def fallocate(fd: int, mode: int, offset: int, size: int) -> int | None:
        asked.append(offset)
        return answer

    monkeypatch.setattr("axon.peer.reserve._fallocate", fallocate if answer else None)
    reserved = Reservations(10 * EXTENT)
    with (tmp_path / "n").open("wb") as file:
        for extent in range(10):
            reserved.before_write(file.fileno(), extent * EXTENT, EXTENT)
    assert asked == ([0] if answer else [])


@given(
    length=st.integers(1, 5 * EXTENT),
    writes=st.lists(st.tuples(st.integers(0, 5 * EXTENT), st.integers(1, 2 * EXTENT)), max_size=8),
)
def test_every_written_byte_is_reserved_once_and_none_beyond_the_file(
    length: int, writes: list[tuple[int, int]]
) -> None:
    calls: list[tuple[int, int]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "axon.peer.reserve._fallocate", lambda fd, mode, offset, size: calls.append((offset, size))
        )
        reserved = Reservations(length)
        for offset, size in writes:
            end = min(offset + size, length)
            if offset < end:
                reserved.before_write(3, offset, end - offset)
                inside = [low for low, count in calls if low <= offset < low + count]
                assert len(inside) == 1
                assert any(low < end <= low + count for low, count in calls)
    assert all(0 < size <= EXTENT and offset + size <= length for offset, size in calls)
    assert len({offset for offset, _ in calls}) == len(calls)
