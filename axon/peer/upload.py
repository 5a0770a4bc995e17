"""Blocks from disk to the wire: adjacent requests become one read, and nothing is copied.

The bytes are read behind one another into a pooled buffer, and sent as slices
of it between their headers. Reads that the page cache can serve are done at
once (RWF_NOWAIT); for the others a disk thread waits, not the event loop.
"""

import errno
import os
from collections.abc import Callable, Sequence

from axon.errors import StorageError
from axon.peer.disk import DiskThreads

__all__ = ["BlockReader", "Run", "joined"]

Run = tuple[int, int, int]  # file descriptor, offset in the file, bytes
Block = tuple[int, int, int]  # piece, offset in the piece, bytes
_NOWAIT = getattr(os, "RWF_NOWAIT", 0)
_SIZES = (64 << 10, 256 << 10, 512 << 10)  # bytes of pooled buffers
_POOLED = 8  # of each size


class BlockReader:
    """Reads for all uploads of the process."""

    def __init__(self, threads: DiskThreads) -> None:
        self._threads = threads
        self._free: dict[int, list[bytearray]] = {size: [] for size in _SIZES}
        self._nowait = bool(_NOWAIT)

    def take(self, size: int) -> bytearray:
        """Return a buffer of at least `size` bytes; give it back when it has been sent."""
        for fit in _SIZES:
            if size <= fit:
                return self._free[fit].pop() if self._free[fit] else bytearray(fit)
        return bytearray(size)

    def give(self, buffer: bytearray) -> None:
        """Take a buffer back."""
        pool = self._free.get(len(buffer))
        if pool is not None and len(pool) < _POOLED:
            pool.append(buffer)

    async def read(
        self, parts: Sequence[Block], runs: Callable[[int, int, int], Sequence[Run]], into: memoryview
    ) -> None:
        """Fill `into` with parts of pieces, one behind the other.

        Parameters
        ----------
        parts : sequence of (piece, begin, length)
            As `joined` makes them.
        runs : callable (piece, begin, length)
            Where those bytes lie on disk, in order.

        Raises
        ------
        StorageError
            If they cannot be read.
        """
        missing: list[tuple[Run, memoryview]] = []
        at = 0
        for index, begin, length in parts:
            for fd, offset, size in runs(index, begin, length):
                view = into[at : at + size]
                at += size
                got = self._at_once(fd, offset, view)
                if got < size:
                    missing.append(((fd, offset + got, size - got), view[got:]))
        if missing:
            await self._threads.run(lambda: _read_all(missing))

    def _at_once(self, fd: int, offset: int, view: memoryview) -> int:
        if not self._nowait:
            return 0
        try:
            return os.preadv(fd, [view], offset, _NOWAIT)
        except BlockingIOError:
            return 0
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP:  # this file system cannot; do not ask again
                self._nowait = False
            return 0


def joined(blocks: Sequence[Block]) -> list[Block]:
    """Make one run of blocks that follow one another in a piece."""
    runs: list[Block] = []
    for index, begin, length in blocks:
        if runs and runs[-1][0] == index and runs[-1][1] + runs[-1][2] == begin:
            runs[-1] = (index, runs[-1][1], runs[-1][2] + length)
        else:
            runs.append((index, begin, length))
    return runs


def _read_all(missing: Sequence[tuple[Run, memoryview]]) -> None:
    for (fd, offset, _), view in missing:
        done = 0
        while done < len(view):
            try:
                got = os.preadv(fd, [view[done:]], offset + done)
            except OSError as error:
                raise StorageError(f"cannot read {len(view)} bytes at {offset}: {error.strerror}") from error
            if not got:
                raise StorageError(f"file ends at {offset + done}, want {len(view) - done} bytes more")
            done += got
