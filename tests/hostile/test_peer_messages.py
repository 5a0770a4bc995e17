"""HOSTILE 11-19: a connection's memory and time against what one peer sends."""

import struct

import pytest

from axon.bt import events as ev
from axon.bt.connection import PeerConnection
from axon.bt.handshake import Handshake, Reserved
from axon.bt.picker import Picker
from axon.errors import RemoteProtocolError
from axon.ids import InfoHash, PeerId
from fuzz.target import check
from tests.hostile.attackers import frame

PIECES = 1 << 22  # the most that a torrent may have
HASH = InfoHash(b"h" * 20)
HAVE_NONE, HAVE_ALL = frame(15), frame(14)


def connection(num_pieces: int | None = PIECES) -> PeerConnection:
    """One whose handshakes are exchanged."""
    conn = PeerConnection(
        info_hashes=[HASH],
        peer_id=PeerId(b"-XX0000-us----------"),
        outgoing=True,
        now=0.0,
        num_pieces=num_pieces,
        piece_size=None if num_pieces is None else lambda index: 16384,
        extensions={"ut_metadata": 1},
    )
    theirs = Handshake(HASH, PeerId(b"-XX0000-them--------"), Reserved.FAST | Reserved.EXTENDED)
    conn.receive(theirs.serialize(), 0.0)
    return conn


def test_a_late_have_all_of_four_million_pieces_is_one_event() -> None:
    """Told piece by piece it was seconds and 400 MiB for five bytes."""
    conn = connection()
    conn.receive(HAVE_NONE, 0.0)
    seen: list[ev.Event] = []
    check(lambda data: seen.extend(conn.receive(data, 0.0)), HAVE_ALL)
    assert seen == [ev.PeerHasSet()] and conn.peer_is_seed


def test_telling_the_whole_set_again_and_again_costs_little_and_ends() -> None:
    conn = connection()
    picker: Picker[int] = Picker(PIECES, lambda index: 16384, b"")
    picker.peer_joined(1)
    bits = bytearray(PIECES // 8)
    conn.receive(frame(5, bytes(bits)), 0.0)

    def flood(data: bytes) -> None:
        for k in range(20):
            bits[k] = 0xFF
            bits[1000 * k] = 0xFF
            for event in conn.receive(frame(5, bytes(bits)), 0.0):
                if isinstance(event, ev.PeerHas):
                    picker.peer_has(1, event.index)

    check(flood, b"")
    conn = connection(8)
    conn.receive(HAVE_NONE, 0.0)
    with pytest.raises(RemoteProtocolError, match="changes of mind"):
        conn.receive(frame(5, b"\x80") * 300, 0.0)


def test_haves_before_the_metadata_are_bounded() -> None:
    conn = connection(None)

    def flood(data: bytes) -> None:
        with pytest.raises(RemoteProtocolError, match="before the metadata"):
            for index in range(1 << 17):
                conn.receive(struct.pack(">IBI", 5, 4, index), 0.0)

    check(flood, b"")


@pytest.mark.parametrize("kind", range(256))
def test_a_prefix_of_four_gigabytes_makes_no_room(kind: int) -> None:
    conn = connection(None)
    with pytest.raises(RemoteProtocolError):
        conn.receive(struct.pack(">IB", 0xFFFFFFFF, kind), 0.0)


def test_a_long_bitfield_gets_room_only_as_it_arrives() -> None:
    conn = connection(None)
    conn.receive(struct.pack(">IB", 1 + (1 << 21), 5), 0.0)
    for _ in range(4):
        assert len(conn.buffer_for_read()) <= 64 * 1024
        conn.received(1000, 0.0)


def test_extension_names_are_bounded_however_many_handshakes_come() -> None:
    """Each may bring 64 names that nobody knows."""
    conn = connection(None)

    for k in range(200):
        names = b"".join(b"8:%08di1e" % (64 * k + n) for n in range(64))
        conn.receive(frame(20, b"\0d1:md" + names + b"ee"), 0.0)
    assert len(conn.peer_extensions) <= 128


def test_requests_of_a_peer_that_does_not_read_are_bounded() -> None:
    conn = connection()
    conn.receive(HAVE_NONE, 0.0)
    conn.unchoke()
    flood = b"".join(struct.pack(">IBIII", 13, 6, index, 0, 16384) for index in range(2000))
    with pytest.raises(RemoteProtocolError):
        for _ in range(1000):
            conn.receive(flood, 0.0)
            assert conn.requests_waiting <= 500
    assert len(conn.data_to_send()) < 5 << 20
