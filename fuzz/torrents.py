"""Targets that read torrents and magnet links (BEP 3, 9, 52)."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from fuzz.target import Run, Target

__all__ = ["TARGETS"]


def _bencode() -> Run:
    from axon.bt import bencode
    from axon.errors import BencodeError

    def run(data: bytes) -> None:
        try:
            value = bencode.decode(data)
        except BencodeError:
            bencode.decode_prefix(data, strict=False)
        else:
            assert bencode.encode(value) == data

    return run


def _bencode_seeds() -> Sequence[bytes]:
    return [
        b"i0e",
        b"i-12e",
        b"0:",
        b"4:spam",
        b"le",
        b"d3:cow3:moo4:spaml1:a1:bee",
        b"l" * 100 + b"e" * 100,
        b"d1:ad1:ai18446744073709551615eee",
        b"1:ax",
    ]


def _metainfo() -> Run:
    from axon.bt import parse_torrent
    from axon.bt.metainfo import Metainfo, parse_info
    from axon.errors import MetainfoError

    def inspect(found: Metainfo) -> None:
        names = set[tuple[str, ...]]()
        for number, file in enumerate(found.files):
            assert file.path and not PurePosixPath(*file.path).is_absolute()
            for part in file.path:
                assert part not in ("", ".", "..") and not {"/", "\\", "\0"} & set(part), part
                assert len(part.encode()) <= 255
            if not file.pad:
                folded = tuple(part.casefold() for part in file.path)
                assert folded not in names
                names.add(folded)
            found.file_pieces(number)
        for index in {0, found.num_pieces // 2, found.num_pieces - 1} & set(range(found.num_pieces)):
            size = found.piece_size(index)
            assert 0 < size <= found.piece_length
            assert sum(n for _, _, n in found.spans(index, 0, size)) == size
            found.piece_hash_v2(index)

    def run(data: bytes) -> None:
        if data[:1] == b"I":
            return inspect(parse_info(data[1:]))
        try:
            found = parse_torrent(data)
        except MetainfoError:
            return None
        return inspect(found)

    return run


def _metainfo_seeds() -> Sequence[bytes]:
    from axon.bt.bencode import encode
    from axon.bt.hashtree import layer_root

    info: dict[bytes, object] = {
        b"name": b"x",
        b"piece length": 16384,
        b"pieces": bytes(20),
        b"length": 5,
    }
    many = {
        b"name": b"x",
        b"piece length": 16384,
        b"pieces": bytes(40),
        b"files": [
            {b"length": 10, b"path": [b"a", b"b"]},
            {b"length": 16374, b"path": [b".pad", b"1"], b"attr": b"p"},
            {b"length": 16384, b"path": [b"A", b"B"], b"attr": b"xh"},
            {b"length": 0, b"path": [b"l"], b"attr": b"l", b"symlink path": [b"a", b"b"]},
        ],
    }
    layer = bytes(range(64))
    root = layer_root(layer, 16384)
    tree = {
        b"a": {b"": {b"length": 3, b"pieces root": b"\1" * 32}},
        b"b": {b"c": {b"": {b"length": 20000, b"pieces root": root}}},
        b"e": {b"": {b"length": 0}},
    }
    v2 = {b"name": b"x", b"piece length": 16384, b"meta version": 2, b"file tree": tree}
    one = {
        b"name": b"x",
        b"piece length": 16384,
        b"meta version": 2,
        b"file tree": {b"x": {b"": {b"length": 5, b"pieces root": b"\2" * 32}}},
    }
    return [
        encode(
            {
                b"announce": b"http://t/announce",
                b"announce-list": [[b"udp://t:1"], [b"http://t/announce", b"wss://t"]],
                b"url-list": [b"http://w/"],
                b"nodes": [[b"h", 1]],
                b"comment": b"c",
                b"created by": b"x",
                b"creation date": 1,
                b"info": info,
            }
        ),
        encode({b"info": many}),
        encode({b"info": v2, b"piece layers": {root: layer}}),
        encode({b"info": one | {b"length": 5, b"pieces": bytes(20)}, b"piece layers": {}}),
        b"I" + encode(many),
        b"I" + encode(v2),
    ]


def _magnet() -> Run:
    from axon.bt.magnet import Magnet

    def run(data: bytes) -> None:
        # As the system hands over a command line: bytes that are no text become surrogates.
        found = Magnet.parse(data.decode("utf-8", "surrogateescape"))
        assert Magnet.parse(found.format()) == found

    return run


def _magnet_seeds() -> Sequence[bytes]:
    v1, v2 = b"xt=urn:btih:" + b"a5" * 20, b"xt.1=urn:btmh:1220" + b"0f" * 32
    return [
        b"magnet:?" + v1,
        b"magnet:?" + v2 + b"&dn=a%20b&tr=http%3A%2F%2Ft%2Fa&ws=http://w/&x.pe=1.2.3.4:5&so=0,2,4-6",
        b"magnet:?" + v1 + b"&" + v2 + b"&x.pe=[::1]:6881&tr.2=udp://t:1",
        b"magnet:?xt=urn:btih:" + b"A2" * 16,
    ]


TARGETS = (
    Target(
        "bencode",
        _bencode,
        _bencode_seeds,
        ("axon.bt.bencode", "bencodepy"),
        (b"d", b"l", b"e", b"i", b"0:", b"i-1e", b"99999999999999999999:"),
    ),
    Target(
        "metainfo",
        _metainfo,
        _metainfo_seeds,
        ("axon.bt.metainfo", "axon.bt.layout", "axon.bt.paths", "axon.bt.hashtree", "axon.bt.bencode"),
        (
            b"4:attr",
            b"12:symlink path",
            b"9:file tree",
            b"12:meta versioni2e",
            b"11:pieces root32:",
            b"10:path.utf-8",
            b"10:name.utf-8",
            b"7:private",
            b"2:..",
            b"12:piece layers",
            b"i9223372036854775807e",
        ),
    ),
    Target(
        "magnet",
        _magnet,
        _magnet_seeds,
        ("axon.bt.magnet",),
        (b"&so=", b"0-999999", b"&tr=", b"&ws=", b"&x.pe=", b"&dn=", b"%00", b"%ff", b"urn:btmh:1220"),
    ),
)
