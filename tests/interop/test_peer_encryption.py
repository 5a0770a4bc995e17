"""Encrypted connections with libtorrent, both ways, in each combination of wishes."""

import libtorrent as lt
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

PLAIN, RC4, BOTH = lt.enc_level.pe_plaintext, lt.enc_level.pe_rc4, lt.enc_level.pe_both
FORCED, ENABLED, DISABLED = lt.enc_policy.pe_forced, lt.enc_policy.pe_enabled, lt.enc_policy.pe_disabled


@pytest.fixture(params=["v1", "v2", "hybrid"])
def torrent(request, tmp_path):
    write_files(tmp_path / "source", {"one.bin": 3_000_001})
    return make_torrent(tmp_path / "source", "one.bin", tmp_path / "t.torrent", request.param)


def wishes(policy, level):
    return {"out_enc_policy": policy, "in_enc_policy": policy, "allowed_enc_level": level}


@pytest.mark.parametrize("level", [PLAIN, RC4, BOTH], ids=["plain", "rc4", "both"])
def test_we_dial_a_libtorrent_that_demands_encryption(torrent, level, tmp_path):
    """By default we dial plain; it hangs up, and we dial again at once."""
    with libtorrent_session(**wishes(FORCED, level)) as session:
        add(session, torrent, tmp_path / "source", seed_mode=True)
        peer = f"127.0.0.1:{session.listen_port()}"
        with download(torrent, tmp_path / "out", tmp_path / "data", "--verbose", "--peer", peer) as ours:
            assert ours.wait_for("connected")["encrypted"] is (level == RC4)
            assert ours.finish() == 0
    assert_same(tmp_path / "source" / "one.bin", tmp_path / "out" / "one.bin")


@pytest.mark.parametrize("level", [PLAIN, RC4, BOTH], ids=["plain", "rc4", "both"])
def test_a_libtorrent_that_demands_encryption_dials_us(torrent, level, tmp_path):
    (tmp_path / "out").mkdir()
    with (
        seed(torrent, tmp_path / "source", tmp_path / "data", "--verbose") as ours,
        libtorrent_session(**wishes(FORCED, level)) as session,
    ):
        handle = add(session, torrent, tmp_path / "out")
        handle.connect_peer(("127.0.0.1", ours.port))
        assert ours.wait_for("connected")["encrypted"] is (level == RC4)
        wait_until(lambda: handle.status().is_seeding, what="libtorrent's download")
        assert ours.stop() == 0
    assert_same(tmp_path / "source" / "one.bin", tmp_path / "out" / "one.bin")


@pytest.mark.parametrize("policy", ["prefer", "require"])
def test_who_likes_encryption_begins_with_it(torrent, policy, tmp_path):
    with libtorrent_session(**wishes(ENABLED, BOTH)) as session:
        add(session, torrent, tmp_path / "source", seed_mode=True)
        peer = f"127.0.0.1:{session.listen_port()}"
        more = ("--verbose", "--peer", peer, "--encryption", policy)
        with download(torrent, tmp_path / "out", tmp_path / "data", *more) as ours:
            assert ours.wait_for("connected")["encrypted"] is (policy == "require")
            assert ours.finish() == 0
    assert_same(tmp_path / "source" / "one.bin", tmp_path / "out" / "one.bin")


def test_who_prefers_encryption_goes_on_without(torrent, tmp_path):
    with libtorrent_session(**wishes(DISABLED, BOTH)) as session:
        add(session, torrent, tmp_path / "source", seed_mode=True)
        more = ("--peer", f"127.0.0.1:{session.listen_port()}", "--encryption", "prefer")
        with download(torrent, tmp_path / "out", tmp_path / "data", *more) as ours:
            assert ours.finish() == 0
    assert_same(tmp_path / "source" / "one.bin", tmp_path / "out" / "one.bin")


def test_who_requires_it_takes_no_plain_connection(torrent, tmp_path):
    (tmp_path / "out").mkdir()
    with (
        seed(torrent, tmp_path / "source", tmp_path / "data", "--verbose", "--encryption", "require") as ours,
        libtorrent_session(**wishes(DISABLED, BOTH)) as session,
    ):
        handle = add(session, torrent, tmp_path / "out")
        handle.connect_peer(("127.0.0.1", ours.port))
        assert "encryption is required" in ours.wait_for("disconnected")["why"]
        assert handle.status().total_done == 0
