"""The set of pieces that somebody has, as the bits of a `bitfield` message (BEP 3).

The first piece is the highest bit of the first byte; spare bits at the end are
zero. The set counts itself, because "is a seed" is asked on every message.
"""

from collections.abc import Iterable, Iterator
from typing import Self

from axon.errors import RemoteProtocolError

__all__ = ["Bitfield"]

_BITS = tuple(tuple(i for i in range(8) if byte & (0x80 >> i)) for byte in range(256))


class Bitfield:
    """A set of piece indices in ``range(size)``.

    Parameters
    ----------
    size : int
        Number of pieces in the torrent.
    pieces : iterable of int
        Those in the set at first.
    """

    __slots__ = ("_bits", "count", "size")

    def __init__(self, size: int, pieces: Iterable[int] = ()) -> None:
        if size < 0:
            raise ValueError(f"bitfield: {size} pieces")
        self.size = size
        self.count = 0
        self._bits = bytearray((size + 7) // 8)
        for index in pieces:
            self.add(index)

    @classmethod
    def full(cls, size: int) -> Self:
        """Every piece: a seed's."""
        self = cls(size)
        self._bits = bytearray(b"\xff" * len(self._bits))
        if size % 8:
            self._bits[-1] = 0xFF00 >> size % 8 & 0xFF
        self.count = size
        return self

    @classmethod
    def from_bytes(cls, size: int, bits: bytes | memoryview) -> Self:
        """Read the payload of a `bitfield` message.

        Raises
        ------
        RemoteProtocolError
            If the length is not that of `size` pieces, or a spare bit is set.
        """
        if len(bits) != (size + 7) // 8:
            raise RemoteProtocolError(
                f"bitfield: {len(bits)} bytes, want {(size + 7) // 8} for {size} pieces"
            )
        if size % 8 and bits[-1] & 0xFF >> size % 8:
            raise RemoteProtocolError(f"bitfield: spare bits set after piece {size - 1}")
        self = cls(size)
        self._bits[:] = bits
        self.count = int.from_bytes(bits, "big").bit_count()
        return self

    def to_bytes(self) -> bytes:
        """The payload of a `bitfield` message."""
        return bytes(self._bits)

    @property
    def is_full(self) -> bool:
        return self.count == self.size

    def add(self, index: int) -> bool:
        """Put a piece in; False if it was there. IndexError if there is no such piece."""
        if not 0 <= index < self.size:
            raise IndexError(f"piece {index} of {self.size}")
        bit = 0x80 >> (index & 7)
        if self._bits[index >> 3] & bit:
            return False
        self._bits[index >> 3] |= bit
        self.count += 1
        return True

    def discard(self, index: int) -> bool:
        """Take a piece out; False if it was not there."""
        if index not in self:
            return False
        self._bits[index >> 3] ^= 0x80 >> (index & 7)
        self.count -= 1
        return True

    def update(self, other: "Bitfield") -> "Bitfield":
        """Put all of another set of the same size in; the set of those that were not there."""
        old, new = int.from_bytes(self._bits, "big"), int.from_bytes(other._bits, "big")
        gained = Bitfield(self.size)
        gained._bits[:] = (new & ~old).to_bytes(len(self._bits), "big")
        gained.count = (new & ~old).bit_count()
        self._bits[:] = (new | old).to_bytes(len(self._bits), "big")
        self.count += gained.count
        return gained

    def offers(self, mine: "Bitfield") -> bool:
        """Is there a piece here that `mine` lacks?"""
        here = int.from_bytes(self._bits, "big")
        return here & ~int.from_bytes(mine._bits, "big") != 0

    def missing(self) -> Iterator[int]:
        """The pieces that are not in the set, in order."""
        last = len(self._bits) - 1
        for at, byte in enumerate(self._bits):
            if byte != 0xFF:
                for bit in _BITS[byte ^ 0xFF]:
                    if at < last or at * 8 + bit < self.size:
                        yield at * 8 + bit

    def copy(self) -> "Bitfield":
        twin = Bitfield(self.size)
        twin._bits[:] = self._bits
        twin.count = self.count
        return twin

    def __contains__(self, index: object) -> bool:
        return (
            isinstance(index, int)
            and 0 <= index < self.size
            and self._bits[index >> 3] & (0x80 >> (index & 7)) != 0
        )

    def __iter__(self) -> Iterator[int]:
        for at, byte in enumerate(self._bits):
            if byte:
                for bit in _BITS[byte]:
                    yield at * 8 + bit

    def __len__(self) -> int:
        return self.count

    def __bool__(self) -> bool:
        return self.count > 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Bitfield):
            return NotImplemented
        return self.size == other.size and self._bits == other._bits

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"Bitfield({self.count} of {self.size})"
