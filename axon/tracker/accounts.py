"""Who reported which transfers: signed announces and their totals, in SQLite (WAL, a batch a transaction).

`announces` is the log; `sessions` holds the last word of each (node key, torrent,
peer id), whose totals start anew when a client restarts. Runs in the worker process.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from axon.bt.announce import AnnounceRequest
from axon.bt.tracker_http_server import decode_announce_query
from axon.bt.tracker_udp import AnnouncePacket, decode_request
from axon.errors import RemoteProtocolError, StorageError
from axon.ids import NodeKey

__all__ = ["CLOCK_SLACK", "Account", "Accounts", "read_account"]

CLOCK_SLACK: Final = 600  # seconds between a client's clock and ours
_PRUNE_EVERY: Final = 3600  # seconds
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS announces (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, node_key BLOB NOT NULL, info_hash BLOB NOT NULL,
  message BLOB NOT NULL, signature BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS announces_by_time ON announces (at);
CREATE TABLE IF NOT EXISTS sessions (
  node_key BLOB NOT NULL, info_hash BLOB NOT NULL, peer_id BLOB NOT NULL,
  signed_at INTEGER NOT NULL, uploaded TEXT NOT NULL, downloaded TEXT NOT NULL, left TEXT NOT NULL,
  PRIMARY KEY (node_key, info_hash, peer_id)
) STRICT, WITHOUT ROWID;
"""


class Account(NamedTuple):
    """What a node key reported for one torrent, all sessions together."""

    info_hash: bytes
    uploaded: int  # bytes
    downloaded: int  # bytes
    signed_at: int  # the last announce, seconds since 1970


class Accounts:
    """The log, for its one writer.

    Raises
    ------
    StorageError
        If the file cannot be opened, or (by any method) the disk refuses.
    """

    def __init__(self, path: Path, *, keep_days: int = 30) -> None:
        self._path = path
        self._keep = keep_days * 86400
        self._pruned = 0.0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=30)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise StorageError(f"accounts {path}: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def log(self, announces: Iterable[tuple[int, bytes]], wall: float) -> tuple[int, int]:
        """Check and store announces, all in one transaction.

        Parameters
        ----------
        announces : iterable of (kind, bytes)
            Kind 1: a UDP datagram; 2: an HTTP query string.
        wall : float
            Seconds since 1970.

        Returns
        -------
        (int, int)
            Logged, and refused: forged, replayed, or of another time.
        """
        logged = refused = 0
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                for kind, data in announces:
                    if self._one(kind, data, wall):
                        logged += 1
                    else:
                        refused += 1
                if wall - self._pruned > _PRUNE_EVERY:
                    self._pruned = wall
                    self._db.execute("DELETE FROM announces WHERE at < ?", (int(wall) - self._keep,))
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise StorageError(f"accounts {self._path}: {error}") from error
        return logged, refused

    def _one(self, kind: int, data: bytes, wall: float) -> bool:
        request = _read(kind, data)
        if request is None or abs(request.signed_at - wall) > CLOCK_SLACK:
            return False
        key = (request.node_key, request.info_hash, request.peer_id)
        row = self._db.execute(
            "SELECT signed_at FROM sessions WHERE node_key = ? AND info_hash = ? AND peer_id = ?", key
        ).fetchone()
        # A replay is no newer than what we have; asked before the signature, which costs more.
        if (row is not None and row[0] >= request.signed_at) or not request.verifies():
            return False
        self._db.execute(
            "INSERT INTO announces (at, node_key, info_hash, message, signature) VALUES (?, ?, ?, ?, ?)",
            (int(wall), request.node_key, request.info_hash, request.signed_message(), request.signature),
        )
        # Totals are 64 bits unsigned, which SQLite's integers are not.
        self._db.execute(
            "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*key, request.signed_at, str(request.uploaded), str(request.downloaded), str(request.left)),
        )
        return True


def _read(kind: int, data: bytes) -> AnnounceRequest | None:
    try:
        if kind == 2:
            return decode_announce_query(data)
        packet = decode_request(data)
    except RemoteProtocolError:
        return None
    return packet.request if isinstance(packet, AnnouncePacket) else None


def read_account(path: Path, key: NodeKey) -> list[Account]:
    """Return what a node key reported, by torrent; readable beside the writer.

    Raises
    ------
    StorageError
        If the file cannot be read.
    """
    try:
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
        try:
            rows = db.execute(
                "SELECT info_hash, uploaded, downloaded, signed_at FROM sessions WHERE node_key = ?", (key,)
            ).fetchall()
        finally:
            db.close()
    except sqlite3.Error as error:
        raise StorageError(f"accounts {path}: {error}") from error
    totals = dict[bytes, Account]()
    for info_hash, up, down, at in rows:
        old = totals.get(info_hash, Account(info_hash, 0, 0, 0))
        totals[info_hash] = Account(
            info_hash, old.uploaded + int(up), old.downloaded + int(down), max(old.signed_at, at)
        )
    return [totals[info_hash] for info_hash in sorted(totals)]
