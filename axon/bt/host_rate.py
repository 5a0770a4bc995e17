"""How often one host may do something: a bucket of credit for each that was heard of lately (pure)."""

__all__ = ["HostRate"]

_MAX_HOSTS = 4096


class HostRate:
    """Credit by host. An IPv6 host is its /64, for whoever has one address there has them all.

    Parameters
    ----------
    rate, burst : float
        Credit a second, and at most.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._hosts: dict[bytes, tuple[float, float]] = {}  # credit, since; the latest to ask comes last

    def __len__(self) -> int:
        return len(self._hosts)

    def admits(self, host: bytes, now: float, cost: float = 1.0) -> bool:
        """Take `cost` from a host's credit; False if it has less. `host` is a packed address."""
        key = host if len(host) == 4 else host[:8]
        credit, since = self._hosts.pop(key, (self._burst, now))
        credit = min(self._burst, credit + (now - since) * self._rate)
        if len(self._hosts) >= _MAX_HOSTS:
            del self._hosts[next(iter(self._hosts))]
        admitted = credit >= cost
        self._hosts[key] = (credit - cost if admitted else credit, now)
        return admitted
