"""The HTTP tracker protocol: query strings and bencoded bodies to records and back, for both ends.

Announce (BEP 3, 7 IPv6, 23 compact, 24 external ip, 31 retry) and scrape (BEP 48, 21 downloaders).
Moving the bytes is the shells' job. The client's half refuses what is malformed and
bends what is merely foolish (an interval of zero, a peer at port 0).
"""

import socket
from collections.abc import Iterator, Mapping
from ipaddress import IPv6Address, ip_address
from typing import Any
from urllib.parse import quote, unquote_to_bytes, urlsplit, urlunsplit

from axon.bt import bencode
from axon.bt.announce import (
    UNKNOWN_LEFT,
    AnnounceRequest,
    AnnounceResponse,
    Event,
    ScrapeRequest,
    ScrapeResponse,
    SwarmCounts,
    TrackerPeer,
    clamp_interval,
)
from axon.errors import BencodeError, RemoteProtocolError, TrackerError
from axon.ids import InfoHash, NodeKey, PeerId

__all__ = [
    "MAX_BODY",
    "announce_url",
    "decode_announce_query",
    "decode_announce_response",
    "decode_scrape_query",
    "decode_scrape_response",
    "decode_signature",
    "encode_announce_query",
    "encode_announce_response",
    "encode_scrape_response",
    "encode_signature",
    "pack_peers",
    "scrape_url",
]

MAX_BODY = 1 << 20  # bytes of an answer that a client reads; 50 peers take 300
_EVENTS = {b"completed": 1, b"started": 2, b"stopped": 3, b"paused": 4}
_EVENT_NAMES = {Event(value): name.decode() for name, value in _EVENTS.items()}
_UINT64 = (1 << 64) - 1


# The client's half: questions.


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
        terms.append(f"event={_EVENT_NAMES[request.event]}")
    if request.ipv4 is not None:
        terms.append("ipv4=" + quote(f"{request.ipv4[0]}:{request.ipv4[1]}", safe=""))
    if request.ipv6 is not None:
        terms.append("ipv6=" + quote(f"[{request.ipv6[0]}]:{request.ipv6[1]}", safe=""))
    if request.tracker_id:
        terms.append(f"trackerid={quote(request.tracker_id, safe='')}")
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


# The client's half: answers.


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


# The tracker's half.


def decode_announce_query(query: bytes) -> AnnounceRequest:
    """Read the query string of an announce; of a repeated term the first counts.

    Raises
    ------
    RemoteProtocolError
        If a term that we need is missing or malformed.
    """
    terms = dict[bytes, bytes]()
    for term in query.split(b"&"):
        name, _, value = term.partition(b"=")
        terms.setdefault(name, value)
    port = _integer(terms, b"port", None, (1 << 16) - 1)
    if not port:
        raise RemoteProtocolError("port 0, want 1..65535")
    node_key, signed_at, signature = _signature(terms)
    return AnnounceRequest(
        info_hash=InfoHash(_twenty(terms, b"info_hash")),
        peer_id=PeerId(_twenty(terms, b"peer_id")),
        port=port,
        uploaded=_integer(terms, b"uploaded", 0),
        downloaded=_integer(terms, b"downloaded", 0),
        left=_integer(terms, b"left", UNKNOWN_LEFT),
        event=Event(_EVENTS.get(terms.get(b"event", b""), 0)),
        numwant=_numwant(terms),
        key=_key(terms.get(b"key", b"")),
        compact=terms.get(b"compact") != b"0",
        no_peer_id=terms.get(b"no_peer_id") == b"1",
        ipv4=_endpoint(terms, b"ipv4", port),
        ipv6=_endpoint(terms, b"ipv6", port),
        tracker_id=unquote_to_bytes(terms.get(b"trackerid", b""))[:64],
        node_key=node_key,
        signed_at=signed_at,
        signature=signature,
    )


def decode_signature(query: bytes) -> tuple[NodeKey | None, int, bytes | None]:
    """Read `(node key, signed_at, signature)` from a query; `(None, 0, None)` if it is not there whole."""
    terms = dict(term.partition(b"=")[::2] for term in query.split(b"&"))
    try:
        return _signature(terms)
    except RemoteProtocolError:
        return None, 0, None


def _signature(terms: Mapping[bytes, bytes]) -> tuple[NodeKey | None, int, bytes | None]:
    if b"node_key" not in terms and b"signature" not in terms:
        return None, 0, None
    try:
        key = bytes.fromhex(terms.get(b"node_key", b"").decode("ascii"))
        signature = bytes.fromhex(terms.get(b"signature", b"").decode("ascii"))
    except ValueError:
        raise RemoteProtocolError("node_key or signature: not hexadecimal") from None
    if len(key) != 32 or len(signature) != 64:
        raise RemoteProtocolError(f"node_key of {len(key)}, signature of {len(signature)} bytes, want 32, 64")
    return NodeKey(key), _integer(terms, b"signed_at", None), signature


def decode_scrape_query(query: bytes, limit: int = 1000) -> ScrapeRequest:
    """Read the query string of a scrape.

    Raises
    ------
    RemoteProtocolError
        If an info-hash is malformed or there are more than `limit`.
    """
    values = [term[10:] for term in query.split(b"&") if term.startswith(b"info_hash=")]
    if len(values) > limit:
        raise RemoteProtocolError(f"scrape: {len(values)} torrents, want at most {limit}")
    return ScrapeRequest(tuple(InfoHash(_twenty({b"info_hash": v}, b"info_hash")) for v in values))


def encode_announce_response(response: AnnounceResponse, *, compact: bool = True) -> bytes:
    """Return the bencoded answer."""
    if response.failure is not None:
        out: dict[bytes, Any] = {b"failure reason": response.failure.encode()}
        if response.retry_in is not None:
            out[b"retry in"] = response.retry_in or b"never"
        return bytes(bencode.encode(out))
    out = {b"interval": response.interval}
    for name, value in (
        (b"min interval", response.min_interval),
        (b"complete", response.seeders),
        (b"incomplete", response.leechers),
        (b"downloaded", response.downloads),
        (b"tracker id", response.tracker_id or None),
        (b"warning message", None if response.warning is None else response.warning.encode()),
        (b"external ip", None if response.external_ip is None else ip_address(response.external_ip).packed),
    ):
        if value is not None:
            out[name] = value
    if compact:
        out[b"peers"] = pack_peers(response.peers)
        if response.peers6:
            out[b"peers6"] = pack_peers(response.peers6)
    else:
        out[b"peers"] = [
            {b"ip": peer.host.encode(), b"port": peer.port}
            | ({} if peer.peer_id is None else {b"peer id": bytes(peer.peer_id)})
            for peer in (*response.peers, *response.peers6)
        ]
    return bytes(bencode.encode(out))


def encode_scrape_response(response: ScrapeResponse) -> bytes:
    """Return the bencoded answer."""
    if response.failure is not None:
        return bytes(bencode.encode({b"failure reason": response.failure.encode()}))
    files = {
        bytes(info_hash): {b"complete": c.seeders, b"downloaded": c.completed, b"incomplete": c.leechers}
        | ({} if c.downloaders is None else {b"downloaders": c.downloaders})
        for info_hash, c in response.files.items()
    }
    out: dict[bytes, Any] = {b"files": files}
    if response.min_request_interval is not None:
        out[b"flags"] = {b"min_request_interval": response.min_request_interval}
    return bytes(bencode.encode(out))


def pack_peers(peers: tuple[TrackerPeer, ...]) -> bytes:
    """Return 6 or 18 bytes a peer (BEP 23, 7)."""
    return b"".join(ip_address(peer.host).packed + peer.port.to_bytes(2, "big") for peer in peers)


def _twenty(terms: Mapping[bytes, bytes], name: bytes) -> bytes:
    if name not in terms:
        raise RemoteProtocolError(f"{name.decode()} is missing")
    value = unquote_to_bytes(terms[name].replace(b"+", b" "))
    if len(value) != 20:
        raise RemoteProtocolError(f"{name.decode()}: {len(value)} bytes, want 20")
    return value


def _integer(terms: Mapping[bytes, bytes], name: bytes, default: int | None, limit: int = _UINT64) -> int:
    text = terms.get(name)
    if not text:
        if default is None:
            raise RemoteProtocolError(f"{name.decode()} is missing")
        return default
    if not text.isdigit() or len(text) > 20 or int(text) > limit:
        raise RemoteProtocolError(f"{name.decode()}: {text[:24]!r}, want 0..{limit}")
    return int(text)


def _numwant(terms: Mapping[bytes, bytes]) -> int:
    text = terms.get(b"numwant", b"")
    if not text or text.startswith(b"-"):
        return -1
    return min(_integer(terms, b"numwant", 0), (1 << 31) - 1)


def _key(text: bytes) -> int:
    """Read the 32-bit key, which clients write in hexadecimal or as they like."""
    try:
        return int(text, 16) & 0xFFFFFFFF
    except ValueError:
        return 0


def _endpoint(terms: Mapping[bytes, bytes], name: bytes, port: int) -> tuple[str, int] | None:
    """Read an address with or without a port (BEP 7); anything else is as if it were not there."""
    text = unquote_to_bytes(terms.get(name, b"")).decode("ascii", "replace")
    if not text:
        return None
    host, colon, tail = text.rpartition(":")
    if text.startswith("[") and text.endswith("]"):
        host, tail = text[1:-1], str(port)
    elif text.startswith("["):
        host = host.strip("[]")
    elif not colon or text.count(":") > 1:
        host, tail = text, str(port)
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) != (name == b"ipv6") or not tail.isdecimal() or len(tail) > 5:
        return None
    return (str(address), int(tail)) if 0 < int(tail) < 1 << 16 else None
