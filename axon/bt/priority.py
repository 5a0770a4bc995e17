"""Canonical peer priority: a rank that both ends of a connection compute alike (BEP 40).

When places are scarce everybody keeps the peers of highest rank, so a swarm
stays well connected and nobody can buy places by connecting more often.
"""

import struct
from ipaddress import IPv4Address, IPv6Address

__all__ = ["crc32c", "peer_priority"]


def _table() -> tuple[int, ...]:
    rows = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        rows.append(byte)
    return tuple(rows)


_CRC = _table()  # Castagnoli's polynomial, reflected


def crc32c(data: bytes) -> int:
    """CRC-32C (RFC 3720, appendix B.4)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def peer_priority(
    ours: IPv4Address | IPv6Address, our_port: int, theirs: IPv4Address | IPv6Address, their_port: int
) -> int:
    """Rank of the pair, 0 to 2^32-1, the same from both ends; higher is kept.

    Addresses count whole up to one byte past their common prefix, at least
    /16 (IPv4) or /48 (IPv6), and by every other bit beyond. Equal addresses are
    told apart by their ports. A pair of different families ranks 0.
    """
    if ours.version != theirs.version:
        return 0
    a, b = ours.packed, theirs.packed
    if a == b:
        return crc32c(struct.pack(">HH", *sorted((our_port, their_port))))
    common = next(i for i in range(len(a)) if a[i] != b[i])
    whole = max(common + 1, 2 if ours.version == 4 else 6)
    mask = b"\xff" * whole + b"\x55" * (len(a) - whole)
    masked = sorted(bytes(x & m for x, m in zip(address, mask)) for address in (a, b))
    return crc32c(b"".join(masked))
