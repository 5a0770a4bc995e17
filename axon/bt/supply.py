"""Who has what of the pieces that we want: the peers' sets, and how rare each piece is.

The half of the picker that other peers' have-sets change (BEP 3, 6); `picker.py` builds on it and
decides what is asked of whom.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Generic, TypeVar

from axon.bt.availability import Availability
from axon.bt.open_piece import PeerRequests
from axon.bt.wantlist import WantList

__all__ = ["Supply"]

Key = TypeVar("Key", bound=Hashable)


class Supply(WantList, Generic[Key]):
    """The want list, and the peers that may have something of it; parameters as `WantList`."""

    def __init__(
        self, num_pieces: int, piece_size: Callable[[int], int], have: bytes, priorities: Mapping[int, int]
    ) -> None:
        super().__init__(num_pieces, piece_size, have, priorities)
        self._availability = Availability(self._sets)
        self._peers: dict[Key, PeerRequests[Key]] = {}

    def availability(self, index: int) -> int:
        """Return how many peers have a piece."""
        return self._availability.of(self._sets.bit(index))

    def copies(self) -> float:
        """Return the distributed copies among the peers (without ours)."""
        return self._availability.copies(self._sets.num_pieces)

    def peer_joined(self, key: Key) -> None:
        """A peer came; it has nothing yet. Web seeds are peers too."""
        if key in self._peers:
            raise ValueError(f"peer {key!r} joined twice")
        self._peers[key] = PeerRequests(key, self._sets)

    def peer_bitfield(self, key: Key, bitfield: bytes | memoryview) -> None:
        """A peer's whole set, instead of what was known; ValueError if it does not fit."""
        self._set_have(self._peers[key], self._sets.parse(bitfield))

    def peer_has_all(self, key: Key) -> None:
        """A seed (BEP 6)."""
        self._set_have(self._peers[key], self._sets.all)

    def peer_has(self, key: Key, index: int) -> bool:
        """One more piece; True if it is one that we miss. IndexError if there is no such piece."""
        if not 0 <= index < self._sets.num_pieces:
            raise IndexError(f"piece {index} of {self._sets.num_pieces}")
        peer = self._peers[key]
        if index not in peer.have:
            if peer.have.count + 1 == self._sets.num_pieces:
                self._set_have(peer, self._sets.all)  # a seed now
            else:
                peer.have.add(index)
                self._availability.add_one(index)
        return index in self._wants

    def interesting(self, key: Key) -> bool:
        """Tell whether a peer has anything that we want."""
        return bool(self._peers[key].have.pieces & self._missing)

    def suggested(self, key: Key, index: int) -> None:
        """A peer would like to be asked for a piece (BEP 6); a hint, tried before rarest first."""
        self._peers[key].suggested |= self._sets.bit(index)

    def outstanding(self, key: Key) -> int:
        """Return how many blocks a peer still owes."""
        return len(self._peers[key].asked)

    def overdue(self, now: float, after: float) -> list[Key]:
        """List peers whose oldest request is `after` seconds old; one step a peer."""
        return [
            key
            for key, peer in self._peers.items()
            if peer.asked and now - next(iter(peer.asked.values())) >= after
        ]

    def _set_have(self, peer: PeerRequests[Key], have: int) -> None:
        self._count_out(peer)
        peer.have.replace(have)
        if peer.have.full:
            self._availability.seeds += 1
        else:
            self._availability.add(have)

    def _count_out(self, peer: PeerRequests[Key]) -> None:
        if peer.have.full:
            self._availability.seeds -= 1
        else:
            self._availability.remove(peer.have.pieces)
        peer.have.replace(0)
