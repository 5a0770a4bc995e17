"""Sockets for peers: listening on several addresses under one port, dialling, writing addresses."""

import errno
import os
import socket
from collections.abc import Sequence

import trio

from axon.errors import ConfigError

__all__ = ["Address", "dial", "listen", "plain_host", "show_address"]

Address = tuple[str, int]
_BACKLOG = 128


def listen(addresses: Sequence[Address], *, may_move: bool = False) -> list[socket.socket]:
    """Bind all addresses; port 0 becomes the same port for all, of the system's choice.

    Parameters
    ----------
    may_move : bool
        If a port is taken, take any other: for ports that nobody asked for by number.

    Raises
    ------
    ConfigError
        If an address cannot be bound. (That a machine lacks IPv6 is no error if there are others.)
    """
    listeners: list[socket.socket] = []
    chosen = 0
    for host, port in addresses:
        try:
            listener = _bind(host, port or chosen)
        except OSError as error:
            if len(addresses) > 1 and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                continue
            for listener in listeners:
                listener.close()
            if may_move and error.errno == errno.EADDRINUSE:
                return listen([(host, 0) for host, _ in addresses])
            raise ConfigError(f"cannot listen on {host} port {port}: {error.strerror}") from error
        chosen = listener.getsockname()[1]
        listeners.append(listener)
    if not listeners:
        raise ConfigError("cannot listen on any address")
    return listeners


def _bind(host: str, port: int) -> socket.socket:
    info = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.socket(info[0], socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if info[0] == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(info[4])
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


async def dial(address: Address) -> socket.socket:
    """Connect; a name is resolved first.

    Raises
    ------
    OSError
        If nobody answers.
    """
    host, port = address
    found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family, kind, proto, _, target = found[0]
    sock = socket.socket(family, kind, proto)
    try:
        sock.setblocking(False)
        try:
            sock.connect(target)
        except BlockingIOError:
            await trio.lowlevel.wait_writable(sock)
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
    except BaseException:
        sock.close()
        raise
    return sock


def show_address(address: Address) -> str:
    """Write an address for people."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def plain_host(host: str) -> str:
    """An IPv4 peer on an IPv6 socket is still an IPv4 peer."""
    return host.removeprefix("::ffff:") if host.startswith("::ffff:") and "." in host else host
