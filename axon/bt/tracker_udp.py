"""The UDP tracker protocol: datagrams to records and back, for both ends (BEP 15, 41).

A client proves that it receives at its address by returning the connection id
that it was given; ids and transaction ids are the caller's to draw and to match.
Peers in a reply are 6 or 18 bytes each, by the address family of the datagram.
An announce may end in options: `URLData` (BEP 41) carries path and query of the
tracker's URL, and with them our node key and signature.
"""

import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from axon.bt.announce import (
    AnnounceRequest,
    AnnounceResponse,
    Event,
    ScrapeRequest,
    ScrapeResponse,
    SwarmCounts,
    TrackerPeer,
    clamp_interval,
)
from axon.bt.tracker_http import encode_signature
from axon.bt.tracker_http_server import decode_signature
from axon.errors import RemoteProtocolError, TrackerError
from axon.ids import InfoHash, PeerId

__all__ = [
    "MAX_SCRAPE",
    "PROTOCOL_ID",
    "Action",
    "AnnouncePacket",
    "ConnectPacket",
    "ConnectReply",
    "ErrorReply",
    "ScrapePacket",
    "decode_reply",
    "decode_request",
    "encode_announce",
    "encode_announce_reply",
    "encode_connect",
    "encode_connect_reply",
    "encode_error",
    "encode_scrape",
    "encode_scrape_reply",
    "url_data",
]

PROTOCOL_ID: Final = 0x41727101980
MAX_SCRAPE: Final = 74  # info-hashes a request
_CONNECT = struct.Struct(">QII")
_CONNECT_REPLY = struct.Struct(">IIQ")
_ANNOUNCE = struct.Struct(">QII20s20sQQQIIIiH")
_ANNOUNCE_REPLY = struct.Struct(">IIIII")
_COUNTS = struct.Struct(">III")
_END, _NOP, _URL_DATA = 0, 1, 2
_MASK64 = (1 << 64) - 1


class Action:
    """The 32-bit action field."""

    CONNECT: Final = 0
    ANNOUNCE: Final = 1
    SCRAPE: Final = 2
    ERROR: Final = 3


@dataclass(frozen=True, slots=True)
class ConnectPacket:
    """A client asks for a connection id."""

    transaction: int


@dataclass(frozen=True, slots=True)
class AnnouncePacket:
    """A client announces."""

    connection_id: int
    transaction: int
    request: AnnounceRequest
    url: bytes = b""  # path and query, if the client sent them


@dataclass(frozen=True, slots=True)
class ScrapePacket:
    """A client scrapes up to 74 torrents."""

    connection_id: int
    transaction: int
    request: ScrapeRequest


@dataclass(frozen=True, slots=True)
class ConnectReply:
    """The tracker's connection id for us."""

    connection_id: int


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """The tracker refused."""

    message: str


# Client to tracker.


def encode_connect(transaction: int) -> bytes:
    """Return the 16 bytes that ask for a connection id."""
    return _CONNECT.pack(PROTOCOL_ID, Action.CONNECT, transaction)


def encode_announce(connection_id: int, transaction: int, request: AnnounceRequest, url: str = "") -> bytes:
    """Return an announce: 98 bytes and the options.

    `url` is the tracker's; its path and query travel as BEP 41 data, and so do
    the node key and signature of a signed request.
    """
    fixed = _ANNOUNCE.pack(
        connection_id,
        Action.ANNOUNCE,
        transaction,
        request.info_hash,
        request.peer_id,
        request.downloaded,
        request.left & _MASK64,
        request.uploaded,
        request.event,
        0,  # our address: trackers take the datagram's
        request.key,
        request.numwant,
        request.port,
    )
    return fixed + _options(url_data(url, request))


def url_data(url: str, request: AnnounceRequest) -> bytes:
    """Return path and query of `url`, with the signature of `request` in the query."""
    parts = urlsplit(url)
    path = parts.path or ("/" if parts.query else "")
    terms = [term for term in (parts.query, encode_signature(request)) if term]
    return (path + ("?" + "&".join(terms) if terms else "")).encode()


def encode_scrape(connection_id: int, transaction: int, request: ScrapeRequest) -> bytes:
    """Return a scrape of 1 to 74 torrents.

    Raises
    ------
    ValueError
        If there are none or more.
    """
    if not 1 <= len(request.info_hashes) <= MAX_SCRAPE:
        raise ValueError(f"scrape: {len(request.info_hashes)} torrents, want 1..{MAX_SCRAPE}")
    head = _CONNECT.pack(connection_id, Action.SCRAPE, transaction)
    return head + b"".join(request.info_hashes)


def decode_reply(
    data: bytes,
    transaction: int,
    family: socket.AddressFamily,
    scraped: Sequence[InfoHash] = (),
) -> ConnectReply | AnnounceResponse | ScrapeResponse | ErrorReply | None:
    """Read what a tracker sent; None if it answers another transaction (late, or spoofed).

    Raises
    ------
    TrackerError
        If a reply to us is malformed.
    """
    if len(data) < 8 or int.from_bytes(data[4:8], "big") != transaction:
        return None
    action = int.from_bytes(data[:4], "big")
    if action == Action.CONNECT:
        if len(data) < _CONNECT_REPLY.size:
            raise TrackerError(f"connect reply: {len(data)} bytes, want {_CONNECT_REPLY.size}")
        return ConnectReply(int.from_bytes(data[8:16], "big"))
    if action == Action.ANNOUNCE:
        return _decode_announce_reply(data, family)
    if action == Action.SCRAPE:
        counts = len(scraped)
        if len(data) < 8 + _COUNTS.size * counts:
            raise TrackerError(f"scrape reply: {len(data)} bytes, want {8 + _COUNTS.size * counts}")
        rows = [_COUNTS.unpack_from(data, 8 + _COUNTS.size * k) for k in range(counts)]
        return ScrapeResponse({h: SwarmCounts(*row) for h, row in zip(scraped, rows, strict=True)})
    if action == Action.ERROR:
        return ErrorReply(data[8:].rstrip(b"\0").decode("utf-8", "replace"))
    raise TrackerError(f"reply with action {action}, want 0..3")


def _decode_announce_reply(data: bytes, family: socket.AddressFamily) -> AnnounceResponse:
    if len(data) < _ANNOUNCE_REPLY.size:
        raise TrackerError(f"announce reply: {len(data)} bytes, want {_ANNOUNCE_REPLY.size} or more")
    _, _, interval, leechers, seeders = _ANNOUNCE_REPLY.unpack_from(data)
    size = 6 if family == socket.AF_INET else 18
    packed = data[_ANNOUNCE_REPLY.size :]
    if len(packed) % size:
        raise TrackerError(f"announce reply: {len(packed)} bytes of peers, want a multiple of {size}")
    peers = tuple(
        TrackerPeer(socket.inet_ntop(family, packed[k : k + size - 2]), port)
        for k in range(0, len(packed), size)
        if (port := int.from_bytes(packed[k + size - 2 : k + size], "big"))
    )
    v4 = family == socket.AF_INET
    return AnnounceResponse(
        clamp_interval(interval),
        seeders=seeders,
        leechers=leechers,
        peers=peers if v4 else (),
        peers6=() if v4 else peers,
    )


# Tracker to client.


def decode_request(data: bytes) -> ConnectPacket | AnnouncePacket | ScrapePacket:
    """Read what a client sent; whether the connection id is good is for the caller to say.

    Raises
    ------
    RemoteProtocolError
        If it is too short, or no request.
    """
    if len(data) < _CONNECT.size:
        raise RemoteProtocolError(f"request: {len(data)} bytes, want {_CONNECT.size} or more")
    connection_id, action, transaction = _CONNECT.unpack_from(data)
    if action == Action.CONNECT:
        if connection_id != PROTOCOL_ID:
            raise RemoteProtocolError(f"connect: protocol {connection_id:#x}, want {PROTOCOL_ID:#x}")
        return ConnectPacket(transaction)
    if action == Action.ANNOUNCE:
        return _decode_announce(data)
    if action == Action.SCRAPE:
        body = data[_CONNECT.size :]
        if not body or len(body) % 20 or len(body) > 20 * MAX_SCRAPE:
            raise RemoteProtocolError(f"scrape: {len(body)} bytes, want 1..{MAX_SCRAPE} times 20")
        hashes = tuple(InfoHash(body[k : k + 20]) for k in range(0, len(body), 20))
        return ScrapePacket(connection_id, transaction, ScrapeRequest(hashes))
    raise RemoteProtocolError(f"action {action}, want 0..2")


def _decode_announce(data: bytes) -> AnnouncePacket:
    if len(data) < _ANNOUNCE.size:
        raise RemoteProtocolError(f"announce: {len(data)} bytes, want {_ANNOUNCE.size} or more")
    (cid, _, transaction, info_hash, peer_id, down, left, up, event, _ip, key, numwant, port) = (
        _ANNOUNCE.unpack_from(data)
    )
    if not port:
        raise RemoteProtocolError("announce: port 0, want 1..65535")
    request = AnnounceRequest(
        InfoHash(info_hash),
        PeerId(peer_id),
        port,
        up,
        down,
        left,
        Event(event) if event <= Event.PAUSED else Event.NONE,
        numwant,
        key,
    )
    url = _read_options(data[_ANNOUNCE.size :])
    _, _, query = url.partition(b"?")
    node_key, signed_at, signature = decode_signature(query)
    request = replace(request, node_key=node_key, signed_at=signed_at, signature=signature)
    return AnnouncePacket(cid, transaction, request, url)


def encode_connect_reply(transaction: int, connection_id: int) -> bytes:
    """Return 16 bytes."""
    return _CONNECT_REPLY.pack(Action.CONNECT, transaction, connection_id)


def encode_announce_reply(
    transaction: int, interval: int, leechers: int, seeders: int, packed: bytes
) -> bytes:
    """Return 20 bytes and the packed peers."""
    return _ANNOUNCE_REPLY.pack(Action.ANNOUNCE, transaction, interval, leechers, seeders) + packed


def encode_scrape_reply(transaction: int, counts: Sequence[SwarmCounts]) -> bytes:
    """Return 8 bytes and 12 for each torrent, in the order asked."""
    rows = (_COUNTS.pack(c.seeders, c.completed, c.leechers) for c in counts)
    return struct.pack(">II", Action.SCRAPE, transaction) + b"".join(rows)


def encode_error(transaction: int, message: str) -> bytes:
    """Return 8 bytes and the text."""
    return struct.pack(">II", Action.ERROR, transaction) + message.encode()


def _options(url: bytes) -> bytes:
    """Cut `url` into URLData options of at most 255 bytes, with an end mark (BEP 41)."""
    if not url:
        return b""
    parts = (url[k : k + 255] for k in range(0, len(url), 255))
    return b"".join(bytes((_URL_DATA, len(part))) + part for part in parts) + bytes((_END,))


def _read_options(data: bytes) -> bytes:
    """Join the URLData options; unknown ones are skipped, a cut one ends the list (BEP 41)."""
    url, at = bytearray(), 0
    while at < len(data) and data[at] != _END:
        if data[at] == _NOP:
            at += 1
            continue
        if at + 1 >= len(data) or at + 2 + data[at + 1] > len(data):
            break
        if data[at] == _URL_DATA:
            url += data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]
    return bytes(url)
