"""HOSTILE 22 and 27: the HTTP client against servers that answer anything at all."""

import gzip
import zlib

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.announce import AnnounceRequest
from axon.errors import TrackerError
from axon.ids import InfoHash, PeerId
from axon.peer.announcer import TrackerClient
from axon.peer.http import HttpConnection, HttpError, HttpSession
from axon.peer.udp import UdpTrackers

LIMIT = 100_000


class Server(trio.abc.Stream):
    """Says one thing, then another for as long as it is asked."""

    def __init__(self, first: bytes, then: bytes = b"") -> None:
        self.first, self.then = first, then
        self.said = 0

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        part, self.first = self.first[:max_bytes], self.first[max_bytes:] if max_bytes else b""
        part = part or self.then[:max_bytes]
        self.said += len(part)
        assert self.said < 64 * LIMIT, "it is read for ever"
        return part

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def get(first: bytes, then: bytes = b"") -> bytes:
    connection = HttpConnection(Server(first, then), "127.0.0.1")
    return (await connection.get("http://t/", limit=LIMIT)).body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
PACKED = CHUNKED + b"Content-Encoding: gzip\r\n\r\n"
ENDLESS = [
    (b"", b"x"),
    (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
    (CHUNKED + b"\r\n", chunk(b"x" * 1000)),
    (CHUNKED + b"\r\n", b"0" * 1000),
    (CHUNKED + b"\r\n5;", b"x" * 1000),
    (CHUNKED + b"\r\n0\r\n", b"A: b\r\n"),
    (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 1000),
    # What follows unpacks to nothing: neither may it go on for ever.
    (PACKED + chunk(gzip.compress(b"hello", mtime=0)), chunk(b"x" * 1000)),
    (PACKED + chunk(gzip.compress(b"", mtime=0)[:10]), chunk(b"\0\0\0\xff\xff" * 200)),
    (PACKED + chunk(gzip.compress(bytes(1 << 24), mtime=0)), b""),
    (PACKED + chunk(zlib.compress(bytes(1 << 24))), b""),
]


@pytest.mark.parametrize(("first", "then"), ENDLESS)
async def test_what_never_ends_is_ended(first: bytes, then: bytes) -> None:
    with pytest.raises(HttpError):
        await get(first, then)


@pytest.mark.parametrize(
    "answer",
    [
        "HTTP/1.1 ²00 OK\r\n\r\n",  # a digit, says str.isdigit
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 200\r\nContent-Length: ²\r\n\r\nxx",
        "HTTP/1.1 200\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n²\r\n",
        "HTTP/1.1 200\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 200\r\nContent-Encoding: br\r\n\r\n",
        "HTTP/1.1 200\r\nno colon\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "\r\n\r\n",
    ],
)
async def test_answers_that_are_no_http_are_refused(answer: str) -> None:
    with pytest.raises(HttpError):
        await get(answer.encode("latin-1"))


@pytest.mark.parametrize(
    "location", ["http://[", "//[::1", "http://h:99999/", "file:///etc/passwd", "http://", "gopher://h/"]
)
async def test_redirects_to_nowhere_are_refused(location: str) -> None:
    class Session(HttpSession):
        async def _connect(self, url: str, public_only: bool) -> HttpConnection:
            if url != "http://t/":
                return await super()._connect(url, public_only)
            head = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
            return HttpConnection(Server(head.encode()), "127.0.0.1")

    with pytest.raises(HttpError):
        await Session().get("http://t/", limit=LIMIT, timeout=5)


async def test_redirect_loops_end() -> None:
    asked = []

    class Session(HttpSession):
        async def _connect(self, url: str, public_only: bool) -> HttpConnection:
            asked.append(url)
            head = b"HTTP/1.1 307 Again\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"
            return HttpConnection(Server(head), "127.0.0.1")

    with pytest.raises(HttpError, match="redirects"):
        await Session().get("http://t/", limit=LIMIT, timeout=5)
    assert len(asked) == 6


async def test_a_redirect_from_a_public_host_to_ourselves_is_refused() -> None:
    class Session(HttpSession):
        async def _connect(self, url: str, public_only: bool) -> HttpConnection:
            if public_only:
                return await super()._connect(url, public_only)
            head = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
            return HttpConnection(Server(head), "8.8.8.8")

    with pytest.raises(HttpError, match="refused"):
        await Session().get("http://t/", limit=LIMIT, timeout=5)


@pytest.mark.parametrize(
    "url",
    ["http://[/a", "udp://[/a", "udp://t:99999/a", "http://t:x/a", "ftp://t/a", "", "[", "http://t/ä b"],
)
async def test_a_tracker_whose_url_is_nonsense_is_only_a_tracker_that_fails(url: str) -> None:
    request = AnnounceRequest(InfoHash(bytes(20)), PeerId(bytes(20)), 6881)
    client = TrackerClient(UdpTrackers())
    with pytest.raises(TrackerError):
        await client.announce(url, request)


@given(
    st.sampled_from(ENDLESS),
    st.binary(max_size=40),
    st.integers(0, 120),
    st.sampled_from([b"\r\n", b"0\r\n\r\n", b"\r\n\r\n"]),
)
def test_any_answer_is_a_body_or_an_error(
    server: tuple[bytes, bytes], noise: bytes, at: int, end: bytes
) -> None:
    data = server[0][:at] + noise + server[0][at:] + end
    try:
        body = trio.run(get, data)
    except HttpError:
        return
    assert len(body) <= LIMIT
