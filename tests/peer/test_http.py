"""The HTTP client against servers that misbehave in every way that HOSTILE 22 and 27 name."""

import gzip
import socket
from contextlib import asynccontextmanager

import pytest
import trio

from axon.peer import http, http_dial
from axon.peer.http import HttpError, HttpSession, fetch, is_private

LIMIT = 10_000


@asynccontextmanager
async def serving(*answers, then_close=True):
    """A server whose n-th connection gets the n-th answer (the last one again and again)."""
    requests = []

    async def handle(stream):
        answer = answers[min(len(requests), len(answers) - 1)]
        request = b""
        while b"\r\n\r\n" not in request:
            data = await stream.receive_some(4096)
            if not data:
                return
            request += data
        requests.append(request)
        try:
            if callable(answer):
                await answer(stream)
            else:
                await stream.send_all(answer)
            if not then_close:
                await trio.sleep_forever()
        except trio.BrokenResourceError:
            pass

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(
            lambda task_status: trio.serve_tcp(handle, 0, host="127.0.0.1", task_status=task_status)
        )
        port = listener.socket.getsockname()[1]
        yield f"http://127.0.0.1:{port}", requests
        nursery.cancel_scope.cancel()


def plain(body, *headers, status="200 OK"):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


async def get(url, timeout=30.0):
    return await fetch(url, limit=LIMIT, timeout=timeout)


async def test_a_plain_answer():
    async with serving(plain(b"hello", "X-Y: z")) as (url, requests):
        response = await get(url + "/a/b?c=%20d")
    assert (response.status, response.body, response.headers["x-y"]) == (200, b"hello", "z")
    assert requests[0].startswith(b"GET /a/b?c=%20d HTTP/1.1\r\nHost: 127.0.0.1:")


async def test_chunks_gzip_and_bodies_until_close():
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: u\r\n\r\n"
    )
    async with serving(chunked) as (url, _):
        assert (await get(url)).body == b"abcde"
    async with serving(plain(gzip.compress(b"x" * 9000, mtime=0), "Content-Encoding: gzip")) as (url, _):
        assert (await get(url)).body == b"x" * 9000
    async with serving(b"HTTP/1.0 200 OK\r\n\r\nuntil the end") as (url, _):
        assert (await get(url)).body == b"until the end"


async def test_a_connection_is_kept_and_used_again():
    async def twice(stream):
        await stream.send_all(plain(b"one"))
        await stream.receive_some(4096)
        await stream.send_all(plain(b"two"))

    async with serving(twice) as (url, requests):
        session = HttpSession()
        bodies = [(await session.get(url, limit=9, timeout=5)).body for _ in range(2)]
        await session.close()
    assert bodies == [b"one", b"two"]
    assert len(requests) == 1


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (b"SSH-2.0-OpenSSH\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "without a colon"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "content-length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "at most"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort", "short"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + bytes(LIMIT + 1), "more than 10000"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "chunk size"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "chunk size"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n", "at most"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", "longer than its size"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "not chunked"),
        (plain(b"garbage", "Content-Encoding: gzip"), "compressed body"),
        (plain(b"x", "Content-Encoding: br"), "was not asked for"),
        (plain(gzip.compress(b"x" * 50, mtime=0)[:-9], "Content-Encoding: gzip"), "ends early"),
        (b"", "closed after 0 bytes"),
    ],
)
async def test_what_is_not_a_proper_answer_is_refused(answer, complaint):
    async with serving(answer) as (url, _):
        with pytest.raises(HttpError, match=complaint):
            await get(url)


async def test_a_gzip_bomb_stops_at_the_limit():
    bomb = gzip.compress(bytes(50_000_000))
    async with serving(plain(bomb, "Content-Encoding: gzip")) as (url, _):
        with pytest.raises(HttpError, match=r"more than|at most"):
            await fetch(url, limit=100_000, timeout=5)


async def test_endless_headers_chunks_and_silence_end():
    async def headers(stream):
        await stream.send_all(b"HTTP/1.1 200 OK\r\n")
        while True:
            await stream.send_all(b"X: " + b"y" * 1000 + b"\r\n")

    async def chunks(stream):
        await stream.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await stream.send_all(b"1\r\nx\r\n")

    async with serving(headers) as (url, _):
        with pytest.raises(HttpError, match="headers of more than"):
            await get(url)
    async with serving(chunks) as (url, _):
        with pytest.raises(HttpError, match=r"at most|more than"):
            await get(url)
    async with serving(b"HTTP/1.1 200 OK\r\n", then_close=False) as (url, _):
        with pytest.raises(HttpError, match=r"no answer within"):
            await get(url, timeout=0.2)


async def test_redirects_are_followed_but_not_for_ever():
    async with serving(plain(b"", "Location: /b", status="302 Found"), plain(b"there")) as (url, requests):
        assert (await get(url + "/a")).body == b"there"
        assert requests[1].startswith(b"GET /b ")
    async with serving(plain(b"", "Location: /again", status="301 Moved")) as (url, requests):
        with pytest.raises(HttpError, match="more than 5 redirects"):
            await get(url)
        assert len(requests) == 6


@pytest.mark.parametrize(
    "target", ["ftp://x/", "file:///etc/passwd", "gopher://x/1", "http://", "http://h:0/"]
)
async def test_other_schemes_and_hosts_that_are_none_are_refused(target):
    with pytest.raises(HttpError):
        await get(target)
    async with serving(plain(b"", f"Location: {target}", status="302 Found")) as (url, _):
        with pytest.raises(HttpError):
            await get(url)


async def test_a_public_host_cannot_redirect_us_to_a_private_one(monkeypatch):
    async with serving(plain(b"", "Location: http://localhost:1/x", status="302 Found")) as (url, _):
        monkeypatch.setattr(http, "is_private", lambda address: False)
        real = http_dial.resolve

        async def resolve(host, port, *, family=0):
            monkeypatch.setattr(http, "is_private", is_private)  # from the redirect on
            return await real(host, port, family=family)

        response = None
        session = HttpSession()
        connection = await session._connect(url, False)
        assert connection.address == "127.0.0.1"
        monkeypatch.setattr(http_dial, "resolve", resolve)
        with pytest.raises(HttpError, match="refused"):
            response = await session.get(url, limit=LIMIT, timeout=5)
        assert response is None
        await session.close()


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("127.0.0.1", True),
        ("10.1.2.3", True),
        ("192.168.0.1", True),
        ("169.254.1.1", True),
        ("::1", True),
        ("fe80::1%eth0", True),
        ("fc00::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", True),
        ("8.8.8.8", False),
        ("2001:4860:4860::8888", False),
    ],
)
def test_what_is_private(address, private):
    assert is_private(address) is private


async def test_nobody_there_is_a_clear_error():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(HttpError, match="cannot connect"):
            await get(f"http://127.0.0.1:{sock.getsockname()[1]}/")
    with pytest.raises(HttpError, match="cannot resolve"):
        await get("http://no-such-host.invalid/")


async def test_a_url_with_control_characters_sends_nothing():
    async with serving(plain(b"")) as (url, requests):
        with pytest.raises(HttpError):
            await get(url + "/a\r\nX: y")
        assert not requests
