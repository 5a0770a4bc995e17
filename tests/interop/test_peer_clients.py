"""Our peer with aria2 and with Transmission, both ways, by a tracker that is not ours."""

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest

from tests.interop.foreign_tracker import ForeignTracker
from tests.interop.peers import assert_same, download, make_torrent, seed, wait_until, write_files

pytestmark = pytest.mark.interop

FILES = {"many/a.bin": 700_001, "many/deep/b.bin": 2_345_678, "many/c": 5}


def need(program, package):
    if shutil.which(program) is None:
        pytest.fail(f"{program} is missing: install the Debian package {package}")


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@contextmanager
def process(command):
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield running
    finally:
        if running.poll() is None:
            running.terminate()
        try:
            running.wait(5)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
        running.stdout.close()


@pytest.fixture
def tracker():
    with ForeignTracker() as one:
        yield one


@pytest.fixture
def torrent(tmp_path, tracker):
    write_files(tmp_path / "source", FILES)
    return make_torrent(tmp_path / "source", "many", tmp_path / "t.torrent", "v1", tracker=tracker.url)


@pytest.fixture(params=[False, True], ids=["plain", "rc4"])
def encrypted(request):
    """Does the other client demand encryption?"""
    return request.param


def aria2(torrent, folder, *more, encrypted=False):
    command = ["aria2c", "--no-conf", f"--dir={folder}", "--enable-dht=false", "--enable-dht6=false"]
    command += ["--bt-enable-lpd=false", "--enable-peer-exchange=false", "--interface=127.0.0.1"]
    command += ["--disable-ipv6=true", f"--listen-port={free_port()}", "--bt-tracker-interval=1"]
    command += ["--file-allocation=none", "--allow-overwrite=true", "--show-console-readout=false"]
    if encrypted:
        command += ["--bt-require-crypto=true", "--bt-min-crypto-level=arc4"]
    return [*command, "--console-log-level=warn", *more, str(torrent)]


def test_we_download_from_aria2(torrent, tracker, encrypted, tmp_path):
    need("aria2c", "aria2")
    more = ("--seed-ratio=0.0", "--check-integrity=true")
    seeding = aria2(torrent, tmp_path / "source", *more, encrypted=encrypted)
    with process(seeding), download(torrent, tmp_path / "out", tmp_path / "data") as ours:
        assert ours.finish(60) == 0
    assert_same(tmp_path / "source" / "many", tmp_path / "out" / "many")
    assert tracker.events(b"-AX")[0] == "started"
    assert tracker.events(b"-AX")[-2:] == ["completed", "stopped"]


def test_aria2_downloads_from_us(torrent, tracker, encrypted, tmp_path):
    need("aria2c", "aria2")
    with seed(torrent, tmp_path / "source", tmp_path / "data") as ours:
        ours.wait_for("complete")
        wait_until(lambda: tracker.events(b"-AX"), what="our announce")
        command = aria2(torrent, tmp_path / "out", "--seed-time=0", encrypted=encrypted)
        with process(command) as leech:
            assert leech.wait(60) == 0, leech.stdout.read()
        assert ours.stop() == 0
    assert_same(tmp_path / "source" / "many", tmp_path / "out" / "many")
    assert tracker.events(b"-AX")[-1] == "stopped"


class Transmission:
    """transmission-daemon, driven by its RPC."""

    def __init__(self, folder, config, encrypted):
        self.rpc = free_port()
        config.mkdir()
        settings = {
            "bind-address-ipv4": "127.0.0.1",
            "bind-address-ipv6": "::1",
            "peer-port": free_port(),
            "port-forwarding-enabled": False,
            "dht-enabled": False,
            "lpd-enabled": False,
            "pex-enabled": False,
            "utp-enabled": False,
            "encryption": 2 if encrypted else 0,  # demanded, or taken
            "rpc-bind-address": "127.0.0.1",
            "rpc-port": self.rpc,
            "rpc-whitelist-enabled": False,
            "download-dir": str(folder),
            "ratio-limit-enabled": False,
        }
        (config / "settings.json").write_text(json.dumps(settings))
        self.command = ["transmission-daemon", "-f", "-g", str(config)]
        self._session = ""

    def call(self, method, **arguments):
        end = time.monotonic() + 20
        while True:
            request = urllib.request.Request(
                f"http://127.0.0.1:{self.rpc}/transmission/rpc",
                json.dumps({"method": method, "arguments": arguments}).encode(),
                {"X-Transmission-Session-Id": self._session},
            )
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return json.load(answer)["arguments"]
            except urllib.error.HTTPError as error:
                if error.code != 409:
                    raise
                self._session = error.headers["X-Transmission-Session-Id"]
            except (urllib.error.URLError, ConnectionError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def add(self, torrent, folder):
        metainfo = base64.b64encode(torrent.read_bytes()).decode()
        added = self.call("torrent-add", metainfo=metainfo, **{"download-dir": str(folder)})
        self._id = next(iter(added.values()))["id"]

    def status(self):
        fields = ["percentDone", "status", "errorString"]
        return self.call("torrent-get", ids=[self._id], fields=fields)["torrents"][0]

    def hurry(self):
        """Ask the tracker again: its own first question may have come before we were there."""
        self.call("torrent-reannounce", ids=[self._id])


def test_we_download_from_transmission(torrent, tracker, encrypted, tmp_path):
    need("transmission-daemon", "transmission-daemon")
    daemon = Transmission(tmp_path / "source", tmp_path / "config", encrypted)
    with process(daemon.command):
        daemon.add(torrent, tmp_path / "source")
        wait_until(lambda: daemon.status()["status"] == 6, what="Transmission's check")
        with download(torrent, tmp_path / "out", tmp_path / "data") as ours:
            assert ours.finish(60) == 0
    assert_same(tmp_path / "source" / "many", tmp_path / "out" / "many")


def test_transmission_downloads_from_us(torrent, tracker, encrypted, tmp_path):
    need("transmission-daemon", "transmission-daemon")
    (tmp_path / "out").mkdir()
    daemon = Transmission(tmp_path / "out", tmp_path / "config", encrypted)
    with seed(torrent, tmp_path / "source", tmp_path / "data") as ours, process(daemon.command):
        ours.wait_for("complete")
        wait_until(lambda: tracker.events(b"-AX"), what="our announce")
        daemon.add(torrent, tmp_path / "out")
        wait_until(lambda: daemon.status()["percentDone"] == 1, 60, what="Transmission's download")
        assert ours.stop() == 0
    assert_same(tmp_path / "source" / "many", tmp_path / "out" / "many")
