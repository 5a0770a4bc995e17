"""Magnet links without trackers, against libtorrent's DHT, both ways.

A third node is everybody's beginning, as a router of the real network is. Loopback only: no session
and no peer of ours knows any other node.
"""

import time
from contextlib import contextmanager

import libtorrent as lt
import pytest

from axon.bt import parse_torrent
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
SIZE = 500_000


def dht_session(*bootstrap, host="127.0.0.1", **settings):
    """A libtorrent session with a node."""
    return libtorrent_session(
        enable_dht=True,
        dht_bootstrap_nodes=",".join(bootstrap),
        dht_restrict_routing_ips=False,
        dht_restrict_search_ips=False,
        dht_ignore_dark_internet=False,
        listen_interfaces=f"{host}:0",
        **settings,
    )


def udp_port(session):
    """Where a session's node listens."""
    wait_until(lambda: session.is_listening() and session.listen_port(), what="listening")
    return session.listen_port()


def knows_nodes(session):
    """Has a session's table any nodes?"""
    session.post_session_stats()
    session.wait_for_alert(200)
    told = [alert for alert in session.pop_alerts() if isinstance(alert, lt.session_stats_alert)]
    return any(alert.values["dht.dht_nodes"] for alert in told)


def wait_for_download(handle):
    """Until a session has all. It asks its DHT once in a quarter of an hour, and a moment too early here."""
    asked = time.monotonic()

    def done():
        nonlocal asked
        if time.monotonic() - asked > 5:
            asked = time.monotonic()
            handle.force_dht_announce()
        return handle.status().is_seeding

    wait_until(done, timeout=60, what="the download")


@contextmanager
def network(host="127.0.0.1"):
    """Two nodes of libtorrent's that know each other; where to begin.

    Two, for libtorrent neither keeps a router in its table nor announces to it.
    """
    shown = f"[{host}]" if ":" in host else host
    with dht_session(host=shown) as router:
        start = f"{shown}:{udp_port(router)}"
        with dht_session(start, host=shown):
            wait_until(lambda: knows_nodes(router), what="a node in the router's table")
            yield start


@pytest.fixture
def shared(tmp_path):
    """A torrent's folder, its file, and its magnet link without trackers."""

    def make(version="v1", private=False):
        write_files(tmp_path / "seed", {"film.bin": SIZE}, seed=str(tmp_path))
        torrent = make_torrent(
            tmp_path / "seed", "film.bin", tmp_path / "film.torrent", version, private=private
        )
        meta = parse_torrent(torrent.read_bytes())
        names = [("btih", meta.info_hash), ("btmh", meta.info_hash_v2 and b"\x12\x20" + meta.info_hash_v2)]
        link = "magnet:?" + "&".join(f"xt=urn:{kind}:{name.hex()}" for kind, name in names if name)
        return torrent, link

    return make


@pytest.mark.slow
@pytest.mark.parametrize(
    ("version", "host"), [("v1", "127.0.0.1"), ("v2", "127.0.0.1"), ("hybrid", "127.0.0.1"), ("v1", "::1")]
)
def test_each_finds_the_others_seed_by_a_bare_magnet_link(tmp_path, shared, version, host):
    torrent, link = shared(version)
    shown = f"[{host}]" if ":" in host else host
    with network(host) as start, dht_session(start, host=shown) as theirs:
        more = ("--dht-bootstrap", start, "--listen", f"{shown}:0")
        with seed(torrent, tmp_path / "seed", tmp_path / "data", *more) as ours:
            handle = add(theirs, link, tmp_path / "there")
            wait_for_download(handle)
            assert ours.stop() == 0
        # Now theirs is the only seed.
        wait_until(lambda: knows_nodes(theirs), what="a node in the table")
        handle.force_dht_announce()
        with download(link, tmp_path / "here", tmp_path / "data2", *more) as ours:
            assert ours.finish(60) == 0
    for folder in ("there", "here"):
        assert_same(tmp_path / "seed" / "film.bin", tmp_path / folder / "film.bin")


@pytest.mark.slow
def test_our_node_is_router_enough_for_two_of_libtorrents(tmp_path, shared):
    torrent, link = shared()
    # Ours runs another torrent, and is only the place where the two meet.
    write_files(tmp_path / "other", {"other.bin": 70_000})
    other = make_torrent(tmp_path / "other", "other.bin", tmp_path / "other.torrent")
    with seed(other, tmp_path / "other", tmp_path / "data") as ours:
        start = f"127.0.0.1:{ours.wait_for('dht')['port']}"
        with dht_session(start) as uploader, dht_session(start) as leech:
            handle = add(uploader, torrent, tmp_path / "seed", seed_mode=True)
            wait_until(lambda: knows_nodes(uploader), what="a node in the table")
            handle.force_dht_announce()
            down = add(leech, link, tmp_path / "down")
            wait_for_download(down)
    assert_same(tmp_path / "seed" / "film.bin", tmp_path / "down" / "film.bin")


@pytest.mark.slow
def test_a_peers_port_message_is_enough_to_begin(tmp_path, shared):
    """Libtorrent knows our node from our PORT message alone, and we know its from its own."""
    torrent, _ = shared()
    with (
        dht_session() as uploader,
        seed(torrent, tmp_path / "seed", tmp_path / "data") as ours,
    ):
        where = ours.wait_for("dht")["port"]
        handle = add(uploader, torrent, tmp_path / "down")
        handle.connect_peer(("127.0.0.1", ours.port))
        wait_until(lambda: handle.status().is_seeding, what="the download")
        # The node in libtorrent's table can only be ours.
        wait_until(lambda: knows_nodes(uploader), what="a node in the table")
        assert where
        assert ours.stop() == 0
    assert (tmp_path / "data" / "dht.state").exists()  # and its node is in ours


@pytest.mark.slow
def test_private_torrents_and_no_dht_are_found_by_nobody(tmp_path, shared):
    """The control: the same arrangement finds nothing where nothing may be found."""
    torrent, link = shared(private=True)
    write_files(tmp_path / "open", {"open.bin": 70_000})
    public = make_torrent(tmp_path / "open", "open.bin", tmp_path / "open.torrent")
    hashes = [lt.sha1_hash(parse_torrent(path.read_bytes()).info_hash) for path in (torrent, public)]
    with dht_session(alert_mask=lt.alert.category_t.dht_notification) as router:
        start = f"127.0.0.1:{udp_port(router)}"
        with (
            seed(torrent, tmp_path / "seed", tmp_path / "data", "--dht-bootstrap", start) as private,
            seed(public, tmp_path / "open", tmp_path / "data2", "--dht-bootstrap", start, "--no-dht") as off,
            seed(public, tmp_path / "open", tmp_path / "data3", "--dht-bootstrap", start) as on,
            dht_session(start) as asker,
        ):
            for ours in (private, off, on):
                ours.wait_for("complete")
            private.wait_for("progress")
            assert not [event for event in off.events if event["event"] == "dht"]
            heard = []

            def announced():
                heard.extend(a for a in router.pop_alerts() if isinstance(a, lt.dht_announce_alert))
                return [a for a in heard if a.info_hash == hashes[1]]

            wait_until(announced, what="the public one's announce")
            assert not [a for a in heard if a.info_hash == hashes[0]]
            handle = add(asker, link, tmp_path / "down")
            wait_until(lambda: handle.status().announcing_to_dht or True)
            assert not handle.status().has_metadata
            assert {a.port for a in heard} == {on.port}
