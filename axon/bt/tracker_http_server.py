"""The tracker's half of the HTTP protocol: query strings to requests, responses to bencoded bodies.

Announce (BEP 3, 7, 23, 24, 31) and scrape (BEP 48, 21 downloaders). `tracker_http.py`
is the client's half; moving the bytes is the tracker's shell's job.
"""

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from typing import Any
from urllib.parse import unquote_to_bytes

from axon.bt import bencode
from axon.bt.announce import (
    UNKNOWN_LEFT,
    AnnounceRequest,
    AnnounceResponse,
    Event,
    ScrapeRequest,
    ScrapeResponse,
    TrackerPeer,
)
from axon.errors import RemoteProtocolError
from axon.ids import InfoHash, NodeKey, PeerId

__all__ = [
    "decode_announce_query",
    "decode_scrape_query",
    "decode_signature",
    "encode_announce_response",
    "encode_scrape_response",
    "pack_peers",
]

_EVENTS = {b"completed": 1, b"started": 2, b"stopped": 3, b"paused": 4}
_UINT64 = (1 << 64) - 1


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
