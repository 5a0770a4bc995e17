"""When to ask which tracker (BEP 3, 7, 12, 15, 24, 31, 41).

All tiers work at once, so the first answer starts connections and a dead tier
holds nobody up. Within a tier the trackers take turns until one answers, which
then comes first (BEP 12). A tracker that fails is asked again later and later;
one that says "never" (BEP 31) is not asked again.
"""

import math
import random
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import trio

from axon.bt import tracker_http
from axon.bt.announce import AnnounceRequest, AnnounceResponse, Event
from axon.errors import TrackerError
from axon.peer.http import fetch
from axon.peer.udp import UdpTrackers

__all__ = ["Announcer", "Asker", "TrackerClient", "TrackerState"]

_BODY = tracker_http.MAX_BODY
_HTTP_TIMEOUT = 30.0  # seconds
_STOP_TIMEOUT = 2.0  # seconds: nobody waits long for a tracker when the program ends
_FIRST_RETRY, _MAX_RETRY = 10.0, 1800.0  # seconds
_HUNGRY = 60.0  # seconds between announces while there are too few peers, if the tracker allows it
_NUMWANT = 100


class Asker(Protocol):
    """Whoever can put one announce to one tracker."""

    async def announce(self, url: str, request: AnnounceRequest) -> AnnounceResponse:
        """Ask; TrackerError if there is no proper answer."""


class TrackerClient:
    """Asks HTTP(S) and UDP trackers, by IPv4 and IPv6 where both work (BEP 7, 15)."""

    def __init__(self, udp: UdpTrackers) -> None:
        self._udp = udp

    async def announce(self, url: str, request: AnnounceRequest) -> AnnounceResponse:
        """Ask one tracker; what both families answer is joined.

        Raises
        ------
        TrackerError
            If neither gives a proper answer.
        """
        scheme = url.partition("://")[0].lower()
        if scheme == "udp":
            return await self._both(lambda family: self._udp.announce(url, request, family=family))
        if scheme in ("http", "https"):
            return await self._both(lambda family: _ask_http(url, request, family))
        raise TrackerError(f"tracker scheme {scheme!r} is none of http, https and udp")

    async def _both(self, ask: Callable[[int], object]) -> AnnounceResponse:
        answers: list[AnnounceResponse] = []
        errors: dict[int, TrackerError] = {}

        async def one(family: int, scope: trio.CancelScope) -> None:
            try:
                answers.append(await ask(family))  # type: ignore[misc]
            except TrackerError as error:
                errors[family] = error
            if answers:
                # The other family gets a moment more: often it is broken, and nobody should wait for that.
                scope.deadline = min(scope.deadline, trio.current_time() + 1.0)

        async with trio.open_nursery() as nursery:
            for family in (socket.AF_INET, socket.AF_INET6):
                nursery.start_soon(one, family, nursery.cancel_scope)
        good = [answer for answer in answers if answer.failure is None] or answers
        if not good:
            raise errors.get(socket.AF_INET) or errors[socket.AF_INET6]
        return replace(
            good[0],
            peers=tuple(dict.fromkeys(peer for answer in good for peer in answer.peers)),
            peers6=tuple(dict.fromkeys(peer for answer in good for peer in answer.peers6)),
        )


async def _ask_http(url: str, request: AnnounceRequest, family: int) -> AnnounceResponse:
    try:
        asked = tracker_http.announce_url(url, request)
    except ValueError as error:
        raise TrackerError(f"tracker {url[:200]!r}: {error}") from None
    response = await fetch(asked, limit=_BODY, timeout=_HTTP_TIMEOUT, family=family)
    if response.status != 200 and not response.body.startswith(b"d"):
        raise TrackerError(f"HTTP status {response.status}")
    return tracker_http.decode_announce_response(response.body)


@dataclass(slots=True)
class TrackerState:
    """What is known of one tracker, for progress and for the next announce."""

    url: str
    tracker_id: bytes = b""
    failures: int = 0
    error: str | None = None
    warning: str | None = None
    seeders: int | None = None
    leechers: int | None = None
    started: bool = False  # it knows of us
    completed: bool = False  # it knows that we completed the download
    never: bool = False
    interval: float = _MAX_RETRY
    min_interval: float = _HUNGRY
    announced_at: float = field(default=-math.inf)


class Announcer:
    """Announces one torrent to its trackers.

    Parameters
    ----------
    tiers : sequence of tiers of URLs
    ask : Asker
    request : callable
        Makes the request of this moment; event and tracker id are filled in here.
    answered : callable (url, response)
        Takes each good answer.
    hungry : callable
        Are there too few peers?
    """

    def __init__(
        self,
        tiers: Iterable[Sequence[str]],
        ask: Asker,
        request: Callable[[], AnnounceRequest],
        answered: Callable[[str, AnnounceResponse], None],
        hungry: Callable[[], bool] = lambda: False,
        *,
        rng: random.Random | None = None,
    ) -> None:
        rng = rng or random.Random()
        self.tiers = [[TrackerState(url) for url in dict.fromkeys(tier)] for tier in tiers if tier]
        for tier in self.tiers:
            rng.shuffle(tier)  # BEP 12
        self._ask = ask
        self._request = request
        self._answered = answered
        self._hungry = hungry
        self._jitter = rng
        self._completed = False
        self._changed = trio.Event()

    @property
    def trackers(self) -> list[TrackerState]:
        """All trackers, tier by tier."""
        return [state for tier in self.tiers for state in tier]

    async def run(self) -> None:
        """Announce until cancelled; then `stop` says goodbye."""
        async with trio.open_nursery() as nursery:
            for tier in self.tiers:
                nursery.start_soon(self._tier, tier)

    def completed(self) -> None:
        """Tell all trackers soon that the download is complete."""
        self._completed = True
        self._changed.set()
        self._changed = trio.Event()

    async def stop(self) -> None:
        """Tell the trackers that know of us that we leave; takes two seconds at most."""
        with trio.move_on_after(_STOP_TIMEOUT) as scope:
            scope.shield = True
            async with trio.open_nursery() as nursery:
                for state in self.trackers:
                    if state.started:
                        nursery.start_soon(self._leave, state)

    async def _leave(self, state: TrackerState) -> None:
        try:
            if self._completed and not state.completed:  # the program ends as soon as all is here
                await self._ask.announce(state.url, self._fill(state, Event.COMPLETED))
            await self._ask.announce(state.url, self._fill(state, Event.STOPPED))
        except TrackerError as error:
            state.error = str(error)

    def _fill(self, state: TrackerState, event: Event) -> AnnounceRequest:
        numwant = 0 if event is Event.STOPPED else _NUMWANT
        return replace(self._request(), event=event, tracker_id=state.tracker_id, numwant=numwant)

    async def _tier(self, tier: list[TrackerState]) -> None:
        while True:
            wait, answered = _MAX_RETRY, False
            for state in list(tier):
                if state.never:
                    continue
                finishing = self._completed and state.started and not state.completed
                event = Event.COMPLETED if finishing else Event.NONE if state.started else Event.STARTED
                retry = await self._try(state, event)
                if retry is None:
                    state.completed = state.completed or finishing
                    tier.remove(state)
                    tier.insert(0, state)
                    wait, answered = state.interval, True
                    break
                wait = min(wait, retry)
            if all(state.never for state in tier):
                return
            await self._sleep(tier[0], wait, answered)

    async def _try(self, state: TrackerState, event: Event) -> float | None:
        """Ask one tracker: None if it answered, else seconds until it may be asked again."""
        state.announced_at = trio.current_time()
        try:
            response = await self._ask.announce(state.url, self._fill(state, event))
        except TrackerError as error:
            state.error = str(error)
            return self._failed(state)
        if response.failure is not None:
            state.error = f"the tracker says: {response.failure[:200]}"
            state.never = response.retry_in == 0
            return max(self._failed(state), 60.0 * (response.retry_in or 0))
        state.error, state.failures, state.started = None, 0, True
        state.warning = response.warning
        state.tracker_id = response.tracker_id or state.tracker_id
        state.seeders, state.leechers = response.seeders, response.leechers
        state.min_interval = float(response.min_interval or min(_HUNGRY, response.interval))
        state.interval = float(response.interval)
        self._answered(state.url, response)
        return None

    def _failed(self, state: TrackerState) -> float:
        state.failures += 1
        doubled = _FIRST_RETRY * 2.0 ** min(state.failures - 1, 10)
        return min(doubled, _MAX_RETRY) * self._jitter.uniform(0.9, 1.1)

    async def _sleep(self, state: TrackerState, wait: float, answered: bool) -> None:
        """Sleep, but wake when the download completes, and sooner while there are too few peers."""
        end = trio.current_time() + wait
        while (left := end - trio.current_time()) > 0:
            changed = self._changed
            if answered and self._completed and not state.completed:
                return
            with trio.move_on_after(min(left, max(state.min_interval, 1.0)) if answered else left):
                await changed.wait()
                continue
            if answered and self._hungry():
                return
