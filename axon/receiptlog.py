"""The receipt log: every receipt is here, on disk, before it counts.

One SQLite file in WAL mode: what `append` has returned for survives kill -9
and, unless the caller gave that up, power loss. The log never holds a receipt whose signature
does not verify; receipts in conflict are kept as evidence beside it.
All calls block on the disk: run them outside the event loop, a batch a call.
"""

import enum
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axon.errors import StorageError
from axon.ids import Account, Epoch, NodeKey
from axon.receipts import Equivocation, LedgerId, PieceAck, Receipt, conflict

__all__ = ["KEPT", "Entry", "Outcome", "ReceiptLog", "Role"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS receipts (
  id INTEGER PRIMARY KEY,
  role INTEGER NOT NULL,
  chain_id BLOB NOT NULL, pool BLOB NOT NULL, info_hash BLOB NOT NULL, epoch INTEGER NOT NULL,
  downloader BLOB NOT NULL, uploader BLOB NOT NULL,
  sequence INTEGER NOT NULL, blocks INTEGER NOT NULL,
  receipt BLOB NOT NULL,
  acks BLOB NOT NULL DEFAULT x'',
  UNIQUE (chain_id, pool, info_hash, epoch, downloader, uploader, sequence)
) STRICT;
CREATE INDEX IF NOT EXISTS receipts_by_epoch ON receipts (pool, epoch);
CREATE TABLE IF NOT EXISTS equivocations (
  downloader BLOB NOT NULL, first BLOB NOT NULL, second BLOB NOT NULL, PRIMARY KEY (first, second)
) STRICT;
CREATE TABLE IF NOT EXISTS sealed (
  chain_id BLOB NOT NULL, pool BLOB NOT NULL, epoch INTEGER NOT NULL, PRIMARY KEY (chain_id, pool, epoch)
) STRICT;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
"""
# The usual case in one statement: the epoch is open, and this follows on the ledger's last receipt.
_FOLLOW = """
INSERT INTO receipts
  (role, chain_id, pool, info_hash, epoch, downloader, uploader, sequence, blocks, receipt, acks)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11
WHERE NOT EXISTS (SELECT 1 FROM sealed WHERE chain_id = ?2 AND pool = ?3 AND epoch = ?5) AND NOT EXISTS (
  SELECT 1 FROM (
    SELECT sequence, blocks FROM receipts
    WHERE chain_id = ?2 AND pool = ?3 AND info_hash = ?4 AND epoch = ?5 AND downloader = ?6 AND uploader = ?7
    ORDER BY sequence DESC LIMIT 1
  ) WHERE sequence >= ?8 OR blocks > ?9
)
"""
_INSERT = _FOLLOW.partition("WHERE")[0]
_LEDGER = "chain_id = ? AND pool = ? AND info_hash = ? AND epoch = ? AND downloader = ? AND uploader = ?"


class Role(enum.IntEnum):
    """How a receipt came into this log."""

    GIVEN = 1  # signed here, as the downloader
    RECEIVED = 2  # by the uploader, from a downloader
    SUBMITTED = 3  # to a tracker or aggregator, from an uploader


class Outcome(enum.Enum):
    """What became of one appended receipt."""

    STORED = "stored"
    DUPLICATE = "duplicate"  # the same bytes were here already
    STALE = "stale"  # honest, but a later one is here; kept
    EQUIVOCATION = "equivocation"  # contradicts one that is here; kept as evidence only
    SEALED = "sealed"  # its epoch is closed here; not kept
    FORGED = "forged"  # the signature does not verify; not kept


KEPT = (Outcome.STORED, Outcome.DUPLICATE, Outcome.STALE)  # of receipts that count


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the log."""

    id: int  # ascending, never reused: read on from here
    role: Role
    receipt: Receipt
    acks: tuple[PieceAck, ...]  # the pieces that are new in this receipt, if known


class ReceiptLog:
    """A log in one file; safe to use from several threads.

    Parameters
    ----------
    path : Path
        The SQLite file; made if missing, with its folder.
    durable : bool
        Whether `append` waits for the disk by default; without, what it stored survives kill -9 but
        perhaps not power loss.

    Raises
    ------
    StorageError
        If the file cannot be opened, is not a receipt log, or (by any method) the disk refuses.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._waits: bool | None = None  # as the connection is set now
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._durable = durable
            self._set_durable(durable)
            self._db.executescript(_SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise StorageError(f"receipt log {path}: {error}") from error

    def close(self) -> None:
        """Close the file; further calls raise `StorageError`."""
        with self._lock:
            self._db.close()

    def append(
        self,
        role: Role,
        receipts: Iterable[Receipt | tuple[Receipt, Sequence[PieceAck]]],
        *,
        verified: bool = False,
        durable: bool | None = None,
    ) -> list[Outcome]:
        """Store receipts, all or none, and return once they are on disk.

        Parameters
        ----------
        role : Role
            How they came here.
        receipts : iterable
            Receipts, each alone or with the `PieceAck`s that it adds.
        verified : bool
            True if the caller has checked the signatures already.
        durable : bool, optional
            Whether to wait for the disk, other than the log's default.

        Returns
        -------
        list of Outcome
            One for each receipt, in order.
        """
        items = [item if isinstance(item, tuple) else (item, ()) for item in receipts]
        good = [verified or receipt.verifies() for receipt, _ in items]
        if all(good) and items and self._follow([_row(role, *item) for item in items], durable):
            return [Outcome.STORED] * len(items)
        with self._transaction(durable) as db:
            return [
                self._store(db, role, receipt, acks) if fine else Outcome.FORGED
                for (receipt, acks), fine in zip(items, good, strict=True)
            ]

    def latest(
        self,
        *,
        chain_id: int | None = None,
        pool: Account | None = None,
        epoch: Epoch | None = None,
        uploader: NodeKey | None = None,
        role: Role | None = None,
    ) -> Iterator[Receipt]:
        """Yield each ledger's latest receipt, in the order of the ledgers' bytes.

        A downloader who equivocated is left out of the scope in which it did, and of no others.
        """
        terms, values = ["1"], list[object]()
        for name, value in (
            ("chain_id", None if chain_id is None else _chain(chain_id)),
            ("pool", pool),
            ("epoch", epoch),
            ("uploader", uploader),
            ("role", role),
        ):
            if value is not None:
                terms.append(f"{name} = ?")
                values.append(value)
        rows = self._query(
            f"SELECT receipt, max(sequence) FROM receipts WHERE {' AND '.join(terms)}"
            " GROUP BY chain_id, pool, info_hash, epoch, downloader, uploader"
            " ORDER BY chain_id, pool, info_hash, epoch, downloader, uploader",
            values,
        )
        dropped = {(proof.first.scope, proof.first.downloader) for proof in self.equivocations()}
        for raw, _ in rows:
            receipt = Receipt.parse(raw)
            if (receipt.scope, receipt.downloader) not in dropped:
                yield receipt

    def last(self, ledger: LedgerId) -> Receipt | None:
        """Return the latest receipt of one ledger."""
        rows = self._query(
            f"SELECT receipt FROM receipts WHERE {_LEDGER} ORDER BY sequence DESC LIMIT 1", _key(ledger)
        )
        return Receipt.parse(rows[0][0]) if rows else None

    def acks(self, ledger: LedgerId) -> list[PieceAck]:
        """Return all pieces acknowledged in one ledger, in the order in which they were appended."""
        rows = self._query(f"SELECT acks FROM receipts WHERE {_LEDGER} ORDER BY sequence", _key(ledger))
        return [ack for (raw,) in rows for ack in PieceAck.parse_all(raw)]

    def since(self, ledger: LedgerId, blocks: int) -> list[tuple[Receipt, tuple[PieceAck, ...]]]:
        """Return one ledger's receipts that count more than `blocks`, with what each adds, in order."""
        rows = self._query(
            f"SELECT receipt, acks FROM receipts WHERE {_LEDGER} AND blocks > ? ORDER BY sequence",
            (*_key(ledger), blocks),
        )
        return [(Receipt.parse(raw), tuple(PieceAck.parse_all(acks))) for raw, acks in rows]

    def read(self, after: int = 0, limit: int = 1000, *, role: Role | None = None) -> list[Entry]:
        """Return up to `limit` entries with an id above `after`, oldest first."""
        rows = self._query(
            "SELECT id, role, receipt, acks FROM receipts WHERE id > ? AND (?2 IS NULL OR role = ?2)"
            " ORDER BY id LIMIT ?3",
            (after, role, limit),
        )
        return [
            Entry(number, Role(as_role), Receipt.parse(raw), tuple(PieceAck.parse_all(acks)))
            for number, as_role, raw, acks in rows
        ]

    def equivocations(self) -> list[Equivocation]:
        """Return all evidence."""
        rows = self._query("SELECT first, second FROM equivocations ORDER BY first, second", ())
        return [Equivocation(Receipt.parse(first), Receipt.parse(second)) for first, second in rows]

    def seal(self, chain_id: int, pool: Account, epoch: Epoch) -> None:
        """Close an epoch: later receipts for it are answered with `Outcome.SEALED`. Idempotent."""
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO sealed VALUES (?, ?, ?)", (_chain(chain_id), pool, epoch))

    def fact(self, name: str) -> bytes | None:
        """Return a small value that the log's owner keeps with it, such as how far it has submitted."""
        rows = self._query("SELECT value FROM facts WHERE name = ?", (name,))
        return bytes(rows[0][0]) if rows else None

    def set_fact(self, name: str, value: bytes) -> None:
        """Store a small value; on disk when this returns."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def _follow(self, rows: Sequence[tuple[object, ...]], durable: bool | None) -> bool:
        """Store receipts that contradict and repeat nothing; False, and nothing is stored, if any does."""
        if len(rows) == 1:
            # One statement, by itself a transaction: for a single receipt half the price of BEGIN and COMMIT.
            with self._lock:
                try:
                    self._set_durable(self._durable if durable is None else durable)
                    return self._db.execute(_FOLLOW, rows[0]).rowcount == 1
                except sqlite3.Error as error:
                    raise StorageError(f"receipt log {self.path}: {error}") from error
        with self._transaction(durable) as db:
            if db.executemany(_FOLLOW, rows).rowcount == len(rows):
                return True
            db.execute("ROLLBACK")
            return False

    def _set_durable(self, durable: bool) -> None:
        """Make the next commits wait for the disk, or not; between transactions."""
        if durable is not self._waits:
            self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._waits = durable

    def _store(
        self, db: sqlite3.Connection, role: Role, receipt: Receipt, acks: Sequence[PieceAck]
    ) -> Outcome:
        key = _key(receipt.ledger)
        neighbours = [
            Receipt.parse(row[0])
            for order, limit in (("<= ? ORDER BY sequence DESC", 1), ("> ? ORDER BY sequence", 1))
            for row in db.execute(
                f"SELECT receipt FROM receipts WHERE {_LEDGER} AND sequence {order} LIMIT {limit}",
                (*key, receipt.sequence),
            )
        ]
        for other in neighbours:
            if conflict(receipt, other):
                self._keep_evidence(db, receipt, other)
                return Outcome.EQUIVOCATION
            if other.sequence == receipt.sequence:
                return Outcome.DUPLICATE
        if db.execute(
            "SELECT 1 FROM sealed WHERE chain_id = ? AND pool = ? AND epoch = ?", (key[0], key[1], key[3])
        ).fetchone():
            return Outcome.SEALED
        db.execute(_INSERT, _row(role, receipt, acks))
        return Outcome.STALE if any(o.sequence > receipt.sequence for o in neighbours) else Outcome.STORED

    @staticmethod
    def _keep_evidence(db: sqlite3.Connection, a: Receipt, b: Receipt) -> None:
        first, second = sorted((a.serialize(), b.serialize()))
        db.execute("INSERT OR IGNORE INTO equivocations VALUES (?, ?, ?)", (a.downloader, first, second))

    def _transaction(self, durable: bool | None = None) -> "_Transaction":
        return _Transaction(self, self._durable if durable is None else durable)

    def _query(self, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise StorageError(f"receipt log {self.path}: {error}") from error


class _Transaction:
    """BEGIN IMMEDIATE … COMMIT, or ROLLBACK and `StorageError`."""

    def __init__(self, log: ReceiptLog, durable: bool) -> None:
        self._log, self._durable = log, durable

    def __enter__(self) -> sqlite3.Connection:
        log = self._log
        log._lock.acquire()
        try:
            log._set_durable(self._durable)
            log._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            log._lock.release()
            raise StorageError(f"receipt log {log.path}: {error}") from error
        return log._db

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        log = self._log
        try:
            if log._db.in_transaction:
                log._db.execute("COMMIT" if error is None else "ROLLBACK")
        except sqlite3.Error as failure:
            if log._db.in_transaction:
                log._db.execute("ROLLBACK")
            raise StorageError(f"receipt log {log.path}: {failure}") from failure
        finally:
            log._lock.release()
        if isinstance(error, sqlite3.Error):
            raise StorageError(f"receipt log {log.path}: {error}") from error


def _chain(chain_id: int) -> bytes:
    return chain_id.to_bytes(8, "big")  # SQLite's integers are signed


def _key(ledger: LedgerId) -> tuple[bytes, bytes, bytes, int, bytes, bytes]:
    scope = ledger.scope
    return (
        _chain(scope.chain_id),
        scope.pool,
        scope.info_hash,
        scope.epoch,
        ledger.downloader,
        ledger.uploader,
    )


def _row(role: Role, receipt: Receipt, acks: Sequence[PieceAck] = ()) -> tuple[object, ...]:
    """Return the values of `_FOLLOW`."""
    raw = b"".join(ack.serialize() for ack in acks)
    return (role, *_key(receipt.ledger), receipt.sequence, receipt.blocks, receipt.serialize(), raw)
