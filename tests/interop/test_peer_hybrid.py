"""Hybrids under both their names: trackers, handshakes, magnet links of either kind, piece layers."""

from pathlib import Path

import pytest

from axon.bt import parse_torrent
from axon.bt.announce import AnnounceRequest
from axon.ids import PeerId
from tests.interop.peers import (
    add,
    assert_same,
    download,
    libtorrent_session,
    make_torrent,
    seed,
    wait_until,
    write_files,
)
from tests.tracker.running import tracker

pytestmark = [pytest.mark.interop, pytest.mark.slow]

FILES = {"many/a.bin": 900_001, "many/b/c.bin": 1_400_000, "many/small": 5}


@pytest.fixture
def hybrid(tmp_path):
    """A folder, its torrent by libtorrent, and one magnet link for each name."""
    write_files(tmp_path / "source", FILES)
    torrent = make_torrent(tmp_path / "source", "many", tmp_path / "t.torrent", "hybrid")
    meta = parse_torrent(Path(torrent).read_bytes())
    links = {
        "v1": f"magnet:?xt=urn:btih:{meta.info_hash.hex()}",
        "v2": f"magnet:?xt=urn:btmh:1220{meta.info_hash_v2.hex()}",
    }
    return tmp_path / "source", torrent, links


def knows_v2(handle):
    """Has libtorrent the torrent with both its halves?"""
    return handle.status().has_metadata and handle.torrent_file().info_hashes().has_v2()


def test_trackers_are_told_both_names_and_either_finds_us(hybrid, tmp_path):
    folder, torrent, links = hybrid
    with tracker() as running:
        announce = running.base + "/announce"
        with seed(torrent, folder, tmp_path / "data", "--announce", announce) as ours:
            wait_until(lambda: running.stats()["torrents"] == 2, what="both announces")
            for name, link in links.items():
                with libtorrent_session() as session:
                    (tmp_path / name).mkdir()
                    handle = add(session, f"{link}&tr={announce}", tmp_path / name)
                    wait_until(lambda: handle.status().is_seeding, what=f"a download by {name} magnet")  # noqa: B023
                assert_same(folder / "many", tmp_path / name / "many")
            port = ours.port
            assert ours.stop() == 0
        meta = parse_torrent(Path(torrent).read_bytes())
        for name in meta.handshake_hashes:  # libtorrent may still be there, for it leaves in its own time
            peers = running.announce(AnnounceRequest(name, PeerId(b"-XX0000-aaaaaaaaaaaa"), 9, left=5)).peers
            assert port not in [peer.port for peer in peers]  # both are told that we left


@pytest.mark.parametrize("name", ["v1", "v2"])
def test_a_link_by_one_name_brings_the_whole_hybrid_and_we_serve_it_by_the_other(name, hybrid, tmp_path):
    folder, torrent, links = hybrid
    other = links["v2" if name == "v1" else "v1"]
    with libtorrent_session() as session, libtorrent_session() as later:
        add(session, torrent, folder, seed_mode=True)
        peer = f"127.0.0.1:{session.listen_port()}"
        with download(links[name], tmp_path / "out", tmp_path / "data", "--peer", peer, "--seed") as ours:
            ours.wait_for("complete")
            assert_same(folder / "many", tmp_path / "out" / "many")
            session.pause()  # what comes now comes from us
            (tmp_path / "again").mkdir()
            handle = add(later, other, tmp_path / "again")
            handle.connect_peer(("127.0.0.1", ours.port))
            wait_until(lambda: handle.status().is_seeding, what="libtorrent's download by the other name")
            assert ours.stop() == 0
    assert_same(folder / "many", tmp_path / "again" / "many")


@pytest.mark.parametrize("name", ["v1", "v2"])
def test_two_of_ours_meet_by_either_name_and_the_layers_come_along(name, hybrid, tmp_path):
    """Piece layers pass from ours to ours, and from there to a libtorrent that knows the v2 name only."""
    folder, torrent, links = hybrid
    with seed(torrent, folder, tmp_path / "a") as source, libtorrent_session() as session:
        peer = f"127.0.0.1:{source.port}"
        with download(links[name], tmp_path / "out", tmp_path / "b", "--peer", peer, "--seed") as ours:
            ours.wait_for("complete")
            assert source.stop() == 0
            (tmp_path / "again").mkdir()
            handle = add(session, links["v2"], tmp_path / "again")
            handle.connect_peer(("127.0.0.1", ours.port))
            wait_until(lambda: handle.status().is_seeding, what="libtorrent's download by v2 magnet")
            assert knows_v2(handle)
            assert ours.stop() == 0
    assert_same(folder / "many", tmp_path / "again" / "many")
