"""Super-seeding: give the first copy away with as little upload as possible (BEP 16).

The seed shows itself to be empty and tells each peer of one piece at a time. It
tells a peer of the next one only after it has seen that piece at *another* peer:
so every piece leaves us about once, and a peer that does not share gets no more.
"""

from collections.abc import Callable, Hashable
from functools import partial
from typing import Generic, TypeVar

__all__ = ["SuperSeed"]

Key = TypeVar("Key", bound=Hashable)


class SuperSeed(Generic[Key]):
    """Which piece to tell whom of; send a `have` for each index returned.

    Parameters
    ----------
    num_pieces : int
    availability : callable
        How many peers have piece `index` (`Picker.availability`).
    """

    def __init__(self, num_pieces: int, availability: Callable[[int], int]) -> None:
        self._availability = availability
        self._unseen = dict.fromkeys(range(num_pieces))  # seen at no peer yet; in the order of telling
        self._told: dict[int, list[Key]] = {}  # piece -> who were told of it and are to spread it
        self._waiting: dict[Key, int] = {}  # peer -> the piece that it is to spread
        self._revealed: dict[Key, set[int]] = {}
        self._num_pieces = num_pieces

    @property
    def finished(self) -> bool:
        """Every piece was seen at some peer: go on as an ordinary seed."""
        return not self._unseen

    def may_request(self, key: Key, index: int) -> bool:
        """Tell whether a peer asks for a piece that it was told of; others are rejected."""
        return self.finished or index in self._revealed.get(key, ())

    def peer_joined(self, key: Key, has: Callable[[int], bool] = lambda index: False) -> int | None:
        """Return the first piece to tell a new peer of; `has` says what it has."""
        if key in self._revealed:
            raise ValueError(f"peer {key!r} joined twice")
        self._revealed[key] = set()
        return self._next(key, has)

    def peer_gone(self, key: Key) -> None:
        """Its piece may be told to somebody else."""
        index = self._waiting.pop(key, None)
        if index is not None:
            self._told[index].remove(key)
            if not self._told[index]:
                del self._told[index]
        self._revealed.pop(key, None)

    def peer_has(
        self, key: Key, index: int, has: Callable[[Key, int], bool] = lambda key, index: False
    ) -> list[tuple[Key, int]]:
        """A peer announced a piece; return who have earned the next one, and which.

        Those are the peers that were told of it, once another has it too.
        """
        self._unseen.pop(index, None)
        tellers = self._told.get(index, [])
        if not tellers or key in tellers:
            return []
        del self._told[index]
        earned = []
        for teller in tellers:
            del self._waiting[teller]
            piece = self._next(teller, partial(has, teller))
            if piece is not None:
                earned.append((teller, piece))
        return earned

    def _next(self, key: Key, has: Callable[[int], bool]) -> int | None:
        """A piece nobody was told of yet; else the rarest one that this peer has not."""
        fresh = (index for index in self._unseen if index not in self._told and not has(index))
        index = next(fresh, None)
        if index is None:
            known = self._revealed[key]
            rest = (i for i in range(self._num_pieces) if i not in known and not has(i))
            index = min(rest, key=self._availability, default=None)
            if index is None:
                return None
        self._told.setdefault(index, []).append(key)
        self._waiting[key] = index
        self._revealed[key].add(index)
        return index
