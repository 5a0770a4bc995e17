"""Targets that read what trackers, their clients and aggregators send (BEP 3, 15, 41, 48; JSON)."""

import json
import socket
import struct
from collections.abc import Sequence

from fuzz.target import Run, Target

__all__ = ["TARGETS"]

_QUERY = b"info_hash=" + b"%41" * 20 + b"&peer_id=-XX0000-" + b"b" * 12 + b"&port=6881"


def _tracker_http() -> Run:
    from axon.bt import tracker_http as codec
    from axon.bt import tracker_http_server as server
    from axon.errors import RemoteProtocolError, TrackerError

    def run(data: bytes) -> None:
        for decode in (codec.decode_announce_response, codec.decode_scrape_response):
            try:
                decode(data)
            except TrackerError:
                continue
        for read in (server.decode_announce_query, server.decode_scrape_query):
            try:
                read(data)
            except RemoteProtocolError:
                continue
        server.decode_signature(data)

    return run


def _tracker_http_seeds() -> Sequence[bytes]:
    signed = b"&node_key=" + b"ab" * 32 + b"&signed_at=1700000000&signature=" + b"cd" * 64
    return [
        b"d8:completei1e10:downloadedi0e11:external ip4:\1\2\3\x0410:incompletei2e8:intervali1800e"
        b"12:min intervali60e5:peers6:\1\2\3\4\0\x506:peers618:0123456789abcdef\0\x50"
        b"10:tracker id1:x15:warning message1:we",
        b"d8:intervali0e5:peersld2:ip7:1.2.3.47:peer id20:--------------------4:porti80eeee",
        b"d14:failure reason2:no8:retry in5:nevere",
        b"d5:filesd20:--------------------d8:completei1e10:downloadedi2e10:incompletei3eee"
        b"5:flagsd20:min_request_intervali9eee",
        _QUERY + b"&uploaded=1&downloaded=2&left=3&event=started&numwant=50&key=A1B2C3D4&compact=1",
        _QUERY + b"&ipv4=1.2.3.4%3A5&ipv6=%5B2001%3A%3A1%5D%3A7&trackerid=x&no_peer_id=1&compact=0" + signed,
        b"info_hash=" + b"%41" * 20 + b"&info_hash=" + b"b" * 20,
    ]


def _tracker_udp() -> Run:
    from axon.bt import tracker_udp as codec
    from axon.errors import RemoteProtocolError, TrackerError
    from axon.ids import InfoHash

    scraped = [InfoHash(b"h" * 20), InfoHash(b"k" * 20)]

    def run(data: bytes) -> None:
        transaction = int.from_bytes(data[4:8], "big")
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                codec.decode_reply(data, transaction, family, scraped)
            except TrackerError:
                continue
        try:
            codec.decode_request(data)
        except RemoteProtocolError:
            return

    return run


def _datagrams() -> list[bytes]:
    from axon.bt import tracker_udp as codec
    from axon.bt.announce import AnnounceRequest, ScrapeRequest
    from axon.ids import InfoHash, NodeKey, PeerId

    plain = AnnounceRequest(InfoHash(b"h" * 20), PeerId(b"p" * 20), 6881, left=5)
    signed = AnnounceRequest(
        InfoHash(b"h" * 20),
        PeerId(b"p" * 20),
        6881,
        node_key=NodeKey(b"k" * 32),
        signed_at=17,
        signature=b"s" * 64,
    )
    return [
        codec.encode_connect(5),
        codec.encode_announce(9, 5, plain),
        codec.encode_announce(9, 5, plain, "udp://t/" + "a" * 300),
        codec.encode_announce(9, 5, signed, "udp://t/a?b=c"),
        codec.encode_scrape(9, 5, ScrapeRequest((InfoHash(b"h" * 20),) * 3)),
        codec.encode_connect_reply(5, 9),
        codec.encode_announce_reply(5, 1800, 1, 2, bytes(range(36))),
        struct.pack(">II", 2, 5) + bytes(24),
        codec.encode_error(5, "no"),
    ]


def _requests() -> Run:
    from ipaddress import ip_network

    from axon.tracker.requests import client_address, parse_head

    trusted = [ip_network("127.0.0.0/8"), ip_network("2001::/16")]

    def run(data: bytes) -> None:
        request = parse_head(data)
        for peer in (b"\x7f\0\0\1", b"\1\2\3\4", b"\x20\1" + bytes(14)):
            assert len(client_address(peer, request, trusted)) in (4, 16)

    return run


def _heads() -> list[bytes]:
    return [
        b"GET /announce?" + _QUERY + b" HTTP/1.1\r\nHost: x",
        b"GET http://h:1/scrape?x HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5",
        b"POST /receipts HTTP/1.1\r\nX-Forwarded-For: 1.2.3.4, [::1]:5, 127.0.0.1:80\r\nExpect: 100-continue",
    ]


def _tracker() -> Run:
    """The compiled tracker against the plain one, by HTTP and by UDP."""
    import numpy as np

    from axon.tracker.app import App
    from axon.tracker.connection_id import ConnectionIds
    from axon.tracker.engine import Engine
    from axon.tracker.faststore import FastSwarms
    from axon.tracker.logic import Counters, Policy, Tracker
    from axon.tracker.requests import HttpError, parse_head, response
    from axon.tracker.swarms import Swarms

    seed, policy = 7, Policy(max_want=60)

    def both() -> tuple[Tracker, Tracker, FastSwarms]:
        ids = [ConnectionIds(120, lambda n: b"\5" * n) for _ in range(2)]
        store = FastSwarms(seed, 1 << 24, secret=b"secret for table")
        slow = Tracker(Swarms(seed, 1 << 24), policy, ids[0], Counters())
        fast = Tracker(store, policy, ids[1], Engine.counters(store))  # type: ignore[arg-type]
        return slow, fast, store

    def run(data: bytes) -> None:
        """Byte 0: bit 7 UDP, bit 6 IPv6; then requests, 2 bytes of length before each."""
        if not data:
            return
        slow, fast, store = both()
        engine = Engine(fast, store)
        now = 1000.0
        slow.ids.advance(now)
        engine.advance(now)
        app = App(slow, trusted=(), clock=lambda: now, connections=lambda: 0)
        address = b"\x20\1" + bytes(13) + b"\1" if data[0] & 64 else b"\x0a\0\0\1"
        at = 1
        try:
            while at + 2 <= len(data):
                length = min(int.from_bytes(data[at : at + 2], "big"), 2048)
                part = data[at + 2 : at + 2 + length]
                at += 2 + length
                if data[0] & 128:
                    if data[0] & 32 and len(part) >= 8:
                        part = slow.ids.make(address).to_bytes(8, "big") + part[8:]
                    assert slow.datagram(part, address, now) == engine.datagram(part, address)
                    continue
                part += b"\r\n\r\n"
                engine.http_in[: len(part)] = part
                consumed, answer, close = engine.http(len(part), address)
                if not consumed:
                    assert not answer
                    continue
                head, _, rest = part.partition(b"\r\n\r\n")
                expected, closes = b"", False
                while consumed > 0 and not closes:
                    request = parse_head(head)
                    body = app.fast(request, address, now)
                    assert body is not None
                    closes = not request.keep_alive
                    expected += response(200, body, close=closes)
                    consumed -= len(head) + 4
                    head, _, rest = rest.partition(b"\r\n\r\n")
                assert (bytes(answer), close, consumed) == (expected, closes, 0)
        except HttpError as error:
            raise AssertionError(f"the kernel answered what Python refuses: {error}") from error
        finally:
            same = np.array_equal(np.asarray(store.totals()), np.asarray(fast.store.totals()))
            store.close()
        assert same

    return run


def _tracker_seeds() -> Sequence[bytes]:
    def said(head: int, *parts: bytes) -> bytes:
        return bytes([head]) + b"".join(struct.pack(">H", len(p)) + p for p in parts)

    heads = _heads()
    return [
        said(0, heads[0], heads[0] + b"\r\nConnection: close", heads[1]),
        said(64, heads[0].replace(b"port=6881", b"left=0&port=7&event=completed&numwant=3"), heads[0]),
        *(said(0x80 + flags, *_datagrams()[:5]) for flags in (0, 0x20, 0x60)),
    ]


def _plain() -> Run:
    """The plain tracker by itself: nothing but an HttpError may come out of it."""
    from axon.tracker.app import App
    from axon.tracker.connection_id import ConnectionIds
    from axon.tracker.logic import Counters, Policy, Tracker
    from axon.tracker.requests import HttpError, parse_head
    from axon.tracker.swarms import Swarms

    tracker = Tracker(Swarms(7, 1 << 24), Policy(), ConnectionIds(120, lambda n: b"\5" * n), Counters())
    tracker.ids.advance(1000.0)
    app = App(tracker, trusted=(), clock=lambda: 1000.0, connections=lambda: 0)

    def run(data: bytes) -> None:
        tracker.datagram(data[:2048], b"\x0a\0\0\1", 1000.0)
        for head in (data, b"GET /announce?" + data + b" HTTP/1.1", b"GET /scrape?" + data + b" HTTP/1.1"):
            try:
                app.fast(parse_head(head[: 16 * 1024]), b"\x0a\0\0\1", 1000.0)
            except HttpError as error:
                str(error).encode()

    return run


def _inclusion() -> Run:
    from axon.bt.inclusion import decode_answer
    from axon.rewards.attestation import AttestRequest
    from axon.rewards.pools import PoolRules

    def run(data: bytes) -> None:
        from axon.errors import AxonError

        for read in (lambda: decode_answer(data, bytes(472)), lambda: AttestRequest.parse(data)):
            try:
                read()
            except AxonError:
                continue
        try:
            rules = json.loads(data)
        except (ValueError, RecursionError):
            return
        PoolRules.from_json(rules).keys()

    return run


def _inclusion_seeds() -> Sequence[bytes]:
    from axon.bt.inclusion import Inclusion, Verdict, encode_answer
    from axon.ids import ZERO_ACCOUNT, Epoch, InfoHash, NodeKey
    from axon.keys import NodeSecret
    from axon.receipts import Reject
    from axon.rewards.attestation import AttestRequest
    from axon.rewards.pools import PoolMember, PoolRules

    said = Inclusion.of(NodeSecret(bytes(32)), [bytes(236)], 17)
    a, b = NodeKey(b"a" * 32), NodeKey(b"b" * 32)
    rules = PoolRules(
        1, ZERO_ACCOUNT, InfoHash(bytes(20)), 9, 0, 60, 1, 1, 1, ((a, 5),),
        (PoolMember(ZERO_ACCOUNT, b, bytes(64)),), bytes(32),
    )  # fmt: skip
    return [
        encode_answer([Verdict("stored"), Verdict("rejected", Reject.SCOPE)], said),
        AttestRequest(
            1, ZERO_ACCOUNT, Epoch(2), bytes(32), bytes(32), "onchain-100", {(a, b): 7}
        ).serialize(),
        json.dumps(rules.to_json()).encode(),
    ]


TARGETS = (
    Target(
        "tracker_http",
        _tracker_http,
        _tracker_http_seeds,
        ("axon.bt.tracker_http", "axon.bt.tracker_http_server", "axon.bt.announce", "axon.bt.bencode"),
        (
            b"&ipv4=",
            b"&ipv6=",
            b"&node_key=",
            b"&signature=",
            b"%5B",
            b"5:peers",
            b"6:peers6",
            b"2:ip",
            b"0" * 5000,
            b"&numwant=",
            b"&key=",
        ),
    ),
    Target(
        "tracker_udp",
        _tracker_udp,
        _datagrams,
        ("axon.bt.tracker_udp", "axon.bt.tracker_http", "axon.bt.tracker_http_server"),
        max_input=4096,
    ),
    Target(
        "requests",
        _requests,
        _heads,
        ("axon.tracker.requests",),
        (b"\r\n", b"X-Forwarded-For:", b"Content-Length:"),
        16384,
    ),
    Target("tracker", _tracker, _tracker_seeds, (), max_input=8192),
    Target(
        "tracker_plain",
        _plain,
        lambda: [*_heads(), *_datagrams(), *_tracker_http_seeds()[4:]],
        (
            "axon.tracker.logic",
            "axon.tracker.app",
            "axon.tracker.requests",
            "axon.tracker.swarms",
            "axon.bt.tracker_http_server",
        ),
        (b"&ipv4=", b"&ipv6=", b"0" * 5000),
    ),
    Target(
        "inclusion",
        _inclusion,
        _inclusion_seeds,
        ("axon.bt.inclusion", "axon.rewards.attestation", "axon.rewards.pools"),
        (b"1e999", b"null", b"-1", b"[", b"NaN", b'"', b"9" * 5000),
    ),
)  # fmt: skip
