"""What a DHT node has to tell its shell (BEP 5, 42)."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from axon.bt.dht_krpc import Address

__all__ = ["DhtEvent", "PeersFound", "SearchDone", "SeenAs"]


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
