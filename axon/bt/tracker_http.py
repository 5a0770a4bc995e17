"""The client's half of the HTTP tracker protocol: requests to URLs, bencoded bodies to responses.

Announce (BEP 3, 7 IPv6, 8 encryption, 23 compact, 24 external ip, 31 retry) and scrape (BEP 48, 21
downloaders). It refuses what is malformed and bends what is merely foolish (an interval of
zero, a peer at port 0). `tracker_http_server.py` is the tracker's half; moving the bytes is
the shells' job.
"""

import socket
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from axon.bt import bencode
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
from axon.errors import BencodeError, TrackerError
from axon.ids import InfoHash, PeerId

__all__ = [
    "MAX_BODY",
    "announce_url",
    "decode_announce_response",
    "decode_scrape_response",
    "encode_announce_query",
    "encode_signature",
    "scrape_url",
]

MAX_BODY = 1 << 20  # bytes of an answer that a client reads; 50 peers take 300


# Questions.


def announce_url(tracker: str, request: AnnounceRequest) -> str:
    """Return the URL to fetch; a query that the tracker's URL has already (a passkey) stays first."""
    return _with_query(tracker, encode_announce_query(request))


def encode_announce_query(request: AnnounceRequest) -> str:
    """Return the query string, without ``?``."""
    terms = [
        f"info_hash={quote(request.info_hash, safe='')}",
        f"peer_id={quote(request.peer_id, safe='')}",
        f"port={request.port}",
        f"uploaded={request.uploaded}",
        f"downloaded={request.downloaded}",
        f"left={request.left}",
        f"compact={int(request.compact)}",
        f"no_peer_id={int(request.no_peer_id)}",
        f"key={request.key:08x}",
    ]
    if request.numwant >= 0:
        terms.append(f"numwant={request.numwant}")
    if request.event is not Event.NONE:
        terms.append(f"event={request.event.name.lower()}")
    if request.ipv4 is not None:
        terms.append("ipv4=" + quote(f"{request.ipv4[0]}:{request.ipv4[1]}", safe=""))
    if request.ipv6 is not None:
        terms.append("ipv6=" + quote(f"[{request.ipv6[0]}]:{request.ipv6[1]}", safe=""))
    if request.tracker_id:
        terms.append(f"trackerid={quote(request.tracker_id, safe='')}")
    if request.takes_encrypted:
        terms.append("supportcrypto=1" if request.takes_plain else "requirecrypto=1")
    if signature := encode_signature(request):
        terms.append(signature)
    return "&".join(terms)


def encode_signature(request: AnnounceRequest) -> str:
    """Return the query terms of a signed request, or nothing."""
    if request.node_key is None or request.signature is None:
        return ""
    return (
        f"node_key={request.node_key.hex()}&signed_at={request.signed_at}&signature={request.signature.hex()}"
    )


def scrape_url(tracker: str, request: ScrapeRequest) -> str | None:
    """Return the URL to fetch, or None if the tracker's URL shows that it cannot (BEP 48)."""
    parts = urlsplit(tracker)
    folder, _, name = parts.path.rpartition("/")
    if not name.startswith("announce"):
        return None
    path = f"{folder}/scrape{name.removeprefix('announce')}"
    query = "&".join(f"info_hash={quote(h, safe='')}" for h in request.info_hashes)
    return _with_query(urlunsplit(parts._replace(path=path)), query)


def _with_query(url: str, query: str) -> str:
    parts = urlsplit(url)
    joined = "&".join(term for term in (parts.query, query) if term)
    return urlunsplit(parts._replace(query=joined, fragment=""))


# Answers.


def decode_announce_response(body: bytes) -> AnnounceResponse:
    """Read a tracker's answer to an announce.

    Raises
    ------
    TrackerError
        If it is no bencoded dictionary, or its peers are malformed.
    """
    top = _dictionary(body, "announce response")
    retry = top.get(b"retry in")
    common: dict[str, Any] = {
        "warning": _text(top.get(b"warning message")),
        "retry_in": 0 if retry == b"never" else _number(retry),
    }
    if b"failure reason" in top:
        return AnnounceResponse(failure=_text(top[b"failure reason"]) or "no reason given", **common)
    interval = clamp_interval(top.get(b"interval"))
    min_interval = _number(top.get(b"min interval"))
    tracker_id = top.get(b"tracker id", b"")
    peers, peers6 = _read_peers(top.get(b"peers", b""), top.get(b"peers6", b""))
    return AnnounceResponse(
        interval=interval,
        min_interval=None if not min_interval else min(min_interval, interval),
        seeders=_number(top.get(b"complete")),
        leechers=_number(top.get(b"incomplete")),
        downloads=_number(top.get(b"downloaded")),
        peers=peers,
        peers6=peers6,
        tracker_id=tracker_id if isinstance(tracker_id, bytes) else b"",
        external_ip=_read_ip(top.get(b"external ip")),
        **common,
    )


def _read_peers(peers: object, peers6: object) -> tuple[tuple[TrackerPeer, ...], tuple[TrackerPeer, ...]]:
    if not isinstance(peers6, bytes):
        raise TrackerError(f"peers6: {type(peers6).__name__}, want a string")
    v6 = tuple(_unpack(peers6, socket.AF_INET6))
    if isinstance(peers, bytes):
        return tuple(_unpack(peers, socket.AF_INET)), v6
    if not isinstance(peers, list):
        raise TrackerError(f"peers: {type(peers).__name__}, want a string or a list")
    found = [peer for item in peers if (peer := _read_peer(item)) is not None]
    six = [peer for peer in found if ":" in peer.host]
    return tuple(peer for peer in found if ":" not in peer.host), (*v6, *six)


def _unpack(packed: bytes, family: socket.AddressFamily) -> Iterator[TrackerPeer]:
    size = 6 if family == socket.AF_INET else 18
    if len(packed) % size:
        raise TrackerError(f"peers: {len(packed)} bytes, want a multiple of {size}")
    for at in range(0, len(packed), size):
        port = int.from_bytes(packed[at + size - 2 : at + size], "big")
        if port:
            yield TrackerPeer(socket.inet_ntop(family, packed[at : at + size - 2]), port)


def _read_peer(item: object) -> TrackerPeer | None:
    """Read one peer of the long form (BEP 3); host names and ports out of range are dropped."""
    if not isinstance(item, dict):
        raise TrackerError(f"peer: {type(item).__name__}, want a dictionary")
    host, port, peer_id = item.get(b"ip"), item.get(b"port"), item.get(b"peer id")
    if not isinstance(host, bytes) or not isinstance(port, int) or not 0 < port < 1 << 16:
        return None
    try:
        address = ip_address(host.decode("ascii"))
    except ValueError:
        return None
    known = PeerId(peer_id) if isinstance(peer_id, bytes) and len(peer_id) == 20 else None
    return TrackerPeer(str(address), port, known)


def _read_ip(packed: object) -> str | None:
    if not isinstance(packed, bytes) or len(packed) not in (4, 16):
        return None
    return str(ip_address(packed))


def decode_scrape_response(body: bytes) -> ScrapeResponse:
    """Read a tracker's answer to a scrape.

    Raises
    ------
    TrackerError
        If it is no bencoded dictionary of the right shape.
    """
    top = _dictionary(body, "scrape response")
    if b"failure reason" in top:
        return ScrapeResponse(failure=_text(top[b"failure reason"]) or "no reason given")
    files, flags = top.get(b"files", {}), top.get(b"flags", {})
    if not isinstance(files, dict):
        raise TrackerError(f"files: {type(files).__name__}, want a dictionary")
    counts: dict[InfoHash, SwarmCounts] = {}
    for info_hash, row in files.items():
        if len(info_hash) != 20 or not isinstance(row, dict):
            raise TrackerError(f"files: key of {len(info_hash)} bytes, want 20")
        numbers = [_number(row.get(name)) or 0 for name in (b"complete", b"downloaded", b"incomplete")]
        counts[InfoHash(info_hash)] = SwarmCounts(
            numbers[0], numbers[1], numbers[2], _number(row.get(b"downloaders"))
        )
    wait = flags.get(b"min_request_interval") if isinstance(flags, dict) else None
    return ScrapeResponse(counts, min_request_interval=_number(wait))


def _dictionary(body: bytes, what: str) -> dict[bytes, Any]:
    if len(body) > MAX_BODY:
        raise TrackerError(f"{what}: {len(body)} bytes, want at most {MAX_BODY}")
    try:
        top = bencode.decode(body, strict=False)  # old trackers do not sort their keys
    except BencodeError as error:
        raise TrackerError(f"{what}: {error}") from error
    if not isinstance(top, dict):
        raise TrackerError(f"{what}: {type(top).__name__}, want a dictionary")
    return top


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def _text(value: object) -> str | None:
    if not isinstance(value, bytes):
        return None
    text = value[:1000].decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "�" for c in text)  # it may reach a terminal
