"""Making torrents: v1, v2 and hybrid (BEP 3, 12, 19, 27, 47, 52).

Pure: someone else lists and reads the files (`axon.peer.torrents`).

>>> draft = Draft.plan("name", [Source((b"a",), 3)], CreateOptions(version="v1"))
>>> draft.finish([draft.hash_piece(0, b"abc")])  # bytes of the .torrent

The same files and options always give the same bytes, whatever the order they
were listed in: files are sorted by their path's bytes, component by component.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Literal, Self

from axon.bt import bencode
from axon.bt.hashtree import LEAF_SIZE, height, leaf_hashes, merkle_root
from axon.bt.layout import Entry, place
from axon.bt.metainfo import MAX_PIECE_LENGTH, MAX_PIECES, Metainfo
from axon.bt.paths import safe_component
from axon.bt.sha_lanes import sha1_lanes
from axon.errors import MetainfoError

__all__ = ["CreateOptions", "Draft", "PieceHash", "Source", "piece_length_for", "torrent_bytes"]

Version = Literal["v1", "v2", "hybrid"]
PieceHash = tuple[bytes | None, bytes | None]  # SHA-1, node of the SHA-256 tree; what the version needs
_TARGET_PIECES: Final = 1500  # then a .torrent stays small and peers soon have pieces to trade
_MIN_PIECE, _MAX_PIECE = 16 << 10, 16 << 20  # bytes, for the automatic choice


@dataclass(frozen=True, slots=True)
class Source:
    """One file to put in."""

    path: tuple[bytes, ...]  # below the torrent's folder; empty if the torrent is this one file
    length: int  # bytes
    executable: bool = False
    hidden: bool = False
    target: tuple[bytes, ...] | None = None  # of a symlink, below the torrent's folder


@dataclass(frozen=True, slots=True)
class CreateOptions:
    """What to make of the files."""

    version: Version = "hybrid"
    piece_length: int | None = None  # bytes; None: by total size
    private: bool = False
    source: str | None = None  # tells apart the same files on two private trackers
    trackers: tuple[tuple[str, ...], ...] = ()  # tiers
    webseeds: tuple[str, ...] = ()
    nodes: tuple[tuple[str, int], ...] = ()
    comment: str | None = None
    created_by: str | None = None
    creation_date: int | None = (
        None  # Unix seconds; None leaves it out, and the result depends on nothing else
    )


def piece_length_for(length: int) -> int:
    """Return a power of two from 16 KiB to 16 MiB that gives about 1,500 pieces."""
    size = _MIN_PIECE
    while size < _MAX_PIECE and length > size * _TARGET_PIECES:
        size *= 2
    return size


@dataclass(frozen=True)
class Draft:
    """A torrent whose hashes are not known yet."""

    raw_name: bytes
    options: CreateOptions
    entries: tuple[Entry, ...]
    sources: tuple[int | None, ...]  # for each entry, the number of its source; None for a pad
    layout: Metainfo  # where the pieces are; its hashes are empty

    @classmethod
    def plan(cls, name: str | bytes, sources: Sequence[Source], options: CreateOptions) -> Self:
        """Lay the files out.

        Parameters
        ----------
        name : str or bytes
            The torrent's name: the file's, or the folder's.
        sources : sequence of Source
            In any order.

        Raises
        ------
        MetainfoError
            If there is nothing, a path occurs twice, or the piece length does not suit.
        """
        raw_name = name.encode("utf-8", errors="surrogateescape") if isinstance(name, str) else name
        if not raw_name or not sources:
            raise MetainfoError("a torrent needs a name and at least one file")
        if len(sources) > 1 and any(not one.path for one in sources):
            raise MetainfoError("only a torrent of one file can do without paths")
        order = sorted(range(len(sources)), key=lambda k: sources[k].path)
        for k, j in pairwise(order):
            if sources[k].path == sources[j].path:
                raise MetainfoError(f"two files are called {b'/'.join(sources[k].path)!r}")
        size = options.piece_length or piece_length_for(sum(one.length for one in sources))
        if not 0 < size <= MAX_PIECE_LENGTH:
            raise MetainfoError(f"piece length {size}, want 1 to {MAX_PIECE_LENGTH} bytes")
        if options.version != "v1" and (size < LEAF_SIZE or size & (size - 1)):
            raise MetainfoError(f"piece length {size}, want a power of two from {LEAF_SIZE} (v2)")
        entries, numbers = list[Entry](), list[int | None]()
        for at, k in enumerate(order):
            one = sources[k]
            attr = b"x" * one.executable + b"h" * one.hidden + b"l" * (one.target is not None)
            entries.append(Entry(one.path, one.length, attr, None, one.target))
            numbers.append(k)
            # Hybrids pad every file but the last to a piece boundary (BEP 47, 52).
            if options.version == "hybrid" and one.length % size and at + 1 < len(order):
                gap = -one.length % size
                entries.append(Entry((b".pad", b"%d" % gap), gap, b"p"))
                numbers.append(None)
        files = place(entries, raw_name, safe_component(raw_name), size if options.version == "v2" else 1)
        count = -(-max((file.end for file in files), default=0) // size)
        if count > MAX_PIECES:
            raise MetainfoError(f"{count} pieces of {size} bytes, at most {MAX_PIECES}: take longer pieces")
        # To its `piece_size` and `spans` a torrent is v1 exactly if it has a v1 hash.
        hashes = (
            None if options.version == "v2" else bytes(20),
            None if options.version == "v1" else bytes(32),
        )
        layout = Metainfo(
            name=safe_component(raw_name),
            piece_length=size,
            num_pieces=count,
            files=files,
            pieces=b"",
            piece_layers={},
            raw_info=b"",
            info_hash=hashes[0],  # type: ignore[arg-type]
            info_hash_v2=hashes[1],
        )
        return cls(raw_name, options, tuple(entries), tuple(numbers), layout)

    def hash_piece(self, index: int, data: bytes | bytearray | memoryview) -> PieceHash:
        """Hash one piece, pads included, for whichever versions are wanted."""
        return self.hash_pieces([(index, data)])[0]

    def hash_pieces(self, pieces: Sequence[tuple[int, bytes | bytearray | memoryview]]) -> list[PieceHash]:
        """`hash_piece` of each (index, data); many at once are faster."""
        version = self.options.version
        first = [None] * len(pieces) if version == "v2" else sha1_lanes.digests([data for _, data in pieces])
        second = [None if version == "v1" else self._v2_root(*piece) for piece in pieces]
        return list(zip(first, second))

    def _v2_root(self, index: int, data: bytes | bytearray | memoryview) -> bytes:
        number, offset, _ = self.layout.spans(index, 0, 1)[0]
        file = self.layout.files[number]
        payload = memoryview(data)[: file.length - offset]
        up = height(self.layout.piece_length // LEAF_SIZE) if file.length > self.layout.piece_length else None
        return merkle_root(leaf_hashes(payload), 0, up)

    def finish(self, hashes: Sequence[PieceHash]) -> bytes:
        """Write the .torrent.

        Parameters
        ----------
        hashes : sequence of PieceHash
            One for each piece, in order.

        Raises
        ------
        MetainfoError
            If their number is wrong.
        """
        if len(hashes) != self.layout.num_pieces:
            raise MetainfoError(f"{len(hashes)} piece hashes, want {self.layout.num_pieces}")
        version, options = self.options.version, self.options
        info: dict[bytes, Any] = {b"name": self.raw_name, b"piece length": self.layout.piece_length}
        layers: dict[bytes, bytes] = {}
        if version != "v2":
            info[b"pieces"] = b"".join(one or b"" for one, _ in hashes)
            if len(self.entries) == 1 and not self.entries[0].path:
                info |= _fields(self.entries[0])
            else:
                info[b"files"] = [{b"path": list(one.path), **_fields(one)} for one in self.entries]
        if version != "v1":
            info[b"meta version"] = 2
            info[b"file tree"] = self._tree(hashes, layers)
        if options.private:
            info[b"private"] = 1
        if options.source is not None:
            info[b"source"] = options.source
        return torrent_bytes(bencode.encode(info), options, layers if version != "v1" else None)

    def _tree(self, hashes: Sequence[PieceHash], layers: dict[bytes, bytes]) -> dict[bytes, Any]:
        """Build the file tree, and collect the piece layers of files longer than a piece."""
        tree: dict[bytes, Any] = {}
        size = self.layout.piece_length
        for number, entry in enumerate(self.entries):
            if entry.pad:
                continue
            fields = _fields(entry)
            if entry.target is not None:
                del fields[b"length"]
            row = [hashes[k][1] or b"" for k in self.layout.file_pieces(number)]
            if row:
                root = merkle_root(row, height(size // LEAF_SIZE)) if len(row) > 1 else row[0]
                fields[b"pieces root"] = root
                if len(row) > 1:
                    layers[root] = b"".join(row)
            below = tree
            for part in entry.path or (self.raw_name,):
                below = below.setdefault(part, {})
            below[b""] = fields
        return tree


def torrent_bytes(raw_info: bytes, options: CreateOptions, layers: dict[bytes, bytes] | None = None) -> bytes:
    """Write a .torrent around an info dictionary that stays as it is, byte for byte (a magnet's, say)."""
    outer: dict[bytes, Any] = {b"info": bencode.Raw(raw_info)}
    if options.trackers:
        outer[b"announce"] = options.trackers[0][0]
        if sum(len(tier) for tier in options.trackers) > 1:
            outer[b"announce-list"] = [list(tier) for tier in options.trackers]
    if options.webseeds:
        outer[b"url-list"] = list(options.webseeds)
    if options.nodes:
        outer[b"nodes"] = [[host, port] for host, port in options.nodes]
    if options.comment is not None:
        outer[b"comment"] = options.comment
    if options.created_by is not None:
        outer[b"created by"] = options.created_by
    if options.creation_date is not None:
        outer[b"creation date"] = options.creation_date
    if layers is not None:
        outer[b"piece layers"] = layers
    return bencode.encode(outer)


def _fields(entry: Entry) -> dict[bytes, Any]:
    fields: dict[bytes, Any] = {b"length": entry.length}
    if entry.attr:
        fields[b"attr"] = entry.attr
    if entry.target is not None:
        fields[b"symlink path"] = list(entry.target)
    return fields
