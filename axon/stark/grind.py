"""Proof of work before the queries: each bit doubles the cost of trying again.

A nonce is good for `bits` if keccak-256(seed || nonce as 8 bytes big-endian)
begins with that many zero bits. `grind` gives the least good nonce, so a proof
stays a function of its inputs.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

import threading

import numpy as np

from axon.stark.cpu import in_ranges, threads
from axon.stark.jit import kernel
from axon.stark.keccak import keccak256
from axon.stark.keccak_f import FIRST_PAD, LAST_PAD, RATE, bswap8, keccak_f, swap_bytes
from axon.stark.lanes import LANES, load8, splat8, store8

__all__ = ["grind", "hash_nonce", "leading_zero_bits"]

_WINDOW = 1 << 15  # nonces that one thread tries before it looks whether another found one
MAX_BITS = 40


def hash_nonce(seed: bytes, nonce: int) -> bytes:
    """keccak-256(seed || nonce), the 32 bytes whose leading zero bits count."""
    return keccak256(seed + nonce.to_bytes(8, "big"))


def leading_zero_bits(digest: bytes) -> int:
    """How many of its bits come before the first one."""
    return 8 * len(digest) - int.from_bytes(digest, "big").bit_length()


def grind(seed: bytes, bits: int) -> int:
    """The least nonce good for `bits` (at most 40) under a 32-byte seed."""
    if len(seed) != 32 or not 0 <= bits <= MAX_BITS:
        raise ValueError(f"grind: seed of {len(seed)} bytes, {bits} bits; want 32, at most {MAX_BITS}")
    words = np.frombuffer(seed, np.uint64)
    best: list[int] = []
    lock = threading.Lock()

    def search(first: int, last: int, start: int) -> None:
        found = int(_search(words, start + first, start + last, bits))
        if found >= 0:
            with lock:
                best.append(found)

    start, width = 0, _WINDOW * threads()
    while not best:
        in_ranges(search, width, start, pieces=1)
        start += width
        width = min(2 * width, 64 * _WINDOW)
    return min(best)


@kernel
def _search(seed, first, stop, bits):
    """The least good nonce from `first` to `stop`, multiples of 8, or -1."""
    state = np.empty(25 * LANES, np.uint64)
    nonces = np.empty(LANES, np.uint64)
    zero, pad, last = splat8(np.uint64(0)), splat8(FIRST_PAD), splat8(LAST_PAD)
    shift = np.uint64(64 - bits)
    for nonce in range(first, stop, LANES):
        for w in range(25):
            store8(state, w * LANES, zero)
        for w in range(4):
            store8(state, w * LANES, splat8(seed[w]))
        for lane in range(LANES):
            nonces[lane] = np.uint64(nonce + lane)
        store8(state, 4 * LANES, bswap8(load8(nonces, 0)))
        store8(state, 5 * LANES, pad)
        store8(state, (RATE - 1) * LANES, last)
        keccak_f(state)
        for lane in range(LANES):
            if bits == 0 or swap_bytes(state[lane]) >> shift == np.uint64(0):
                return nonce + lane
    return -1
