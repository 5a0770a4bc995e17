"""Buffers come back when the last view of them goes, and never before."""

from collections.abc import Iterator

import numpy as np
import pytest

from axon.stark import arena

LARGE = (3, 1 << 17)  # 3 MiB


@pytest.fixture(autouse=True)
def _empty_arena() -> Iterator[None]:
    arena.release()
    yield
    arena.release()


def test_memory_is_used_again() -> None:
    a = arena.empty(LARGE)
    address = a.ctypes.data
    assert a.shape == LARGE and a.dtype == np.uint64 and a.flags.c_contiguous and address % 64 == 0
    del a
    assert arena.kept() >= 3 << 20
    assert arena.empty((1 << 17, 3)).ctypes.data == address
    assert arena.empty(LARGE[1] * 3).ctypes.data == address


def test_a_view_keeps_its_memory() -> None:
    view = arena.empty(LARGE)[1, 5:9].reshape(2, 2)
    view[:] = 7
    assert arena.kept() == 0
    other = arena.empty(LARGE)
    other[:] = 1
    assert (view == 7).all()
    del view
    assert arena.kept() > 0


def test_another_size_gets_other_memory() -> None:
    a = arena.empty(LARGE)
    a[:] = 1
    del a
    small = arena.empty(1 << 17)  # a third of what waits: would waste it
    assert arena.kept() >= 3 << 20
    assert small.nbytes == 1 << 20


def test_no_more_is_kept_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arena, "keep", 7 << 20)
    arrays = [arena.empty(LARGE) for _ in range(4)]
    arrays.clear()
    assert 0 < arena.kept() <= 7 << 20


def test_small_arrays_are_plain() -> None:
    a = arena.empty((3, 8))
    assert a.base is None and a.shape == (3, 8)
    assert arena.kept() == 0
