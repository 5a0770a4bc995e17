"""Where an epoch's receipts come from: receipt logs (SQLite), exports (Parquet, JSON lines).

Each source yields the latest receipt of every ledger, as 236 raw bytes; only
what `collect.py` checks counts. Superseded receipts never leave the database,
so ten million receipts cost the memory of their ledgers.
"""

import json
import sqlite3
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from axon.errors import StorageError
from axon.ids import Account, Epoch, InfoHash, NodeKey
from axon.receipts import Receipt

__all__ = ["read_latest"]

# The inner query lives in the index alone; but for its last receipt, no ledger's row is read.
_LATEST: Final = """
SELECT receipt FROM (
  SELECT id, max(sequence) FROM receipts INDEXED BY sqlite_autoindex_receipts_1
  WHERE chain_id = ? AND pool = ? AND epoch = ?
  GROUP BY chain_id, pool, info_hash, epoch, downloader, uploader
) JOIN receipts USING (id)
"""
# Two passes instead of one that holds a whole receipt for each ledger while it groups.
_PARQUET: Final = """
SELECT chain_id, pool, info_hash, epoch, downloader, uploader, piece, blocks, sequence,
       root, timestamp, signature
FROM read_parquet($path)
SEMI JOIN (
  SELECT info_hash, downloader, uploader, max(sequence) AS sequence
  FROM read_parquet($path) WHERE chain_id = $chain_id AND pool = $pool AND epoch = $epoch
  GROUP BY info_hash, downloader, uploader
) USING (info_hash, downloader, uploader, sequence)
WHERE chain_id = $chain_id AND pool = $pool AND epoch = $epoch
"""
_DUCKDB_MEMORY: Final = "700MB"  # beyond it, DuckDB works on disk
_LEDGER: Final = slice(28, 116)  # of a receipt: info-hash, epoch and the two keys


def read_latest(path: Path, chain_id: int, pool: Account, epoch: Epoch) -> Iterator[bytes]:
    """Yield the latest receipts of one epoch in a file; its kind is told by its name.

    Parameters
    ----------
    path : Path
        ``*.parquet``, ``*.jsonl`` (both as `receiptexport` writes them), or a receipt log.

    Raises
    ------
    StorageError
        If the file is missing or is none of these, or the disk has no room to sort a large one.
    """
    if not path.is_file():
        raise StorageError(f"receipts {path}: no such file")
    if path.suffix == ".parquet":
        return _from_parquet(path, chain_id, pool, epoch)
    if path.suffix == ".jsonl":
        return _from_json_lines(path, chain_id, pool, epoch)
    return _from_log(path, chain_id, pool, epoch)


def _from_log(path: Path, chain_id: int, pool: Account, epoch: Epoch) -> Iterator[bytes]:
    try:
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            for (raw,) in database.execute(_LATEST, (chain_id.to_bytes(8, "big"), pool, epoch)):
                yield raw
            for pair in database.execute("SELECT first, second FROM equivocations"):
                yield from pair  # evidence must not be lost on the way to whoever judges it
        finally:
            database.close()
    except sqlite3.Error as error:
        raise StorageError(f"receipts {path}: {error}") from error


def _from_parquet(path: Path, chain_id: int, pool: Account, epoch: Epoch) -> Iterator[bytes]:
    import duckdb

    try:
        with tempfile.TemporaryDirectory(prefix="axon-") as spill, duckdb.connect() as database:
            database.execute(f"SET memory_limit = '{_DUCKDB_MEMORY}'")
            database.execute("SET temp_directory = $1", [spill])
            database.execute("SET preserve_insertion_order = false")
            wanted = {"path": str(path), "chain_id": chain_id, "pool": pool, "epoch": epoch}
            rows = database.execute(_PARQUET, wanted)
            while batch := rows.fetchmany(10_000):
                for row in batch:
                    yield Receipt(*row).serialize()
    except (duckdb.Error, OSError) as error:
        raise StorageError(f"receipts {path}: {error}") from error


def _from_json_lines(path: Path, chain_id: int, pool: Account, epoch: Epoch) -> Iterator[bytes]:
    latest = dict[bytes, bytes]()
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
                if (row["chain_id"], row["pool"], row["epoch"]) != (chain_id, "0x" + pool.hex(), epoch):
                    continue
                raw = Receipt(
                    chain_id,
                    pool,
                    InfoHash(bytes.fromhex(row["info_hash"])),
                    epoch,
                    NodeKey(bytes.fromhex(row["downloader"])),
                    NodeKey(bytes.fromhex(row["uploader"])),
                    row["piece"],
                    row["blocks"],
                    row["sequence"],
                    bytes.fromhex(row["root"]),
                    row["timestamp"],
                    bytes.fromhex(row["signature"]),
                ).serialize()
            except (ValueError, KeyError, TypeError, RecursionError, struct.error) as error:
                raise StorageError(f"receipts {path}, line {number}: {error!r:.200}") from error
            known = latest.get(raw[_LEDGER])
            if known is None or _sequence(known) < _sequence(raw):
                latest[raw[_LEDGER]] = raw
    yield from latest.values()


def _sequence(raw: bytes) -> int:
    return int.from_bytes(raw[128:132], "big")
