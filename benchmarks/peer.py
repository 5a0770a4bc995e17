"""How fast the peer is, beside libtorrent (tuned) and aria2 in the same run.

    python benchmarks/peer.py [--quick] [--json FILE] [--only WORD]

Prints a table; `--json` writes a list of rows: case, client, mb_per_s, cpu_s_per_gib, fresh, and
for some rows: peak_mib, total_s, cpu_percent. Fresh means that the files do not exist before,
warm that they have their full size and are in the page cache: compare only like with like, and
only within one run. Equal runs differ by up to two times on a busy machine. The clock of a fresh
download starts when its file gets its first bytes; that of a warm one with what the client says,
which flatters libtorrent: its counters come late.
"""

import argparse
import filecmp
import http.server
import json
import os
import shutil
import socket
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path

import libtorrent as lt

sys.path.insert(0, str(Path(__file__).resolve().parent))
import peer_clients as clients

GIB = 1 << 30
ROWS = []


def make(folder, size, piece):
    """A file of random bytes and its v1 torrent."""
    name = f"data-{size >> 20}M-{piece >> 10}K"
    path, torrent = folder / name, folder / f"{name}.torrent"
    block = os.urandom(1 << 20)
    with path.open("wb") as file:
        for number in range(size >> 20):
            file.write(struct.pack(">Q", number) + block[8:])
    storage = lt.file_storage()
    storage.add_file(name, size)
    builder = lt.create_torrent(storage, piece, lt.create_torrent.v1_only)
    lt.set_piece_hashes(builder, str(folder))
    torrent.write_bytes(lt.bencode(builder.generate()))
    return path, torrent


def row(case, client, seconds=None, size=0, cpu=None, fresh=None, **more):
    entry = {
        "case": case,
        "client": client,
        "mb_per_s": round(size / seconds / 1e6, 1) if size and seconds else None,
        "cpu_s_per_gib": round(cpu / size * GIB, 2) if size and cpu is not None else None,
        "fresh": fresh,
        **more,
    }
    ROWS.append(entry)
    facts = [f"{key}={value}" for key, value in more.items()]
    print(
        f"{case:34} {client:12} {entry['mb_per_s'] or '':>8} MB/s {entry['cpu_s_per_gib'] or '':>6} CPU s/GiB"
        f" {'fresh' if fresh else 'warm' if fresh is False else '':6} {' '.join(facts)}",
        flush=True,
    )


class Tracker:
    """Names the given ports to whoever asks: for aria2, which takes no peer on the command line."""

    def __init__(self, ports):
        packed = b"".join(socket.inet_aton("127.0.0.1") + struct.pack(">H", port) for port in ports)
        body = b"d8:intervali5e12:min intervali1e5:peers%d:%se" % (len(packed), packed)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/announce"


def downloading(case, name, client, path, out, fresh, cpu_before):
    """Wait for a download that has begun; CPU from its first byte."""
    if fresh:
        # What a client says of its first byte may be late; its file is not.
        target = out / path.name
        while not (target.exists() and target.stat().st_blocks) and client.process.poll() is None:
            time.sleep(0.002)
        start = time.perf_counter()
    else:
        start = client.wait_for("first")["at"]
    before = client.cpu()
    complete = client.wait_for("complete")
    cpu, peak = client.cpu() - before, clients.peak_mib(client.pid)
    client.stop()
    assert filecmp.cmp(path, out / path.name, shallow=False), f"{name}: another file came out"
    size = path.stat().st_size
    row(case, name, complete["at"] - start, size, cpu, fresh, peak_mib=round(peak))


def fresh_folder(work, path, fresh):
    out = Path(tempfile.mkdtemp(dir=work))
    with (out / path.name).open("wb") as file:
        for _ in range(path.stat().st_size >> 20):
            file.write(bytes(1 << 20))
    if fresh:
        # A virtual machine pays for memory that it touches for the first time: whoever comes
        # second would find it paid for. So all find pages that were used and freed just before.
        (out / path.name).unlink()
    return out


def bench_download(work, case, path, torrent, seeds=1, fresh=True, aria2=False):
    """From libtorrent seeds."""
    sources = [clients.libtorrent_seed(torrent, path.parent) for _ in range(seeds)]
    ports = [source.port for source in sources]
    try:
        for name in ("axon", "libtorrent") + (("aria2",) if aria2 else ()):
            out = fresh_folder(work, path, fresh)
            if name == "axon":
                client = clients.ours_download(torrent, out, ports, out / "state")
            elif name == "libtorrent":
                client = clients.libtorrent_download(torrent, out, ports)
            else:
                _aria2_download(case, torrent, out, ports, path, sources)
                shutil.rmtree(out)
                continue
            downloading(case, name, client, path, out, fresh, None)
            shutil.rmtree(out)
    finally:
        for source in sources:
            source.stop()


def _aria2_download(case, torrent, out, ports, path, sources):
    """aria2 prints no first byte: watch its file grow."""
    client = clients.aria2_download(torrent, out, Tracker(ports).url)
    target, size = out / path.name, path.stat().st_size
    end = time.perf_counter() + 90
    while not target.exists() or not target.stat().st_blocks:
        if time.perf_counter() > end or client.process.poll() is not None:
            client.stop()
            return
        time.sleep(0.005)
    start, before = time.perf_counter(), client.cpu()
    cpu = before
    while client.process.poll() is None and time.perf_counter() < end:
        done, cpu = time.perf_counter(), client.cpu() if client.process.poll() is None else cpu
        time.sleep(0.01)
        if target.stat().st_size == size and not Path(f"{target}.aria2").exists():
            break
    client.stop()
    assert filecmp.cmp(path, target, shallow=False)
    row(case, "aria2", done - start, size, cpu - before, True)


def bench_seed(work, case, path, torrent, aria2=False):
    """To a libtorrent downloader."""
    for name in ("axon", "libtorrent") + (("aria2",) if aria2 else ()):
        out = fresh_folder(work, path, True)
        if name == "axon":
            source = clients.ours_seed(torrent, path.parent, out / "state")
        elif name == "libtorrent":
            source = clients.libtorrent_seed(torrent, path.parent)
        else:
            source = clients.aria2_seed(torrent, path.parent, Tracker([]).url)
            _wait_port(source.port)
        leech = clients.libtorrent_download(torrent, out, [source.port])
        first = leech.wait_for("first")
        before = source.cpu()
        complete = leech.wait_for("complete")
        cpu, peak = source.cpu() - before, clients.peak_mib(source.pid)
        size = path.stat().st_size
        row(case, name, complete["at"] - first["at"], size, cpu, True, peak_mib=round(peak))
        leech.stop()
        source.stop()
        shutil.rmtree(out)


def _wait_port(port):
    for _ in range(200):
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)


def bench_receipts(work, path, torrent, runs):
    """Ours to ours, with and without, in turns; the best of each."""
    best = {}
    for _ in range(runs):
        for name, more in (("with receipts", ()), ("without", ("--no-receipts",))):
            out = fresh_folder(work, path, False)
            source = clients.ours_seed(torrent, path.parent, out / "s", *more)
            leech = clients.ours_download(torrent, out, [source.port], out / "d", *more)
            first = leech.wait_for("first")
            before = leech.cpu() + source.cpu()
            complete = leech.wait_for("complete")
            cpu = leech.cpu() + source.cpu() - before
            leech.stop()
            source.stop()
            shutil.rmtree(out)
            best.setdefault(name, []).append((complete["at"] - first["at"], cpu))
    size = path.stat().st_size
    for name, results in best.items():
        seconds, cpu = min(results)
        row("axon to axon, both ends' CPU", f"{name}", seconds, size, cpu, False)


def bench_swarm(work, path, torrent, leechers):
    """One seed and many downloaders that all know each other: until the last is complete.

    The downloaders are up and connected before the seed comes, so that nobody's start counts.
    """
    for name in ("axon", "axon plain", "libtorrent"):
        plain = ("--no-receipts",) if name == "axon plain" else ()
        out = Path(tempfile.mkdtemp(dir=work))
        ports, crowd = [], []
        for number in range(leechers):
            folder, port = out / str(number), clients.free_port()
            folder.mkdir()
            if name != "libtorrent":
                listen = ("--listen", f"127.0.0.1:{port}", *plain)
                crowd.append(clients.ours_download(torrent, folder, ports, out / f"d{number}", *listen))
            else:
                crowd.append(clients.libtorrent_download(torrent, folder, ports, port))
            crowd[-1].wait_for("listening")
            ports.append(port)
        time.sleep(1)
        before = sum(client.cpu() for client in crowd)
        if name != "libtorrent":
            source = clients.ours_seed(torrent, path.parent, out / "s", *plain, peers=ports)
        else:
            source = clients.libtorrent_seed(torrent, path.parent, ports)
        start = min(client.wait_for("first")["at"] for client in crowd)
        seconds = max(client.wait_for("complete")["at"] for client in crowd) - start
        cpu = sum(client.cpu() for client in (*crowd, source)) - before
        for client in (*crowd, source):
            client.stop()
        for number in range(leechers):
            assert filecmp.cmp(path, out / str(number) / path.name, shallow=False)
        shutil.rmtree(out)
        size = leechers * path.stat().st_size
        row(f"1 seed, {leechers} downloaders", name, seconds, size, cpu, True, total_s=round(seconds, 2))


def bench_idle(work, count, seconds):
    """Seeding many torrents to nobody."""
    folder = Path(tempfile.mkdtemp(dir=work))
    torrents = []
    for number in range(count):
        path = folder / f"idle{number}"
        path.write_bytes(os.urandom(65536))
        storage = lt.file_storage()
        storage.add_file(path.name, 65536)
        builder = lt.create_torrent(storage, 16384, lt.create_torrent.v1_only)
        lt.set_piece_hashes(builder, str(folder))
        (folder / f"{number}.torrent").write_bytes(lt.bencode(builder.generate()))
        torrents.append(folder / f"{number}.torrent")
    client = clients.ours_seed(torrents, folder, folder / "state")
    while sum(event["event"] == "complete" for event in client.events) < count:
        time.sleep(0.1)
    time.sleep(1)
    before = client.cpu()
    time.sleep(seconds)
    used = client.cpu() - before
    row(
        f"idle, {count} torrents",
        "axon",
        cpu_percent=round(100 * used / seconds, 2),
        peak_mib=round(clients.peak_mib(client.pid)),
    )
    client.stop()
    shutil.rmtree(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small files, fewer cases")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--only", default="", metavar="WORD", help="cases whose name contains this")
    parser.add_argument("--work", type=Path, help="a folder for the data (default: the system's)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="axon-bench-", dir=arguments.work) as folder:
        work = Path(folder)
        size = (256 if arguments.quick else 1024) << 20
        large = make(work, size, 1 << 20)
        for case, run in _cases(work, size, large, arguments.quick):
            if arguments.only in case:
                run(case)
    if arguments.json:
        arguments.json.write_text(json.dumps(ROWS, indent=1) + "\n")


def _cases(work, size, large, quick):
    yield "download", lambda case: bench_download(work, case, *large, aria2=not quick)
    yield "download, warm", lambda case: bench_download(work, case, *large, fresh=False)
    yield "seed", lambda case: bench_seed(work, case, *large, aria2=not quick)
    yield "receipts", lambda case: bench_receipts(work, *large, runs=2 if quick else 3)
    if not quick:
        yield "download from 4 seeds", lambda case: bench_download(work, case, *large, seeds=4)
        small = make(work, size // 2, 256 << 10)
        yield "download, 256 KiB pieces", lambda case: bench_download(work, case, *small)
        yield "seed, 256 KiB pieces", lambda case: bench_seed(work, case, *small)
    swarm = make(work, (64 if quick else 256) << 20, 256 << 10)
    yield "swarm", lambda case: bench_swarm(work, *swarm, leechers=8)
    yield "idle", lambda case: bench_idle(work, 100, 3 if quick else 10)


if __name__ == "__main__":
    main()
