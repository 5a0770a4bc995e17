"""The compiled tracker answers byte for byte as the reference does, and keeps the same swarms."""

import os

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from axon.bt.announce import AnnounceRequest, Event
from axon.bt.tracker_udp import encode_connect
from axon.tracker.connection_id import ConnectionIds, siphash
from axon.tracker.engine import Engine
from axon.tracker.faststore import FastSwarms
from axon.tracker.lists import Lists
from axon.tracker.logic import Counters, Policy, Tracker
from axon.tracker.swarms import TORRENT_COST, Swarms
from axon.tracker.udp_kernel import siphash as compiled_siphash
from tests.tracker.strategies import addresses4, addresses6, announces, datagrams

SEED = 0x9E3779B97F4A7C15


class Pair:
    """Two trackers with the same secrets and clock, one of each kind."""

    def __init__(self, budget: int = 1 << 30, policy: Policy | None = None) -> None:
        policy = policy or Policy(max_want=60)
        randoms = [iter(range(1, 100)) for _ in range(2)]
        ids = [ConnectionIds(120, lambda n, r=r: bytes([next(r)]) * n) for r in randoms]  # type: ignore[misc]
        self.fast_store = FastSwarms(SEED, budget, secret=b"secret for table")
        self.slow = Tracker(Swarms(SEED, budget), policy, ids[0], Counters())
        self.fast = Tracker(self.fast_store, policy, ids[1], Engine.counters(self.fast_store))  # type: ignore[arg-type]
        self.engine = Engine(self.fast, self.fast_store)
        self.now = 1000.0
        self.step(0)

    def step(self, seconds: float) -> None:
        self.now += seconds
        self.slow.ids.advance(self.now)
        self.engine.advance(self.now)

    def send(self, data: bytes, address: bytes) -> bytes | None:
        one = self.slow.datagram(data, address, self.now)
        two = self.engine.datagram(data, address)
        assert one == two
        return one

    def check(self) -> None:
        assert list(self.slow.counters) == [int(x) for x in self.fast.counters]
        assert self.slow.store.totals() == self.fast_store.totals()
        assert sorted(self.slow.store.dump()) == sorted(self.fast_store.dump())


class Trackers(RuleBasedStateMachine):
    @initialize(budget=st.sampled_from([1 << 30, 3 * TORRENT_COST + 300]))
    def start(self, budget: int) -> None:
        self.pair = Pair(budget)

    @rule(address=st.one_of(addresses4, addresses6), data=st.data())
    def datagram(self, address: bytes, data: st.DataObject) -> None:
        self.pair.send(data.draw(datagrams(self.pair.slow.ids.make(address))), address)

    @rule(seconds=st.sampled_from([1, 60, 150, 700, 5000]))
    def wait(self, seconds: int) -> None:
        self.pair.step(seconds)

    @rule()
    def sweep(self) -> None:
        tick = self.pair.slow.tick(self.pair.now)
        gone = self.pair.slow.store.sweep(tick, 1 << 40)
        assert gone == self.pair.fast_store.sweep(tick, 1 << 40)

    @rule(allowed=st.one_of(st.none(), st.sets(st.integers(0, 3))), denied=st.sets(st.integers(0, 3)))
    def lists(self, allowed: set[int] | None, denied: set[int]) -> None:
        lists = Lists(
            None if allowed is None else frozenset(bytes([n]) * 20 for n in allowed),
            frozenset(bytes([n]) * 20 for n in denied),
        )
        self.pair.slow.lists = lists
        self.pair.engine.set_lists(lists)

    @invariant()
    def same(self) -> None:
        if hasattr(self, "pair"):
            self.pair.check()

    def teardown(self) -> None:
        if hasattr(self, "pair"):
            self.pair.fast_store.close()


TestTrackers = Trackers.TestCase
TestTrackers.settings = settings(stateful_step_count=60)


@given(st.lists(st.tuples(announces(), st.integers(0, 400)), min_size=1, max_size=40), st.booleans())
def test_http_announces_are_answered_alike(rows: list[tuple[AnnounceRequest, int]], six: bool) -> None:
    pair = Pair()
    for request, tail in rows:
        address = (b"\x20\x01" + bytes(12) if six and tail % 3 else b"\x0a\x00") + tail.to_bytes(2, "big")
        answers = [t.announce(request, address, pair.now) for t in (pair.slow, pair.fast)]
        assert answers[0] == answers[1]
    pair.check()
    pair.fast_store.close()


def test_a_large_swarm_grows_shrinks_and_stays_equal() -> None:
    slow, fast = Swarms(SEED), FastSwarms(SEED, secret=b"secret for table")
    for store in (slow, fast):
        for k in range(3000):
            for family, size in ((0, 4), (1, 16)):
                key = k.to_bytes(size, "big") + b"\x1a\xe1"
                store.announce(b"h" * 20, family, key, left=k % 3, event=0, want=0, tick=k // 100)
    for tick in (30, 75, 88, 95):
        assert slow.sweep(tick, 1 << 40) == fast.sweep(tick, 1 << 40)
        assert slow.totals() == fast.totals() and list(slow.dump()) == list(fast.dump())
        for key in (b"\0\0\0\7\x1a\xe1", b"\0\0\x0a\0\x1a\xe1"):
            kwargs = {"left": 1, "event": 0, "want": 50, "tick": tick}
            assert slow.announce(b"h" * 20, 0, key, **kwargs) == fast.announce(b"h" * 20, 0, key, **kwargs)
    fast.close()


def test_many_torrents_come_and_go() -> None:
    slow, fast = Swarms(SEED), FastSwarms(SEED, secret=b"secret for table")
    hashes = [os.urandom(20) for _ in range(2000)]
    for store in (slow, fast):
        for k, info_hash in enumerate(hashes):
            store.announce(info_hash, 0, b"\x7f\0\0\1\0\1", left=0, event=0, want=0, tick=k % 100)
        for info_hash in hashes[::3]:
            store.remove(info_hash)
        store.sweep(100, 1 << 40)
    assert slow.totals() == fast.totals()
    assert [slow.scrape(h) for h in hashes] == [fast.scrape(h) for h in hashes]
    assert sorted(slow.dump()) == sorted(fast.dump())
    fast.close()
    assert fast.totals() == (0, 0, 0, 0, 0)


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_siphash_is_the_same_compiled(key: bytes, message: bytes) -> None:
    words = [np.uint64(int.from_bytes((key + message)[k : k + 8], "little")) for k in (0, 8, 16, 24)]
    assert int(compiled_siphash(*words)) == siphash(key, message)


def test_a_dump_loads_into_the_other_store() -> None:
    slow = Swarms(SEED)
    for k in range(100):
        event = Event.COMPLETED if k < 5 else Event.NONE
        slow.announce(b"h" * 20, 0, k.to_bytes(6, "big"), left=k % 2, event=event, want=0, tick=7)
    fast = FastSwarms(SEED, secret=b"secret for table")
    for row in slow.dump():
        fast.load(*row)
    assert fast.totals() == slow.totals() and fast.scrape(b"h" * 20) == slow.scrape(b"h" * 20)
    fast.close()


def test_a_connect_gives_an_id_that_lives_one_window_more() -> None:
    pair = Pair()
    reply = pair.send(encode_connect(7), b"\x7f\0\0\1")
    assert reply is not None and len(reply) == 16
    cid = reply[8:]
    probe = cid + b"\0\0\0\x09" + b"\0\0\0\1" + bytes(20)  # no such action: the id was good
    pair.step(120)
    assert b"unknown action" in (pair.send(probe, b"\x7f\0\0\1") or b"")
    assert b"bad connection id" in (pair.send(probe, b"\x7f\0\0\2") or b"")
    pair.step(120)
    assert b"bad connection id" in (pair.send(probe, b"\x7f\0\0\1") or b"")
    assert pair.send(probe[:17], b"\x7f\0\0\1") is None  # an error would be longer than this
