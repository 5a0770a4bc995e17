"""Rate limits: token buckets that may go into debt, chained from torrent to process (pure).

A transfer is never cut to fit: it is spent whole, and the next one waits until
the debt is paid. Over any window the average is the limit, plus one burst.
"""

import math

__all__ = ["Bucket", "Limits"]

_BURST = 0.25  # seconds of the rate that may be saved up while idle
_MIN_CHUNK = 16 * 1024  # bytes; smaller reads cost more than they smooth


class Bucket:
    """A budget of bytes that refills at `rate` bytes/s; None is no limit."""

    __slots__ = ("_level", "_rate", "_stamp", "spent")

    def __init__(self, rate: float | None = None) -> None:
        if rate is not None and rate <= 0:
            raise ValueError(f"rate limit: {rate} bytes/s, want more than 0")
        self._rate = rate
        self._level = 0.0 if rate is None else rate * _BURST
        self._stamp = -math.inf
        self.spent = 0  # bytes, ever

    @property
    def rate(self) -> float | None:
        """Bytes a second, or None."""
        return self._rate

    def spend(self, count: int, now: float) -> None:
        """Take `count` bytes, into debt if need be."""
        self.spent += count
        if self._rate is not None:
            self._refill(now)
            self._level -= count

    def wait(self, now: float) -> float:
        """Return the seconds until the debt is paid; 0 if there is none."""
        if self._rate is None:
            return 0.0
        self._refill(now)
        return 0.0 if self._level >= 0 else -self._level / self._rate

    def _refill(self, now: float) -> None:
        assert self._rate is not None
        if now > self._stamp:
            if self._stamp > -math.inf:
                full = self._rate * _BURST
                self._level = min(full, self._level + (now - self._stamp) * self._rate)
            self._stamp = now


class Limits:
    """The buckets that one direction of one torrent draws from (its own and the process's)."""

    __slots__ = ("_buckets", "chunk", "limited")

    def __init__(self, *buckets: Bucket) -> None:
        self._buckets = buckets
        rates = [bucket.rate for bucket in buckets if bucket.rate is not None]
        self.limited = bool(rates)
        # No more at once than a twentieth of a second of it, so that a low limit stays smooth.
        self.chunk = max(_MIN_CHUNK, int(min(rates) / 20)) if rates else 1 << 30

    def spend(self, count: int, now: float) -> None:
        """Take `count` bytes from every bucket."""
        for bucket in self._buckets:
            bucket.spend(count, now)

    def wait(self, now: float) -> float:
        """Return the seconds until no bucket is in debt."""
        return max(bucket.wait(now) for bucket in self._buckets) if self.limited else 0.0
