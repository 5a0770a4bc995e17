"""Disk threads: hash and write, read what the page cache lacks; answers come back in batches.

A hop into a thread and back costs some 200 µs by `trio.to_thread`, and a piece
may arrive every millisecond. Here jobs go through one queue, and all answers
that are ready when the event loop looks are delivered by one wake-up. Answers
that nobody waits for may linger for a moment, so that more come with them, and
what is worth doing only once for all of them follows at the end.
"""

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

import trio

__all__ = ["DiskThreads"]

_LINGER = 0.001  # seconds; longer, and uploaders wait for the receipts of small pieces

T = TypeVar("T")
_Then = Callable[[], None] | None
_Job = tuple[Callable[[], Any], Callable[[Any], None], Callable[[BaseException], None], bool, _Then]


class DiskThreads:
    """A few threads for blocking work; made inside `trio.run`, closed by `close`.

    Parameters
    ----------
    count : int
        Threads. Jobs begin in the order of `submit`, and may end in another.
    """

    def __init__(self, count: int = 2) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._answers: deque[tuple[Callable[[Any], None], Any, _Then]] = deque()
        self._woken = False
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._work, name=f"disk {number}", daemon=True) for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(
        self,
        work: Callable[[], T],
        done: Callable[[T], None],
        failed: Callable[[BaseException], None],
        *,
        linger: bool = False,
        then: _Then = None,
    ) -> None:
        """Run `work()` in a thread; then `done(result)` or `failed(error)` in the event loop.

        With `linger` the answer may come a few milliseconds late, together with others. `then()` follows the
        last answer that comes with this one; once, however many of them name it.
        """
        self._jobs.put((work, done, failed, linger, then))

    @property
    def waiting(self) -> int:
        """Jobs that no thread has begun."""
        return self._jobs.qsize()

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work()` in a thread and return or raise what it does; cancelling abandons the wait only."""
        finished = trio.Event()
        result: list[T] = []
        error: list[BaseException] = []

        def done(value: T) -> None:
            result.append(value)
            finished.set()

        def failed(cause: BaseException) -> None:
            error.append(cause)
            finished.set()

        self.submit(work, done, failed)
        await finished.wait()
        if error:
            raise error[0]
        return result[0]

    def close(self, timeout: float | None = None) -> None:
        """End the threads once the jobs already submitted are done; blocks until then, or for `timeout` s."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join(timeout)

    def _work(self) -> None:
        due: float | None = None  # when this thread's lingering answers have to go
        while True:
            try:
                job = self._jobs.get(timeout=None if due is None else max(0.0, due - time.monotonic()))
            except queue.Empty:
                due = None
                self._wake()
                continue
            if job is None:
                break
            work, done, failed, linger, then = job
            try:
                self._answers.append((done, work(), then))
            except BaseException as error:
                self._answers.append((failed, error, then))
            now = time.monotonic()
            if linger and (due is None or now < due):
                due = due or now + _LINGER
            else:
                due = None
                self._wake()
        self._wake()

    def _wake(self) -> None:
        with self._lock:
            if self._woken or not self._answers:
                return
            self._woken = True
        with contextlib.suppress(trio.RunFinishedError):  # the program is over; nobody waits for answers
            self._token.run_sync_soon(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            self._woken = False
        follows: dict[Callable[[], None], None] = {}
        while self._answers:
            callback, value, then = self._answers.popleft()
            callback(value)
            if then is not None:
                follows[then] = None
        for then in follows:
            then()
