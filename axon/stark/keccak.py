"""Keccak-256 of bytes, of the rows of a matrix, and of pairs of digests.

Ethereum's keccak (padding 0x01, not SHA-3's 0x06). A digest here is 4 uint64
words whose memory is its 32 bytes. Rows are hashed LANES at a time: in a
column-major matrix, neighbouring rows lie side by side, so loading one column
of 8 rows is one instruction.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

import numpy as np

from axon.stark.arena import empty
from axon.stark.cpu import in_ranges
from axon.stark.field import Vector
from axon.stark.jit import kernel
from axon.stark.keccak_f import FIRST_PAD, LAST_PAD, RATE, bswap8, keccak_f, keccak_f1, swap_bytes
from axon.stark.lanes import (
    LANES,
    gather_groups,
    load8,
    load8c,
    prefetch8c,
    splat8,
    store8,
    store_digests,
    xor8,
)

__all__ = ["hash_leaves", "hash_rows", "keccak256"]

_AHEAD = 64  # rows: so many columns are too many streams for the hardware to run ahead of
_GRAIN = 512  # hashes below which a second thread does not pay


def keccak256(data: bytes) -> bytes:
    """The 32-byte digest of `data`."""
    blocks = len(data) // (8 * RATE) + 1
    padded = bytearray(blocks * 8 * RATE)
    padded[: len(data)] = data
    padded[len(data)] ^= 0x01
    padded[-1] ^= 0x80
    out = np.empty(4, np.uint64)
    _sponge(np.frombuffer(padded, np.uint64), out)
    return out.tobytes()


def hash_rows(rows: Vector) -> Vector:
    """Keccak-256 of each row's words as 8-byte big-endian: (rows, words) -> (rows, 4).

    Few rows, row-major, as a verifier has them.
    """
    rows = np.ascontiguousarray(rows)
    out = np.empty((len(rows), 4), np.uint64)
    in_ranges(_hash_few, len(rows), rows, out, align=1, grain=_GRAIN)
    return out


def hash_leaves(
    matrix: Vector, salt: Vector | None = None, group: int = 1, out: Vector | None = None
) -> Vector:
    """The leaf of every row, or of every `group` adjacent rows, of a column-major matrix.

    Parameters
    ----------
    matrix : (columns, positions) uint64
        Canonical. Leaf g holds positions g*group to (g+1)*group - 1, one whole position
        after the other, 8 bytes big-endian a word.
    salt : (words, positions / group) uint64 or None
        Appended to the leaf, big-endian too.
    group : int
        1, 2, 4, 8 or 16.
    out : (positions / group, 4) uint64 or None

    Returns
    -------
    (positions / group, 4) uint64
        Digests.
    """
    columns, positions = matrix.shape
    if group not in (1, 2, 4, 8, 16) or positions % group:
        raise ValueError(f"hash_leaves: {positions} positions in groups of {group}")
    leaves = positions // group
    salt = np.empty((0, leaves), np.uint64) if salt is None else salt
    out = empty((leaves, 4)) if out is None else out
    if salt.shape[1] != leaves or out.shape != (leaves, 4):
        raise ValueError(f"hash_leaves: salt {salt.shape}, out {out.shape}, want {leaves} leaves")
    if not (matrix.flags.c_contiguous and salt.flags.c_contiguous and out.flags.c_contiguous):
        raise ValueError("hash_leaves: want C-contiguous arrays")
    whole = leaves // 8 * 8
    in_ranges(_hash_columns, whole, matrix, salt, group, out, grain=_GRAIN)
    if whole < leaves:
        rest = matrix[:, whole * group :].T.reshape(leaves - whole, group * columns)
        out[whole:] = hash_rows(np.concatenate([rest, salt[:, whole:].T], axis=1))
    return out


# kernels


@kernel
def _sponge(words, out):
    """Absorb padded words, a multiple of RATE of them."""
    state = np.zeros(25, np.uint64)
    for at in range(0, words.size, RATE):
        for i in range(RATE):
            state[i] ^= words[at + i]
        keccak_f1(state)
    out[:] = state[:4]


@kernel
def hash_words(row, count, state, out):
    """One row of `count` words, big-endian, into out (4,); `state` (25,) is scratch."""
    state[:] = np.uint64(0)
    filled = 0
    for i in range(count):
        state[filled] ^= swap_bytes(row[i])
        filled += 1
        if filled == RATE:
            keccak_f1(state)
            filled = 0
    state[filled] ^= FIRST_PAD
    state[RATE - 1] ^= LAST_PAD
    keccak_f1(state)
    out[:] = state[:4]


@kernel
def _hash_few(start, stop, rows, out):
    state = np.empty(25, np.uint64)
    for i in range(start, stop):
        hash_words(rows[i], rows.shape[1], state, out[i])


@kernel
def _hash_columns(start, stop, matrix, salt, group, out):
    """Leaves start to stop, both multiples of 8; a leaf's words in order, group by group."""
    columns, salts = matrix.shape[0], salt.shape[0]
    state = np.empty(25 * LANES, np.uint64)
    zero, first, last = splat8(np.uint64(0)), splat8(FIRST_PAD), splat8(LAST_PAD)
    leaf = np.empty(columns * group * LANES, np.uint64)
    flat = matrix.reshape(-1)
    positions = matrix.shape[1]
    for i in range(start, stop, LANES):
        for c in range(columns if group > 1 else 0):
            start_of, words = c * positions + i * group, leaf[c * group * LANES :]
            if group == 2:
                gather_groups(flat, start_of, words, 2)
            elif group == 4:
                gather_groups(flat, start_of, words, 4)
            elif group == 8:
                gather_groups(flat, start_of, words, 8)
            else:
                gather_groups(flat, start_of, words, 16)
        at, total = 0, columns * group + salts
        while at <= total:  # a leaf that fills its last block is followed by one of padding only
            end = min(at + RATE, total)
            for w in range(at, end):
                if w >= columns * group:
                    v = load8c(salt, w - columns * group, i)
                elif group == 1:
                    v = load8c(matrix, w, i)
                    prefetch8c(matrix, w, i + _AHEAD)
                else:  # word j of column c lies at c * group + j
                    j, c = divmod(w, columns)
                    v = load8(leaf, (c * group + j) * LANES)
                v = bswap8(v)
                if at:
                    v = xor8(v, load8(state, (w - at) * LANES))
                store8(state, (w - at) * LANES, v)
            if not at:
                for w in range(end, 25):
                    store8(state, w * LANES, zero)
            if end - at < RATE:
                here = (end - at) * LANES
                store8(state, here, xor8(load8(state, here), first))
                store8(state, (RATE - 1) * LANES, xor8(load8(state, (RATE - 1) * LANES), last))
            keccak_f(state)
            at += RATE
        store_digests(out, i, state)
