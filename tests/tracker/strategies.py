"""Hypothesis strategies for swarms and datagrams; small on purpose, so that things meet."""

from hypothesis import strategies as st

from axon.bt.announce import AnnounceRequest, Event, ScrapeRequest
from axon.bt.tracker_udp import encode_announce, encode_connect, encode_scrape
from axon.ids import InfoHash, PeerId

hashes = st.integers(0, 3).map(lambda n: InfoHash(bytes([n]) * 20))
addresses4 = st.integers(1, 5).map(lambda n: bytes([10, 0, 0, n]))
addresses6 = st.integers(1, 5).map(lambda n: bytes([0x20, 1]) + bytes(13) + bytes([n]))
ports = st.integers(1, 12)
events = st.sampled_from([*Event, Event.NONE, Event.NONE, Event.NONE])
lefts = st.sampled_from([0, 1, 1 << 40])
wants = st.sampled_from([-1, 0, 1, 3, 7, 50, 100_000])


@st.composite
def announces(draw: st.DrawFn) -> AnnounceRequest:
    return AnnounceRequest(
        draw(hashes),
        PeerId(b"-XX0000-" + bytes(12)),
        draw(ports),
        left=draw(lefts),
        event=draw(events),
        numwant=draw(wants),
    )


@st.composite
def datagrams(draw: st.DrawFn, connection_id: int) -> bytes:
    """One datagram with a good connection id, or with something wrong about it."""
    cid = draw(st.sampled_from([connection_id] * 8 + [0, connection_id ^ 1]))
    transaction = draw(st.integers(0, (1 << 32) - 1))
    kind = draw(st.sampled_from("aaaaaascxm"))
    if kind == "a":
        return encode_announce(
            cid, transaction, draw(announces()), draw(st.sampled_from(["", "udp://x/announce"]))
        )
    if kind == "s":
        asked = draw(st.lists(hashes, min_size=1, max_size=5))
        return encode_scrape(cid, transaction, ScrapeRequest(tuple(asked)))
    if kind == "c":
        return encode_connect(transaction)
    if kind == "x":
        return draw(st.binary(max_size=120))
    data = bytearray(encode_announce(cid, transaction, draw(announces())))
    data[draw(st.integers(8, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))])
