"""The UDP tracker client: one socket a family, many questions at once (BEP 15, 41).

Answers count only from the address that was asked, with the transaction that
was sent. A question is repeated after 15·2^n seconds; a connection id serves a
minute. Both families of a tracker's name are asked, since each answers with
peers of its own kind.
"""

import random
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import trio

from axon.bt import tracker_udp as codec
from axon.bt.announce import AnnounceRequest, AnnounceResponse
from axon.errors import TrackerError

__all__ = ["UdpTrackers"]

_FIRST_TIMEOUT = 15.0  # seconds (BEP 15)
_TRIES = 4  # 15 + 30 + 60 + 120 s; BEP 15 allows 9, but then an hour has passed
_ID_LIFE = 60.0  # seconds
_MAX_DATAGRAM = 8192
_Key = tuple[tuple[str, int], int]  # address, transaction


class UdpTrackers:
    """Asks UDP trackers; `run` must be running.

    Parameters
    ----------
    rng : random.Random
        Of transactions; a spoofer must not guess them.
    first_timeout : float
        Seconds until the first repetition.
    """

    def __init__(self, rng: random.Random | None = None, *, first_timeout: float = _FIRST_TIMEOUT) -> None:
        self._rng = rng or random.SystemRandom()
        self._timeout = first_timeout
        self._sockets: dict[int, trio.socket.SocketType] = {}
        self._waiting: dict[_Key, Callable[[bytes], None]] = {}
        self._ids: dict[tuple[str, int], tuple[int, float]] = {}
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Receive answers until cancelled."""
        try:
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                await trio.sleep_forever()
        finally:
            for sock in self._sockets.values():
                sock.close()

    async def announce(self, url: str, request: AnnounceRequest, *, family: int) -> AnnounceResponse:
        """Ask one tracker by one address family.

        Raises
        ------
        TrackerError
            If it has no such address, does not answer, refuses, or answers with nonsense.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise TrackerError(f"tracker {url!r}: {error}") from None
        if not parts.hostname or not port:
            raise TrackerError(f"tracker {url!r}: no host or port")
        try:
            found = await trio.socket.getaddrinfo(parts.hostname, port, family, socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:
            raise TrackerError(f"cannot resolve {parts.hostname}: {error}") from error
        if not found:
            raise TrackerError(f"{parts.hostname} has no address")
        address = (str(found[0][4][0]), port)
        for attempt in range(_TRIES):
            timeout = self._timeout * 2**attempt
            with trio.move_on_after(timeout):
                return await self._announce(family, address, request, url)
        raise TrackerError(f"no answer to {_TRIES} datagrams")

    async def _announce(
        self, family: int, address: tuple[str, int], request: AnnounceRequest, url: str
    ) -> AnnounceResponse:
        now = trio.current_time()
        known, expires = self._ids.get(address, (0, 0.0))
        if now >= expires:
            reply = await self._ask(family, address, codec.encode_connect)
            if not isinstance(reply, codec.ConnectReply):
                raise TrackerError(_unexpected(reply))
            known = reply.connection_id
            self._ids[address] = (known, trio.current_time() + _ID_LIFE)
        reply = await self._ask(
            family, address, lambda transaction: codec.encode_announce(known, transaction, request, url)
        )
        if not isinstance(reply, AnnounceResponse):
            self._ids.pop(address, None)  # perhaps it has forgotten us
            raise TrackerError(_unexpected(reply))
        return reply

    async def _ask(self, family: int, address: tuple[str, int], encode: Callable[[int], bytes]) -> object:
        transaction = self._rng.getrandbits(32)
        answered = trio.Event()
        answer: list[bytes] = []

        def take(data: bytes) -> None:
            answer.append(data)
            answered.set()

        key = (address, transaction)
        self._waiting[key] = take
        try:
            sock = await self._socket(family)
            await sock.sendto(encode(transaction), address)
            await answered.wait()
        except OSError as error:
            raise TrackerError(f"cannot send to {address[0]}: {error.strerror}") from error
        finally:
            del self._waiting[key]
        return codec.decode_reply(answer[0], transaction, socket.AddressFamily(family))

    async def _socket(self, family: int) -> trio.socket.SocketType:
        sock = self._sockets.get(family)
        if sock is None:
            assert self._nursery is not None, "run() is not running"
            sock = trio.socket.socket(family, socket.SOCK_DGRAM)
            await sock.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", 0))
            self._sockets[family] = sock
            self._nursery.start_soon(self._receive, sock)
        return sock

    async def _receive(self, sock: trio.socket.SocketType) -> None:
        while True:
            try:
                data, sender = await sock.recvfrom(_MAX_DATAGRAM)
            except OSError:
                continue  # an ICMP error of an earlier datagram; its question will time out
            if len(data) >= 8:
                key = ((str(sender[0]), int(sender[1])), int.from_bytes(data[4:8], "big"))
                if (take := self._waiting.get(key)) is not None:
                    take(data)


def _unexpected(reply: object) -> str:
    if isinstance(reply, codec.ErrorReply):
        return f"the tracker says: {reply.message[:200]}"
    return f"the tracker answered with a {type(reply).__name__}"
