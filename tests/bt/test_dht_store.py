import random

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from axon.bt.dht_limits import Limits
from axon.bt.dht_store import PeerStore
from axon.bt.dht_tokens import Tokens

LIMITS = {"max_torrents": 5, "max_peers": 6, "max_total": 20, "max_of_host": 4}


def peer(host, port):
    return bytes([10, 0, 0, host]) + port.to_bytes(2, "big")


class Stores(RuleBasedStateMachine):
    """The store against all that was announced, by time."""

    def __init__(self):
        super().__init__()
        self.store = PeerStore(**LIMITS)
        self.announced = {}  # (info-hash, peer) -> when
        self.now = 0.0

    @rule(torrent=st.integers(0, 8), host=st.integers(0, 8), port=st.integers(1, 6))
    def add(self, torrent, host, port):
        self.store.add(bytes([torrent]) * 20, peer(host, port), self.now)
        self.announced[bytes([torrent]) * 20, peer(host, port)] = self.now
        assert peer(host, port) in self.peers(torrent)  # the latest is there always

    @rule(seconds=st.floats(0, 1500))
    def wait(self, seconds):
        self.now += seconds

    @rule()
    def expire(self):
        self.store.expire(self.now)
        assert len(self.store) <= sum(self.now - at < 2400 for at in self.announced.values())

    def peers(self, torrent):
        return self.store.peers(bytes([torrent]) * 20, 99, self.now, random.Random(1))

    @invariant()
    def is_sound(self):
        total, hosts = 0, {}
        held = list(self.store._torrents.items())
        for torrent, peers in held:
            assert 0 < len(peers) <= LIMITS["max_peers"]
            total += len(peers)
            for one in peers:
                hosts[one[:-2]] = hosts.get(one[:-2], 0) + 1
                assert (torrent, one) in self.announced
        assert total == len(self.store) <= LIMITS["max_total"]
        assert self.store.num_torrents == len(held) <= LIMITS["max_torrents"]
        assert all(count <= LIMITS["max_of_host"] for count in hosts.values())
        assert set(self.store._hosts) == set(hosts)
        for torrent in range(9):
            for one in self.peers(torrent):
                assert self.now - self.announced[bytes([torrent]) * 20, one] < 2400


TestStores = Stores.TestCase


def test_one_host_does_not_push_the_others_out():
    store = PeerStore(max_torrents=10, max_of_host=5)
    store.add(b"mine" * 5, peer(1, 1), 0.0)
    for k in range(100):
        store.add(k.to_bytes(20, "big"), peer(2, 1), 1.0)
    assert store.peers(b"mine" * 5, 9, 2.0, random.Random(1)) == [peer(1, 1)]


def test_a_sample_of_many_peers_has_the_size_asked_for():
    store = PeerStore()
    for k in range(100):
        store.add(b"t" * 20, peer(k, 1), 0.0)
    assert len(set(store.peers(b"t" * 20, 30, 0.0, random.Random(1)))) == 30
    assert store.peers(b"t" * 20, 0, 0.0, random.Random(1)) == []
    assert store.peers(b"u" * 20, 30, 0.0, random.Random(1)) == []


@given(st.floats(0, 299), st.binary(min_size=4, max_size=4), st.binary(min_size=4, max_size=4))
def test_a_token_holds_five_minutes_and_not_ten_and_only_for_its_address(start, host, other):
    tokens = Tokens(random.Random(1), 0.0)
    token = tokens.make(host, start)
    assert tokens.is_good(token, host, start + 299)
    assert tokens.is_good(token, other, start + 299) == (host == other)
    assert not tokens.is_good(token[:-1], host, start)
    assert not tokens.is_good(token, host, start + 601)
    assert not Tokens(random.Random(2), 0.0).is_good(token, host, start)


def test_a_host_gets_its_burst_and_then_its_rate():
    limits = Limits(0.0, rate=2.0, burst=10.0)
    assert sum(limits.admits(b"\1\2\3\4", 0.0) for _ in range(50)) == 10
    assert limits.admits(b"\1\2\3\5", 0.0)
    assert sum(limits.admits(b"\1\2\3\4", 5.0) for _ in range(50)) == 10
    assert sum(limits.admits(b"\1\2\3\4", 6.0) for _ in range(50)) == 2


def test_a_host_that_is_proved_may_ask_ten_times_as_much():
    limits = Limits(0.0, rate=2.0, burst=10.0)
    assert sum(limits.admits(b"\1\2\3\4", 0.0, proven=True) for _ in range(500)) in (99, 100)


def test_addresses_of_one_64_are_one_host():
    limits = Limits(0.0, rate=2.0, burst=10.0)
    assert sum(limits.admits(b"\x20" * 8 + k.to_bytes(8, "big"), 0.0) for k in range(50)) == 10


def test_hosts_are_forgotten_rather_than_kept_without_end():
    limits = Limits(0.0)
    for k in range(10_000):
        limits.admits(k.to_bytes(4, "big"), 0.0)
    assert len(limits) <= 4096


def test_answers_together_keep_to_a_rate():
    limits = Limits(0.0, bytes_per_second=1000)
    assert sum(limits.spend(100, 0.0) for _ in range(100)) == 20
    assert sum(limits.spend(100, 1.0) for _ in range(100)) == 10
