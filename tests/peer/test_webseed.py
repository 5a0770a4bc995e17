"""Web seeds: a server that does its part, and servers that do not (BEP 19, HOSTILE 27)."""

import pytest
import trio

from axon.bt.metainfo import parse_torrent
from axon.peer.http import HttpError
from axon.peer.webseed import file_url, parse_content_range
from tests.peer.swarming import make_file, make_torrent, running
from tests.peer.test_http import plain


class Server:
    """Serves one file by ranges; `twist` may change the answer."""

    def __init__(self, data, twist=None):
        self.data, self.twist = data, twist
        self.ranges = []

    async def __call__(self, stream):
        request = b""
        try:
            while True:
                data = await stream.receive_some(4096)
                if not data:
                    return
                request += data
                while b"\r\n\r\n" in request:
                    head, request = request.split(b"\r\n\r\n", 1)
                    await self._answer(stream, head.decode())
        except trio.BrokenResourceError:
            return

    async def _answer(self, stream, head):
        line = next(line for line in head.splitlines() if line.lower().startswith("range:"))
        first, last = map(int, line.partition("=")[2].split("-"))
        self.ranges.append((first, last))
        body = self.data[first : last + 1]
        said = f"Content-Range: bytes {first}-{last}/{len(self.data)}"
        if self.twist:
            body, said = self.twist(body, said)
        await stream.send_all(plain(body, said, status="206 Partial Content"))


async def serve(nursery, handler):
    [listener] = await nursery.start(
        lambda task_status: trio.serve_tcp(handler, 0, host="127.0.0.1", task_status=task_status)
    )
    return f"http://127.0.0.1:{listener.socket.getsockname()[1]}"


async def download(tmp_path, handler, seconds=None):
    """Download from one web seed alone; the running node if it did not finish in `seconds`."""
    path = make_file(tmp_path / "seed", 500_001)
    torrent = make_torrent(path, tmp_path / "t.torrent")
    async with trio.open_nursery() as nursery:
        url = await serve(nursery, handler)
        async with running(tmp_path / "a", webseed=(url + "/file.bin",)) as leech:
            swarm = leech.add(torrent, tmp_path / "out")
            if seconds is None:
                await leech.wait_for("complete")
                assert (tmp_path / "out" / "file.bin").read_bytes() == path.read_bytes()
            else:
                with trio.move_on_after(seconds):
                    await leech.wait_for("complete", seconds + 1)
                    raise AssertionError("complete all the same")
            (webseed,) = swarm.webseeds
        nursery.cancel_scope.cancel()
    return webseed


async def test_a_torrent_without_peers_comes_from_its_web_seed(tmp_path):
    path = make_file(tmp_path / "seed", 500_001)
    server = Server(path.read_bytes())
    webseed = await download(tmp_path, server)
    assert webseed.received == 500_001
    assert webseed.error is None


@pytest.mark.parametrize(
    ("twist", "complaint"),
    [
        (lambda body, said: (body, "Content-Range: bytes 0-9/500001"), "range 0-9"),
        (lambda body, said: (body, said.rpartition("/")[0] + "/77"), "of 77"),
        (lambda body, said: (body, "Content-Range: pages 1-2/3"), "content-range"),
        (lambda body, said: (body[:-1], said), "bytes, want"),
        (lambda body, said: (body + b"x", said), "at most"),
    ],
)
async def test_a_wrong_range_is_refused(tmp_path, twist, complaint):
    path = make_file(tmp_path / "seed", 500_001)
    webseed = await download(tmp_path, Server(path.read_bytes(), twist), seconds=0.5)
    assert complaint in webseed.error


async def test_a_server_of_other_bytes_is_banned_and_asked_no_more(tmp_path):
    server = Server(bytes(500_001))
    webseed = await download(tmp_path, server, seconds=1.0)
    assert webseed.error == "sent bad data"
    assert len(server.ranges) < 40


def test_content_range():
    assert parse_content_range("bytes 5-9/100") == (5, 9, 100)
    assert parse_content_range("bytes 5-9/*") == (5, 9, None)
    for bad in ("", "bytes", "bytes 5-/9", "bytes */9", "bytes 1-2/3 4"):
        with pytest.raises(HttpError):
            parse_content_range(bad)


def test_where_a_web_seed_keeps_its_files(tmp_path):
    path = make_file(tmp_path, 10, name="a b.bin")
    single = parse_torrent(make_torrent(path, tmp_path / "t").read_bytes())
    assert file_url("http://h/x.iso", single, 0) == "http://h/x.iso"
    assert file_url("http://h/d/", single, 0) == "http://h/d/a%20b.bin"
