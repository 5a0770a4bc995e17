"""libtorrent, aria2 and transmission find each other through our tracker, by HTTP and by UDP."""

import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError

import libtorrent as lt
import pytest

from tests.tracker.running import Running, tracker

pytestmark = pytest.mark.interop
SIZE = 300_000
_TIMEOUT = 60.0  # seconds; a transfer takes one or two, aria2's first announce some more


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with tracker("--interval", "5", "--min-interval", "1", "--jitter", "0") as it:
        yield it


def make_torrent(folder: Path, url: str, name: str) -> tuple[Path, bytes]:
    """Write a file of random bytes and a torrent for it."""
    folder.mkdir()
    payload = os.urandom(SIZE)
    (folder / name).write_bytes(payload)
    files = lt.file_storage()
    lt.add_files(files, str(folder / name))
    torrent = lt.create_torrent(files, 32 * 1024, lt.create_torrent.v1_only)
    torrent.add_tracker(url)
    lt.set_piece_hashes(torrent, str(folder))
    path = folder / f"{name}.torrent"
    path.write_bytes(lt.bencode(torrent.generate()))
    return path, payload


def wait_for(what: Callable[[], bool], message: str) -> None:
    end = time.monotonic() + _TIMEOUT
    while not what():
        assert time.monotonic() < end, message
        time.sleep(0.1)


def url_of(running: Running, scheme: str) -> str:
    return running.udp_url if scheme == "udp" else running.base + "/announce"


@contextmanager
def libtorrent_session(torrent: Path, folder: Path) -> Iterator["lt.torrent_handle"]:
    """A session that finds peers by the tracker alone."""
    session = lt.session(
        {
            "listen_interfaces": "127.0.0.1:0",
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "allow_multiple_connections_per_ip": True,
            "min_reconnect_time": 1,
            "alert_mask": lt.alert.category_t.tracker_notification | lt.alert.category_t.error_notification,
        }
    )
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(str(torrent))
    params.save_path = str(folder)
    handle = session.add_torrent(params)
    try:
        yield handle
    finally:
        session.remove_torrent(handle)
        del session


@contextmanager
def process(command: list[str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as out:
        started = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(10)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


@pytest.mark.parametrize("scheme", ["http", "udp"])
def test_two_libtorrents_find_each_other(running: Running, tmp_path: Path, scheme: str) -> None:
    torrent, payload = make_torrent(tmp_path / "seed", url_of(running, scheme), f"lt-{scheme}")
    with libtorrent_session(torrent, tmp_path / "seed") as seed:
        wait_for(lambda: seed.status().is_seeding, "the seed does not seed")
        (tmp_path / "leech").mkdir()
        with libtorrent_session(torrent, tmp_path / "leech") as leech:

            def done() -> bool:
                if not leech.status().num_peers:
                    leech.force_reannounce(0, -1, lt.reannounce_flags_t.ignore_min_interval)
                return bool(leech.status().is_seeding)

            wait_for(done, f"no transfer: {leech.status().current_tracker} {running.stats()}")
    assert (tmp_path / "leech" / f"lt-{scheme}").read_bytes() == payload


@pytest.mark.parametrize("scheme", ["http", "udp"])
def test_aria2_downloads_from_a_libtorrent_that_it_finds(
    running: Running, tmp_path: Path, scheme: str
) -> None:
    torrent, payload = make_torrent(tmp_path / "seed", url_of(running, scheme), f"aria-{scheme}")
    with libtorrent_session(torrent, tmp_path / "seed") as seed:
        wait_for(lambda: seed.status().is_seeding, "the seed does not seed")
        wait_for(lambda: running.stats()["seeders"] > 0, "the seed was not announced")
        # aria2 asks UDP trackers through the socket of its DHT, which here knows no other node.
        command = ["aria2c", f"--enable-dht={str(scheme == 'udp').lower()}", "--bt-enable-lpd=false"]
        command += [f"--dht-file-path={tmp_path / 'dht'}", "--enable-dht6=false"]
        command += ["--dht-listen-port=20000-40000"]
        command += ["--enable-peer-exchange=false", "--seed-time=0", "--file-allocation=none", "--no-conf"]
        command += ["--bt-tracker-interval=1", f"--dir={tmp_path / 'aria'}", "--interface=127.0.0.1"]
        command += ["--listen-port=20000-40000", str(torrent)]
        with process(command, tmp_path / "log") as aria:
            wait_for(lambda: aria.poll() is not None, "aria2 does not end")
            assert aria.returncode == 0, (tmp_path / "log").read_text()
    assert (tmp_path / "aria" / f"aria-{scheme}").read_bytes() == payload


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def transmission_call(port: int, session: list[str], method: str, **arguments: object) -> dict[str, object]:
    """One remote call; the first answer is 409 with the session id to use."""
    body = json.dumps({"method": method, "arguments": arguments}).encode()
    for _ in range(2):
        call = urllib.request.Request(
            f"http://127.0.0.1:{port}/transmission/rpc", body, {"X-Transmission-Session-Id": session[0]}
        )
        try:
            with urllib.request.urlopen(call, timeout=10) as answer:
                return dict(json.loads(answer.read()))
        except HTTPError as error:
            session[0] = error.headers["X-Transmission-Session-Id"]
    raise AssertionError("transmission refuses the session id")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["http", "udp"])
def test_transmission_is_found_by_a_libtorrent_and_downloads_from_it(
    running: Running, tmp_path: Path, scheme: str
) -> None:
    torrent, payload = make_torrent(tmp_path / "seed", url_of(running, scheme), f"tr-{scheme}")
    rpc = free_port()
    config = tmp_path / "config"
    config.mkdir()
    settings = {
        "bind-address-ipv4": "127.0.0.1",
        "dht-enabled": False,
        "lpd-enabled": False,
        "pex-enabled": False,
        "utp-enabled": False,
        "port-forwarding-enabled": False,
        "peer-port": free_port(),
        "rpc-bind-address": "127.0.0.1",
        "rpc-port": rpc,
        "download-dir": str(tmp_path / "tr"),
    }
    (config / "settings.json").write_text(json.dumps(settings))
    with libtorrent_session(torrent, tmp_path / "seed") as seed:
        wait_for(lambda: seed.status().is_seeding, "the seed does not seed")
        command = ["transmission-daemon", "--foreground", f"--config-dir={config}"]
        with process(command, tmp_path / "log"):
            session = [""]

            def up() -> bool:
                with socket.socket() as sock:
                    return sock.connect_ex(("127.0.0.1", rpc)) == 0

            wait_for(up, "transmission does not start")
            transmission_call(rpc, session, "torrent-add", filename=str(torrent))
            target = tmp_path / "tr" / f"tr-{scheme}"

            def done() -> bool:
                # It never dials loopback addresses, which it holds for bogus: the seed must find it.
                seed.force_reannounce(0, -1, lt.reannounce_flags_t.ignore_min_interval)
                time.sleep(0.5)
                return target.exists() and target.read_bytes() == payload

            try:
                wait_for(done, "no transfer")
            except AssertionError:
                state = transmission_call(
                    rpc, session, "torrent-get", fields=["trackerStats", "peers", "errorString"]
                )
                raise AssertionError(f"{state} {(tmp_path / 'log').read_text()}") from None
