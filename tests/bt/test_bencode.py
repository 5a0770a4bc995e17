"""The guard around bencode.py: canonical both ways, bounded, and never recursive on hostile input."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt import bencode
from axon.errors import BencodeError
from tests.strategies import bencodable


@given(bencodable())
def test_what_is_encoded_decodes_to_the_same(value: object) -> None:
    assert bencode.decode(bencode.encode(value)) == value


@given(st.binary(max_size=60) | st.text("idle0123456789:-", max_size=30).map(str.encode))
def test_what_is_accepted_encodes_to_the_same_bytes_and_the_rest_is_a_bencode_error(data: bytes) -> None:
    try:
        value = bencode.decode(data)
    except BencodeError:
        return
    assert bencode.encode(value) == data


@given(bencodable(), st.binary(max_size=20))
def test_a_prefix_ends_where_its_value_ends(value: object, rest: bytes) -> None:
    raw = bencode.encode(value)
    assert bencode.decode_prefix(raw + rest) == (value, len(raw))
    if rest:
        with pytest.raises(BencodeError, match="after the value's end"):
            bencode.decode(raw + rest)


@given(st.dictionaries(st.binary(max_size=8), bencodable(6), max_size=6))
def test_spans_cut_out_the_values(fields: dict[bytes, object]) -> None:
    raw = bencode.encode(fields)
    decoded, spans = bencode.decode_spans(raw)
    assert decoded == fields
    assert {key: bencode.decode(raw[a:b]) for key, (a, b) in spans.items()} == fields


def test_vectors_of_bep_3() -> None:
    for raw, value in [
        (b"4:spam", b"spam"),
        (b"i3e", 3),
        (b"i-3e", -3),
        (b"i0e", 0),
        (b"l4:spam4:eggse", [b"spam", b"eggs"]),
        (b"d3:cow3:moo4:spam4:eggse", {b"cow": b"moo", b"spam": b"eggs"}),
        (b"d4:spaml1:a1:bee", {b"spam": [b"a", b"b"]}),
        (b"0:", b""),
        (b"le", []),
        (b"de", {}),
    ]:
        assert bencode.decode(raw) == value
        assert bencode.encode(value) == raw


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"e",
        b"x",
        b"i-e",
        b"ie",
        b"i--1e",
        b"i-0e",
        b"i01e",
        b"i+1e",
        b"i 1e",
        b"i1_0e",
        b"i1",
        b"-1:",
        b"01:a",
        b"5:abc",
        b"99999999999999999999:a",
        b"9" * 10_000 + b":",
        b"i" + b"9" * 10_000 + b"e",
        b"i18446744073709551616e",
        b"i-9223372036854775809e",
        b"d",
        b"l",
        b"d1:a",
        b"d1:ae",
        b"di1e1:ae",
        b"dlee",
        b"d1:b0:1:a0:e",
        b"d1:a0:1:a0:e",
        b"lee",
        "\u0661:a".encode(),
        b"\xff1:a",
    ],
)
def test_what_is_not_canonical_is_refused(data: bytes) -> None:
    with pytest.raises(BencodeError):
        bencode.decode(data)


@pytest.mark.parametrize("opening", [b"l", b"d1:a"])
def test_a_hundred_thousand_levels_are_refused_before_anything_recurses(opening: bytes) -> None:
    with pytest.raises(BencodeError, match="deeper than 100"):
        bencode.decode(opening * 100_000)
    closing = b"e" * 100
    middle = b"0:" if opening != b"l" else b""
    bencode.decode(opening * 100 + middle + closing)
    with pytest.raises(BencodeError, match="deeper than 100"):
        bencode.decode(opening * 101 + middle + closing + b"e")


def test_an_item_bomb_is_refused() -> None:
    assert len(bencode.decode(b"l" + b"0:" * 999 + b"e", max_items=1000)) == 999
    with pytest.raises(BencodeError, match="more than 1000 items"):
        bencode.decode(b"l" + b"0:" * 1000 + b"e", max_items=1000)
    with pytest.raises(BencodeError, match="more than 1000000 items"):
        bencode.decode(b"l" + b"le" * 2_000_000 + b"e")


def test_unsorted_keys_pass_when_not_strict_but_repeated_ones_never() -> None:
    assert bencode.decode(b"d1:bi1e1:ai2ee", strict=False) == {b"a": 2, b"b": 1}
    with pytest.raises(BencodeError, match="not sorted"):
        bencode.decode(b"d1:bi1e1:ai2ee")
    for data in (b"d1:ai1e1:ai2ee", b"d1:bi1e1:ai2e1:bi3ee"):
        with pytest.raises(BencodeError, match="repeated"):
            bencode.decode(data, strict=False)


def test_raw_parts_are_copied_and_must_be_one_value() -> None:
    assert bencode.encode({b"info": bencode.Raw(b"d1:bi1e1:ai2ee")}) == b"d4:infod1:bi1e1:ai2eee"
    for raw in (b"", b"i1", b"lel", b"3:ab"):
        with pytest.raises(BencodeError):
            bencode.encode({b"a": bencode.Raw(raw)})


def test_what_bencode_cannot_say_is_an_error_of_ours() -> None:
    loop: list[object] = []
    loop.append(loop)
    for value in (None, 1.5, {1: 2}, 2**64, object(), loop, [b"a", {b"b": {2}}]):
        with pytest.raises(BencodeError):
            bencode.encode(value)
    assert bencode.encode({"a": "\u00e9"}) == b"d1:a2:\xc3\xa9e"


def test_any_bytes_like_object_decodes() -> None:
    for kind in (bytes, bytearray, memoryview):
        assert bencode.decode(kind(b"l1:ae")) == [b"a"]
