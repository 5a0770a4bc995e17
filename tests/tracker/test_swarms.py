"""Swarms against a dictionary, and samples against what chance allows."""

import math
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from axon.bt.announce import Event
from axon.tracker.faststore import FastSwarms
from axon.tracker.snapshot import SnapshotWriter, read, restore
from axon.tracker.swarms import FULL, PEER_COST, PEER_SIZE, TORRENT_COST, TTL_TICKS, Store, Swarms
from tests.tracker.strategies import events, hashes

keys = st.tuples(st.integers(0, 1), st.integers(1, 30)).map(
    lambda pair: (pair[0], pair[1].to_bytes(PEER_SIZE[pair[0]], "big"))
)


class AgainstADictionary(RuleBasedStateMachine):
    """The model: torrent -> (family, key) -> (left, last tick), and downloads finished."""

    @initialize(compiled=st.booleans())
    def start(self, compiled: bool) -> None:
        self.store: Store = FastSwarms(7, secret=bytes(16)) if compiled else Swarms(7)
        self.model: dict[bytes, dict[tuple[int, bytes], tuple[int, int]]] = {}
        self.completed: Counter[bytes] = Counter()
        self.tick = 1000

    @rule(info_hash=hashes, who=keys, left=st.sampled_from([0, 9]), event=events, want=st.integers(0, 40))
    def announce(self, info_hash: bytes, who: tuple[int, bytes], left: int, event: Event, want: int) -> None:
        family, key = who
        answer = self.store.announce(
            info_hash, family, key, left=left, event=event, want=want, tick=self.tick
        )
        if event == Event.STOPPED:
            self.model.get(info_hash, {}).pop(who, None)
        else:
            swarm = self.model.setdefault(info_hash, {})
            was_seed = who in swarm and not swarm[who][0]
            self.completed[info_hash] += event == Event.COMPLETED and not was_seed
            swarm[who] = (left, self.tick)
        swarm = self.model.get(info_hash, {})
        seeds = sum(not peer_left for peer_left, _ in swarm.values())
        assert (answer.seeders, answer.leechers) == (seeds, len(swarm) - seeds)
        size = PEER_SIZE[family]
        peers = [answer.peers[k : k + size] for k in range(0, len(answer.peers), size)]
        leechers_only = not left or event == Event.PAUSED
        fit = {
            k
            for (f, k), (peer_left, _) in swarm.items()
            if f == family and k != key and (peer_left or not leechers_only)
        }
        assert len(set(peers)) == len(peers) and set(peers) <= fit
        assert len(peers) == (0 if event == Event.STOPPED else min(want, len(fit)))

    @rule(ticks=st.integers(1, 20))
    def time_passes(self, ticks: int) -> None:
        self.tick += ticks
        gone = 0
        for info_hash, swarm in list(self.model.items()):
            old = [who for who, (_, at) in swarm.items() if self.tick - at > TTL_TICKS]
            gone += len(old)
            for who in old:
                del swarm[who]
            if not swarm:
                del self.model[info_hash]
                del self.completed[info_hash]
        assert self.store.sweep(self.tick, 1 << 40) == gone

    @rule(info_hash=hashes)
    def forget(self, info_hash: bytes) -> None:
        self.store.remove(info_hash)
        self.model.pop(info_hash, None)
        del self.completed[info_hash]

    @invariant()
    def counts_agree(self) -> None:
        if not hasattr(self, "store"):
            return
        totals = self.store.totals()
        peers = [sum(f == family for swarm in self.model.values() for f, _ in swarm) for family in (0, 1)]
        assert [totals.peers4, totals.peers6] == peers
        assert totals.cost == TORRENT_COST * totals.torrents + sum(
            cost * count for cost, count in zip(PEER_COST, peers, strict=True)
        )
        for info_hash, swarm in self.model.items():
            counts = self.store.scrape(info_hash)
            assert counts is not None
            assert counts.seeders + counts.leechers == len(swarm)
            assert counts.completed == self.completed[info_hash]

    def teardown(self) -> None:
        if isinstance(getattr(self, "store", None), FastSwarms):
            self.store.close()  # type: ignore[attr-defined]


TestAgainstADictionary = AgainstADictionary.TestCase
TestAgainstADictionary.settings = settings(stateful_step_count=80)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(("seeds", "leechers", "want"), [(30, 70, 20), (1, 99, 10), (50, 0, 7), (97, 3, 50)])
def test_every_peer_is_as_likely_as_any_other(compiled: bool, seeds: int, leechers: int, want: int) -> None:
    """4,000 draws; no peer's count is six standard deviations off (by chance: 1 in 10^7)."""
    draws = 4000
    store: Store = FastSwarms(99, secret=bytes(16)) if compiled else Swarms(99)
    for k in range(seeds + leechers):
        key = k.to_bytes(6, "big")
        store.announce(b"h" * 20, 0, key, left=int(k >= seeds), event=0, want=0, tick=1)
    seen: Counter[bytes] = Counter()
    me = (999).to_bytes(6, "big")
    for _ in range(draws):
        peers = store.announce(b"h" * 20, 0, me, left=1, event=0, want=want, tick=1).peers
        assert len(peers) == 6 * want
        seen.update(peers[k : k + 6] for k in range(0, len(peers), 6))
    chance = want / (seeds + leechers)
    slack = 6 * math.sqrt(draws * chance * (1 - chance))
    assert me not in seen and len(seen) == seeds + leechers
    assert all(abs(count - draws * chance) < slack for count in seen.values())


def test_beyond_the_budget_new_torrents_are_refused_and_new_peers_answered() -> None:
    store = Swarms(7, TORRENT_COST + 3 * PEER_COST[0])
    for k in range(5):
        answer = store.announce(b"a" * 20, 0, k.to_bytes(6, "big"), left=1, event=0, want=9, tick=1)
        assert answer.leechers == min(k + 1, 3) and len(answer.peers) == 6 * min(k, 3)
    assert store.announce(b"b" * 20, 0, bytes(6), left=1, event=0, want=9, tick=1) is FULL
    store.announce(b"a" * 20, 0, bytes(6), left=1, event=Event.STOPPED, want=0, tick=1)
    assert store.announce(b"a" * 20, 0, bytes(5) + b"\x09", left=1, event=0, want=0, tick=1).leechers == 3


@given(
    rows=st.lists(st.tuples(hashes, keys, st.sampled_from([0, 9]), events, st.integers(0, 59)), max_size=60),
    elapsed=st.integers(0, 70),
)
def test_a_snapshot_brings_back_who_is_not_too_old(
    rows: list[tuple[bytes, tuple[int, bytes], int, Event, int]], elapsed: int
) -> None:
    store, tick = Swarms(7), 200
    last: dict[tuple[bytes, tuple[int, bytes]], int] = {}
    for info_hash, (family, key), left, event, age in rows:
        store.announce(info_hash, family, key, left=left, event=event, want=0, tick=tick - age)
        last.pop((info_hash, (family, key)), None)
        if event != Event.STOPPED:
            last[info_hash, (family, key)] = age
    writer = SnapshotWriter(tick, 2.0, 1000.0)
    for row in store.dump():
        writer.add(row)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "swarms"
        writer.save(path)
        body = read(path)
    assert body is not None
    again = Swarms(8)
    expected = sum(age + elapsed <= TTL_TICKS for age in last.values())
    assert restore(again, body, 9, 2.0, 1000.0 + 2 * elapsed) == expected
    totals = again.totals()
    assert totals.peers4 + totals.peers6 == expected
    if not elapsed:
        assert all(again.scrape(info_hash) == store.scrape(info_hash) for info_hash, *_ in store.dump())
