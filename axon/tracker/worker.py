"""A process of its own for signatures and accounts, so that neither holds the announces up.

A question is a kind 1 and items, each a length 2 and bytes. `VERIFY` items are receipts; the
answer is a byte each, 1 if its signature holds. `ACCOUNT` items are a kind 1 (UDP datagram or
HTTP query) and the bytes of a signed announce; the answer is how many were logged and refused.
"""

import struct
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from axon.errors import StorageError
from axon.receipts import Receipt
from axon.tracker.child import Child, serve_parent

__all__ = ["HTTP", "UDP", "Worker", "main"]

VERIFY: Final = 1
ACCOUNT: Final = 2
UDP: Final = 1
HTTP: Final = 2
_TALLY: Final = struct.Struct(">II")


def _pack(kind: int, items: Sequence[bytes]) -> bytes:
    return bytes((kind,)) + b"".join(len(item).to_bytes(2, "big") + item for item in items)


def _items(body: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(body):
        size = int.from_bytes(body[at : at + 2], "big")
        yield body[at + 2 : at + 2 + size]
        at += 2 + size


class Worker:
    """The parent's end.

    Parameters
    ----------
    accounts : Path
        The accounts' SQLite file.
    keep_days : int
        Days that announces are kept in it.
    """

    def __init__(self, accounts: Path, keep_days: int) -> None:
        self._child = Child("axon.tracker.worker", [str(accounts), str(keep_days)])

    async def start(self) -> None:
        """Start the child before it is needed."""
        await self._child.start()

    async def verify(self, receipts: Sequence[Receipt]) -> list[bool]:
        """Check signatures.

        Raises
        ------
        StorageError
            If the child cannot be reached.
        """
        answer = await self._child.ask(_pack(VERIFY, [r.serialize() for r in receipts]))
        return [byte == 1 for byte in answer]

    async def account(self, announces: Sequence[tuple[int, bytes]]) -> tuple[int, int]:
        """Check and log signed announces; return how many were logged and refused. On disk when it returns.

        Raises
        ------
        StorageError
            If the child cannot be reached, or the disk refuses.
        """
        question = _pack(ACCOUNT, [bytes((kind,)) + data for kind, data in announces])
        logged, refused = _TALLY.unpack(await self._child.ask(question))
        if logged + refused != len(announces):
            raise StorageError(f"accounts: {logged + refused} of {len(announces)} announces handled")
        return logged, refused

    async def aclose(self) -> None:
        """End the child, after what it was told is done."""
        await self._child.aclose()


def main() -> None:
    """Serve the parent until it hangs up."""
    from axon.tracker.accounts import Accounts

    accounts = Accounts(Path(sys.argv[1]), keep_days=int(sys.argv[2]))

    def answer(question: bytes) -> bytes:
        kind, items = question[0], _items(question[1:])
        if kind == VERIFY:
            return bytes(Receipt.parse(item).verifies() for item in items)
        try:
            return _TALLY.pack(*accounts.log(((i[0], i[1:]) for i in items), time.time()))
        except StorageError as error:
            print(f"accounts: {error}", file=sys.stderr, flush=True)
            return _TALLY.pack(0, 0)

    serve_parent(answer)
    accounts.close()


if __name__ == "__main__":
    main()
