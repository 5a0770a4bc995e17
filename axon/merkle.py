"""Two Merkle trees: keccak-256 for the chain, SHA-256 for acknowledged blocks.

`KeccakTree` is positional and padded to a power of two; its twin is
`contracts/modules/merkle.vy`. Leaves are hashed behind 0x00 and nodes behind
0x01, so neither can pass for the other (second preimage).

`HistoryTree` is the append-only tree of RFC 9162 §2.1 (Certificate
Transparency): appending costs one hash on average, the root a few more.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import NamedTuple

from Crypto.Hash import keccak

__all__ = ["EMPTY_LEAF", "HistoryTree", "KeccakTree", "keccak256", "leaf_hash", "node_hash", "root_from_path"]

EMPTY_LEAF = bytes(32)  # padding; no preimage of it is known, so it never proves a claim


def keccak256(data: bytes) -> bytes:
    """Hash with keccak-256, the EVM's hash (not SHA3-256)."""
    return keccak.new(digest_bits=256, data=data).digest()


def leaf_hash(data: bytes) -> bytes:
    """Hash a leaf: keccak(0x00 ‖ data)."""
    return keccak256(b"\x00" + data)


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash an inner node: keccak(0x01 ‖ left ‖ right)."""
    return keccak256(b"\x01" + left + right)


class KeccakTree:
    """A positional tree over leaves, padded with `EMPTY_LEAF` to a power of two.

    Parameters
    ----------
    leaves : sequence of bytes
        Leaf *data*; hashed here. An empty sequence has the root `EMPTY_LEAF`.
    """

    def __init__(self, leaves: Sequence[bytes]) -> None:
        size = 1 << max(0, len(leaves) - 1).bit_length()
        row = [leaf_hash(data) for data in leaves]
        row += [EMPTY_LEAF] * (size - len(row))
        self._rows = [row]
        while len(row) > 1:
            row = [node_hash(row[k], row[k + 1]) for k in range(0, len(row), 2)]
            self._rows.append(row)
        self.count = len(leaves)

    @property
    def root(self) -> bytes:
        """The 32-byte root."""
        return self._rows[-1][0]

    def path(self, index: int) -> list[bytes]:
        """Return the siblings of leaf `index`, from the leaf upward.

        Raises
        ------
        IndexError
            If there is no such leaf.
        """
        if not 0 <= index < self.count:
            raise IndexError(f"leaf {index} of {self.count}")
        path = []
        for row in self._rows[:-1]:
            path.append(row[index ^ 1])
            index >>= 1
        return path


def root_from_path(data: bytes, index: int, path: Sequence[bytes]) -> bytes | None:
    """Recompute the root above leaf `data` at `index`; None if `index` does not fit the path's depth."""
    if index < 0 or index >> len(path):
        return None
    digest = leaf_hash(data)
    for sibling in path:
        digest = node_hash(sibling, digest) if index & 1 else node_hash(digest, sibling)
        index >>= 1
    return digest


class Growth(NamedTuple):
    """What appending leaves to a `HistoryTree` would make of it."""

    leaves: list[bytes]  # digests of all new leaves
    peaks: list[bytes]

    @property
    def root(self) -> bytes:
        """The 32-byte tree head, were they appended."""
        return _fold(self.peaks)


class HistoryTree:
    """Append-only SHA-256 tree (RFC 9162 §2.1.1): the root commits to every leaf and to their order."""

    __slots__ = ("_leaves", "_peaks")

    def __init__(self) -> None:
        self._leaves: list[bytes] = []
        self._peaks: list[bytes] = []  # roots of the perfect subtrees, largest first

    def __len__(self) -> int:
        return len(self._leaves)

    def append(self, data: bytes) -> None:
        """Add a leaf; `data` is hashed behind 0x00."""
        self.adopt(self.grow((data,)))

    def grow(self, leaves: Iterable[bytes]) -> Growth:
        """Hash these leaves' data as if they were appended; nothing changes until `adopt`."""
        digests, peaks, position = list[bytes](), self._peaks.copy(), len(self._leaves)
        for data in leaves:
            digest, carry = sha256(b"\x00" + data).digest(), position
            digests.append(digest)
            while carry & 1:
                digest = sha256(b"\x01" + peaks.pop() + digest).digest()
                carry >>= 1
            peaks.append(digest)
            position += 1
        return Growth(digests, peaks)

    def adopt(self, growth: Growth) -> None:
        """Append what the last `grow` hashed."""
        self._leaves += growth.leaves
        self._peaks = growth.peaks

    def root(self) -> bytes:
        """Return the 32-byte tree head; of no leaves, the hash of nothing."""
        return _fold(self._peaks)

    def path(self, index: int) -> list[bytes]:
        """Return the inclusion path of leaf `index` (RFC 9162 §2.1.3.1), from the leaf upward.

        Raises
        ------
        IndexError
            If there is no such leaf.
        """
        if not 0 <= index < len(self._leaves):
            raise IndexError(f"leaf {index} of {len(self._leaves)}")
        low, high, path = 0, len(self._leaves), list[bytes]()
        while high - low > 1:
            split = low + _split(high - low)
            if index < split:
                path.append(_subtree(self._leaves, split, high))
                high = split
            else:
                path.append(_subtree(self._leaves, low, split))
                low = split
        return path[::-1]

    @staticmethod
    def includes(root: bytes, data: bytes, index: int, count: int, path: Sequence[bytes]) -> bool:
        """Check an inclusion path against the head of a tree of `count` leaves (RFC 9162 §2.1.3.2)."""
        if not 0 <= index < count:
            return False
        digest, node, last = sha256(b"\x00" + data).digest(), index, count - 1
        for sibling in path:
            if last == 0:
                return False
            if node & 1 or node == last:
                digest = sha256(b"\x01" + sibling + digest).digest()
                while not node & 1 and node:
                    node >>= 1
                    last >>= 1
            else:
                digest = sha256(b"\x01" + digest + sibling).digest()
            node >>= 1
            last >>= 1
        return last == 0 and digest == root


def _fold(peaks: Sequence[bytes]) -> bytes:
    if not peaks:
        return sha256().digest()
    digest = peaks[-1]
    for peak in reversed(peaks[:-1]):
        digest = sha256(b"\x01" + peak + digest).digest()
    return digest


def _split(count: int) -> int:
    """Return the largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1


def _subtree(leaves: Sequence[bytes], low: int, high: int) -> bytes:
    if high - low == 1:
        return leaves[low]
    split = low + _split(high - low)
    return sha256(b"\x01" + _subtree(leaves, low, split) + _subtree(leaves, split, high)).digest()
