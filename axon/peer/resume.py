"""Fast resume: which pieces are on disk, known again after any kind of stop.

One small file for each torrent: a snapshot with a checksum, written aside and
renamed, and behind it eight bytes for every piece finished since. What is
believed at the next start:

- after `close`: every piece of a file that has the same size and time of change;
- after a kill: the same, except that files were being written to, so their time
  may be anything from the snapshot's to the journal's own. A piece is noted only
  once its bytes were handed to the kernel, and the page cache outlives a process;
- after a power cut (another boot id): only pieces flushed to the disk itself
  before the last snapshot said so.

All else is returned for hashing. Resume data that is damaged, or of another
torrent, is no resume data.
"""

import contextlib
import os
import struct
import threading
import time
from collections.abc import Collection, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self
from zlib import crc32

from axon.bt import bencode
from axon.bt.metainfo import Metainfo
from axon.errors import BencodeError, StorageError
from axon.peer.folder import refused
from axon.peer.storage import Storage

__all__ = ["FLUSH_EVERY", "Resume"]

FLUSH_EVERY: Final = 30.0  # seconds: how much downloading a power cut may cost
_SLACK: Final = 10 * 10**9  # ns: a write may be this much younger than the last piece noted
_TICK: Final = 10**9  # ns: file systems' clocks may lag behind ours by less than this
_MAX_MARKS: Final = 1 << 16  # then the journal is folded into a new snapshot
_MAX_FILE: Final = 64 << 20  # bytes; larger resume files are not ours
_MAGIC: Final = b"axon resume v1\n\0"
_HEADER: Final = struct.Struct(">16sI32s")  # magic, length of the body, its SHA-256
_MARK: Final = struct.Struct(">II")  # piece, CRC-32 of the snapshot's hash and the piece
_STATUS: Final = struct.Struct(">qq")  # bytes (-1: not there), time of change in ns


class Resume:
    """The resume data of one torrent.

    Parameters
    ----------
    metainfo : Metainfo
    root : Path
        The download folder.
    folder : Path
        Where resume files are kept; made when first needed.

    Notes
    -----
    `mark` is quick and may be called in an event loop; the other methods block. Safe to use from
    several threads.
    """

    def __init__(self, metainfo: Metainfo, root: Path, folder: Path) -> None:
        self.metainfo = metainfo
        self.file = folder / f"{metainfo.handshake_hashes[0].hex()}.resume"
        self._storage = Storage(metainfo, root, max_open=8)
        self._lock = threading.RLock()
        size = (metainfo.num_pieces + 7) // 8
        self._have, self._durable = bytearray(size), bytearray(size)
        self._fresh = set[int]()  # pieces marked since the last flush
        self._touched = set[int]()  # pieces marked since their files were last looked at
        self._statuses: list[tuple[int, int]] = []
        self._journal: int | None = None
        self._salt = b""
        self._marks = 0
        self._changed = True  # whether the file says less than we know
        self._flushed = time.monotonic()

    def load(self) -> tuple[bytes, list[int]]:
        """Read what an earlier run left.

        Returns
        -------
        have : bytes
            Bitfield (first piece is the highest bit) of the pieces to believe.
        doubtful : list of int
            Pieces to hash, ascending; `mark` those that are right. Pieces that cannot be there, since
            their files are missing or too short, are in neither.
        """
        with self._lock:
            statuses = self._statuses = self._look(range(len(self.metainfo.files)), [])
            there = self._possible(statuses)
            snapshot = _Snapshot.read(self.file, self.metainfo)
            believed = set[int]()
            if snapshot is not None:
                believed = snapshot.believed(statuses, self.metainfo) & there
            self._have = _bits(believed, self.metainfo.num_pieces)
            # The disk's own copy is known only for what an earlier flush covered.
            self._durable = bytearray(len(self._have))
            if snapshot is not None:
                self._durable = bytearray(a & b for a, b in zip(self._have, snapshot.durable))
            self._fresh = {k for k in believed if not self._durable[k >> 3] & 128 >> (k & 7)}
            self._changed = snapshot is None or not snapshot.clean or believed != snapshot.have
            if len(believed) < self.metainfo.num_pieces:
                # From now on files may be written to: a kill before the first `mark` must not look like
                # files that changed after a clean stop. Trouble with the file waits for `sync`.
                with contextlib.suppress(StorageError):
                    self._write_snapshot(clean=False, durably=False)
            return bytes(self._have), sorted(there - believed)

    def mark(self, indices: Collection[int]) -> None:
        """Note that pieces are verified and written. Trouble with the resume file waits for `sync`."""
        with self._lock:
            for index in indices:
                self._have[index >> 3] |= 128 >> (index & 7)
            self._fresh.update(indices)
            self._touched.update(indices)
            self._changed = True
            try:
                if self._journal is None:
                    self._write_snapshot(clean=False, durably=False)
                elif self._marks >= 0:
                    marks = b"".join(_mark(self._salt, index) for index in indices)
                    if os.write(self._journal, marks) != len(marks):
                        raise OSError("short write")
                    self._marks += len(indices)
            except (OSError, StorageError):
                self._marks = -1  # the tail may be torn; only a new snapshot helps

    def sync(self) -> None:
        """Bring the file up to date; every `FLUSH_EVERY` seconds also force the pieces to the disk.

        Raises
        ------
        StorageError
            If the data or the resume file cannot be written. Nothing wrong is believed later.
        """
        due = time.monotonic() - self._flushed >= FLUSH_EVERY
        if self._fresh and due:
            self._flush()
            self._write_snapshot(clean=False, durably=True)
        elif self._marks < 0 or self._marks > _MAX_MARKS:
            self._write_snapshot(clean=False, durably=False)

    def close(self, *, clean: bool = True) -> None:
        """Leave a snapshot by which the next start hashes nothing, if `clean`; let go of the files.

        Raises
        ------
        StorageError
            As `sync`.
        """
        try:
            if clean and self._changed:
                self._flush()
                self._write_snapshot(clean=True, durably=True)
                self._changed = False
        finally:
            with self._lock:
                if self._journal is not None:
                    os.close(self._journal)
                    self._journal = None
                self._storage.close()

    def _flush(self) -> None:
        """Force the files of freshly marked pieces to the disk (fdatasync), outside the lock."""
        with self._lock:
            fresh = set(self._fresh)
        numbers = self._files_of(fresh)
        self._storage.flush_files(numbers)
        with self._lock:
            for index in fresh:
                self._durable[index >> 3] |= 128 >> (index & 7)
            self._fresh -= fresh
            self._flushed = time.monotonic()

    def _files_of(self, pieces: set[int]) -> set[int]:
        return {
            number
            for index in pieces
            for number, _, _ in self.metainfo.spans(index, 0, self.metainfo.piece_size(index))
            if not self.metainfo.files[number].pad
        }

    def _look(self, numbers: Iterable[int], known: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return size and time of change of each file, and of the part-file behind them.

        Only `numbers` are looked at; the others are as they were `known`, so that what someone else
        changes while we run does not pass for our work.
        """
        files = self.metainfo.files
        found = known[:-1] or [(-1, 0)] * len(files)
        for number in numbers:
            # Pads have no file; an empty one holds no piece.
            if files[number].length and not files[number].pad:
                found[number] = _status(self._storage.stat(number))
        return [*found, _status(self._storage.stat_parts())]

    def _possible(self, statuses: list[tuple[int, int]]) -> set[int]:
        """Return the pieces whose bytes could be on disk."""
        missing = set[int]()
        parts = statuses[-1][0]
        size = self.metainfo.piece_length
        for number, file in enumerate(self.metainfo.files):
            if file.pad or not file.length:
                continue
            here = statuses[number][0]
            edge = self.metainfo.file_pieces(number)
            if here >= file.length:
                continue
            for index in edge:
                if min(file.end, (index + 1) * size) - file.offset > here:
                    at_edge = here < 0 and index in (edge[0], edge[-1])
                    if not (at_edge and parts > max(file.offset, index * size)):
                        missing.add(index)
        return set(range(self.metainfo.num_pieces)) - missing

    def _write_snapshot(self, *, clean: bool, durably: bool) -> None:
        with self._lock:
            began = time.time_ns()  # before looking: a later write is younger than this
            self._statuses = self._look(self._files_of(self._touched), self._statuses)
            self._touched.clear()
            body = bencode.encode(
                {
                    b"hashes": _hashes(self.metainfo),
                    b"pieces": self.metainfo.num_pieces,
                    b"have": bytes(self._have),
                    b"durable": bytes(self._durable),
                    b"boot": _boot_id(),
                    b"clean": int(clean),
                    b"time": began,
                    b"files": b"".join(_STATUS.pack(*one) for one in self._statuses),
                }
            )
            digest = sha256(body).digest()
            aside = self.file.with_suffix(".new")
            try:
                self.file.parent.mkdir(parents=True, exist_ok=True)
                fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_APPEND, 0o666)
                try:
                    data = memoryview(_HEADER.pack(_MAGIC, len(body), digest) + body)
                    while data:
                        data = data[os.write(fd, data) :]
                    if durably:
                        os.fsync(fd)
                    aside.replace(self.file)
                    if durably:
                        _sync_folder(self.file.parent)
                except BaseException:
                    os.close(fd)
                    raise
            except OSError as error:
                refused(error, "write", str(self.file))
            if self._journal is not None:
                os.close(self._journal)
            self._journal, self._salt, self._marks = fd, digest, 0


class _Snapshot:
    """A resume file as it was found."""

    def __init__(self, fields: dict[bytes, Any], marks: list[int], written: int) -> None:
        self.durable: bytes = fields[b"durable"]
        self.have = set(_indices(fields[b"have"])) | set(marks)
        self.clean = fields[b"clean"] == 1 and not marks
        self.same_boot = fields[b"boot"] == _boot_id() != b""
        self.files = list(_STATUS.iter_unpack(fields[b"files"]))
        self._began: int = fields[b"time"] - _TICK  # ns: files changed earlier were not changed by us
        self._written = written + _SLACK  # ns: nor those changed later

    @classmethod
    def read(cls, path: Path, metainfo: Metainfo) -> Self | None:
        """Read a resume file; None if there is none that can be believed."""
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_FILE + 1)
                written = os.fstat(file.fileno()).st_mtime_ns
            magic, length, digest = _HEADER.unpack_from(data)
            body = data[_HEADER.size : _HEADER.size + length]
            if magic != _MAGIC or len(data) > _MAX_FILE or sha256(body).digest() != digest:
                return None
            fields = bencode.decode(body)
            size = (metainfo.num_pieces + 7) // 8
            if fields[b"hashes"] != _hashes(metainfo) or fields[b"pieces"] != metainfo.num_pieces:
                return None
            if len(fields[b"have"]) != size or len(fields[b"durable"]) != size:
                return None
            marks = []
            for at in range(_HEADER.size + length, len(data) - _MARK.size + 1, _MARK.size):
                index, _ = _MARK.unpack_from(data, at)
                if data[at : at + _MARK.size] != _mark(digest, index) or index >= metainfo.num_pieces:
                    break  # torn by the kill; nothing after it is in order
                marks.append(index)
            return cls(fields, marks, written)
        except (OSError, struct.error, BencodeError, KeyError, TypeError, ValueError):
            return None

    def believed(self, now: list[tuple[int, int]], metainfo: Metainfo) -> set[int]:
        """Return the pieces that need no hashing, given the files as they are `now`."""
        have = set(self.have)
        if not self.clean and not self.same_boot:
            have = set(_indices(self.durable))
        for number, file in enumerate(metainfo.files):
            if file.pad or not file.length:
                continue
            # What is not there as a file lies in the part-file, the last status.
            where = number if now[number][0] >= 0 else -1
            changed = len(self.files) != len(now)
            for k in (number, where):
                if not changed and now[k] != self.files[k]:
                    ours = self._began <= now[k][1] <= self._written and now[number][0] <= file.length
                    changed = self.clean or not ours
            if changed:
                have.difference_update(metainfo.file_pieces(number))
        return have


def _status(status: os.stat_result | None) -> tuple[int, int]:
    return (-1, 0) if status is None else (status.st_size, status.st_mtime_ns)


def _hashes(metainfo: Metainfo) -> bytes:
    return (metainfo.info_hash or b"") + (metainfo.info_hash_v2 or b"")


def _mark(salt: bytes, index: int) -> bytes:
    return _MARK.pack(index, crc32(salt + index.to_bytes(4)))


def _bits(indices: set[int], count: int) -> bytearray:
    bits = bytearray((count + 7) // 8)
    for index in indices:
        bits[index >> 3] |= 128 >> (index & 7)
    return bits


def _indices(bits: bytes) -> list[int]:
    return [8 * k + j for k, byte in enumerate(bits) if byte for j in range(8) if byte & 128 >> j]


def _boot_id() -> bytes:
    """Name this run of the machine; empty where it has no name, and then nothing is believed by it."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
    return b""


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
