"""How fast the peer is, beside libtorrent (tuned) and aria2 in the same run.

    python benchmarks/peer.py [--quick] [--runs N] [--json FILE] [--only WORD]

Prints a table of medians over runs in turns; `--json` writes a list of rows: case, client,
mb_per_s, cpu_s_per_gib, fresh, and with them runs (MB/s of each), partner_cpu (s/GiB of the
processes at the other end), peak_mib, total_s or cpu_percent where they apply. Fresh means that the files
do not exist before, warm that they have their full size and are in the page cache: compare only
like with like, and only within one run. `peer_clock.py` says what is measured.
"""

import argparse
import filecmp
import hashlib
import http.server
import json
import os
import shutil
import socket
import statistics
import struct
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import libtorrent as lt

sys.path.insert(0, str(Path(__file__).resolve().parent))
import peer_clients as clients
from peer_clock import Ballast, Stopwatch, fill, peak_mib

GIB = 1 << 30


class Table:
    """Rows as they are measured: printed at once, kept for JSON."""

    def __init__(self):
        self.rows = []

    def add(self, case, client, **facts):
        self.rows.append({"case": case, "client": client, **facts})
        shown = {
            key: value for key, value in facts.items() if key not in ("mb_per_s", "cpu_s_per_gib", "fresh")
        }
        rate, cpu = facts.get("mb_per_s"), facts.get("cpu_s_per_gib")
        print(
            f"{case:26} {client:13}",
            f"{rate:7} MB/s {cpu:5} CPU s/GiB {'fresh' if facts['fresh'] else 'warm ':5}" if rate else "",
            " ".join(f"{key}={value}" for key, value in shown.items()),
            flush=True,
        )

    def add_runs(self, case, runs, size, fresh, **facts):
        """One row a client: medians of its runs, each of `size` bytes."""
        for name, measured in runs.items():
            median = {
                key: statistics.median(getattr(run, key) for run in measured)
                for key in ("seconds", "cpu", "partner_cpu")
            }
            self.add(
                case,
                name,
                mb_per_s=round(size / median["seconds"] / 1e6, 1),
                cpu_s_per_gib=round(median["cpu"] * GIB / size, 2),
                fresh=fresh,
                partner_cpu=round(median["partner_cpu"] * GIB / size, 2),
                peak_mib=round(max(run.peak_mib for run in measured)) or None,
                runs=[round(size / run.seconds / 1e6) for run in measured],
                **{key: round(median["seconds"], 2) for key in facts if key == "total_s"},
            )


def make(folder, size, piece, *, sparse=False, name=None):
    """A file of random bytes and its v1 torrent; `sparse`: zeros but for a number in each MiB."""
    name = name or f"data-{size >> 20}M-{piece >> 10}K"
    path, torrent = folder / name, folder / f"{name}.torrent"
    block = os.urandom((1 << 20) - 8)
    with path.open("wb") as file:
        for number in range(size >> 20):
            file.seek(number << 20)
            file.write(struct.pack(">Q", number) + (b"" if sparse else block))
        file.truncate(size)
    with path.open("rb") as file:
        hashes = b"".join(hashlib.sha1(file.read(piece)).digest() for _ in range(0, size, piece))
    info = {b"name": name.encode(), b"length": size, b"piece length": piece, b"pieces": hashes}
    torrent.write_bytes(lt.bencode({b"info": info}))
    return path, torrent


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


@contextmanager
def folder_in(work):
    folder = Path(tempfile.mkdtemp(dir=work))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def run(work, path, begin, *, fresh=True, count=1):
    """One transfer of `path` to `count` downloaders, compared byte for byte.

    Parameters
    ----------
    begin : callable (folders, stack)
        Starts the clients and returns downloaders, those measured, and the others.
    """
    size = path.stat().st_size
    with folder_in(work) as out, ExitStack() as stack:
        folders = [out / str(number) for number in range(count)]
        targets = [folder / path.name for folder in folders]
        for folder, target in zip(folders, targets):
            folder.mkdir()
            if not fresh:
                fill(target, size)
        ballast = Ballast(out, count * size if fresh else 0)
        stack.callback(ballast.end)
        watch = Stopwatch(targets)
        downloaders, measured, partners = begin(folders, stack)
        result = watch.time(downloaders, measured, partners, ballast)
        for client in downloaders:
            client.stop()
        for target in targets:
            assert filecmp.cmp(path, target, shallow=False), f"{downloaders[0].process.args}: another file"
        return result


def started(stack, client):
    stack.callback(client.stop)
    return client


def in_turns(names, runs, once):
    """Run each once, then each again, so that a slow minute of the machine hits all."""
    results = {name: [] for name in names}
    for _ in range(runs):
        for name in names:
            results[name].append(once(name))
    return results


def bench_download(
    table, case, work, path, torrent, runs, *, seeds=1, fresh=True, names=("axon", "libtorrent")
):
    """From libtorrent seeds."""
    with ExitStack() as outer:
        sources = [started(outer, clients.libtorrent_seed(torrent, path.parent)) for _ in range(seeds)]
        ports = [source.port for source in sources]
        tracker = Tracker(ports)

        def once(name):
            def begin(folders, stack):
                out = folders[0]
                if name == "axon":
                    client = clients.ours_download(torrent, out, ports, out / "state")
                elif name == "libtorrent":
                    client = clients.libtorrent_download(torrent, out, ports)
                else:
                    client = clients.aria2_download(torrent, out, tracker.url)
                started(stack, client)
                return [client], [client], sources

            return run(work, path, begin, fresh=fresh)

        table.add_runs(case, in_turns(names, runs, once), path.stat().st_size, fresh)


def bench_seed(table, case, work, path, torrent, runs, names=("axon", "libtorrent")):
    """To a libtorrent downloader."""
    with ExitStack() as outer:

        def source(name):
            if name == "axon":
                return clients.ours_seed(torrent, path.parent, folder / "state")
            if name == "libtorrent":
                return clients.libtorrent_seed(torrent, path.parent)
            return clients.aria2_seed(torrent, path.parent, Tracker([]).url)

        folder = outer.enter_context(folder_in(work))
        sources = {name: started(outer, source(name)) for name in names}

        def once(name):
            def begin(folders, stack):
                leech = clients.libtorrent_download(torrent, folders[0], [sources[name].port])
                return [started(stack, leech)], [sources[name]], [leech]

            return run(work, path, begin)

        table.add_runs(case, in_turns(names, runs, once), path.stat().st_size, True)


def bench_receipts(table, case, work, path, torrent, runs):
    """Ours to ours, with and without; the CPU time is that of both ends."""

    def once(name):
        more = ("--no-receipts",) if name == "without" else ()

        def begin(folders, stack):
            out = folders[0]
            source = started(stack, clients.ours_seed(torrent, path.parent, out / "s", *more))
            leech = started(stack, clients.ours_download(torrent, out, [source.port], out / "d", *more))
            return [leech], [leech, source], []

        return run(work, path, begin, fresh=False)

    results = in_turns(("with receipts", "without"), runs, once)
    table.add_runs(case, results, path.stat().st_size, False)


def bench_swarm(table, case, work, path, torrent, runs, count):
    """One seed and many downloaders that all know each other: until the last is complete.

    The downloaders are up and connected before the seed comes, so that nobody's start counts.
    """

    def once(name):
        plain = ("--no-receipts",) if name == "axon plain" else ()

        def begin(folders, stack):
            ports, crowd = [], []
            for folder in folders:
                port = clients.free_port()
                if name == "libtorrent":
                    client = clients.libtorrent_download(torrent, folder, ports, port)
                else:
                    listen = ("--listen", f"127.0.0.1:{port}", *plain)
                    client = clients.ours_download(torrent, folder, ports, folder / "state", *listen)
                crowd.append(started(stack, client))
                client.wait_for("listening")
                ports.append(port)
            time.sleep(1)
            if name == "libtorrent":
                source = clients.libtorrent_seed(torrent, path.parent, ports)
            else:
                state = folders[0].parent / "state"
                source = clients.ours_seed(torrent, path.parent, state, *plain, peers=ports)
            return crowd, [*crowd, started(stack, source)], []

        return run(work, path, begin, count=count)

    results = in_turns(("axon", "axon plain", "libtorrent"), runs, once)
    table.add_runs(case, results, count * path.stat().st_size, True, total_s=True)


def bench_idle(table, case, work, count, seconds):
    """Seeding many torrents to nobody."""
    with folder_in(work) as folder, ExitStack() as stack:
        torrents = [make(folder, 1 << 20, 16 << 10, name=f"idle-{number}")[1] for number in range(count)]
        client = started(stack, clients.ours_seed(torrents, folder, folder / "state"))
        while sum(event["event"] == "complete" for event in client.events) < count:
            time.sleep(0.1)
        time.sleep(1)
        before = client.cpu()
        time.sleep(seconds)
        percent = round(100 * (client.cpu() - before) / seconds, 2)
        table.add(case, "axon", cpu_percent=percent, peak_mib=round(peak_mib(client.pid)))


def cases(work, quick, runs):
    """Every case: its name, and what measures it into a table."""
    size = (256 if quick else 1024) << 20
    large, small, swarm = (work, size, 1 << 20), (work, size // 2, 256 << 10), (work, size // 4, 256 << 10)
    three = ("axon", "libtorrent", "aria2")
    names = three[: 2 if quick else 3]
    made = {}

    def data(*args, **options):
        if args not in made:
            made[args] = make(*args, **options)
        return made[args]

    yield "download", lambda *a: bench_download(*a, work, *data(*large), runs, names=names)
    yield "download, warm", lambda *a: bench_download(*a, work, *data(*large), runs, fresh=False)
    yield "download from 4 seeds", lambda *a: bench_download(*a, work, *data(*large), runs, seeds=4)
    yield "download, 256 KiB pieces", lambda *a: bench_download(*a, work, *data(*small), runs)
    yield "seed", lambda *a: bench_seed(*a, work, *data(*large), runs, names=names)
    yield "seed, 256 KiB pieces", lambda *a: bench_seed(*a, work, *data(*small), runs)
    yield "receipts, axon to axon", lambda *a: bench_receipts(*a, work, *data(*large), runs)
    yield "1 seed, 8 downloaders", lambda *a: bench_swarm(*a, work, *data(*swarm), runs, 8)
    if not quick:
        # Disk and page cache hold such a file twice; what is in it does not matter here. The first transfer
        # is slow whoever makes it, for the ballast drove the source out of the cache: never less than three.
        huge = (work, 10 << 30, 4 << 20)
        few = max(3, runs // 2)
        yield "download 10 GiB", lambda *a: bench_download(*a, work, *data(*huge, sparse=True), few)
        yield "seed 10 GiB", lambda *a: bench_seed(*a, work, *data(*huge, sparse=True), few)
    yield "idle, 100 torrents", lambda *a: bench_idle(*a, work, 100, 3 if quick else 10)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small files, fewer cases")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="of each client (default 3)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--only", default="", metavar="WORD", help="cases whose name contains this")
    parser.add_argument("--work", type=Path, help="a folder for the data (default: the system's)")
    arguments = parser.parse_args()
    table = Table()
    with tempfile.TemporaryDirectory(prefix="axon-bench-", dir=arguments.work) as folder:
        for case, measure in cases(Path(folder), arguments.quick, arguments.runs):
            if arguments.only in case:
                measure(table, case)
    if arguments.json:
        arguments.json.write_text(json.dumps(table.rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
