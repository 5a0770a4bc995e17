import unicodedata
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.bencode import encode
from axon.bt.extended import MAX_METADATA, ExtendedHandshake, clean_text
from axon.errors import RemoteProtocolError

names = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
handshakes = st.builds(
    ExtendedHandshake,
    extensions=st.dictionaries(names, st.integers(0, 255), max_size=6),
    client=st.none() | names,
    port=st.none() | st.integers(1, 65535),
    reqq=st.none() | st.integers(1, 4096),
    your_ip=st.none() | st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16),
    ipv4=st.none() | st.binary(min_size=4, max_size=4),
    ipv6=st.none() | st.binary(min_size=16, max_size=16),
    metadata_size=st.none() | st.integers(1, MAX_METADATA),
    upload_only=st.none() | st.booleans(),
)
bencodable = st.recursive(
    st.integers(-(2**63), 2**63) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = [b"m", b"v", b"p", b"reqq", b"yourip", b"ipv4", b"ipv6", b"metadata_size", b"upload_only"]


@given(handshakes)
def test_a_handshake_survives_the_wire(handshake):
    assert ExtendedHandshake.parse(handshake.serialize()) == handshake


def test_the_example_of_bep_10():
    wire = b"d1:md11:LT_metadatai1e6:\xb5T_PEXi2ee1:pi6881e4:reqqi500e1:v13:\xc2\xb5Torrent 1.2e"
    told = ExtendedHandshake.parse(wire)
    assert told.extensions == {"LT_metadata": 1}
    assert (told.port, told.reqq, told.client) == (6881, 500, "µTorrent 1.2")


@given(st.dictionaries(st.sampled_from(KEYS), bencodable))
def test_whatever_a_stranger_writes_is_bounded_or_refused(told):
    try:
        handshake = ExtendedHandshake.parse(encode(told))
    except RemoteProtocolError:
        return
    assert all(0 <= number <= 255 for number in handshake.extensions.values())
    assert handshake.reqq is None or 1 <= handshake.reqq <= 4096
    assert handshake.port is None or 1 <= handshake.port <= 65535
    assert handshake.metadata_size is None or 0 < handshake.metadata_size <= MAX_METADATA
    assert handshake.your_ip is None or len(handshake.your_ip) in (4, 16)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_handshake_or_a_remote_protocol_error(noise):
    with suppress(RemoteProtocolError):
        ExtendedHandshake.parse(noise)


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        (b"le", "a list, want a dictionary"),
        (b"d1:mlee", "m is a list"),
        (b"d1:md1:xi256eee", "has id 256, want 0 to 255"),
        (b"d1:md1:xi-1eee", "has id -1"),
        (b"d1:md1:x1:yee", "want 0 to 255"),
        (b"d13:metadata_sizei-1ee", "metadata_size -1"),
        (b"d13:metadata_sizei99999999999ee", "metadata_size 99999999999"),
        (b"d1:v", "extension handshake"),
        (b"l" * 5000, "nested deeper"),
    ],
)
def test_what_would_do_harm_is_refused(payload, error):
    with pytest.raises(RemoteProtocolError, match=error):
        ExtendedHandshake.parse(payload)


def test_what_does_no_harm_is_taken_as_absent():
    told = {b"v": 7, b"p": 0, b"reqq": -5, b"yourip": b"xyz", b"upload_only": b"1", b"ipv4": []}
    assert ExtendedHandshake.parse(encode(told)) == ExtendedHandshake(reqq=1)
    assert ExtendedHandshake.parse(b"d4:reqqi99999999ee").reqq == 4096
    assert ExtendedHandshake.parse(b"d1:v1:x1:pi1ee").port == 1  # unsorted keys


def test_a_thousand_extensions_are_not_remembered():
    told = {b"m": {b"x%d" % i: 1 for i in range(900)}}
    assert len(ExtendedHandshake.parse(encode(told)).extensions) == 64


@given(st.binary(max_size=300))
def test_clean_text_holds_nothing_that_a_terminal_obeys(raw):
    text = clean_text(raw)
    assert len(text) <= 64
    assert all(c == " " or unicodedata.category(c)[0] not in "CZ" for c in text)


def test_clean_text_vectors():
    assert clean_text("µTorrent 3.5".encode()) == "µTorrent 3.5"
    assert clean_text(b"a\x1b[31mb\n") == "a\ufffd[31mb\ufffd"
    assert clean_text("a\u202eb".encode()) == "a\ufffdb"  # right-to-left override
