"""The file table of a torrent: what lies where in piece space (BEP 3, 47, 52).

v1 lays files end to end, pads among them; v2 begins each file on a piece
boundary, so that a file's last piece is short. A hybrid says both and they must
agree. Names are made safe here (`paths.py`); `metainfo.py` adds the hashes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from axon.bt.paths import MAX_DEPTH, original_path, safe_component, unique_paths
from axon.errors import MetainfoError

__all__ = ["MAX_LENGTH", "Entry", "File", "hybrid_entries", "place", "v1_entries", "v2_entries"]

MAX_LENGTH: Final = 2**63 - 1  # bytes in all: more fits no file offset


@dataclass(frozen=True, slots=True)
class File:
    """One file of a torrent, or a gap (`pad`) that is nowhere on disk."""

    path: tuple[str, ...]  # safe, relative to the download folder; begins with the torrent's name
    length: int  # bytes
    offset: int  # of its first byte in piece space
    pad: bool = False  # zeros between files (BEP 47)
    pieces_root: bytes | None = None  # v2, 32 bytes; None for an empty file
    executable: bool = False
    hidden: bool = False
    symlink: tuple[str, ...] | None = None  # path of another file or folder of this torrent
    original: tuple[str, ...] | None = (
        None  # the author's names, where `path` had to differ and they stay inside
    )

    @property
    def end(self) -> int:
        """Offset past its last byte in piece space."""
        return self.offset + self.length


@dataclass(frozen=True, slots=True)
class Entry:
    """One file as the torrent states it: raw names, nothing placed yet."""

    path: tuple[bytes, ...]  # below the torrent's name; empty for a torrent of one file
    length: int
    attr: bytes = b""  # letters of BEP 47: p pad, x executable, h hidden, l symlink
    root: bytes | None = None
    target: tuple[bytes, ...] | None = None  # of a symlink

    @property
    def pad(self) -> bool:
        """Whether this is a pad file."""
        return b"p" in self.attr

    @classmethod
    def read(cls, fields: Mapping[bytes, Any], path: tuple[bytes, ...], root: bytes | None = None) -> Self:
        """Read length, attr and symlink path out of a file's dictionary."""
        where = b"/".join(path)[:80].decode(errors="replace") or "the file"
        attr = fields.get(b"attr", b"")
        if not isinstance(attr, bytes):
            raise MetainfoError(f"{where}: attr is {attr!r}, want a string")
        target = None
        if b"l" in attr:
            target = _components(fields.get(b"symlink path"), f"{where}: symlink path")
        length = fields.get(b"length", 0 if target is not None else None)
        if not isinstance(length, int) or not 0 <= length <= MAX_LENGTH:
            raise MetainfoError(f"{where}: length is {length!r}, want 0 to 2^63 - 1")
        if target is not None and length:
            raise MetainfoError(f"{where}: a symlink of {length} bytes, want 0")
        return cls(path, length, attr, root, target)


def v1_entries(info: Mapping[bytes, Any]) -> list[Entry]:
    """Read `length` or `files` (BEP 3).

    Raises
    ------
    MetainfoError
        If there is neither or both, or one of them is malformed.
    """
    files = info.get(b"files")
    if (files is None) == (b"length" not in info):
        raise MetainfoError(
            f"info has {'neither' if files is None else 'both'} of length and files, want one"
        )
    if files is None:
        return [Entry.read(info, ())]
    if not isinstance(files, list) or not files:
        raise MetainfoError(f"files is {_kind(files)}, want a list that is not empty")
    entries = []
    for number, fields in enumerate(files):
        if not isinstance(fields, dict):
            raise MetainfoError(f"file {number} is {_kind(fields)}, want a dictionary")
        raw = fields.get(b"path.utf-8", fields.get(b"path"))
        entries.append(Entry.read(fields, _components(raw, f"file {number}: path")))
    return entries


def v2_entries(tree: Any, name: bytes | None) -> list[Entry]:
    """Flatten a `file tree` (BEP 52), in its order; a lone file called `name` gets an empty path.

    Raises
    ------
    MetainfoError
        If the tree is malformed: not sorted, a file that is also a folder, a root that is missing or zero.
    """
    entries: list[Entry] = []
    _flatten(tree, (), entries)
    if not entries:
        raise MetainfoError("file tree is empty")
    if len(entries) == 1 and entries[0].path == (name,):
        one = entries[0]
        return [Entry((), one.length, one.attr, one.root, one.target)]
    return entries


def _flatten(tree: Any, path: tuple[bytes, ...], entries: list[Entry]) -> None:
    # Recursion is bounded: bencode.py refuses depths over 100.
    where = b"/".join(path)[:80].decode(errors="replace") or "file tree"
    if not isinstance(tree, dict):
        raise MetainfoError(f"{where} is {_kind(tree)}, want a dictionary")
    if b"" in tree:
        if len(tree) > 1 or not path:
            raise MetainfoError(f"{where} is both a file and a folder")
        fields = tree[b""]
        if not isinstance(fields, dict):
            raise MetainfoError(f"{where} is {_kind(fields)}, want a dictionary")
        entry = Entry.read(fields, path)
        root = fields.get(b"pieces root") if entry.length else None
        if entry.length and not (isinstance(root, bytes) and len(root) == 32 and any(root)):
            got = root.hex() if isinstance(root, bytes) else repr(root)
            raise MetainfoError(f"{where}: pieces root is {got[:80]}, want 32 bytes that are not all zero")
        entries.append(Entry(path, entry.length, entry.attr, root, entry.target))
        return
    if list(tree) != sorted(tree):  # the order of files is the order of keys: here it is not harmless
        raise MetainfoError(f"{where}: names are not sorted")
    for part, below in tree.items():
        _flatten(below, (*path, part), entries)


def hybrid_entries(one: Sequence[Entry], two: Sequence[Entry], piece_length: int) -> list[Entry]:
    """Join the halves of a hybrid: v1's entries with v2's roots.

    Raises
    ------
    MetainfoError
        If the halves disagree on a path, a length, the order or the alignment.
    """
    real = [entry for entry in one if not entry.pad]
    if len(real) != len(two):
        raise MetainfoError(f"hybrid: v1 has {len(real)} files, v2 has {len(two)}")
    joined, offset, others = [], 0, iter(two)
    for entry in one:
        root = None
        if not entry.pad:
            other = next(others)
            if (entry.path, entry.length, entry.target) != (other.path, other.length, other.target):
                raise MetainfoError(
                    f"hybrid: v1 has {_show(entry.path)} of {entry.length} bytes where v2 has "
                    f"{_show(other.path)} of {other.length}"
                )
            if entry.length and offset % piece_length:
                raise MetainfoError(
                    f"hybrid: {_show(entry.path)} begins at {offset}, not on a piece boundary"
                )
            root = other.root
        offset += entry.length
        joined.append(Entry(entry.path, entry.length, entry.attr, root, entry.target))
    return joined


def place(entries: Sequence[Entry], raw_name: bytes, name: str, alignment: int) -> tuple[File, ...]:
    """Give each entry a safe path of its own and an offset in piece space.

    Parameters
    ----------
    entries : sequence of Entry
    raw_name, name : bytes, str
        The torrent's name, as it stands and made safe.
    alignment : int
        Where files may begin: the piece length for v2, 1 otherwise.

    Raises
    ------
    MetainfoError
        If the lengths add up past 2^63 - 1.
    """
    raw = [(raw_name, *entry.path) for entry in entries]
    safe = [(name, *(safe_component(part) for part in path[1:])) for path in raw]
    real = [k for k, entry in enumerate(entries) if not entry.pad]
    for k, path in zip(real, unique_paths(safe[k] for k in real)):
        safe[k] = path
    targets = _targets(entries, raw, safe) if any(entry.target is not None for entry in entries) else {}
    files, offset, originals = [], 0, set[tuple[str, ...]]()
    for entry, raw_path, path in zip(entries, raw, safe):
        if entry.length:
            offset += -offset % alignment
        original = None if entry.pad else original_path(raw_path)
        if original == path or original in originals:
            original = None
        elif original is not None:
            originals.add(original)
        files.append(
            File(
                path,
                entry.length,
                offset,
                entry.pad,
                entry.root,
                executable=b"x" in entry.attr,
                hidden=b"h" in entry.attr,
                symlink=targets.get((raw_name, *entry.target)) if entry.target is not None else None,
                original=original,
            )
        )
        offset += entry.length
        if offset > MAX_LENGTH:
            raise MetainfoError(f"files add up to {offset} bytes or more, at most 2^63 - 1 fit")
    return tuple(files)


def _targets(
    entries: Sequence[Entry], raw: Sequence[tuple[bytes, ...]], safe: Sequence[tuple[str, ...]]
) -> dict[tuple[bytes, ...], tuple[str, ...]]:
    """Return what a symlink may point to: files and folders of this torrent.

    Links and pads are no targets and lend no folders, so no link leads outside or round in a circle.
    """
    found = {}
    for entry, raw_path, path in zip(entries, raw, safe):
        if entry.pad or entry.target is not None:
            continue
        for depth in range(2, len(path) + 1):
            found[raw_path[:depth]] = path[:depth]
    return found


def _components(raw: Any, where: str) -> tuple[bytes, ...]:
    if not isinstance(raw, list) or not raw or not all(isinstance(part, bytes) for part in raw):
        raise MetainfoError(f"{where} is {_kind(raw)}, want a list of strings that is not empty")
    if len(raw) > MAX_DEPTH:
        raise MetainfoError(f"{where} has {len(raw)} components, at most {MAX_DEPTH} are taken")
    return tuple(raw)


def _kind(value: Any) -> str:
    names = {dict: "a dictionary", list: "a list", bytes: "a string", int: "an integer"}
    return names.get(type(value), "missing") + (" of nothing" if value in (b"", [], {}) else "")


def _show(path: tuple[bytes, ...]) -> str:
    return repr(b"/".join(path)[:80].decode(errors="replace"))
