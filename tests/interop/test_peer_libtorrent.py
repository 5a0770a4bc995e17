"""Our peer and libtorrent, both ways, with every kind of torrent; every byte is compared."""

import pytest

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

pytestmark = pytest.mark.interop

ONE = {"one.bin": 5_000_001}
MANY = {
    "many/a.bin": 700_001,
    "many/empty": 0,
    "many/deep/er/b.bin": 1_234_567,
    "many/deep/c": 1,
    "many/z.bin": 65_536 * 3,
}


@pytest.fixture(params=["v1", "v2", "hybrid"])
def version(request):
    return request.param


@pytest.fixture(params=["one", "many"])
def content(request, tmp_path, version):
    """A folder with files, their top name and a torrent of them."""
    folder = tmp_path / "source"
    write_files(folder, ONE if request.param == "one" else MANY)
    name = "one.bin" if request.param == "one" else "many"
    return folder, name, make_torrent(folder, name, tmp_path / "t.torrent", version)


def test_we_download_from_libtorrent(content, tmp_path):
    folder, name, torrent = content
    with libtorrent_session() as session:
        add(session, torrent, folder, seed_mode=True)
        peer = f"127.0.0.1:{session.listen_port()}"
        with download(torrent, tmp_path / "out", tmp_path / "data", "--peer", peer) as ours:
            assert ours.finish() == 0
    assert_same(folder / name, tmp_path / "out" / name)


def test_libtorrent_downloads_from_us(content, tmp_path):
    folder, name, torrent = content
    with seed(torrent, folder, tmp_path / "data") as ours, libtorrent_session() as session:
        (tmp_path / "out").mkdir()
        handle = add(session, torrent, tmp_path / "out")
        handle.connect_peer(("127.0.0.1", ours.port))
        wait_until(lambda: handle.status().is_seeding, what="libtorrent's download")
        assert ours.stop() == 0
    assert_same(folder / name, tmp_path / "out" / name)


@pytest.mark.parametrize("kind", ["v1", "hybrid"])
def test_a_magnet_link_is_enough_in_both_directions(kind, tmp_path):
    folder = tmp_path / "source"
    write_files(folder, MANY)
    torrent = make_torrent(folder, "many", tmp_path / "t.torrent", kind)
    with libtorrent_session() as session, libtorrent_session() as other:
        handle = add(session, torrent, folder, seed_mode=True)
        import libtorrent as lt

        magnet = lt.make_magnet_uri(handle.torrent_file())
        peer = f"127.0.0.1:{session.listen_port()}"
        with download(magnet, tmp_path / "out", tmp_path / "data", "--peer", peer, "--seed") as ours:
            ours.wait_for("complete")
            assert_same(folder / "many", tmp_path / "out" / "many")
            (tmp_path / "again").mkdir()
            again = add(other, magnet, tmp_path / "again")
            again.connect_peer(("127.0.0.1", ours.port))
            wait_until(lambda: again.status().is_seeding, what="libtorrent's download by magnet link")
    assert_same(folder / "many", tmp_path / "again" / "many")


def test_a_v2_magnet_link_brings_its_piece_layers(tmp_path):
    folder = tmp_path / "source"
    write_files(folder, MANY)
    torrent = make_torrent(folder, "many", tmp_path / "t.torrent", "v2")
    with libtorrent_session() as session, libtorrent_session() as other:
        handle = add(session, torrent, folder, seed_mode=True)
        import libtorrent as lt

        magnet = lt.make_magnet_uri(handle.torrent_file())
        peer = f"127.0.0.1:{session.listen_port()}"
        with download(magnet, tmp_path / "out", tmp_path / "data", "--peer", peer, "--seed") as ours:
            ours.wait_for("complete")
            assert_same(folder / "many", tmp_path / "out" / "many")
            (tmp_path / "again").mkdir()
            again = add(other, magnet, tmp_path / "again")
            again.connect_peer(("127.0.0.1", ours.port))
            wait_until(lambda: again.status().is_seeding, what="libtorrent's download by v2 magnet link")
    assert_same(folder / "many", tmp_path / "again" / "many")


def test_peers_learn_of_each_other_by_exchange(tmp_path):
    """Ours knows libtorrent A only; A knows the seed B; so ours finds B by PEX and finishes."""
    folder = tmp_path / "source"
    write_files(folder, ONE)
    torrent = make_torrent(folder, "one.bin", tmp_path / "t.torrent", "v1")
    with libtorrent_session() as a, libtorrent_session() as b:
        (tmp_path / "a").mkdir()
        first = add(a, torrent, tmp_path / "a")
        first.set_download_limit(1000)
        add(b, torrent, folder, seed_mode=True)
        first.connect_peer(("127.0.0.1", b.listen_port()))
        wait_until(lambda: first.status().num_peers == 1, what="the first connection")
        with download(
            torrent, tmp_path / "out", tmp_path / "data", "--peer", f"127.0.0.1:{a.listen_port()}"
        ) as ours:
            assert ours.finish(90) == 0
    assert_same(folder / "one.bin", tmp_path / "out" / "one.bin")
