"""Whole pieces on their way to the disk: which of them go together.

Where pieces are hashed side by side (`axon.bt.sha_lanes`: sixteen in the time of four, four in that of two),
one waits a moment for others in a fast download; in a slow one, where nobody comes, it does not.
Elsewhere small pieces share a hop into the thread, and none waits.
"""

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from axon.bt.assembly import PieceBuffer
from axon.bt.sha_lanes import LANES

__all__ = ["MOST", "PATIENCE", "Batch"]

PATIENCE = 0.016  # seconds that a whole piece waits for others, at most
MOST = 16 << 20  # bytes in one batch
_HOP = 1 << 20  # bytes in one batch, if hashing them together gains nothing
_SOON = 3  # pieces that came within `PATIENCE`: others will, and three cost what two do one by one
_FEW = 5  # pieces; the news of fewer may wait

Key = TypeVar("Key", bound=Hashable)


class Batch(Generic[Key]):
    """What is whole and not handed over yet.

    Parameters
    ----------
    lanes : bool
        Are many pieces hashed faster than each by itself?

    Attributes
    ----------
    size : int
        Bytes.
    since : float
        When the first of the pieces came.
    hurried : bool
        A sender waits for receipts.
    """

    def __init__(self, *, lanes: bool) -> None:
        self._lanes = lanes
        self._most = MOST if lanes else _HOP
        self.pieces: list[PieceBuffer[Key]] = []
        self.size = 0
        self.since = 0.0
        self.hurried = False
        self._came: deque[float] = deque(maxlen=_SOON)  # when the last few pieces did

    def add(self, piece: PieceBuffer[Key], now: float, most: int = MOST) -> bool:
        """One more; True if no other should join. `most`: bytes after which its sender waits for receipts."""
        if not self.pieces:
            self.since, self.hurried = now, False
        self.pieces.append(piece)
        self.size += len(piece.view)
        self.hurried |= self.size >= most
        self._came.append(now)
        return len(self.pieces) >= LANES or self.size >= self._most or self.hurried

    @property
    def relaxed(self) -> bool:
        """Is it so small that the news of it may wait for that of others, and does nobody wait?"""
        return len(self.pieces) < _FEW and not self.hurried

    def waits(self, now: float) -> bool:
        """Do others come so soon that waiting for them pays?"""
        return self._lanes and len(self._came) == _SOON and now - self._came[0] <= PATIENCE

    def take(self) -> list[PieceBuffer[Key]]:
        """Hand over what is here."""
        pieces, self.pieces, self.size = self.pieces, [], 0
        return pieces
