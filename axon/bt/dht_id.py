"""Node ids of the DHT: distances, and ids bound to addresses (BEP 5, 42).

An id that follows from its owner's IP address leaves an attacker with one address a
choice of eight corners of the id space, instead of any place next to a torrent's hash.
Addresses of local networks are exempt.
"""

import random
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NewType

from axon.bt.priority import crc32c

__all__ = ["ID_SIZE", "NodeId", "bind_id", "is_bound", "is_exempt", "random_id", "shared_bits"]

NodeId = NewType("NodeId", bytes)  # 20 bytes, as an info-hash
ID_SIZE = 20  # bytes
_BITS = 160
_MASK4 = 0x030F3FFF
_MASK6 = 0x0103070F1F3F7FFF  # of the upper half of an address


def random_id(rng: random.Random) -> NodeId:
    """Return an id bound to nothing: for who does not know its address yet."""
    return NodeId(rng.randbytes(ID_SIZE))


def bind_id(ip: IPv4Address | IPv6Address, entropy: bytes) -> NodeId:
    """Return an id that `ip` may have (BEP 42), made of 20 random bytes."""
    if len(entropy) != ID_SIZE:
        raise ValueError(f"node id: {len(entropy)} random bytes, want {ID_SIZE}")
    crc = _crc(ip, entropy[19])
    head = (crc >> 24, crc >> 16 & 0xFF, crc >> 8 & 0xF8 | entropy[2] & 0x07)
    return NodeId(bytes(head) + entropy[3:])


def is_bound(node_id: NodeId, host: str) -> bool:
    """Tell whether BEP 42 allows this id at this IP literal; at an exempt one any is allowed."""
    ip = ip_address(host)
    if is_exempt(ip):
        return True
    return (_crc(ip, node_id[19]) ^ int.from_bytes(node_id[:4], "big")) >> 11 == 0


def is_exempt(ip: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address is of a local network, where ids are free."""
    return ip.is_private or ip.is_loopback or ip.is_link_local


def shared_bits(a: int, b: int) -> int:
    """Return how many leading bits two ids, as numbers, have in common: 0..160."""
    return _BITS - (a ^ b).bit_length()


def _crc(ip: IPv4Address | IPv6Address, seed: int) -> int:
    if ip.version == 4:
        return crc32c((int(ip) & _MASK4 | (seed & 7) << 29).to_bytes(4, "big"))
    return crc32c((int(ip) >> 64 & _MASK6 | (seed & 7) << 61).to_bytes(8, "big"))
