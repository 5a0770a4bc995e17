"""Datagrams of anybody, to a node of the DHT and to a whole process.

The source address of a datagram can be forged, so nothing that comes in may end the loop, fill
memory, or make us send much to somebody who did not ask.
"""

import random
import socket
import time

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.bencode import encode
from axon.bt.dht_events import PeersFound
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
from axon.bt.dht_node import DhtNode
from tests.bt.dht_network import Network, address_of
from tests.interop.peers import seed
from tests.peer.swarming import make_file, make_torrent

HASH = b"h" * 20

values = st.recursive(
    st.integers(-9, 70000) | st.binary(max_size=40) | st.binary(min_size=20, max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=10), inner, max_size=4),
    max_leaves=12,
)
KEYS = [
    b"id",
    b"info_hash",
    b"target",
    b"token",
    b"port",
    b"implied_port",
    b"want",
    b"nodes",
    b"nodes6",
    b"values",
]
arguments = st.dictionaries(st.sampled_from(KEYS), values, max_size=8)
messages = st.fixed_dictionaries(
    {},
    optional={
        b"t": values,
        b"y": st.sampled_from([b"q", b"r", b"e", b"x"]) | values,
        b"q": st.sampled_from([PING, FIND_NODE, GET_PEERS, ANNOUNCE_PEER, b"vote"]) | values,
        b"a": arguments | values,
        b"r": arguments | values,
        b"e": values,
        b"ip": values,
        b"ro": values,
    },
)


def make(filled=10):
    rng = random.Random(1)
    node = DhtNode(4, rng, 0.0)
    for k in range(filled):
        node.table.answered(Contact(rng.randbytes(20), *address_of(k)), 0.0)
    return node


@given(st.lists(messages.map(encode) | st.binary(max_size=100), max_size=10), st.booleans())
def test_no_datagram_raises_or_fills_the_table(datagrams, searching):
    node = make()
    if searching:
        node.search(HASH, 1.0, port=7000)
    size = len(node.table)
    for k, data in enumerate(datagrams):
        node.receive(data, address_of(k), 1.0)
        node.receive(data, ("9.9.9.9", 9), 1.0)
    node.on_deadline(60.0)
    assert len(node.table) <= size


@given(st.dictionaries(st.sampled_from(KEYS), values, max_size=8), st.integers(0, 9), st.booleans())
def test_no_answer_to_us_raises(told, which, error):
    """Answers with the right transaction, from whom we asked, of whatever is in them."""
    node = make()
    node.search(HASH, 1.0, port=7000)
    sent = node.datagrams()
    data, to = sent[which % len(sent)]
    kind = {b"y": b"e", b"e": [201, b"x"]} if error else {b"y": b"r", b"r": told}
    node.receive(encode(kind | {b"t": parse_krpc(data).transaction, b"ip": told.get(b"id", b"")}), to, 1.5)
    node.on_deadline(2.5)
    node.on_deadline(9.0)


def test_a_forged_flood_makes_us_send_little_to_its_victim():
    """Twenty thousand queries a second as if by one host: it gets thirty answers, then five a second."""
    node, victim = make(), ("52.1.2.3", 80)
    data = Query(b"tt", GET_PEERS, b"i" * 20, HASH).serialize()
    sent = 0
    for k in range(40_000):
        node.receive(data, victim, 1.0 + k / 20_000)
        sent += sum(len(part) for part, to in node.datagrams() if to == victim)
    assert sent <= 41 * 4 * len(data)


def test_a_flood_from_everywhere_keeps_to_a_rate_and_to_bounded_memory():
    node, rng = make(), random.Random(2)
    sent = 0
    for k in range(30_000):
        source = (socket.inet_ntoa(rng.randbytes(4)), 6881)
        method = (PING, FIND_NODE, GET_PEERS)[k % 3]
        target = b"" if method == PING else rng.randbytes(20)
        node.receive(Query(b"t", method, rng.randbytes(20), target).serialize(), source, 1.0 + k / 30_000)
        sent += sum(len(part) for part, _ in node.datagrams())
    assert sent <= 310_000
    assert len(node.table) <= 10
    assert len(node.answers.limits) <= 4096
    assert sum(len(bucket.candidates) for bucket in node.table._buckets) <= 8 * 160
    # Whoever is asked by us is still heard.
    node.search(HASH, 3.0)
    (data, to), *_ = node.datagrams()
    reply = Reply(parse_krpc(data).transaction, node.table.get(to).contact.id, values=(b"\x3c\1\1\1\0\7",))
    node.receive(reply.serialize(), to, 3.1)
    assert PeersFound(HASH, (("60.1.1.1", 7),)) in node.events()


def test_a_flood_of_announces_with_good_tokens_is_bounded():
    """One host that announces without end holds two hundred places; the torrents of others stay."""
    node = make()
    other, source = ("53.0.0.1", 5), ("52.1.2.3", 5)

    def announce(source, info_hash, now):
        node.receive(Query(b"t", GET_PEERS, b"i" * 20, info_hash).serialize(), source, now)
        ((data, _),) = node.datagrams()
        token = parse_krpc(data).token
        query = Query(b"t", ANNOUNCE_PEER, b"i" * 20, info_hash, (), token, 5)
        node.receive(query.serialize(), source, now)
        node.datagrams()

    announce(other, HASH, 0.0)
    for k in range(1000):
        announce(source, k.to_bytes(20, "big"), 1.0 + k)
    assert len(node.answers.store) <= 201
    assert node.answers.store.peers(HASH, 9, 1001.0, random.Random(1)) == [pack_address(other)]


def test_liars_in_a_search_are_ended_and_the_honest_are_found():
    """A tenth of the nodes names invented nodes, ever nearer to the target, that never answer."""
    net = Network(3)
    for _ in range(300):
        net.add()
    net.acquaint()
    liars = set(net.rng.sample(list(net.nodes), 30))

    def lie(address):
        honest = net.nodes[address].receive

        def receive(data, source, now):
            message = parse_krpc(data)
            if not isinstance(message, Query) or message.method != GET_PEERS:
                honest(data, source, now)
                return
            near = message.target[:18]
            fakes = [
                Contact(near + net.rng.randbytes(2), *address_of(9000 + net.rng.randrange(9**4)))
                for _ in range(8)
            ]
            reply = Reply(
                message.transaction, net.nodes[address].id, b"".join(map(pack_contact, fakes)), token=b"x"
            )
            net.nodes[address]._out.append((reply.serialize(), source))

        net.nodes[address].receive = receive

    for address in liars:
        lie(address)
    (seeder, seeding), (leecher, leeching) = net.add(), net.add()
    for router in [address for address in net.nodes if address not in liars][:3]:
        seeding.add_router(router, net.now)
        leeching.add_router(router, net.now)
    net.run(20, seeder, leecher)
    seeding.search(HASH, net.now, port=7000)
    net.run(200, seeder, leecher)
    leeching.search(HASH, net.now)
    net.run(200, seeder, leecher)
    found = {peer for event in leeching.events() if isinstance(event, PeersFound) for peer in event.peers}
    assert (seeder[0], 7000) in found
    assert not leeching._searches


def test_a_nodes_failure_is_not_its_neighbours():
    node = make(filled=3)
    node.search(HASH, 1.0)
    for data, to in node.datagrams():
        node.receive(Failure(parse_krpc(data).transaction, 202, b"busy").serialize(), to, 1.5)
    assert not node._searches
    assert len(node.table) == 3


@pytest.mark.slow
def test_a_seed_outlives_a_flood_of_datagrams(tmp_path):
    """Junk, queries and half messages for two seconds: the process answers afterwards, and has not grown."""
    path = make_file(tmp_path / "seed", 300_000)
    torrent = make_torrent(path, tmp_path / "t.torrent")
    rng = random.Random(4)
    good = [
        Query(b"t", PING, rng.randbytes(20)).serialize(),
        Query(b"t", GET_PEERS, rng.randbytes(20), HASH).serialize(),
        Query(b"t", ANNOUNCE_PEER, rng.randbytes(20), HASH, (), b"guess", 5).serialize(),
        Reply(b"t", rng.randbytes(20), b"n" * 26).serialize(),
    ]
    with seed(torrent, path.parent, tmp_path / "data") as ours:
        port = ours.wait_for("dht")["port"]
        ours.wait_for("complete")
        ours.wait_for("progress")
        process = psutil.Process(ours.process.pid)
        before = process.memory_info().rss
        senders = []
        for k in range(50):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind((f"127.0.{k}.9", 0))
            senders.append(sock)
        end = time.monotonic() + 2
        while time.monotonic() < end:
            for sock in senders:
                data = bytearray(rng.choice(good))
                match rng.randrange(4):
                    case 0:
                        data[rng.randrange(len(data))] = rng.randrange(256)
                    case 1:
                        data = data[: rng.randrange(len(data))]
                    case 2:
                        data = bytearray(rng.randbytes(rng.randrange(1, 4000)))
                sock.sendto(data, ("127.0.0.1", port))
        asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        asker.bind(("127.77.0.1", 0))
        asker.settimeout(1)
        for _ in range(20):
            asker.sendto(good[0], ("127.0.0.1", port))
            try:
                assert isinstance(parse_krpc(asker.recv(2048)), Reply)
                break
            except TimeoutError:
                continue
        else:
            raise AssertionError("no answer after the flood")
        assert process.memory_info().rss - before < 20 << 20
        for sock in (*senders, asker):
            sock.close()
        assert ours.stop() == 0
