"""UDP tracker datagrams: BEP 15 layouts by hand, round trips, and what is refused."""

import contextlib
import socket
import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.announce import (
    AnnounceRequest,
    AnnounceResponse,
    Event,
    ScrapeRequest,
    ScrapeResponse,
    SwarmCounts,
    TrackerPeer,
)
from axon.bt.tracker_http_server import pack_peers
from axon.bt.tracker_udp import (
    AnnouncePacket,
    ConnectPacket,
    ConnectReply,
    ErrorReply,
    ScrapePacket,
    decode_reply,
    decode_request,
    encode_announce,
    encode_announce_reply,
    encode_connect,
    encode_connect_reply,
    encode_error,
    encode_scrape,
    encode_scrape_reply,
)
from axon.errors import RemoteProtocolError, TrackerError
from axon.ids import InfoHash, PeerId
from tests.bt.tracker_strategies import announce_requests, counts, hashes, peers4, peers6

V4, V6 = socket.AF_INET, socket.AF_INET6
words = st.integers(0, (1 << 32) - 1)
longs = st.integers(0, (1 << 64) - 1)


def test_connect_vector() -> None:
    assert encode_connect(0xDEADBEEF).hex() == "00000417271019800000" + "0000" + "deadbeef"


def test_announce_vector() -> None:
    request = AnnounceRequest(
        InfoHash(b"h" * 20), PeerId(b"p" * 20), 6881, 3, 1, 2, Event.STARTED, 50, 0x01020304
    )
    assert encode_announce(0x1122334455667788, 9, request).hex() == (
        "1122334455667788" + "00000001" + "00000009" + "68" * 20 + "70" * 20 + "0000000000000001"
        "0000000000000002"
        "0000000000000003"
        "00000002"
        "00000000"
        "01020304"
        "00000032"
        "1ae1"
    )


def test_url_data_vector() -> None:
    request = AnnounceRequest(InfoHash(b"h" * 20), PeerId(b"p" * 20), 6881)
    data = encode_announce(1, 2, request, "udp://tracker.example:80/dir?a=b&c=d")
    assert data[98:] == bytes((2, 12)) + b"/dir?a=b&c=d" + b"\x00"


def test_url_data_longer_than_an_option_is_split() -> None:
    request = AnnounceRequest(InfoHash(b"h" * 20), PeerId(b"p" * 20), 6881)
    data = encode_announce(1, 2, request, "udp://t.example/" + "x" * 300)
    assert data[98:100] == bytes((2, 255)) and data[355:357] == bytes((2, 46)) and len(data) == 404
    packet = decode_request(data)
    assert isinstance(packet, AnnouncePacket) and packet.url == b"/" + b"x" * 300


def test_unknown_options_are_skipped_and_cut_ones_end_the_list() -> None:
    request = AnnounceRequest(InfoHash(b"h" * 20), PeerId(b"p" * 20), 6881)
    data = encode_announce(1, 2, request) + b"\x01\x09\x03abc\x02\x02/x\x02\x50/cut"
    packet = decode_request(data)
    assert isinstance(packet, AnnouncePacket) and packet.url == b"/x"


@given(longs, words, announce_requests())
def test_announce_survives_the_wire(cid: int, transaction: int, request: AnnounceRequest) -> None:
    packet = decode_request(encode_announce(cid, transaction, request, "udp://t.example/announce?k=1"))
    assert isinstance(packet, AnnouncePacket)
    assert (packet.connection_id, packet.transaction, packet.request) == (cid, transaction, request)


@given(words)
def test_connect_survives_the_wire(transaction: int) -> None:
    assert decode_request(encode_connect(transaction)) == ConnectPacket(transaction)


@given(longs, words, st.lists(hashes, min_size=1, max_size=74, unique=True))
def test_scrape_survives_the_wire(cid: int, transaction: int, asked: list[InfoHash]) -> None:
    request = ScrapeRequest(tuple(asked))
    assert decode_request(encode_scrape(cid, transaction, request)) == ScrapePacket(cid, transaction, request)


@given(words, longs)
def test_connect_reply_survives_the_wire(transaction: int, cid: int) -> None:
    assert decode_reply(encode_connect_reply(transaction, cid), transaction, V4) == ConnectReply(cid)


@given(words, st.integers(1, 86400), words, words, peers4, peers6, st.booleans())
def test_announce_reply_survives_the_wire(
    transaction: int,
    interval: int,
    leechers: int,
    seeders: int,
    four: tuple[TrackerPeer, ...],
    six: tuple[TrackerPeer, ...],
    v6: bool,
) -> None:
    data = encode_announce_reply(transaction, interval, leechers, seeders, pack_peers(six if v6 else four))
    assert decode_reply(data, transaction, V6 if v6 else V4) == AnnounceResponse(
        interval, seeders=seeders, leechers=leechers, peers=() if v6 else four, peers6=six if v6 else ()
    )


@given(words, st.lists(st.tuples(hashes, counts), max_size=74, unique_by=lambda row: row[0]))
def test_scrape_reply_survives_the_wire(transaction: int, rows: list[tuple[InfoHash, SwarmCounts]]) -> None:
    data = encode_scrape_reply(transaction, [row for _, row in rows])
    assert decode_reply(data, transaction, V4, [h for h, _ in rows]) == ScrapeResponse(dict(rows))


def test_error_reply_survives_the_wire() -> None:
    assert decode_reply(encode_error(5, "torrent not allowed"), 5, V4) == ErrorReply("torrent not allowed")


def test_a_reply_to_another_transaction_is_none() -> None:
    assert decode_reply(encode_connect_reply(6, 1), 5, V4) is None


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">II", 0, 5) + b"short",
        struct.pack(">IIII", 1, 5, 1800, 0),
        struct.pack(">IIIII", 1, 5, 1800, 0, 0) + b"12345",
        struct.pack(">II", 2, 5) + b"short",
        struct.pack(">II", 7, 5),
    ],
)
def test_malformed_replies_are_the_trackers_fault(data: bytes) -> None:
    with pytest.raises(TrackerError, match="want"):
        decode_reply(data, 5, V4, [InfoHash(b"h" * 20)])


def test_peers_at_port_zero_are_dropped_and_a_foolish_interval_is_bent() -> None:
    reply = decode_reply(encode_announce_reply(5, 0, 1, 1, b"\x7f\0\0\1\0\0\x7f\0\0\1\0\7"), 5, V4)
    assert isinstance(reply, AnnounceResponse)
    assert reply.interval == 1800 and reply.peers == (TrackerPeer("127.0.0.1", 7),)


ANNOUNCE = encode_announce(1, 2, AnnounceRequest(InfoHash(b"h" * 20), PeerId(b"p" * 20), 6881))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x" * 15,
        struct.pack(">QII", 1, 0, 2),
        struct.pack(">QII", 1, 9, 2),
        ANNOUNCE[:97],
        ANNOUNCE[:96] + b"\0\0",
        struct.pack(">QII", 1, 2, 2),
        struct.pack(">QII", 1, 2, 2) + b"x" * 21,
        struct.pack(">QII", 1, 2, 2) + b"x" * 1500,
    ],
)
def test_malformed_requests_are_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="want"):
        decode_request(data)


@given(st.binary(max_size=200))
def test_any_datagram_is_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        decode_request(data)
    with contextlib.suppress(TrackerError):
        decode_reply(data, int.from_bytes(data[4:8], "big"), V6)


def test_an_unknown_event_counts_as_none() -> None:
    packet = decode_request(ANNOUNCE[:80] + b"\0\0\0\x77" + ANNOUNCE[84:])
    assert isinstance(packet, AnnouncePacket) and packet.request == replace(packet.request, event=Event.NONE)
