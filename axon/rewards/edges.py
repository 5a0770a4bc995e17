"""An epoch's edges: who acknowledged how many blocks from whom, in one canonical order.

An edge (i, j, b) says that downloader i verified b blocks of 16 KiB from
uploader j. Canonical means: no self-loops, no zeros, one edge a pair, ascending
by (i, j). Everything downstream (shares, trace, attested root) starts here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["MAX_EDGES", "MAX_PEERS", "MAX_ROW_BLOCKS", "EdgeError", "Edges"]

from axon.errors import AxonError

MAX_PEERS = 1 << 16
MAX_EDGES = 1 << 20
MAX_ROW_BLOCKS = (1 << 36) - 1  # blocks acknowledged by one downloader (DESIGN §4)


class EdgeError(AxonError):
    """Edges outside what AXR-1 is defined for."""


@dataclass(frozen=True, slots=True)
class Edges:
    """Canonical edges among `n` peers, as three parallel arrays."""

    n: int
    src: NDArray[np.int64]  # (E,) downloaders, 0..n-1
    dst: NDArray[np.int64]  # (E,) uploaders, 0..n-1
    blocks: NDArray[np.uint64]  # (E,) at least 1

    @classmethod
    def canonical(cls, n: int, src: ArrayLike, dst: ArrayLike, blocks: ArrayLike) -> "Edges":
        """Merge duplicates, drop self-loops and zeros, sort.

        Parameters
        ----------
        n : int
            Number of peers, 1..65536.
        src, dst, blocks : array_like, (E,)
            Integers; indices below `n`, blocks not negative.

        Raises
        ------
        EdgeError
            If lengths differ, an index or count is out of range, more than 2^20 edges remain,
            or one downloader acknowledged 2^36 blocks or more.
        """
        if not 1 <= n <= MAX_PEERS:
            raise EdgeError(f"{n} peers, want 1 to {MAX_PEERS}")
        i = _integers(src, "src", n - 1)
        j = _integers(dst, "dst", n - 1)
        b = _integers(blocks, "blocks", MAX_ROW_BLOCKS)
        if not len(i) == len(j) == len(b):
            raise EdgeError(f"src, dst and blocks have {len(i)}, {len(j)} and {len(b)} entries")
        keep = (i != j) & (b != 0)
        pair = i[keep] * np.int64(n) + j[keep]
        unique, inverse = np.unique(pair, return_inverse=True)
        if len(unique) > MAX_EDGES:
            raise EdgeError(f"{len(unique)} edges, at most {MAX_EDGES}")
        if len(pair) > 1 << 27:  # 2^27 counts below 2^36 cannot wrap 64 bits
            raise EdgeError(f"{len(pair)} entries to merge, at most {1 << 27}")
        merged = np.zeros(len(unique), np.uint64)
        np.add.at(merged, inverse, b[keep].astype(np.uint64))
        edges = cls(n, unique // n, unique % n, merged)
        heaviest = int(edges.row_sums().max())
        if heaviest > MAX_ROW_BLOCKS:
            raise EdgeError(f"a downloader acknowledged {heaviest} blocks, at most {MAX_ROW_BLOCKS}")
        return edges

    def __len__(self) -> int:
        return len(self.src)

    def row_sums(self) -> NDArray[np.uint64]:
        """Return B, (n,) uint64: the blocks that each downloader acknowledged."""
        sums = np.zeros(self.n, np.uint64)
        np.add.at(sums, self.src, self.blocks)
        return sums


def _integers(values: ArrayLike, name: str, most: int) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise EdgeError(f"{name}: {array.ndim}-dimensional {array.dtype}, want one dimension of integers")
    if array.size and (int(array.min()) < 0 or int(array.max()) > most):
        raise EdgeError(f"{name}: values {array.min()}..{array.max()}, want 0..{most}")
    return array.astype(np.int64)
