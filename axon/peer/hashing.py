"""Hashing files: to make a torrent of them, or to check them against one.

Pieces are hashed in as many threads as there are cores; hashlib lets go of the
interpreter's lock.
"""

import os
import stat
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from axon.bt.create import CreateOptions, Draft, PieceHash, Source
from axon.bt.metainfo import Metainfo
from axon.bt.sha_lanes import LANES
from axon.errors import ConfigError, StorageError
from axon.peer.folder import refused
from axon.peer.storage import Storage

__all__ = ["FileState", "list_sources", "make_torrent", "verify_files"]

T = TypeVar("T")
_THREADS = min(8, os.cpu_count() or 1)
_TOGETHER = 16 << 20  # bytes of pieces that one thread reads and hashes at a time


@dataclass(frozen=True, slots=True)
class FileState:
    """What `verify_files` found of one file."""

    path: tuple[str, ...]
    length: int
    size: int | None  # bytes on disk; None: not there
    pieces: int
    good: int  # pieces
    problem: str = ""  # why it could not be read

    @property
    def complete(self) -> bool:
        """Whether it is there, as long as it should be, and every piece is right."""
        return self.size == self.length and self.good == self.pieces and not self.problem


def list_sources(path: Path, *, keep_links: bool = False) -> tuple[list[Source], list[Path]]:
    """List what a torrent of `path` holds, and where each is.

    Parameters
    ----------
    path : Path
        A file or a folder.
    keep_links : bool
        Put links to other files of the folder in as links (BEP 47) instead of as the files they lead to.

    Raises
    ------
    ConfigError
        If something cannot be read, is neither file nor folder, or a link leads in a circle.
    """
    top = path.resolve()
    sources, places = list[Source](), list[Path]()

    def add(here: Path, below: tuple[bytes, ...], above: tuple[tuple[int, int], ...]) -> None:
        try:
            if keep_links and below and here.is_symlink():
                target = here.resolve()
                if target.is_relative_to(top) and target.exists():
                    parts = tuple(os.fsencode(part) for part in target.relative_to(top).parts)
                    sources.append(Source(below, 0, target=parts))
                    places.append(here)
                    return
            status = here.stat()
            if stat.S_ISDIR(status.st_mode):
                me = (status.st_dev, status.st_ino)
                if me in above:
                    raise ConfigError(f"{here} is a link to a folder that it is in")
                for name in sorted(here.iterdir()):
                    add(name, (*below, os.fsencode(name.name)), (*above, me))
                return
        except OSError as error:
            raise ConfigError(f"cannot read {here}: {error.strerror}") from error
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"{here} is neither a file nor a folder")
        sources.append(Source(below, status.st_size, executable=bool(status.st_mode & 0o100)))
        places.append(here)

    add(path, (), ())
    if not sources:
        raise ConfigError(f"{path} has no files")
    return sources, places


def make_torrent(
    path: Path,
    options: CreateOptions,
    *,
    keep_links: bool = False,
    progress: Callable[[int], None] = lambda size: None,
) -> bytes:
    """Read a file or folder and return the bytes of its .torrent; `progress(bytes hashed)` as it goes.

    Raises
    ------
    ConfigError, MetainfoError
        If there is nothing to put in, or the options do not suit.
    StorageError
        If a file cannot be read, or changes meanwhile.
    """
    sources, places = list_sources(path, keep_links=keep_links)
    draft = Draft.plan(os.fsencode(path.resolve().name), sources, options)
    files = [None if number is None else places[number] for number in draft.sources]

    def hash_some(indices: Sequence[int]) -> list[PieceHash]:
        space = memoryview(_buffer(draft.layout.piece_length * len(indices)))
        pieces: list[tuple[int, memoryview]] = []
        for index in indices:
            size = draft.layout.piece_size(index)
            view, space = space[:size], space[size:]
            at = 0
            for number, offset, length in draft.layout.spans(index, 0, size):
                _read(files[number], offset, view[at : at + length])
                at += length
            pieces.append((index, view))
        hashes = draft.hash_pieces(pieces)
        progress(sum(len(view) for _, view in pieces))
        return hashes

    hashes = _in_threads(hash_some, draft.layout)
    for source, place in zip(sources, places):
        if source.target is None and place.stat().st_size != source.length:
            raise StorageError(
                f"{place} was {source.length} bytes long and changed meanwhile", path=str(place)
            )
    return draft.finish(hashes)


def verify_files(
    metainfo: Metainfo, folder: Path, *, progress: Callable[[int], None] = lambda size: None
) -> list[FileState]:
    """Hash what is on disk of each file, pads left out; nothing is written.

    Raises
    ------
    MetainfoError
        If some piece's hash is not known.
    """
    storage = Storage(metainfo, folder)
    problems: dict[str, str] = {}  # by path

    def unreadable(error: StorageError) -> None:
        problems.setdefault(error.path, str(error))

    def check(indices: Sequence[int]) -> list[bool]:
        buffer = _buffer(metainfo.piece_length * len(indices))
        found = storage.check_many(indices, buffer, unreadable)
        progress(sum(map(metainfo.piece_size, indices)))
        return found

    good = _in_threads(check, metainfo)
    states = []
    for number, file in enumerate(metainfo.files):
        if file.pad:
            continue
        pieces = metainfo.file_pieces(number)
        size, problem = None, ""
        try:
            if file.symlink is not None:
                size = 0 if folder.joinpath(*file.path).is_symlink() else None
            elif (status := storage.stat(number)) is not None:
                size, problem = status.st_size, problems.get(storage.folder.show(storage.path(number)), "")
        except StorageError as error:
            problem = str(error)
        right = sum(good[pieces.start : pieces.stop])
        states.append(FileState(storage.path(number), file.length, size, len(pieces), right, problem))
    storage.close()
    return states


def _read(path: Path | None, offset: int, view: memoryview) -> None:
    """Fill `view` from a file, or with zeros where there is none (a pad)."""
    if path is None:
        view[:] = bytes(len(view))
        return
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            done = 0
            while done < len(view):
                got = os.preadv(fd, [view[done:]], offset + done)
                if not got:
                    raise StorageError(
                        f"{path} ends at {offset + done}: it changed meanwhile", path=str(path)
                    )
                done += got
        finally:
            os.close(fd)
    except OSError as error:
        refused(error, "read", str(path), len(view))


_local = threading.local()


def _buffer(size: int) -> bytearray:
    """This thread's buffer, which is used again for the next pieces."""
    buffer: bytearray = getattr(_local, "buffer", bytearray())
    if len(buffer) < size:
        buffer = _local.buffer = bytearray(size)
    return buffer


def _in_threads(work: Callable[[Sequence[int]], list[T]], layout: Metainfo) -> list[T]:
    """Map all pieces in threads, some together, results in order.

    The first error ends it, and Ctrl-C does not wait for the rest.
    """
    step = max(1, min(LANES, _TOGETHER // layout.piece_length))
    groups = [range(at, min(at + step, layout.num_pieces)) for at in range(0, layout.num_pieces, step)]
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="hash")
    try:
        return [one for found in pool.map(work, groups) for one in found]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
