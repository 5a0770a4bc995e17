"""Merkle trees of keccak digests: commit, open many leaves at once, check.

An inner node is keccak(0x01 || left || right), digests cut to `digest_bytes`
(26 to 32) bytes. A leaf's preimage is a multiple of 8 bytes and a node's an odd
number, so neither passes for the other. The tree is positional: an opening is
checked against the leaf's index and the tree's size, never its own length.

A multi-proof holds the digests that cannot be derived from the opened leaves,
bottom up, and left to right in a level: for given indices there is one such
list, and the check wants exactly it.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from collections.abc import Sequence
from itertools import pairwise

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
    load8,
    or8,
    shift_left8,
    shift_right8,
    splat8,
    store8,
    store_digests,
)

__all__ = ["DIGEST_BYTES", "MerkleTree", "verify_multi"]

DIGEST_BYTES = 32
_GRAIN = 512  # nodes below which a second thread does not pay
_TAG = np.uint64(1)  # first byte of an inner node's preimage


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
        if digest_bytes < 32:
            leaves[:, 3] &= _last_word_mask(digest_bytes)
        self.levels = [np.ascontiguousarray(leaves)]
        nodes = empty((count, 4))  # one buffer for all inner levels
        used = 0
        while len(self.levels[-1]) > 1:
            below = self.levels[-1]
            half = len(below) // 2
            level = nodes[used : used + half]
            used += half
            if half >= 8:
                in_ranges(_parents, half, below, digest_bytes, level, grain=_GRAIN)
            else:
                _parents_few(below, digest_bytes, level)
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
        known = np.array(indices, np.int64)
        proof: list[bytes] = []
        for level in self.levels[:-1]:
            siblings = np.setdiff1d(known ^ 1, known, assume_unique=True)
            proof += [level[i].tobytes()[: self.digest_bytes] for i in np.sort(siblings)]
            known = np.unique(known >> 1)
        return proof


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
    known = np.array(leaf_digests, np.uint64)
    known[:, 3] &= _last_word_mask(digest_bytes)
    used = _climb(
        np.array(indices, np.int64),
        known,
        np.frombuffer(padded, np.uint64).reshape(-1, 4),
        leaves,
        digest_bytes,
    )
    if used != len(siblings):
        raise ProofRejected("merkle-siblings", f"{len(siblings)} digests")
    if known[0].tobytes()[:digest_bytes] != bytes(root):
        raise ProofRejected("merkle-root", "the leaves do not lead to it")


# kernels


@kernel
def _parents(start, stop, below, digest_bytes, level):
    """Nodes start to stop, multiples of 8, from the level below.

    Left begins at byte 1 of the preimage and right at byte 1 + digest_bytes, so each
    word is shifted into two of the state's.
    """
    state = np.empty(25 * LANES, np.uint64)
    children = np.empty(8 * LANES, np.uint64)
    flat = below.reshape(-1)
    zero, last = splat8(np.uint64(0)), splat8(LAST_PAD)
    pad_at = (1 + 2 * digest_bytes) // 8
    pad = splat8(FIRST_PAD << np.uint64(8 * ((1 + 2 * digest_bytes) % 8)))
    mask = (np.uint64(1) << np.uint64(8 * (digest_bytes - 24) % 64)) - np.uint64(1)  # 32: all ones
    for i in range(start, stop, LANES):
        gather_groups(flat, i * 8, children, 8)
        for w in range(25):
            store8(state, w * LANES, zero)
        store8(state, 0, splat8(_TAG))
        for side in range(2):
            offset = 1 + side * digest_bytes
            at, bits = offset // 8, np.uint64(8 * (offset % 8))
            for w in range(4):
                v = load8(children, (4 * side + w) * LANES)
                here = (at + w) * LANES
                store8(state, here, or8(load8(state, here), shift_left8(v, bits)))
                if bits:
                    store8(state, here + LANES, shift_right8(v, np.uint64(64) - bits))
        store8(state, pad_at * LANES, or8(load8(state, pad_at * LANES), pad))
        store8(state, (RATE - 1) * LANES, last)
        keccak_f(state)
        store_digests(level, i, state)
        if digest_bytes < 32:
            for k in range(i, i + LANES):
                level[k, 3] &= mask


@kernel
def _parent(left, right, digest_bytes, state, out):
    """One node; `state` (25,) is scratch, `out` (4,) may be `left` or `right`."""
    state[:] = np.uint64(0)
    state[0] = _TAG
    for side in range(2):
        offset = 1 + side * digest_bytes
        at, bits = offset // 8, np.uint64(8 * (offset % 8))
        for w in range(4):
            v = right[w] if side else left[w]
            state[at + w] |= v << bits
            if bits:
                state[at + w + 1] = v >> (np.uint64(64) - bits)
    state[(1 + 2 * digest_bytes) // 8] |= FIRST_PAD << np.uint64(8 * ((1 + 2 * digest_bytes) % 8))
    state[RATE - 1] = LAST_PAD
    keccak_f1(state)
    out[:] = state[:4]
    if digest_bytes < 32:
        out[3] &= (np.uint64(1) << np.uint64(8 * (digest_bytes - 24))) - np.uint64(1)


@kernel
def _parents_few(below, digest_bytes, level):
    state = np.empty(25, np.uint64)
    for i in range(level.shape[0]):
        _parent(below[2 * i], below[2 * i + 1], digest_bytes, state, level[i])


@kernel
def _climb(indices, known, siblings, leaves, digest_bytes):
    """Hash up to known[0], the root; how many siblings it took, or -1 if they ran out."""
    state = np.empty(25, np.uint64)
    count, used = indices.size, 0
    while leaves > 1:
        kept = 0
        i = 0
        while i < count:
            index = indices[i]
            if index & 1 == 0 and i + 1 < count and indices[i + 1] == index + 1:
                _parent(known[i], known[i + 1], digest_bytes, state, known[kept])
                i += 1
            elif used == siblings.shape[0]:
                return -1
            elif index & 1:
                _parent(siblings[used], known[i], digest_bytes, state, known[kept])
                used += 1
            else:
                _parent(known[i], siblings[used], digest_bytes, state, known[kept])
                used += 1
            indices[kept] = index >> 1
            kept += 1
            i += 1
        count = kept
        leaves >>= 1
    return used
