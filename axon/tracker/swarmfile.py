"""The swarms on disk: written now and then and at the end, read at the start."""

import time
from pathlib import Path

import trio

from axon.errors import StorageError
from axon.tracker import snapshot
from axon.tracker.log import Log
from axon.tracker.logic import Tracker

__all__ = ["SwarmFile"]


class SwarmFile:
    """One tracker's snapshot; the format is `snapshot.py`'s.

    Parameters
    ----------
    path : Path
    tracker : Tracker
        Whose swarms they are.
    log : Log
        A file that cannot be read or written is reported there: swarms come back by themselves.
    """

    def __init__(self, path: Path, tracker: Tracker, log: Log) -> None:
        self._path = path
        self._tracker = tracker
        self._log = log

    def restore(self, now: float) -> None:
        """Put what the file has into the store; `now` is the tracker's monotonic clock."""
        try:
            body = snapshot.read(self._path)
        except StorageError as error:
            self._log("warning", "snapshot", reason=str(error))
            return
        if body is not None:
            tick, length = self._tracker.tick(now), self._tracker.policy.tick
            peers = snapshot.restore(self._tracker.store, body, tick, length, time.time())
            self._log("info", "restored", peers=peers)

    async def save(self, now: float) -> bool:
        """Write all swarms, in slices between which others run; False if the disk refuses."""
        tracker = self._tracker
        writer = snapshot.SnapshotWriter(tracker.tick(now), tracker.policy.tick, time.time())
        for number, row in enumerate(tracker.store.dump()):
            writer.add(row)
            if number % 256 == 255:
                await trio.lowlevel.checkpoint()
        try:
            await trio.to_thread.run_sync(writer.save, self._path)
        except StorageError as error:
            self._log("error", "snapshot", reason=str(error))
            return False
        return True
