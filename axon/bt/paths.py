"""File names out of torrents, made safe (BEP 3, 47).

A torrent's author chooses names; we choose what reaches the disk. Nothing is
refused for a harmless oddity: what could leave the folder, deceive a reader or
fail on some system is replaced, and names that fall together are numbered.
The result depends on the torrent alone, so every machine gets the same names.
"""

import re
from collections.abc import Iterable, Sequence

__all__ = ["MAX_COMPONENT", "MAX_DEPTH", "original_path", "safe_component", "unique_paths"]

MAX_COMPONENT = 255  # bytes of UTF-8: the limit of ext4, APFS, NTFS
MAX_DEPTH = 128  # folders in one path

# Separators, control characters (C0, DEL, C1, line and paragraph separators) and those that turn the
# direction of writing, by which "gnp.exe" is made to read "exe.png".
_UNSAFE = re.compile(r"[/\\\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
# Devices on Windows, whatever the extension.
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(\..*)?$")


def safe_component(raw: bytes) -> str:
    """Turn one component as it stands in a torrent into a file name that is safe on any system.

    The result is never empty, ``.`` or ``..``, holds no separator, control or bidi character, is no
    reserved name of Windows, ends in neither dot nor space, and has at most 255 bytes in UTF-8.
    """
    text = raw.decode("utf-8", errors="replace").replace("\ufffd", "_")
    text = _UNSAFE.sub("_", text)
    kept = text.rstrip(". ")
    if kept != text:  # Windows drops them, so that "a." is "a"; and ".." must not survive anywhere
        text = kept + "_" * min(len(text) - len(kept), 8)
    if not text:
        return "_"
    if _RESERVED.match(text):
        text = "_" + text
    return _shorten(text, "")


def original_path(raw: Sequence[bytes]) -> tuple[str, ...] | None:
    """Return the components as the author's file system had them, or None if they would leave the folder.

    Data that was there before the torrent is looked for under these names. Bytes that are not UTF-8
    become surrogates, as in `os.fsdecode`.
    """
    if any(part in (b"", b".", b"..") or b"/" in part or b"\0" in part for part in raw):
        return None
    return tuple(part.decode("utf-8", errors="surrogateescape") for part in raw)


def unique_paths(paths: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Number paths that are equal but for letter case, or name both a file and a folder.

    The first of equals keeps its name; a file yields to a folder. Linear in the number of paths.
    """
    wanted = list(paths)
    folders = set[tuple[str, ...]]()
    for path in wanted:
        key = _fold(path)
        for depth in range(len(key) - 1, 0, -1):
            if key[:depth] in folders:
                break
            folders.add(key[:depth])
    taken = set[tuple[str, ...]]()
    counters: dict[tuple[str, ...], int] = {}
    result = []
    for wish in wanted:
        path, first = wish, _fold(wish)
        key = first
        while key in taken or key in folders:
            counters[first] = number = counters.get(first, 0) + 1
            path = (*wish[:-1], _numbered(wish[-1], number))
            key = _fold(path)
        taken.add(key)
        result.append(path)
    return result


def _fold(path: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part.casefold() for part in path)


def _numbered(name: str, number: int) -> str:
    """Put a number before the extension: ``a.txt`` becomes ``a.1.txt``."""
    stem, dot, extension = name.rpartition(".")
    if not stem:
        stem, dot, extension = name, "", ""
    return _shorten(stem, f".{number}{dot}{extension}")


def _shorten(stem: str, suffix: str) -> str:
    """Cut `stem` so that with `suffix`, or else with its own extension, it fits `MAX_COMPONENT`."""
    if len((stem + suffix).encode()) <= MAX_COMPONENT:
        return stem + suffix
    if not suffix:
        stem, dot, extension = stem.rpartition(".")
        suffix = dot + extension
        if not stem or len(suffix.encode()) > 32:
            stem, suffix = stem + suffix, ""
    suffix = suffix.encode()[-(MAX_COMPONENT - 32) :].decode(errors="ignore")
    cut = stem.encode()[: MAX_COMPONENT - len(suffix.encode())].decode(errors="ignore")
    return (cut + suffix).rstrip(". ") or "_"
