import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt import messages as msg
from axon.errors import RemoteProtocolError
from tests.strategies import messages


@given(messages())
def test_a_message_survives_the_wire(message):
    frame = memoryview(msg.to_frame(message))
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    again = msg.parse_message(frame[4:])
    assert again == message and type(again) is type(message)


@given(messages())
def test_a_message_owns_its_bytes(message):
    frame = bytearray(msg.to_frame(message))
    again = msg.parse_message(memoryview(frame)[4:])
    frame[5:] = bytes(len(frame) - 5)
    assert again == message


@given(st.binary(max_size=80))
def test_any_bytes_are_a_message_or_a_remote_protocol_error(frame):
    try:
        message = msg.parse_message(memoryview(frame))
    except RemoteProtocolError:
        return
    assert msg.to_frame(message)[4:] == frame


def test_request_vector():  # hand-computed from BEP 3
    assert msg.Request(1, 0, 16384).serialize().hex() == "000000010000000000004000"
    assert msg.to_frame(msg.Request(1, 0, 16384)).hex() == "0000000d06000000010000000000004000"


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        (msg.Choke(), "0000000100"),
        (msg.Have(258), "000000050400000102"),
        (msg.BitfieldMessage(b"\xa0"), "0000000205a0"),
        (msg.Piece(1, 2, b"xy"), "0000000b0700000001000000027879"),
        (msg.Port(6881), "00000003091ae1"),
        (msg.Suggest(3), "000000050d00000003"),  # BEP 6: 0x0D
        (msg.HaveAll(), "000000010e"),
        (msg.HaveNone(), "000000010f"),
        (msg.Reject(1, 2, 3), "0000000d10000000010000000200000003"),
        (msg.AllowedFast(9), "000000051100000009"),
        (msg.Extended(0, b"de"), "0000000414006465"),
    ],
)
def test_message_vectors(message, wire):
    assert msg.to_frame(message).hex() == wire


def test_a_request_and_its_cancel_are_not_equal():
    assert msg.Request(1, 2, 3) != msg.Cancel(1, 2, 3)


@pytest.mark.parametrize(
    ("frame", "error"),
    [
        ("", "0 bytes, want an id"),
        ("0a", "id 10 is none"),
        ("ff", "id 255 is none"),
        ("0000", "choke: 1 bytes, want 0"),
        ("04000000", "have: 3 bytes, want 4"),
        ("06000000010000000000", "request: 9 bytes, want 12"),
        ("070000000000000000", "piece: 8 bytes, want 9 or more"),
        ("0901", "port: 1 bytes, want 2"),
        ("14", "extended: 0 bytes, want 1 or more"),
        ("15" + "00" * 47, "hash request: 47 bytes, want 48"),
        ("16" + "00" * 49, "hashes: 49 bytes, want 48 and a multiple of 32"),
    ],
)
def test_a_payload_of_wrong_size_is_refused_with_what_was_wanted(frame, error):
    with pytest.raises(RemoteProtocolError, match=error):
        msg.parse_message(memoryview(bytes.fromhex(frame)))


def test_hashes_know_the_request_that_they_answer():
    request = msg.HashRequest(b"r" * 32, 0, 8, 4, 2)
    assert msg.Hashes(b"r" * 32, 0, 8, 4, 2, bytes(128)).request == request
    assert msg.HashReject(b"r" * 32, 0, 8, 4, 2).request == request
