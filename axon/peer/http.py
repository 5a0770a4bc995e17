"""A small HTTP/1.1 client over trio for trackers and web seeds.

Time and redirects are bounded here, and a redirect never leads from a public
host to a loopback or private one. What an answer may be is `http_response.py`'s,
who is reached `http_dial.py`'s.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin

import trio

from axon import __version__
from axon.peer.http_dial import is_private, reach, split_url
from axon.peer.http_response import HttpError, ResponseReader

__all__ = ["HttpConnection", "HttpError", "HttpSession", "Response", "connect", "fetch", "is_private"]

_READ = 64 * 1024  # bytes
_REDIRECTS = 5
_REDIRECT_STATUS = (301, 302, 303, 307, 308)
USER_AGENT = f"axon/{__version__}"


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str  # after redirects
    address: str  # the server's IP


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
        parts = split_url(url)
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
    return HttpConnection(*await reach(url, family=family, public_only=public_only))


class HttpConnection:
    """One connection, one exchange at a time; `alive` tells whether another may follow."""

    def __init__(self, stream: trio.abc.Stream, address: str) -> None:
        self._stream = stream
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
        parts = split_url(url)
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
        reader = ResponseReader(limit)
        while not reader.done:
            data = await self._stream.receive_some(_READ)
            if data:
                reader.receive(data)
            else:
                reader.end()
        self.alive = keep_alive and reader.reusable
        return Response(reader.status, reader.headers, reader.body(), url, self.address)


def _join(url: str, location: str) -> str:
    """Resolve a redirect."""
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise HttpError(f"redirect to {location[:200]!r}: {error}") from None
