"""Receipts as rows of a matrix: a million of them as objects would take gigabytes.

Where the fields of the wire format lie (`axon.receipts`), and a buffer that keeps each receipt once.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from axon.errors import ReceiptError
from axon.receipts import RECEIPT_SIZE, Receipt, Reject, Scope

__all__ = ["FIELDS", "KEY", "Matrix", "ReceiptRows", "fields", "key_bytes"]

Matrix = NDArray[np.uint8]  # (rows, 236)

KEY: Final = "S32"  # sorts as bytes do; but numpy drops zeros at the end: see `key_bytes`
FIELDS: Final = np.dtype(
    [
        ("scope", "V52"),
        ("downloader", KEY),
        ("uploader", KEY),
        ("piece", ">u4"),
        ("blocks", ">u8"),
        ("sequence", ">u4"),
        ("root", "V32"),
        ("timestamp", ">u8"),
        ("signature", ">u8", (8,)),
    ]
)
assert FIELDS.itemsize == RECEIPT_SIZE

_BATCH: Final = 1 << 14  # receipts parsed at once: 4 MB
_TIDY_FROM: Final = 1 << 20  # rows that are new since doubles were last dropped


def fields(rows: Matrix) -> NDArray[np.void]:
    """Return a view of (R, 236) rows with named fields, (R,)."""
    return rows.view(FIELDS).reshape(-1)


def key_bytes(keys: NDArray[np.bytes_]) -> list[bytes]:
    """Return node keys as 32 bytes each, zeros at the end included."""
    return [key.ljust(32, b"\0") for key in keys.tolist()]


class ReceiptRows:
    """Receipts of one scope from many sources, each of them once.

    Parameters
    ----------
    scope : Scope
        What they must be about.

    Attributes
    ----------
    refused : list of (bytes, Reject, str)
        What is no receipt, or about something else, and why.
    """

    def __init__(self, scope: Scope) -> None:
        self.refused: list[tuple[bytes, Reject, str]] = []
        self._scope = scope
        chain = scope.chain_id.to_bytes(8, "big")
        head = b"".join((chain, scope.pool, scope.info_hash, scope.epoch.to_bytes(4, "big")))
        self._head = np.frombuffer(head, np.uint8)
        self._buffer: Matrix = np.empty((0, RECEIPT_SIZE), np.uint8)
        self._count = self._tidy = 0  # rows in use; of them, known to be different from one another

    def add(self, source: Iterable[bytes]) -> None:
        """Take what is well-formed and in scope."""
        receipts = iter(source)
        while batch := list(islice(receipts, _BATCH)):
            sized = [raw for raw in batch if len(raw) == RECEIPT_SIZE]
            rows = np.frombuffer(b"".join(sized), np.uint8).reshape(-1, RECEIPT_SIZE)
            columns = fields(rows)
            fine = (columns["blocks"] >= 1) & (columns["blocks"] < 1 << 36) & (columns["sequence"] >= 1)
            fine &= (rows[:, : len(self._head)] == self._head).all(axis=1)
            if len(sized) < len(batch) or not fine.all():
                self.refused += self._why(batch)
            self._append(rows[fine])

    def take(self) -> Matrix:
        """Return the rows, (R, 236), in no order; nothing stays behind."""
        self._drop_doubles()
        rows = self._buffer[: self._count]
        self._buffer, self._count, self._tidy = np.empty((0, RECEIPT_SIZE), np.uint8), 0, 0
        return rows

    def _why(self, batch: list[bytes]) -> Iterator[tuple[bytes, Reject, str]]:
        for raw in batch:
            try:
                scope = Receipt.parse(raw).scope
            except ReceiptError as error:
                yield raw, Reject.MALFORMED, str(error)
                continue
            if scope != self._scope:
                yield raw, Reject.SCOPE, f"about {_describe(scope)}"

    def _append(self, rows: Matrix) -> None:
        if self._count - self._tidy >= _TIDY_FROM:  # three trackers hold the same receipts
            self._drop_doubles()
        end = self._count + len(rows)
        if end > len(self._buffer):
            # In place where the system can: a second buffer would double the memory.
            self._buffer.resize((end + end // 4, RECEIPT_SIZE), refcheck=False)
        self._buffer[self._count : end] = rows
        self._count = end

    def _drop_doubles(self) -> None:
        """Keep each receipt once.

        Equal receipts meet when sorted by eight bytes of their signatures. Somebody who
        makes those collide keeps a double alive, which is checked twice and counts once.
        """
        rows = self._buffer[: self._count]
        order = np.argsort(fields(rows)["signature"][:, 0].astype(np.uint64), kind="stable")
        kept = np.ones(self._count, bool)
        for at in range(1, self._count, _BATCH):
            here = order[at : at + _BATCH]
            before = order[at - 1 : at - 1 + len(here)]
            kept[here] = (rows[here] != rows[before]).any(axis=1)
        if not kept.all():
            whom = np.flatnonzero(kept)
            for at in range(0, len(whom), _BATCH):  # forwards, in place
                rows[at : at + _BATCH][: len(whom) - at] = rows[whom[at : at + _BATCH]]
            self._count = len(whom)
        self._tidy = self._count


def _describe(scope: Scope) -> str:
    pool, torrent = scope.pool.hex(), scope.info_hash.hex()
    return f"chain {scope.chain_id}, pool 0x{pool}, torrent {torrent}, epoch {scope.epoch}"
