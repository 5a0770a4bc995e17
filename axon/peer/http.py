"""A small HTTP/1.1 client over trio for trackers and web seeds (RFC 9112).

It believes nothing: headers, body, time and redirects are bounded, gzip bombs
stop at the body's limit, only http and https are spoken, and a redirect
never leads from a public host to a loopback or private one.
"""

import ipaddress
import re
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult, urljoin, urlsplit

import trio

from axon import __version__
from axon.errors import TrackerError

__all__ = [
    "HttpConnection",
    "HttpError",
    "HttpSession",
    "Response",
    "connect",
    "fetch",
    "is_private",
    "resolve",
]

_MAX_HEADERS = 32 * 1024  # bytes, status line included
_MAX_CHUNK_LINE = 256  # bytes; a size and its extensions
_READ = 64 * 1024
_STATUS = re.compile(r"[1-9][0-9]{2}(?![0-9])")  # "²" is a digit to str.isdigit
_REDIRECTS = 5
_REDIRECT_STATUS = (301, 302, 303, 307, 308)
_STAGGER = 0.25  # seconds before the next address is tried beside the last (RFC 8305)
USER_AGENT = f"axon/{__version__}"


class HttpError(TrackerError):
    """The server cannot be reached, or what it sent is not (acceptable) HTTP."""


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str  # after redirects
    address: str  # the server's IP


def is_private(address: str) -> bool:
    """Tell whether an IP is loopback, private, link-local or otherwise not of the public Internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return not ip.is_global


async def fetch(
    url: str,
    *,
    limit: int,
    timeout: float,
    headers: Mapping[str, str] | None = None,
    family: int = 0,
) -> Response:
    """GET `url`, following at most 5 redirects.

    Parameters
    ----------
    limit : int
        Bytes of the body, after decompression.
    timeout : float
        Seconds for everything.
    family : int
        AF_INET, AF_INET6, or 0 for either.

    Raises
    ------
    HttpError
        For anything but a complete answer; its status may still be an error.
    """
    session = HttpSession(family=family, keep_alive=False)
    try:
        return await session.get(url, limit=limit, timeout=timeout, headers=headers)
    finally:
        await session.close()


class HttpSession:
    """GETs that share one connection while they stay with one server.

    Parameters
    ----------
    family : int
        AF_INET, AF_INET6, or 0 for either.
    keep_alive : bool
        Keep the connection between requests.
    """

    def __init__(self, *, family: int = 0, keep_alive: bool = True) -> None:
        self._family = family
        self._keep_alive = keep_alive
        self._connection: HttpConnection | None = None
        self._origin: tuple[str, str] | None = None

    async def get(
        self, url: str, *, limit: int, timeout: float, headers: Mapping[str, str] | None = None
    ) -> Response:
        """GET `url`; as `fetch`."""
        try:
            with trio.fail_after(timeout):
                return await self._follow(url, limit, headers or {})
        except trio.TooSlowError:
            raise HttpError(f"no answer within {timeout:g} s") from None

    async def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()

    async def _follow(self, url: str, limit: int, headers: Mapping[str, str]) -> Response:
        public = False
        for _ in range(_REDIRECTS + 1):
            connection = await self._connect(url, public)
            response = await connection.get(url, limit=limit, headers=headers, keep_alive=self._keep_alive)
            location = response.headers.get("location")
            if response.status not in _REDIRECT_STATUS or not location:
                return response
            public = public or not is_private(response.address)
            url = _join(url, location)
        raise HttpError(f"more than {_REDIRECTS} redirects")

    async def _connect(self, url: str, public_only: bool) -> "HttpConnection":
        parts = _split(url)
        origin = (parts.scheme, parts.netloc)
        held = self._connection
        same = held is not None and held.alive and origin == self._origin
        if held is not None and same and not (public_only and is_private(held.address)):
            return held
        await self.close()
        self._connection = await connect(url, family=self._family, public_only=public_only)
        self._origin = origin
        return self._connection


async def connect(url: str, *, family: int = 0, public_only: bool = False) -> "HttpConnection":
    """Open a connection to the server of `url`.

    Raises
    ------
    HttpError
        If the scheme is not http or https, the name does not resolve, or nothing answers.
    """
    parts = _split(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    assert parts.hostname is not None
    addresses = await resolve(parts.hostname, port, family=family)
    if public_only:
        addresses = [address for address in addresses if not is_private(address)]
        if not addresses:
            raise HttpError(f"redirect from a public host to {parts.hostname}, which is not, refused")
    tcp = await _race(addresses, port)
    address = tcp.socket.getpeername()[0]
    stream: trio.abc.Stream = tcp
    if parts.scheme == "https":
        secure = trio.SSLStream(tcp, _tls(), server_hostname=parts.hostname, https_compatible=True)
        try:
            await secure.do_handshake()
        except (trio.BrokenResourceError, ssl.SSLError, OSError) as error:
            await trio.aclose_forcefully(tcp)
            raise HttpError(f"TLS with {parts.hostname}: {error.__cause__ or error}") from error
        stream = secure
    return HttpConnection(stream, address)


async def resolve(host: str, port: int, *, family: int = 0) -> list[str]:
    """Return a host's IPs, the system's preference first.

    Raises
    ------
    HttpError
        If there is none.
    """
    try:
        found = await trio.socket.getaddrinfo(host, port, family, trio.socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise HttpError(f"cannot resolve {host}: {error}") from error
    addresses = list(dict.fromkeys(str(item[4][0]) for item in found))
    if not addresses:
        raise HttpError(f"{host} has no address")
    return addresses[:8]


async def _race(addresses: list[str], port: int) -> trio.SocketStream:
    """Connect to the first address that answers, a quarter second apart (happy eyeballs)."""
    winner: list[trio.SocketStream] = []
    errors: list[OSError] = []

    async def attempt(address: str, failed: trio.Event, nursery: trio.Nursery) -> None:
        try:
            stream = await trio.open_tcp_stream(address, port)
        except OSError as error:
            errors.append(error)
            failed.set()
            return
        if winner:
            await stream.aclose()
        else:
            winner.append(stream)
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        for address in addresses:
            failed = trio.Event()
            nursery.start_soon(attempt, address, failed, nursery)
            with trio.move_on_after(_STAGGER):
                await failed.wait()
    if not winner:
        cause = (errors[0].__cause__ or errors[0]) if errors else "no answer"
        raise HttpError(f"cannot connect to {addresses[0]} port {port}: {cause}")
    return winner[0]


class HttpConnection:
    """One connection, one exchange at a time; `alive` tells whether another may follow."""

    def __init__(self, stream: trio.abc.Stream, address: str) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self.address = address
        self.alive = True

    async def __aenter__(self) -> "HttpConnection":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Hang up without ceremony."""
        await trio.aclose_forcefully(self._stream)

    async def get(
        self, url: str, *, limit: int, headers: Mapping[str, str] | None = None, keep_alive: bool = True
    ) -> Response:
        """Send one GET and read its whole answer of at most `limit` bytes.

        Raises
        ------
        HttpError
            For anything but a complete answer.
        """
        return await self._exchange("GET", url, b"", limit, headers, keep_alive)

    async def post(self, url: str, body: bytes, *, limit: int) -> Response:
        """Send one POST of octets and read its whole answer of at most `limit` bytes.

        Raises
        ------
        HttpError
            For anything but a complete answer.
        """
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(len(body))}
        return await self._exchange("POST", url, body, limit, headers, keep_alive=True)

    async def _exchange(
        self,
        method: str,
        url: str,
        body: bytes,
        limit: int,
        headers: Mapping[str, str] | None,
        keep_alive: bool,
    ) -> Response:
        parts = _split(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host = parts.netloc.rpartition("@")[2]
        lines = {
            "Host": host,
            "User-Agent": USER_AGENT,
            "Accept-Encoding": "gzip",
            "Connection": "keep-alive" if keep_alive else "close",
        } | dict(headers or {})
        text = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items()) + "\r\n"
        if any(char <= " " or char > "~" for char in target + host):
            raise HttpError(f"URL with a space or control character: {url!r}")
        self.alive = False  # until the answer is read to its end
        try:
            await self._stream.send_all(text.encode("latin-1") + body)
            return await self._answer(url, limit, keep_alive)
        except (trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError) as error:
            raise HttpError(f"connection lost: {error.__cause__ or error}") from error

    async def _answer(self, url: str, limit: int, keep_alive: bool) -> Response:
        status, headers, version = await self._head()
        while 100 <= status < 200:
            status, headers, version = await self._head()
        coding = headers.get("transfer-encoding", "").strip().lower()
        length = headers.get("content-length")
        sink = _Sink(limit, headers.get("content-encoding", "").strip().lower())
        ended = True
        if status in (204, 304):
            pass
        elif coding == "chunked":
            await self._chunked(sink)
        elif coding:
            raise HttpError(f"transfer coding {coding!r} is not chunked")
        elif length is not None:
            if not (length.isascii() and length.isdigit()):
                raise HttpError(f"content-length {length!r}")
            await self._counted(int(length), sink)
        else:
            ended = False
            while data := (await self._take() or await self._more()):
                sink.write(data)
        tokens = headers.get("connection", "").lower()
        self.alive = ended and keep_alive and version == "HTTP/1.1" and "close" not in tokens
        return Response(status, headers, sink.finish(), url, self.address)

    async def _head(self) -> tuple[int, dict[str, str], str]:
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > _MAX_HEADERS:
                raise HttpError(f"headers of more than {_MAX_HEADERS} bytes")
            if not await self._more(keep=True):
                raise HttpError(f"connection closed after {len(self._buffer)} bytes of headers")
        lines = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        version, _, rest = lines[0].partition(" ")
        if version not in ("HTTP/1.1", "HTTP/1.0") or _STATUS.match(rest) is None:
            raise HttpError(f"not HTTP: {lines[0][:60]!r}")
        headers = dict[str, str]()
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon:
                raise HttpError(f"header without a colon: {line[:60]!r}")
            headers[name.strip().lower()] = value.strip()
        return int(rest[:3]), headers, version

    async def _counted(self, size: int, sink: "_Sink") -> None:
        if size > sink.room:
            raise HttpError(f"body of {size} bytes, at most {sink.room}")
        while size:
            data = await self._take(size) or await self._more(limit=size)
            if not data:
                raise HttpError(f"body is {size} bytes short")
            sink.write(data)
            size -= len(data)

    async def _chunked(self, sink: "_Sink") -> None:
        while True:
            line = await self._line()
            digits = line.partition(b";")[0].strip()
            try:
                size = int(digits, 16) if len(digits) <= 8 and digits.isalnum() else -1
            except ValueError:
                size = -1
            if size < 0:
                raise HttpError(f"chunk size {digits[:20]!r}")
            if size == 0:
                break
            await self._counted(size, sink)
            if await self._line():
                raise HttpError("chunk longer than its size")
        for _ in range(64):  # trailers
            if not await self._line():
                return
        raise HttpError("more than 64 trailers")

    async def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > _MAX_CHUNK_LINE or not await self._more(keep=True):
                raise HttpError("chunk without an end of line")
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    async def _take(self, limit: int = _READ) -> bytes:
        data = bytes(self._buffer[:limit])
        del self._buffer[:limit]
        return data

    async def _more(self, *, keep: bool = False, limit: int = _READ) -> bytes:
        data = bytes(await self._stream.receive_some(min(limit, _READ)))
        if keep:
            self._buffer += data
        return data


class _Sink:
    """Collects a body of bounded size, decompressing on the way."""

    def __init__(self, limit: int, coding: str) -> None:
        self._parts: list[bytes] = []
        self._limit = limit
        self._size = self._packed = 0
        self._inflate = None
        if coding in ("gzip", "x-gzip", "deflate"):
            self._inflate = zlib.decompressobj(wbits=47)  # gzip or zlib, by its header
        elif coding not in ("", "identity"):
            raise HttpError(f"content coding {coding!r} was not asked for")

    @property
    def room(self) -> int:
        """Bytes that may still come (compressed ones: never more than the plain ones may be)."""
        return self._limit - self._size

    def write(self, data: bytes) -> None:
        if self._inflate is not None:
            # Empty blocks, or bytes behind the stream's end, would unpack to nothing for ever.
            self._packed += len(data)
            if self._packed > self._limit + _READ or (data and self._inflate.eof):
                raise HttpError(f"compressed body of more than {self._packed - len(data)} bytes")
            try:
                data = self._inflate.decompress(data, self.room + 1)
            except zlib.error as error:
                raise HttpError(f"compressed body: {error}") from error
            if self._inflate.unconsumed_tail:
                raise HttpError(f"body unpacks to more than {self._limit} bytes")
            if self._inflate.unused_data:
                raise HttpError("bytes after the compressed body")
        self._size += len(data)
        if self._size > self._limit:
            raise HttpError(f"body of more than {self._limit} bytes")
        self._parts.append(data)

    def finish(self) -> bytes:
        if self._inflate is not None and self._parts and not self._inflate.eof:
            raise HttpError("compressed body ends early")
        return b"".join(self._parts)


def _join(url: str, location: str) -> str:
    """Resolve a redirect."""
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise HttpError(f"redirect to {location[:200]!r}: {error}") from None


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise HttpError(f"URL {url[:200]!r}: {error}") from None
    if parts.scheme not in ("http", "https"):
        raise HttpError(f"scheme {parts.scheme!r} is neither http nor https")
    if not parts.hostname or port == 0:
        raise HttpError(f"URL without a host or with port 0: {url[:200]!r}")
    return parts


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
