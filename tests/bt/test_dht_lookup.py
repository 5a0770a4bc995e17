import random

from hypothesis import given
from hypothesis import strategies as st

from axon.bt.dht_krpc import Contact
from axon.bt.dht_lookup import ALPHA, Lookup
from axon.bt.dht_store import PeerStore
from tests.bt.dht_network import Network, address_of

TARGET = bytes(20)


def contact(number):
    return Contact(number.to_bytes(20, "big"), *address_of(number))


def test_three_are_asked_at_once_and_a_slow_one_makes_room():
    lookup = Lookup(TARGET, [contact(n) for n in range(1, 9)])
    asked = []
    while (whom := lookup.next()) is not None:
        asked.append(whom)
    assert asked == [(contact(n).address, contact(n).id) for n in (1, 2, 3)]
    lookup.slow(address_of(2))
    assert lookup.next() == (address_of(4), contact(4).id)
    assert lookup.next() is None
    lookup.answered(contact(2), b"t")  # late, but it counts
    assert lookup.next() is None
    lookup.answered(contact(1), b"t")
    assert lookup.next() == (address_of(5), contact(5).id)


def test_an_answer_under_another_id_is_a_failure():
    lookup = Lookup(TARGET, [contact(1)])
    lookup.next()
    lookup.answered(Contact(contact(2).id, *address_of(1)), b"t")
    assert lookup.done
    assert lookup.closest() == []


def test_a_router_is_known_by_the_id_of_its_answer():
    lookup = Lookup(TARGET, [], [address_of(9)])
    assert lookup.next() == (address_of(9), None)
    lookup.answered(contact(9), None)
    assert lookup.done
    assert lookup.closest() == [(contact(9), None)]


def test_nothing_known_is_done_at_once():
    lookup = Lookup(TARGET, [])
    assert lookup.next() is None
    assert lookup.done


@given(st.integers(0, 2**32).map(random.Random), st.booleans())
def test_it_ends_whatever_is_answered(rng, lies):
    """Liars that name ever nearer nodes, silence, lateness, other ids: it ends, and asks nobody twice."""
    lookup = Lookup(TARGET, [contact(rng.randrange(1, 1 << 23)) for _ in range(5)], [address_of(1)])
    under_way, asked = [], set()
    while not lookup.done:
        while (whom := lookup.next()) is not None:
            assert whom[0] not in asked
            asked.add(whom[0])
            under_way.append(whom)
        assert under_way
        address, node_id = under_way.pop(rng.randrange(len(under_way)))
        match rng.randrange(4):
            case 0:
                lookup.failed(address)
            case 1:
                lookup.slow(address)
                under_way.insert(0, (address, node_id))
            case _:
                lookup.answered(Contact(node_id or rng.randbytes(20), *address), b"")
                nearer = int.from_bytes(node_id or b"\1", "big") % (1 << 23)
                lookup.heard_of(contact(max(1, nearer - k)) for k in range(1, 9) if lies)
    assert len(asked) <= 256
    assert len(lookup.closest()) <= 8


@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.1, 0.25]))
def test_a_search_among_a_thousand_nodes_finds_the_nearest(seed, loss):
    """Without loss exactly the eight nearest; with loss those, less ones whose datagrams were lost."""
    net = _thousand()
    net.rng, net.loss, net.lost = random.Random(seed), loss, set()
    me, node = net.me, net.nodes[net.me]
    target = net.rng.randbytes(20)
    for one in net.nodes.values():
        one.answers.store = PeerStore()  # an earlier example may have had the same target
    others = [address for address in net.closest(target, 20) if address != me]
    node.search(target, net.now, port=7000)
    net.run(60, me)
    node.events()
    announced = {
        address
        for address in net.nodes
        if net.nodes[address].answers.store.peers(target, 1, net.now, net.rng)
    }
    missing = set(others[:8]) - announced
    assert missing <= net.lost
    if not loss:
        assert announced == set(others[:8])
    assert len(node._questions) == 0


_NET = []


def _thousand():
    if not _NET:
        net = Network(7)
        for _ in range(1000):
            net.add()
        net.acquaint()
        net.me, node = net.add()
        for router in list(net.nodes)[:3]:
            node.add_router(router, net.now)
        net.run(30, net.me)
        _NET.append(net)
    return _NET[0]


def test_three_at_once_is_alpha():
    assert ALPHA == 3
