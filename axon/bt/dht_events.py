"""What a DHT node has to tell its shell, and the vote on our own address (BEP 5, 42)."""

from collections import Counter
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from axon.bt.dht_id import is_exempt
from axon.bt.dht_krpc import Address

__all__ = ["AddressVote", "DhtEvent", "PeersFound", "SearchDone", "SeenAs"]

_VOTES = 5  # hosts that must have told us our address, most of them the same


@dataclass(frozen=True, slots=True)
class PeersFound:
    """A search came upon peers, or they announced themselves to us."""

    info_hash: bytes
    peers: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class SearchDone:
    """A search is over."""

    info_hash: bytes
    answered: int  # nodes
    announced: int  # nodes that we announced ourselves to


@dataclass(frozen=True, slots=True)
class SeenAs:
    """Most nodes see us at this address; our id follows it (BEP 42)."""

    ip: IPv4Address | IPv6Address


DhtEvent = PeersFound | SearchDone | SeenAs


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
