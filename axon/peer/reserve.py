"""Room on disk, reserved a few megabytes at a time just before it is written.

Pieces come in random order, and a file system that has to find room for each of them by itself
takes twice as long for a write and ends with a file in a thousand parts. Only what is about to be
written and its neighbourhood are reserved: what stays unwritten stays sparse. A reservation
changes neither contents nor size of a file, and it is a favour to the file system: where it is
not possible, the write itself will say whether the disk is full.
"""

import ctypes
from typing import Final

__all__ = ["EXTENT", "Reservations"]

EXTENT: Final = 4 << 20  # bytes
_KEEP_SIZE: Final = 1  # FALLOC_FL_KEEP_SIZE


def _system_call() -> "ctypes._NamedFuncPointer | None":
    try:
        # Not `os.posix_fallocate`: it changes the size, and where the file system cannot do it, the C
        # library writes into every block instead.
        call = ctypes.CDLL(None, use_errno=True).fallocate
    except (OSError, AttributeError):  # not Linux
        return None
    call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    call.restype = ctypes.c_int
    return call


_fallocate: Final = _system_call() if ctypes.sizeof(ctypes.c_long) == 8 else None  # else off_t is in doubt


class Reservations:
    """What has been reserved of one file.

    Parameters
    ----------
    length : int
        Bytes of the whole file; nothing is reserved beyond it.
    """

    __slots__ = ("_length", "_reserved")

    def __init__(self, length: int) -> None:
        self._length = length
        self._reserved = set[int]()  # extents by number

    def before_write(self, fd: int, offset: int, size: int) -> None:
        """Reserve the extents around `size` bytes at `offset`, unless that was done."""
        for extent in range(offset // EXTENT, (offset + size + EXTENT - 1) // EXTENT):
            if extent in self._reserved:
                continue
            self._reserved.add(extent)
            room = min(EXTENT, self._length - extent * EXTENT)
            if room > 0 and (_fallocate is None or _fallocate(fd, _KEEP_SIZE, extent * EXTENT, room)):
                self._length = 0  # not here, or no room: do not ask again
