"""The DHT with aria2: its node knows only ours to begin with, and each finds the other's torrent."""

import socket

import pytest

from axon.bt import parse_torrent
from tests.interop.peers import assert_same, download, make_torrent, seed, write_files
from tests.interop.test_peer_clients import aria2, need, process

pytestmark = [pytest.mark.interop, pytest.mark.slow]


def free_udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def aria2_node(what, folder, start, *more):
    """An aria2 that begins at the node of ours at UDP port `start`."""
    node = (f"--dht-listen-port={free_udp_port()}", f"--dht-entry-point=127.0.0.1:{start}")
    return aria2(what, folder, "--enable-dht=true", *node, f"--dht-file-path={folder}/dht.dat", *more)


@pytest.fixture
def film(tmp_path):
    need("aria2c", "aria2")
    write_files(tmp_path / "source", {"film.bin": 700_001}, seed=str(tmp_path))
    torrent = make_torrent(tmp_path / "source", "film.bin", tmp_path / "t.torrent")
    return torrent, f"magnet:?xt=urn:btih:{parse_torrent(torrent.read_bytes()).info_hash.hex()}"


def test_aria2_finds_our_seed(film, tmp_path):
    torrent, link = film
    (tmp_path / "out").mkdir()
    with seed(torrent, tmp_path / "source", tmp_path / "data") as ours:
        start = ours.wait_for("dht")["port"]
        # The metadata alone: for the files it hangs up, and waits to be dialled again.
        command = aria2_node(
            link, tmp_path / "out", start, "--bt-metadata-only=true", "--bt-save-metadata=true"
        )
        with process(command) as theirs:
            assert theirs.wait(60) == 0
    (saved,) = (tmp_path / "out").glob("*.torrent")
    assert parse_torrent(saved.read_bytes()).info_hash == parse_torrent(torrent.read_bytes()).info_hash


def test_we_find_aria2s_seed(film, tmp_path):
    torrent, link = film
    write_files(tmp_path / "other", {"other.bin": 70_000})
    other = make_torrent(tmp_path / "other", "other.bin", tmp_path / "other.torrent")
    with seed(other, tmp_path / "other", tmp_path / "data") as router:
        start = router.wait_for("dht")["port"]
        seeding = ("--seed-ratio=0.0", "--check-integrity=true")
        with (
            process(aria2_node(torrent, tmp_path / "source", start, *seeding)),
            download(
                link, tmp_path / "out", tmp_path / "data2", "--dht-bootstrap", f"127.0.0.1:{start}"
            ) as ours,
        ):
            assert ours.finish(90) == 0
    assert_same(tmp_path / "source" / "film.bin", tmp_path / "out" / "film.bin")
