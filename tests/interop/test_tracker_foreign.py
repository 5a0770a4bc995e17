"""Our tracker client against opentracker and bittorrent-tracker; bittorrent-tracker's client against ours."""

import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import trio

from axon.bt.announce import AnnounceRequest, Event, ScrapeRequest, ScrapeResponse, TrackerPeer
from axon.bt.tracker_http import decode_scrape_response, scrape_url
from axon.bt.tracker_udp import ConnectReply, decode_reply, encode_connect, encode_scrape
from axon.ids import InfoHash, PeerId
from axon.peer.announcer import TrackerClient
from axon.peer.udp import UdpTrackers
from tests.tracker.running import asked, tracker

pytestmark = pytest.mark.interop
HERE = Path(__file__).resolve().parent
MODULES = HERE.parents[1] / ".tools" / "node_modules"
HASH = InfoHash(bytes(range(1, 21)))


def free_port() -> int:
    with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        udp.bind(("127.0.0.1", tcp.getsockname()[1]))
        return int(tcp.getsockname()[1])


@contextmanager
def started(command: list[str], port: int, folder: Path) -> Iterator[int]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        for _ in range(200):
            with socket.socket() as sock:
                if sock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def opentracker(folder: Path) -> AbstractContextManager[int]:
    port = free_port()
    (folder / "whitelist").write_text(HASH.hex() + "\n")
    (folder / "conf").write_text(
        f"listen.tcp_udp 127.0.0.1:{port}\naccess.whitelist whitelist\n"
        "tracker.rootdir .\ntracker.user nobody\n"
    )
    for path in (folder, *folder.parents[:3]):  # it gives up its rights before it reads the list
        if path.stat().st_uid and path.owner() != "root":
            break
        path.chmod(path.stat().st_mode | 0o055)
    (folder / "whitelist").chmod(0o644)
    return started(["opentracker", "-f", "conf"], port, folder)


def node_tracker(folder: Path) -> AbstractContextManager[int]:
    port = free_port()
    script = HERE.parents[1] / "benchmarks" / "tracker_node.mjs"
    return started(["node", str(script), str(MODULES), str(port), "1000"], port, folder)


def scrape(url: str) -> ScrapeResponse:
    """Scrape one torrent, blocking."""
    request = ScrapeRequest((HASH,))
    if url.startswith("http"):
        target = scrape_url(url, request)
        assert target is not None
        with urllib.request.urlopen(target, timeout=10) as answer:
            return decode_scrape_response(answer.read())
    port = int(url.rpartition(":")[2].partition("/")[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        connected = decode_reply(asked(sock, encode_connect(1)), 1, socket.AF_INET)
        assert isinstance(connected, ConnectReply)
        scraped = asked(sock, encode_scrape(connected.connection_id, 2, request))
        answer = decode_reply(scraped, 2, socket.AF_INET, [HASH])
        assert isinstance(answer, ScrapeResponse)
        return answer


@pytest.mark.parametrize("scheme", ["http", "udp"])
@pytest.mark.parametrize("start", [opentracker, node_tracker])
async def test_our_client_announces_and_scrapes(
    start: Callable[[Path], AbstractContextManager[int]],
    scheme: str,
    tmp_path: Path,
) -> None:
    with start(tmp_path) as port:
        url = f"{scheme}://127.0.0.1:{port}/announce"
        async with trio.open_nursery() as nursery:
            udp = UdpTrackers()
            await nursery.start(udp.run)
            client = TrackerClient(udp)

            def request(k: int, left: int, event: Event = Event.STARTED) -> AnnounceRequest:
                return AnnounceRequest(HASH, PeerId(b"-AX0100-%012d" % k), 7000 + k, left=left, event=event)

            await client.announce(url, request(1, 0))
            answer = await client.announce(url, request(2, 5))
            assert TrackerPeer("127.0.0.1", 7001) in [TrackerPeer(p.host, p.port) for p in answer.peers]
            assert (answer.seeders, answer.leechers) == (1, 1) and answer.interval > 0
            counts = (await trio.to_thread.run_sync(scrape, url)).files[HASH]
            assert (counts.seeders, counts.leechers) == (1, 1)
            await client.announce(url, request(1, 0, Event.STOPPED))
            assert (await client.announce(url, request(2, 5, Event.NONE))).seeders == 0
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("scheme", ["http", "udp"])
def test_bittorrent_trackers_client_announces_and_scrapes_here(scheme: str) -> None:
    with tracker() as it:
        it.announce(AnnounceRequest(HASH, PeerId(b"-AX0100-aaaaaaaaaaaa"), 7001, left=0))
        url = it.udp_url if scheme == "udp" else it.base + "/announce"
        command = ["node", str(HERE / "tracker_client.mjs"), str(MODULES), url, HASH.hex(), "7002"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert (told["complete"], told["incomplete"], told["peers"]) == (1, 1, ["127.0.0.1:7001"])
        assert (told["scrape"]["complete"], told["scrape"]["incomplete"]) == (1, 1)
