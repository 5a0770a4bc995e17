"""The two request queues of a connection: blocks that we asked for, blocks that the peer asked for.

Both are dictionaries in order of asking, keyed by block, so that an answer, a
cancel or a reject finds its request at once. Both are bounded: ours by what the
peer said it queues (BEP 10 `reqq`), the peer's by what we said.
"""

from itertools import islice

from axon.bt.messages import Request
from axon.errors import RemoteProtocolError

__all__ = ["Downloads", "Uploads"]

_MAX_LATE = 4096  # requests given up whose blocks may still arrive
_MAX_STRAY = 512  # blocks or rejects that nobody asked for before we hang up


class Downloads:
    """Our requests to one peer.

    `outstanding` maps (index, begin) to length, oldest first. A request that we
    cancelled, or that a choke killed, moves to `late`: its block may already be
    on the wire and is welcome, its reject is expected.
    """

    __slots__ = ("late", "outstanding", "strays")

    def __init__(self) -> None:
        self.outstanding: dict[tuple[int, int], int] = {}
        self.late: dict[tuple[int, int], int] = {}
        self.strays = 0

    def give_up(self, index: int, begin: int) -> Request | None:
        """Cancel one; None if it is not outstanding."""
        length = self.outstanding.pop((index, begin), None)
        if length is None:
            return None
        if len(self.late) >= _MAX_LATE:
            del self.late[next(iter(self.late))]
        self.late[index, begin] = length
        return Request(index, begin, length)

    def give_up_all(self) -> tuple[Request, ...]:
        """A choke without BEP 6: all is lost, though blocks may be on their way."""
        lost = tuple(Request(index, begin, n) for (index, begin), n in self.outstanding.items())
        for request in lost:
            self.give_up(request.index, request.begin)
        return lost

    def rejected(self, request: Request) -> bool:
        """Take a reject; True if it was for a request still wanted.

        Raises
        ------
        RemoteProtocolError
            If we never asked for it (BEP 6 says to hang up).
        """
        key = request.index, request.begin
        if self.late.get(key) == request.length:
            del self.late[key]
            return False
        if self.outstanding.get(key) == request.length:
            del self.outstanding[key]
            return True
        raise RemoteProtocolError(f"reject: {request} was never asked for")

    def unexpected(self, index: int, begin: int, length: int) -> bool:
        """Judge a block that is not outstanding as such; True if it is late but welcome.

        Raises
        ------
        RemoteProtocolError
            If it has another length than asked, or too many came unasked.
        """
        key = index, begin
        want = self.outstanding.get(key, self.late.get(key))
        if want is None:
            self.strays += 1
            if self.strays > _MAX_STRAY:
                raise RemoteProtocolError(
                    f"piece: {self.strays} blocks nobody asked for, the last {index}+{begin}"
                )
            return False
        if want != length:
            raise RemoteProtocolError(f"piece: {length} bytes for block {index}+{begin}, want {want}")
        self.late.pop(key, None)
        return True


class Uploads:
    """The peer's requests, not yet answered, in the order of asking."""

    __slots__ = ("_limit", "_refused", "queue")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._refused = 0
        self.queue: dict[tuple[int, int, int], None] = {}

    def add(self, index: int, begin: int, length: int) -> bool:
        """Queue one; False if the queue is full. The same block twice is queued once."""
        key = index, begin, length
        if len(self.queue) >= self._limit and key not in self.queue:
            return False
        self.queue[key] = None
        return True

    def refuse(self) -> None:
        """Count a request that we did not queue.

        Raises
        ------
        RemoteProtocolError
            If there were very many since the last one that we served.
        """
        self._refused += 1
        if self._refused > 8 * self._limit:
            raise RemoteProtocolError(f"request: {self._refused} in vain, want patience")

    def take(self, count: int) -> list[tuple[int, int, int]]:
        """The next requests to answer, as (index, begin, length); they leave the queue."""
        self._refused = 0
        if count >= len(self.queue):
            taken = list(self.queue)
            self.queue.clear()
            return taken
        taken = list(islice(self.queue, count))
        for key in taken:
            del self.queue[key]
        return taken
