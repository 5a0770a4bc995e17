"""The UDP shell: one socket, served by the compiled kernel or, without numba, packet by packet.

Both wait for the socket to become readable once and then drain it without another await.
"""

import contextlib
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import trio

from axon.errors import ConfigError
from axon.tracker.logic import Tracker

if TYPE_CHECKING:
    from axon.tracker.engine import Engine

__all__ = ["bind_udp", "serve_compiled", "serve_plain"]

# Bytes asked of the system. A longer queue of requests would only make everybody wait in a flood:
# this one is worked off in 5 to 20 ms.
_RECEIVE_BUFFER: Final = 512 << 10
_SEND_BUFFER: Final = 4 << 20
_DRAIN: Final = 64  # datagrams before other tasks get a turn
_SIGNED: Final = 298  # bytes; a signed announce is no shorter

Signed = Callable[[bytes, bytes], None]  # datagram, address: an answered announce that may be signed
Fault = Callable[[str, Exception], None]  # where, what: a bug, which costs the datagrams that met it


def bind_udp(host: str, port: int) -> socket.socket:
    """Return a bound, non-blocking socket; an IPv6 one takes IPv6 only.

    Raises
    ------
    ConfigError
        If the address is not ours or taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise ConfigError(f"UDP {host} port {port}: {error}") from error
    return sock


async def serve_compiled(
    sock: socket.socket, engine: "Engine", clock: Callable[[], float], signed: Signed, fault: Fault
) -> None:
    """Serve until cancelled, by the kernel."""
    batch = engine.batch(sock)
    while True:
        await trio.lowlevel.wait_readable(sock)
        engine.advance(clock())
        try:
            for datagram, address in engine.serve(batch):
                signed(datagram, address)
        except Exception as error:
            fault("udp", error)


async def serve_plain(
    sock: socket.socket, tracker: Tracker, clock: Callable[[], float], signed: Signed, fault: Fault
) -> None:
    """Serve until cancelled, in Python."""
    family = sock.family
    while True:
        await trio.lowlevel.wait_readable(sock)
        now = clock()
        tracker.ids.advance(now)
        for _ in range(_DRAIN):
            try:
                data, (host, port, *_) = sock.recvfrom(2048)
            except BlockingIOError:
                break
            except OSError:
                continue  # an ICMP error of an earlier reply
            if port == 0:
                continue
            try:
                address = socket.inet_pton(family, host.partition("%")[0])
                reply = tracker.datagram(data, address, now)
                if reply is None:
                    continue
                _send(sock, reply, (host, port))
                if len(data) >= _SIGNED and reply[:4] == b"\0\0\0\1":
                    signed(data, address)
            except Exception as error:
                fault("udp", error)


def _send(sock: socket.socket, reply: bytes, address: tuple[str, int]) -> None:
    with contextlib.suppress(OSError):  # lost, as datagrams may be
        sock.sendto(reply, address)
