"""Which pieces of one torrent we have and which we want, before anybody is asked.

Sets of pieces are integers (`piece_sets.py`), one for each priority, so that
`picker.py`, which builds on this, finds its candidates without a loop over pieces.
"""

from collections.abc import Callable, Mapping

from axon.bt.piece_sets import Gathering, PieceSets

__all__ = ["WantList"]


class WantList:
    """Pieces verified, priorities, and how much is left.

    Parameters
    ----------
    num_pieces : int
    piece_size : callable
        Bytes of piece `index`.
    have : bytes
        Bitfield of what is on disk; empty for nothing.
    priorities : mapping
        Piece to 0 (unwanted) … 7 (first); pieces not named have 4.
    """

    DEFAULT_PRIORITY = 4

    def __init__(
        self, num_pieces: int, piece_size: Callable[[int], int], have: bytes, priorities: Mapping[int, int]
    ) -> None:
        self._sets = PieceSets(num_pieces)
        self._size = piece_size
        self._have = self._sets.parse(have) if have else 0
        self.num_have = self._have.bit_count()  # pieces verified
        self._levels = [0] * 8  # pieces of each priority
        self._levels[self.DEFAULT_PRIORITY] = self._sets.all
        self._wants = Gathering(self._sets, self._sets.all & ~self._have)
        self.left = sum(map(piece_size, self._sets.indices(self._missing)))  # bytes not had (BEP 3)
        self.wanted_left = self.left  # bytes wanted and not had
        for index, priority in priorities.items():
            self.set_priority(index, priority)

    @property
    def _missing(self) -> int:
        """What is wanted and not here, as a set."""
        return self._wants.pieces

    @property
    def complete(self) -> bool:
        """Everything that is wanted is here."""
        return not self._wants.count

    @property
    def is_seed(self) -> bool:
        """Every piece is here."""
        return self._have == self._sets.all

    def has(self, index: int) -> bool:
        """Tell whether a piece is verified."""
        return bool(self._have & self._sets.bit(index))

    def have_bytes(self) -> bytes:
        """Return our bitfield (BEP 3)."""
        return self._sets.to_bytes(self._have)

    def priority(self, index: int) -> int:
        """Return the priority of a piece, 0 to 7."""
        bit = self._sets.bit(index)
        return next(priority for priority, pieces in enumerate(self._levels) if pieces & bit)

    def set_priority(self, index: int, priority: int) -> None:
        """Change a priority; blocks that are on their way still count."""
        if not 0 <= priority <= 7:
            raise ValueError(f"priority {priority}, want 0 to 7")
        bit = self._sets.bit(index)
        for level in range(8):
            self._levels[level] &= ~bit
        self._levels[priority] |= bit
        if self._have & bit:
            return
        if self._wants.add(index) if priority else self._wants.discard(index):
            self.wanted_left += self._size(index) if priority else -self._size(index)

    def piece_verified(self, index: int) -> None:
        """A piece is on disk, and its hash was right."""
        bit = self._sets.bit(index)
        if not self._have & bit:
            self._have |= bit
            self.num_have += 1
            self.left -= self._size(index)
        if self._wants.discard(index):
            self.wanted_left -= self._size(index)

    def piece_lost(self, index: int) -> None:
        """A piece that we had is no longer on disk."""
        bit = self._sets.bit(index)
        if self._have & bit:
            self._have ^= bit
            self.num_have -= 1
            self.left += self._size(index)
            if not self._levels[0] & bit and self._wants.add(index):
                self.wanted_left += self._size(index)
