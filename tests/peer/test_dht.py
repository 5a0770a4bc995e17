"""The DHT of nodes of ours, in one process over loopback."""

import hashlib
import socket

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from axon.bt import parse_torrent
from axon.bt.bencode import Raw, encode
from axon.bt.dht_krpc import PING, Query, parse_krpc
from axon.bt.handshake import Handshake, Reserved
from axon.bt.messages import Port
from axon.errors import ConfigError
from axon.peer.config import parse_config
from axon.peer.dht import _load
from tests.peer.swarming import make_file, make_torrent, running

SIZE = 200_000


def magnet(torrent):
    return f"magnet:?xt=urn:btih:{parse_torrent(torrent.read_bytes()).info_hash.hex()}"


def start_at(*others):
    """The setting that makes a node begin at others."""
    return {"dht_bootstrap": tuple(("127.0.0.1", other.node.dht.ports[4]) for other in others)}


async def until(condition, timeout=60):
    with trio.fail_after(timeout):
        while not condition():
            await trio.sleep(0.02)


@pytest.fixture
def film(tmp_path):
    path = make_file(tmp_path / "seed", SIZE)
    return path, make_torrent(path, tmp_path / "film.torrent")


async def test_a_magnet_link_without_trackers_is_enough(tmp_path, film):
    path, torrent = film
    async with (
        running(tmp_path / "a") as router,
        running(tmp_path / "b", **start_at(router)) as seed,
        running(tmp_path / "c", **start_at(router)) as leech,
    ):
        seed.add(torrent, path.parent)
        leech.add(magnet(torrent), tmp_path / "down")
        await leech.wait_for("complete")
    assert (tmp_path / "down" / "file.bin").read_bytes() == path.read_bytes()


async def test_two_nodes_are_a_network(tmp_path, film):
    path, torrent = film
    async with running(tmp_path / "b") as seed, running(tmp_path / "c", **start_at(seed)) as leech:
        seed.add(torrent, path.parent)
        leech.add(magnet(torrent), tmp_path / "down")
        await leech.wait_for("complete")


async def test_a_torrents_nodes_are_a_beginning(tmp_path, film):
    path, torrent = film
    async with running(tmp_path / "a") as router:
        where = [b"127.0.0.1", router.node.dht.ports[4]]
        info = torrent.read_bytes()[len(b"d4:info") : -1]
        torrent.write_bytes(encode({b"info": Raw(info), b"nodes": [where, [b"no..name", 5]]}))
        async with running(tmp_path / "b") as seed, running(tmp_path / "c") as leech:
            seed.add(torrent, path.parent)
            leech.add(torrent, tmp_path / "down")
            await leech.wait_for("complete")


async def test_peers_tell_each_other_their_nodes_ports(tmp_path, film):
    path, torrent = film
    async with running(tmp_path / "b") as seed, running(tmp_path / "c") as leech:
        seed.add(torrent, path.parent)
        await seed.wait_for("complete")
        leech.add(torrent, tmp_path / "down", seed)
        await until(lambda: len(seed.node.dht.nodes[4].table) and len(leech.node.dht.nodes[4].table))


async def test_a_private_torrent_is_neither_searched_nor_announced(tmp_path):
    path = make_file(tmp_path / "seed", SIZE)
    torrent = make_torrent(path, tmp_path / "private.torrent", private=1)
    other = make_torrent(make_file(tmp_path / "seed", 50_000, 2, "other.bin"), tmp_path / "other.torrent")
    async with running(tmp_path / "a") as router, running(tmp_path / "b", **start_at(router)) as seed:
        private = seed.add(torrent, path.parent)
        seed.add(other, path.parent)
        await until(lambda: all(swarm.ready.is_set() for swarm in seed.node.swarms))
        store = router.node.dht.nodes[4].answers.store
        await until(lambda: store.num_torrents)
        assert list(store._torrents) == [hashlib.sha1(other.read_bytes()[7:-1]).digest()]
        # Nor do its peers hear of our node.
        hello = await greet(seed.node.port, private.handshake_hashes[0])
        assert Reserved.DHT not in hello.reserved
        hello = await greet(seed.node.port, seed.node.swarms[1].handshake_hashes[0])
        assert Reserved.DHT in hello.reserved


async def greet(port, info_hash, then=b""):
    """Shake hands as a peer with a DHT node; what the other said."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        ours = Handshake(info_hash, b"-XX0000-" + bytes(12), Reserved.DHT)
        await stream.send_all(ours.serialize() + then)
        data = b""
        with trio.fail_after(60):
            while len(data) < 68:
                data += await stream.receive_some()
        return Handshake.parse(memoryview(data)[:68])


async def test_a_link_that_proves_private_is_searched_no_more(tmp_path):
    path = make_file(tmp_path / "seed", SIZE)
    torrent = make_torrent(path, tmp_path / "private.torrent", private=1)
    async with running(tmp_path / "a") as router, running(tmp_path / "b", **start_at(router)) as seed:
        seed.add(torrent, path.parent)
        await seed.wait_for("complete")
        async with running(tmp_path / "c", **start_at(router)) as leech:
            swarm = leech.add(magnet(torrent), tmp_path / "down")
            await until(lambda: leech.node.dht._rounds)  # nobody can know yet
            for port in (1, 2):
                router.node.dht.nodes[4].answers.store.add(
                    swarm.handshake_hashes[0], b"\x7f\0\0\2" + port.to_bytes(2, "big"), trio.current_time()
                )
            swarm.book.add(("127.0.0.1", seed.node.port), 0)
            leech.node.dial_soon()
            await leech.wait_for("complete")
            await until(lambda: not leech.node.dht._rounds)
            assert router.node.dht.nodes[4].answers.store.num_torrents <= 1  # it announced nothing
            assert len(router.node.dht.nodes[4].answers.store) <= 2


async def test_no_dht_opens_no_socket(tmp_path, film, monkeypatch):
    opened = []
    plain = socket.socket

    class Watched(plain):
        def __init__(self, family=-1, type=-1, *rest, **more):
            super().__init__(family, type, *rest, **more)
            opened.append(self.type)

    monkeypatch.setattr(socket, "socket", Watched)
    path, torrent = film
    async with running(tmp_path / "b", no_dht=True, dht_bootstrap=(("127.0.0.1", 9),)) as seed:
        swarm = seed.add(torrent, path.parent)
        await seed.wait_for("complete")
        hello = await greet(seed.node.port, swarm.handshake_hashes[0], then=b"\0\0\0\3\x09\x12\x34")
        assert Reserved.DHT not in hello.reserved
        await trio.sleep(0.6)
    assert socket.SOCK_STREAM in opened
    assert socket.SOCK_DGRAM not in opened


async def test_a_restart_begins_where_the_last_run_ended(tmp_path, film):
    path, torrent = film
    async with running(tmp_path / "a") as router, running(tmp_path / "b", **start_at(router)) as seed:
        seed.add(torrent, path.parent)
        async with running(tmp_path / "c", **start_at(router)) as leech:
            first = leech.node.dht.nodes[4].id
            port = leech.node.dht.ports[4]
            await until(lambda: len(leech.node.dht.nodes[4].table))
        async with running(tmp_path / "c", listen=(("127.0.0.1", port),)) as again:
            assert again.node.dht.nodes[4].id == first
            again.add(magnet(torrent), tmp_path / "down")
            await again.wait_for("complete")
        async with running(tmp_path / "c") as elsewhere:
            assert elsewhere.node.dht.nodes[4].id != first
            assert elsewhere.node.dht.nodes[4].knows_anybody


async def test_a_taken_udp_port_is_no_obstacle(tmp_path):
    holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    holder.bind(("127.0.0.1", 0))
    port = holder.getsockname()[1]
    async with running(tmp_path / "a", listen=(("127.0.0.1", port),)) as one:
        assert one.node.port == port
        assert one.node.dht.ports[4] not in (0, port)
    holder.close()


async def test_a_read_only_node_finds_peers_and_answers_nobody(tmp_path, film):
    path, torrent = film
    async with (
        running(tmp_path / "a") as router,
        running(tmp_path / "b", **start_at(router)) as seed,
        running(tmp_path / "c", dht_read_only=True, **start_at(router)) as leech,
    ):
        seed.add(torrent, path.parent)
        leech.add(magnet(torrent), tmp_path / "down")
        await leech.wait_for("complete")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.bind(("127.0.0.1", 0))
            asker.setblocking(False)
            for other, answers in ((leech, False), (seed, True)):
                query = Query(b"t", PING, bytes(20)).serialize()
                asker.sendto(query, ("127.0.0.1", other.node.dht.ports[4]))
                with trio.move_on_after(10 if answers else 0.5):
                    await trio.lowlevel.wait_readable(asker)
                    assert answers
                    assert parse_krpc(asker.recv(2048)).id == other.node.dht.nodes[4].id
                    continue
                assert not answers


@settings(max_examples=20)
@given(st.binary(max_size=80) | st.integers(0, 150))
def test_a_damaged_state_says_nothing_and_ends_nothing(tmp_path_factory, damage):
    path = tmp_path_factory.mktemp("state") / "dht.state"
    good = encode({b"v4": {b"id": b"i" * 20, b"port": 7, b"nodes": b"n" * 20 + b"\x7f\0\0\1\0\7"}})
    path.write_bytes(good)
    ((own, port, contacts),) = _load(path).values()
    assert (own, port, contacts[0].address) == (b"i" * 20, 7, ("127.0.0.1", 7))
    path.write_bytes(damage if isinstance(damage, bytes) else good[:damage])
    assert isinstance(_load(path), dict)
    path.unlink()
    assert _load(path) == {}


def test_flags_environment_and_file(tmp_path):
    toml = tmp_path / "peer.toml"
    toml.write_text('dht-bootstrap = ["router.example:6881"]\n')
    told = parse_config(["download", "x", "--config", str(toml)], {})
    assert told.dht_bootstrap == (("router.example", 6881),)
    environment = {"AXON_DHT_BOOTSTRAP": "[::1]:5 127.0.0.1:6", "AXON_DHT_READ_ONLY": "1"}
    told = parse_config(["seed", "x", "--config", str(toml)], environment)
    assert told.dht_bootstrap == (("::1", 5), ("127.0.0.1", 6))
    assert told.dht_read_only
    told = parse_config(["seed", "x", "--dht-bootstrap", "a.example:1", "--dht-bootstrap", "b.example:2"], {})
    assert told.dht_bootstrap == (("a.example", 1), ("b.example", 2))
    assert parse_config(["seed", "x"], {}).dht_bootstrap == ()  # nobody outside is asked unless told so
    with pytest.raises(ConfigError):
        parse_config(["seed", "x"], {"AXON_DHT_BOOTSTRAP": "nowhere"})


def test_port_vector():
    assert Port(6881).serialize() == b"\x1a\xe1"
