"""Merkle trees of keccak digests: commit, open many leaves at once, check.

An inner node is keccak(0xff × 32 ‖ left ‖ right), each child's digest padded with zeros
to 32 bytes: three aligned words, one block of keccak. A digest is the first
`digest_bytes` (26 to 32) bytes of its hash.

No node passes for a leaf: a node's preimage begins with eight bytes 0xff, and a leaf's
with the first element of a row (attested, main, auxiliary or quotient) or of a FRI
group, eight bytes big-endian and, as the verifier checks before it hashes, below
P < 2^64 - 1. A row without columns is its salt alone, of 64 bytes at most, not 96. The tree
is positional besides: an opening is checked against the leaf's index and the tree's
depth, both the verifier's own.

A multi-proof of sorted leaves holds the digests that cannot be derived from them, as a
walk of the pruned tree in post-order meets them. One leaf after the other climbs from
the bottom, taking a digest at each level, until

- its sibling's subtree holds the next leaf: it waits, and the next leaf begins; or
- its sibling is waiting: they become one node, which climbs on.

Leaves p and q > p, neighbours in the list, meet at level m = bits(p ^ q) - 1; between leaves
nothing else happens, so a verifier needs one stack and no lists of nodes. A tree of
depth h takes h + Σ (m - 1) digests. For given leaves there is one such list, and the
check wants exactly it.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from collections.abc import Iterator, Sequence
from itertools import pairwise, zip_longest

import numpy as np

from axon.errors import ProofRejected
from axon.stark.arena import empty
from axon.stark.cpu import in_ranges
from axon.stark.field import Vector
from axon.stark.jit import kernel
from axon.stark.keccak_f import FIRST_PAD, LAST_PAD, RATE, keccak_f, keccak_f1
from axon.stark.lanes import (
    LANES,
    gather_groups,
    splat8,
    store8,
    store_digests,
)

__all__ = ["DIGEST_BYTES", "MerkleTree", "sibling_count", "siblings", "verify_multi"]

DIGEST_BYTES = 32
_GRAIN = 512  # nodes below which a second thread does not pay
_NODE = np.uint64((1 << 64) - 1)  # each of the first four words of an inner node's preimage
_PAD_AT = 12  # words of that preimage


def _checked_size(digest_bytes: int) -> int:
    if not 26 <= digest_bytes <= 32:
        raise ValueError(f"digest of {digest_bytes} bytes, want 26 to 32")
    return digest_bytes


def _last_word_mask(digest_bytes: int) -> np.uint64:
    """What of a digest's fourth word is kept."""
    return np.uint64((1 << 8 * (digest_bytes - 24)) - 1)


class MerkleTree:
    """All levels of the tree over `leaves`.

    Parameters
    ----------
    leaves : (n, 4) uint64
        Digests as `keccak.hash_leaves` gives them; n a power of two. The array is
        kept, and cut to `digest_bytes` in place.
    digest_bytes : int
        26 to 32.
    """

    def __init__(self, leaves: Vector, digest_bytes: int = DIGEST_BYTES) -> None:
        count = len(leaves)
        if leaves.ndim != 2 or leaves.shape[1] != 4 or count < 1 or count & (count - 1):
            raise ValueError(f"merkle: leaves {leaves.shape}, want (power of two, 4)")
        self.digest_bytes = _checked_size(digest_bytes)
        mask = _last_word_mask(digest_bytes)
        if digest_bytes < 32:
            leaves[:, 3] &= mask
        self.levels = [np.ascontiguousarray(leaves)]
        nodes = empty((count, 4))  # one buffer for all inner levels
        used = 0
        while len(self.levels[-1]) > 1:
            below = self.levels[-1]
            half = len(below) // 2
            level = nodes[used : used + half]
            used += half
            if half >= 8:
                in_ranges(_parents, half, below, mask, level, grain=_GRAIN)
            else:
                _parents_few(below, mask, level)
            self.levels.append(level)

    @property
    def root(self) -> bytes:
        """`digest_bytes` bytes."""
        return bytes(self.levels[-1][0].tobytes()[: self.digest_bytes])

    @property
    def leaves(self) -> int:
        """How many leaves there are."""
        return len(self.levels[0])

    def open(self, indices: Sequence[int]) -> list[bytes]:
        """The digests that, with the leaves at `indices` (sorted, unique), give the root."""
        _check_indices(indices, self.leaves)
        size = self.digest_bytes
        return [self.levels[k][i].tobytes()[:size] for k, i in siblings(indices, len(self.levels) - 1)]


def siblings(indices: Sequence[int], depth: int) -> Iterator[tuple[int, int]]:
    """(level, index in it) of each digest of a multi-proof, in order."""
    waiting: list[int] = []  # levels of the nodes that wait for their sibling
    for index, following in zip_longest(indices, indices[1:], fillvalue=-1):
        meeting = (index ^ following).bit_length() - 1 if following >= 0 else depth
        for level in range(meeting):
            if waiting and waiting[-1] == level:
                waiting.pop()
            else:
                yield level, index >> level ^ 1
        waiting.append(meeting)


def sibling_count(indices: Sequence[int], depth: int) -> int:
    """How many digests a multi-proof of these sorted, unique leaves has."""
    return depth + sum((p ^ q).bit_length() - 2 for p, q in pairwise(indices))


def _check_indices(indices: Sequence[int], leaves: int) -> None:
    if not len(indices):
        raise ValueError("merkle: no index to open")
    if any(a >= b for a, b in pairwise(indices)) or not 0 <= indices[0] <= indices[-1] < leaves:
        raise ValueError(f"merkle: indices not sorted, unique and below {leaves}")


def verify_multi(
    root: bytes,
    leaves: int,
    indices: Sequence[int],
    leaf_digests: Vector,
    siblings: Sequence[bytes],
    digest_bytes: int = DIGEST_BYTES,
) -> None:
    """Check that the leaves at `indices` of the tree under `root` have `leaf_digests`.

    Parameters
    ----------
    root : bytes
        `digest_bytes` of them.
    leaves : int
        Size of the tree, a power of two, from the options and never from the proof.
    indices : sorted, unique
        Which leaves; the verifier's own, so a bad list is a ValueError.
    leaf_digests : (len(indices), 4) uint64
        From `keccak.hash_rows`; cut here.
    siblings : sequence of bytes
        What `MerkleTree.open` gave.

    Raises
    ------
    ProofRejected
        `merkle-siblings` for a wrong number or length, `merkle-root` for another root.
    """
    _checked_size(digest_bytes)
    if leaves < 1 or leaves & (leaves - 1):
        raise ValueError(f"merkle: {leaves} leaves, want a power of two")
    _check_indices(indices, leaves)
    if leaf_digests.shape != (len(indices), 4):
        raise ValueError(f"merkle: digests {leaf_digests.shape} for {len(indices)} indices")
    if any(len(s) != digest_bytes for s in siblings):
        raise ProofRejected("merkle-siblings", f"a digest is not {digest_bytes} bytes")
    padded = b"".join(bytes(s).ljust(32, b"\0") for s in siblings)
    top = np.empty(4, np.uint64)
    used = _climb(
        np.array(indices, np.int64),
        leaf_digests,
        np.frombuffer(padded, np.uint64).reshape(-1, 4),
        leaves.bit_length() - 1,
        _last_word_mask(digest_bytes),
        top,
    )
    if used != len(siblings):
        raise ProofRejected("merkle-siblings", f"{len(siblings)} digests")
    if top.tobytes()[:digest_bytes] != bytes(root):
        raise ProofRejected("merkle-root", "the leaves do not lead to it")


# kernels


@kernel
def _parents(start, stop, below, mask, level):
    """Nodes start to stop, multiples of 8, from the level below."""
    state = np.empty(25 * LANES, np.uint64)
    children = state[4 * LANES :]
    flat = below.reshape(-1)
    node, zero = splat8(_NODE), splat8(np.uint64(0))
    first, last = splat8(FIRST_PAD), splat8(LAST_PAD)
    for i in range(start, stop, LANES):
        for w in range(4):
            store8(state, w * LANES, node)
        gather_groups(flat, i * 8, children, 8)
        for w in range(_PAD_AT, 25):
            store8(state, w * LANES, zero)
        store8(state, _PAD_AT * LANES, first)
        store8(state, (RATE - 1) * LANES, last)
        keccak_f(state)
        store_digests(level, i, state)
        for k in range(i, i + LANES):
            level[k, 3] &= mask


@kernel
def _parent(left, right, mask, state, out):
    """One node; `state` (25,) is scratch, `out` (4,) may be `left` or `right`."""
    state[:4] = _NODE
    state[4:8] = left
    state[8:12] = right
    state[_PAD_AT:] = np.uint64(0)
    state[_PAD_AT] = FIRST_PAD
    state[RATE - 1] = LAST_PAD
    keccak_f1(state)
    out[:] = state[:4]
    out[3] &= mask


@kernel
def _parents_few(below, mask, level):
    state = np.empty(25, np.uint64)
    for i in range(level.shape[0]):
        _parent(below[2 * i], below[2 * i + 1], mask, state, level[i])


@kernel
def _climb(indices, digests, siblings, depth, mask, top):
    """The root into `top` (4,). Returns how many siblings it took, or -1 if they ran out."""
    state = np.empty(25, np.uint64)
    stack = np.empty((depth + 1, 4), np.uint64)  # nodes that wait for their sibling
    levels = np.empty(depth + 1, np.int64)
    waiting, used = 0, 0
    for i in range(indices.size):
        index = indices[i]
        top[:] = digests[i]
        top[3] &= mask
        level = 0
        while level < depth:
            if i + 1 < indices.size and indices[i + 1] >> level == index >> level ^ 1:
                break
            if waiting and levels[waiting - 1] == level:
                waiting -= 1
                _parent(stack[waiting], top, mask, state, top)
            elif used == siblings.shape[0]:
                return -1
            else:
                if index >> level & 1:
                    _parent(siblings[used], top, mask, state, top)
                else:
                    _parent(top, siblings[used], mask, state, top)
                used += 1
            level += 1
        stack[waiting] = top
        levels[waiting] = level
        waiting += 1
    return used
