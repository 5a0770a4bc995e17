"""The running tracker: both protocols, both families, both implementations, restart, reload, drain."""

import json
import signal
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from axon.bt.announce import AnnounceRequest, Event, TrackerPeer
from axon.bt.tracker_http import decode_scrape_response
from axon.ids import InfoHash, PeerId
from axon.keys import NodeSecret
from tests.tracker.running import Running, asked, tracker

HASH = InfoHash(b"\x01" * 20)
SECRET = NodeSecret(bytes(31) + b"\x09")


def request(
    port: int, left: int = 1, event: Event = Event.STARTED, info_hash: InfoHash = HASH
) -> AnnounceRequest:
    return AnnounceRequest(info_hash, PeerId(b"-AX0100-abcdefgh%04d" % port), port, left=left, event=event)


@pytest.fixture(scope="module", params=[(), ("--plain",)], ids=["compiled", "plain"])
def running(request: pytest.FixtureRequest) -> Iterator[Running]:
    with tracker(*request.param) as it:
        yield it


def test_http_and_udp_clients_find_each_other(running: Running) -> None:
    info_hash = InfoHash(b"\x02" * 20)
    assert running.announce(request(1001, info_hash=info_hash)).peers == ()
    answer = running.announce_udp(request(1002, 0, info_hash=info_hash))
    assert answer.peers == (TrackerPeer("127.0.0.1", 1001),) and (answer.seeders, answer.leechers) == (1, 1)
    again = running.announce(request(1001, info_hash=info_hash))
    assert again.peers == (TrackerPeer("127.0.0.1", 1002),) and again.external_ip == "127.0.0.1"
    assert 1800 <= again.interval <= 1980 and again.min_interval == 900
    running.announce_udp(request(1002, 0, Event.STOPPED, info_hash))
    assert running.announce(request(1001, info_hash=info_hash)).peers == ()


def raw(running: Running, data: bytes, until: bytes = b"") -> bytes:
    """Send bytes and read until the server closes, or `until` is there."""
    with socket.create_connection(running.http[0], timeout=20) as sock:
        sock.sendall(data)
        got = b""
        while not (until and until in got):
            more = sock.recv(65536)
            if not more:
                break
            got += more
        return got


GET = "GET /announce?info_hash={}&peer_id=-XX0000-aaaaaaaaaaaa&port={} HTTP/1.1\r\nHost: x\r\n{}\r\n"


def test_pipelined_requests_are_answered_in_order(running: Running) -> None:
    h = "p" * 20
    data = "".join(GET.format(h, port, "") for port in range(1, 30)) + "GET /health HTTP/1.1\r\n\r\n"
    data += GET.format(h, 99, "Connection: close\r\n")
    got = raw(running, data.encode())
    bodies = got.split(b"HTTP/1.1 200 OK")[1:]
    assert len(bodies) == 31
    assert [int(b.split(b"10:incompletei")[1].split(b"e")[0]) for b in bodies[:29]] == list(range(1, 30))
    assert bodies[29].endswith(b"ok\n") and b"Connection: close" in bodies[30]


@pytest.mark.parametrize("cut", [1, 5, 20, 60, 100, 118])
def test_a_request_may_come_in_pieces(running: Running, cut: int) -> None:
    data = GET.format("c" * 20, 5, "Connection: close\r\n").encode()
    with socket.create_connection(running.http[0], timeout=20) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(data[:cut])
        time.sleep(0.05)
        sock.sendall(data[cut:])
        assert b"8:interval" in sock.makefile("rb").read()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"nonsense\r\n\r\n", b"400 "),
        (b"GET / HTTP/3.0\r\n\r\n", b"400 "),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", b"400 "),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400 "),
        (b"POST /receipts HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"501 "),
        (b"POST /receipts HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", b"413 "),
        (b"POST /announce HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", b"405 "),
        (b"GET /x" + b"y" * 70_000 + b" HTTP/1.1\r\n\r\n", b"431 "),
        (b"GET /nothing HTTP/1.1\r\nConnection: close\r\n\r\n", b"404 "),
        (b"PUT /stats HTTP/1.1\r\nConnection: close\r\n\r\n", b"405 "),
        (b"GET /epochs/zz/1/receipts HTTP/1.1\r\nConnection: close\r\n\r\n", b"404 "),
    ],
)
def test_bad_requests_get_an_error_and_an_end(running: Running, data: bytes, expected: bytes) -> None:
    got = raw(running, data, until=b"\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 " + expected), got[:200]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("", b"port is missing"),
        ("info_hash=abc&peer_id=-XX0000-aaaaaaaaaaaa&port=1", b"info_hash: 3 bytes, want 20"),
        ("info_hash=%zz&peer_id=-XX0000-aaaaaaaaaaaa&port=1", b"info_hash: 3 bytes"),
        ("info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=-XX0000-aaaaaaaaaaaa&port=0", b"port 0"),
        ("info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=-XX0000-aaaaaaaaaaaa&port=99999", b"port: "),
    ],
)
def test_bad_announces_get_a_failure_reason(running: Running, query: str, reason: bytes) -> None:
    status, body = running.get(f"/announce?{query}")
    assert status == 200 and b"14:failure reason" in body and reason in body


def test_a_huge_numwant_is_capped(running: Running) -> None:
    for port in range(1, 400):
        running.get(f"/announce?info_hash={'n' * 20}&peer_id=-XX0000-aaaaaaaaaaaa&port={port}&numwant=0")
    _, body = running.get(
        f"/announce?info_hash={'n' * 20}&peer_id=-XX0000-aaaaaaaaaaaa&port=1000&numwant=99999999"
    )
    assert b"5:peers1200:" in body


def test_scrape_by_http(running: Running) -> None:
    info_hash = InfoHash(b"s" * 20)
    running.announce(request(1, 0, info_hash=info_hash))
    running.announce(request(2, 5, info_hash=info_hash))
    running.announce(request(2, 0, Event.COMPLETED, info_hash))
    running.announce(request(3, 5, Event.PAUSED, info_hash))
    _, body = running.get("/scrape?info_hash=" + "s" * 20 + "&info_hash=" + "t" * 20)
    files = decode_scrape_response(body).files
    assert files[info_hash] == (2, 1, 1, 0) and files[InfoHash(b"t" * 20)] == (0, 0, 0, 0)


def test_status_pages(running: Running) -> None:
    assert running.get("/health") == (200, b"ok\n")
    stats = running.stats()
    assert stats["torrents"] > 0 and stats["http_announces_total"] > 0
    metrics = running.get("/metrics")[1].decode()
    assert "# TYPE axon_tracker_udp_announces_total counter" in metrics
    assert all(len(line.split()) == 2 for line in metrics.splitlines() if not line.startswith("#"))
    assert b"torrents" in running.get("/stats")[1]


def test_long_form_answers(running: Running) -> None:
    running.announce(request(77, info_hash=InfoHash(b"l" * 20)))
    _, body = running.get(f"/announce?info_hash={'l' * 20}&peer_id=-XX0000-aaaaaaaaaaaa&port=2&compact=0")
    assert b"5:peersld2:ip9:127.0.0.14:porti77eee" in body


@pytest.mark.parametrize("plain", [False, True])
def test_ipv6_and_ipv4_meet_over_http(plain: bool) -> None:
    arguments = ("--http", "127.0.0.1:0", "--http", "[::1]:0", "--udp", "[::1]:0", *(["--plain"] * plain))
    with tracker(*arguments, default=False) as it:
        it.announce(request(1))
        host, port = it.http[1]
        with socket.create_connection((host, port), timeout=10) as sock:
            sock.sendall(GET.format("%01" * 20, 2, "Connection: close\r\n").encode())
            body = sock.makefile("rb").read()
        assert b"5:peers6:\x7f\0\0\1\0\1" in body
        six = it.announce_udp(request(3))
        assert six.peers6 == (TrackerPeer("::1", 2),) and six.leechers == 3
        assert it.announce(request(1)).peers6 in (
            (TrackerPeer("::1", 2), TrackerPeer("::1", 3)),
            (TrackerPeer("::1", 3), TrackerPeer("::1", 2)),
        )


@pytest.mark.parametrize("plain", [False, True])
def test_swarms_survive_a_restart_and_lists_are_reloaded(tmp_path: Path, plain: bool) -> None:
    deny = tmp_path / "deny"
    deny.write_text("# nothing yet\n")
    arguments = ("--data", str(tmp_path / "data"), "--deny-list", str(deny), *(["--plain"] * plain))
    with tracker(*arguments) as it:
        it.announce(request(1, 0))
        it.announce(request(2, 5, info_hash=InfoHash(b"\x03" * 20)))
        assert it.stop() == 0
    with tracker(*arguments) as it:
        assert it.announce(request(3)).peers == (TrackerPeer("127.0.0.1", 1),)
        assert it.stats()["torrents"] == 2
        deny.write_text(HASH.hex() + "\n")
        it.process.send_signal(signal.SIGHUP)
        for _ in range(100):
            if it.stats()["torrents"] == 1:
                break
            time.sleep(0.05)
        assert it.announce(request(3)).failure == "torrent not allowed on this tracker"
        assert it.announce(request(4, info_hash=InfoHash(b"\x03" * 20))).failure is None


def test_a_damaged_snapshot_is_reported_and_the_tracker_starts(tmp_path: Path) -> None:
    (tmp_path / "swarms").write_bytes(b"AXSWARM1" + bytes(90))
    with tracker("--data", str(tmp_path)) as it:
        assert it.announce(request(3)).failure is None


def test_forwarded_addresses_count_only_behind_a_trusted_proxy() -> None:
    for proxies, expected in (((), b"\x7f\0\0\1"), (("--proxy", "127.0.0.0/8"), b"\x08\x08\x04\x04")):
        with tracker(*proxies) as it:
            head = "Connection: close\r\nX-Forwarded-For: 6.6.6.6, 8.8.4.4, 127.0.0.9\r\n"
            got = raw(it, GET.format("x" * 20, 9, head).encode())
            assert b"11:external ip4:" + expected in got


def test_a_full_tracker_refuses_new_torrents_and_says_when_to_retry() -> None:
    with tracker("--memory", "1") as it:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect(it.udp[0])
            cid = asked(sock, struct.pack(">QII", 0x41727101980, 0, 1))[8:16]
            refused = 0
            for k in range(6000):
                head = cid + struct.pack(
                    ">II20s20sQQQIIIiH", 1, k, k.to_bytes(20, "big"), b"p" * 20, 0, 1, 0, 0, 0, 0, 1, 9
                )
                refused += asked(sock, head)[:4] == b"\0\0\0\3"
        assert 0 < refused < 6000
        answer = it.announce(request(1))
        assert answer.failure is not None and "full" in answer.failure and answer.retry_in == 60


def test_unknown_settings_and_taken_ports_are_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    from axon.tracker.__main__ import main

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["--http", f"127.0.0.1:{taken.getsockname()[1]}", "--udp", "none"]) == 1
    assert main(["--interval", "0"]) == 1
    assert main(["--allow-list", "/nonexistent"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and all(line.startswith("axon tracker: ") for line in lines)


def test_signed_announces_are_accounted(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    now = int(time.time())
    with tracker("--data", data) as it:
        good = AnnounceRequest(HASH, PeerId(b"-AX0100-abcdefghijkl"), 5, 100, 50, 7)
        it.announce_udp(good.signed(SECRET, now))
        it.announce_udp(good.signed(SECRET, now))  # a replay
        it.announce(AnnounceRequest(HASH, PeerId(b"-AX0100-bbbbbbbbbbbb"), 6, 11, 5, 0).signed(SECRET, now))
        forged = good.signed(SECRET, now + 1)
        it.announce_udp(
            AnnounceRequest(**{f: getattr(forged, f) for f in forged.__slots__} | {"uploaded": 9**9})
        )
        for _ in range(200):
            stats = it.stats()
            if stats["signed_announces_logged_total"] + stats["signed_announces_refused_total"] == 4:
                break
            time.sleep(0.05)
        assert (stats["signed_announces_logged_total"], stats["signed_announces_refused_total"]) == (2, 2)
        it.process.kill()
        it.process.wait()
    with tracker("--data", data) as it:
        account = json.loads(it.get(f"/accounts/{SECRET.public.hex()}")[1])
        assert account == {HASH.hex(): {"uploaded": 111, "downloaded": 55, "signed_at": now}}
