"""When which tracker is asked; the trackers are functions and the clock is a mock."""

import itertools
import random

import pytest
import trio
from trio.testing import MockClock

from axon.bt.announce import AnnounceRequest, AnnounceResponse, Event, TrackerPeer
from axon.errors import TrackerError
from axon.ids import InfoHash, PeerId
from axon.peer.announcer import Announcer

REQUEST = AnnounceRequest(InfoHash(bytes(20)), PeerId(b"p" * 20), 6881, left=5)
PEERS = (TrackerPeer("10.0.0.1", 5),)


class Trackers:
    """`behaviour[url]` is an answer, an error, a delay in seconds, or a list of these taken in turn."""

    def __init__(self, behaviour):
        self.behaviour = behaviour
        self.calls = []

    async def announce(self, url, request):
        self.calls.append((trio.current_time(), url, request.event))
        self.last = request
        todo = self.behaviour[url]
        if isinstance(todo, list):
            todo = todo.pop(0) if len(todo) > 1 else todo[0]
        if isinstance(todo, float):
            await trio.sleep(todo)
            todo = TrackerError("too slow")
        if isinstance(todo, Exception):
            raise todo
        return todo

    def events(self, url):
        return [event for _, asked, event in self.calls if asked == url]


async def drive(announcer, seconds):
    with trio.move_on_after(seconds):
        await announcer.run()


def make(trackers, tiers, **kwargs):
    answers = []
    announcer = Announcer(
        tiers,
        trackers,
        lambda: REQUEST,
        lambda url, response: answers.append((trio.current_time(), url)),
        rng=random.Random(1),
        **kwargs,
    )
    return announcer, answers


async def test_a_dead_tier_holds_nobody_up(autojump_clock: MockClock):
    trackers = Trackers({"dead": 1e6, "good": AnnounceResponse(900, peers=PEERS)})
    announcer, answers = make(trackers, [["dead"], ["good"]])
    start = trio.current_time()
    await drive(announcer, 10)
    assert answers == [(start, "good")]


async def test_within_a_tier_the_one_that_answers_comes_first_from_then_on(autojump_clock: MockClock):
    trackers = Trackers({"a": TrackerError("no"), "b": AnnounceResponse(100), "c": TrackerError("no")})
    announcer, answers = make(trackers, [["a", "b", "c"]])
    await drive(announcer, 1050)
    assert announcer.tiers[0][0].url == "b"
    assert len(answers) == 11
    assert len(trackers.events("a")) + len(trackers.events("c")) <= 2


async def test_started_comes_once_completed_once_and_stopped_only_to_those_who_know_us(
    autojump_clock: MockClock,
):
    trackers = Trackers({"a": AnnounceResponse(300), "b": TrackerError("down")})
    announcer, _ = make(trackers, [["a"], ["b"]])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(announcer.run)
        await trio.sleep(400)
        announcer.completed()
        await trio.sleep(400)
        nursery.cancel_scope.cancel()
    await announcer.stop()
    assert trackers.events("a") == [
        Event.STARTED,
        Event.NONE,
        Event.COMPLETED,
        Event.NONE,
        Event.STOPPED,
    ]
    assert set(trackers.events("b")) == {Event.STARTED}
    assert trackers.last.numwant == 0


async def test_a_tracker_that_says_never_is_not_asked_again(autojump_clock: MockClock):
    trackers = Trackers({"a": AnnounceResponse(failure="go away", retry_in=0)})
    announcer, _ = make(trackers, [["a"]])
    await drive(announcer, 1e5)
    assert len(trackers.calls) == 1
    assert announcer.trackers[0].error == "the tracker says: go away"


async def test_retry_in_is_respected_and_failures_back_off(autojump_clock: MockClock):
    trackers = Trackers(
        {"busy": AnnounceResponse(failure="busy", retry_in=30), "down": TrackerError("no route")}
    )
    announcer, _ = make(trackers, [["busy"], ["down"]])
    await drive(announcer, 3599)
    assert len(trackers.events("busy")) == 2
    times = [at for at, url, _ in trackers.calls if url == "down"]
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert 5 < len(times) < 12
    assert all(b > 1.5 * a for a, b in itertools.pairwise(gaps[:5]))


@pytest.mark.parametrize(("hungry", "calls"), [(True, 6), (False, 1)])
async def test_too_few_peers_shorten_the_wait_to_the_trackers_minimum(
    hungry, calls, autojump_clock: MockClock
):
    trackers = Trackers({"a": AnnounceResponse(1800, min_interval=120)})
    announcer, _ = make(trackers, [["a"]], hungry=lambda: hungry)
    await drive(announcer, 700)
    assert len(trackers.calls) == calls


async def test_the_tracker_id_comes_back(autojump_clock: MockClock):
    trackers = Trackers({"a": [AnnounceResponse(60, tracker_id=b"x"), AnnounceResponse(60)]})
    announcer, _ = make(trackers, [["a"]])
    await drive(announcer, 130)
    assert trackers.last.tracker_id == b"x"


async def test_stopping_waits_two_seconds_at_most(autojump_clock: MockClock):
    trackers = Trackers({"a": [AnnounceResponse(60), 1e6]})
    announcer, _ = make(trackers, [["a"]])
    await drive(announcer, 10)
    start = trio.current_time()
    await announcer.stop()
    assert trio.current_time() - start <= 2
