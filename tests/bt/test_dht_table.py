import random
from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from axon.bt.dht_id import bind_id, shared_bits
from axon.bt.dht_krpc import Contact
from axon.bt.dht_table import FRESH, K, RoutingTable
from tests.bt.dht_network import address_of

OWN = bytes(20)


def contact(number, shared=0, where=None):
    """A node whose id shares so many bits with `OWN`."""
    value = 1 << 159 - shared | number << 8
    return Contact(value.to_bytes(20, "big"), *address_of(number if where is None else where))


class Tables(RuleBasedStateMachine):
    """Whatever is heard in whatever order, the invariants hold."""

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed):
        self.rng = random.Random(seed)
        self.table = RoutingTable(self.rng.randbytes(20))
        self.now = 0.0

    def some(self, number, shared):
        own = int.from_bytes(self.table.own_id, "big")
        mask = (1 << 159 - shared) - 1
        value = own & ~mask ^ (1 << 159 - shared) | random.Random(number).getrandbits(160) & mask
        return Contact(value.to_bytes(20, "big"), *address_of(number))

    @rule(number=st.integers(0, 400), shared=st.integers(0, 12), times=st.integers(1, 12))
    def answered(self, number, shared, times):
        for k in range(times):
            one = self.some(number + 1000 * k, shared)
            if self.table.answered(one, self.now):
                assert self.table.get(one.address).contact == one

    @rule(number=st.integers(0, 400), shared=st.integers(0, 12))
    def asked(self, number, shared):
        size = len(self.table)
        self.table.asked(self.some(number, shared), self.now)
        assert len(self.table) == size  # asking earns no place

    @rule(number=st.integers(0, 400), shared=st.integers(0, 12), times=st.integers(1, 20))
    def heard_of(self, number, shared, times):
        size = len(self.table)
        for k in range(times):
            self.table.heard_of(self.some(number + 1000 * k, shared))
        assert len(self.table) == size

    @rule(pick=st.integers(0, 1000), times=st.integers(1, 3))
    def failed(self, pick, times):
        entries = list(self.table)
        if entries:
            for _ in range(times):
                self.table.failed(entries[pick % len(entries)].contact.address)

    @rule(seconds=st.floats(0, 2000))
    def wait(self, seconds):
        self.now += seconds

    @rule()
    def ping(self):
        one = self.table.to_ping(self.now)
        entry = one and self.table.get(one.address)
        assert entry is None or not entry.is_good(self.now)

    @rule()
    def refresh(self):
        seen = 0
        while (target := self.table.stale_target(self.now, self.rng)) is not None:
            assert len(target) == 20
            seen += 1
        assert seen <= len(self.table.buckets())

    @rule(sought=st.binary(min_size=20, max_size=20), count=st.integers(1, 20))
    def closest(self, sought, count):
        number = int.from_bytes(sought, "big")
        want = sorted((e for e in self.table if not e.is_bad), key=lambda e: e.number ^ number)
        assert self.table.closest(sought, count) == want[:count]

    @invariant()
    def is_sound(self):
        if not hasattr(self, "table"):
            return
        own = int.from_bytes(self.table.own_id, "big")
        buckets = self.table.buckets()
        entries = [entry for bucket in buckets for entry in bucket]
        assert len(entries) == len(self.table) == len(set(self.table))
        assert len({entry.contact.id for entry in entries}) == len(entries)
        assert len({entry.contact.host for entry in entries}) == len(entries)
        assert self.table.own_id not in {entry.contact.id for entry in entries}
        for depth, bucket in enumerate(buckets):
            assert len(bucket) <= K
            nets = [entry.net for entry in bucket if entry.net]
            assert len(nets) == len(set(nets))
            for entry in bucket:
                shared = shared_bits(entry.number, own)
                assert shared == depth or (depth == len(buckets) - 1 and shared > depth)


TestTables = Tables.TestCase


def test_old_nodes_that_answer_are_kept_before_new_ones():
    table = RoutingTable(OWN)
    old = [contact(number) for number in range(1, 9)]
    for one in (*old, contact(20, shared=1)):
        assert table.answered(one, 0.0)
    assert not table.answered(contact(9), 1.0)  # its bucket is full of good ones
    assert table.to_ping(FRESH - 1) is None
    asked = table.to_ping(FRESH + 1)
    assert asked in old
    table.failed(asked.address)
    table.failed(asked.address)  # bad, and somebody waits for the place
    assert table.get(asked.address) is None
    assert table.to_ping(FRESH + 2) == contact(9)
    assert table.answered(contact(9), FRESH + 2)


def test_one_place_for_a_host_and_one_of_a_bucket_for_a_net():
    table = RoutingTable(OWN)
    assert table.answered(contact(1), 0.0)
    host, port = address_of(1)
    assert not table.answered(Contact(contact(2).id, host, port + 1), 0.0)
    assert not table.answered(Contact(contact(3).id, host.rpartition(".")[0] + ".99", port), 0.0)
    local = [Contact(contact(k).id, "127.0.0.1", k) for k in range(10, 14)]
    assert all(table.answered(one, 0.0) for one in local)


def test_an_id_bound_to_its_address_takes_the_place_of_one_that_is_not():
    table = RoutingTable(OWN)
    assert table.answered(contact(200, shared=1), 0.0)
    for number in range(1, 9):
        table.answered(contact(number), 0.0)
    bound = next(
        Contact(node_id, *address_of(number))
        for number in range(300, 400)
        for node_id in [bind_id(ip_address(address_of(number)[0]), bytes([7]) * 20)]
        if node_id[0] & 0x80
    )
    assert table.answered(bound, 1.0)
    assert len(table.buckets()[0]) == K


def test_a_nodes_id_is_not_taken_from_it():
    table = RoutingTable(OWN)
    assert table.answered(contact(1), 0.0)
    thief = Contact(contact(1).id, *address_of(2))
    assert not table.answered(thief, 1.0)
    assert table.get(address_of(1)) is not None
    assert table.answered(Contact(contact(5).id, *address_of(1)), 2.0)  # the same address begun anew
    assert len(table) == 1


def test_a_candidate_that_came_in_under_another_id_is_not_asked_again():
    table = RoutingTable(OWN)
    table.asked(contact(1), 0.0)
    assert table.answered(Contact(contact(2).id, *address_of(1)), 0.0)
    table.asked(contact(3), 0.0)
    assert table.to_ping(0.0) == contact(3)
    assert table.to_ping(0.0) is None


@given(st.integers(0, 2**32))
def test_a_stale_buckets_target_lies_in_that_bucket(seed):
    rng = random.Random(seed)
    table = RoutingTable(rng.randbytes(20))
    for k in range(300):
        table.answered(Contact(rng.randbytes(20), *address_of(k)), 0.0)
    own, depths = int.from_bytes(table.own_id, "big"), []
    while (target := table.stale_target(FRESH, rng)) is not None:
        depths.append(shared_bits(int.from_bytes(target, "big"), own))
    last = len(table.buckets()) - 1
    assert depths[:-1] == list(range(last))
    assert depths[-1] >= last
