"""How fast the tracker is, beside opentracker (C) and bittorrent-tracker (node) in the same run.

    python benchmarks/tracker.py [--quick] [--json FILE] [--only WORD] [--node-modules DIR]

Prints a table; `--json` writes a list of rows: case, server, per_s, cpu_us (of the server's
processes, a request), and where they apply p50_us, p99_us, peers (a reply), failed, mb_per_100k.
Swarms: "one" is one torrent of 10,000 peers, "many" is 10,000 torrents of 20. The load generators
share the machine with the server, so only ratios within one run mean anything.

Needs gcc and wrk; servers that are not installed are left out, and named.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from axon.bt.announce import AnnounceRequest
from axon.bt.tracker_http import encode_announce_query
from axon.bt.tracker_udp import encode_announce
from axon.ids import InfoHash, PeerId
from axon.keys import NodeSecret

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SWARMS = {"one": (1, 10_000), "many": (10_000, 20)}
ROWS = []


def row(case, server, per_s, cpu_us=None, **more):
    ROWS.append({"case": case, "server": server, "per_s": per_s, "cpu_us": cpu_us, **more})
    facts = " ".join(f"{name}={value}" for name, value in more.items() if value is not None)
    print(f"{case:26} {server:20} {per_s or 0:>10,.0f} /s {cpu_us or 0:>8.1f} us  {facts}", flush=True)


# Servers: each starts one on a free port and returns (process, port, pids).


def free_port():
    with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        udp.bind(("127.0.0.1", tcp.getsockname()[1]))
        return tcp.getsockname()[1]


def axon(*extra):
    def start(folder):
        command = [sys.executable, "-m", "axon.tracker", "--http", "127.0.0.1:0", "--udp", "127.0.0.1:0"]
        command += ["--json", "--log", "error", *(x.format(folder=folder) for x in extra)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        where = json.loads(process.stdout.readline())
        port = int(where["udp"][0].rpartition(":")[2])
        assert where["http"][0].endswith(f":{port}"), "one port for both, please run again"
        return process, port

    return start


def opentracker(folder):
    port = free_port()
    shutil.copy(folder / "hashes", folder / "whitelist")
    (folder / "ot.conf").write_text(
        f"listen.tcp_udp 127.0.0.1:{port}\naccess.whitelist whitelist\n"
        f"tracker.rootdir .\ntracker.user {'nobody' if os.getuid() == 0 else os.getlogin()}\n"
    )
    folder.chmod(0o755)
    command = ["opentracker", "-f", str(folder / "ot.conf")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
    wait_for(port)
    return process, port


def node(modules):
    def start(folder):
        port = free_port()
        command = ["node", str(HERE / "tracker_node.mjs"), str(modules), str(port), "20000"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "ready\n", "bittorrent-tracker does not start"
        return process, port

    return start


def wait_for(port):
    for _ in range(100):
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


def family_of(pid):
    """A process and its children: ours has a worker for signatures."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(p for child in children for p in family_of(int(child)))]


class Running:
    def __init__(self, start, folder):
        self.process, self.port = start(folder)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def pids(self):
        return family_of(self.process.pid)

    def cpu(self):
        """Seconds of CPU so far."""
        ticks = 0
        for pid in self.pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


# Load.


def udp(folder, server, swarm, seconds, *extra):
    torrents, peers = swarm
    command = [str(folder / "load"), "-p", str(server.port), "-t", str(torrents), "-n", str(peers)]
    command += ["-S", "32", "-w", "4", "-d", str(seconds), "-P", ",".join(map(str, server.pids)), *extra]
    output = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    return {
        line.split()[0]: dict(re.findall(r"([\w/]+)=(-?[\d.]+)", line))
        for line in output.splitlines()
        if line
    }


def udp_row(case, name, run):
    run = run["RUN"]
    failed = sum(int(run[key]) for key in ("err", "lost", "bad"))
    row(
        case,
        name,
        float(run["rate"]),
        float(run["srv_us/req"]),
        p50_us=float(run["p50"]),
        p99_us=float(run["p99"]),
        peers=float(run["peers/reply"]),
        failed=failed,
    )
    return float(run["rate"])


def http(folder, server, swarm, seconds, *, keep, signed=None):
    env = os.environ | {"T": str(swarm[0]), "N": str(swarm[1]), "KA": "1" if keep else "0"}
    env |= {"HASHES": str(folder / "hashes")} | ({"SIGNED": str(signed)} if signed else {})
    base = ["wrk", "-t1", "-s", str(HERE / "tracker_load.lua"), f"http://127.0.0.1:{server.port}"]
    check = subprocess.run(
        [*base, "-c8", "-d1s"], env=env | {"VALIDATE": "1"}, capture_output=True, text=True, timeout=60
    ).stdout
    valid = dict(re.findall(r"(ok|bad|peers)=(\d+)", check))
    before = server.cpu()
    output = subprocess.run(
        [*base, "-c32", f"-d{seconds}s", "--latency"], env=env, capture_output=True, text=True, timeout=60
    ).stdout
    cpu = server.cpu() - before
    done = int(re.search(r"(\d+) requests in", output)[1])
    latency = {p: microseconds(v) for p, v in re.findall(r"^\s+(50|99)%\s+(\S+)$", output, re.M)}
    return {
        "per_s": float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1]),
        "cpu_us": round(cpu * 1e6 / done, 1) if done else None,
        "p50_us": latency.get("50"),
        "p99_us": latency.get("99"),
        "peers": round(int(valid["peers"]) / int(valid["ok"]), 1) if int(valid.get("ok", 0)) else None,
        "failed": int(valid.get("bad", 0)),
    }


def microseconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]


def sign(folder, count):
    """Signed announces of one node key, as datagrams and as queries."""
    secret, now = NodeSecret(bytes(31) + b"\x01"), int(time.time())
    with (folder / "hashes").open() as file:
        info_hash = InfoHash(bytes.fromhex(file.readline().strip()))
    datagrams, queries = bytearray(), []
    for k in range(count):
        request = AnnounceRequest(info_hash, PeerId(b"-AX0100-%012d" % k), 1024 + k % 60000, numwant=50)
        request = request.signed(secret, now)
        data = encode_announce(0, 0, request, "udp://t/announce")
        datagrams += len(data).to_bytes(2, "big") + data
        queries.append(encode_announce_query(request))
    (folder / "signed.udp").write_bytes(datagrams)
    (folder / "signed.http").write_text("\n".join(queries) + "\n")


# Cases.


def announces(folder, servers, seconds):
    for swarm_name, swarm in SWARMS.items():
        for name, start in servers.items():
            with Running(start, folder) as server:
                run = udp(folder, server, swarm, seconds, "-f")
                rate = udp_row(f"udp {swarm_name}", name, run)
                half = udp(folder, server, swarm, seconds, "-r", str(int(rate / 2)))
                udp_row(f"udp {swarm_name} at half load", name, half)
                for keep in (True, False):
                    result = http(folder, server, swarm, seconds, keep=keep)
                    row(f"http {swarm_name} {'keep-alive' if keep else 'close'}", name, **result)


def signatures(folder, servers, seconds):
    sign(folder, 20_000)
    swarm = SWARMS["one"]
    for name, start in servers.items():
        with Running(start, folder) as server:
            run = udp(folder, server, swarm, seconds, "-f", "-G", str(folder / "signed.udp"), "-q", "10")
            udp_row("udp one, 10 % signed", name, run)
    for name, start in servers.items():
        with Running(start, folder) as server:
            udp(folder, server, swarm, 1, "-F")
            result = http(folder, server, swarm, seconds, keep=True, signed=folder / "signed.http")
            row("http one keep-alive, 10 % signed", name, **result)


def memory(folder, servers, sizes):
    for label, swarm in sizes.items():
        for name, start in servers.items():
            if name == "bittorrent-tracker" and swarm[0] * swarm[1] > 300_000:
                continue  # it takes minutes
            with Running(start, folder) as server:
                fill = udp(folder, server, swarm, 1, "-F")["PREFILL"]
                row(
                    f"fill {label} peers",
                    name,
                    float(fill["rate"]),
                    float(fill["cpu_us/req"]),
                    mb_per_100k=float(fill["per100k"]),
                    failed=int(fill["lost"]) + int(fill["err"]) + int(fill["bad"]),
                )


def flood(folder, servers, seconds):
    """What honest clients see while 1,000 addresses ask for connection ids as fast as they can."""
    for name, start in servers.items():
        with Running(start, folder) as server:
            udp(folder, server, SWARMS["one"], 1, "-F")
            command = [
                str(folder / "load"),
                "-p",
                str(server.port),
                "-S",
                "1000",
                "-w",
                "4",
                "-a",
                "-m",
                "connect",
            ]
            crowd = subprocess.Popen([*command, "-d", str(seconds + 2)], stdout=subprocess.DEVNULL)
            time.sleep(1)
            run = udp(folder, server, SWARMS["one"], seconds, "-r", "2000")
            udp_row("udp one, 2000/s in a flood", name, run)
            crowd.wait(30)


def expiry(peers):
    """How long the compiled store needs to drop a million silent peers, and how long its longest slice is."""
    from axon.tracker.faststore import FastSwarms

    store = FastSwarms(1, secret=bytes(16))
    for k in range(peers):
        info_hash = (k // 100).to_bytes(20, "big")
        store.announce(info_hash, 0, k.to_bytes(6, "big"), left=k % 3, event=0, want=0, tick=0)
    store.sweep(0, 1)
    gone, worst, start = 0, 0.0, time.perf_counter()
    while gone < peers:
        slice_start = time.perf_counter()
        gone += store.sweep(100, 20_000)
        worst = max(worst, time.perf_counter() - slice_start)
    seconds = time.perf_counter() - start
    row(
        f"expire {peers:,} peers",
        "axon",
        peers / seconds,
        seconds * 1e6 / peers,
        longest_ms=round(worst * 1e3, 2),
    )
    store.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a second each, in place of four")
    parser.add_argument("--json", metavar="FILE", type=Path)
    parser.add_argument(
        "--only", metavar="WORD", default="", help="announces, signatures, flood, memory or expiry"
    )
    parser.add_argument(
        "--node-modules",
        metavar="DIR",
        type=Path,
        default=Path(os.environ.get("AXON_NODE_MODULES", ROOT / ".tools" / "node_modules")),
    )
    options = parser.parse_args()
    for tool in ("gcc", "wrk"):
        if not shutil.which(tool):
            raise SystemExit(f"{tool} is missing")
    servers = {"axon": axon(), "axon --plain": axon("--plain")}
    if shutil.which("opentracker"):
        servers["opentracker"] = opentracker
    else:
        print("opentracker is not installed: left out", file=sys.stderr)
    if shutil.which("node") and (options.node_modules / "bittorrent-tracker").exists():
        servers["bittorrent-tracker"] = node(options.node_modules.resolve())
    else:
        print(f"bittorrent-tracker is not in {options.node_modules}: left out", file=sys.stderr)
    seconds = 1 if options.quick else 4
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        load = str(folder / "load")
        subprocess.run(["gcc", "-O2", "-o", load, str(HERE / "tracker_load.c")], check=True)
        with (folder / "hashes").open("w") as file:
            subprocess.run([load, "-H", "-t", "10000"], stdout=file, check=True)
        with Running(servers["axon"], folder):
            pass  # compiles the kernels, if they are not
        if options.only in ("", "announces"):
            announces(folder, servers, seconds)
        if options.only in ("", "signatures"):
            ours = {"axon, accounts": axon("--data", "{folder}/data"), "axon": axon()}
            signatures(folder, ours, seconds)
        if options.only in ("", "flood"):
            flood(folder, {n: s for n, s in servers.items() if n != "bittorrent-tracker"}, seconds)
        if options.only in ("", "memory"):
            sizes = {"200,000": (10_000, 20)} | ({} if options.quick else {"1,000,000": (10_000, 100)})
            memory(folder, servers, sizes)
        if options.only in ("", "expiry"):
            expiry(100_000 if options.quick else 1_000_000)
    if options.json:
        options.json.write_text(json.dumps(ROWS, indent=1) + "\n")


if __name__ == "__main__":
    main()
