"""Torrents: v1, v2 and hybrid (BEP 3, 12, 19, 27, 47, 52).

`parse_torrent` reads a .torrent file, `parse_info` an info dictionary that came
from peers (BEP 9). The info-hash covers the bytes of `info` as they were found.
Dictionaries whose keys are out of order are read all the same, since old
programs wrote them and the hash is over the raw bytes; repeated keys are refused,
for two readers could differ about them, and so is an unsorted `file tree`.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha1, sha256
from typing import Any, Final, Literal

from axon.bt import bencode
from axon.bt.hashtree import HASH_SIZE, LEAF_SIZE, height, layer_root, leaf_hashes, merkle_root
from axon.bt.layout import File, hybrid_entries, place, v1_entries, v2_entries
from axon.bt.paths import safe_component
from axon.bt.sha_lanes import sha1_lanes
from axon.bt.urls import TRACKER_SCHEMES, WEBSEED_SCHEMES, usable
from axon.errors import BencodeError, MetainfoError
from axon.ids import InfoHash

__all__ = ["MAX_PIECES", "MAX_PIECE_LENGTH", "MAX_TORRENT", "Metainfo", "parse_info", "parse_torrent"]

MAX_TORRENT: Final = 128 << 20  # bytes of a .torrent file
MAX_PIECE_LENGTH: Final = 512 << 20  # bytes: whole pieces are held in memory
MAX_PIECES: Final = 1 << 22  # without piece layers a v2 info dictionary could claim any number


@dataclass(frozen=True, eq=False)
class Metainfo:
    """One torrent. Two are equal if they describe the same content (info-hashes)."""

    name: str  # safe as a file name
    piece_length: int  # bytes
    num_pieces: int
    files: tuple[File, ...]  # in piece-space order, pads included
    pieces: bytes  # v1: 20 bytes SHA-1 a piece; empty for v2 only
    piece_layers: Mapping[bytes, bytes]  # v2: pieces root -> 32 bytes a piece, for files longer than a piece
    raw_info: bytes  # the info dictionary's own bytes
    info_hash: InfoHash | None  # v1, 20 bytes
    info_hash_v2: bytes | None  # v2, 32 bytes
    private: bool = False
    trackers: tuple[tuple[str, ...], ...] = ()  # tiers (BEP 12)
    webseeds: tuple[str, ...] = ()  # BEP 19
    nodes: tuple[tuple[str, int], ...] = ()  # DHT (BEP 5)
    comment: str | None = None
    created_by: str | None = None
    creation_date: int | None = None  # Unix seconds
    source: str | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Metainfo):
            return NotImplemented
        return (self.info_hash, self.info_hash_v2) == (other.info_hash, other.info_hash_v2)

    def __hash__(self) -> int:
        return hash((self.info_hash, self.info_hash_v2))

    @property
    def version(self) -> Literal["v1", "v2", "hybrid"]:
        """Which of the two formats it holds."""
        if self.info_hash_v2 is None:
            return "v1"
        return "v2" if self.info_hash is None else "hybrid"

    @cached_property
    def handshake_hashes(self) -> tuple[InfoHash, ...]:
        """The 20-byte names it has among peers and trackers: v1's, then v2's cut short (BEP 52)."""
        hashes = () if self.info_hash is None else (self.info_hash,)
        return hashes if self.info_hash_v2 is None else (*hashes, InfoHash(self.info_hash_v2[:20]))

    @cached_property
    def length(self) -> int:
        """Payload bytes, without pads."""
        return sum(file.length for file in self.files if not file.pad)

    @cached_property
    def _solid(self) -> tuple[list[int], list[int]]:
        """Offsets and numbers of the files that are not empty."""
        numbers = [k for k, file in enumerate(self.files) if file.length]
        return [self.files[k].offset for k in numbers], numbers

    @cached_property
    def _end(self) -> int:
        return max((file.end for file in self.files), default=0)

    def piece_size(self, index: int) -> int:
        """Return the bytes of a piece: short at the torrent's end, in v2 at each file's end.

        Raises
        ------
        IndexError
            If there is no such piece.
        """
        if not 0 <= index < self.num_pieces:
            raise IndexError(f"piece {index} of {self.num_pieces}")
        start = index * self.piece_length
        if self.info_hash is not None:
            return min(self.piece_length, self._end - start)
        file = self._file_at(start)
        return min(self.piece_length, file.end - start)

    def _file_at(self, position: int) -> File:
        """Return the file that holds a position in piece space, which must not be a v2 gap."""
        offsets, numbers = self._solid
        return self.files[numbers[bisect_right(offsets, position) - 1]]

    def spans(self, index: int, begin: int, length: int) -> list[tuple[int, int, int]]:
        """Return where a range of a piece lies: (number in `files`, offset in that file, bytes), in order.

        Pads appear as what they are: `files[number].pad`.

        Raises
        ------
        IndexError
            If the range is not inside the piece.
        """
        if begin < 0 or length < 0 or begin + length > self.piece_size(index):
            raise IndexError(f"piece {index} has {self.piece_size(index)} bytes, want {length} at {begin}")
        offsets, numbers = self._solid
        position = index * self.piece_length + begin
        at = bisect_right(offsets, position) - 1
        result = []
        while length:
            file = self.files[numbers[at]]
            size = min(length, file.end - position)
            result.append((numbers[at], position - file.offset, size))
            position += size
            length -= size
            at += 1
        return result

    def file_pieces(self, number: int) -> range:
        """Return the pieces that hold bytes of a file."""
        file = self.files[number]
        if not file.length:
            return range(0)
        return range(file.offset // self.piece_length, (file.end - 1) // self.piece_length + 1)

    def piece_hash_v2(self, index: int) -> bytes | None:
        """Return the SHA-256 node above a piece, or None if v1 only or its layer is missing."""
        if self.info_hash_v2 is None:
            return None
        file = self._file_at(index * self.piece_length)
        if file.pieces_root is None or file.length <= self.piece_length:
            return file.pieces_root
        layer = self.piece_layers.get(file.pieces_root)
        if layer is None:
            return None
        at = (index - file.offset // self.piece_length) * HASH_SIZE
        return layer[at : at + HASH_SIZE]

    def check_piece(self, index: int, data: bytes | bytearray | memoryview) -> bool:
        """Whether `data` is the piece: by SHA-1 (v1) and by its SHA-256 tree (v2), by each that is known.

        Raises
        ------
        MetainfoError
            If neither is known: a v2 magnet whose piece layer has not come yet.
        """
        (found,) = self.check_pieces([(index, data)])
        if isinstance(found, MetainfoError):
            raise found
        return found

    def check_pieces(
        self, pieces: Sequence[tuple[int, bytes | bytearray | memoryview]]
    ) -> list[bool | MetainfoError]:
        """What `check_piece` says of each of (index, data); many at once are faster."""
        found: list[bool | MetainfoError] = [len(data) == self.piece_size(index) for index, data in pieces]
        if self.info_hash is not None:
            for number, digest in enumerate(sha1_lanes.digests([data for _, data in pieces])):
                at = 20 * pieces[number][0]
                found[number] = bool(found[number]) and digest == self.pieces[at : at + 20]
        if self.info_hash_v2 is not None:
            for number, (index, data) in enumerate(pieces):
                if found[number]:
                    found[number] = self._check_v2(index, data)
        return found

    def _check_v2(self, index: int, data: bytes | bytearray | memoryview) -> bool | MetainfoError:
        node = self.piece_hash_v2(index)
        if node is None:
            missing = f"piece {index}: no hash is known, its piece layer is missing"
            return True if self.info_hash is not None else MetainfoError(missing)
        start = index * self.piece_length
        file = self._file_at(start)
        payload = memoryview(data)[: file.end - start]  # a hybrid's piece goes on with a pad
        up = height(self.piece_length // LEAF_SIZE) if file.length > self.piece_length else None
        return merkle_root(leaf_hashes(payload), 0, up) == node

    @cached_property
    def missing_piece_layers(self) -> tuple[bytes, ...]:
        """Roots of the files longer than a piece whose layer is not here; peers have them (BEP 52)."""
        long = (file.pieces_root for file in self.files if file.length > self.piece_length)
        return tuple(dict.fromkeys(root for root in long if root and root not in self.piece_layers))

    @property
    def needs_piece_layers(self) -> bool:
        """Whether some piece can be checked by no hash yet."""
        return self.info_hash is None and bool(self.missing_piece_layers)

    def with_piece_layers(self, layers: Mapping[bytes, bytes]) -> "Metainfo":
        """Return this torrent with more piece layers, each checked against its root; strangers are dropped.

        Raises
        ------
        MetainfoError
            If a layer has the wrong size or root.
        """
        found = dict(self.piece_layers)
        for file in self.files:
            root = file.pieces_root
            if root is None or file.length <= self.piece_length or root not in layers:
                continue
            layer = layers[root]
            want = -(-file.length // self.piece_length) * HASH_SIZE
            where = f"piece layer of {'/'.join(file.path)!r}"
            if not isinstance(layer, bytes) or len(layer) != want:
                got = f"{len(layer)} bytes" if isinstance(layer, bytes) else repr(layer)[:40]
                raise MetainfoError(f"{where} is {got}, want {want} bytes")
            if layer_root(layer, self.piece_length) != root:
                raise MetainfoError(f"{where} does not hash to its root {root.hex()}")
            found[root] = layer
        return replace(self, piece_layers=found)


def parse_torrent(data: bytes) -> Metainfo:
    """Read a .torrent file.

    Raises
    ------
    MetainfoError
        If it is not bencode, lacks something, contradicts itself or exceeds a limit.
    """
    if len(data) > MAX_TORRENT:
        raise MetainfoError(f"torrent of {len(data)} bytes, at most {MAX_TORRENT} are read")
    try:
        outer, spans = bencode.decode_spans(bytes(data), strict=False)
    except BencodeError as error:
        raise MetainfoError(f"not a torrent: {error}") from error
    if b"info" not in outer:
        raise MetainfoError("not a torrent: it has no info dictionary")
    start, end = spans[b"info"]
    torrent = _from_info(outer[b"info"], bytes(data[start:end]))
    layers = outer.get(b"piece layers", {})
    if torrent.info_hash_v2 is not None:
        if not isinstance(layers, dict):
            raise MetainfoError(f"piece layers is {type(layers).__name__}, want a dictionary")
        torrent = torrent.with_piece_layers(layers)
        if torrent.missing_piece_layers:
            missing = torrent.missing_piece_layers
            raise MetainfoError(f"{len(missing)} piece layers are missing, first {missing[0].hex()}")
    date = outer.get(b"creation date")
    return replace(
        torrent,
        trackers=_tiers(outer),
        webseeds=_urls(outer.get(b"url-list"), WEBSEED_SCHEMES),
        nodes=_nodes(outer.get(b"nodes")),
        comment=_text(outer, b"comment"),
        created_by=_text(outer, b"created by"),
        creation_date=date if isinstance(date, int) and 0 <= date < 2**63 else None,
    )


def parse_info(
    raw_info: bytes, *, trackers: tuple[tuple[str, ...], ...] = (), webseeds: tuple[str, ...] = ()
) -> Metainfo:
    """Read an info dictionary by itself (BEP 9); v2's piece layers come later, by `with_piece_layers`.

    Raises
    ------
    MetainfoError
        As `parse_torrent`.
    """
    try:
        info = bencode.decode(raw_info, strict=False)
    except BencodeError as error:
        raise MetainfoError(f"not an info dictionary: {error}") from error
    return replace(_from_info(info, bytes(raw_info)), trackers=trackers, webseeds=webseeds)


def _from_info(info: Any, raw: bytes) -> Metainfo:
    if not isinstance(info, dict):
        raise MetainfoError(f"info is {type(info).__name__}, want a dictionary")
    has_v2 = b"meta version" in info or b"file tree" in info
    if has_v2 and info.get(b"meta version") != 2:
        raise MetainfoError(f"meta version is {info.get(b'meta version')!r}, want 2")
    has_v1 = b"pieces" in info or not has_v2
    length = info.get(b"piece length")
    if not isinstance(length, int) or not 0 < length <= MAX_PIECE_LENGTH:
        raise MetainfoError(f"piece length is {length!r}, want 1 to {MAX_PIECE_LENGTH}")
    if has_v2 and (length < LEAF_SIZE or length & (length - 1)):
        raise MetainfoError(f"piece length is {length}, want a power of two from {LEAF_SIZE} (v2)")
    hashes = InfoHash(sha1(raw).digest()) if has_v1 else None, sha256(raw).digest() if has_v2 else None
    raw_name = info.get(b"name.utf-8", info.get(b"name", b""))
    if not isinstance(raw_name, bytes):
        raise MetainfoError(f"name is {type(raw_name).__name__}, want a string")
    name = safe_component(raw_name) if raw_name else (hashes[0] or hashes[1] or b"").hex()
    entries = v1_entries(info) if has_v1 else []
    if has_v2:
        alone = None if b"files" in info else info.get(b"name", raw_name)
        tree = v2_entries(info.get(b"file tree"), alone)
        entries = hybrid_entries(entries, tree, length) if has_v1 else tree
    files = place(entries, raw_name, name, 1 if has_v1 else length)
    end = files[-1].end if has_v1 else max(file.end for file in files)
    count = -(-end // length)
    if count > MAX_PIECES:
        raise MetainfoError(f"{count} pieces of {length} bytes, at most {MAX_PIECES} are taken")
    pieces = info.get(b"pieces", b"") if has_v1 else b""
    if has_v1 and (not isinstance(pieces, bytes) or len(pieces) != 20 * count):
        got = f"{len(pieces)} bytes" if isinstance(pieces, bytes) else repr(pieces)[:40]
        raise MetainfoError(f"pieces is {got}, want {20 * count} for {count} pieces of {length} bytes")
    return Metainfo(
        name=name,
        piece_length=length,
        num_pieces=count,
        files=files,
        pieces=pieces,
        piece_layers={},
        raw_info=raw,
        info_hash=hashes[0],
        info_hash_v2=hashes[1],
        private=info.get(b"private") == 1,
        source=_text(info, b"source"),
    )


def _text(fields: Mapping[bytes, Any], key: bytes) -> str | None:
    raw = fields.get(key + b".utf-8", fields.get(key))
    return raw.decode("utf-8", errors="replace") if isinstance(raw, bytes) else None


def _tiers(outer: Mapping[bytes, Any]) -> tuple[tuple[str, ...], ...]:
    """Return `announce-list`, or else `announce`; oddities and repetitions are left out (BEP 12)."""
    tiers, seen = [], set[str]()
    listed = outer.get(b"announce-list")
    for tier in listed if isinstance(listed, list) else ():
        urls = _urls(tier, TRACKER_SCHEMES)
        fresh = tuple(url for url in urls if url not in seen)
        seen.update(fresh)
        if fresh:
            tiers.append(fresh)
    if not tiers:
        tiers = [_urls(outer.get(b"announce"), TRACKER_SCHEMES)]
    return tuple(tier for tier in tiers if tier)


def _urls(raw: Any, schemes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the URLs of a string or list, without those that nobody could fetch."""
    found = []
    for one in raw if isinstance(raw, list) else [raw]:
        if not isinstance(one, bytes):
            continue
        text = one.decode("utf-8", errors="replace").strip()
        if usable(text, schemes):
            found.append(text)
    return tuple(dict.fromkeys(found))


def _nodes(raw: Any) -> tuple[tuple[str, int], ...]:
    found = []
    for one in raw if isinstance(raw, list) else ():
        match one:
            case [bytes(host), int(port)] if 0 < port < 65536 and host.isascii():
                found.append((host.decode(), port))
    return tuple(found)
