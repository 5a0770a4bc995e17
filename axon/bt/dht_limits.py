"""How much strangers may ask of our DHT node.

A source address can be forged, so each answer may be a blow at somebody else. Therefore: so
many queries a second for one host, so many bytes a second for all, and an answer to an address
that never answered us itself is at most `UNPROVEN` times its question.
"""

from axon.bt.host_rate import HostRate

__all__ = ["MAX_REPLY", "UNPROVEN", "Limits"]

UNPROVEN = 4  # times the question's size; eight IPv4 nodes and a token are 3.2 times
MAX_REPLY = 1200  # bytes; fits any path's MTU
_RATE, _BURST = 5.0, 30.0  # queries of a host: a second, at once
_PROVEN_COST = 0.1  # of such a query
_BYTES = 100_000.0  # bytes of answers a second, all hosts together


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
        self._hosts = HostRate(rate, burst)
        self._bytes_rate = bytes_per_second
        self._bytes, self._bytes_since = 2 * bytes_per_second, now

    def __len__(self) -> int:
        return len(self._hosts)

    def admits(self, host: bytes, now: float, *, proven: bool = False) -> bool:
        """Count a query; False if it is one too many.

        A proven one, which answered us itself at this address, may ask ten times as much.
        """
        return self._hosts.admits(host, now, _PROVEN_COST if proven else 1.0)

    def spend(self, size: int, now: float) -> bool:
        """Take `size` bytes of answers; False if there are none left this moment."""
        rate = self._bytes_rate
        self._bytes = min(2 * rate, self._bytes + (now - self._bytes_since) * rate)
        self._bytes_since = now
        if self._bytes < size:
            return False
        self._bytes -= size
        return True
