"""Pieces on disk.

Calls block, and may come from several threads at once as long as no two write
the same piece. Files are sparse and made when first written to. Edge pieces of
unwanted files go to one part-file, so that no unwanted file appears. Nothing here
remembers which pieces are good: that is `resume.py`.
"""

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from axon.bt.metainfo import Metainfo
from axon.errors import MetainfoError, StorageError
from axon.peer.folder import Descriptor, Folder, refused
from axon.peer.openfiles import MAX_OPEN, OpenFiles
from axon.peer.reserve import EXTENT, Reservations

__all__ = ["Run", "Storage"]

_PARTS: Final = -1  # the part-file's number
Run = tuple[int, int, int]  # file descriptor, offset in that file, bytes


class Storage:
    """The files of one torrent in a download folder.

    Parameters
    ----------
    metainfo : Metainfo
    root : Path
        The download folder; the torrent's name comes below it.
    wanted : mapping or sequence of int, optional
        A priority by number in `metainfo.files`; 0 is unwanted. By default all are wanted.
    """

    def __init__(
        self,
        metainfo: Metainfo,
        root: Path,
        *,
        wanted: Mapping[int, int] | Sequence[int] | None = None,
        max_open: int = MAX_OPEN,
    ) -> None:
        self.metainfo = metainfo
        self.folder = Folder(root)
        self._open = OpenFiles(self._make, max_open)
        self._lock = threading.Lock()
        self._dirty = set[int]()  # files written to since the last `flush`
        self._reserved: dict[int, Reservations] = {}
        self._paths: dict[int, tuple[str, ...]] = {}
        self._parts_path = (f".{metainfo.handshake_hashes[0].hex()}.parts",)
        self._prepared = False
        self._preparing = threading.Lock()
        count = len(metainfo.files)
        choice = wanted.get if isinstance(wanted, Mapping) else dict(enumerate(wanted or ())).get
        self._wanted = [bool(choice(number, 1)) for number in range(count)]
        # Files that live in the part-file: unwanted ones that are not there anyway.
        self._apart = set[int]()
        for number, wish in enumerate(self._wanted):
            if not wish:
                self.unwant(number)

    @property
    def root(self) -> Path:
        """The download folder."""
        return self.folder.root

    def path(self, number: int) -> tuple[str, ...]:
        """Return where a file is or will be: its safe path, or the author's name for it if that is there."""
        path = self._paths.get(number)
        if path is None:
            file = self.metainfo.files[number]
            path = file.path
            if file.original is not None and self.folder.stat(path) is None:
                try:
                    if self.folder.stat(file.original) is not None:
                        path = file.original
                except StorageError:  # a name too long, or behind a link: not ours
                    pass
            self._paths[number] = path
        return path

    def stat(self, number: int) -> os.stat_result | None:
        """Return the status of a file on disk, or None if it is not there."""
        return self.folder.stat(self.path(number))

    def stat_parts(self) -> os.stat_result | None:
        """Return the status of the part-file, or None if there is none."""
        return self.folder.stat(self._parts_path)

    def prepare(self) -> None:
        """Make what no piece makes: wanted empty files and the torrent's own links.

        Moves what the part-file holds of files that are wanted by now. The first `write_piece` does
        this by itself; call it for torrents that are complete, or all empty.

        Raises
        ------
        StorageError
        """
        had_parts = self.stat_parts() is not None
        for number, file in enumerate(self.metainfo.files):
            if file.pad or not self._wanted[number]:
                continue
            if file.symlink is not None:
                self.folder.link(file.path, file.symlink)
            elif not file.length:
                self._open.get(number, write=True)
            elif had_parts and self.stat(number) is None:
                self._apart.add(number)
                self.want(number)
        self._drop_parts()
        self._prepared = True

    def want(self, number: int) -> None:
        """Give a file that was unwanted a place of its own; its edges move out of the part-file.

        Raises
        ------
        StorageError
            If the disk refuses; the file then stays where it was.
        """
        self._wanted[number] = True
        if number not in self._apart:
            return
        file, size = self.metainfo.files[number], self.metainfo.piece_length
        try:
            parts = self.folder.open(self._parts_path, write=False)
        except FileNotFoundError:
            self._apart.discard(number)
            return
        pieces = self.metainfo.file_pieces(number)
        for index in dict.fromkeys((pieces[0], pieces[-1])):
            low, high = max(file.offset, index * size), min(file.end, (index + 1) * size)
            try:
                data = os.pread(parts, high - low, low)
            except OSError as error:
                refused(error, "read", self.folder.show(self._parts_path), high - low)
            if any(data):
                self._write_at(number, low - file.offset, memoryview(data), moving=True)
        self._apart.discard(number)

    def unwant(self, number: int) -> None:
        """Stop making this file; what is on disk stays."""
        file = self.metainfo.files[number]
        self._wanted[number] = False
        if file.length and not file.pad and self.stat(number) is None:
            self._apart.add(number)

    def write_piece(self, index: int, data: bytes | bytearray | memoryview) -> None:
        """Write a whole, verified piece: one pwrite for each file it touches.

        Raises
        ------
        StorageError
            If the disk is full, read-only or broken. The piece does not count then.
        """
        if not self._prepared:
            with self._preparing:
                if not self._prepared:
                    self.prepare()
        view = memoryview(data)
        at = 0
        for number, offset, size in self.metainfo.spans(index, 0, len(view)):
            if not self.metainfo.files[number].pad:
                self._write_at(number, offset, view[at : at + size])
            at += size

    def read(self, index: int, begin: int, length: int) -> bytes:
        """Read part of a piece; errors as `read_into`."""
        buffer = bytearray(length)
        self.read_into(index, begin, memoryview(buffer))
        return bytes(buffer)

    def read_into(self, index: int, begin: int, view: memoryview) -> None:
        """Fill `view` from a piece; pads read as zeros.

        Raises
        ------
        StorageError
            If a file is missing or too short, or the disk refuses.
        """
        at = 0
        for number, offset, size in self.metainfo.spans(index, begin, len(view)):
            self._read_at(number, offset, view[at : at + size])
            at += size

    def runs(self, index: int, begin: int, length: int) -> list[Run]:
        """Say where part of a piece lies, for preadv or sendfile; pads lie in ``/dev/zero``.

        The descriptors stay open as long as the list is kept.

        Raises
        ------
        StorageError
            If a file is missing.
        """
        runs: list[Run] = []
        for number, offset, size in self.metainfo.spans(index, begin, length):
            fd, shift = self._place(number, write=False)
            runs.append((fd, offset + shift, size))
        return runs

    def check(self, index: int, buffer: bytearray | None = None) -> bool:
        """Whether the piece on disk is whole and right; missing and short files are simply wrong.

        Parameters
        ----------
        buffer : bytearray, optional
            At least `piece_length` long, to be used again and again.

        Raises
        ------
        StorageError
            If the disk cannot be read: that says nothing about the piece.
        MetainfoError
            If no hash is known for it.
        """
        (found,) = self.check_many([index], buffer)
        return found

    def check_many(
        self,
        indices: Sequence[int],
        buffer: bytearray | None = None,
        unreadable: Callable[[StorageError], None] | None = None,
    ) -> list[bool]:
        """What `check` says of each, sooner than one by one; `buffer` has room for all of them.

        With `unreadable`, pieces that the disk does not give are wrong, and it hears why.
        """
        size = self.metainfo.piece_length
        space = memoryview(buffer if buffer is not None else bytearray(size * len(indices)))
        good = dict.fromkeys(indices, False)
        read: list[tuple[int, memoryview]] = []
        for number, index in enumerate(indices):
            view = space[number * size :][: self.metainfo.piece_size(index)]
            try:
                self.read_into(index, 0, view)
            except StorageError as error:
                if error.errno and unreadable is None:
                    raise
                if error.errno and unreadable is not None:
                    unreadable(error)
            else:
                read.append((index, view))
        for (index, _), found in zip(read, self.metainfo.check_pieces(read)):
            if isinstance(found, MetainfoError):
                raise found
            good[index] = found
        return list(good.values())

    def flush(self) -> None:
        """Force what was written so far to the disk itself (fdatasync).

        Raises
        ------
        StorageError
            If writing back failed: pieces since the last flush may be lost.
        """
        with self._lock:
            dirty, self._dirty = self._dirty, set()
        try:
            self.flush_files(dirty)
        except StorageError:
            with self._lock:
                self._dirty |= dirty
            raise

    def flush_files(self, numbers: Iterable[int]) -> None:
        """Force these files to the disk, for those that are not there the part-file; errors as `flush`."""
        for fd in {self._somewhere(number) for number in numbers}:
            try:
                os.fdatasync(fd)
            except OSError as error:
                refused(error, "flush", str(self.root))

    def _somewhere(self, number: int) -> Descriptor:
        if number in self._apart or self.stat(number) is None:
            return self._open.get(_PARTS, write=False)
        return self._open.get(number, write=False)

    def close(self) -> None:
        """Close the files; the storage may be used again."""
        self._open.close()
        self.folder.close()

    def _write_at(self, number: int, offset: int, view: memoryview, *, moving: bool = False) -> None:
        if moving:
            fd, shift = self._open.get(number, write=True), 0
        else:
            fd, shift = self._place(number, write=True)
        with self._lock:
            self._dirty.add(number)
        if moving or number not in self._apart:
            self._reserve(number, fd, offset, len(view))
        done = 0
        try:
            while done < len(view):
                done += os.pwrite(fd, view[done:] if done else view, offset + shift + done)
        except OSError as error:
            refused(error, "write", self._show(number), len(view) - done)

    def _reserve(self, number: int, fd: Descriptor, offset: int, size: int) -> None:
        reserved = self._reserved.get(number)
        if reserved is None:
            length = self.metainfo.files[number].length
            if length <= EXTENT:
                return
            reserved = self._reserved.setdefault(number, Reservations(length))
        reserved.before_write(fd, offset, size)

    def _read_at(self, number: int, offset: int, view: memoryview) -> None:
        fd, shift = self._place(number, write=False)
        done = 0
        try:
            while done < len(view):
                got = os.preadv(fd, [view[done:] if done else view], offset + shift + done)
                if not got:
                    path = self._show(number)
                    raise StorageError(
                        f"{path!r} ends at {offset + done}, want {len(view) - done} bytes more",
                        path=path,
                        wanted=len(view) - done,
                    )
                done += got
        except OSError as error:
            refused(error, "read", self._show(number), len(view) - done)

    def _place(self, number: int, *, write: bool) -> tuple[Descriptor, int]:
        """Return the descriptor that holds a file, and where in it the file begins."""
        file = self.metainfo.files[number]
        if file.pad:
            return self._open.zeros(), 0
        if number in self._apart:  # the part-file is addressed as piece space; it is sparse
            return self._open.get(_PARTS, write=write), file.offset
        return self._open.get(number, write=write), 0

    def _make(self, number: int, write: bool) -> Descriptor:
        """Open a file or the part-file, for `OpenFiles`."""
        path = self._parts_path if number == _PARTS else self.path(number)
        file = self.metainfo.files[number] if number != _PARTS else None
        mode = 0o777 if file is not None and file.executable else 0o666
        try:
            fd = self.folder.open(path, write=write, create=write, mode=mode)
        except FileNotFoundError:
            shown = self.folder.show(path)
            raise StorageError(f"{shown!r} is not there", path=shown) from None
        if write and file is not None:
            try:
                # Another file by this name may be longer; the torrent says how long it is.
                if os.fstat(fd).st_size > file.length:
                    os.ftruncate(fd, file.length)
            except OSError as error:
                refused(error, "make", self.folder.show(path), file.length)
        return fd

    def _drop_parts(self) -> None:
        if not self._apart:
            self._open.forget(_PARTS)
            if self.root.is_dir():
                self.folder.remove(self._parts_path)

    def _show(self, number: int) -> str:
        return self.folder.show(self._parts_path if number in self._apart else self.path(number))
