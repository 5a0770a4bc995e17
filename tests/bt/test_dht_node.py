import random
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.dht_events import PeersFound, SearchDone, SeenAs
from axon.bt.dht_id import is_bound
from axon.bt.dht_krpc import (
    ANNOUNCE_PEER,
    FIND_NODE,
    GET_PEERS,
    PING,
    Contact,
    Failure,
    Query,
    Reply,
    pack_address,
    pack_contact,
    parse_krpc,
)
from axon.bt.dht_limits import UNPROVEN, Limits
from axon.bt.dht_node import DhtNode
from tests.bt.dht_network import Network, address_of

ID = b"i" * 20
HASH = b"h" * 20
ASKER = ("52.1.2.3", 4567)


def make(family=4, *, filled=0, limits=True, **more):
    """A node with so many in its table, and no limits if they are not what is tested."""
    rng = random.Random(3)
    free = Limits(0.0, rate=1e9, burst=1e9, bytes_per_second=1e12)
    node = DhtNode(family, rng, 0.0, limits=None if limits else free, **more)
    for k in range(filled):
        host, port = address_of(k) if family == 4 else (f"2a0{k % 9}:{k:x}::1", 6881)
        node.table.answered(Contact(rng.randbytes(20), host, port), 0.0)
    return node


def ask(node, query, source=ASKER, now=1.0):
    """What a node answers, read."""
    node.receive(query.serialize(), source, now)
    sent = node.datagrams()
    assert all(to == source for _, to in sent)
    return parse_krpc(sent[0][0]) if sent else None


def asked(node):
    """What a node asks: (query, address), read."""
    return [(parse_krpc(data), to) for data, to in node.datagrams()]


def answer(node, query, address, now=1.0, **more):
    """Answer a query of the node's."""
    more.setdefault("id", ID)
    node.receive(Reply(query.transaction, **more).serialize(), address, now)


def announce(node, source=ASKER, now=1.0, token=None, **more):
    token = token or ask(node, Query(b"t", GET_PEERS, ID, HASH), source, now).token
    return ask(node, Query(b"t", ANNOUNCE_PEER, ID, HASH, (), token, 7000, **more), source, now)


# -- answers ---------------------------------------------------------------------------------------


def test_a_ping_is_answered_with_our_id_and_how_we_see_the_asker():
    node = make()
    assert ask(node, Query(b"xy", PING, ID)) == Reply(b"xy", node.id, seen_as=pack_address(ASKER))


def test_who_announces_is_told_to_the_next_who_asks():
    node = make(filled=20)
    assert isinstance(announce(node), Reply)
    reply = ask(node, Query(b"t", GET_PEERS, ID, HASH), ("52.9.9.9", 1))
    assert reply.values == (pack_address((ASKER[0], 7000)),)
    assert reply.nodes
    assert reply.token


def test_who_announces_to_us_is_told_to_ourselves():
    node = make()
    announce(node)
    assert node.events() == [PeersFound(HASH, ((ASKER[0], 7000),))]
    announce(node, token=b"made up")
    assert node.events() == []


def test_an_implied_port_is_the_datagrams():
    node = make()
    announce(node, implied_port=True)
    reply = ask(node, Query(b"t", GET_PEERS, ID, HASH), ("52.9.9.9", 1))
    assert reply.values == (pack_address(ASKER),)


def test_a_token_of_another_address_or_another_time_is_refused():
    node = make()
    token = ask(node, Query(b"t", GET_PEERS, ID, HASH)).token
    other = announce(node, ("52.9.9.9", 4567), token=token)
    assert isinstance(other, Failure)
    assert other.code == 203
    assert isinstance(announce(node, now=601.0, token=token), Failure)
    assert len(node.answers.store) == 0


def test_find_node_gives_the_eight_nearest():
    node = make(filled=100)
    reply = ask(node, Query(b"t", FIND_NODE, ID, HASH))
    near = node.table.closest(HASH)
    assert reply.nodes == b"".join(pack_contact(entry.contact) for entry in near)
    assert len(near) == 8


def test_both_families_are_told_to_who_wants_both():
    four, six = make(4, filled=20), make(6, filled=20)
    four.pair(six)
    proven = next(iter(four.table)).contact
    both = ask(four, Query(b"t", FIND_NODE, proven.id, HASH, (4, 6)), proven.address)
    assert (len(both.nodes), len(both.nodes6)) == (8 * 26, 8 * 38)
    only = ask(four, Query(b"t", FIND_NODE, proven.id, HASH, (6,)), proven.address)
    assert (len(only.nodes), len(only.nodes6)) == (0, 8 * 38)
    assert len(ask(six, Query(b"t", FIND_NODE, ID, HASH), ("2a00::5", 9)).nodes6) >= 5 * 38


def test_unknown_methods_are_answered_as_find_node_or_refused():
    node = make(filled=20)
    head = b"d1:ad2:id20:" + ID
    node.receive(head + b"6:target20:" + HASH + b"e1:q3:get1:t1:x1:y1:qe", ASKER, 1.0)
    node.receive(head + b"e1:q4:vote1:t1:x1:y1:qe", ASKER, 1.0)
    node.receive(head + b"e1:q9:find_node1:t1:x1:y1:qe", ASKER, 1.0)
    found, refused, bad = [parse_krpc(data) for data, _ in node.datagrams()]
    assert found.nodes
    assert (refused.code, bad.code) == (204, 203)


@given(
    st.sampled_from([PING, FIND_NODE, GET_PEERS]),
    st.sampled_from([(), (4,), (6,), (4, 6)]),
    st.sampled_from([4, 6]),
    st.integers(0, 300),
    st.integers(0, 30),
)
def test_strangers_get_few_times_what_they_sent(method, want, family, peers, filled):
    node, other = make(family, filled=filled), make(10 - family, filled=filled)
    node.pair(other)
    for k in range(peers):
        host = address_of(k)[0] if family == 4 else f"2a01::{k:x}"
        node.answers.store.add(HASH, pack_address((host, 1)), 0.0)
    source = ASKER if family == 4 else ("2a00::99", 5)
    data = Query(b"tt", method, ID, HASH if method != PING else b"", want).serialize()
    node.receive(data, source, 1.0)
    sent = [part for part, to in node.datagrams() if to == source]
    assert len(sent) == 1
    assert len(sent[0]) <= UNPROVEN * len(data)
    reply = parse_krpc(sent[0])
    if method == GET_PEERS:
        assert bool(reply.values) == bool(peers)


def test_who_answered_us_once_gets_as_many_peers_as_fit():
    node = make(filled=20)
    proven = next(iter(node.table)).contact
    for k in range(300):
        node.answers.store.add(HASH, pack_address(address_of(k)), 0.0)
    node.receive(Query(b"t", GET_PEERS, proven.id, HASH).serialize(), proven.address, 1.0)
    ((data, _),) = node.datagrams()
    assert 1000 < len(data) <= 1200
    assert len(parse_krpc(data).values) > 80


def test_a_host_that_asks_too_much_is_not_answered_and_others_are():
    node = make(filled=20)
    got = sum(ask(node, Query(b"t", PING, ID)) is not None for _ in range(200))
    assert got == 30
    assert ask(node, Query(b"t", PING, ID), ("53.0.0.1", 1)) is not None
    assert ask(node, Query(b"t", PING, ID), now=60.0) is not None


def test_a_read_only_node_asks_and_answers_nobody():
    node = make(read_only=True)
    assert ask(node, Query(b"t", PING, ID)) is None
    node.ping(("52.1.1.1", 5), 1.0)
    ((query, to),) = asked(node)
    assert query.read_only
    answer(node, query, to)
    assert len(node.table) == 1


def test_who_is_read_only_is_no_candidate():
    node = make()
    ask(node, Query(b"t", PING, ID, read_only=True))
    node.on_deadline(10.0)
    assert asked(node) == []
    ask(node, Query(b"t", PING, ID))
    node.on_deadline(20.0)
    assert [to for _, to in asked(node)] == [ASKER]


# -- questions -------------------------------------------------------------------------------------


def test_answers_count_from_the_address_that_was_asked_alone():
    node = make()
    node.ping(("52.1.1.1", 5), 1.0)
    ((query, to),) = asked(node)
    answer(node, query, ("52.1.1.2", 5))
    answer(node, Query(b"none", PING, ID), to)
    assert len(node.table) == 0
    answer(node, query, to)
    answer(node, query, to)
    assert [entry.contact for entry in node.table] == [Contact(ID, *to)]


def test_a_search_finds_peers_and_announces_to_who_gave_a_token():
    node = make(filled=3)
    assert node.search(HASH, 1.0, port=7000)
    assert not node.search(HASH, 1.0, port=7000)  # the same is under way
    peers = [("60.1.1.1", 1), ("60.1.1.2", 2)]
    for query, to in asked(node):
        assert (query.method, query.target) == (GET_PEERS, HASH)
        known = node.table.get(to).contact.id
        answer(node, query, to, id=known, values=tuple(map(pack_address, peers)), token=b"tk")
    events = node.events()
    assert PeersFound(HASH, tuple(peers)) in events
    assert events[-1] == SearchDone(HASH, 3, 3)
    told = asked(node)
    assert {(q.method, q.token, q.port, q.implied_port) for q, _ in told} == {
        (ANNOUNCE_PEER, b"tk", 7000, False)
    }


def test_a_search_without_port_announces_nothing():
    node = make(filled=2)
    node.search(HASH, 1.0)
    for query, to in asked(node):
        answer(node, query, to, id=node.table.get(to).contact.id, token=b"tk")
    assert node.events() == [SearchDone(HASH, 2, 0)]
    assert asked(node) == []


def test_a_search_that_is_forgotten_asks_and_announces_no_more():
    node = make(filled=2)
    node.search(HASH, 1.0, port=7000)
    queries = asked(node)
    node.forget(HASH)
    for query, to in queries:
        answer(node, query, to, id=node.table.get(to).contact.id, token=b"tk")
    assert (asked(node), node.events()) == ([], [])


def test_a_question_is_repeated_once_and_given_up_in_time():
    node = make(filled=1)
    ((_, to),) = [(e, e.contact.address) for e in node.table]
    node.search(HASH, 1.0)
    first = node.datagrams()
    for now in (1.5, 2.0, 2.5, 3.0):
        node.on_deadline(now)
    assert [one for one in node.datagrams() if one == first[0]] == first
    node.on_deadline(7.0)
    assert SearchDone(HASH, 0, 0) in node.events()
    assert node.table.get(to).failures >= 1


def test_peers_announced_to_ourselves_are_found_at_once():
    node = make()
    announce(node)
    node.events()
    node.search(HASH, 2.0)
    assert node.events()[0] == PeersFound(HASH, ((ASKER[0], 7000),))


def test_nobody_outside_sends_us_to_our_own_ports():
    node = make(filled=1)
    (entry,) = node.table
    node.search(HASH, 1.0)
    ((query, to),) = asked(node)
    wrong = [("127.0.0.1", 22), ("0.0.0.0", 5), ("224.0.0.1", 5), ("60.1.1.1", 0)]
    nodes = b"".join(pack_contact(Contact(bytes([k]) * 20, *one)) for k, one in enumerate(wrong))
    answer(node, query, to, id=entry.contact.id, nodes=nodes, values=tuple(map(pack_address, wrong)))
    assert node.events() == [SearchDone(HASH, 1, 0)]
    assert asked(node) == []


def test_nobody_sends_us_to_ourselves():
    node = make(filled=1)
    (entry,) = node.table
    node.search(HASH, 1.0)
    ((query, to),) = asked(node)
    answer(node, query, to, id=entry.contact.id, nodes=pack_contact(Contact(node.id, "60.1.1.1", 5)))
    assert asked(node) == []
    assert node.events() == [SearchDone(HASH, 1, 0)]


def test_loopback_nodes_may_name_loopback_ones():
    node = make()
    node.add_router(("127.0.0.1", 5), 1.0)
    node.on_deadline(1.0)
    ((query, to),) = asked(node)
    assert query.method == FIND_NODE
    answer(node, query, to, nodes=pack_contact(Contact(b"j" * 20, "127.0.0.1", 6)))
    assert ("127.0.0.1", 6) in {to for _, to in asked(node)}


def test_our_id_follows_the_address_that_most_nodes_see():
    node = make(filled=40)
    before = node.id
    mine = ip_address("52.44.33.22")
    for k in range(5):
        host = ("60.2.3.4", 5 + k) if k == 2 else (f"60.{k}.3.4", 5)
        node.ping(host, 1.0)
        ((query, to),) = [(q, to) for q, to in asked(node) if to == host]
        seen = ("99.9.9.9", 1) if k == 3 else (str(mine), 6881)  # one lies
        answer(node, query, to, id=bytes([k]) * 20, seen_as=pack_address(seen))
    assert SeenAs(mine) in node.events()
    assert node.id != before
    assert is_bound(node.id, str(mine))
    assert len(node.table) > 20  # nobody is lost who has a place


def test_local_addresses_are_no_vote():
    node = make(filled=5)
    for k in range(9):
        node.ping((f"60.{k}.3.4", 5), 1.0)
        for query, to in asked(node):
            answer(node, query, to, id=bytes([k]) * 20, seen_as=pack_address(("192.168.1.5", 6881)))
    assert not any(isinstance(event, SeenAs) for event in node.events())


def test_nodes_of_the_other_family_are_handed_on():
    four, six = make(4), make(6)
    four.pair(six)
    four.add_router(("52.1.1.1", 5), 1.0)
    four.on_deadline(1.0)
    ((query, to),) = asked(four)
    assert query.want == (4, 6)
    answer(four, query, to, nodes6=pack_contact(Contact(HASH, "2a00::1", 9)))
    six.on_deadline(3.0)
    assert [to for _, to in asked(six)] == [("2a00::1", 9)]


def test_a_network_that_begins_at_one_router_comes_together():
    net = Network(5)
    router, _ = net.add()
    others = [net.add() for _ in range(20)]
    for _, node in others:
        node.add_router(router, net.now)
    net.run(60, *net.nodes)
    assert all(len(node.table) >= 8 for node in net.nodes.values())
    (seed, seeding), (_, leeching) = others[3], others[17]
    seeding.search(HASH, net.now, port=7000)
    net.run(10, *net.nodes)
    leeching.search(HASH, net.now, port=7001)
    net.run(10, *net.nodes)
    found = {peer for event in leeching.events() if isinstance(event, PeersFound) for peer in event.peers}
    assert (seed[0], 7000) in found


def test_a_restart_is_as_good_as_its_memory():
    net = Network(6)
    for _ in range(50):
        net.add()
    net.acquaint()
    address, node = net.add()
    for router in list(net.nodes)[:2]:
        node.add_router(router, net.now)
    net.run(20, address)
    again, fresh = net.add(node_id=node.id)
    fresh.remember(node.contacts(), net.now)
    net.run(5, again)
    assert len(fresh.table) >= 8


@pytest.mark.parametrize("host", ["fe80::1%eth0", "example.org", "", "1.2.3"])
def test_sources_that_are_no_address_are_ignored(host):
    node = make(6)
    node.receive(Query(b"t", PING, ID).serialize(), (host, 5), 1.0)
    assert node.datagrams() == []


def test_an_early_deadline_is_harmless_and_a_due_one_moves_on():
    node = make(filled=20)
    node.search(HASH, 1.0)
    for _ in range(100):
        when = node.deadline()
        node.on_deadline(when)
        assert node.deadline() > when
