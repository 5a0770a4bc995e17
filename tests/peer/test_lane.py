"""One job at a time: what comes up meanwhile shares the next trip, and a refused job is done again."""

from collections.abc import Callable
from typing import TypeVar

import pytest
import trio

from axon.errors import StorageError
from axon.peer.disk import DiskThreads
from axon.peer.lane import Lane

T = TypeVar("T")


class Threads(DiskThreads):
    """Holds jobs until told."""

    def __init__(self) -> None:
        self.jobs: list[Callable[[], None]] = []

    def submit(
        self,
        work: Callable[[], T],
        done: Callable[[T], None],
        failed: Callable[[BaseException], None],
        *,
        linger: bool = False,
        then: Callable[[], None] | None = None,
    ) -> None:
        def run() -> None:
            try:
                result = work()
            except StorageError as error:
                failed(error)
            else:
                done(result)

        self.jobs.append(run)

    def next(self) -> None:
        self.jobs.pop(0)()


class Desk:
    """What a lane works for."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due: list[int] = []
        self.done: list[list[int]] = []
        self.acted: list[list[int]] = []
        self.ended: list[BaseException | None] = []
        self.errors: list[BaseException] = []
        self.lane = Lane(
            self.collect, self.work, self.acted.append, clock=lambda: self.now, ended=self.ended.append
        )

    def collect(self, force: bool) -> list[int] | None:
        due, self.due = self.due, []
        return due or None

    def work(self, job: list[int]) -> None:
        if self.errors:
            raise self.errors.pop()
        self.done.append(job)


def test_what_comes_up_during_a_job_shares_the_next() -> None:
    desk, threads = Desk(), Threads()
    for number in range(4):
        desk.due.append(number)
        desk.lane.kick(threads)
    assert len(threads.jobs) == 1
    threads.next()
    assert desk.acted == [[0]]
    threads.next()
    assert desk.acted == desk.done == [[0], [1, 2, 3]]
    assert not threads.jobs and not desk.lane.busy


def test_refused_job_is_done_again_whole_and_before_the_next() -> None:
    desk, threads = Desk(), Threads()
    desk.errors = [StorageError("no space")]
    desk.due = [1]
    desk.lane.kick(threads)
    threads.next()
    assert desk.acted == [] and isinstance(desk.ended[-1], StorageError)
    desk.due = [2]
    desk.lane.kick(threads)
    assert not threads.jobs  # not before its time
    desk.now = desk.lane.retry_at
    desk.lane.kick(threads)
    threads.next()
    threads.next()
    assert desk.acted == [[1], [2]]
    assert desk.lane.retry_at == float("inf")


def test_without_threads_a_refused_job_is_not_lost() -> None:
    desk = Desk()
    desk.errors = [StorageError("no space")]
    desk.due = [1]
    with pytest.raises(StorageError):
        desk.lane.step_now(force=True)
    assert desk.lane.step_now(force=True)
    assert desk.acted == [[1]]
    assert not desk.lane.step_now(force=True)


async def test_bug_in_a_job_is_reported_as_it_is() -> None:
    desk, threads = Desk(), DiskThreads(1)
    try:
        desk.errors = [ZeroDivisionError()]
        desk.due = [1]
        desk.lane.kick(threads)
        with trio.fail_after(60):
            while not desk.ended:
                await trio.sleep(0.001)
        assert isinstance(desk.ended[0], ZeroDivisionError)
    finally:
        threads.close()
