"""Targets beside BitTorrent's own: the HTTP client, proofs, resume data."""

import os
import struct
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from fuzz.target import Run, Target

__all__ = ["TARGETS"]


def _http_client() -> Run:
    import trio

    from axon.peer import http

    class Canned(trio.abc.Stream):
        """A server that says what it says, in pieces, whatever it is asked."""

        def __init__(self, data: bytes, step: int) -> None:
            self.data, self.step = data, step

        async def receive_some(self, max_bytes: int | None = None) -> bytes:
            part = self.data[: min(self.step, max_bytes or 65536)]
            self.data = self.data[len(part) :]
            return part

        async def send_all(self, data: bytes | bytearray | memoryview) -> None:
            return None

        async def wait_send_all_might_not_block(self) -> None:
            return None

        async def aclose(self) -> None:
            return None

    class Session(http.HttpSession):
        """Every host is the same server."""

        def __init__(self, data: bytes, step: int) -> None:
            super().__init__()
            self.server = Canned(data, step)

        async def _connect(self, url: str, public_only: bool) -> http.HttpConnection:
            http.split_url(url)
            return http.HttpConnection(self.server, "127.0.0.1")

    async def fetch(data: bytes) -> None:
        session = Session(data[1:], 1 + 97 * data[0])
        response = await session._follow("http://t/announce", 1 << 16, {})
        assert len(response.body) <= 1 << 16

    def run(data: bytes) -> None:
        if data:
            # No trio.run for each input: nothing in here waits for anything.
            task = fetch(data)
            try:
                task.send(None)
            except StopIteration:
                return
            finally:
                task.close()
            raise AssertionError("the client waits for a server that has answered")

    return run


def _http_client_seeds() -> Sequence[bytes]:
    import gzip

    packed = gzip.compress(b"d8:intervali5ee")
    bodies = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
        b"HTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 302 Found\r\nLocation: http://u/x\r\nContent-Length: 0\r\n\r\n"
        b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(packed), packed),
        b"HTTP/1.1 206 P\r\nContent-Range: bytes 0-4/9\r\nContent-Length: 5\r\n\r\nhello",
    ]
    return [bytes([step]) + body for body in bodies for step in (0, 9)]


def _proof() -> Run:
    from axon.errors import ProofRejected
    from axon.stark import Options, Proof, verify
    from axon.stark.examples.fibonacci import fibonacci_air, fibonacci_trace

    options = Options("tiny", 0, log_blowup=3, queries=6, grinding_bits=3, log_fold=2, log_final=2)
    air = fibonacci_air(6)
    _, public = fibonacci_trace(air, options)
    good = _proof_seeds()[0]

    def run(data: bytes) -> None:
        try:
            verify(air, public, Proof.from_bytes(data), options)
        except ProofRejected as error:
            assert error.check
        else:
            assert data == good, "another proof than the prover's is accepted"

    return run


def _proof_seeds() -> Sequence[bytes]:
    from axon.stark import Options, prove
    from axon.stark.examples.fibonacci import fibonacci_air, fibonacci_trace

    options = Options("tiny", 0, log_blowup=3, queries=6, grinding_bits=3, log_fold=2, log_final=2)
    air = fibonacci_air(6)
    trace, public = fibonacci_trace(air, options)
    return [prove(air, trace, public, options, seed=b"0123456789abcdef" * 2).to_bytes()]


def _resume() -> Run:
    from axon.bt import parse_torrent
    from axon.peer.resume import Resume

    torrent = parse_torrent(_torrent())
    root = Path(tempfile.mkdtemp(prefix="axon-fuzz-"))
    (root / "data").mkdir()
    (root / "data" / "x").write_bytes(bytes(50000))
    place = Resume(torrent, root / "data", root / "resume").file
    place.parent.mkdir()

    def run(data: bytes) -> None:
        """The file as it is; or, if it begins with ``B``, a body with a good header and marks."""
        if data[:1] == b"B" and len(data) > 2:
            size = struct.unpack(">H", data[1:3].ljust(2, b"\0"))[0]
            body = data[3 : 3 + size]
            head = struct.pack(">16sI32s", b"axon resume v1\n\0", len(body), sha256(body).digest())
            data = head + body + data[3 + size :]
        place.write_bytes(data)
        resume = Resume(torrent, root / "data", root / "resume")
        have, doubtful = resume.load()
        assert len(have) == (torrent.num_pieces + 7) // 8
        assert all(0 <= index < torrent.num_pieces for index in doubtful)
        # Nothing may be believed of data that is zeros where the torrent has other hashes,
        # unless the file claims exactly that of the files as they are.
        resume.close(clean=False)

    return run


def _torrent() -> bytes:
    from axon.bt.bencode import encode

    info = {b"name": b"x", b"piece length": 16384, b"pieces": bytes(80), b"length": 50000}
    return encode({b"info": info})


def _resume_seeds() -> Sequence[bytes]:
    from axon.bt import parse_torrent
    from axon.bt.bencode import encode
    from axon.peer.resume import Resume

    torrent = parse_torrent(_torrent())
    with tempfile.TemporaryDirectory(prefix="axon-fuzz-") as folder:
        (Path(folder) / "x").write_bytes(bytes(50000))
        resume = Resume(torrent, Path(folder), Path(folder))
        resume.load()
        resume.mark([1])
        resume.close()
        whole = resume.file.read_bytes()
    body = whole[52:]
    odd = encode({b"hashes": torrent.info_hash, b"pieces": 4, b"have": b"\xff", b"durable": b"\xff",
                  b"boot": b"", b"clean": 1, b"time": 0, b"files": bytes(32)})  # fmt: skip
    return [whole, *(b"B" + struct.pack(">H", len(b)) + b + os.urandom(0) for b in (body, odd))]


TARGETS = (
    Target(
        "http_client",
        _http_client,
        _http_client_seeds,
        ("axon.peer.http", "axon.peer.http_response", "axon.peer.http_dial"),
        (
            b"Transfer-Encoding: chunked\r\n",
            b"Content-Length: ",
            b"Content-Encoding: gzip\r\n",
            b"Location: ",
            b"HTTP/1.1 ",
            b"\xb2",
            b"\r\n\r\n",
            b"//[",
        ),
    ),
    Target("proof", _proof, _proof_seeds, ()),
    Target("resume", _resume, _resume_seeds, ("axon.peer.resume",)),
)
