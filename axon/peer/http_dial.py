"""Where a URL leads: names, addresses, TLS (RFC 8305 in short).

Only http and https are spoken, and whoever asks for it gets no connection to a
loopback or private address.
"""

import ipaddress
import ssl
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

import trio

from axon.peer.http_response import HttpError

__all__ = ["is_private", "reach", "resolve", "split_url"]

_STAGGER = 0.25  # seconds before the next address is tried beside the last (RFC 8305)


def is_private(address: str) -> bool:
    """Tell whether an IP is loopback, private, link-local or otherwise not of the public Internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return not ip.is_global


async def reach(url: str, *, family: int = 0, public_only: bool = False) -> tuple[trio.abc.Stream, str]:
    """Connect to the server of `url`; return the stream, by TLS for https, and its IP.

    Raises
    ------
    HttpError
        If the scheme is not http or https, the name does not resolve, or nothing answers.
    """
    parts = split_url(url)
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
    return stream, address


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


def split_url(url: str) -> SplitResult:
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
