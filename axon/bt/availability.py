"""How many peers have each piece: sets of pieces by rarity, as the bits of big integers.

A set of pieces is one `int` with piece 0 in the highest bit, exactly the payload
of a `bitfield` message (BEP 3), so a whole peer is counted in or out with a few
word-wise operations a level instead of a loop over its pieces. `picker.py` asks
which of its candidates are rarest.
"""

from random import Random

__all__ = ["Availability", "PieceSets"]


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


class Availability:
    """Every piece at the level that says how many peers have it; seeds are counted apart."""

    __slots__ = ("_levels", "seeds")

    def __init__(self, sets: PieceSets) -> None:
        self._levels = [sets.all]
        self.seeds = 0

    def add(self, pieces: int) -> None:
        """Count a peer's pieces in."""
        levels = self._levels
        if pieces & levels[-1]:
            levels.append(0)
        for level in range(len(levels) - 2, -1, -1):
            moved = levels[level] & pieces
            if moved:
                levels[level] ^= moved
                levels[level + 1] |= moved
                pieces ^= moved
                if not pieces:
                    return

    def remove(self, pieces: int) -> None:
        """Count a peer's pieces out; they must have been counted in."""
        levels = self._levels
        for level in range(1, len(levels)):
            moved = levels[level] & pieces
            if moved:
                levels[level] ^= moved
                levels[level - 1] |= moved
                pieces ^= moved
        while len(levels) > 1 and not levels[-1]:
            levels.pop()

    def of(self, bit: int) -> int:
        """Return how many peers have the piece whose set is `bit`."""
        return self.seeds + next(level for level, pieces in enumerate(self._levels) if pieces & bit)

    def rarest(self, among: int) -> int:
        """Return the subset of `among` that the fewest peers have."""
        for pieces in self._levels:
            if rare := pieces & among:
                return rare
        return 0

    def copies(self, total: int) -> float:
        """Return the distributed copies: whole ones, and the fraction of pieces above that."""
        if not total:
            return 0.0
        level = next(level for level, pieces in enumerate(self._levels) if pieces)
        return self.seeds + level + 1 - self._levels[level].bit_count() / total
