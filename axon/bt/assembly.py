"""Blocks into pieces: pooled buffers, who sent which block, and who to ban for it.

A block is copied once, into the buffer of its piece. A whole piece is hashed
from that buffer, before any disk sees it, so a wrong hash is always some
sender's fault and never our own disk's. Smart ban: of a failed piece the
digest of every block is kept; once the piece verifies, those whose block
differed are known, and only those. `picker.py` decides what is asked of whom.
"""

from collections.abc import Callable, Hashable, Sequence
from hashlib import blake2b
from typing import Generic, TypeVar

from axon.bt.messages import BLOCK_SIZE
from axon.bt.open_piece import BLOCK_SHIFT

__all__ = ["Assembly", "PieceBuffer"]

_MAX_SUSPECT_BLOCKS = 1 << 17  # digests kept of failed pieces, 2 GiB worth; the oldest go first

Key = TypeVar("Key", bound=Hashable)


class PieceBuffer(Generic[Key]):
    """The bytes of one piece and their senders; valid until `Assembly.release`."""

    __slots__ = ("_buffer", "index", "missing", "senders", "view")

    def __init__(self, index: int, size: int, buffer: bytearray) -> None:
        self.index = index
        self._buffer = buffer
        self.view = memoryview(buffer)[:size]
        self.missing = (size + BLOCK_SIZE - 1) >> BLOCK_SHIFT
        self.senders: list[Key | None] = [None] * self.missing

    def contributors(self) -> dict[Key, frozenset[int]]:
        """Return the blocks that each peer sent."""
        blocks: dict[Key, list[int]] = {}
        for block, sender in enumerate(self.senders):
            if sender is not None:
                blocks.setdefault(sender, []).append(block)
        return {sender: frozenset(numbers) for sender, numbers in blocks.items()}

    def block(self, number: int) -> memoryview:
        """Return the bytes of one block."""
        return self.view[number << BLOCK_SHIFT : (number + 1) << BLOCK_SHIFT]


class Assembly(Generic[Key]):
    """The pieces that are being put together.

    Parameters
    ----------
    piece_size : callable
        Bytes of piece `index`.
    piece_length : int
        The largest of them.
    budget : int
        Bytes of buffers at most, but always two pieces.
    """

    def __init__(self, piece_size: Callable[[int], int], piece_length: int, budget: int = 64 << 20) -> None:
        self._size = piece_size
        self._length = piece_length
        self.max_pieces = max(2, budget // piece_length)  # the `max_open` of the picker
        self._free: list[bytearray] = []
        self._pieces: dict[int, PieceBuffer[Key]] = {}
        self._in_use = 0
        # piece -> who sent block, and its digest, of every failed attempt; oldest piece first
        self._suspects: dict[int, list[tuple[Key, int, bytes]]] = {}
        self._num_suspects = 0

    @property
    def buffered(self) -> int:
        """Bytes of buffers, used and pooled."""
        return (self._in_use + len(self._free)) * self._length

    def add(
        self, peer: Key, index: int, begin: int, blocks: Sequence[memoryview | bytes]
    ) -> PieceBuffer[Key] | None:
        """Copy blocks in that follow each other; return the piece if it is whole now.

        The picker has said that they are wanted (`Picker.on_block`); a second copy of a block
        is ignored. A piece that is returned belongs to the caller until `release`.

        Raises
        ------
        ValueError
            If offset and lengths are not those of blocks of this piece.
        """
        piece = self._pieces.get(index)
        if piece is None:
            piece = self._begin(index)
        view, senders, number = piece.view, piece.senders, begin >> BLOCK_SHIFT
        size = len(view)
        for data in blocks:
            end = begin + len(data)
            if begin & (BLOCK_SIZE - 1) or not (begin < end == size or end == begin + BLOCK_SIZE < size):
                raise ValueError(f"piece {index}: block of {len(data)} bytes at {begin}")
            if senders[number] is None:
                view[begin:end] = data
                senders[number] = peer
                piece.missing -= 1
            begin, number = end, number + 1
        if piece.missing:
            return None
        return self._pieces.pop(index)

    def verified(self, piece: PieceBuffer[Key]) -> set[Key]:
        """The piece's hash was right: return those who sent a wrong block in an earlier attempt."""
        suspects = self._forget(piece.index)
        return {peer for peer, block, digest in suspects if digest != _digest(piece.block(block))}

    def failed(self, piece: PieceBuffer[Key]) -> set[Key]:
        """The piece's hash was wrong: return the culprit, if it came from one peer alone.

        Otherwise remember what everybody sent until the piece verifies.
        """
        senders = piece.contributors()
        if len(senders) == 1:
            return set(senders)
        self._num_suspects += len(piece.senders)
        self._suspects.setdefault(piece.index, []).extend(
            (sender, block, _digest(piece.block(block)))
            for sender, blocks in senders.items()
            for block in blocks
        )
        while self._num_suspects > _MAX_SUSPECT_BLOCKS and len(self._suspects) > 1:
            self._forget(next(iter(self._suspects)))
        return set()

    def release(self, piece: PieceBuffer[Key]) -> None:
        """Take a returned piece's buffer back; nobody reads or writes it any more."""
        piece.view.release()
        self._in_use -= 1
        if len(self._free) < self.max_pieces:
            self._free.append(piece._buffer)

    def drop(self, index: int) -> None:
        """Give up a piece that is not whole (the picker's `on_drop`)."""
        piece = self._pieces.pop(index, None)
        if piece is not None:
            self.release(piece)

    def trim(self) -> None:
        """Give the pooled buffers back to the system, when nothing is being downloaded."""
        self._free.clear()

    def _begin(self, index: int) -> PieceBuffer[Key]:
        buffer = self._free.pop() if self._free else bytearray(self._length)
        self._in_use += 1
        piece: PieceBuffer[Key] = PieceBuffer(index, self._size(index), buffer)
        self._pieces[index] = piece
        return piece

    def _forget(self, index: int) -> list[tuple[Key, int, bytes]]:
        suspects = self._suspects.pop(index, [])
        self._num_suspects -= len(suspects)
        return suspects


def _digest(block: memoryview) -> bytes:
    return blake2b(block, digest_size=16).digest()
