"""Torrents read: piece space, hashes, and everything a hostile one may try."""

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt import bencode
from axon.bt.create import CreateOptions, Draft, Source
from axon.bt.hashtree import leaf_hashes, merkle_root
from axon.bt.metainfo import MAX_PIECES, Metainfo, parse_info, parse_torrent
from axon.errors import MetainfoError
from tests.strategies import bencodable, file_trees, versions

ROOT = b"\x11" * 32


def v1(**fields: Any) -> bytes:
    """A torrent of one file of 40,000 bytes, with fields replaced (None: left out)."""
    info = {"name": b"n", "piece length": 32768, "pieces": bytes(40), "length": 40_000}
    info.update({key.replace("_", " "): value for key, value in fields.items()})
    return bencode.encode({"info": {key: value for key, value in info.items() if value is not None}})


def multi(*files: Any, **fields: Any) -> bytes:
    """A v1 torrent of several files, whose pieces fit."""
    total = sum(file[b"length"] for file in files if isinstance(file.get(b"length"), int))
    pieces = bytes(20 * -(-min(max(total, 0), 1 << 20) // 32768))
    return v1(files=list(files), length=None, pieces=pieces, **fields)


def file(length: Any, *path: bytes, **fields: Any) -> dict[bytes, Any]:
    """One entry of `files`."""
    return {
        b"length": length,
        b"path": list(path),
        **{k.replace("_", " ").encode(): v for k, v in fields.items()},
    }


def v2(tree: Any, layers: Any = None, **fields: Any) -> bytes:
    """A v2 torrent."""
    info = {"name": b"n", "piece length": 32768, "meta version": 2, "file tree": tree}
    info.update({key.replace("_", " "): value for key, value in fields.items()})
    outer = {"info": {key: value for key, value in info.items() if value is not None}, "piece layers": layers}
    return bencode.encode({key: value for key, value in outer.items() if value is not None})


def leaf(length: Any = 5, root: Any = ROOT) -> dict[bytes, Any]:
    """A file in a v2 tree."""
    return {b"": {b"length": length} | ({b"pieces root": root} if root is not None else {})}


def build(
    tree: dict[tuple[bytes, ...], int], version: Any, piece_length: int = 32768
) -> tuple[bytes, dict[int, bytes]]:
    """Make a torrent of files whose bytes are drawn from their number; return it and its pieces."""
    contents = [hashlib.shake_128(b"%d" % k).digest(length) for k, length in enumerate(tree.values())]
    sources = [Source(path, length) for path, length in tree.items()]
    draft = Draft.plan("n", sources, CreateOptions(version=version, piece_length=piece_length))
    pieces = {}
    for index in range(draft.layout.num_pieces):
        data = b""
        for number, offset, size in draft.layout.spans(index, 0, draft.layout.piece_size(index)):
            source = draft.sources[number]
            data += bytes(size) if source is None else contents[source][offset : offset + size]
        pieces[index] = data
    return draft.finish([draft.hash_piece(k, data) for k, data in pieces.items()]), pieces


@given(file_trees(), versions, st.sampled_from([16384, 32768]))
def test_every_byte_of_every_file_lies_in_exactly_one_place(
    tree: dict[tuple[bytes, ...], int], version: str, piece_length: int
) -> None:
    raw, pieces = build(tree, version, piece_length)
    torrent = parse_torrent(raw)
    assert torrent.version == version
    assert torrent.length == sum(tree.values())
    assert torrent.num_pieces == len(pieces)
    seen: dict[int, int] = {}
    for index, data in pieces.items():
        assert len(data) == torrent.piece_size(index) <= piece_length
        for number, offset, size in torrent.spans(index, 0, len(data)):
            assert seen.get(number, 0) == offset
            assert index in torrent.file_pieces(number)
            seen[number] = offset + size
    assert all(seen.get(k, 0) == one.length for k, one in enumerate(torrent.files))
    real = [one for one in torrent.files if not one.pad]
    assert sorted(one.length for one in real) == sorted(tree.values())
    if version != "v1":
        assert all(one.offset % piece_length == 0 for one in real if one.length)


@given(file_trees(), versions, st.data())
def test_a_piece_is_right_only_as_it_is(
    tree: dict[tuple[bytes, ...], int], version: str, data: st.DataObject
) -> None:
    raw, pieces = build(tree, version)
    torrent = parse_torrent(raw)
    for index, piece in pieces.items():
        assert torrent.check_piece(index, piece)
        assert not torrent.check_piece(index, piece[:-1])
        assert not torrent.check_piece(index, piece + b"\0")
        at = data.draw(st.integers(0, len(piece) - 1))
        assert not torrent.check_piece(index, piece[:at] + bytes([piece[at] ^ 1]) + piece[at + 1 :])


@given(file_trees(), versions, st.data())
def test_spans_of_part_of_a_piece_are_a_part_of_its_spans(
    tree: dict[tuple[bytes, ...], int], version: str, data: st.DataObject
) -> None:
    raw, pieces = build(tree, version)
    torrent = parse_torrent(raw)
    for index, piece in pieces.items():
        begin = data.draw(st.integers(0, len(piece)))
        length = data.draw(st.integers(0, len(piece) - begin))
        spans = torrent.spans(index, begin, length)
        assert sum(size for _, _, size in spans) == length
        assert all(size > 0 for _, _, size in spans)
        bytewise = [(n, o + k) for n, o, size in torrent.spans(index, 0, len(piece)) for k in range(size)]
        assert [(n, o + k) for n, o, size in spans for k in range(size)] == bytewise[begin : begin + length]
        for bad in ((-1, 1), (0, len(piece) + 1), (len(piece), 1)):
            with pytest.raises(IndexError):
                torrent.spans(index, *bad)
    with pytest.raises(IndexError):
        torrent.piece_size(torrent.num_pieces)


@given(
    bencodable(),
    st.dictionaries(st.sampled_from(["length", "files", "pieces", "file tree", "name"]), bencodable(8)),
)
def test_any_bencode_is_a_torrent_or_a_metainfo_error(value: object, fields: dict[str, object]) -> None:
    info = {"name": b"n", "piece length": 32768, "meta version": 2, "pieces": b""} | fields
    for data in (bencode.encode(value), bencode.encode({"info": value}), bencode.encode({"info": info})):
        try:
            torrent = parse_torrent(data)
        except MetainfoError:
            continue
        assert isinstance(torrent, Metainfo)


@given(file_trees(), versions, st.integers(0, 10_000), st.integers(0, 255))
def test_a_torrent_with_one_byte_changed_is_another_or_a_metainfo_error(
    tree: dict[tuple[bytes, ...], int], version: str, at: int, value: int
) -> None:
    raw, _ = build(tree, version)
    at %= len(raw)
    try:
        torrent = parse_torrent(raw[:at] + bytes([value]) + raw[at + 1 :])
    except MetainfoError:
        return
    for one in torrent.files:
        assert all(part not in ("", ".", "..") and "/" not in part for part in one.path)


def test_the_info_hash_is_of_the_raw_span_even_when_keys_are_unsorted() -> None:
    info = b"d6:pieces20:" + bytes(20) + b"4:name1:n6:lengthi5e12:piece lengthi16384ee"
    torrent = parse_torrent(b"d7:comment1:x4:info" + info + b"e")
    assert torrent.info_hash == hashlib.sha1(info).digest()
    assert torrent.raw_info == info
    assert parse_info(info) == torrent
    assert parse_info(info, trackers=(("udp://t:1",),)).trackers == (("udp://t:1",),)


def test_a_v2_torrent_is_named_by_the_first_20_bytes_among_peers() -> None:
    torrent = parse_torrent(v2({b"n": leaf()}))
    assert torrent.info_hash is None
    assert torrent.info_hash_v2 == hashlib.sha256(torrent.raw_info).digest()
    assert torrent.handshake_hashes == (torrent.info_hash_v2[:20],)
    assert torrent.files[0].path == ("n",)


def test_bep_52_a_piece_of_a_small_file_is_its_root_without_padding_to_a_piece() -> None:
    data = b"x" * 20_000
    torrent = parse_torrent(v2({b"n": leaf(20_000, merkle_root(leaf_hashes(data)))}, piece_length=1 << 20))
    assert torrent.check_piece(0, data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not bencode",
        b"l" * 100_000,
        b"le",
        b"de",
        b"d4:infolee",
        v1() + b"x",
        v1() + b"\n",
        b"d4:info" + v1()[7:-1] + b"4:info" + v1()[7:-1] + b"e",
        v1(piece_length=0),
        v1(piece_length=-1),
        v1(piece_length=2**40),
        v1(piece_length=b"1"),
        v1(piece_length=None),
        v1(pieces=bytes(39)),
        v1(pieces=bytes(20)),
        v1(pieces=bytes(60)),
        v1(pieces=[bytes(20), bytes(20)]),
        v1(pieces=None),
        v1(length=-1),
        v1(length=2**63),
        v1(length=None),
        v1(length=b"1"),
        v1(files=[file(40_000, b"a")]),
        v1(length=None, files=[]),
        v1(length=None, files=[b"a"]),
        v1(name=5),
        multi(file(2**62, b"a"), file(2**62, b"b"), file(2**62, b"c")),
        multi(file(-5, b"a")),
        multi(file(5)),
        multi(file(5, b"a", attr=7)),
        multi({b"length": 5}),
        multi({b"length": 5, b"path": b"a"}),
        multi({b"length": 5, b"path": [b"a", 5]}),
        multi(file(5, *[b"a"] * 1000)),
        multi(file(5, b"l", attr=b"l", symlink_path=[b"a"])),
        multi(file(0, b"l", attr=b"l")),
        v1(meta_version=3),
        v1(meta_version=2),
        v2({}),
        v2([]),
        v2(None),
        v2({b"n": leaf()}, piece_length=16383),
        v2({b"n": leaf()}, piece_length=8192),
        v2({b"n": leaf()}, piece_length=49152),
        v2({b"n": leaf(5, None)}),
        v2({b"n": leaf(5, bytes(32))}),
        v2({b"n": leaf(5, b"\1" * 31)}),
        v2({b"n": leaf(-1)}),
        v2({b"n": {b"": b""}}),
        v2({b"n": {b"": {b"length": 5, b"pieces root": ROOT}, b"x": leaf()}}),
        v2({b"": {b"length": 5, b"pieces root": ROOT}}),
        v2({b"a": {b"b": leaf(2**62), b"c": leaf(2**62)}}),
        v2({b"n": leaf(100_000)}),
        v2({b"n": leaf(100_000)}, {ROOT: bytes(96)}),
        v2({b"n": leaf(100_000)}, {ROOT: bytes(128)}),
        v2({b"n": leaf(100_000)}, {ROOT: bytes(129)}),
        v2({b"n": leaf(100_000)}, {ROOT: 5}),
        v2({b"n": leaf(100_000)}, [ROOT]),
        v2({b"n": leaf()}, meta_version=1),
        v2({b"n": leaf()}, pieces=bytes(20)),
        v2({b"n": leaf()}, pieces=bytes(20), length=6),
        v2({b"n": leaf()}, pieces=bytes(20), files=[file(5, b"m")]),
        v2({b"a": leaf(), b"b": leaf()}, pieces=bytes(20), files=[file(5, b"a"), file(5, b"b")]),
        v2({b"a": leaf(), b"b": leaf()}, pieces=bytes(20), files=[file(5, b"a")]),
        v2(
            {b"a": leaf(), b"b": leaf()},
            pieces=bytes(40),
            files=[file(5, b"b"), file(32763, b".", attr=b"p"), file(5, b"a")],
        ),
    ],
)
def test_what_cannot_be_used_is_a_metainfo_error(data: bytes) -> None:
    with pytest.raises(MetainfoError):
        parse_torrent(data)


def test_an_unsorted_file_tree_is_refused_since_its_order_is_the_order_of_files() -> None:
    tree = b"d1:bd0:d6:lengthi0eee1:ad0:d6:lengthi0eeee"
    info = b"d9:file tree" + tree + b"12:meta versioni2e4:name1:n12:piece lengthi16384ee"
    with pytest.raises(MetainfoError, match="not sorted"):
        parse_info(info)


def test_a_v2_tree_of_a_hundred_levels_is_refused_by_the_guard() -> None:
    tree: Any = b"d0:d6:lengthi0eee"
    for _ in range(100):
        tree = b"d1:a" + tree + b"e"
    with pytest.raises(MetainfoError, match="deeper than 100"):
        parse_info(b"d9:file tree" + tree + b"12:meta versioni2e4:name1:n12:piece lengthi16384ee")


def test_a_claim_of_too_many_pieces_is_refused_before_memory_is_taken() -> None:
    info = bencode.decode(v2({b"n": leaf(2**50)}))[b"info"]
    with pytest.raises(MetainfoError, match=f"at most {MAX_PIECES}"):
        parse_info(bencode.encode(info))


def test_piece_layers_may_come_later_and_are_checked() -> None:
    raw, pieces = build({(): 100_000}, "v2")
    whole = parse_torrent(raw)
    bare = parse_info(whole.raw_info)
    (root,) = bare.missing_piece_layers
    assert bare.needs_piece_layers
    with pytest.raises(MetainfoError, match="no hash is known"):
        bare.check_piece(0, pieces[0])
    layer = whole.piece_layers[root]
    for wrong in (layer[:-1], layer + bytes(32), layer[32:] + layer[:32], bytes(len(layer))):
        with pytest.raises(MetainfoError, match="piece layer"):
            bare.with_piece_layers({root: wrong})
    full = bare.with_piece_layers({root: layer, bytes(32): b"a stranger"})
    assert not full.needs_piece_layers
    assert all(full.check_piece(index, piece) for index, piece in pieces.items())


def test_a_hybrid_without_layers_is_checked_by_sha_1() -> None:
    raw, pieces = build({(b"a",): 100_000, (b"b",): 5}, "hybrid")
    bare = parse_info(parse_torrent(raw).raw_info)
    assert not bare.needs_piece_layers
    assert all(bare.check_piece(index, piece) for index, piece in pieces.items())


def test_hybrid_pieces_must_be_right_by_both_hashes() -> None:
    raw, pieces = build({(b"a",): 20_000, (b"b",): 5}, "hybrid")
    info = bencode.decode(raw)[b"info"]
    for key in (b"pieces", b"file tree"):
        broken = dict(info)
        if key == b"pieces":
            broken[key] = bytes(40)
        else:
            broken[key] = {b"a": leaf(20_000), b"b": leaf(5)}
        torrent = parse_info(bencode.encode(broken))
        assert not any(torrent.check_piece(index, piece) for index, piece in pieces.items())


def test_hostile_names_stay_inside_and_become_unique() -> None:
    paths = [
        (b"..", b"..", b"etc", b"passwd"),
        (b"/abs",),
        (b"a", b"b"),
        (b"A", b"B"),
        (b"a",),
        (b"",),
        (b".",),
        (b"x/../../y",),
        (b"back\\slash",),
        (b"nul\0byte",),
        (b"\xff\xfe",),
        (b"\xff\xfd",),
        (b"CON",),
        (b"y" * 1000,),
        (b"y" * 1001,),
        ("\u202efdp.exe".encode(),),
        (b"dup",),
        (b"dup",),
    ]
    torrent = parse_torrent(multi(*(file(1, *path) for path in paths), name=b"../up"))
    seen = set()
    for one in torrent.files:
        assert one.path[0] == torrent.name == ".._up"
        assert all(
            part and part not in (".", "..") and "/" not in part and "\0" not in part for part in one.path
        )
        seen.add(tuple(part.casefold() for part in one.path))
        assert one.original is None or not {"..", ".", ""} & set(one.original)
    assert len(seen) == len(paths)


def test_symlinks_lead_to_files_of_the_torrent_or_nowhere() -> None:
    def link(name: bytes, *target: bytes) -> dict[bytes, Any]:
        return file(0, name, attr=b"l", symlink_path=list(target))

    torrent = parse_torrent(
        multi(
            file(5, b"d", b"f"),
            link(b"good", b"d", b"f"),
            link(b"folder", b"d"),
            link(b"up", b"..", b"..", b"etc"),
            link(b"abs", b"/etc/passwd"),
            link(b"self", b"self"),
            link(b"one", b"two"),
            link(b"two", b"one"),
            link(b"through", b"folder", b"f"),
        )
    )
    assert {one.path[1]: one.symlink for one in torrent.files} == {
        "d": None,
        "good": ("n", "d", "f"),
        "folder": ("n", "d"),
        **dict.fromkeys(("up", "abs", "self", "one", "two", "through")),
    }


def test_empty_files_and_all_empty_torrents() -> None:
    for version in ("v1", "v2", "hybrid"):
        raw, pieces = build({(b"a",): 0, (b"b", b"c"): 0}, version)
        torrent = parse_torrent(raw)
        assert (torrent.num_pieces, torrent.length, pieces) == (0, 0, {})
        assert [list(torrent.file_pieces(k)) for k in range(2)] == [[], []]


def test_pads_are_not_payload() -> None:
    torrent = parse_torrent(
        multi(file(5, b"a"), file(32763, b".pad", b"x", attr=b"p"), file(7, b"b", attr=b"xh"))
    )
    assert torrent.length == 12
    assert [one.pad for one in torrent.files] == [False, True, False]
    assert (torrent.files[2].executable, torrent.files[2].hidden) == (True, True)


def test_trackers_seeds_and_nodes_without_the_odd_ones() -> None:
    outer = bencode.decode(v1(private=1, source=b"S"))
    outer[b"announce"] = b"http://only/if/no/list"
    outer[b"announce-list"] = [
        [b"udp://a:1", b"javascript:x", 5],
        [b"udp://a:1"],
        b"x",
        [],
        [b" http://b/ann "],
    ]
    outer[b"url-list"] = [b"http://seed/", b"file:///etc/passwd", b"http://seed/", b"http://x/\x1b[31m"]
    outer[b"nodes"] = [[b"router", 6881], [b"x", 0], [b"x"], 5]
    outer[b"comment"], outer[b"created by"], outer[b"creation date"] = b"c\xff", 5, -3
    torrent = parse_torrent(bencode.encode(outer))
    assert torrent.trackers == (("udp://a:1",), ("http://b/ann",))
    assert torrent.webseeds == ("http://seed/",)
    assert torrent.nodes == (("router", 6881),)
    assert (torrent.comment, torrent.created_by, torrent.creation_date) == ("c\ufffd", None, None)
    assert (torrent.private, torrent.source) == (True, "S")
    outer[b"announce-list"], outer[b"url-list"] = [], b"http://one/"
    torrent = parse_torrent(bencode.encode(outer))
    assert torrent.trackers == (("http://only/if/no/list",),)
    assert torrent.webseeds == ("http://one/",)


def test_a_torrent_without_a_name_is_called_by_its_hash() -> None:
    torrent = parse_torrent(v1(name=None))
    assert torrent.info_hash is not None
    assert torrent.name == torrent.info_hash.hex()
