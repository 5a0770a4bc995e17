"""Which blocks to ask of which peer.

Rarest first with random first pieces, strict priority for pieces already begun
(BitTorrent Economics, Cohen 2003), priorities 0-7, sequential mode, end-game.
A fast peer gets whole pieces to itself, so that a bad piece has one culprit, a
receipt one uploader and the disk long runs; slow peers share a piece.

Pure bookkeeping: `wantlist.py` says what is missing, `supply.py` who has it, `assembly.py`
holds the bytes. `pick` hands out runs of blocks, so the cost a block is a tuple and a dict
entry; sets of pieces are integers (`piece_sets.py`), so no call ever loops over
all pieces.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from random import Random
from typing import TypeVar

from axon.bt.messages import BLOCK_SIZE
from axon.bt.open_piece import BLOCK_SHIFT, OpenPiece, PeerRequests
from axon.bt.supply import Supply

__all__ = ["BLOCK_SIZE", "Picker"]

_RANDOM_FIRST = 4  # pieces taken at random, so as to have something to trade soon
_WHOLE_WINDOWS = 4  # a peer that brings a piece within so many windows has it to itself
_MAX_ASKERS = 3  # end-game: of how many peers at most one block is asked
_END_GAME_DEPTH = 16  # end-game: duplicates are asked only of peers with fewer requests than this
_REFUSED = 20.0  # seconds for which a peer is not asked again for a piece that it rejected
_NUMBER = 20  # a block's key in a peer's requests is piece << 20 | block

Key = TypeVar("Key", bound=Hashable)
Request = tuple[int, int, int]  # piece, byte offset, bytes


class Picker(Supply[Key]):
    """The state of one torrent's download.

    Parameters
    ----------
    num_pieces : int
    piece_size : callable
        Bytes of piece `index`; the last of a torrent (v1) or file (v2) may be short.
    have : bytes
        Bitfield of what is on disk; empty for nothing.
    priorities : mapping
        Piece to 0 (unwanted) … 7 (first); pieces not named have 4.
    seed : int
        Of the tie-breaking randomness; two peers of a swarm must not share one.
    max_open : int
        Pieces begun at a time: the memory budget over the piece length.
    sequential : bool
        Lowest index first instead of rarest.
    on_drop : callable
        Told the index of a begun piece that is given up to make room (its blocks are lost).
    """

    def __init__(
        self,
        num_pieces: int,
        piece_size: Callable[[int], int],
        have: bytes = b"",
        *,
        priorities: Mapping[int, int] | None = None,
        seed: int = 0,
        max_open: int = 64,
        sequential: bool = False,
        on_drop: Callable[[int], None] = lambda index: None,
    ) -> None:
        if max_open < 1:
            raise ValueError(f"max_open {max_open}, want at least 1")
        super().__init__(num_pieces, piece_size, have, priorities or {})
        self._rng = Random(seed)
        self.max_open = max_open
        self.sequential = sequential
        self._on_drop = on_drop
        self._open: dict[int, OpenPiece[Key]] = {}
        self._begun = 0  # the open pieces, as a set
        self._partial = 0  # those with free blocks
        self._owned = 0  # those that one peer has to itself

    @property
    def num_open(self) -> int:
        """Pieces begun and not verified yet."""
        return len(self._open)

    @property
    def end_game(self) -> bool:
        """No wanted block is left that nobody was asked for."""
        return bool(self._missing) and not (self._missing & ~self._begun or self._missing & self._partial)

    # Peers.

    def peer_gone(self, key: Key) -> None:
        """A peer left: its pieces no longer count, its requests are free again. Unknown peers are ignored."""
        peer = self._peers.get(key)
        if peer is not None:
            self._release(peer)
            self._count_out(peer)
            del self._peers[key]

    # Requests.

    def pick(
        self, key: Key, count: int, now: float, *, allowed: Iterable[int] | None = None
    ) -> list[Request]:
        """Choose up to `count` blocks to ask of a peer, and take them for asked.

        Parameters
        ----------
        count : int
            Room in the peer's pipeline. Its depth, this plus what is outstanding, is how fast the
            peer is thought to be.
        now : float
            Seconds, any monotonic clock.
        allowed : iterable of int
            While it chokes us, only these pieces (allowed fast, BEP 6).
        """
        peer = self._peers[key]
        if peer.refused and now >= peer.refused_until:
            peer.refused = 0
        usable = peer.have.pieces & self._missing & ~peer.refused
        if allowed is not None:
            usable &= sum(self._sets.bit(index) for index in set(allowed))
        chosen: list[Request] = []
        depth = count + len(peer.asked)
        while usable and len(chosen) < count:
            piece = self._next_piece(peer, usable, depth)
            if piece is None:
                if self.end_game and len(peer.asked) < _END_GAME_DEPTH:
                    self._duplicate(peer, usable, count - len(chosen), now, chosen)
                break
            self._take(piece, peer, count - len(chosen), now, chosen)
        return chosen

    def on_block(self, key: Key, index: int, begin: int) -> tuple[Key, ...] | None:
        """A block came, asked or late; the caller has checked its offset and length.

        Returns
        -------
        tuple or None
            The other peers that were asked for it and get a `cancel`; None if it is here already
            or its piece is not being downloaded (so it is not to be stored).
        """
        piece, peer = self._open.get(index), self._peers[key]
        block = begin >> BLOCK_SHIFT
        number = index << _NUMBER | block
        if piece is None or (askers := piece.askers[block]) is None:
            peer.asked.pop(number, None)
            return None
        piece.askers[block] = None
        piece.missing -= 1
        if askers is peer.single:
            del peer.asked[number]
            return ()
        for asker in askers:
            del asker.asked[number]
        if not askers:  # it was given up as late, and came all the same
            self._count_free(piece, -1)
        return tuple(asker.key for asker in askers if asker is not peer)

    def on_blocks(self, key: Key, index: int, begin: int, count: int) -> bool:
        """Blocks came, each behind the other, every one asked of this peer alone, as nearly all are.

        False, and nothing has changed, if that is not so: then each is a matter for `on_block`.
        """
        piece, peer = self._open.get(index), self._peers[key]
        first = begin >> BLOCK_SHIFT
        if piece is None or piece.askers[first : first + count].count(peer.single) != count:
            return False
        piece.askers[first : first + count] = [None] * count
        piece.missing -= count
        asked, first = peer.asked, index << _NUMBER | first
        for number in range(first, first + count):
            del asked[number]
        return True

    def block_rejected(self, key: Key, index: int, begin: int, now: float) -> None:
        """A peer will not send a block (BEP 6); its piece is not asked of it again for a while."""
        peer = self._peers[key]
        number = index << _NUMBER | begin >> BLOCK_SHIFT
        if number in peer.asked:
            peer.refused |= self._sets.bit(index)
            peer.refused_until = now + _REFUSED
            del peer.asked[number]
            self._requeue(peer, number)
            self._disown(peer)

    def peer_unchoked(self, key: Key) -> None:
        """Forget what it rejected before."""
        self._peers[key].refused = 0

    def release(self, key: Key) -> None:
        """Give all its requests to others: it choked us (without BEP 6), snubs us or timed out.

        Blocks that come late are still taken.
        """
        self._release(self._peers[key])

    # Pieces.

    def piece_verified(self, index: int) -> None:
        """A piece is on disk, and its hash was right."""
        self._close(index)
        super().piece_verified(index)

    def piece_failed(self, index: int) -> None:
        """A whole piece had the wrong hash, or could not be stored: all its blocks are wanted again."""
        piece = self._open[index]
        if piece.missing:
            raise ValueError(f"piece {index} still misses {piece.missing} blocks")
        if piece.owner is not None:
            self._disown(piece.owner)
        piece.reset()
        piece.alone = True
        self._partial |= piece.bit

    # Inside.

    def _next_piece(self, peer: PeerRequests[Key], usable: int, depth: int) -> OpenPiece[Key] | None:
        """The piece to take free blocks of: its own, one begun, a new one, or another's, in this order."""
        piece = peer.current
        if piece is not None and piece.free and piece.bit & usable:
            return piece
        self._disown(peer)
        begun, fresh = usable & self._partial & ~self._owned, usable & ~self._begun
        if fresh and not begun and len(self._open) >= self.max_open and not self._make_room():
            fresh = 0
        for priority in range(7, 0, -1):
            pieces = self._levels[priority]
            if candidates := begun & pieces:
                piece = self._open[self._sets.first(candidates)]
                break
            if len(self._open) < self.max_open and (candidates := fresh & pieces):
                piece = self._begin(self._choose(peer, candidates))
                break
        else:
            return self._another(usable)
        if piece.alone or _WHOLE_WINDOWS * depth >= len(piece.askers):
            piece.owner = peer
            peer.current = piece
            self._owned |= piece.bit
        return piece

    def _choose(self, peer: PeerRequests[Key], candidates: int) -> int:
        if self.sequential:
            return self._sets.first(candidates)
        if hinted := candidates & peer.suggested:
            candidates = hinted
        if self.num_have >= _RANDOM_FIRST:
            candidates = self._availability.rarest(candidates)
        return self._sets.any(candidates, self._rng)

    def _another(self, usable: int) -> OpenPiece[Key] | None:
        """Nothing else is left: help another peer with the piece that it has to itself."""
        while shared := usable & self._partial & self._owned:
            piece = self._open[self._sets.first(shared)]
            if not piece.alone:
                return piece
            usable ^= piece.bit
        return None

    def _begin(self, index: int) -> OpenPiece[Key]:
        piece: OpenPiece[Key] = OpenPiece(index, self._sets.bit(index), self._size(index))
        self._open[index] = piece
        self._begun |= piece.bit
        self._partial |= piece.bit
        return piece

    def _close(self, index: int) -> None:
        piece = self._open.pop(index, None)
        if piece is None:
            return
        for block, askers in enumerate(piece.askers):  # none, unless it came from elsewhere
            for asker in askers or ():
                del asker.asked[index << _NUMBER | block]
        self._begun &= ~piece.bit
        self._partial &= ~piece.bit
        self._owned &= ~piece.bit
        if piece.owner is not None:
            piece.owner.current = None

    def _make_room(self) -> bool:
        """Give up the least complete piece that nobody works on; else a few stuck pieces stop everything."""
        idle = [piece for piece in self._open.values() if piece.missing and piece.free == piece.missing]
        if not idle:
            return False
        worst = max(idle, key=lambda piece: (not piece.bit & self._missing, piece.missing))
        self._close(worst.index)
        self._on_drop(worst.index)
        return True

    def _take(
        self, piece: OpenPiece[Key], peer: PeerRequests[Key], limit: int, now: float, chosen: list[Request]
    ) -> None:
        """Ask a peer for the next free blocks of a piece."""
        askers, asked, single = piece.askers, peer.asked, peer.single
        index, first, blocks = piece.index, piece.index << _NUMBER, len(piece.askers)
        block, last, before = piece.cursor, blocks - 1, len(chosen)
        while limit and block < blocks:
            if askers[block] == ():
                askers[block] = single
                asked[first | block] = now
                chosen.append((index, block << BLOCK_SHIFT, BLOCK_SIZE))
                limit -= 1
                if block == last:
                    chosen[-1] = (index, block << BLOCK_SHIFT, piece.size - (block << BLOCK_SHIFT))
            block += 1
        piece.cursor = block
        self._count_free(piece, before - len(chosen))

    def _duplicate(
        self, peer: PeerRequests[Key], usable: int, limit: int, now: float, chosen: list[Request]
    ) -> None:
        """End-game: ask for blocks that others owe as well, those of the nearly complete pieces first."""
        limit = min(limit, _END_GAME_DEPTH - len(peer.asked))
        for piece in sorted(self._open.values(), key=lambda piece: piece.missing):
            if not piece.missing or not piece.bit & usable:
                continue
            for block, askers in enumerate(piece.askers):
                if limit <= 0:
                    return
                if askers and len(askers) < _MAX_ASKERS and peer not in askers:
                    piece.askers[block] = askers + peer.single
                    peer.asked[piece.index << _NUMBER | block] = now
                    begin = block << BLOCK_SHIFT
                    chosen.append((piece.index, begin, min(BLOCK_SIZE, piece.size - begin)))
                    limit -= 1

    def _release(self, peer: PeerRequests[Key]) -> None:
        numbers = list(peer.asked)
        peer.asked.clear()
        for number in numbers:
            self._requeue(peer, number)
        self._disown(peer)

    def _requeue(self, peer: PeerRequests[Key], number: int) -> None:
        piece, block = self._open[number >> _NUMBER], number & (1 << _NUMBER) - 1
        askers = tuple(asker for asker in piece.askers[block] or () if asker is not peer)
        piece.askers[block] = askers or ()
        if len(askers) == 1:
            piece.askers[block] = askers[0].single  # the very tuple that `on_block` compares with
        if not askers:
            piece.cursor = min(piece.cursor, block)
            self._count_free(piece, 1)

    def _count_free(self, piece: OpenPiece[Key], change: int) -> None:
        piece.free += change
        if piece.free:
            self._partial |= piece.bit
        else:
            self._partial &= ~piece.bit

    def _disown(self, peer: PeerRequests[Key]) -> None:
        if peer.current is not None:
            peer.current.owner = None
            self._owned &= ~peer.current.bit
            peer.current = None
