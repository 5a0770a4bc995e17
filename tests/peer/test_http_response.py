"""An answer is what it is, wherever the stream was cut; what follows it is nobody's."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.peer.http_response import HttpError, ResponseReader

LIMIT = 5000
bodies = st.binary(max_size=300)


@st.composite
def answers(draw):
    """Bytes of an answer, and its body; good ones only."""
    body = draw(bodies)
    packed = draw(st.booleans())
    payload = gzip.compress(body, mtime=0) if packed else body
    head = b"HTTP/1.1 100 Continue\r\n\r\n" * draw(st.integers(0, 2)) + b"HTTP/1.1 200 OK\r\n"
    head += b"Content-Encoding: gzip\r\n" if packed else b""
    form = draw(st.sampled_from(["counted", "chunked", "rest"]))
    if form == "counted":
        return head + b"Content-Length: %d\r\n\r\n" % len(payload) + payload, body, form
    if form == "rest":
        return head + b"\r\n" + payload, body, form
    size = draw(st.integers(1, 100))
    chunks = [payload[at : at + size] for at in range(0, len(payload), size)]
    told = b"".join(b"%x;a=b\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + told + b"0\r\nTrailer: x\r\n\r\n", body, form


def outcome(data, cuts, limit=LIMIT):
    """Status, body and reusability, or the complaint."""
    reader = ResponseReader(limit)
    try:
        for low, high in zip([0, *cuts], [*cuts, len(data)]):
            reader.receive(data[low:high])
        if not reader.done:
            reader.end()
        return reader.status, reader.body(), reader.reusable
    except HttpError as error:
        return str(error)


@given(answers(), st.data())
def test_an_answer_does_not_depend_on_where_the_stream_was_cut(answer, data):
    raw, body, form = answer
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    assert outcome(raw, cuts) == (200, body, form != "rest")


@given(answers(), st.data())
def test_damage_is_an_http_error_or_another_answer_never_anything_else(answer, data):
    raw = bytearray(answer[0])
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    found = outcome(bytes(raw), [at])
    assert isinstance(found, str) or len(found[1]) <= LIMIT


@given(answers())
def test_a_body_over_the_limit_is_refused(answer):
    raw, body, _ = answer
    if body:
        assert isinstance(outcome(raw, [], len(body) - 1), str)


def test_bytes_behind_an_answer_end_the_connection_s_use():
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    assert outcome(answer, []) == (200, b"ok", True)
    assert outcome(answer + b"HTTP/1.1 200 OK\r\n", []) == (200, b"ok", False)
    assert outcome(answer.replace(b"1.1", b"1.0"), [])[2] is False
    assert outcome(answer.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"), [])[2] is False


@pytest.mark.parametrize(
    "cut", ["HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"]
)
def test_an_answer_that_stops_is_refused(cut):
    assert isinstance(outcome(cut.encode(), []), str)
