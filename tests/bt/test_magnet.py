"""Magnet links (BEP 9, 53), against libtorrent too."""

import contextlib

import libtorrent as lt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.magnet import Magnet
from axon.errors import MetainfoError
from axon.ids import InfoHash

V1, V2 = "aa" * 20, "bb" * 32
urls = st.sampled_from(["http://t/announce?x=1&y=2", "udp://[::1]:6969", "https://t/\u00fc"])
magnets = st.builds(
    Magnet,
    st.none() | st.binary(min_size=20, max_size=20).map(InfoHash),
    st.binary(min_size=32, max_size=32),
    st.none() | st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
    st.lists(urls, unique=True).map(tuple),
    st.lists(urls.filter(lambda url: url.startswith("http")), unique=True).map(tuple),
    st.lists(
        st.tuples(st.sampled_from(["127.0.0.1", "::1", "host.example"]), st.integers(1, 65535)), unique=True
    ).map(tuple),
    st.none() | st.sets(st.integers(0, 100), min_size=1).map(lambda chosen: tuple(sorted(chosen))),
)


@given(magnets)
def test_a_link_reads_back_equal(magnet: Magnet) -> None:
    assert Magnet.parse(magnet.format()) == magnet


@given(
    st.text(max_size=80) | st.text("urn:btihmxsop=&%1220abcdef-,.", max_size=80).map("magnet:?xt=".__add__)
)
def test_any_text_is_a_magnet_or_a_metainfo_error(text: str) -> None:
    with contextlib.suppress(MetainfoError):
        Magnet.parse(text)


def test_hex_and_base32_are_the_same_hash() -> None:
    hexadecimal = Magnet.parse("magnet:?xt=urn:btih:" + "00443214c74254b635cf84653a56d7c675be77df")
    assert Magnet.parse("magnet:?xt=urn:btih:ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == hexadecimal
    assert Magnet.parse("MAGNET:?XT=URN:BTIH:abcdefghijklmnopqrstuvwxyz234567") == hexadecimal


def test_a_hybrid_link_has_both_names() -> None:
    magnet = Magnet.parse(
        f"magnet:?xt=urn:btih:{V1}&xt=urn:btmh:1220{V2}&dn=a+b%20c&tr.1=udp%3A%2F%2Fx%3A1&tr=ftp://x"
    )
    assert magnet.handshake_hashes == (bytes.fromhex(V1), bytes.fromhex(V2)[:20])
    assert magnet.name == "a b c"
    assert magnet.trackers == ("udp://x:1",)


def test_selection_and_peers_of_bep_53_and_9() -> None:
    magnet = Magnet.parse(
        f"magnet:?xt=urn:btih:{V1}&so=0,2,4,6-8&x.pe=1.2.3.4:5&x.pe=[::1]:6&x.pe=bad&x.pe=h:0&x.pe=h:70000"
    )
    assert magnet.select_only == (0, 2, 4, 6, 7, 8)
    assert magnet.peers == (("1.2.3.4", 5), ("::1", 6))


@pytest.mark.parametrize(
    "query",
    [
        "",
        "dn=x",
        "xt=urn:sha1:" + "A" * 32,
        "xt=urn:btih:" + "a" * 39,
        "xt=urn:btih:" + "g" * 40,
        "xt=urn:btih:" + "1" * 32,
        "xt=urn:btmh:1220" + "a" * 63,
        "xt=urn:btmh:1120" + "a" * 64,
        f"xt=urn:btih:{V1}&xt=urn:btih:{'cc' * 20}",
        f"xt=urn:btih:{V1}&so=0-99999999999",
        f"xt=urn:btih:{V1}&so=0-999999999",
        f"xt=urn:btih:{V1}&so=5-2",
        f"xt=urn:btih:{V1}&so=x",
        f"xt=urn:btih:{V1}&" + "tr=http://x&" * 10_000,
    ],
)
def test_what_is_no_link_is_refused(query: str) -> None:
    with pytest.raises(MetainfoError):
        Magnet.parse("magnet:?" + query)
    with pytest.raises(MetainfoError):
        Magnet.parse("http:?" + query)


def test_a_link_needs_a_hash() -> None:
    with pytest.raises(MetainfoError):
        Magnet(name="x").format()


@pytest.mark.interop
def test_libtorrent_reads_the_same_hashes_names_and_peers() -> None:
    magnet = Magnet(
        InfoHash(bytes.fromhex(V1)),
        bytes.fromhex(V2),
        "n & m",
        ("http://t/a?b=c&d",),
        (),
        (("127.0.0.1", 9),),
        (0, 2),
    )
    theirs = lt.parse_magnet_uri(magnet.format())
    assert theirs.info_hashes.v1.to_bytes() == magnet.info_hash
    assert theirs.info_hashes.v2.to_bytes() == magnet.info_hash_v2
    assert theirs.name == magnet.name
    assert tuple(theirs.trackers) == magnet.trackers
    assert tuple(theirs.peers) == magnet.peers
    back = Magnet.parse(lt.make_magnet_uri(theirs))
    assert (back.info_hash, back.info_hash_v2, back.name, back.trackers) == (
        magnet.info_hash,
        magnet.info_hash_v2,
        magnet.name,
        magnet.trackers,
    )
