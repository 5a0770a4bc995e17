"""HOSTILE 1-10: torrents and magnet links; what fuzzing and reading found."""

import pytest

from axon.bt import parse_torrent
from axon.bt.bencode import encode
from axon.bt.magnet import MAX_FILES_SELECTED, Magnet
from axon.errors import MetainfoError
from axon.peer.webseed import file_url
from fuzz.target import check

HASH = "xt=urn:btih:" + "a5" * 20
INFO = {b"name": b"x", b"piece length": 16384, b"pieces": bytes(20), b"length": 5}

# Each of these ended the whole program when a client took it apart.
UNUSABLE = [
    "http://[/announce",
    "http://[::1/a",
    "http://t:99999/a",
    "http://t:x/a",
    "udp://t:-1",
    "http://",
    "http:///a",
]


@pytest.mark.parametrize("url", UNUSABLE)
def test_urls_that_cannot_be_taken_apart_are_left_out(url: str) -> None:
    raw = url.encode()
    good = b"http://good/announce"
    found = parse_torrent(
        encode(
            {
                b"announce": raw,
                b"announce-list": [[raw, good], [raw]],
                b"url-list": [raw, b"http://good/"],
                b"info": INFO,
            }
        )
    )
    assert found.trackers == (("http://good/announce",),)
    assert found.webseeds == ("http://good/",)
    link = Magnet.parse(f"magnet:?{HASH}&tr={url}&ws={url}&tr=http://good/announce")
    assert link.trackers == ("http://good/announce",) and not link.webseeds


@pytest.mark.parametrize(
    "selection",
    ["&so=0-249999" * 4000, "&so=" + ",".join(["0-249999"] * 4000), "&so=0-999999999"],
    ids=["parameters", "ranges", "range"],
)
def test_a_selection_of_files_takes_no_more_time_than_its_files(selection: str) -> None:
    """Ranges that overlap cost their length each time: 64 KiB of link were minutes."""

    def parse(data: bytes) -> None:
        Magnet.parse(data.decode())

    check(parse, f"magnet:?{HASH}{selection}"[: 64 * 1024].encode())


def test_a_selection_names_so_many_files_and_no_more() -> None:
    link = f"magnet:?{HASH}&so="
    found = Magnet.parse(f"{link}0-{MAX_FILES_SELECTED - 1}").select_only
    assert found is not None and len(found) == MAX_FILES_SELECTED
    with pytest.raises(MetainfoError, match="in all"):
        Magnet.parse(f"{link}0-{MAX_FILES_SELECTED - 1},0")


def test_a_command_line_that_is_no_text_can_still_be_shown() -> None:
    found = Magnet.parse(f"magnet:?{HASH}&dn=\udcff\ud800x")
    assert found.name is not None and found.name.encode().endswith(b"x")
    assert Magnet.parse(found.format()) == found


@pytest.mark.parametrize("peer", ["a%00b:80", "a%0Ab:80", "%E2%80%AE:80", "x:0", "x:65536"])
def test_peers_with_impossible_names_are_left_out(peer: str) -> None:
    assert not Magnet.parse(f"magnet:?{HASH}&x.pe={peer}").peers


def test_web_seeds_are_asked_for_names_that_are_no_utf8() -> None:
    """The author's name holds surrogates then, which no URL may."""
    info = {
        b"name": b"d",
        b"piece length": 16384,
        b"pieces": bytes(20),
        b"files": [{b"length": 5, b"path": [b"\xff"]}, {b"length": 0, b"path": [b"a b"]}],
    }
    found = parse_torrent(encode({b"info": info}))
    assert file_url("http://w/", found, 0) == "http://w/d/%FF"
    assert file_url("http://w", found, 1) == "http://w/d/a%20b"


def test_fifty_thousand_files_of_one_name_take_time_in_proportion() -> None:
    """A name taken is not looked for from 1 again."""
    files = [{b"length": 0, b"path": [b"a" if k % 2 else b"a.%d" % k]} for k in range(20_000)]
    info = INFO | {b"files": [{b"length": 5, b"path": [b"b"]}, *files]}
    del info[b"length"]
    found = parse_torrent(encode({b"info": info}))
    assert len({file.path for file in found.files}) == 20_001


def test_trees_and_lists_of_a_hundred_thousand_levels_are_refused() -> None:
    for data in (
        b"d1:a" + b"l" * 100_000,
        b"d1:a" * 100_000,
        b"d4:info" + b"d9:file tree" + b"d0:" * 100_000,
    ):
        with pytest.raises(MetainfoError, match="deeper than"):
            parse_torrent(data)
