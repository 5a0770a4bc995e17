"""HOSTILE 15, 22, 27, 28: a download as a process, among liars, on a small disk, killed and killed again."""

import contextlib
import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import sha1
from pathlib import Path

import pytest

from axon.bt.bencode import encode
from tests.hostile.attackers import answering, resident
from tests.interop.peers import download, ours, seed
from tests.peer.swarming import make_file

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads memory from /proc")

SIZE, PIECE = 6 << 20, 1 << 18
MEMORY = 160 << 20  # bytes; a download that nobody attacks takes about 70 MiB


def torrent(content: Path, target: Path, **outer: object) -> Path:
    """A v1 torrent of one file; `outer` goes beside the info dictionary."""
    data = content.read_bytes()
    pieces = b"".join(sha1(data[at : at + PIECE]).digest() for at in range(0, len(data), PIECE))
    info = {b"name": b"file.bin", b"length": len(data), b"piece length": PIECE, b"pieces": pieces}
    target.write_bytes(
        encode({b"info": info} | {key.replace("_", "-").encode(): v for key, v in outer.items()})
    )
    return target


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_file(tmp_path_factory.mktemp("content"), SIZE)


def request(sock: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data and (part := sock.recv(4096)):
        data += part
    return data


def saying(first: bytes, then: bytes = b"", pause: float = 0.0) -> Callable[[socket.socket], None]:
    """A server that says one thing, then another for ever."""

    def serve(sock: socket.socket) -> None:
        request(sock)
        sock.sendall(first)
        while then:
            sock.sendall(then)
            time.sleep(pause)

    return serve


OK = b"HTTP/1.1 200 OK\r\n"
TRACKERS = {
    "endless chunks": saying(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"400\r\n" + b"x" * 1024 + b"\r\n"),
    "endless headers": saying(OK, b"X: y\r\n" * 100),
    "an endless line": saying(b"", b"x" * 1000),
    "a drip": saying(OK, b"X", 0.1),
    "a redirect loop": saying(b"HTTP/1.1 302 F\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"),
    "a redirect to nowhere": saying(b"HTTP/1.1 302 F\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n"),
    "half a peer": saying(OK + b"\r\nd8:intervali0e5:peers5:abcdee"),
    "interval zero": saying(OK + b"\r\nd8:intervali0e5:peers0:e"),
    "interval huge": saying(OK + b"\r\nd8:intervali18446744073709551615e5:peers0:e"),
    "deep lists": saying(OK + b"\r\n" + b"l" * 500_000),
    "a terminal escape": saying(OK + b"\r\nd14:failure reason8:\x1b]0;a\x07\x1b[e"),
    "a status that is no number": saying("HTTP/1.1 ²00 OK\r\n\r\n".encode("latin-1")),
    "nothing": saying(b""),
    "noise": saying(random.Random(1).randbytes(5000)),
}


def test_a_download_among_lying_trackers_completes_in_bounded_memory(content: Path, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(answering(serve)) for serve in TRACKERS.values()]
        tiers: list[object] = [[b"http://127.0.0.1:%d/announce" % port] for port in ports]
        tiers += [[b"http://[/announce"], [b"udp://127.0.0.1:9/announce"], [b"http://127.0.0.1:99999/a"]]
        made = torrent(content, tmp_path / "t", announce_list=tiers)
        source = stack.enter_context(seed(made, content.parent, tmp_path / "a", "--max-up", "2M"))
        peer = stack.enter_context(
            download(made, tmp_path / "d", tmp_path / "b", "--peer", f"127.0.0.1:{source.port}")
        )
        peer.wait_for("complete")
        assert resident(peer.process.pid) < MEMORY
        assert peer.finish() == 0, peer.process.stderr.read()
        assert source.process.poll() is None
    assert (tmp_path / "d" / "file.bin").read_bytes() == content.read_bytes()


def partial(content_range: bytes, body: bytes, then: bytes = b"") -> Callable[[socket.socket], None]:
    head = b"HTTP/1.1 206 P\r\nContent-Range: %b\r\nContent-Length: %d\r\n\r\n" % (content_range, len(body))
    return saying(head + body, then)


WEB_SEEDS = {
    "another range": partial(b"bytes 5-16388/%d" % SIZE, bytes(16384)),
    "another total": partial(b"bytes 0-16383/5", bytes(16384)),
    "no range": partial(b"x", bytes(16384)),
    "everything": saying(OK + b"Content-Length: %d\r\n\r\n" % SIZE, bytes(65536)),
    "without end": saying(OK + b"\r\n", bytes(65536)),
    "short": saying(
        b"HTTP/1.1 206 P\r\nContent-Range: bytes 0-9/%d\r\nContent-Length: 99999\r\n\r\nx" % SIZE
    ),
    "a redirect loop": saying(b"HTTP/1.1 301 M\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"),
    "a packed bomb": saying(
        OK + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08\0\0\0\0\0\0\3", b"\0\0\0\xff\xff" * 99
    ),
}


def wrong_bytes(sock: socket.socket) -> None:
    """Answers every range as it should, but with zeros."""
    while asked := request(sock):
        first, last = map(int, asked.partition(b"bytes=")[2].partition(b"\r\n")[0].split(b"-"))
        head = b"HTTP/1.1 206 P\r\nContent-Range: bytes %d-%d/%d\r\nContent-Length: %d\r\n\r\n"
        sock.sendall(head % (first, last, SIZE, last - first + 1) + bytes(last - first + 1))


def test_a_download_among_lying_web_seeds_completes_in_bounded_memory(content: Path, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(answering(serve)) for serve in (*WEB_SEEDS.values(), wrong_bytes)]
        urls = [b"http://127.0.0.1:%d/file.bin" % port for port in ports]
        made = torrent(content, tmp_path / "t", url_list=urls)
        source = stack.enter_context(seed(made, content.parent, tmp_path / "a"))
        peer = stack.enter_context(
            download(made, tmp_path / "d", tmp_path / "b", "--peer", f"127.0.0.1:{source.port}")
        )
        peer.wait_for("complete")
        assert resident(peer.process.pid) < MEMORY
        assert peer.finish() == 0, peer.process.stderr.read()
    assert (tmp_path / "d" / "file.bin").read_bytes() == content.read_bytes()


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator[bool]:
    """A disk of its own for `folder`, of `size` bytes; False if we may not mount one."""
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, check=False
    )
    try:
        yield mount.returncode == 0
    finally:
        if mount.returncode == 0:
            subprocess.run(["umount", "-l", folder], check=True)


def enlarge(folder: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", folder], check=True)


def test_a_full_disk_is_named_nothing_is_lost_and_with_room_it_goes_on(content: Path, tmp_path: Path) -> None:
    made = torrent(content, tmp_path / "t")
    folder, data = tmp_path / "d", tmp_path / "b"
    with contextlib.ExitStack() as stack:
        mounted = stack.enter_context(small_disk(folder, SIZE // 2))
        source = stack.enter_context(seed(made, content.parent, tmp_path / "a"))
        source.wait_for("added")
        to = ("--peer", f"127.0.0.1:{source.port}")
        old = resource.getrlimit(resource.RLIMIT_FSIZE)
        if not mounted:  # a limit on the size of files serves as well
            resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE // 2, old[1]))
        try:
            peer = stack.enter_context(download(made, folder, data, *to))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, old)
        trouble = peer.wait_for("error")
        assert "file.bin" in trouble["message"], trouble
        peer.stop()
        if mounted:
            enlarge(folder, 4 * SIZE)
        again = stack.enter_context(download(made, folder, data, *to))
        added = again.wait_for("added")
        assert added["have"] > 0, "what was on disk is not fetched again"
        assert again.finish() == 0, again.process.stderr.read()
        assert (folder / "file.bin").read_bytes() == content.read_bytes()
        assert source.process.poll() is None


def test_a_full_disk_for_the_programs_own_files_loses_no_content(content: Path, tmp_path: Path) -> None:
    made = torrent(content, tmp_path / "t")
    with contextlib.ExitStack() as stack:
        if not stack.enter_context(small_disk(tmp_path / "b", 64 << 10)):
            pytest.xfail("we may not mount a disk")
        source = stack.enter_context(seed(made, content.parent, tmp_path / "a"))
        peer = stack.enter_context(
            download(made, tmp_path / "d", tmp_path / "b", "--peer", f"127.0.0.1:{source.port}")
        )
        code = peer.finish()
        errors = peer.process.stderr.read()
        assert "Traceback" not in errors
        assert code == 0 or errors.count("\n") == 1, errors
        if code == 0:
            assert (tmp_path / "d" / "file.bin").read_bytes() == content.read_bytes()


@pytest.mark.slow
def test_kill_9_again_and_again_loses_no_piece_that_was_counted(content: Path, tmp_path: Path) -> None:
    made = torrent(content, tmp_path / "t")
    chance = random.Random(os.urandom(8))
    folder, data = tmp_path / "d", tmp_path / "b"
    pieces = SIZE // PIECE
    with seed(made, content.parent, tmp_path / "a", "--max-up", "6M") as source:
        source.wait_for("added")
        to = ("--peer", f"127.0.0.1:{source.port}", "--listen", "127.0.0.1:0", "--dir", folder)
        best = 0
        for _ in range(40):
            with ours("download", made, *to, data=data) as peer:
                have = peer.wait_for("added")["have"]
                right = count_right(folder / "file.bin", content)
                assert have <= right, "it believes in pieces that are not there"
                # Of what was there at the kill, at most the pieces being written at that instant may be
                # forgotten, and those are found again by their hash.
                assert have >= best - 2, (have, best)
                best = max(best, have)
                if have == pieces:
                    break
                time.sleep(chance.uniform(0.0, 0.6))
                if peer.process.poll() is not None:
                    assert peer.process.returncode == 0
                else:
                    peer.process.send_signal(signal.SIGKILL)
        else:
            raise AssertionError(f"only {best} of {pieces} pieces after 40 lives")
    assert (folder / "file.bin").read_bytes() == content.read_bytes()
    # The receipts of all those lives contradict nobody.
    listed = subprocess.run(
        [sys.executable, "-m", "axon.peer", "receipts", "--data", str(tmp_path / "a"), "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows = [json.loads(line) for line in listed.stdout.splitlines()]
    taken = [row for row in rows if row["role"] == "received"]
    assert sum(row["blocks"] for row in taken) <= pieces * PIECE // 16384


def count_right(path: Path, content: Path) -> int:
    """Pieces on disk that are what they should be."""
    if not path.exists():
        return 0
    have, want = path.read_bytes(), content.read_bytes()
    return sum(have[at : at + PIECE] == want[at : at + PIECE] for at in range(0, SIZE, PIECE))
