"""The pump between a socket and a connection, over a socket pair."""

import socket

import trio

from axon.bt.connection import PeerConnection
from axon.bt.events import HandshakeReceived, PeerInterested
from axon.bt.handshake import Handshake
from axon.ids import InfoHash, PeerId
from axon.peer.ratelimit import Bucket, Limits
from axon.peer.wire import Link, tune

HASH = InfoHash(b"h" * 20)


class Owner:
    """Takes all events, and serves blocks of its own bytes."""

    def __init__(self, up=None):
        self.down, self.up = Limits(Bucket()), Limits(Bucket(up))
        self.events, self.freed = [], 0
        self.credit = 1000

    def on_blocks(self, index, begin, views):
        raise AssertionError("nothing was asked for")

    def on_event(self, event):
        self.events.append(event)

    def on_read(self):
        pass

    def on_pause(self):
        pass

    def upload_batch(self, most):
        return min(most, self.credit)

    async def load(self, count):
        requests = self.link.conn.next_requests(count)
        self.credit -= len(requests)
        parts = []
        for index, begin, length in requests:
            parts += (self.link.conn.piece_header(index, begin, length), bytes([index]) * length)
        return parts, sum(request[2] for request in requests)

    def sent(self):
        self.freed += 1


def make(owner, **more):
    ours, theirs = socket.socketpair()
    tune(ours)
    link = Link(ours, ("127.0.0.1", 5), outgoing=False)
    conn = PeerConnection(
        info_hashes=[HASH],
        peer_id=PeerId(b"a" * 20),
        outgoing=False,
        now=0.0,
        num_pieces=200,
        piece_size=lambda index: 16384,
        offer=range(200),
        on_blocks=link.on_blocks,
        **more,
    )
    link.open(conn, owner)
    owner.link = link
    theirs.setblocking(False)
    return link, trio.socket.from_stdlib_socket(theirs)


HELLO = Handshake(HASH, PeerId(b"b" * 20)).serialize()


async def read(sock, count):
    data = b""
    with trio.fail_after(60):
        while len(data) < count:
            part = await sock.recv(count - len(data))
            assert part, f"closed after {len(data)} of {count} bytes"
            data += part
    return data


async def test_events_arrive_and_control_messages_leave():
    owner = Owner()
    link, peer = make(owner)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.run)
        await peer.send(HELLO + b"\0\0\0\x01\x02")
        assert (await read(peer, 68))[28:48] == HASH
        with trio.fail_after(60):
            while len(owner.events) < 2:
                await trio.sleep(0.01)
        link.conn.unchoke()
        link.flush()
        assert await read(peer, 5) == b"\0\0\0\x01\x01"
        peer.close()
    assert [type(event) for event in owner.events] == [HandshakeReceived, PeerInterested]
    assert link.closed_because == "the peer hung up"


async def test_blocks_arrive_whole_and_in_order_even_if_the_reader_is_slow():
    owner = Owner()
    link, peer = make(owner)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.run)
        await peer.send(HELLO + b"\0\0\0\x01\x02")
        await read(peer, 68)
        link.conn.unchoke()
        link.flush()
        await read(peer, 5)
        for index in range(200):
            await peer.send(
                b"\0\0\0\x0d\x06" + index.to_bytes(4, "big") + bytes(4) + (16384).to_bytes(4, "big")
            )
        for index in range(200):
            if index % 50 == 0:
                await trio.sleep(0.02)
            block = await read(peer, 13 + 16384)
            assert block[:13] == (16393).to_bytes(4, "big") + b"\x07" + index.to_bytes(4, "big") + bytes(4)
            assert block[13:] == bytes([index]) * 16384
        assert link.uploaded == 200 * 16384
        link.close("enough")
    assert owner.freed > 0
    assert link.closed_because == "enough"


async def test_without_credit_requests_wait_until_woken():
    owner = Owner()
    owner.credit = 1
    link, peer = make(owner)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.run)
        await peer.send(HELLO + b"\0\0\0\x01\x02")
        await read(peer, 68)
        link.conn.unchoke()
        link.flush()
        await read(peer, 5)
        for index in range(2):
            await peer.send(
                b"\0\0\0\x0d\x06" + index.to_bytes(4, "big") + bytes(4) + (16384).to_bytes(4, "big")
            )
        await read(peer, 13 + 16384)
        with trio.move_on_after(0.1) as waited:
            await peer.recv(1)
        assert waited.cancelled_caught
        owner.credit = 5
        link.wake()
        await read(peer, 13 + 16384)
        link.close("enough")


async def test_a_broken_rule_closes_the_link_and_says_which():
    owner = Owner()
    link, peer = make(owner)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.run)
        await peer.send(HELLO + b"\xff\xff\xff\xff")
        await read(peer, 68)
        with trio.fail_after(60):
            assert await peer.recv(10) == b""
    assert "frame" in link.closed_because


async def test_uploads_keep_their_rate():
    owner = Owner(up=400_000.0)
    link, peer = make(owner)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.run)
        await peer.send(HELLO + b"\0\0\0\x01\x02")
        await read(peer, 68)
        link.conn.unchoke()
        link.flush()
        await read(peer, 5)
        start = trio.current_time()
        for index in range(20):
            await peer.send(
                b"\0\0\0\x0d\x06" + index.to_bytes(4, "big") + bytes(4) + (16384).to_bytes(4, "big")
            )
        for _ in range(20):
            await read(peer, 13 + 16384)
        assert trio.current_time() - start > (20 * 16384 - 100_000 - 4 * 16384) / 400_000
        link.close("enough")
