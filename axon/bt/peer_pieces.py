"""What a peer says that it has, also while nobody knows yet how many pieces there are.

With a magnet link the peers' bitfields arrive before the metadata: they are
kept as they came, within bounds, and judged when the number of pieces is known.
"""

from axon.bt.bitfield import Bitfield
from axon.bt.framing import MAX_PIECES
from axon.errors import RemoteProtocolError

__all__ = ["PeerPieces"]

_MAX_EARLY = 1 << 16  # pieces gained or lost before the number of pieces is known


class PeerPieces:
    """A peer's have-set.

    Attributes
    ----------
    num_pieces : int or None
        None until `set_num_pieces`.
    have : Bitfield or None
        None as long.
    """

    __slots__ = ("_early", "_early_changes", "have", "num_pieces")

    def __init__(self) -> None:
        self.num_pieces: int | None = None
        self.have: Bitfield | None = None
        self._early: bytes | bool | None = None  # a bitfield; or all (True) or none (False)
        self._early_changes: dict[int, bool] = {}  # piece -> had in the end

    def check(self, what: str, index: int) -> None:
        """Refuse a piece that does not exist, or cannot."""
        most = MAX_PIECES if self.num_pieces is None else self.num_pieces
        if index >= most:
            raise RemoteProtocolError(f"{what}: piece {index}, want less than {most}")

    def add(self, index: int) -> bool:
        """Take a `have`; True if it tells something new of a torrent whose size is known."""
        self.check("have", index)
        if self.have is not None:
            return self.have.add(index)
        self._note("have", index, True)
        return False

    def discard(self, index: int) -> bool:
        """Take a `lt_donthave` (BEP 54); True if the piece was there."""
        self.check("lt_donthave", index)
        if self.have is not None:
            return self.have.discard(index)
        self._note("lt_donthave", index, False)
        return False

    def tell(self, whole: memoryview | bool) -> None:
        """Take a bitfield, or have-all (True) or have-none (False)."""
        if self.num_pieces is None:
            self._early = whole if isinstance(whole, bool) else bytes(whole)
        else:
            self.have = self._read(whole, self.num_pieces)

    def update(self, whole: memoryview | bool) -> Bitfield:
        """Take a bitfield or have-all (True) that came late; the set of the pieces new in it.

        Those missing from it are not lost.

        Raises
        ------
        RemoteProtocolError
            If its size is not that of the torrent, or of the bitfield before.
        """
        if self.have is not None:
            return self.have.update(self._read(whole, self.have.size))
        if isinstance(whole, bool):
            self._early, self._early_changes = True, {}
        elif isinstance(self._early, bytes):
            if len(whole) != len(self._early):
                raise RemoteProtocolError(f"bitfield: {len(whole)} bytes, want {len(self._early)} as before")
            both = int.from_bytes(self._early, "big") | int.from_bytes(whole, "big")
            self._early = both.to_bytes(len(whole), "big")
        elif self._early is not True:
            self._early = bytes(whole)
        return Bitfield(0)

    def set_num_pieces(self, num_pieces: int) -> None:
        """Judge what was told before.

        Raises
        ------
        RemoteProtocolError
            If it does not fit the torrent.
        """
        self.num_pieces = num_pieces
        self.have = self._read(self._early or False, num_pieces)
        for index, had in self._early_changes.items():
            self.check("have", index)
            (self.have.add if had else self.have.discard)(index)
        self._early, self._early_changes = None, {}

    @property
    def is_seed(self) -> bool:
        """Has the peer everything? Known without metadata too, if it said so."""
        if self.have is not None:
            return self.have.is_full
        return self._early is True and False not in self._early_changes.values()

    def _note(self, what: str, index: int, had: bool) -> None:
        if len(self._early_changes) >= _MAX_EARLY:
            raise RemoteProtocolError(f"{what}: more than {_MAX_EARLY} before the metadata")
        self._early_changes[index] = had

    @staticmethod
    def _read(whole: bytes | memoryview | bool, num_pieces: int) -> Bitfield:
        if isinstance(whole, bool):
            return Bitfield.full(num_pieces) if whole else Bitfield(num_pieces)
        return Bitfield.from_bytes(num_pieces, whole)
