"""HTTP tracker queries and bodies: vectors, round trips, and what is refused."""

import contextlib
from dataclasses import replace
from urllib.parse import urlsplit

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
from axon.bt.tracker_http import (
    announce_url,
    decode_announce_response,
    decode_scrape_response,
    encode_announce_query,
    scrape_url,
)
from axon.bt.tracker_http_server import (
    decode_announce_query,
    decode_scrape_query,
    encode_announce_response,
    encode_scrape_response,
)
from axon.errors import RemoteProtocolError, TrackerError
from axon.ids import InfoHash, PeerId
from tests.bt.tracker_strategies import announce_requests, announce_responses, counts, hashes

REQUEST = AnnounceRequest(InfoHash(bytes(range(20))), PeerId(b"-AX0100-abcdefghijkl"), 6881, left=0)
GOOD = b"info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=bbbbbbbbbbbbbbbbbbbb&port=6881"


@given(announce_requests())
def test_announce_survives_the_query(request_: AnnounceRequest) -> None:
    assert decode_announce_query(encode_announce_query(request_).encode()) == request_


@given(announce_responses())
def test_announce_response_survives_the_body(response: AnnounceResponse) -> None:
    assert decode_announce_response(encode_announce_response(response)) == response


@given(announce_responses())
def test_announce_response_survives_the_long_form(response: AnnounceResponse) -> None:
    assert decode_announce_response(encode_announce_response(response, compact=False)) == response


@given(st.lists(hashes, max_size=20, unique=True))
def test_scrape_survives_the_query(asked: list[InfoHash]) -> None:
    request = ScrapeRequest(tuple(asked))
    url = scrape_url("http://t.example/announce", request)
    assert url is not None and decode_scrape_query(urlsplit(url).query.encode()) == request


@given(st.dictionaries(hashes, counts, max_size=20), st.one_of(st.none(), st.integers(0, 9999)))
def test_scrape_response_survives_the_body(files: dict[InfoHash, SwarmCounts], wait: int | None) -> None:
    response = ScrapeResponse(files, min_request_interval=wait)
    assert decode_scrape_response(encode_scrape_response(response)) == response


def test_the_trackers_own_query_stays_first() -> None:
    url = announce_url("https://t.example/x/announce?passkey=1", REQUEST)
    assert url.startswith("https://t.example/x/announce?passkey=1&info_hash=%00%01%02")


@pytest.mark.parametrize(
    ("announce", "scrape"),
    [
        ("http://t/announce", "http://t/scrape?info_hash=hhhhhhhhhhhhhhhhhhhh"),
        ("http://t/x/announce.php?k=1", "http://t/x/scrape.php?k=1&info_hash=hhhhhhhhhhhhhhhhhhhh"),
        ("http://t/a", None),
        ("http://t/announce/x", None),
    ],
)
def test_scrape_urls_follow_the_convention(announce: str, scrape: str | None) -> None:
    assert scrape_url(announce, ScrapeRequest((InfoHash(b"h" * 20),))) == scrape


def test_failure_with_retry() -> None:  # BEP 31
    body = encode_announce_response(AnnounceResponse(failure="full", retry_in=5))
    assert body == b"d14:failure reason4:full8:retry ini5ee"
    assert decode_announce_response(body).retry_in == 5
    never = decode_announce_response(b"d14:failure reason1:x8:retry in5:nevere")
    assert never.retry_in == 0 and never.failure == "x"


def test_external_ip_and_peers6_vectors() -> None:  # BEP 24, BEP 7
    body = (
        b"d11:external ip4:\x7f\x00\x00\x018:intervali60e5:peers0:6:peers618:" + bytes(15) + b"\x01\x1a\xe1e"
    )
    response = decode_announce_response(body)
    assert response.external_ip == "127.0.0.1" and response.peers6 == (TrackerPeer("::1", 6881),)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"i1e",
        b"d8:intervali60e5:peers7:1234567e",
        b"d8:intervali60e5:peers0:6:peers61:xe",
        b"d8:intervali60e5:peersi1ee",
        b"d8:intervali60e5:peersli1eee",
        b"d8:intervali60e6:peers6i1ee",
        b"d8:interval" + b"l" * 500 + b"e" * 500 + b"e",
        b"d1:x2000000:" + b"x" * 2_000_000 + b"e",
    ],
)
def test_malformed_answers_are_the_trackers_fault(body: bytes) -> None:
    with pytest.raises(TrackerError):
        decode_announce_response(body)


@pytest.mark.parametrize("interval", [b"i0e", b"i-5e", b"1:x"])
def test_a_foolish_interval_is_bent(interval: bytes) -> None:
    body = b"d8:interval" + interval + b"12:min intervali-1e5:peers6:\x7f\0\0\1\0\0e"
    response = decode_announce_response(body)
    assert response.interval == 1800 and not response.min_interval and response.peers == ()


def test_terminal_escapes_in_a_reason_are_defused() -> None:
    response = decode_announce_response(b"d14:failure reason5:\x1b[31me")
    assert response.failure is not None and "\x1b" not in response.failure


def test_host_names_and_ports_out_of_range_are_dropped_from_the_long_form() -> None:
    body = (
        b"d8:intervali60e5:peersl"
        b"d2:ip9:localhost4:porti1ee"
        b"d2:ip9:127.0.0.14:porti0ee"
        b"d2:ip9:127.0.0.14:porti70000ee"
        b"d2:ip3:::14:porti7ee"
        b"d2:ip9:127.0.0.17:peer id20:bbbbbbbbbbbbbbbbbbbb4:porti7eeee"
    )
    response = decode_announce_response(body)
    assert response.peers == (TrackerPeer("127.0.0.1", 7, PeerId(b"b" * 20)),)
    assert response.peers6 == (TrackerPeer("::1", 7),)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (b"", "port is missing"),
        (b"port=1", "info_hash is missing"),
        (GOOD.replace(b"port=6881", b"port=0"), "port 0"),
        (GOOD.replace(b"port=6881", b"port=65536"), "port: "),
        (GOOD.replace(b"port=6881", b"port=-1"), "port: "),
        (GOOD.replace(b"aaaa", b"aaa", 1), "info_hash: 19 bytes"),
        (GOOD.replace(b"aa", b"%zz", 1), "info_hash: 21 bytes"),
        (GOOD + b"&left=x", "left: "),
        (GOOD + b"&uploaded=99999999999999999999", "uploaded: "),
        (GOOD + b"&node_key=zz", "node_key"),
        (GOOD + b"&node_key=00", "node_key of 1"),
    ],
)
def test_malformed_queries_name_what_is_wrong(query: bytes, message: str) -> None:
    with pytest.raises(RemoteProtocolError, match=message):
        decode_announce_query(query)


def test_defaults_of_a_bare_query() -> None:
    request = decode_announce_query(GOOD)
    assert (
        request.left > 1 << 60 and request.numwant == -1 and request.event is Event.NONE and request.compact
    )


def test_a_huge_numwant_is_read() -> None:
    assert decode_announce_query(GOOD + b"&numwant=999999999999").numwant == (1 << 31) - 1


@pytest.mark.parametrize(
    ("term", "v4", "v6"),
    [
        (b"ipv4=10.0.0.1", ("10.0.0.1", 6881), None),
        (b"ipv4=10.0.0.1:7", ("10.0.0.1", 7), None),
        (b"ipv6=2001:db8::1", None, ("2001:db8::1", 6881)),
        (b"ipv6=%5B2001%3Adb8%3A%3A1%5D%3A7", None, ("2001:db8::1", 7)),
        (b"ipv6=10.0.0.1", None, None),
        (b"ipv4=x:y", None, None),
        (b"ipv4=10.0.0.1:0", None, None),
    ],
)
def test_other_addresses_are_read(
    term: bytes, v4: tuple[str, int] | None, v6: tuple[str, int] | None
) -> None:
    request = decode_announce_query(GOOD + b"&" + term)
    assert (request.ipv4, request.ipv6) == (v4, v6)


@given(st.binary(max_size=200))
def test_any_query_and_body_is_read_or_refused(data: bytes) -> None:
    for read in (decode_announce_query, decode_scrape_query):
        with contextlib.suppress(RemoteProtocolError):
            read(data)
    for understand in (decode_announce_response, decode_scrape_response):
        with contextlib.suppress(TrackerError):
            understand(data)


def test_scrape_limit() -> None:
    with pytest.raises(RemoteProtocolError, match="3 torrents"):
        decode_scrape_query(b"&".join([b"info_hash=" + b"a" * 20] * 3), limit=2)


def test_what_encryption_we_take_is_told() -> None:  # BEP 8
    bare = AnnounceRequest(InfoHash(bytes(20)), PeerId(bytes(20)), 6881)
    assert "crypto" not in encode_announce_query(bare)
    either = replace(bare, takes_encrypted=True)
    assert "&supportcrypto=1" in encode_announce_query(either)
    only = replace(either, takes_plain=False)
    query = encode_announce_query(only)
    assert "&requirecrypto=1" in query and "supportcrypto" not in query
    assert decode_announce_query(query.encode()) == bare  # our tracker names both kinds to both
