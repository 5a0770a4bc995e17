"""How many blocks to keep requested from one peer: slow start, then rate times delay (pure).

The window doubles for every window that arrives, as TCP's does, until the rate
no longer grows; from then on it is what the peer delivers in one second, or in
two round trips if those take longer. A peer that snubs us starts again.
"""

__all__ = ["Rate", "Window"]

_FIRST = 16  # blocks: 256 KiB, so that the first seconds are not wasted on long routes
_LEAST = 4
_MOST = 1024  # blocks: 16 MiB, 160 MB/s over 100 ms
_HORIZON = 1.0  # seconds of its rate that a peer is asked for
_GROWTH = 1.1  # slow start goes on while the rate grows so much between two looks
_BLOCK = 16 * 1024


class Rate:
    """Bytes a second, smoothed over about `span` seconds; `look` regularly."""

    __slots__ = ("_seen", "_span", "_stamp", "value")

    def __init__(self, now: float, span: float = 5.0) -> None:
        self.value = 0.0
        self._seen = 0
        self._span = span
        self._stamp = now

    def look(self, total: int, now: float) -> None:
        """`total` bytes have been counted until `now`."""
        passed = now - self._stamp
        if passed <= 0:
            return
        weight = 1.0 if passed >= self._span else passed / self._span
        self.value += weight * ((total - self._seen) / passed - self.value)
        self._seen, self._stamp = total, now


class Window:
    """The request window of one peer, in blocks."""

    __slots__ = ("_best", "limit", "size", "starting")

    def __init__(self) -> None:
        self.size = _FIRST
        self.limit = _MOST  # the peer's queue (BEP 10 `reqq`)
        self.starting = True
        self._best = 0.0

    def arrived(self, blocks: int) -> None:
        """So many blocks came; in slow start each makes room for one more."""
        if self.starting:
            self.size = min(self.size + blocks, self.limit, _MOST)

    def look(self, rate: float, round_trip: float) -> None:
        """Every half second: the rate since the last look in bytes/s, and the round trip in seconds."""
        if self.starting:
            if rate > self._best * _GROWTH:
                self._best = rate
                return
            if not rate:
                return
            self.starting = False
        wanted = rate * max(_HORIZON, 2 * round_trip) / _BLOCK
        # Shrink slowly: one look without data is no proof that the peer became slow.
        self.size = int(max(_LEAST, wanted, 0.75 * self.size))
        self.size = min(self.size, self.limit, _MOST)

    def snubbed(self) -> None:
        """The peer let our requests wait: ask for little, and find out anew."""
        self.size, self.starting, self._best = _LEAST, True, 0.0
