"""A byte stream into frames: how long each may be, and the buffer they arrive in.

The length prefix is judged with the id byte behind it, before anything is
buffered: a peer cannot make us wait for, or make room for, 4 GB. What a frame
says is `messages.py`'s affair.
"""

from axon.bt.messages import BLOCK_SIZE, MAX_HASHES, MessageId
from axon.errors import RemoteProtocolError

__all__ = ["MAX_EXTENDED", "MAX_FRAME", "MAX_PIECES", "ReadBuffer", "check_length", "check_prefix"]

MAX_PIECES = 1 << 24  # pieces believed of a torrent whose metadata we lack: a 2 MiB bitfield
MAX_EXTENDED = 128 * 1024  # bytes; ut_metadata needs 16 KiB and a little, the rest far less
MAX_FRAME = 1 + MAX_PIECES // 8  # bytes; no frame of any kind is longer

_EXACT = {
    MessageId.CHOKE: 1,
    MessageId.UNCHOKE: 1,
    MessageId.INTERESTED: 1,
    MessageId.NOT_INTERESTED: 1,
    MessageId.HAVE: 5,
    MessageId.REQUEST: 13,
    MessageId.CANCEL: 13,
    MessageId.PORT: 3,
    MessageId.SUGGEST: 5,
    MessageId.HAVE_ALL: 1,
    MessageId.HAVE_NONE: 1,
    MessageId.REJECT: 13,
    MessageId.ALLOWED_FAST: 5,
    MessageId.HASH_REQUEST: 49,
    MessageId.HASH_REJECT: 49,
}
_BOUNDS: dict[int, tuple[int, int]] = {
    **{kind: (size, size) for kind, size in _EXACT.items()},
    MessageId.PIECE: (10, 9 + BLOCK_SIZE),
    MessageId.EXTENDED: (2, 1 + MAX_EXTENDED),
    MessageId.HASHES: (49, 49 + 32 * (MAX_HASHES + 32)),
}


def check_prefix(length: int) -> None:
    """Refuse a length prefix that no message may have; its id has not arrived yet."""
    if length > MAX_FRAME:
        raise RemoteProtocolError(f"frame: length prefix {length}, want at most {MAX_FRAME}")


def check_length(kind: int, length: int, num_pieces: int | None) -> None:
    """Refuse a frame by its length prefix and id alone.

    Parameters
    ----------
    kind : int
        The id byte.
    length : int
        The prefix: id and payload, bytes.
    num_pieces : int or None
        Pieces in the torrent, if known: a bitfield has one bit for each.

    Raises
    ------
    RemoteProtocolError
        If the id is unknown or its frames are never that long.
    """
    if kind == MessageId.BITFIELD:
        if num_pieces is None:
            low, high = 1, MAX_FRAME
        else:
            low = high = 1 + (num_pieces + 7) // 8
    elif (bounds := _BOUNDS.get(kind)) is not None:
        low, high = bounds
    else:
        raise RemoteProtocolError(f"frame: id {kind} is none of BEP 3, 5, 6, 10 and 52")
    if not low <= length <= high:
        want = str(low) if low == high else f"{low} to {high}"
        raise RemoteProtocolError(f"{MessageId(kind).words}: a frame of {length} bytes, want {want}")


class ReadBuffer:
    """Where the socket's bytes land: reused, grown only for those who fill it.

    Bytes ``start`` to ``end`` of ``data`` are unparsed. A mute peer costs
    `small` bytes, a fast one `large`; one system call then brings many blocks.
    The bytearray is replaced, never resized, so that views of it stay legal.
    """

    __slots__ = ("_full", "_large", "_small", "_want", "data", "end", "start", "view")

    def __init__(self, small: int = 16 * 1024, large: int = 768 * 1024) -> None:
        self._small, self._large = small, large + BLOCK_SIZE
        self._want = 0  # bytes that the frame at `start` needs
        self._full = False  # did the last read fill the space given?
        self.start = self.end = 0
        self.data = bytearray(small)
        self.view = memoryview(self.data)

    def writable(self) -> memoryview:
        """Room for the next read, never empty; what was handed out before is overwritten."""
        left = self.end - self.start
        size = len(self.data)
        wanted = size
        if self._full and size < self._large:
            wanted = min(size * 4, self._large)
        if self._want > wanted:
            # Believe a long frame only as fast as its bytes arrive.
            wanted = min(self._want, max(2 * left, wanted))
        self._full = False
        if wanted != size:
            self._replace(wanted)
        elif self.start and (left == 0 or size - self.end < size // 2):
            if left:
                self.view[:left] = bytes(self.view[self.start : self.end])
            self.start, self.end = 0, left
        elif left == size:
            self._replace(2 * size)
        return self.view[self.end :]

    def wrote(self, n: int) -> None:
        """The first `n` bytes of the last `writable` now hold data."""
        room = len(self.data) - self.end
        if not 0 <= n <= room:
            raise ValueError(f"read buffer: {n} bytes into room for {room}")
        self._full = n == room
        self.end += n

    def need(self, frame: int) -> None:
        """The frame at `start` has so many bytes, prefix included."""
        self._want = frame

    def shrink(self) -> None:
        """Give memory back while nothing arrives."""
        if self.end - self.start < self._small // 2 and len(self.data) > self._small:
            self._want, self._full = 0, False
            self._replace(self._small)

    def _replace(self, size: int) -> None:
        left = self.end - self.start
        data = bytearray(size)
        data[:left] = self.view[self.start : self.end]
        self.data, self.view = data, memoryview(data)
        self.start, self.end = 0, left
