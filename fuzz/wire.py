"""Targets that read what peers send (BEP 3, 6, 9, 10, 11, 52; receipts)."""

import struct
from collections.abc import Sequence
from itertools import pairwise

from fuzz.target import Run, Target

__all__ = ["TARGETS"]

_HASH, _OTHER = b"h" * 20, b"k" * 20
_EXTENSIONS = {"ut_metadata": 1, "ut_pex": 2, "axon": 3, "lt_donthave": 4, "upload_only": 5}


def _messages() -> Run:
    from axon.bt.messages import parse_message, to_frame
    from axon.errors import RemoteProtocolError

    def run(data: bytes) -> None:
        try:
            message = parse_message(memoryview(data))
        except RemoteProtocolError:
            return
        assert to_frame(message)[4:] == data

    return run


def _frames() -> list[bytes]:
    from axon.bt import messages as msg
    from axon.bt.extended import ExtendedHandshake

    told = ExtendedHandshake(_EXTENSIONS, client="x", port=5, reqq=50, metadata_size=40000, upload_only=False)
    request = msg.HashRequest(bytes(32), 0, 0, 2, 1)
    all_of_them: list[msg.Message] = [
        msg.Choke(),
        msg.Unchoke(),
        msg.Interested(),
        msg.NotInterested(),
        msg.Have(3),
        msg.BitfieldMessage(b"\xff\xe0"),
        msg.Request(1, 0, 16384),
        msg.Piece(0, 0, bytes(40)),
        msg.Cancel(1, 0, 16384),
        msg.Port(6881),
        msg.Suggest(2),
        msg.HaveAll(),
        msg.HaveNone(),
        msg.Reject(0, 16384, 16384),
        msg.AllowedFast(4),
        msg.Extended(0, told.serialize()),
        msg.Extended(1, b"d8:msg_typei0e5:piecei0ee"),
        msg.Extended(4, bytes(4)),
        msg.Extended(5, b"\1"),
        request,
        msg.Hashes(*request.fields, bytes(96)),
        msg.HashReject(*request.fields),
    ]
    return [msg.to_frame(message) for message in all_of_them]


def _connection() -> Run:
    from axon.bt.connection import PeerConnection, State
    from axon.bt.handshake import HANDSHAKE_SIZE, Handshake, Reserved
    from axon.bt.messages import HashRequest
    from axon.errors import RemoteProtocolError
    from axon.ids import InfoHash, PeerId

    reserved = Reserved.FAST | Reserved.EXTENDED | Reserved.V2

    def run(data: bytes) -> None:
        """Byte 0: options; byte 1: where the stream is cut; then the stream, or a script of frames."""
        if len(data) < 2:
            return
        options, cut = data[0], data[1] + 1
        stream = data[2:]
        if options & 1:  # lengths made good: 1 byte of length, then id and payload
            frames, at = b"", 0
            while at < len(stream):
                body = stream[at + 1 : at + 1 + stream[at]]
                frames += struct.pack(">I", len(body)) + body
                at += 1 + stream[at]
            stream = frames
        if not options & 2:
            theirs = Handshake(InfoHash(_HASH), PeerId(b"-XX0000-them--------"), reserved)
            stream = theirs.serialize() + stream
        conn = PeerConnection(
            info_hashes=[_HASH, _OTHER],
            peer_id=PeerId(b"-XX0000-us----------"),
            outgoing=bool(options & 4),
            now=0.0,
            num_pieces=11 if options & 8 else None,
            piece_size=(lambda index: 40000) if options & 8 else None,
            extensions=_EXTENSIONS,
            v2=bool(options & 16),
            reqq=20,
        )
        now, asked = 0.0, False
        try:
            for start, stop in pairwise([*range(0, len(stream), max(cut, len(stream) // 200)), len(stream)]):
                now += 0.25 if options & 32 else 0.0
                if options & 64:
                    part = stream[start:stop]
                    while part:
                        room = conn.buffer_for_read()
                        n = min(len(room), len(part))
                        room[:n] = part[:n]
                        conn.received(n, now)
                        part = part[n:]
                else:
                    conn.receive(stream[start:stop], now)
                if conn.state in (State.FIRST, State.OPEN) and not asked:
                    asked = True
                    conn.unchoke()
                    conn.interested()
                    if conn.v2:
                        conn.hash_request(HashRequest(bytes(32), 0, 0, 2, 1))
                if conn.state is State.OPEN and conn.peer_have is not None and not conn.outstanding:
                    conn.request_many(
                        [(k, b, 16384) for k in range(3) for b in (0, 16384) if conn.can_request(k)]
                    )
                conn.next_requests(3)
                assert len(conn.data_to_send()) < 8 << 20
                assert conn.requests_waiting <= 20
                if conn.deadline() <= now:
                    conn.on_deadline(now)
            if options & 128 and conn.num_pieces is None and conn.state is not State.GREETING:
                conn.set_num_pieces(11, lambda index: 40000)
        except RemoteProtocolError:
            conn.close()
        assert len(conn._buffer.data) <= 4 * len(stream) + (64 << 10) + 4 * HANDSHAKE_SIZE

    return run


def _connection_seeds() -> Sequence[bytes]:
    frames = _frames()
    session = b"".join(frames)
    first = b"".join([frames[15], frames[11], frames[1], frames[2], frames[6], frames[7], frames[16]])
    script = b"".join(bytes([len(f) - 4]) + f[4:] for f in frames if len(f) < 260)
    return [
        *(bytes([options, 255]) + session for options in (0, 8, 8 + 16, 64 + 8, 4 + 8 + 32)),
        *(bytes([options, 40]) + first for options in (0, 8 + 16, 64 + 8, 4 + 8 + 32)),
        *(bytes([1 + options, 9]) + script for options in (0, 8 + 16, 128)),
        bytes([2, 5]) + b"\x13BitTorrent protocol" + bytes(8) + _HASH + b"p" * 20 + frames[5],
        bytes([8, 200]) + frames[5] + bytes(4) + frames[4],
        bytes([0, 3]) + struct.pack(">IB", 0xFFFFFFFF, 7),
    ]


def _extended() -> Run:
    from axon.bt.extended import ExtendedHandshake

    def run(data: bytes) -> None:
        told = ExtendedHandshake.parse(data)
        again = ExtendedHandshake.parse(told.serialize())
        assert again.extensions == told.extensions and again.reqq == told.reqq
        assert told.client is None or told.client.isprintable() or not told.client.strip()

    return run


def _extended_seeds() -> Sequence[bytes]:
    return [
        b"de",
        b"d1:md11:ut_metadatai1e6:ut_pexi2ee13:metadata_sizei40000e1:pi6881e4:reqqi250e1:v3:x 1e",
        b"d4:ipv44:\x01\x02\x03\x044:ipv616:0123456789abcdef11:upload_onlyi1e6:yourip4:abcde",
    ]


def _metadata() -> Run:
    from hashlib import sha1

    from axon.bt.metadata import MetadataDownload, MetadataMessage, MetadataUpload, info_hash_check
    from axon.errors import RemoteProtocolError

    info = bytes(range(251)) * 133  # three pieces
    good = info_hash_check(sha1(info).digest(), None)

    def run(data: bytes) -> None:
        """Messages of several peers: 1 byte of peer and time, 2 of length, the payload."""
        download, upload = MetadataDownload(good), MetadataUpload(info)
        now, at = 0.0, 0
        while at + 3 <= len(data):
            peer, length = data[at] & 3, int.from_bytes(data[at + 1 : at + 3], "big")
            now += (data[at] >> 4) * 2.5
            payload = data[at + 3 : at + 3 + length]
            at += 3 + length
            try:
                if data[at - 3 - length] & 4:
                    download.add(peer, len(info) if not payload else int.from_bytes(payload[:4], "big"))
                elif data[at - 3 - length] & 8:  # a true answer to whatever is asked
                    for ask in download.requests(peer, now):
                        answer = MetadataMessage.parse(MetadataUpload(info).answer(ask).serialize())
                        assert answer is not None
                        download.received(peer, answer)
                elif (message := MetadataMessage.parse(payload)) is not None:
                    if message.kind == 0:
                        upload.answer(message)
                    download.received(peer, message)
                download.requests(peer, now)
            except RemoteProtocolError:
                download.remove(peer)
            if download.deadline() <= now:
                download.on_deadline(now)
        assert download.info in (None, info)

    return run


def _metadata_seeds() -> Sequence[bytes]:
    size = struct.pack(">I", 251 * 133)
    other = struct.pack(">I", 20000)
    ask = b"d8:msg_typei0e5:piecei1ee"
    no = b"d8:msg_typei2e5:piecei0ee"
    data = b"d8:msg_typei1e5:piecei0e10:total_sizei20000ee" + bytes(16384)

    def one(head: int, payload: bytes = b"") -> bytes:
        return struct.pack(">BH", head, len(payload)) + payload

    return [
        one(4, size) + one(8) + one(8),
        one(4, other) + one(0, data) + one(5, size) + one(9) + one(0, no),
        one(4, size) + one(0, ask) + one(0, no) + one(0x85) + one(0xF9),
    ]


def _pex() -> Run:
    from axon.bt.pex import PexMessage, PexReceiver, is_dialable

    def run(data: bytes) -> None:
        receiver = PexReceiver(0.0)
        for k in range(6):
            got = receiver.received(data, 20.0 * k)
            assert len(got.added) <= 200 and len(got.dropped) <= 200
            assert all(is_dialable(address) for address, _ in got.added)
        message = PexMessage.parse(data)
        assert set(PexMessage.parse(message.serialize()).dropped) == set(message.dropped)

    return run


def _pex_seeds() -> Sequence[bytes]:
    return [
        b"d5:added6:\x01\x02\x03\x04\x00\x507:added.f1:\x026:added60:8:added6.f0:7:dropped0:8:dropped60:e",
        b"d6:added618:" + bytes(range(18)) + b"8:added6.f1:\x107:dropped12:abcdefabcdefe",
        b"de",
    ]


def _receipt_ext() -> Run:
    from axon.bt.receipt_ext import ReceiptArrived, ReceiptChannel
    from axon.errors import RemoteProtocolError
    from axon.ids import ZERO_ACCOUNT, Epoch, InfoHash
    from axon.keys import NodeSecret
    from axon.receipts import Scope

    scope = Scope(1, ZERO_ACCOUNT, InfoHash(_HASH), Epoch(3))
    ours, theirs = NodeSecret(bytes(32)), NodeSecret(b"\1" * 32)

    def run(data: bytes) -> None:
        """Byte 0: how far the channel has come; then messages, 2 bytes of length before each."""
        channel = ReceiptChannel(ours, scope, bytes(32))
        if data[:1] >= b"\x40":
            peer = ReceiptChannel(theirs, scope, b"\1" * 32)
            for _ in range(2):
                for payload in channel.to_send():
                    peer.receive(payload)
                for payload in peer.to_send():
                    channel.receive(payload)
            if data[:1] >= b"\xc0":
                channel.rescope(scope._replace(epoch=Epoch(4)), b"\2" * 32)
        at = 1
        try:
            while at + 2 <= len(data):
                length = int.from_bytes(data[at : at + 2], "big")
                for event in channel.receive(data[at + 2 : at + 2 + length]):
                    if isinstance(event, ReceiptArrived) and data[0] & 1:
                        channel.queued -= 1
                at += 2 + length
        except RemoteProtocolError:
            pass
        assert sum(map(len, channel.to_send())) < 64 * 1024

    return run


def _receipt_seeds() -> Sequence[bytes]:
    from axon.ids import ZERO_ACCOUNT, Epoch, InfoHash, NodeKey, PieceIndex
    from axon.keys import NodeSecret
    from axon.receipts import AckedBlocks, PieceAck, Receipt

    secret = NodeSecret(b"\1" * 32)
    acks = [
        PieceAck.of(2, range(5)),
        PieceAck.of(7, [0, 3, 9]),
    ]
    made = AckedBlocks(acks)
    receipt = Receipt(
        1,
        ZERO_ACCOUNT,
        InfoHash(_HASH),
        Epoch(3),
        secret.public,
        NodeKey(NodeSecret(bytes(32)).public),
        PieceIndex(7),
        made.blocks,
        1,
        made.root(),
        1700000000,
    )
    return [receipt.signed(secret).serialize() + b"".join(ack.serialize() for ack in acks)]


def _receipt_ext_seeds() -> Sequence[bytes]:
    def said(state: int, *payloads: bytes) -> bytes:
        return bytes([state]) + b"".join(struct.pack(">H", len(p)) + p for p in payloads)

    hello = b"\0\1" + struct.pack(">Q20sI32s32s", 1, bytes(20), 3, b"k" * 32, b"n" * 32)
    credit, reject = b"\2" + struct.pack(">IQB", 64, 0, 1), b"\4" + struct.pack(">BI", 2, 1)
    audit = b"\5" + struct.pack(">IIIB", 1, 0, 2, 1) + bytes(32) + bytes.fromhex("000000020001f8")
    receipt = b"\3" + _receipt_seeds()[0]
    return [
        said(0, hello, b"\1" + bytes(64)),
        said(0x41, credit, receipt, reject, audit, b"\5\0\0\0\2"),
        said(0xC1, receipt, hello),
        said(0x40, *[b"\3" + bytes(236)] * 4),
    ]


def _receipts() -> Run:
    from axon.errors import ReceiptError
    from axon.receipts import RECEIPT_SIZE, AckedBlocks, PieceAck, Receipt

    def run(data: bytes) -> None:
        try:
            receipt = Receipt.parse(data[:RECEIPT_SIZE])
            assert receipt.serialize() == data[:RECEIPT_SIZE]
            receipt.verifies()
        except ReceiptError:
            pass
        tail = data[RECEIPT_SIZE:]
        acks = PieceAck.parse_all(tail)
        assert b"".join(ack.serialize() for ack in acks) == tail
        made = AckedBlocks()
        made.add_all(acks)

    return run


TARGETS = (
    Target(
        "messages",
        _messages,
        lambda: [frame[4:] for frame in _frames()],
        ("axon.bt.messages",),
    ),
    Target(
        "connection",
        _connection,
        _connection_seeds,
        (
            "axon.bt.connection",
            "axon.bt.inbound",
            "axon.bt.reactions",
            "axon.bt.framing",
            "axon.bt.messages",
            "axon.bt.requests",
            "axon.bt.peer_pieces",
            "axon.bt.peer_state",
            "axon.bt.handshake",
            "axon.bt.transitions",
            "axon.bt.timers",
            "axon.bt.bitfield",
            "axon.bt.extended",
            "axon.bt.bencode",
        ),
        (b"\x13BitTorrent protocol", b"\0\0\0\1\x0e", b"\0\0\0\x0d\6", b"\0\0\0\5\4", b"\0\0\x40\x09\7"),
    ),
    Target(
        "extended",
        _extended,
        _extended_seeds,
        ("axon.bt.extended", "axon.bt.bencode"),
        (b"1:m", b"1:v", b"4:reqq", b"6:yourip", b"13:metadata_size", b"11:upload_only", b"i255e"),
    ),
    Target(
        "metadata",
        _metadata,
        _metadata_seeds,
        ("axon.bt.metadata", "axon.bt.bencode"),
        (b"8:msg_type", b"5:piece", b"10:total_size", b"i33383e"),
    ),
    Target(
        "pex",
        _pex,
        _pex_seeds,
        ("axon.bt.pex", "axon.bt.bencode"),
        (b"5:added", b"7:added.f", b"6:added6", b"8:added6.f", b"7:dropped", b"8:dropped6"),
    ),
    Target(
        "receipt_ext",
        _receipt_ext,
        _receipt_ext_seeds,
        ("axon.bt.receipt_ext", "axon.receipts"),
    ),
    Target("receipts", _receipts, _receipt_seeds, ("axon.receipts", "axon.merkle")),
)
