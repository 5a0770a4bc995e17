"""One kind of work with the receipts' log: gathered in the event loop, done in a thread, one job at a time.

While a job is under way, what comes up waits and makes the next one; so the
slower the disk, the more each trip carries. A job that the disk refuses is
done again, whole: it must bear that.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from axon.peer.disk import DiskThreads

__all__ = ["Lane"]

_RETRY = 2.0  # seconds between attempts when the disk refuses

Job = TypeVar("Job")


class Lane(Generic[Job]):
    """A series of jobs.

    Parameters
    ----------
    collect : callable (force) -> job or None
        In the event loop: all that is due, with `force` all there is; None if there is nothing.
    work : callable (job)
        In the thread. It may raise StorageError.
    act : callable (job)
        In the event loop, once `work` is done.
    clock : callable
        Seconds.
    ended : callable (error or None)
        A job ended, well or not. An error that is no StorageError is a bug.

    Attributes
    ----------
    busy : bool
        A job is in the thread.
    retry_at : float
        When a job that the disk refused is tried again; infinity if there is none.
    """

    def __init__(
        self,
        collect: Callable[[bool], Job | None],
        work: Callable[[Job], None],
        act: Callable[[Job], None],
        *,
        clock: Callable[[], float],
        ended: Callable[[BaseException | None], None],
    ) -> None:
        self._collect, self._work, self._act = collect, work, act
        self._clock, self._ended = clock, ended
        self._refused: Job | None = None
        self.busy = False
        self.retry_at = float("inf")

    def kick(self, threads: DiskThreads, *, force: bool = False) -> None:
        """Begin what is due, unless something is under way: then it follows."""
        if self.busy or (self._refused is not None and self._clock() < self.retry_at):
            return
        job = self._refused if self._refused is not None else self._collect(force)
        if job is None:
            return
        self.busy = True

        def done(nothing: None) -> None:
            self.busy = False
            self._did(job)
            self._ended(None)
            self.kick(threads)

        def failed(error: BaseException) -> None:
            self.busy = False
            self._refused, self.retry_at = job, self._clock() + _RETRY
            self._ended(error)

        threads.submit(lambda: self._work(job), done, failed)

    def step_now(self, *, force: bool) -> bool:
        """Do one job in this thread; False if there is none. After a StorageError, call again."""
        job = self._refused if self._refused is not None else self._collect(force)
        if job is None:
            return False
        self._refused = job
        self._work(job)
        self._did(job)
        return True

    def _did(self, job: Job) -> None:
        self._refused, self.retry_at = None, float("inf")
        self._act(job)
