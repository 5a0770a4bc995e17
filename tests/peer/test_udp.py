"""The UDP tracker client against a scripted tracker (BEP 15; HOSTILE 23)."""

import socket
import struct
from contextlib import asynccontextmanager

import pytest
import trio

from axon.bt.announce import AnnounceRequest
from axon.errors import TrackerError
from axon.ids import InfoHash, PeerId
from axon.peer.udp import UdpTrackers

REQUEST = AnnounceRequest(InfoHash(b"h" * 20), PeerId(b"p" * 20), 6881, left=5)
PEER = socket.inet_aton("10.1.2.3") + struct.pack(">H", 99)


def good(data):
    """What a proper tracker answers."""
    action, transaction = struct.unpack(">II", data[8:16])
    if action == 0:
        return struct.pack(">IIQ", 0, transaction, 77)
    assert int.from_bytes(data[:8], "big") == 77
    return struct.pack(">IIIII", 1, transaction, 900, 2, 3) + PEER


@asynccontextmanager
async def talking(answer, timeout=0.1):
    """A client, and a tracker that sends what `answer(data, count)` returns: None or packets."""
    seen = []
    tracker = trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stranger = trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    await tracker.bind(("127.0.0.1", 0))
    await stranger.bind(("127.0.0.1", 0))

    async def serve():
        while True:
            data, sender = await tracker.recvfrom(2048)
            seen.append(data)
            packets = answer(data, len(seen))
            for packet in packets if isinstance(packets, list) else [packets]:
                if isinstance(packet, tuple):
                    await stranger.sendto(packet[0], sender)
                elif packet is not None:
                    await tracker.sendto(packet, sender)

    client = UdpTrackers(first_timeout=timeout)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        await nursery.start(client.run)
        url = f"udp://127.0.0.1:{tracker.getsockname()[1]}/announce?k=v"

        async def announce():
            with trio.fail_after(60):
                return await client.announce(url, REQUEST, family=socket.AF_INET)

        yield announce, seen
        nursery.cancel_scope.cancel()
    tracker.close()
    stranger.close()


async def test_connect_then_announce_and_the_connection_id_is_kept():
    async with talking(lambda data, count: good(data), timeout=5) as (announce, seen):
        response = await announce()
        assert [(peer.host, peer.port) for peer in response.peers] == [("10.1.2.3", 99)]
        assert (response.interval, response.leechers, response.seeders) == (900, 2, 3)
        await announce()
        assert [data[8:12] for data in seen] == [b"\0\0\0\0", b"\0\0\0\1", b"\0\0\0\1"]
        assert b"/announce?k=v" in seen[1]  # BEP 41


async def test_lost_datagrams_are_sent_again():
    async with talking(lambda data, count: None if count in (1, 3) else good(data)) as (announce, _):
        assert (await announce()).interval == 900


async def test_answers_of_strangers_and_to_other_questions_count_for_nothing():
    def answer(data, count):
        forged = bytearray(good(data))
        forged[7] ^= 1
        return [(good(data)[:8] + bytes(12),), bytes(forged), b"", b"short", good(data)]

    async with talking(answer) as (announce, _):
        assert (await announce()).peers


async def test_silence_ends_in_an_error():
    async with talking(lambda data, count: None, timeout=0.01) as (announce, seen):
        with pytest.raises(TrackerError, match="no answer to 4 datagrams"):
            await announce()
        assert len(seen) == 4


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda data: struct.pack(">II", 3, *struct.unpack(">I", data[4:8])) + b"go away", "go away"),
        (lambda data: data + b"x", "multiple of 6"),
        (lambda data: data[:12], "want 20"),
        (lambda data: b"\0\0\0\x09" + data[4:], "9"),
    ],
)
async def test_refusals_and_nonsense_are_errors(change, complaint):
    def answer(data, count):
        return good(data) if data[8:12] == b"\0\0\0\0" else change(good(data))

    async with talking(answer) as (announce, _):
        with pytest.raises(TrackerError, match=complaint):
            await announce()


@pytest.mark.parametrize(
    "url", ["udp://", "udp://host", "udp://host:0", "udp://no-such-host.invalid:5", "udp://h:x"]
)
async def test_a_url_that_names_no_tracker(url):
    client = UdpTrackers()
    with pytest.raises(TrackerError):
        await client.announce(url, REQUEST, family=socket.AF_INET)
