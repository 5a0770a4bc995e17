"""Plain HTTP: one task over an epoll of its own answers the announces and scrapes of all connections.

A trio task a connection costs more than an announce does. What waits on a body, the disk or a
thread is handed, with its socket, to a task of its own (`http_stream.py`), as is all of TLS.
"""

import select
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import trio

from axon.errors import ConfigError
from axon.tracker.app import App
from axon.tracker.http_stream import HEAD_PATIENCE, RECEIVE
from axon.tracker.requests import MAX_HEAD, HttpError, client_address, parse_head, response

if TYPE_CHECKING:
    from axon.tracker.engine import Engine

__all__ = ["HttpLoop", "bind_http"]

_ACCEPT: Final = 64  # connections before others get a turn
_EVENTS: Final = 256
_MAX_UNSENT: Final = 1 << 20  # bytes that a client may leave unread before it is dropped


def bind_http(host: str, port: int) -> socket.socket:
    """Return a listening, non-blocking socket; an IPv6 one takes IPv6 only.

    Raises
    ------
    ConfigError
        If the address is not ours or taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        if hasattr(socket, "TCP_DEFER_ACCEPT"):  # hand connections over once their request is here
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 10)
        sock.listen(4096)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise ConfigError(f"HTTP {host} port {port}: {error}") from error
    return sock


class _Connection:
    __slots__ = ("address", "buffer", "closing", "last", "registered", "sock", "unsent")

    def __init__(self, sock: socket.socket, address: bytes, now: float) -> None:
        self.sock = sock
        self.address = address
        self.buffer = b""  # a request that is not whole yet
        self.unsent = b""
        self.closing = False
        self.registered = False  # with the epoll
        self.last = now  # when it last completed something


class HttpLoop:
    """All plain connections of the tracker.

    Parameters
    ----------
    app : App
    clock : callable
        Seconds, monotonic.
    limit : int
        Connections at once; beyond it the one that was silent for longest is closed.
    idle : float
        Seconds before a silent connection is closed.
    detach : callable
        Takes over a socket, its client's address and what was read already.
    fault : callable
        Told of a bug; it ends the connection that met it, and no other.
    engine : Engine or None
        The compiled fast path.
    """

    def __init__(
        self,
        app: App,
        clock: Callable[[], float],
        *,
        limit: int,
        idle: float,
        detach: Callable[[socket.socket, bytes, bytes], None],
        fault: Callable[[str, Exception], None],
        engine: "Engine | None" = None,
    ) -> None:
        self._app = app
        self._clock = clock
        self._limit = limit
        self._idle = idle
        self._detach = detach
        self._fault = fault
        # Behind a proxy every request must be looked at for whom it is.
        self._engine = None if app.trusted else engine
        self._epoll = select.epoll()
        self._listeners: dict[int, socket.socket] = {}
        self._connections: dict[int, _Connection] = {}
        self._swept = clock()
        self.draining = False

    def __len__(self) -> int:
        return len(self._connections)

    def listen(self, sock: socket.socket) -> None:
        """Take connections from a listening socket."""
        self._listeners[sock.fileno()] = sock
        self._epoll.register(sock.fileno(), select.EPOLLIN)

    def adopt(self, sock: socket.socket, address: bytes, data: bytes) -> None:
        """Take a connection back that was detached, with what was read beyond its last request."""
        if self.draining:
            sock.close()
            return
        now = self._clock()
        connection = _Connection(sock, address, now)
        connection.buffer = data
        self._connections[sock.fileno()] = connection
        try:
            if data:
                self._process(connection, now)
            if not connection.registered and self._connections.get(sock.fileno()) is connection:
                self._register(connection, select.EPOLLIN)
        except Exception as error:
            self._failed(connection, error)

    def close(self) -> None:
        """Close every socket."""
        for connection in list(self._connections.values()):
            self._close(connection)
        for sock in self._listeners.values():
            sock.close()
        self._epoll.close()

    def drain(self) -> None:
        """Stop listening; connections end with their next answer."""
        self.draining = True
        for fd, sock in self._listeners.items():
            self._epoll.unregister(fd)
            sock.close()
        self._listeners.clear()
        for connection in list(self._connections.values()):
            if not connection.buffer and not connection.unsent:
                self._close(connection)

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            with trio.move_on_after(1):
                await trio.lowlevel.wait_readable(self._epoll.fileno())
            now = self._clock()
            if self._engine is not None:
                self._engine.advance(now)
            for fd, event in self._epoll.poll(0, _EVENTS):
                if fd in self._listeners:
                    self._accept(self._listeners[fd], now)
                    continue
                connection = self._connections.get(fd)
                if connection is None:
                    continue
                try:
                    if event & select.EPOLLOUT:
                        self._flush(connection)
                    elif event & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                        self._read(connection, now)
                except Exception as error:
                    self._failed(connection, error)
            if now - self._swept > 1:
                self._swept = now
                self._sweep(now)

    def _accept(self, listener: socket.socket, now: float) -> None:
        for _ in range(_ACCEPT):
            try:
                sock, address = listener.accept()
            except BlockingIOError:
                return
            except OSError:  # gone already, or out of descriptors
                self._sweep(now, crowded=True)
                return
            if len(self._connections) >= self._limit:
                self._sweep(now, crowded=True)
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            packed = socket.inet_pton(listener.family, address[0].partition("%")[0])
            connection = _Connection(sock, packed, now)
            self._connections[sock.fileno()] = connection
            try:
                self._read(connection, now)  # the request is mostly here already, and often the only one
                if not connection.registered and sock.fileno() in self._connections:
                    self._register(connection, select.EPOLLIN)
            except Exception as error:
                self._failed(connection, error)

    def _failed(self, connection: _Connection, error: Exception) -> None:
        self._fault("http", error)
        if self._connections.get(connection.sock.fileno()) is connection:
            self._close(connection)

    def _read(self, connection: _Connection, now: float) -> None:
        engine = self._engine
        try:
            if engine is not None and not connection.buffer:
                size = connection.sock.recv_into(engine.http_in)
                if not size:
                    return self._close(connection)
                consumed, answer, close = engine.http(size, connection.address)
                if consumed:
                    connection.last = now
                    if not self._send(connection, answer, close or self.draining):
                        return None
                if consumed == size:
                    return None
                data = engine.http_in[consumed:size].tobytes()
            else:
                data = connection.sock.recv(RECEIVE)
        except BlockingIOError:
            return None
        except OSError:
            return self._close(connection)
        if not data:
            return self._close(connection)
        connection.buffer += data
        return self._process(connection, now)

    def _process(self, connection: _Connection, now: float) -> None:
        answers = list[bytes]()
        close = False
        while not close:
            end = connection.buffer.find(b"\r\n\r\n")
            if end < 0 or end > MAX_HEAD:
                if len(connection.buffer) > MAX_HEAD:
                    text = f"head of more than {MAX_HEAD} bytes"
                    answers.append(response(431, text.encode(), close=True))
                    close = True
                break
            try:
                request = parse_head(connection.buffer[:end])
                address = client_address(connection.address, request, self._app.trusted)
                answer = self._app.fast(request, address, now)
            except HttpError as error:
                answers.append(response(error.status, str(error).encode(), close=error.close))
                close = error.close
                connection.buffer = connection.buffer[end + 4 :]
                continue
            if answer is None:
                close = not request.keep_alive or self.draining
                page = self._app.page(request, close=close)
                if page is not None:
                    connection.buffer = connection.buffer[end + 4 :]
                    connection.last = now
                    answers.append(page)
                    continue
                if answers and not self._send(connection, b"".join(answers), False):
                    return
                if not connection.unsent:
                    self._hand_over(connection)
                    return
                close = True  # it does not read its answers; no task for it
                break
            connection.buffer = connection.buffer[end + 4 :]
            connection.last = now
            close = not request.keep_alive or self.draining
            answers.append(response(200, answer, close=close))
        if answers or close:
            self._send(connection, b"".join(answers), close)

    def _hand_over(self, connection: _Connection) -> None:
        fd = connection.sock.fileno()
        if connection.registered:
            self._epoll.unregister(fd)
        del self._connections[fd]
        self._detach(connection.sock, connection.address, connection.buffer)

    def _send(self, connection: _Connection, data: bytes | memoryview, close: bool) -> bool:
        """Send what fits and keep the rest; False if the connection is gone or about to be."""
        connection.closing |= close
        if not connection.unsent:
            try:
                sent = connection.sock.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._close(connection)
                return False
            if sent == len(data):
                if close:
                    self._close(connection)
                return not close
            self._register(connection, select.EPOLLOUT)  # read no more until it does
            data = data[sent:]
        connection.unsent += data
        if len(connection.unsent) > _MAX_UNSENT:
            self._close(connection)
            return False
        return not close

    def _flush(self, connection: _Connection) -> None:
        try:
            sent = connection.sock.send(connection.unsent)
        except BlockingIOError:
            return
        except OSError:
            self._close(connection)
            return
        connection.unsent = connection.unsent[sent:]
        if not connection.unsent:
            if connection.closing:
                self._close(connection)
            else:
                self._register(connection, select.EPOLLIN)

    def _register(self, connection: _Connection, events: int) -> None:
        if connection.registered:
            self._epoll.modify(connection.sock.fileno(), events)
        else:
            self._epoll.register(connection.sock.fileno(), events)
            connection.registered = True

    def _sweep(self, now: float, *, crowded: bool = False) -> None:
        """Close the silent ones; when crowded, the tenth that was silent for longest."""
        for connection in list(self._connections.values()):
            patience = HEAD_PATIENCE if connection.buffer or connection.unsent else self._idle
            if now - connection.last > patience:
                self._close(connection)
        if crowded and self._connections:
            oldest = sorted(self._connections.values(), key=lambda c: c.last)
            for connection in oldest[: len(oldest) // 10 + 1]:
                self._close(connection)

    def _close(self, connection: _Connection) -> None:
        fd = connection.sock.fileno()
        if self._connections.pop(fd, None) is not None:
            if connection.registered:
                self._epoll.unregister(fd)
            connection.sock.close()
