"""Whom a DHT node believes: about others' addresses, and about its own (BEP 42)."""

from collections import Counter
from ipaddress import IPv4Address, IPv6Address, ip_address

from axon.bt.dht_id import is_exempt
from axon.bt.dht_krpc import Address
from axon.bt.pex import PexAddress, is_dialable

__all__ = ["AddressVote", "is_sane"]

_VOTES = 5  # hosts that must have told us our address, most of them the same


def is_sane(address: Address, family: int, *, local: bool) -> bool:
    """Tell whether an address of family 4 or 6 may be asked or dialled.

    Parameters
    ----------
    local : bool
        May it be of loopback? A stranger must not send us to our own ports.
    """
    try:
        ip = ip_address(address[0])
    except ValueError:
        return False
    return ip.version == family and is_dialable(PexAddress(ip, address[1]), allow_loopback=local)


class AddressVote:
    """Counts what hosts say of our address: one of them may lie, most of five do not."""

    def __init__(self) -> None:
        self._votes: dict[str, IPv4Address | IPv6Address] = {}

    def cast(self, seen_as: bytes, voter: str) -> IPv4Address | IPv6Address | None:
        """Take a packed address and port; return the address once it is decided, and begin anew."""
        ip = ip_address(seen_as[:-2])
        if is_exempt(ip) or ip.is_multicast or ip.is_unspecified:
            return None
        self._votes[voter] = ip
        if len(self._votes) < _VOTES:
            return None
        winner, count = Counter(self._votes.values()).most_common(1)[0]
        self._votes.clear()
        return winner if 2 * count > _VOTES else None
