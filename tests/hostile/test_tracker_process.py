"""HOSTILE 24: requests that ended, or filled, a tracker; it goes on serving."""

import contextlib
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from axon.bt.announce import AnnounceRequest
from axon.ids import InfoHash, PeerId
from fuzz.mutate import mutate
from fuzz.targets import TARGETS
from tests.hostile.attackers import resident
from tests.tracker.running import Running, tracker

REQUEST = AnnounceRequest(InfoHash(b"h" * 20), PeerId(b"-AX0100-abcdefghijkl"), 6881, left=5)
QUERY = b"GET /announce?info_hash=" + b"h" * 20 + b"&peer_id=-XX0000-abcdefghijkl&port=7"


@pytest.fixture(scope="module", params=["compiled", "plain"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    flags = ["--plain"] if request.param == "plain" else []
    with tracker("--data", str(tmp_path_factory.mktemp("data")), *flags) as it:
        yield it


def served(it: Running) -> None:
    assert it.process.poll() is None, f"the tracker ended with {it.process.returncode}"
    assert it.announce(REQUEST).failure is None
    assert it.announce_udp(REQUEST).leechers is not None


def send(it: Running, data: bytes) -> None:
    with contextlib.suppress(OSError), socket.create_connection(it.http[0], timeout=5) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass


def post(path: bytes, body: bytes) -> bytes:
    return b"POST %b HTTP/1.1\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (path, len(body), body)


@pytest.mark.parametrize(
    "data",
    [
        QUERY + b"&ipv4=1.2.3.4:" + b"0" * 5000 + b" HTTP/1.1\r\n\r\n",
        QUERY + b"&ipv6=%5B::1%5D:" + b"9" * 9000 + b" HTTP/1.1\r\n\r\n",
        QUERY + b"&key=" + b"f" * 9000 + b" HTTP/1.1\r\n\r\n",
        QUERY + b"&numwant=" + b"9" * 9000 + b" HTTP/1.1\r\n\r\n",
        QUERY + b"&node_key=zz&signature=\xff HTTP/1.1\r\n\r\n",
        QUERY + b" HTTP/1.1\r\nX-Forwarded-For: " + b"," * 9000 + b"\r\n\r\n",
        b"GET /epochs/0x" + b"0" * 40 + b"/" + b"9" * 5000 + b"/receipts HTTP/1.1\r\n\r\n",
        b"GET /accounts/" + "²".encode() * 32 + b" HTTP/1.1\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\n\r\n",
        b"GET http:// HTTP/1.1\r\n\r\n",
        post(b"/attest", b"[" * 100_000),
        post(b"/attest", b'{"a":' * 100_000),
        post(b"/attest", b'{"keys":[],"edges":[],"chain_id":1e999}'),
        post(b"/receipts", b"\xff" * 236 * 20),
    ],
    ids=lambda data: data[:24].decode("latin-1"),
)
def test_no_request_ends_the_tracker(running: Running, data: bytes) -> None:
    send(running, data)
    served(running)


def test_no_mutant_of_a_request_ends_the_tracker(running: Running) -> None:
    chance = random.Random(3)
    heads = [seed + b"\r\n\r\n" for seed in TARGETS["requests"].seeds()]
    words = (*TARGETS["tracker_plain"].words, b"\r\n\r\n")
    for _ in range(300):
        send(running, mutate(chance.choice(heads), chance, heads, words))
    datagrams = TARGETS["tracker_udp"].seeds()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(2000):
            with contextlib.suppress(OSError):
                sock.sendto(mutate(chance.choice(datagrams), chance, datagrams, ())[:2000], running.udp[0])
    served(running)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads memory from /proc")
def test_bodies_of_many_are_bounded_together(running: Running) -> None:
    """Each is told at once how much its path takes; those that may be long share a budget."""
    before = resident(running.process.pid)
    part = bytes(1 << 20)
    refused = 0
    with contextlib.ExitStack() as stack:
        for k in range(30):
            sock = stack.enter_context(socket.create_connection(running.http[0], timeout=5))
            path, size = (b"/attest", 32 << 20) if k % 2 else (b"/stats", 64 << 20)
            with contextlib.suppress(OSError):
                sock.sendall(b"POST %b HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (path, size))
                for _ in range(31):
                    sock.sendall(part)
                continue
            refused += 1
        assert refused >= 15
        served(running)
    assert resident(running.process.pid) - before < 400 << 20
