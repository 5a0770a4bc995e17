"""Signed announces on their way to the accounts: a bounded queue, emptied in batches by the worker."""

from collections import deque
from collections.abc import Callable
from typing import Final

import trio

from axon.errors import StorageError
from axon.tracker.worker import Worker

__all__ = ["AnnounceQueue"]

_MOST: Final = 50_000  # announces waiting; more are dropped and counted, so that a flood costs no memory
_BATCH: Final = 1000
_PAUSE: Final = 0.25  # seconds between batches when few come: what kill -9 can lose


class AnnounceQueue:
    """Between the announce path, which never waits, and the disk."""

    def __init__(self, worker: Worker, complain: Callable[[str], None]) -> None:
        self.logged = self.refused = self.dropped = 0
        self._worker = worker
        self._complain = complain
        self._waiting: deque[tuple[int, bytes]] = deque()

    def put(self, kind: int, data: bytes) -> None:
        """Queue one announce, a datagram or a query string."""
        if len(self._waiting) >= _MOST:
            self.dropped += 1
        else:
            self._waiting.append((kind, data))

    async def run(self) -> None:
        """Empty the queue until cancelled."""
        while True:
            await self.flush()
            await trio.sleep(_PAUSE)

    async def flush(self) -> None:
        """Hand over all that waits; returns once it is on disk."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
            try:
                logged, refused = await self._worker.account(batch)
            except StorageError as error:
                self._complain(str(error))
                self.dropped += len(batch)
                return
            self.logged += logged
            self.refused += refused
