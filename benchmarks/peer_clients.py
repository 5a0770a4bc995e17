"""The clients of `peer.py`, each as a process of its own: ours, libtorrent (tuned) and aria2.

Loopback, TCP, plaintext. Every seed has hashed its files before it serves them.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from peer_clock import PATIENCE, cpu_seconds

HERE = Path(__file__).resolve().parent


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Client:
    """A process that prints JSON events, one a line."""

    def __init__(self, command):
        environment = {
            k: v for k, v in os.environ.items() if not k.startswith("AXON_") or k == "AXON_NO_SIMD"
        }
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )
        self.events = []
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                event = json.loads(line) | {"at": time.perf_counter()}
                with self._changed:
                    self.events.append(event)
                    self._changed.notify_all()

    def wait_for(self, name, timeout=PATIENCE):
        """Return the first event of this name."""
        with self._changed:
            self._changed.wait_for(lambda: any(e["event"] == name for e in self.events), timeout)
            for event in self.events:
                if event["event"] == name:
                    return event
        raise SystemExit(f"{self.process.args}: no {name!r} within {timeout} s")

    def completed(self, target):
        """Wait until the download is complete; when that was."""
        return self.wait_for("complete")["at"]

    @property
    def pid(self):
        return self.process.pid

    def cpu(self):
        return cpu_seconds(self.pid)

    def stop(self):
        """End it, first politely."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


def ours_seed(torrent, folder, data, *more, peers=()):
    client = Client(_ours("seed", torrent, folder, data, *_named(peers), *more))
    client.wait_for("complete")
    client.port = client.wait_for("listening")["port"]
    return client


def ours_download(torrent, folder, peers, data, *more):
    return Client(_ours("download", torrent, folder, data, "--seed", *_named(peers), *more))


def _named(peers):
    return [word for port in peers for word in ("--peer", f"127.0.0.1:{port}")]


def _ours(command, torrent, folder, data, *more):
    listen = ["--listen", "127.0.0.1:0", "--data", str(data), "--json", "--verbose", "--no-trackers"]
    torrents = torrent if isinstance(torrent, list) else [torrent]
    paths = [command, *map(str, torrents), "--dir", str(folder)]
    return [sys.executable, "-m", "axon.peer", *paths, *listen, *map(str, more)]


def libtorrent_seed(torrent, folder, peers=()):
    client = Client(_libtorrent("seed", torrent, folder, 0, *peers))
    client.port = client.wait_for("listening")["port"]
    return client


def libtorrent_download(torrent, folder, peers, listen=0):
    return Client(_libtorrent("download", torrent, folder, listen, *peers))


def _libtorrent(mode, torrent, folder, *ports):
    script = str(HERE / "peer_libtorrent.py")
    return [sys.executable, script, mode, str(torrent), str(folder), *map(str, ports)]


class Aria2(Client):
    """aria2 prints no events: it is complete when its control file is gone, or it has ended."""

    def completed(self, target):
        control = target.with_name(f"{target.name}.aria2")
        end = time.perf_counter() + PATIENCE
        # Not `poll`: what is not waited for keeps its entry in /proc.
        ended = os.WEXITED | os.WNOHANG | os.WNOWAIT
        while control.exists() and os.waitid(os.P_PID, self.pid, ended) is None:
            if time.perf_counter() > end:
                raise SystemExit(f"{self.process.args}: not complete within {PATIENCE} s")
            time.sleep(0.005)
        return time.perf_counter()


def aria2_download(torrent, folder, tracker):
    """aria2 takes no peer on the command line: it asks a tracker, which names the seeds."""
    command = ["aria2c", "--no-conf", f"--dir={folder}", "--seed-time=0", f"--bt-tracker={tracker}"]
    command += ["--bt-tracker-interval=1", "--bt-tracker-connect-timeout=2", "--enable-dht=false"]
    command += ["--enable-dht6=false", "--bt-enable-lpd=false", "--enable-peer-exchange=false"]
    command += ["--bt-request-peer-speed-limit=4000M", "--bt-max-peers=0", "--interface=127.0.0.1"]
    command += ["--disable-ipv6=true", f"--listen-port={free_port()}", "--bt-min-crypto-level=plain"]
    command += ["--file-allocation=none", "--disk-cache=64M", "--allow-overwrite=true"]
    command += ["--summary-interval=0", "--console-log-level=warn", "--show-console-readout=false"]
    return Aria2([*command, str(torrent)])


def aria2_seed(torrent, folder, tracker):
    """Seed what is there without hashing it."""
    port = free_port()
    command = ["aria2c", "--no-conf", f"--dir={folder}", "--bt-seed-unverified=true", "--seed-ratio=0.0"]
    command += [f"--bt-tracker={tracker}", "--bt-tracker-interval=2", "--enable-dht=false"]
    command += ["--enable-dht6=false", "--bt-enable-lpd=false", f"--listen-port={port}"]
    command += ["--interface=127.0.0.1", "--disable-ipv6=true", "--summary-interval=0"]
    command += ["--show-console-readout=false", "--console-log-level=warn", "--bt-max-peers=0"]
    client = Client([*command, "--check-integrity=false", "--allow-overwrite=true", str(torrent)])
    client.port = port
    return client
