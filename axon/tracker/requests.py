"""HTTP/1 requests, as far as a tracker needs them: bytes to a record, a record to bytes (pure).

Strict where leniency is dangerous (two lengths, a bad length, chunked requests), and lenient
where clients are odd (letter case, absolute URLs).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from axon.errors import RemoteProtocolError

__all__ = ["MAX_HEAD", "HttpError", "Request", "client_address", "parse_head", "response"]

MAX_HEAD: Final = 16 * 1024  # bytes
_REASONS: Final = {
    200: b"OK",
    400: b"Bad Request",
    404: b"Not Found",
    405: b"Method Not Allowed",
    408: b"Request Timeout",
    409: b"Conflict",
    411: b"Length Required",
    413: b"Content Too Large",
    429: b"Too Many Requests",
    431: b"Request Header Fields Too Large",
    500: b"Internal Server Error",
    501: b"Not Implemented",
    503: b"Service Unavailable",
}


class HttpError(RemoteProtocolError):
    """A request that is answered with an error status."""

    def __init__(self, status: int, message: str, *, close: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.close = close  # what follows on the connection cannot be told apart from a request


@dataclass(frozen=True, slots=True)
class Request:
    """One request's head; the body, if any, follows on the connection."""

    method: bytes
    path: bytes
    query: bytes
    headers: Mapping[bytes, bytes]  # lower-case names; repeated ones joined by commas
    keep_alive: bool
    length: int  # bytes of body


def parse_head(head: bytes) -> Request:
    r"""Read a head, without the ``\r\n\r\n`` at its end.

    Raises
    ------
    HttpError
        With status 400, 411 or 501.
    """
    line, _, rest = head.partition(b"\r\n")
    parts = line.split(b" ")
    if len(parts) != 3 or parts[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise HttpError(400, f"request line {line[:80]!r}, want METHOD TARGET HTTP/1.1", close=True)
    method, target, version = parts
    if target.startswith((b"http://", b"https://")):
        target = b"/" + target.split(b"/", 3)[3] if target.count(b"/") > 2 else b"/"
    path, _, query = target.partition(b"?")
    headers = dict[bytes, bytes]()
    for row in rest.split(b"\r\n") if rest else ():
        name, colon, value = row.partition(b":")
        if not colon or not name or name != name.strip():
            raise HttpError(400, f"header {row[:80]!r}, want NAME: VALUE", close=True)
        name, value = name.lower(), value.strip()
        headers[name] = headers[name] + b", " + value if name in headers else value
    if b"transfer-encoding" in headers:
        raise HttpError(501, "transfer-encoding is not taken, want content-length", close=True)
    text = headers.get(b"content-length", b"0")
    if not text.isdigit() or len(text) > 12:
        raise HttpError(400, f"content-length {text[:40]!r}, want a number", close=True)
    tokens = headers.get(b"connection", b"").lower()
    keep = b"close" not in tokens if version == b"HTTP/1.1" else b"keep-alive" in tokens
    return Request(method, path, query, headers, keep, int(text))


def response(
    status: int,
    body: bytes,
    *,
    close: bool = False,
    kind: bytes = b"text/plain",
    extra: bytes = b"",
) -> bytes:
    """Return a whole response."""
    return b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n%b%b\r\n%b" % (
        status,
        _REASONS[status],
        kind,
        len(body),
        b"Connection: close\r\n" if close else b"",
        extra,
        body,
    )


def client_address(peer: bytes, request: Request, trusted: Sequence[IPv4Network | IPv6Network]) -> bytes:
    """Return the client's packed address: the connection's, or what a trusted proxy says it was.

    Of X-Forwarded-For the last address counts that is not itself a trusted proxy's.
    """
    if not trusted:
        return peer
    address = ip_address(peer)
    if not any(address in network for network in trusted):
        return peer
    for text in reversed(request.headers.get(b"x-forwarded-for", b"").split(b",")):
        host = text.strip().decode("ascii", "replace")
        if host.startswith("["):
            host = host[1:].partition("]")[0]
        elif host.count(":") == 1:
            host = host.partition(":")[0]
        try:
            address = ip_address(host)
        except ValueError:
            break
        mapped = getattr(address, "ipv4_mapped", None)
        address = mapped or address
        if not any(address in network for network in trusted):
            break
    return address.packed
