"""Swarms on disk, so that a restart forgets nobody: one file, replaced whole.

    b"AXSWARM1" | wall clock 8 | tick in microseconds 8 | rows | SHA-256 of all before

A row is info-hash 20, completed 4, family 1, peers 4, seeds 4, ages (a byte each, in ticks) and keys.
"""

import hashlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from axon.errors import StorageError
from axon.tracker.swarms import PARTIAL, PEER_SIZE, TTL_TICKS, Store

__all__ = ["SnapshotWriter", "read", "restore"]

_MAGIC: Final = b"AXSWARM1"
_HEAD: Final = struct.Struct(">8sQQ")
_ROW: Final = struct.Struct(">20sIBII")


class SnapshotWriter:
    """Collects rows; feed it slices of the store between other work, then `save`.

    Parameters
    ----------
    tick : int
        Now.
    tick_seconds, wall : float
        A tick's length, and seconds since 1970.
    """

    def __init__(self, tick: int, tick_seconds: float, wall: float) -> None:
        self._tick = tick
        self._out = bytearray(_HEAD.pack(_MAGIC, int(wall), int(tick_seconds * 1e6)))

    def add(self, row: tuple[bytes, int, int, bytes, bytes, int]) -> None:
        """Take one row of `Store.dump`."""
        info_hash, completed, family, keys, stamps, seeds = row
        self._out += _ROW.pack(info_hash, completed, family, len(stamps), seeds)
        # A stamp is a tick modulo 128 and a flag; on disk it is an age, which means something later.
        self._out += bytes((self._tick - s) & 0x7F | s & PARTIAL for s in stamps)
        self._out += keys

    def save(self, path: Path) -> None:
        """Write and fsync beside `path`, then rename over it.

        Raises
        ------
        StorageError
            If the disk refuses; the old file stays.
        """
        partial = path.with_suffix(".new")
        try:
            with partial.open("wb") as file:
                file.write(self._out)
                file.write(hashlib.sha256(self._out).digest())
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError as error:
            raise StorageError(f"snapshot {path}: {error}") from error


def read(path: Path) -> bytes | None:
    """Return the file's checked contents; None if there is none.

    Raises
    ------
    StorageError
        If it is damaged or cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"snapshot {path}: {error}") from error
    body, digest = data[:-32], data[-32:]
    if len(data) < _HEAD.size + 32 or body[:8] != _MAGIC or hashlib.sha256(body).digest() != digest:
        raise StorageError(f"snapshot {path}: damaged, {len(data)} bytes")
    return body


def restore(store: Store, body: bytes, tick: int, tick_seconds: float, wall: float) -> int:
    """Fill a store; peers that meanwhile were silent for too long are left out. Return how many came back."""
    _, saved, microseconds = _HEAD.unpack_from(body)
    elapsed = max(0.0, wall - saved)
    back = 0
    for info_hash, completed, family, ages, keys, seeds in _rows(body):
        size = PEER_SIZE[family]
        kept_keys, stamps, kept_seeds = bytearray(), bytearray(), 0
        for at, value in enumerate(ages):
            age = round(((value & 0x7F) * microseconds / 1e6 + elapsed) / tick_seconds)
            if age > TTL_TICKS:
                continue
            kept_keys += keys[size * at : size * (at + 1)]
            stamps.append((tick - age) & 0x7F | value & PARTIAL)
            kept_seeds += at < seeds
        if stamps:
            store.load(info_hash, completed, family, bytes(kept_keys), bytes(stamps), kept_seeds)
            back += len(stamps)
    return back


def _rows(body: bytes) -> Iterator[tuple[bytes, int, int, bytes, bytes, int]]:
    at = _HEAD.size
    while at < len(body):
        info_hash, completed, family, peers, seeds = _ROW.unpack_from(body, at)
        at += _ROW.size
        ages = body[at : at + peers]
        at += peers
        keys = body[at : at + PEER_SIZE[family] * peers]
        at += len(keys)
        yield info_hash, completed, family, ages, keys, seeds
