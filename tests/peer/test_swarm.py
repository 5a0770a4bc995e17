"""Whole swarms of our own nodes: what arrives, what is refused, what survives."""

import contextlib
import errno
import os
import socket
import sqlite3

import pytest
import trio

from axon.bt.handshake import Handshake, Reserved
from axon.errors import StorageError
from axon.ids import InfoHash, PeerId
from axon.peer.source import TorrentSource
from axon.receiptlog import ReceiptLog, Role
from tests.peer.swarming import make_file, make_torrent, running


@pytest.fixture
def torrent(tmp_path):
    path = make_file(tmp_path / "seed", 1_000_003)
    return make_torrent(path, tmp_path / "t.torrent")


def same(tmp_path, folder="out", name="file.bin"):
    return (tmp_path / "seed" / name).read_bytes() == (tmp_path / folder / name).read_bytes()


async def test_a_download_arrives_whole_and_both_logs_hold_its_receipts(torrent, tmp_path):
    async with running(tmp_path / "a") as seed, running(tmp_path / "b") as leech:
        seed.add(torrent, tmp_path / "seed")
        await seed.wait_for("added")
        leech.add(torrent, tmp_path / "out", seed)
        await leech.wait_for("complete")
        await leech.node.settle()
        for _ in range(100):
            received = list(ReceiptLog(tmp_path / "a" / "receipts.sqlite").latest(role=Role.RECEIVED))
            if received and received[0].blocks == 62:
                break
            await trio.sleep(0.05)
    assert same(tmp_path)
    given = list(ReceiptLog(tmp_path / "b" / "receipts.sqlite").latest(role=Role.GIVEN))
    assert [receipt.blocks for receipt in given] == [receipt.blocks for receipt in received] == [62]
    assert all(receipt.verifies() for receipt in received)


async def test_without_receipts_it_is_an_ordinary_client(torrent, tmp_path):
    async with running(tmp_path / "a") as seed, running(tmp_path / "b", no_receipts=True) as leech:
        seed.add(torrent, tmp_path / "seed")
        await seed.wait_for("added")
        leech.add(torrent, tmp_path / "out", seed)
        await leech.wait_for("complete")
    assert same(tmp_path)
    assert not (tmp_path / "b" / "receipts.sqlite").exists()


async def test_leechers_serve_each_other(torrent, tmp_path):
    """The seed is slow, so that what it gives must be passed on."""
    async with (
        running(tmp_path / "s", max_up=1_000_000.0) as seed,
        running(tmp_path / "a") as one,
        running(tmp_path / "b") as two,
    ):
        seed.add(torrent, tmp_path / "seed")
        await seed.wait_for("added")
        first = one.add(torrent, tmp_path / "one", seed)
        second = two.add(torrent, tmp_path / "two", seed, one)
        await one.wait_for("complete")
        await two.wait_for("complete")
        assert first.total_up() + second.total_up() > 0
    assert same(tmp_path, "one")
    assert same(tmp_path, "two")


async def test_a_magnet_link_without_trackers_works(torrent, tmp_path):
    name = TorrentSource.from_text(str(torrent), tmp_path).handshake_hashes[0].hex()
    async with running(tmp_path / "a") as seed, running(tmp_path / "b") as leech:
        seed.add(torrent, tmp_path / "seed")
        await seed.wait_for("added")
        swarm = leech.add(f"magnet:?xt=urn:btih:{name}", tmp_path / "out", seed)
        await leech.wait_for("complete")
        assert swarm.name == "file.bin"
    assert same(tmp_path)


async def test_rates_are_kept(torrent, tmp_path):
    async with running(tmp_path / "a") as seed, running(tmp_path / "b", max_down=600_000.0) as leech:
        seed.add(torrent, tmp_path / "seed")
        await seed.wait_for("added")
        start = trio.current_time()
        leech.add(torrent, tmp_path / "out", seed)
        await leech.wait_for("complete")
        assert trio.current_time() - start > (1_000_003 - 150_000 - 300_000) / 600_000
    assert same(tmp_path)


async def test_a_restart_goes_on_without_hashing(torrent, tmp_path):
    async with running(tmp_path / "a") as seed:
        seed.add(torrent, tmp_path / "seed")
        await seed.wait_for("added")
        async with running(tmp_path / "b") as leech:
            leech.add(torrent, tmp_path / "out", seed)
            await leech.wait_for("complete")
    async with running(tmp_path / "b") as again:
        swarm = again.add(torrent, tmp_path / "out")
        assert (await again.wait_for("added"))["have"] == 31
        assert swarm.content.picker.is_seed


class Liar:
    """A peer that has everything and sends garbage."""

    def __init__(self, info_hash, pieces):
        self.info_hash, self.pieces = info_hash, pieces
        self.sent = 0

    async def serve(self, stream):
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self._serve(stream)

    async def _serve(self, stream):
        hello = Handshake(InfoHash(self.info_hash), PeerId(b"-LI0001-abcdefghijkl"), Reserved.FAST)
        await stream.send_all(hello.serialize() + b"\0\0\0\x01\x0e" + b"\0\0\0\x01\x01")
        buffer = b""
        skip = 68
        async for data in stream:
            buffer += data
            if skip:
                if len(buffer) < skip:
                    continue
                buffer, skip = buffer[skip:], 0
            while len(buffer) >= 4:
                length = int.from_bytes(buffer[:4], "big")
                if len(buffer) < 4 + length:
                    break
                frame, buffer = buffer[4 : 4 + length], buffer[4 + length :]
                if frame[:1] == b"\x06":
                    size = int.from_bytes(frame[9:13], "big")
                    self.sent += 1
                    head = (9 + size).to_bytes(4, "big") + b"\x07" + frame[1:9]
                    await stream.send_all(head + bytes(size))


async def test_a_liar_is_banned_and_the_honest_are_not(torrent, tmp_path):
    name = TorrentSource.from_text(str(torrent), tmp_path).handshake_hashes[0]
    liar = Liar(name, 31)
    async with trio.open_nursery() as nursery:
        # Its own loopback address, for bans are by address.
        [listener] = await nursery.start(
            lambda task_status: trio.serve_tcp(liar.serve, 0, host="127.0.0.2", task_status=task_status)
        )
        port = listener.socket.getsockname()[1]
        async with running(tmp_path / "a") as seed, running(tmp_path / "b") as leech:
            swarm = leech.node.add(
                TorrentSource.from_text(str(torrent), tmp_path / "out", (("127.0.0.2", port),))
            )
            await leech.wait_for("hash_failed")
            with trio.fail_after(60):
                while not swarm.book.is_banned("127.0.0.2"):
                    await trio.sleep(0.01)
            seed.add(torrent, tmp_path / "seed", leech)
            await leech.wait_for("complete")
            assert not swarm.book.is_banned("127.0.0.1")
        nursery.cancel_scope.cancel()
    assert same(tmp_path)


async def test_a_full_disk_pauses_the_torrent_and_bans_nobody(torrent, tmp_path, monkeypatch):
    async with running(tmp_path / "a") as seed, running(tmp_path / "b") as leech:
        seed.add(torrent, tmp_path / "seed")
        await seed.wait_for("added")
        swarm = leech.add(torrent, tmp_path / "out", seed)
        await leech.wait_for("added")
        written = []

        def full(index, data):
            if len(written) >= 5:
                raise StorageError(f"cannot write: {os.strerror(errno.ENOSPC)}")
            written.append(index)
            return real(index, data)

        real = swarm.content.storage.write_piece
        monkeypatch.setattr(swarm.content.storage, "write_piece", full)
        facts = await leech.wait_for("error")
        assert "No space left" in facts["message"]
        await trio.sleep(1.0)
        assert swarm.paused
        assert not swarm.book.is_banned("127.0.0.1")
        assert all(not peer.conn.outstanding for peer in swarm.peers)
        assert swarm.content.picker.num_have == len(swarm.content.have) <= 6
        assert sum(event == "error" for event, _ in leech.events) == 1


async def test_a_connection_to_oneself_is_dropped(torrent, tmp_path):
    async with running(tmp_path / "a", verbose=True) as one:
        one.add(torrent, tmp_path / "seed2", one)
        assert "ourselves" in str((await one.wait_for("disconnected"))["why"])


def _all_of(sock: socket.socket) -> bytes:
    data = b""
    with contextlib.suppress(ConnectionResetError):  # it was sent more than anybody read
        while more := sock.recv(4096):
            data += more
    return data


async def test_slow_and_silent_strangers_cost_nothing_but_their_place(torrent, tmp_path):
    async with running(tmp_path / "a") as seed, running(tmp_path / "b") as leech:
        seed.add(torrent, tmp_path / "seed")
        await seed.wait_for("added")
        strangers = [socket.create_connection(("127.0.0.1", seed.node.port)) for _ in range(10)]
        strangers[0].send(b"\x13BitTor")
        strangers[1].send(b"GET / HTTP/1.1\r\n\r\n" * 60)  # begins as an encrypted connection could
        strangers[2].send(Handshake(InfoHash(bytes(20)), PeerId(bytes(20))).serialize())
        leech.add(torrent, tmp_path / "out", seed)
        await leech.wait_for("complete")
        for stranger in strangers[1:3]:
            stranger.settimeout(5)
            assert len(await trio.to_thread.run_sync(_all_of, stranger)) <= 96 + 512  # a key, if anything
        for stranger in strangers:
            stranger.close()
    assert same(tmp_path)


async def test_a_private_torrent_exchanges_no_peers(tmp_path):
    path = make_file(tmp_path / "seed", 300_000)
    torrent = make_torrent(path, tmp_path / "t.torrent", private=1)
    async with running(tmp_path / "a") as seed, running(tmp_path / "b") as leech:
        swarm = seed.add(torrent, tmp_path / "seed")
        await seed.wait_for("added")
        assert not swarm.exchanges_peers
        leech.add(torrent, tmp_path / "out", seed)
        with trio.fail_after(60):
            while not any(peer.conn.peer_extensions for peer in swarm.peers):
                await trio.sleep(0.01)
        assert all("ut_pex" not in peer.conn.peer_extensions for peer in swarm.peers)
        await leech.wait_for("complete")
    assert same(tmp_path)


async def test_the_same_torrent_twice_is_refused(torrent, tmp_path):
    async with running(tmp_path / "a") as one:
        one.add(torrent, tmp_path / "seed")
        with pytest.raises(Exception, match="twice"):
            one.add(torrent, tmp_path / "seed")


async def test_a_super_seed_gives_each_piece_once_and_a_lonely_peer_still_finishes(torrent, tmp_path):
    async with (
        running(tmp_path / "s") as seed,
        running(tmp_path / "a") as one,
        running(tmp_path / "b") as two,
    ):
        swarm = seed.add(torrent, tmp_path / "seed", super_seed=True)
        await seed.wait_for("added")
        one.add(torrent, tmp_path / "one", seed)
        two.add(torrent, tmp_path / "two", seed, one)
        await one.wait_for("complete", 60)
        await two.wait_for("complete", 60)
        assert swarm.total_up() < 1.7 * 1_000_003
    assert same(tmp_path, "one")
    assert same(tmp_path, "two")


async def test_only_the_chosen_files_come(tmp_path):
    from axon.bt.metainfo import parse_torrent
    from axon.peer.torrents import run_create

    folder = tmp_path / "seed" / "many"
    for number in range(4):
        make_file(folder, 100_000, number, f"f{number}")
    torrent = tmp_path / "t.torrent"
    run_create(folder, torrent, version="v1", piece_length=1 << 15)
    assert parse_torrent(torrent.read_bytes()).num_pieces > 4
    async with running(tmp_path / "a") as seed, running(tmp_path / "b") as leech:
        seed.add(torrent, tmp_path / "seed")
        await seed.wait_for("added")
        leech.add(torrent, tmp_path / "out", seed, files="f1,3=7")
        await leech.wait_for("complete")
    assert sorted(path.name for path in (tmp_path / "out" / "many").iterdir()) == ["f1", "f3"]
    for name in ("f1", "f3"):
        assert (folder / name).read_bytes() == (tmp_path / "out" / "many" / name).read_bytes()


async def test_ipv6_works_as_well(torrent, tmp_path):
    listen = (("::1", 0),)
    async with (
        running(tmp_path / "a", listen=listen) as seed,
        running(tmp_path / "b", listen=listen) as leech,
    ):
        seed.add(torrent, tmp_path / "seed")
        await seed.wait_for("added")
        leech.node.add(TorrentSource.from_text(str(torrent), tmp_path / "out", (("::1", seed.node.port),)))
        await leech.wait_for("complete")
    assert same(tmp_path)


async def test_many_torrents_share_a_node(tmp_path):
    async with running(tmp_path / "a") as seed, running(tmp_path / "b") as leech:
        torrents = []
        for number in range(10):
            path = make_file(tmp_path / "seed", 50_000 + number, number, f"f{number}")
            torrents.append(make_torrent(path, tmp_path / f"{number}.torrent"))
            seed.add(torrents[-1], tmp_path / "seed")
        with trio.fail_after(60):
            while sum(event == "added" for event, _ in seed.events) < 10:
                await trio.sleep(0.01)
        swarms = [leech.add(torrent, tmp_path / "out", seed) for torrent in torrents]
        with trio.fail_after(60):
            for swarm in swarms:
                await swarm.done.wait()
    for number in range(10):
        assert same(tmp_path, name=f"f{number}")


async def test_peers_that_ask_for_nothing_do_not_keep_a_seed_s_slots(torrent, tmp_path):
    async with running(tmp_path / "a", slots=2) as seed, running(tmp_path / "b") as leech:
        swarm = seed.add(torrent, tmp_path / "seed")
        await seed.wait_for("added")
        deaf = []
        for number in range(2):
            stream = await trio.open_tcp_stream("127.0.0.1", seed.node.port)
            hello = Handshake(swarm.handshake_hashes[0], PeerId(b"-XX0000-" + bytes([number]) * 12))
            await stream.send_all(hello.serialize() + b"\0\0\0\x01\x02")  # interested
            deaf.append(stream)
        with trio.fail_after(60):
            while sum(not peer.conn.am_choking for peer in swarm.peers) < 2:
                await trio.sleep(0.01)
        leech.add(torrent, tmp_path / "out", seed)
        await leech.wait_for("complete")
        for stream in deaf:
            await stream.aclose()
    assert same(tmp_path)


async def test_a_torrent_has_at_most_so_many_connections(torrent, tmp_path):
    async with running(tmp_path / "a", torrent_max_connections=1, verbose=True) as seed:
        swarm = seed.add(torrent, tmp_path / "seed")
        await seed.wait_for("added")
        async with running(tmp_path / "b", max_down=100_000) as one, running(tmp_path / "c") as two:
            one.add(torrent, tmp_path / "one", seed)
            with trio.fail_after(60):
                while not swarm.peers:
                    await trio.sleep(0.01)
            two.add(torrent, tmp_path / "two", seed)
            assert "enough connections" in str((await seed.wait_for("disconnected"))["why"])
            assert len(swarm.peers) == 1 and not swarm.wants_peers


async def test_two_seeds_still_deliver_the_receipts_of_a_run_that_was_cut_off(torrent, tmp_path):
    """The uploader was killed before the last receipts reached its log; both are complete when they meet."""
    async with running(tmp_path / "a") as seed, running(tmp_path / "b") as leech:
        seed.add(torrent, tmp_path / "seed")
        await seed.wait_for("added")
        leech.add(torrent, tmp_path / "out", seed)
        await leech.wait_for("complete")
    book = sqlite3.connect(tmp_path / "a" / "receipts.sqlite")
    book.execute("DELETE FROM receipts")
    book.commit()
    book.close()
    async with running(tmp_path / "a") as seed, running(tmp_path / "b") as leech:
        swarm = seed.add(torrent, tmp_path / "seed")
        await seed.wait_for("complete")
        leech.add(torrent, tmp_path / "out", seed)
        with trio.fail_after(60):
            while swarm.ledger is None or swarm.ledger.taken_blocks < 62:
                await trio.sleep(0.01)
            while swarm.peers:  # and then there is nothing to stay for
                await trio.sleep(0.05)


async def test_who_stops_serving_gets_the_receipts_that_are_under_way(torrent, tmp_path):
    async with running(tmp_path / "b") as leech:
        async with running(tmp_path / "a") as seed:
            seed.add(torrent, tmp_path / "seed")
            await seed.wait_for("added")
            leech.add(torrent, tmp_path / "out", seed)
            await leech.wait_for("complete")
        swarm = leech.node.swarms[0]
        given = swarm.ledger.given_blocks
    log = ReceiptLog(tmp_path / "a" / "receipts.sqlite")
    assert sum(receipt.blocks for receipt in log.latest(role=Role.RECEIVED)) == given == 62
    log.close()
