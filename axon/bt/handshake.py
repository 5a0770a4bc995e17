"""The 68 bytes that open a peer connection (BEP 3), and their reserved bits.

`19`, `BitTorrent protocol`, 8 reserved bytes, 20 bytes of info-hash (for v2
torrents the SHA-256 one cut short, BEP 52), 20 bytes of peer id (BEP 20).
"""

from dataclasses import dataclass
from enum import IntFlag
from typing import Self

from axon.errors import RemoteProtocolError
from axon.ids import InfoHash, PeerId

__all__ = ["HANDSHAKE_SIZE", "PROTOCOL", "Handshake", "Reserved", "check_start"]

PROTOCOL = b"\x13BitTorrent protocol"
HANDSHAKE_SIZE = 68  # bytes


class Reserved(IntFlag):
    """The reserved bytes as one big-endian number; unknown bits are kept."""

    NONE = 0
    DHT = 0x01  # BEP 5
    FAST = 0x04  # BEP 6
    V2 = 0x10  # BEP 52: this torrent's v2 half is welcome too
    EXTENDED = 0x10_0000  # BEP 10


@dataclass(frozen=True, slots=True)
class Handshake:
    """What one side says first."""

    info_hash: InfoHash
    peer_id: PeerId
    reserved: Reserved = Reserved.NONE

    @classmethod
    def parse(cls, data: memoryview) -> Self:
        """Read 68 bytes.

        Raises
        ------
        RemoteProtocolError
            If the size or the protocol's name is wrong.
        """
        if len(data) != HANDSHAKE_SIZE:
            raise RemoteProtocolError(f"handshake: {len(data)} bytes, want {HANDSHAKE_SIZE}")
        check_start(data)
        reserved = Reserved(int.from_bytes(data[20:28], "big"))
        return cls(InfoHash(bytes(data[28:48])), PeerId(bytes(data[48:])), reserved)

    @staticmethod
    def knows_v2(data: memoryview) -> bool:
        """Tell from the first 28 bytes whether their sender would rather speak v2 (BEP 52)."""
        return bool(data[27] & Reserved.V2)

    def serialize(self) -> bytes:
        return PROTOCOL + int(self.reserved).to_bytes(8, "big") + self.info_hash + self.peer_id


def check_start(data: memoryview) -> None:
    """Judge the first bytes of a handshake as soon as any are there.

    Raises
    ------
    RemoteProtocolError
        If they cannot become a handshake: another protocol, or an encrypted one.
    """
    start = bytes(data[:20])
    if start != PROTOCOL[: len(start)]:
        raise RemoteProtocolError(f"handshake: begins {start!r}, want {PROTOCOL!r}")
