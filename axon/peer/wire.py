"""The pump between one TCP socket and its `PeerConnection`.

Two tasks a link. The reader receives as much as there is into the connection's
own buffer, parses it in one synchronous go, and lets the owner react; nothing
is awaited, queued or allocated for a single block. The writer sleeps until
there is something that the reader could not send at once: blocks that the peer
asked for, or bytes that did not fit into the socket.
"""

import contextlib
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from typing import Protocol

import trio

from axon.bt.connection import PeerConnection
from axon.bt.events import Event
from axon.bt.mse import Encryption
from axon.errors import RemoteProtocolError
from axon.peer.encryption import Opening
from axon.peer.ratelimit import Limits

__all__ = ["Address", "Link", "Owner", "tune"]

Address = tuple[str, int]

_SOCKET_BUFFER = 4 << 20  # bytes
_TURN = 1 << 20  # bytes; so much of one peer, and then others have theirs
_UNSENT = 512 << 10  # bytes; two of the largest batches
_FIRST_BATCH, _LAST_BATCH = 4, 32  # blocks; small while the peer is slow, for a batch holds its memory


class Owner(Protocol):
    """Who reacts to what a link brings: a greeter until the handshake, then the swarm's `Peer`."""

    down: Limits
    up: Limits

    def on_blocks(self, index: int, begin: int, views: Sequence[memoryview]) -> None:
        """Blocks of a piece came, each behind the other; copy them before returning."""

    def on_event(self, event: Event) -> None:
        """Something else happened; the connection's control messages are sent afterwards."""

    def on_read(self) -> None:
        """All events of one read were handed over: ask for more blocks."""

    def on_pause(self) -> None:
        """Nothing more comes for now."""

    def upload_batch(self, most: int) -> int:
        """How many blocks may go to this peer now, at most `most`; 0: wait until woken."""

    async def load(self, count: int) -> tuple[list[bytes | memoryview], int]:
        """Take up to `count` of the peer's requests; their wire bytes, and how many of them are payload."""

    def sent(self) -> None:
        """What the last `load` returned is in the socket; its memory may be used again."""


class Link:
    """One socket with its connection.

    Attributes
    ----------
    address : (host, port)
        The peer's end of the socket.
    outgoing : bool
        Did we dial?
    listen_port : int or None
        Where it accepts connections, if known.
    closed_because : str or None
        Why we hung up, or what the peer did.
    left : bool
        It was the peer who hung up.
    encryption : Encryption or None
        What hides all that comes and goes.
    """

    conn: PeerConnection
    owner: Owner

    def __init__(self, sock: socket.socket, address: Address, *, outgoing: bool) -> None:
        self.sock = sock
        self.address = address
        self.outgoing = outgoing
        self.is_local = ip_address(address[0].partition("%")[0]).is_loopback
        self.listen_port = address[1] if outgoing else None
        self.closed_because: str | None = None
        self.left = False
        self.encryption: Encryption | None = None
        self._opening: Callable[[], Awaitable[Opening]] | None = None
        self.uploaded = 0  # payload bytes
        self._batch = _FIRST_BATCH
        self._rest = memoryview(b"")  # control bytes that the socket did not take
        self._sending = False  # the writer is in the middle of something
        self._wake = trio.Event()
        self._scope = trio.CancelScope()

    def open(
        self,
        conn: PeerConnection,
        owner: Owner,
        opening: Callable[[], Awaitable[Opening]] | None = None,
    ) -> None:
        """Name the connection to pump, who reacts, and what goes before its handshake; before `run`."""
        self.conn, self.owner, self._opening = conn, owner, opening

    def on_blocks(self, index: int, begin: int, views: Sequence[memoryview]) -> None:
        """The connection's `on_blocks`: whoever owns the link takes them."""
        self.owner.on_blocks(index, begin, views)

    async def run(self) -> None:
        """Pump until either side hangs up; `closed_because` then says why. Closes the socket."""
        try:
            with self._scope:
                if self._opening is not None:
                    await self._agree(self._opening)
                    if self.closed_because is not None:
                        return
                self.flush()
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    await self._read()
                    nursery.cancel_scope.cancel()
        finally:
            self.sock.close()

    async def _agree(self, opening: Callable[[], Awaitable[Opening]]) -> None:
        try:
            self.encryption, payload = await opening()
            if payload:
                self.dispatch(self.conn.receive(payload, trio.current_time()))
        except RemoteProtocolError as error:
            self.close(str(error))
        except OSError as error:
            self._lost(error)

    @property
    def busy(self) -> bool:
        """Are there bytes that the socket has not taken yet?"""
        return bool(self._rest) or self.conn.has_data_to_send

    @property
    def closed(self) -> bool:
        """Is the connection over, or about to be?"""
        return self.closed_because is not None or self.sock.fileno() < 0

    def end(self) -> None:
        """Send no more, but listen until the peer hangs up."""
        with contextlib.suppress(OSError):  # it is gone already
            self.sock.shutdown(socket.SHUT_WR)

    def close(self, because: str) -> None:
        """Hang up soon; the first reason stays."""
        if self.closed_because is None:
            self.closed_because = because
        self._scope.cancel()

    def _lost(self, error: OSError) -> None:
        self.left = True
        self.close(f"connection lost: {error.strerror}")

    def guard(self, work: Callable[[], None]) -> None:
        """Do something that may find the peer at fault, outside of the link's own tasks."""
        try:
            work()
        except RemoteProtocolError as error:
            self.close(str(error))

    def tick(self, now: float) -> None:
        """Do what the connection's timers ask for."""
        if self.conn.deadline() <= now:
            self.guard(lambda: self.dispatch(self.conn.on_deadline(now)))

    def round_trip(self) -> float:
        """Return the round trip in seconds as TCP measures it; 0 if it does not say."""
        try:
            info = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 72)
        except (OSError, AttributeError):
            return 0.0
        return float(int.from_bytes(info[68:72], sys.byteorder)) / 1e6 if len(info) == 72 else 0.0

    def wake(self) -> None:
        """Let the writer look again: blocks may go out, or control bytes wait."""
        self._wake.set()

    def flush(self) -> None:
        """Send control messages at once if the socket takes them, else leave them to the writer."""
        conn = self.conn
        if conn.requests_waiting and not self._sending:
            self._wake.set()
        if not conn.has_data_to_send or self._sending:
            return
        data = self._hidden(conn.data_to_send())
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._lost(error)
            return
        if sent < len(data):
            self._rest = memoryview(data)[sent:]
            self._sending = True
            self._wake.set()

    def _hidden(self, data: bytes) -> bytes:
        return data if self.encryption is None else self.encryption.encrypt(data)

    async def _read(self) -> None:
        conn, sock = self.conn, self.sock
        turn = 0
        try:
            while True:
                view = conn.buffer_for_read()
                down = self.owner.down
                if down.limited:
                    if wait := down.wait(trio.current_time()):
                        self.owner.on_pause()
                        await trio.sleep(wait)
                    view = view[: down.chunk]
                try:
                    count = sock.recv_into(view)
                except BlockingIOError:
                    turn = 0
                    self.owner.on_pause()
                    await trio.lowlevel.wait_readable(sock)
                    continue
                if not count:
                    self.left = True
                    self.close("the peer hung up")
                    return
                if self.encryption is not None:
                    self.encryption.decrypt_in_place(view[:count])
                now = trio.current_time()
                down.spend(count, now)
                self.dispatch(conn.received(count, now))
                turn += count
                if turn >= _TURN or down.limited or self.closed_because is not None:
                    turn = 0
                    await trio.lowlevel.checkpoint()
        except RemoteProtocolError as error:
            self.close(str(error))
        except OSError as error:
            self._lost(error)

    def dispatch(self, events: Sequence[Event]) -> None:
        """Hand events to the owner, and send what it says in return.

        Raises
        ------
        RemoteProtocolError
            If an event shows that the peer broke a rule of something above the connection.
        """
        for event in events:
            self.owner.on_event(event)  # may change `owner`
        self.owner.on_read()
        self.flush()

    async def _write(self) -> None:
        try:
            while True:
                self._sending = True
                if self._rest:
                    rest, self._rest = self._rest, memoryview(b"")
                    await self._send_rest([rest])
                if self.conn.has_data_to_send:
                    await self._send_rest([self._hidden(self.conn.data_to_send())])
                    continue
                if self.conn.requests_waiting and (count := self.owner.upload_batch(self._batch)):
                    await self._upload(count)
                    continue
                self._sending = False
                self._wake = trio.Event()
                await self._wake.wait()
        except RemoteProtocolError as error:
            self.close(str(error))
        except OSError as error:
            self._lost(error)

    async def _upload(self, count: int) -> None:
        owner, up = self.owner, self.owner.up
        if up.limited:
            count = min(count, max(1, up.chunk >> 14))
            if wait := up.wait(trio.current_time()):
                # Requests may be cancelled or choked meanwhile, and control messages must not wait.
                self._sending = False
                await trio.sleep(wait)
                return
        pieces, payload = await owner.load(count)
        if not pieces:
            return
        if self.encryption is not None:
            pieces = [self.encryption.encrypt(b"".join(pieces))]
        try:
            at_once = await self._send_rest(pieces)
        finally:
            owner.sent()
        self._batch = min(2 * self._batch, _LAST_BATCH) if at_once else max(self._batch // 2, _FIRST_BATCH)
        up.spend(payload, trio.current_time())
        self.uploaded += payload

    async def _send_rest(self, parts: Sequence[bytes | memoryview]) -> bool:
        """Send all of `parts`; False if the socket was full on the way."""
        at_once = True
        views = [memoryview(part) for part in parts]
        first = 0
        while first < len(views):
            try:
                # IOV_MAX is 1024
                sent = self.sock.sendmsg(views[first : first + 1000])
            except BlockingIOError:
                at_once = False
                await trio.lowlevel.wait_writable(self.sock)
                continue
            while first < len(views) and sent >= len(views[first]):
                sent -= len(views[first])
                first += 1
            if sent:
                views[first] = views[first][sent:]
        await trio.lowlevel.checkpoint()
        return at_once


def tune(sock: socket.socket) -> None:
    """Prepare a connected socket for bulk transfer.

    The receive buffer is left to the kernel, which grows it with the route; a size that is asked for
    would end that, and most systems grant no more than 208 KiB.
    """
    sock.setblocking(False)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            # The kernel grows the send buffer with the route, and queues no more than this beyond it: a
            # slow peer that is choked or cancels has not megabytes under way already.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER)
    except OSError:
        pass  # slower, but it works; or the peer is gone, as the first read will tell
