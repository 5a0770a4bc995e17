"""One HTTP connection as one task: for TLS, and for requests that wait on a body, the disk or a thread.

Announces and scrapes over plain connections never come here: `http.py` drains them all in one
task, and hands a socket over only for a request of another kind.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final

import trio

from axon.tracker.app import App
from axon.tracker.requests import MAX_HEAD, HttpError, client_address, parse_head, response

__all__ = ["HEAD_PATIENCE", "RECEIVE", "StreamTasks", "serve_stream"]

RECEIVE = 64 * 1024  # bytes
HEAD_PATIENCE = 10.0  # seconds for a whole head
_TASKS: Final = 1000  # requests that wait on bodies or the disk at once
_TASKS_EACH: Final = 64  # and of one address


class StreamTasks:
    """The tasks that serve one connection each, counted by address.

    Parameters
    ----------
    app : App
    clock : callable
        Seconds, monotonic.
    idle : float
        Seconds before a silent connection is closed.
    fault : callable
        Told of a bug; it ends one connection.
    """

    def __init__(
        self, app: App, clock: Callable[[], float], idle: float, fault: Callable[[str, Exception], None]
    ) -> None:
        self._app = app
        self._clock = clock
        self._idle = idle
        self._fault = fault
        self._running: Counter[bytes] = Counter()  # by network

    def __len__(self) -> int:
        return self._running.total()

    def admit(self, address: bytes) -> bool:
        """Tell whether there is room for one more request, in all and for this address."""
        return len(self) < _TASKS and self._running[_network(address)] < _TASKS_EACH

    async def serve(
        self,
        stream: trio.abc.Stream,
        address: bytes,
        data: bytes = b"",
        give_back: Callable[[bytes], None] | None = None,
    ) -> None:
        """Run `serve_stream` and count it; a bug in it is logged and ends only this connection."""
        network = _network(address)
        self._running[network] += 1
        try:
            await serve_stream(self._app, stream, address, self._clock, self._idle, data, give_back)
        except Exception as error:  # one request's bug must not end the others
            self._fault("http", error)
        finally:
            self._running[network] -= 1
            if not self._running[network]:
                del self._running[network]


async def serve_stream(
    app: App,
    stream: trio.abc.Stream,
    address: bytes,
    clock: Callable[[], float],
    idle: float,
    data: bytes = b"",
    give_back: Callable[[bytes], None] | None = None,
) -> None:
    """Serve any request; the way for TLS and for what waits on the disk.

    To the connection's end; or, with `give_back`, one request, and then that is called with what
    was read beyond it, and the stream left open.
    """
    buffer = data
    held = 0  # bytes counted with `app.hold`
    kept = False
    with trio.CancelScope() as scope:
        try:
            keep_alive = True
            while keep_alive:
                scope.deadline = trio.current_time() + (HEAD_PATIENCE if buffer else idle)
                while (end := buffer.find(b"\r\n\r\n")) < 0:
                    if len(buffer) > MAX_HEAD:
                        raise HttpError(431, f"head of more than {MAX_HEAD} bytes", close=True)
                    more = await stream.receive_some(RECEIVE)
                    if not more:
                        return
                    buffer += more
                request = parse_head(buffer[:end])
                buffer = buffer[end + 4 :]
                app.expect(request)
                if request.headers.get(b"expect", b"").lower() == b"100-continue":
                    await stream.send_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                scope.deadline = trio.current_time() + 60
                chunks, size = [buffer], len(buffer)
                while size < request.length:
                    more = await stream.receive_some(RECEIVE)
                    if not more:
                        return
                    app.hold(len(more))
                    held += len(more)
                    chunks.append(bytes(more))
                    size += len(more)
                buffer = b"".join(chunks)
                body, buffer = buffer[: request.length], buffer[request.length :]
                app.hold(-held)
                held = 0
                keep_alive = request.keep_alive
                client = client_address(address, request, app.trusted)
                scope.deadline = trio.current_time() + 300
                try:
                    answer = app.fast(request, client, clock())
                    if answer is not None:
                        await stream.send_all(response(200, answer, close=not keep_alive))
                        continue
                    async for part in app.respond(request, body, client, close=not keep_alive):
                        await stream.send_all(part)
                    if give_back is not None and keep_alive:
                        kept = True
                        give_back(buffer)
                        return
                except HttpError as error:
                    keep_alive &= not error.close
                    reason = str(error).encode()
                    await stream.send_all(response(error.status, reason, close=not keep_alive))
        except HttpError as error:
            with trio.move_on_after(5):
                await stream.send_all(response(error.status, str(error).encode(), close=True))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client went away
        finally:
            app.hold(-held)
            if not kept:
                with trio.move_on_after(1) as closing:
                    closing.shield = True
                    await stream.aclose()


def _network(address: bytes) -> bytes:
    """Return what counts as one address: an IPv6 /64, or an IPv4 address."""
    return address[:8] if len(address) == 16 else address
