"""Encrypted connections (MSE) with libtorrent, aria2 and Transmission, both ways; every byte is compared."""

import json

import libtorrent as lt
import pytest

from tests.interop.foreign_tracker import ForeignTracker
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
from tests.interop.test_peer_clients import Transmission, aria2, need, process

pytestmark = pytest.mark.interop

FILES = {"many/a.bin": 700_001, "many/deep/b.bin": 1_234_567, "many/c": 5}
FORCED, ENABLED, DISABLED = (int(lt.enc_policy.names[f"pe_{x}"]) for x in ("forced", "enabled", "disabled"))
PLAIN, RC4, BOTH = (int(lt.enc_level.names[f"pe_{x}"]) for x in ("plaintext", "rc4", "both"))
REQUIRE_RC4 = ["--bt-require-crypto=true", "--bt-min-crypto-level=arc4"]


def encryption(policy, level):
    """Libtorrent's settings for both directions."""
    return {"out_enc_policy": policy, "in_enc_policy": policy, "allowed_enc_level": level}


@pytest.fixture
def source(tmp_path):
    write_files(tmp_path / "source", FILES)
    return tmp_path / "source"


def torrent_of(source, version="v1", tracker=None):
    return make_torrent(source, "many", source.parent / "t.torrent", version, tracker=tracker)


def connections(peer):
    """Whether each connection that came about was encrypted."""
    return [event["encrypted"] for event in peer.events if event["event"] == "connected"]


POLICIES = [
    # ours, libtorrent's policy and level, is the payload encrypted
    ("allow", FORCED, RC4, True),
    ("allow", FORCED, PLAIN, False),
    ("allow", FORCED, BOTH, False),
    ("allow", ENABLED, BOTH, False),
    ("allow", DISABLED, BOTH, False),
    ("prefer", ENABLED, RC4, True),
    ("prefer", DISABLED, BOTH, False),
    ("require", FORCED, RC4, True),
    ("require", ENABLED, BOTH, True),
    ("off", ENABLED, BOTH, False),
]


@pytest.mark.parametrize(("ours", "policy", "level", "encrypted"), POLICIES)
def test_we_download_from_libtorrent(source, tmp_path, ours, policy, level, encrypted):
    torrent = torrent_of(source)
    with libtorrent_session(**encryption(policy, level)) as session:
        add(session, torrent, source, seed_mode=True)
        peer = f"127.0.0.1:{session.listen_port()}"
        more = ["--peer", peer, "--encryption", ours, "--verbose"]
        with download(torrent, tmp_path / "out", tmp_path / "data", *more) as leech:
            leech.wait_for("connected")
            leech.wait_for("complete")
            assert connections(leech) == [encrypted]
            assert leech.finish() == 0
    assert_same(source / "many", tmp_path / "out" / "many")


@pytest.mark.parametrize(("ours", "policy", "level", "encrypted"), POLICIES)
def test_libtorrent_downloads_from_us(source, tmp_path, ours, policy, level, encrypted):
    torrent = torrent_of(source)
    (tmp_path / "out").mkdir()
    with (
        seed(torrent, source, tmp_path / "data", "--encryption", ours, "--verbose") as giver,
        libtorrent_session(**encryption(policy, level)) as session,
    ):
        giver.wait_for("complete")
        handle = add(session, torrent, tmp_path / "out")
        handle.connect_peer(("127.0.0.1", giver.port))
        wait_until(lambda: handle.status().is_seeding, what="libtorrent's download")
        giver.wait_for("connected")
        assert connections(giver)[-1:] == [encrypted]
        assert giver.stop() == 0
    assert_same(source / "many", tmp_path / "out" / "many")


@pytest.mark.parametrize("version", ["v2", "hybrid"])
def test_torrents_with_a_v2_half_go_both_ways(source, tmp_path, version):
    torrent = torrent_of(source, version)
    (tmp_path / "again").mkdir()
    settings = encryption(FORCED, RC4)
    with libtorrent_session(**settings) as session, libtorrent_session(**settings) as other:
        add(session, torrent, source, seed_mode=True)
        more = ["--peer", f"127.0.0.1:{session.listen_port()}", "--encryption", "require", "--seed"]
        with download(torrent, tmp_path / "out", tmp_path / "data", *more) as ours:
            ours.wait_for("complete")
            handle = add(other, torrent, tmp_path / "again")
            handle.connect_peer(("127.0.0.1", ours.port))
            wait_until(lambda: handle.status().is_seeding, what="libtorrent's download")
    assert_same(source / "many", tmp_path / "out" / "many")
    assert_same(source / "many", tmp_path / "again" / "many")


def test_who_requires_encryption_says_why_a_plain_peer_is_refused(source, tmp_path):
    torrent = torrent_of(source)
    (tmp_path / "out").mkdir()
    with (
        seed(torrent, source, tmp_path / "data", "--encryption", "require", "--verbose") as giver,
        libtorrent_session(**encryption(DISABLED, BOTH)) as session,
    ):
        giver.wait_for("complete")
        handle = add(session, torrent, tmp_path / "out")
        handle.connect_peer(("127.0.0.1", giver.port))
        assert "encryption is required" in giver.wait_for("disconnected")["why"]
        assert not handle.status().is_seeding


def test_we_download_from_an_aria2_that_requires_encryption(source, tmp_path):
    need("aria2c", "aria2")
    with ForeignTracker() as tracker:
        torrent = torrent_of(source, tracker=tracker.url)
        seeding = aria2(torrent, source, "--seed-ratio=0.0", "--check-integrity=true", *REQUIRE_RC4)
        with (
            process(seeding),
            download(torrent, tmp_path / "out", tmp_path / "data", "--verbose") as ours,
        ):
            assert ours.finish(60) == 0
    assert_same(source / "many", tmp_path / "out" / "many")


def test_an_aria2_that_requires_encryption_downloads_from_us(source, tmp_path):
    need("aria2c", "aria2")
    with ForeignTracker() as tracker:
        torrent = torrent_of(source, tracker=tracker.url)
        with seed(torrent, source, tmp_path / "data", "--verbose") as ours:
            ours.wait_for("complete")
            wait_until(lambda: tracker.events(b"-AX"), what="our announce")
            with process(aria2(torrent, tmp_path / "out", "--seed-time=0", *REQUIRE_RC4)) as leech:
                assert leech.wait(60) == 0, leech.stdout.read()
            assert ours.wait_for("connected")["encrypted"]
    assert_same(source / "many", tmp_path / "out" / "many")


class Encrypting(Transmission):
    """A Transmission that requires encryption."""

    def __init__(self, folder, config):
        super().__init__(folder, config)
        file = config / "settings.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"encryption": 2}))


def test_we_download_from_a_transmission_that_requires_encryption(source, tmp_path):
    need("transmission-daemon", "transmission-daemon")
    daemon = Encrypting(source, tmp_path / "config")
    with ForeignTracker() as tracker, process(daemon.command):
        torrent = torrent_of(source, tracker=tracker.url)
        daemon.add(torrent, source)
        wait_until(lambda: daemon.status()["status"] == 6, what="Transmission's check")
        with download(torrent, tmp_path / "out", tmp_path / "data") as ours:
            assert ours.finish(60) == 0
    assert_same(source / "many", tmp_path / "out" / "many")


def test_a_transmission_that_requires_encryption_downloads_from_us(source, tmp_path):
    need("transmission-daemon", "transmission-daemon")
    (tmp_path / "out").mkdir()
    daemon = Encrypting(tmp_path / "out", tmp_path / "config")
    with (
        ForeignTracker() as tracker,
        seed(torrent_of(source, tracker=tracker.url), source, tmp_path / "data") as ours,
        process(daemon.command),
    ):
        ours.wait_for("complete")
        wait_until(lambda: tracker.events(b"-AX"), what="our announce")
        daemon.add(tmp_path / "t.torrent", tmp_path / "out")
        wait_until(lambda: daemon.status()["percentDone"] == 1, 60, what="Transmission's download")
        assert ours.stop() == 0
    assert_same(source / "many", tmp_path / "out" / "many")
