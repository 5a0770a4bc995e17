"""Sets of the pieces of one torrent, as the bits of big integers.

A set is one `int` with piece 0 in the highest bit, exactly the payload of a `bitfield` message
(BEP 3), so that what concerns all pieces is a few word-wise operations instead of a loop. Sets that
change by one piece at a time, a thousand times a second, are `Gathering`s: bits that are changed in
place, and made an integer only when one is asked for.
"""

from random import Random

__all__ = ["Gathering", "PieceSets"]


class PieceSets:
    """Conversions between piece indices, bitfields and integers, for one number of pieces."""

    __slots__ = ("_top", "all", "num_pieces", "size")

    def __init__(self, num_pieces: int) -> None:
        self.num_pieces = num_pieces
        self.size = (num_pieces + 7) // 8  # bytes of a bitfield
        self._top = 8 * self.size - 1
        self.all = ((1 << num_pieces) - 1) << (8 * self.size - num_pieces)

    def bit(self, index: int) -> int:
        """Return the set of one piece; IndexError if there is no such piece."""
        if not 0 <= index < self.num_pieces:
            raise IndexError(f"piece {index} of {self.num_pieces}")
        return 1 << (self._top - index)

    def index(self, position: int) -> int:
        """Return the piece whose bit is at `position`, counted from the lowest."""
        return self._top - position

    def first(self, pieces: int) -> int:
        """Return the lowest index in a set that is not empty."""
        return self._top + 1 - pieces.bit_length()

    def any(self, pieces: int, rng: Random) -> int:
        """Return a random index in a set that is not empty (the next one above a random place)."""
        start = rng.randrange(pieces.bit_length())
        above = pieces >> start
        return self._top - start - ((above & -above).bit_length() - 1)

    def parse(self, bitfield: bytes | memoryview) -> int:
        """Read a bitfield; ValueError if its length or a spare bit is wrong."""
        pieces = int.from_bytes(bitfield, "big")
        if len(bitfield) != self.size or pieces & ~self.all:
            raise ValueError(f"bitfield of {len(bitfield)} bytes does not fit {self.num_pieces} pieces")
        return pieces

    def to_bytes(self, pieces: int) -> bytes:
        """Write a bitfield."""
        return pieces.to_bytes(self.size, "big")

    def indices(self, pieces: int) -> list[int]:
        """List a set, lowest index first; costs a step a piece, so not for hot paths."""
        raw = self.to_bytes(pieces)
        return [8 * k + bit for k, byte in enumerate(raw) if byte for bit in range(8) if byte & 0x80 >> bit]


class Gathering:
    """A set that is told piece by piece; none of that costs a step for all pieces.

    Attributes
    ----------
    count : int
        Pieces in it.
    """

    __slots__ = ("_bits", "_pieces", "_sets", "_stale", "count")

    def __init__(self, sets: PieceSets, pieces: int = 0) -> None:
        self._sets = sets
        self._stale = False  # have the bits changed since they were an integer?
        self._bits: bytearray | None = None  # made for the first change
        self.replace(pieces)

    @property
    def pieces(self) -> int:
        """The set as an integer."""
        if self._stale and self._bits is not None:
            self._pieces = int.from_bytes(self._bits, "big")
            self._stale = False
        return self._pieces

    @property
    def full(self) -> bool:
        """Is every piece in it, and is there any?"""
        return self.count == self._sets.num_pieces > 0

    def replace(self, pieces: int) -> None:
        """Hold another set from now on."""
        self._pieces, self.count = pieces, pieces.bit_count()
        self._bits = None
        self._stale = False

    def __contains__(self, index: int) -> bool:
        return bool(self._changeable()[index >> 3] & 0x80 >> (index & 7))

    def add(self, index: int) -> bool:
        """Put a piece in; False if it was there."""
        bits, mask = self._changeable(), 0x80 >> (index & 7)
        if bits[index >> 3] & mask:
            return False
        bits[index >> 3] |= mask
        self.count += 1
        self._stale = True
        return True

    def discard(self, index: int) -> bool:
        """Take a piece out; False if it was not there."""
        bits, mask = self._changeable(), 0x80 >> (index & 7)
        if not bits[index >> 3] & mask:
            return False
        bits[index >> 3] ^= mask
        self.count -= 1
        self._stale = True
        return True

    def _changeable(self) -> bytearray:
        if self._bits is None:
            self._bits = bytearray(self._sets.to_bytes(self._pieces))
        return self._bits
