"""Our peer as a process, libtorrent in this one, and torrents of every kind, for the interop tests."""

import filecmp
import json
import os
import queue
import random
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import libtorrent as lt

TIMEOUT = 30.0  # seconds for anything to happen


class Ours:
    """`python -m axon.peer …` with its JSON events."""

    def __init__(self, *arguments, data):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("AXON_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "axon.peer", *map(str, arguments), "--data", str(data), "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.events = []
        self._new = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self._new.put(json.loads(line))
        self._new.put(None)

    def wait_for(self, name, timeout=TIMEOUT, **facts):
        """Return the next event of this name with these facts."""
        end = time.monotonic() + timeout
        while True:
            try:
                event = self._new.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {name!r} within {timeout} s: {self.events}") from None
            if event is None:
                raise AssertionError(f"ended before {name!r}: {self.events} {self.process.stderr.read()}")
            self.events.append(event)
            if event["event"] == name and all(event.get(k) == v for k, v in facts.items()):
                return event

    @property
    def port(self):
        for event in self.events:
            if event["event"] == "listening":
                return event["port"]
        return self.wait_for("listening")["port"]

    def finish(self, timeout=TIMEOUT):
        """Wait for its end; return the exit code."""
        return self.process.wait(timeout)

    def stop(self):
        """SIGTERM; return the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(30)
        finally:
            self.process.stderr.close()


@contextmanager
def ours(*arguments, data):
    """Run our peer; it is gone when the block ends."""
    peer = Ours(*arguments, data=data)
    try:
        yield peer
    finally:
        if peer.process.poll() is None:
            peer.process.kill()
        peer.process.wait()


def seed(torrent, folder, data, *more):
    return ours("seed", torrent, "--dir", folder, "--listen", "127.0.0.1:0", *more, data=data)


def download(torrent, folder, data, *more):
    return ours("download", torrent, "--dir", folder, "--listen", "127.0.0.1:0", *more, data=data)


SETTINGS = {
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_incoming_utp": False,
    "enable_outgoing_utp": False,
    "allow_multiple_connections_per_ip": True,
    "listen_interfaces": "127.0.0.1:0",
    "alert_mask": 0,
}


@contextmanager
def libtorrent_session(**settings):
    session = lt.session(SETTINGS | settings)
    try:
        yield session
    finally:
        session.pause()
        del session


def add(session, torrent, folder, *, seed_mode=False):
    """Add a torrent file or magnet link to a libtorrent session."""
    text = str(torrent)
    params = lt.parse_magnet_uri(text) if text.startswith("magnet:") else lt.add_torrent_params()
    if not text.startswith("magnet:"):
        params.ti = lt.torrent_info(text)
    params.save_path = str(folder)
    if seed_mode:
        params.flags |= lt.torrent_flags.seed_mode
    params.flags &= ~lt.torrent_flags.auto_managed
    params.flags &= ~lt.torrent_flags.paused
    return session.add_torrent(params)


def wait_until(condition, timeout=TIMEOUT, what="it"):
    end = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {timeout} s")
        time.sleep(0.02)
    return value


def write_files(folder, sizes, seed=0):
    """Fill files named by relative path with random bytes."""
    rng = random.Random(seed)
    for name, size in sizes.items():
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.randbytes(size))


def make_torrent(folder, name, target, version="v1", *, piece=1 << 16, tracker=None, private=False):
    """A torrent of `folder/name` by libtorrent."""
    flags = {"v1": lt.create_torrent.v1_only, "v2": lt.create_torrent.v2_only, "hybrid": 0}[version]
    storage = lt.file_storage()
    lt.add_files(storage, str(Path(folder) / name))
    builder = lt.create_torrent(storage, piece, flags)
    builder.set_priv(private)
    if tracker:
        builder.add_tracker(tracker)
    lt.set_piece_hashes(builder, str(folder))
    Path(target).write_bytes(lt.bencode(builder.generate()))
    return target


def assert_same(one, two):
    """Two files or folders are the same, byte for byte."""
    one, two = Path(one), Path(two)
    if one.is_file():
        assert two.is_file()
        assert filecmp.cmp(one, two, shallow=False)
        return
    names = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(two) for path in two.rglob("*") if path.is_file())
    for name in names:
        assert filecmp.cmp(one / name, two / name, shallow=False), name
