"""Encrypted connections between nodes of ours, and strangers who only pretend."""

import socket
from ipaddress import ip_address
from random import Random
from types import SimpleNamespace

import pytest
import trio

from axon.bt.handshake import Handshake
from axon.bt.metainfo import parse_torrent
from axon.bt.mse import Crypto, EncryptionHandshake
from axon.bt.pex import PexAddress, PexFlags, PexMessage
from axon.errors import RemoteProtocolError
from axon.ids import InfoHash, PeerId
from axon.peer import connections, encryption
from axon.peer.encryption import answer
from axon.peer.gossip import UT_PEX, pex_addresses
from axon.peer.policy import Policy
from tests.peer.swarming import make_file, make_torrent, running


@pytest.fixture
def torrent(tmp_path):
    path = make_file(tmp_path / "seed", 1_000_003)
    return make_torrent(path, tmp_path / "t.torrent")


def same(tmp_path):
    return (tmp_path / "seed" / "file.bin").read_bytes() == (tmp_path / "out" / "file.bin").read_bytes()


def test_each_policy_dials_its_own_way_first_and_then_as_it_worked():
    assert Policy.OFF.ways(None) == Policy.OFF.ways(True) == (False,)
    assert Policy.REQUIRE.ways(None) == Policy.REQUIRE.ways(False) == (True,)
    assert Policy.ALLOW.ways(None) == Policy.PREFER.ways(False) == (False, True)
    assert Policy.PREFER.ways(None) == Policy.ALLOW.ways(True) == (True, False)


@pytest.mark.parametrize(
    ("seeds", "leeches", "encrypted"),
    [
        ("require", "require", True),
        ("require", "allow", True),
        ("allow", "require", True),
        ("allow", "prefer", False),
        ("off", "prefer", False),
    ],
)
async def test_nodes_find_a_common_way_and_receipts_go_over_it(torrent, seeds, leeches, encrypted, tmp_path):
    async with (
        running(tmp_path / "a", encryption=Policy(seeds), verbose=True) as seed,
        running(tmp_path / "b", encryption=Policy(leeches), verbose=True) as leech,
    ):
        swarm = seed.add(torrent, tmp_path / "seed")
        await seed.wait_for("added")
        leech.add(torrent, tmp_path / "out", seed)
        await leech.wait_for("complete")
        assert (await leech.wait_for("connected"))["encrypted"] is encrypted
        with trio.fail_after(60):
            while swarm.ledger.taken_blocks < 62:
                await trio.sleep(0.02)
    assert same(tmp_path)


async def test_a_plain_node_and_one_that_requires_encryption_never_meet(torrent, tmp_path):
    async with (
        running(tmp_path / "a", encryption=Policy.OFF, verbose=True) as seed,
        running(tmp_path / "b", encryption=Policy.REQUIRE) as leech,
    ):
        seed.add(torrent, tmp_path / "seed")
        await seed.wait_for("added")
        swarm = leech.add(torrent, tmp_path / "out", seed)
        assert "handshake: begins" in (await seed.wait_for("disconnected"))["why"]
        assert not swarm.peers


async def test_a_handshake_in_single_bytes_is_understood(torrent, tmp_path):
    """Key, padding, request and our first words, one byte at a time."""
    name = parse_torrent(torrent.read_bytes()).info_hash
    hello = Handshake(InfoHash(name), PeerId(b"-XX0000-aaaaaaaaaaaa")).serialize()
    exchange = EncryptionHandshake(Crypto.RC4, info_hash=InfoHash(name), first=hello)
    async with running(tmp_path / "a") as seed:
        seed.add(torrent, tmp_path / "seed")
        await seed.wait_for("added")
        with socket.create_connection(("127.0.0.1", seed.node.port)) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(60)
            while not exchange.done:
                for byte in exchange.data_to_send():
                    sock.send(bytes([byte]))
                    await trio.lowlevel.checkpoint()
                exchange.receive(await trio.to_thread.run_sync(sock.recv, 1))
            answer = exchange.rest
            while len(answer) < 68:
                data = await trio.to_thread.run_sync(sock.recv, 4096)
                assert data, "it hung up"
                answer += exchange.encryption.decrypt(data)
            assert Handshake.parse(memoryview(answer[:68])).info_hash == name


async def test_another_torrent_behind_encryption_is_refused(torrent, tmp_path):
    exchange = EncryptionHandshake(Crypto.RC4, info_hash=InfoHash(bytes(20)))
    async with running(tmp_path / "a", verbose=True) as seed:
        seed.add(torrent, tmp_path / "seed")
        await seed.wait_for("added")
        with socket.create_connection(("127.0.0.1", seed.node.port)) as sock:
            sock.settimeout(60)
            sock.send(exchange.data_to_send())
            key = await trio.to_thread.run_sync(sock.recv, 4096)
            exchange.receive(key)
            sock.send(exchange.data_to_send())
            assert "not here" in (await seed.wait_for("disconnected"))["why"]


@pytest.mark.parametrize("policy", ["allow", "require"])
async def test_peer_exchange_says_who_likes_encryption_and_is_believed(torrent, policy, tmp_path):
    async with (
        running(tmp_path / "a", encryption=Policy(policy)) as seed,
        running(tmp_path / "b", max_down=100_000) as leech,
    ):
        seed.add(torrent, tmp_path / "seed")
        await seed.wait_for("added")
        swarm = leech.add(torrent, tmp_path / "out", seed)
        with trio.fail_after(60):
            while not swarm.peers:
                await trio.sleep(0.01)
        (peer,) = swarm.peers
        (flags,) = pex_addresses(swarm, SimpleNamespace(link=peer.link)).values()
        assert bool(flags & PexFlags.ENCRYPTION) is (policy == "require")
        told = PexMessage(((PexAddress(ip_address("127.0.0.1"), 9), flags),))
        peer.gossip.message(UT_PEX, told.serialize())
        assert swarm.book.spoke(("127.0.0.1", 9)) is (True if policy == "require" else None)


async def test_whoever_hangs_up_at_any_byte_is_gone_and_nothing_waits():
    name = InfoHash(bytes(range(20)))
    for most in range(0, 150, 7):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            padding = Random(most).randbytes
            exchange = EncryptionHandshake(Crypto.RC4, info_hash=name, first=b"x" * 68, random=padding)
            begun = exchange.data_to_send()
            async with trio.open_nursery() as nursery:

                async def answering(sock=ours):
                    with pytest.raises((ConnectionResetError, RemoteProtocolError)), trio.fail_after(60):
                        await answer(sock, Policy.ALLOW, lambda digest: name)

                nursery.start_soon(answering)
                if most < 96:
                    theirs.send(begun[:most])
                else:
                    theirs.send(begun)
                    exchange.receive(await trio.to_thread.run_sync(theirs.recv, 4096))
                    theirs.send(exchange.data_to_send()[: most - 96])
                theirs.shutdown(socket.SHUT_WR)


async def test_who_answers_encryption_with_silence_is_dialled_plain(torrent, monkeypatch, tmp_path):
    monkeypatch.setattr(encryption, "_PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        mute.settimeout(60)
        async with running(tmp_path / "b", encryption=Policy.PREFER) as leech:
            port = mute.getsockname()[1]
            leech.add(torrent, tmp_path / "out", SimpleNamespace(node=SimpleNamespace(port=port)))
            first, _ = await trio.to_thread.run_sync(mute.accept)
            second, _ = await trio.to_thread.run_sync(mute.accept)
            with first, second:
                second.settimeout(60)
                assert second.recv(20) == b"\x13BitTorrent protocol"
                assert first.recv(20) != b"\x13BitTorrent protocol"


async def test_a_host_that_begins_too_many_exchanges_is_turned_away(torrent, monkeypatch, tmp_path):
    monkeypatch.setattr(connections, "_EXCHANGES_AT_ONCE", 3.0)
    monkeypatch.setattr(connections, "_EXCHANGES", 0.0)
    name = parse_torrent(torrent.read_bytes()).info_hash

    async def begins(node):
        """Does it answer an encrypted handshake?"""
        exchange = EncryptionHandshake(Crypto.RC4, info_hash=InfoHash(name))
        with socket.create_connection(("127.0.0.1", node.port)) as sock:
            sock.settimeout(60)
            sock.send(exchange.data_to_send())
            try:
                return bool(await trio.to_thread.run_sync(sock.recv, 4096))
            except ConnectionResetError:
                return False

    async with running(tmp_path / "a") as seed, running(tmp_path / "b") as leech:
        seed.add(torrent, tmp_path / "seed")
        await seed.wait_for("added")
        assert [await begins(seed.node) for _ in range(5)] == [True, True, True, False, False]
        leech.add(torrent, tmp_path / "out", seed)  # plain ones are not counted
        await leech.wait_for("complete")
    assert same(tmp_path)
