"""Large arrays whose memory is used again, not handed back to the system.

A proof asks for the same few sizes each time, and touching fresh pages costs more
than the arithmetic on them. `empty` is `numpy.empty` for uint64; when the last view
of such an array goes, its buffer waits here for the next request of about its size.
At most `keep` bytes wait; the rest goes back at once. `release` gives back all.
"""

import math
import os
from collections import deque
from threading import Lock

import numpy as np
from numpy.typing import NDArray

__all__ = ["empty", "kept", "release"]

Buffer = NDArray[np.uint8]

_SMALLEST = 1 << 20  # bytes; below, malloc reuses memory by itself
_ALIGN = 64  # a cache line, and a vector of 8 elements
_SLACK = 1.25  # a waiting buffer may be this many times too long


def _default_keep() -> int:
    """`AXON_ARENA_MB`, else a quarter of the memory, at most 4 GiB."""
    if "AXON_ARENA_MB" in os.environ:
        return int(os.environ["AXON_ARENA_MB"]) << 20
    return min(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4, 4 << 30)


keep = _default_keep()  # bytes
_returned: deque[Buffer] = deque()  # appended to by destructors, which may run anywhere: no lock
_waiting: list[Buffer] = []  # the oldest first
_lock = Lock()


class _Loan:
    """What an array from `empty` is a view of; its end is the buffer's return."""

    def __init__(self, buffer: Buffer, shape: tuple[int, ...]) -> None:
        self._buffer = buffer
        address = buffer.ctypes.data
        self.__array_interface__ = {
            "shape": shape,
            "typestr": "<u8",
            "data": (address + -address % _ALIGN, False),
            "version": 3,
        }

    def __del__(self, returned: deque[Buffer] = _returned) -> None:
        returned.append(self._buffer)


def empty(shape: tuple[int, ...] | int) -> NDArray[np.uint64]:
    """An uninitialised C-contiguous uint64 array, its start on a cache line if it is large."""
    shape = (shape,) if isinstance(shape, int) else shape
    size = 8 * math.prod(shape)
    if size < _SMALLEST:
        return np.empty(shape, np.uint64)
    with _lock:
        _collect()
        fitting = [b for b in _waiting if size + _ALIGN <= b.size <= _SLACK * size + _ALIGN]
        buffer = min(fitting, key=len, default=None)
        if buffer is not None:
            _waiting[:] = [b for b in _waiting if b is not buffer]
    if buffer is None:
        buffer = np.empty(size + _ALIGN, np.uint8)
    return np.asarray(_Loan(buffer, shape))


def _collect() -> None:
    """Take in what destructors returned, and drop the oldest beyond `keep`."""
    while _returned:
        _waiting.append(_returned.popleft())
    while _waiting and sum(b.size for b in _waiting) > keep:
        _waiting.pop(0)


def kept() -> int:
    """Bytes that wait for reuse: free to this process, though the system counts them as taken."""
    with _lock:
        _collect()
        return sum(b.size for b in _waiting)


def release() -> None:
    """Give all waiting memory back to the system."""
    with _lock:
        _collect()
        _waiting.clear()
