"""Disk threads: every job is answered once, in the event loop, lingering or not."""

import threading
from itertools import pairwise

import pytest
import trio

from axon.peer.disk import DiskThreads


async def until(condition) -> None:
    with trio.fail_after(60):
        while not condition():
            await trio.sleep(0.001)


async def test_every_job_is_answered_in_the_event_loop() -> None:
    threads = DiskThreads(2)
    answers, where = [], set()

    def done(value):
        answers.append(value)
        where.add(threading.get_ident())

    for number in range(200):
        threads.submit(lambda number=number: number, done, done, linger=number % 3 > 0)
    await until(lambda: len(answers) == 200)
    assert sorted(answers) == list(range(200))
    assert where == {threading.get_ident()}
    threads.close()


async def test_a_lingering_answer_comes_though_nothing_follows() -> None:
    threads = DiskThreads(1)
    answers = []
    threads.submit(lambda: "here", answers.append, answers.append, linger=True)
    await until(lambda: answers == ["here"])
    threads.close()


async def test_lingering_answers_come_with_one_that_is_waited_for() -> None:
    threads = DiskThreads(1)
    answers, hold = [], threading.Event()
    threads.submit(lambda: hold.wait(10), answers.append, answers.append)
    for number in range(5):
        threads.submit(lambda number=number: number, answers.append, answers.append, linger=True)
    hold.set()
    assert await threads.run(lambda: "now") == "now"
    assert answers == [True, 0, 1, 2, 3, 4]
    threads.close()


async def test_errors_go_to_those_who_asked() -> None:
    threads = DiskThreads(1)
    failed = []

    def fail():
        raise OSError("broken")

    threads.submit(fail, lambda value: None, failed.append, linger=True)
    with pytest.raises(OSError, match="broken"):
        await threads.run(fail)
    await until(lambda: len(failed) == 1)
    threads.close()


async def test_closing_waits_for_the_jobs_and_their_answers_still_come() -> None:
    threads = DiskThreads(2)
    answers = []
    for number in range(20):
        threads.submit(lambda number=number: number, answers.append, answers.append, linger=True)
    await trio.to_thread.run_sync(threads.close)
    await until(lambda: len(answers) == 20)


async def test_what_follows_comes_once_behind_all_answers_of_a_delivery() -> None:
    threads = DiskThreads(1)
    told: list[int | str] = []

    def follow() -> None:
        told.append("then")

    for number in range(20):
        threads.submit(lambda number=number: number, told.append, told.append, linger=True, then=follow)
    await until(lambda: told.count("then") > 0 and len(told) - told.count("then") == 20)
    threads.close()
    assert [number for number in told if number != "then"] == list(range(20))
    assert told[-1] == "then"
    assert ("then", "then") not in pairwise(told)
