"""Peer exchange: whom else a peer is connected to (BEP 11, `ut_pex`).

Never for private torrents (BEP 27): their shell makes neither of the two
classes and does not announce the extension. Addresses that strangers give us
are hints to be dialled one day, so what cannot be a peer is dropped here.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntFlag
from ipaddress import IPv4Address, IPv6Address
from typing import Any, NamedTuple, Self

from axon.bt.bencode import decode, encode
from axon.bt.extended import MAX_ITEMS
from axon.errors import BencodeError, RemoteProtocolError

__all__ = [
    "PEX_INTERVAL",
    "PexAddress",
    "PexFlags",
    "PexMessage",
    "PexReceiver",
    "PexSender",
    "is_dialable",
]

PEX_INTERVAL = 60.0  # seconds between messages (BEP 11)
_MOST = 50  # addresses added, and dropped, in one message that we send
_BELIEVED = 200  # of those added in one message received; the first one may be long
_BURST = 4  # messages taken at once; then one for each half interval
_PATIENCE = 20  # messages ignored before we hang up


class PexFlags(IntFlag):
    """What `added.f` says of a peer."""

    NONE = 0
    ENCRYPTION = 0x01
    SEED = 0x02  # or upload only
    UTP = 0x04
    HOLEPUNCH = 0x08
    REACHABLE = 0x10


class PexAddress(NamedTuple):
    """Where a peer listens."""

    ip: IPv4Address | IPv6Address
    port: int


@dataclass(frozen=True, slots=True)
class PexMessage:
    """Peers that joined, with flags, and peers that left, since the last message."""

    added: tuple[tuple[PexAddress, PexFlags], ...] = ()
    dropped: tuple[PexAddress, ...] = ()

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Read a payload.

        Raises
        ------
        RemoteProtocolError
            If it is no dictionary, or a list is not whole addresses or has
            another number of flags.
        """
        try:
            told = decode(payload, max_items=MAX_ITEMS, strict=False)
        except BencodeError as error:
            raise RemoteProtocolError(f"ut_pex: {error}") from None
        if not isinstance(told, dict):
            raise RemoteProtocolError(f"ut_pex: a {type(told).__name__}, want a dictionary")
        added: list[tuple[PexAddress, PexFlags]] = []
        dropped: list[PexAddress] = []
        for suffix, size in ((b"", 6), (b"6", 18)):
            new = _addresses(told, b"added" + suffix, size)
            flags = _bytes(told, b"added" + suffix + b".f") or bytes(len(new))
            if len(flags) != len(new):
                raise RemoteProtocolError(f"ut_pex: {len(flags)} flags for {len(new)} peers")
            added += [(address, PexFlags(flag)) for address, flag in zip(new, flags)]
            dropped += _addresses(told, b"dropped" + suffix, size)
        return cls(tuple(added), tuple(dropped))

    def serialize(self) -> bytes:
        told: dict[bytes, bytes] = {}
        for suffix, version in ((b"", 4), (b"6", 6)):
            new = [(address, flags) for address, flags in self.added if address.ip.version == version]
            told[b"added" + suffix] = b"".join(_pack(address) for address, _ in new)
            told[b"added" + suffix + b".f"] = bytes(flags & 0xFF for _, flags in new)
            gone = [address for address in self.dropped if address.ip.version == version]
            told[b"dropped" + suffix] = b"".join(map(_pack, gone))
        return encode(told)


class PexReceiver:
    """What one peer's messages may tell us.

    Parameters
    ----------
    now : float
        Seconds, as in `received`.
    allow_loopback : bool
        Believe in loopback addresses: for swarms on one machine.
    """

    def __init__(self, now: float, *, allow_loopback: bool = False) -> None:
        self._allow_loopback = allow_loopback
        self._credit = float(_BURST)
        self._since = now
        self._ignored = 0

    def received(self, payload: bytes, now: float) -> PexMessage:
        """The message, less what cannot be dialled; empty if it came too soon.

        Raises
        ------
        RemoteProtocolError
            If it is malformed, or one of a flood.
        """
        self._credit = min(_BURST, self._credit + (now - self._since) / (PEX_INTERVAL / 2))
        self._since = now
        if self._credit < 1:
            self._ignored += 1
            if self._ignored > _PATIENCE:
                raise RemoteProtocolError(f"ut_pex: {self._ignored} messages too many, want one a minute")
            return PexMessage()
        self._credit -= 1
        message = PexMessage.parse(payload)
        good = {
            address: flags
            for address, flags in message.added
            if is_dialable(address, allow_loopback=self._allow_loopback)
        }
        return PexMessage(tuple(good.items())[:_BELIEVED], message.dropped[:_BELIEVED])


class PexSender:
    """What to tell one peer, and when: differences, 50 at most, once a minute."""

    def __init__(self) -> None:
        self._told: set[PexAddress] = set()
        self._next = float("-inf")

    def message(self, connected: Mapping[PexAddress, PexFlags], now: float) -> PexMessage | None:
        """The next message, or None if it is too early or there is nothing new.

        Parameters
        ----------
        connected : mapping of address to flags
            Peers that we are connected to now, by the address they listen on,
            without the receiver itself.
        """
        if now < self._next:
            return None
        new = [address for address in connected if address not in self._told][:_MOST]
        gone = [address for address in self._told if address not in connected][:_MOST]
        if not new and not gone:
            return None
        self._told.update(new)
        self._told.difference_update(gone)
        self._next = now + PEX_INTERVAL
        return PexMessage(tuple((address, connected[address]) for address in new), tuple(gone))

    def deadline(self) -> float:
        """Not before then will there be a message."""
        return self._next


def is_dialable(address: PexAddress, *, allow_loopback: bool = False) -> bool:
    """May a stranger make us dial this? Not port 0, nor addresses that are nobody's or only ours."""
    ip = address.ip
    if address.port == 0 or ip.is_unspecified or ip.is_multicast or ip.is_link_local:
        return False
    if ip.version == 6 and ip.ipv4_mapped is not None:
        return False
    if ip.version == 4 and ip.packed[0] in (0, 255):
        return False
    return allow_loopback or not ip.is_loopback


def _bytes(told: dict[bytes, Any], key: bytes) -> bytes:
    value = told.get(key, b"")
    if not isinstance(value, bytes):
        raise RemoteProtocolError(f"ut_pex: {key.decode()} is a {type(value).__name__}, want a string")
    return value


def _addresses(told: dict[bytes, Any], key: bytes, size: int) -> list[PexAddress]:
    raw = _bytes(told, key)
    if len(raw) % size:
        raise RemoteProtocolError(f"ut_pex: {key.decode()} has {len(raw)} bytes, want a multiple of {size}")
    kind: type[IPv4Address] | type[IPv6Address] = IPv4Address if size == 6 else IPv6Address
    return [
        PexAddress(kind(raw[at : at + size - 2]), int.from_bytes(raw[at + size - 2 : at + size], "big"))
        for at in range(0, len(raw), size)
    ]


def _pack(address: PexAddress) -> bytes:
    return address.ip.packed + struct.pack(">H", address.port)
