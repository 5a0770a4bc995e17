"""UDP connection ids without state: a keyed hash of the address (BEP 15).

The key lives for one window. An id is good in the window it was made in and in the next, so it
lasts between one and two windows; clients reuse ids for minutes beyond BEP 15's one. Only who receives at an
address can know its id. SipHash-2-4; `udp_kernel.py` computes the same.
"""

import os
import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Final

__all__ = ["ConnectionIds", "siphash"]

_MASK: Final = (1 << 64) - 1


class ConnectionIds:
    """Makes and checks connection ids.

    Parameters
    ----------
    window : float
        Seconds.
    random : callable
        Returns that many secret bytes.
    """

    def __init__(self, window: float, random: Callable[[int], bytes] = os.urandom) -> None:
        self._window = window
        self._random = random
        self._number: int | None = None
        self.current = self.previous = random(16)

    def advance(self, now: float) -> bool:
        """Draw new keys if a window has passed; True if they changed. `now` in seconds, any origin."""
        number = int(now // self._window)
        if number == self._number:
            return False
        follows = self._number is not None and number == self._number + 1
        # After a longer pause the old key has had its time too.
        self.previous = self.current if follows else self._random(16)
        self.current = self._random(16)
        self._number = number
        return True

    def make(self, address: bytes) -> int:
        """Return the id of a 4- or 16-byte address."""
        return siphash(self.current, address.ljust(16, b"\0"))

    def good(self, address: bytes, connection_id: int) -> bool:
        """Tell whether an id was made for this address, in this window or the one before."""
        padded = address.ljust(16, b"\0")
        return connection_id in (siphash(self.current, padded), siphash(self.previous, padded))


@lru_cache(maxsize=1 << 16)
def siphash(key: bytes, message: bytes) -> int:
    """SipHash-2-4 of exactly 16 bytes (Aumasson and Bernstein, 2012)."""
    k0, k1, m0, m1 = struct.unpack("<QQQQ", key + message)
    v0, v1 = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D
    v2, v3 = k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573
    for word in (m0, m1, 16 << 56):
        v3 ^= word
        v0, v1, v2, v3 = _round(*_round(v0, v1, v2, v3))
        v0 ^= word
    v2 ^= 0xFF
    for _ in range(4):
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    return int(v0 ^ v1 ^ v2 ^ v3)


def _round(v0: int, v1: int, v2: int, v3: int) -> tuple[int, int, int, int]:
    v0 = (v0 + v1) & _MASK
    v1 = _rotate(v1, 13) ^ v0
    v0 = _rotate(v0, 32)
    v2 = (v2 + v3) & _MASK
    v3 = _rotate(v3, 16) ^ v2
    v0 = (v0 + v3) & _MASK
    v3 = _rotate(v3, 21) ^ v0
    v2 = (v2 + v1) & _MASK
    v1 = _rotate(v1, 17) ^ v2
    return v0, v1, _rotate(v2, 32), v3


def _rotate(x: int, by: int) -> int:
    return (x << by | x >> (64 - by)) & _MASK
