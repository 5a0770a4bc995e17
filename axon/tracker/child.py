"""A helper process that is asked by frames: questions in on its standard input, answers on its output.

A frame is a length 4 and bytes. The child ends when its input does, whatever became of
the parent; one that died is started again.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import BinaryIO, Final

import trio

from axon.errors import StorageError

__all__ = ["Child", "serve_parent"]

_MAX: Final = 1 << 30  # bytes of a frame


class Child:
    """The parent's end; calls take turns.

    Parameters
    ----------
    module : str
        Run as ``python -m module``.
    arguments : sequence of str
    linger : float
        Seconds without a question before it is ended, to be started again for the next one.
    """

    def __init__(self, module: str, arguments: Sequence[str], linger: float = float("inf")) -> None:
        self._module = module
        self._command = [sys.executable, "-m", module, *arguments]
        self._linger = linger
        self._process: trio.Process | None = None
        self._lock = trio.Lock()
        self._asked = 0  # questions so far

    async def start(self) -> None:
        """Start it before it is needed."""
        async with self._lock:
            await self._open()

    async def ask(self, question: bytes) -> bytes:
        """Return its answer.

        Raises
        ------
        StorageError
            If the child cannot be reached.
        """
        async with self._lock:
            self._asked += 1
            for _ in range(2):
                process = await self._open()
                assert process.stdin is not None and process.stdout is not None
                answered = False
                try:
                    await process.stdin.send_all(len(question).to_bytes(4, "big"))
                    await process.stdin.send_all(question)
                    size = int.from_bytes(await _receive(process.stdout, 4), "big")
                    answer = await _receive(process.stdout, size)
                    answered = True
                    return answer
                except trio.BrokenResourceError:
                    continue
                finally:
                    if not answered:  # also when cancelled: the next question would read this one's answer
                        await self._kill(process)
            raise StorageError(f"{self._module} ended twice")

    async def aclose(self) -> None:
        """End the child, after what it was told is done."""
        with trio.CancelScope(shield=True):
            async with self._lock:
                await self._end()

    async def lingering(self) -> None:
        """End the child whenever nothing was asked for so long; until cancelled."""
        while True:
            asked = self._asked
            await trio.sleep(self._linger)
            async with self._lock:
                if asked == self._asked:
                    await self._end()

    async def _open(self) -> trio.Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await trio.lowlevel.open_process(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        return self._process

    async def _kill(self, process: trio.Process) -> None:
        self._process = None
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            assert process.stdin is not None and process.stdout is not None
            await process.stdin.aclose()
            await process.stdout.aclose()

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        await process.stdin.aclose()
        with trio.move_on_after(10):
            await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()
        await process.stdout.aclose()


async def _receive(stream: trio.abc.ReceiveStream, size: int) -> bytes:
    parts, left = list[bytes](), size
    while left:
        more = await stream.receive_some(min(left, 1 << 20))
        if not more:
            raise trio.BrokenResourceError
        parts.append(bytes(more))
        left -= len(more)
    return b"".join(parts)


def serve_parent(answer: Callable[[bytes], bytes]) -> None:
    """Be the child: answer until the parent hangs up."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while (head := _exactly(source, 4)) is not None:
        size = int.from_bytes(head, "big")
        question = _exactly(source, size) if size <= _MAX else None
        if question is None:
            break
        said = answer(question)
        try:
            sink.write(len(said).to_bytes(4, "big") + said)
            sink.flush()
        except BrokenPipeError:  # the parent was killed meanwhile
            os._exit(1)  # at exit Python would flush once more, and complain


def _exactly(source: BinaryIO, size: int) -> bytes | None:
    data = source.read(size)
    return data if len(data) == size else None
