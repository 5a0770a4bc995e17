"""Where an epoch's receipts come from: receipt logs (SQLite), exports (Parquet, JSON lines).

Each source yields the latest receipt of every ledger, as 236 raw bytes; only
what `collect.py` checks counts. Superseded receipts never leave the database,
so ten million receipts cost the memory of their ledgers.
"""

import json
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path

from axon.errors import StorageError
from axon.ids import Account, Epoch, InfoHash, NodeKey
from axon.receipts import Receipt

__all__ = ["read_latest"]

_PARQUET = """
SELECT arg_max(chain_id, sequence), pool, info_hash, epoch, downloader, uploader,
       arg_max(piece, sequence), arg_max(blocks, sequence), max(sequence),
       arg_max(root, sequence), arg_max(timestamp, sequence), arg_max(signature, sequence)
FROM read_parquet($path) WHERE chain_id = $chain_id AND pool = $pool AND epoch = $epoch
GROUP BY pool, info_hash, epoch, downloader, uploader
"""


def read_latest(path: Path, chain_id: int, pool: Account, epoch: Epoch) -> Iterator[bytes]:
    """Yield the latest receipts of one epoch in a file; its kind is told by its name.

    Parameters
    ----------
    path : Path
        ``*.parquet``, ``*.jsonl`` (both as `receiptexport` writes them), or a receipt log.

    Raises
    ------
    StorageError
        If the file is missing or is none of these.
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
            rows = database.execute(
                "SELECT receipt, max(sequence) FROM receipts WHERE chain_id = ? AND pool = ? AND epoch = ?"
                " GROUP BY chain_id, pool, info_hash, epoch, downloader, uploader",
                (chain_id.to_bytes(8, "big"), pool, epoch),
            )
            for raw, _ in rows:
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
        with duckdb.connect() as database:
            wanted = {"path": str(path), "chain_id": chain_id, "pool": pool, "epoch": epoch}
            rows = database.execute(_PARQUET, wanted)
            while batch := rows.fetchmany(10_000):
                for row in batch:
                    yield Receipt(*row).serialize()
    except duckdb.Error as error:
        raise StorageError(f"receipts {path}: {error}") from error


def _from_json_lines(path: Path, chain_id: int, pool: Account, epoch: Epoch) -> Iterator[bytes]:
    latest: dict[tuple[str, str, str], tuple[int, bytes]] = {}
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
                ledger = row["info_hash"], row["downloader"], row["uploader"]
                if ledger not in latest or row["sequence"] > latest[ledger][0]:
                    latest[ledger] = row["sequence"], raw
            except (ValueError, KeyError, TypeError, struct.error) as error:
                raise StorageError(f"receipts {path}, line {number}: {error!r}") from error
    for _, raw in latest.values():
        yield raw
