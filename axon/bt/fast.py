"""Which pieces a choked peer may ask for: the allowed-fast set (BEP 6).

It follows from the peer's /24 and the info-hash, so a peer gains nothing by
reconnecting, and gets a start in a swarm where it has nothing to trade.
"""

import hashlib
from ipaddress import IPv4Address, IPv6Address

__all__ = ["ALLOWED_FAST", "allowed_fast_set"]

ALLOWED_FAST = 10  # pieces; BEP 6's figure


def allowed_fast_set(
    address: IPv4Address | IPv6Address, info_hash: bytes, num_pieces: int, size: int = ALLOWED_FAST
) -> list[int]:
    """The pieces for the peer at `address`, in order of generation.

    Parameters
    ----------
    address : IPv4Address or IPv6Address
        The peer's, as we see it. BEP 6 defines none for IPv6: empty.
    info_hash : 20 bytes
    num_pieces : int
    size : int
        How many; fewer if the torrent has fewer.
    """
    if address.version != 4:
        return []
    size = min(size, num_pieces)
    chosen: list[int] = []
    x = address.packed[:3] + b"\0" + info_hash
    while len(chosen) < size:
        x = hashlib.sha1(x).digest()
        for at in range(0, 20, 4):
            index = int.from_bytes(x[at : at + 4], "big") % num_pieces
            if index not in chosen and len(chosen) < size:
                chosen.append(index)
    return chosen
