"""A process of its own for signatures and accounts, so that neither holds the announces up.

`main` is the child: it reads frames from its standard input and answers each on its output,
and ends when the input does, whatever became of the parent. A frame is its length 4,
a kind 1 and items, each a length 2 and bytes. `VERIFY` items are receipts; the
answer is a byte each, 1 if its signature holds. `ACCOUNT` items are a kind 1 (UDP datagram or
HTTP query) and the bytes of a signed announce; the answer is how many were logged and refused.
"""

import struct
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import trio

from axon.errors import StorageError
from axon.receipts import Receipt

__all__ = ["HTTP", "UDP", "Worker", "main"]

VERIFY: Final = 1
ACCOUNT: Final = 2
UDP: Final = 1
HTTP: Final = 2
_HEAD: Final = struct.Struct(">IB")
_TALLY: Final = struct.Struct(">II")


def _pack(kind: int, items: Sequence[bytes]) -> bytes:
    body = b"".join(len(item).to_bytes(2, "big") + item for item in items)
    return _HEAD.pack(len(body), kind) + body


def _items(body: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(body):
        size = int.from_bytes(body[at : at + 2], "big")
        yield body[at + 2 : at + 2 + size]
        at += 2 + size


class Worker:
    """The parent's end; calls take turns. A child that died is started again.

    Parameters
    ----------
    accounts : Path
        The accounts' SQLite file.
    keep_days : int
        Days that announces are kept in it.
    """

    def __init__(self, accounts: Path, keep_days: int) -> None:
        self._command = [sys.executable, "-m", "axon.tracker.worker", str(accounts), str(keep_days)]
        self._process: trio.Process | None = None
        self._lock = trio.Lock()

    async def start(self) -> None:
        """Start the child before it is needed."""
        async with self._lock:
            await self._open()

    async def verify(self, receipts: Sequence[Receipt]) -> list[bool]:
        """Check signatures.

        Raises
        ------
        StorageError
            If the child cannot be reached.
        """
        answer = await self._ask(_pack(VERIFY, [r.serialize() for r in receipts]), len(receipts))
        return [byte == 1 for byte in answer]

    async def account(self, announces: Sequence[tuple[int, bytes]]) -> tuple[int, int]:
        """Check and log signed announces; return how many were logged and refused. On disk when it returns.

        Raises
        ------
        StorageError
            If the child cannot be reached, or the disk refuses.
        """
        frame = _pack(ACCOUNT, [bytes((kind,)) + data for kind, data in announces])
        logged, refused = _TALLY.unpack(await self._ask(frame, _TALLY.size))
        if logged + refused != len(announces):
            raise StorageError(f"accounts: {logged + refused} of {len(announces)} announces handled")
        return logged, refused

    async def aclose(self) -> None:
        """End the child, after what it was told is done."""
        if self._process is not None:
            assert self._process.stdin is not None
            with trio.CancelScope(shield=True):
                await self._process.stdin.aclose()
                with trio.move_on_after(10):
                    await self._process.wait()
                if self._process.returncode is None:
                    self._process.kill()
                    await self._process.wait()
            self._process = None

    async def _open(self) -> trio.Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await trio.lowlevel.open_process(self._command, stdin=-1, stdout=-1)
        return self._process

    async def _ask(self, frame: bytes, size: int) -> bytes:
        async with self._lock:
            for attempt in range(2):
                process = await self._open()
                assert process.stdin is not None and process.stdout is not None
                try:
                    # Not cut in half: the next question would read this one's answer.
                    with trio.CancelScope(shield=True):
                        await process.stdin.send_all(frame)
                        answer = b""
                        while len(answer) < size:
                            more = await process.stdout.receive_some(size - len(answer))
                            if not more:
                                raise trio.BrokenResourceError
                            answer += more
                        return answer
                except trio.BrokenResourceError:
                    process.kill()
                    await process.wait()
                    self._process = None
                    if attempt:
                        raise StorageError("accounts: the worker ended twice") from None
        raise AssertionError


def main() -> None:
    """Serve the parent until it hangs up."""
    import signal

    from axon.tracker.accounts import Accounts

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when
    accounts = Accounts(Path(sys.argv[1]), keep_days=int(sys.argv[2]))
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while True:
        head = _exactly(source, _HEAD.size)
        if head is None:
            break
        size, kind = _HEAD.unpack(head)
        body = _exactly(source, size)
        if body is None:
            break
        if kind == VERIFY:
            answer = bytes(Receipt.parse(item).verifies() for item in _items(body))
        else:
            try:
                answer = _TALLY.pack(*accounts.log(((i[0], i[1:]) for i in _items(body)), time.time()))
            except StorageError as error:
                print(f"accounts: {error}", file=sys.stderr, flush=True)
                answer = _TALLY.pack(0, 0)
        sink.write(answer)
        sink.flush()
    accounts.close()


def _exactly(source: BinaryIO, size: int) -> bytes | None:
    data = source.read(size)
    return data if len(data) == size else None


if __name__ == "__main__":
    main()
