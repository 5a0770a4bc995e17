"""The compiled HTTP path answers byte for byte as the Python path does, or leaves the request to it."""

from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from axon.bt.announce import AnnounceRequest
from axon.bt.tracker_http import encode_announce_query
from axon.tracker.app import App
from axon.tracker.lists import Lists
from axon.tracker.requests import parse_head, response
from tests.tracker.strategies import announces
from tests.tracker.test_kernel import Pair

heads = st.lists(
    st.sampled_from(
        [
            "Host: x",
            "User-Agent: y/1.0",
            "Accept: */*",
            "connection: Keep-Alive",
            "Connection: close",
            "CONNECTION:close",
            "X-Forwarded-For: 1.2.3.4",
            "Empty:",
        ]
    ),
    max_size=4,
)
odd_terms = st.sampled_from(
    [
        "",
        "key=abcdef",
        "supportcrypto=1",
        "ip=1.2.3.4",
        "left=0",
        "port=7",
        "numwant=",
        "numwant=-5",
        "event=",
        "event=odd",
        "compact=1",
        "left=99999999999999999999999",
        "port",
        "&&",
        "=",
        "uploaded=x",
    ]
)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A plain announce, often with something unusual in it, sometimes broken."""
    if draw(st.integers(0, 9)) == 0:
        terms = ["info_hash=" + quote(bytes([1]) * draw(st.integers(18, 21)), safe=""), "port=5"]
    else:
        terms = encode_announce_query(draw(announces())).split("&")
    terms += draw(st.lists(odd_terms, max_size=2))
    terms = draw(st.permutations(terms))
    lines = ["GET /announce?" + "&".join(terms) + " HTTP/1.1", *draw(heads)]
    data = bytearray(("\r\n".join(lines) + "\r\n\r\n").encode())
    if draw(st.integers(0, 4)) == 0:
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


def make_app(pair: Pair) -> App:
    return App(pair.slow, trusted=(), clock=lambda: pair.now, connections=lambda: 0)


def reference(app: App, head: bytes, address: bytes, now: float) -> tuple[bytes, bool]:
    request = parse_head(head[:-4])
    body = app.fast(request, address, now)
    assert body is not None
    return response(200, body, close=not request.keep_alive), not request.keep_alive


@given(
    st.lists(st.tuples(messages(), st.integers(1, 4)), min_size=1, max_size=30),
    st.booleans(),
    st.sampled_from(
        [Lists(), Lists(frozenset([bytes([1]) * 20])), Lists(None, frozenset([bytes([2]) * 20]))]
    ),
)
def test_what_the_kernel_answers_is_what_python_answers(
    rows: list[tuple[bytes, int]], six: bool, lists: Lists
) -> None:
    pair = Pair()
    pair.slow.lists = lists
    pair.engine.set_lists(lists)
    app = make_app(pair)
    for data, last in rows:
        address = (b"\x20\x01" + bytes(13) if six and last & 1 else b"\x0a\0\0") + bytes([last])
        pair.engine.http_in[: len(data)] = data
        consumed, answer, close = pair.engine.http(len(data), address)
        if not consumed:
            assert not answer
            # What Python would have done with it must be done to both, for them to stay comparable.
            continue
        assert consumed == len(data)
        assert (bytes(answer), close) == reference(app, data, address, pair.now)
    pair.slow.counters[:] = [int(x) for x in pair.fast.counters]
    pair.check()
    pair.fast_store.close()


@given(st.lists(announces(), min_size=1, max_size=12), st.integers(0, 200))
def test_pipelined_announces_are_answered_in_one_call(requests: list[AnnounceRequest], cut: int) -> None:
    pair = Pair()
    app = make_app(pair)
    whole = [
        b"GET /announce?" + encode_announce_query(r).encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n"
        for r in requests
    ]
    data = b"".join(whole)
    data = data[: len(data) - min(cut, len(whole[-1]) - 1)]
    pair.engine.http_in[: len(data)] = data
    consumed, answer, _ = pair.engine.http(len(data), b"\x7f\0\0\1")
    complete = whole if data.endswith(b"\r\n\r\n") else whole[:-1]
    assert consumed == sum(map(len, complete))
    assert bytes(answer) == b"".join(reference(app, w, b"\x7f\0\0\1", pair.now)[0] for w in complete)
    pair.fast_store.close()


@given(st.binary(max_size=300))
def test_any_bytes_leave_the_kernel_standing(data: bytes) -> None:
    pair = Pair()
    for prefix in (b"", b"GET /announce?", b"GET /announce?port=1&info_hash=%41%42"):
        for suffix in (b"", b" HTTP/1.1\r\n\r\n", b"\r\n\r\n"):
            whole = prefix + data + suffix
            pair.engine.http_in[: len(whole)] = whole
            pair.engine.http(len(whole), b"\x7f\0\0\1")
    pair.fast_store.close()


def test_the_common_request_takes_the_compiled_path() -> None:
    """Not left to Python by mistake: the shapes that libtorrent, transmission and aria2 send."""
    pair = Pair()
    shapes = [
        "info_hash=%01{h}&peer_id=-LT2090-abcdefghijkl&port=6881&uploaded=0&downloaded=0&left=16384&corrupt=0"
        "&key=A9C0FD49&event=started&numwant=200&compact=1&no_peer_id=1&supportcrypto=1&redundant=0",
        "info_hash=%01{h}&peer_id=-TR4060-abcdefghijkl&port=51413&uploaded=0&downloaded=0&left=0&numwant=80"
        "&key=5A1D&compact=1&supportcrypto=1",
        "info_hash=%01{h}&peer_id=A2-1-36-0-%2a%2B%7Eabcdefg&uploaded=0&downloaded=0&left=1&compact=1&key=abc"
        "&numwant=50&no_peer_id=1&port=6900&event=started&supportcrypto=1",
    ]
    for shape in shapes:
        data = (
            f"GET /announce?{shape.format(h='h' * 19)} HTTP/1.1\r\nHost: t\r\nUser-Agent: x\r\n\r\n".encode()
        )
        pair.engine.http_in[: len(data)] = data
        consumed, answer, _ = pair.engine.http(len(data), b"\x7f\0\0\1")
        assert consumed == len(data) and b"5:peers" in bytes(answer)
    pair.fast_store.close()
