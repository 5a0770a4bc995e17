import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.framing import MAX_EXTENDED, MAX_FRAME, ReadBuffer, check_length, check_prefix
from axon.bt.messages import BLOCK_SIZE, BitfieldMessage, MessageId, to_frame
from axon.errors import RemoteProtocolError
from tests.strategies import messages


def test_a_four_gigabyte_prefix_is_refused_before_its_id_arrives():
    with pytest.raises(RemoteProtocolError, match=f"length prefix 4294967295, want at most {MAX_FRAME}"):
        check_prefix(2**32 - 1)


@pytest.mark.parametrize("kind", list(MessageId))
def test_no_message_may_be_huge(kind):
    for num_pieces in (None, 1000):
        with pytest.raises(RemoteProtocolError, match=kind.name.lower().replace("_", " ")):
            check_length(kind, 2**31, num_pieces)
        with pytest.raises(RemoteProtocolError):
            check_length(kind, 0, num_pieces)


@given(messages())
def test_what_we_write_has_a_length_that_we_accept(message):
    if message != BitfieldMessage(b""):  # a torrent without pieces has no bitfield
        check_length(message.id, len(to_frame(message)) - 4, None)


@pytest.mark.parametrize("kind", [10, 11, 12, 18, 19, 24, 255])
def test_an_unknown_id_is_refused_by_its_number(kind):
    with pytest.raises(RemoteProtocolError, match=f"id {kind} is none"):
        check_length(kind, 1, None)


def test_limits_by_type():
    check_length(MessageId.PIECE, 9 + BLOCK_SIZE, None)
    check_length(MessageId.EXTENDED, 1 + MAX_EXTENDED, None)
    check_length(MessageId.BITFIELD, 126, 1000)
    for kind, length, want in (
        (MessageId.PIECE, 10 + BLOCK_SIZE, "10 to 16393"),
        (MessageId.PIECE, 9, "10 to 16393"),
        (MessageId.BITFIELD, 125, "want 126"),
        (MessageId.BITFIELD, 127, "want 126"),
        (MessageId.EXTENDED, 2 + MAX_EXTENDED, "want 2 to"),
        (MessageId.CHOKE, 2, "want 1"),
    ):
        with pytest.raises(RemoteProtocolError, match=want):
            check_length(kind, length, 1000)


@given(st.lists(st.tuples(st.integers(1, 5000), st.floats(0, 1)), max_size=40))
def test_the_read_buffer_is_a_queue_of_bytes(steps):
    """Whatever is read and eaten, in whatever portions, no byte is lost or reordered."""
    buffer = ReadBuffer(small=256, large=4096)
    model = bytearray()
    counter = 0
    for size, eaten in steps:
        room = buffer.writable()
        assert len(room) > 0
        n = min(size, len(room))
        piece = bytes((counter + i) % 251 for i in range(n))
        counter += n
        room[:n] = piece
        buffer.wrote(n)
        model += piece
        assert bytes(buffer.view[buffer.start : buffer.end]) == model
        drop = int(eaten * len(model))
        buffer.start += drop
        del model[:drop]


def test_the_read_buffer_grows_for_the_fast_and_shrinks_for_the_mute():
    buffer = ReadBuffer(small=1024, large=8192)
    for _ in range(4):
        buffer.wrote(len(buffer.writable()))
        buffer.start = buffer.end
    assert len(buffer.data) == 8192 + BLOCK_SIZE
    buffer.shrink()
    assert len(buffer.data) == 1024
    buffer.wrote(len(buffer.writable()) // 2)
    buffer.start = buffer.end
    buffer.writable()
    assert len(buffer.data) == 1024


def test_a_long_frame_gets_room_only_as_fast_as_it_arrives():
    buffer = ReadBuffer(small=1024, large=2048)
    buffer.need(2_000_000)
    largest = 0
    while buffer.end - buffer.start < 100_000:
        room = buffer.writable()
        buffer.wrote(min(100, len(room)))
        largest = max(largest, len(buffer.data))
    assert largest <= 4 * 100_000


def test_more_than_the_room_given_is_our_own_bug():
    buffer = ReadBuffer(small=16, large=16)
    room = len(buffer.writable())
    with pytest.raises(ValueError, match="read buffer"):
        buffer.wrote(room + 1)
