"""Hostile clients: idle crowds, floods, readers who do not read; honest ones are served on."""

import contextlib
import random
import resource
import socket
import time

import pytest

from axon.bt.announce import AnnounceRequest
from axon.ids import InfoHash, PeerId
from tests.tracker.running import Running, tracker

REQUEST = AnnounceRequest(InfoHash(b"h" * 20), PeerId(b"-AX0100-abcdefghijkl"), 6881, left=5)


def served(it: Running) -> None:
    assert it.announce(REQUEST).failure is None
    assert it.announce_udp(REQUEST).leechers == 1


@pytest.mark.slow
def test_ten_thousand_idle_connections_and_half_requests() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 10_000 if hard == resource.RLIM_INFINITY else min(10_000, hard - 1000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 12_000) if hard > 0 else 12_000, hard))
    try:
        with tracker("--connections", "20000") as it, contextlib.ExitStack() as stack:
            for k in range(wanted):
                sock = stack.enter_context(socket.socket())
                sock.bind((f"127.0.{1 + k // 5000}.1", 0))
                sock.settimeout(20)
                sock.connect(it.http[0])
                sock.send(b"GET /announce?info_hash=" if k % 2 else b"GET /health HTTP/1.1\r\n\r\n")
                if k % 1000 == 999:
                    served(it)
            assert it.stats()["http_connections"] >= wanted // 2
            served(it)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_when_connections_run_out_the_longest_silent_ones_go() -> None:
    with tracker("--connections", "50") as it, contextlib.ExitStack() as stack:
        for _ in range(300):
            sock = stack.enter_context(socket.create_connection(it.http[0], timeout=20))
            sock.send(b"GET /announce?half")
        served(it)
        assert it.stats()["http_connections"] <= 50


def test_a_flood_from_a_thousand_addresses_stops_nobody() -> None:
    noise = random.Random(5)
    with tracker() as it, contextlib.ExitStack() as stack:
        socks = []
        for k in range(1000):
            sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sock.setblocking(False)
            sock.bind((f"127.1.{k // 250}.{1 + k % 250}", 0))
            socks.append(sock)
        end = time.monotonic() + 2
        sent = 0
        while time.monotonic() < end:
            for sock in socks:
                with contextlib.suppress(OSError):
                    sock.sendto(noise.randbytes(98), it.udp[0])
                    sock.sendto(b"\0\0\x04\x17\x27\x10\x19\x80" + bytes(8), it.udp[0])
                sent += 2
            served(it)
        stats = it.stats()
        assert stats["peers"] == 1 and stats["udp_connects_total"] > 1000


def test_no_answer_is_longer_than_the_question_before_an_id_is_good() -> None:
    noise = random.Random(6)
    with tracker() as it, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.02)
        sock.connect(it.udp[0])
        for size in (*range(120), 500, 1400, 2048):
            data = bytearray(noise.randbytes(size))
            data[8:12] = noise.choice([b"\0\0\0\1", b"\0\0\0\2", b"\0\0\0\0", b"\0\0\0\7"])[
                : max(0, size - 8)
            ]
            sock.send(bytes(data))
            with contextlib.suppress(TimeoutError):
                assert len(sock.recv(4096)) <= len(data)
        served(it)


def test_a_client_that_never_reads_costs_little_and_is_dropped() -> None:
    with tracker() as it:
        for k in range(1, 200):
            it.get(f"/announce?info_hash={'h' * 20}&peer_id=-XX0000-aaaaaaaaaaaa&port={k}&numwant=0")
        line = b"GET /announce?info_hash=" + b"h" * 20 + b"&peer_id=-XX0000-aaaaaaaaaaaa&port=5&numwant=200"
        with socket.create_connection(it.http[0], timeout=5) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            with pytest.raises(OSError):
                for _ in range(100_000):
                    sock.sendall((line + b" HTTP/1.1\r\n\r\n") * 20)
        assert it.get("/health")[0] == 200


def test_a_body_that_never_comes_holds_nobody_up() -> None:
    with tracker() as it, contextlib.ExitStack() as stack:
        for _ in range(100):
            sock = stack.enter_context(socket.create_connection(it.http[0], timeout=20))
            sock.sendall(b"POST /receipts HTTP/1.1\r\nContent-Length: 236000\r\n\r\nabc")
        served(it)
