"""What the picker keeps about a piece that has been begun, and about a peer that is asked.

The two name each other: a piece knows who was asked for each of its blocks, a peer
which blocks it owes. `picker.py` keeps both sides in step.
"""

from collections.abc import Hashable
from typing import Generic, TypeVar

from axon.bt.messages import BLOCK_SIZE
from axon.bt.piece_sets import Gathering, PieceSets

__all__ = ["BLOCK_SHIFT", "OpenPiece", "PeerRequests"]

BLOCK_SHIFT = 14  # log2(BLOCK_SIZE)

Key = TypeVar("Key", bound=Hashable)


class PeerRequests(Generic[Key]):
    """What one peer has and was asked for."""

    __slots__ = ("asked", "current", "have", "key", "refused", "refused_until", "single", "suggested")

    def __init__(self, key: Key, sets: PieceSets) -> None:
        self.key = key
        self.have = Gathering(sets)
        self.asked: dict[int, float] = {}  # oldest first: block number -> when
        self.current: OpenPiece[Key] | None = None  # the piece that it has to itself
        self.refused = 0  # pieces it has rejected lately, not to be asked of it
        self.refused_until = 0.0
        self.suggested = 0  # BEP 6
        self.single: tuple[PeerRequests[Key], ...] = (self,)


class OpenPiece(Generic[Key]):
    """A piece that has been begun."""

    __slots__ = ("alone", "askers", "bit", "cursor", "free", "index", "missing", "owner", "size")

    def __init__(self, index: int, bit: int, size: int) -> None:
        self.index, self.bit, self.size = index, bit, size
        self.alone = False  # failed once: from one peer at a time, so that a poisoner shows
        self.reset()

    def reset(self) -> None:
        blocks = (self.size + BLOCK_SIZE - 1) >> BLOCK_SHIFT
        # For each block: None = here, () = free, else those who were asked.
        self.askers: list[tuple[PeerRequests[Key], ...] | None] = [()] * blocks
        self.free = self.missing = blocks
        self.cursor = 0  # no block below it is free
        self.owner: PeerRequests[Key] | None = None
