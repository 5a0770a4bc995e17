"""Hypothesis strategies for tracker messages."""

from ipaddress import IPv4Address, IPv6Address

from hypothesis import strategies as st

from axon.bt.announce import AnnounceRequest, AnnounceResponse, Event, SwarmCounts, TrackerPeer
from axon.ids import InfoHash, NodeKey, PeerId

ports = st.integers(1, 65535)
hashes = st.binary(min_size=20, max_size=20).map(InfoHash)
peer_ids = st.binary(min_size=20, max_size=20).map(PeerId)
totals = st.integers(0, (1 << 64) - 1)
hosts4 = st.integers(0, (1 << 32) - 1).map(lambda n: str(IPv4Address(n)))
hosts6 = st.integers(1 << 100, (1 << 128) - 1).map(lambda n: str(IPv6Address(n)))
signatures = st.one_of(
    st.just((None, 0, None)),
    st.tuples(st.binary(min_size=32, max_size=32).map(NodeKey), totals, st.binary(min_size=64, max_size=64)),
)


@st.composite
def announce_requests(draw: st.DrawFn) -> AnnounceRequest:
    node_key, signed_at, signature = draw(signatures)
    return AnnounceRequest(
        draw(hashes),
        draw(peer_ids),
        draw(ports),
        draw(totals),
        draw(totals),
        draw(totals),
        draw(st.sampled_from(Event)),
        draw(st.integers(-1, (1 << 31) - 1)),
        draw(st.integers(0, (1 << 32) - 1)),
        node_key=node_key,
        signed_at=signed_at,
        signature=signature,
    )


peers4 = st.lists(st.builds(TrackerPeer, hosts4, ports, st.none()), max_size=5).map(tuple)
peers6 = st.lists(st.builds(TrackerPeer, hosts6, ports, st.none()), max_size=5).map(tuple)
counts = st.builds(SwarmCounts, *[st.integers(0, (1 << 32) - 1)] * 3, st.none())
optional_counts = st.one_of(st.none(), st.integers(0, 1 << 40))
texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40)


@st.composite
def announce_responses(draw: st.DrawFn) -> AnnounceResponse:
    interval = draw(st.integers(1, 86400))
    return AnnounceResponse(
        interval,
        draw(st.one_of(st.none(), st.integers(1, interval))),
        draw(optional_counts),
        draw(optional_counts),
        draw(optional_counts),
        draw(peers4),
        draw(peers6),
        draw(st.one_of(st.none(), texts)),
        tracker_id=draw(st.binary(max_size=20)),
        external_ip=draw(st.one_of(st.none(), hosts4, hosts6)),
    )
