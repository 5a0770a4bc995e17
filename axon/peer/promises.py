"""What trackers have signed for, kept until something later stands for it: a peer's proof of an omission.

A promise is a submission and the tracker's answer, byte for byte as they were on
the wire (`axon/bt/inclusion.py`), so the proof needs nobody's word. Each ledger's
newest accepted receipt at each tracker points to its promise; a promise to which
nothing points any more proves nothing that a later one does not, and goes.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axon.bt.omission import promised
from axon.errors import StorageError
from axon.ids import NodeKey
from axon.receipts import Receipt

__all__ = ["PROMISES", "Promise", "Promises"]

PROMISES = "promises.sqlite"  # in the data folder

_SCHEMA = """
CREATE TABLE IF NOT EXISTS promises (
  id INTEGER PRIMARY KEY AUTOINCREMENT, url TEXT NOT NULL, submission BLOB NOT NULL, answer BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS newest (
  url TEXT NOT NULL, ledger BLOB NOT NULL, sequence INTEGER NOT NULL, promise INTEGER NOT NULL,
  PRIMARY KEY (url, ledger)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS newest_by_promise ON newest (promise);
"""


@dataclass(frozen=True, slots=True)
class Promise:
    """One signed answer, and what in it nothing later stands for."""

    url: str  # the tracker's /receipts
    submission: bytes
    answer: bytes
    tracker: NodeKey
    receipts: tuple[Receipt, ...]


class Promises:
    """The promises in one SQLite file; safe to use from several threads.

    All calls block on the disk. A commit does not wait for power-safe storage:
    what a power cut takes, the next submission brings again.

    Raises
    ------
    StorageError
        If the file cannot be opened, or (by any method) the disk refuses.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise StorageError(f"promises {path}: {error}") from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def keep(self, url: str, submission: bytes, answer: bytes) -> None:
        """Keep a promise, and drop those that it makes superfluous.

        Raises
        ------
        TrackerError
            If the answer's signature does not hold.
        """
        _, receipts = promised(submission, answer)
        if not receipts:
            return
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    self._insert(url, submission, answer, receipts)
                except BaseException:
                    self._db.execute("ROLLBACK")
                    raise
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                raise StorageError(f"promises {self._path}: {error}") from error

    def _insert(self, url: str, submission: bytes, answer: bytes, receipts: Sequence[Receipt]) -> None:
        db = self._db
        number = db.execute(
            "INSERT INTO promises (url, submission, answer) VALUES (?, ?, ?)", (url, submission, answer)
        ).lastrowid
        keys = [(url, _ledger(receipt)) for receipt in receipts]
        before = {
            row[0]
            for key in keys
            for row in db.execute("SELECT promise FROM newest WHERE url = ? AND ledger = ?", key)
        }
        db.executemany(
            "INSERT INTO newest VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " sequence = excluded.sequence, promise = excluded.promise WHERE excluded.sequence > sequence",
            [(*key, receipt.sequence, number) for key, receipt in zip(keys, receipts, strict=True)],
        )
        db.executemany(
            "DELETE FROM promises WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM newest WHERE promise = ?1)",
            [(old,) for old in (*before, number)],
        )

    def all(self) -> Iterator[Promise]:
        """Yield what is kept, oldest first."""
        numbers = [row[0] for row in self._query("SELECT id FROM promises ORDER BY id", ())]
        for number in numbers:
            rows = self._query("SELECT url, submission, answer FROM promises WHERE id = ?", (number,))
            if not rows:
                continue  # superseded meanwhile
            url, submission, answer = rows[0]
            found = self._query("SELECT ledger, sequence FROM newest WHERE promise = ?", (number,))
            wanted = {(bytes(ledger), sequence) for ledger, sequence in found}
            tracker, receipts = promised(submission, answer)
            standing = tuple(r for r in receipts if (_ledger(r), r.sequence) in wanted)
            yield Promise(url, submission, answer, tracker, standing)

    def _query(self, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise StorageError(f"promises {self._path}: {error}") from error


def _ledger(receipt: Receipt) -> bytes:
    """Which receipts supersede one another: chain, pool, info-hash, epoch, both keys."""
    scope = receipt.scope
    return (
        scope.chain_id.to_bytes(8, "big")
        + scope.pool
        + scope.info_hash
        + scope.epoch.to_bytes(4, "big")
        + receipt.downloader
        + receipt.uploader
    )
