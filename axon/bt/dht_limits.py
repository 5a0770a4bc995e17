"""How much strangers may ask of our DHT node.

A source address can be forged, so each answer may be a blow at somebody else. Therefore: so
many queries a second for one host, so many bytes a second for all, and an answer to an address
that never answered us itself is at most `UNPROVEN` times its question.
"""

__all__ = ["MAX_REPLY", "UNPROVEN", "Limits"]

UNPROVEN = 4  # times the question's size; eight IPv4 nodes and a token are 3.2 times
MAX_REPLY = 1200  # bytes; fits any path's MTU
_RATE, _BURST = 5.0, 30.0  # queries of a host: a second, at once
_PROVEN_COST = 0.1  # of such a query
_BYTES = 100_000.0  # bytes of answers a second, all hosts together
_MAX_HOSTS = 4096


class Limits:
    """Counts queries by host, and bytes of all answers.

    Parameters
    ----------
    now : float
        Seconds.
    rate, burst : float
        Queries of one host a second, and at once.
    bytes_per_second : float
        Of all answers; twice as much at once.
    """

    def __init__(
        self, now: float, *, rate: float = _RATE, burst: float = _BURST, bytes_per_second: float = _BYTES
    ) -> None:
        self._rate, self._burst = rate, burst
        self._hosts: dict[bytes, tuple[float, float]] = {}  # credit, since; the latest to ask comes last
        self._bytes_rate = bytes_per_second
        self._bytes, self._bytes_since = 2 * bytes_per_second, now

    def __len__(self) -> int:
        return len(self._hosts)

    def admits(self, host: bytes, now: float, *, proven: bool = False) -> bool:
        """Count a query; False if it is one too many. An IPv6 host is its /64.

        A proven one, which answered us itself at this address, may ask ten times as much.
        """
        cost = _PROVEN_COST if proven else 1.0
        key = host if len(host) == 4 else host[:8]
        credit, since = self._hosts.pop(key, (self._burst, now))
        credit = min(self._burst, credit + (now - since) * self._rate)
        if len(self._hosts) >= _MAX_HOSTS:
            del self._hosts[next(iter(self._hosts))]
        admitted = credit >= cost
        self._hosts[key] = (credit - cost if admitted else credit, now)
        return admitted

    def spend(self, size: int, now: float) -> bool:
        """Take `size` bytes of answers; False if there are none left this moment."""
        rate = self._bytes_rate
        self._bytes = min(2 * rate, self._bytes + (now - self._bytes_since) * rate)
        self._bytes_since = now
        if self._bytes < size:
            return False
        self._bytes -= size
        return True
