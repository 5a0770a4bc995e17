"""The receipt log as JSON lines or Parquet, for people and programs that do not speak SQLite."""

import json
from pathlib import Path
from typing import IO

from axon.ids import format_account
from axon.receiptlog import Entry, ReceiptLog

__all__ = ["export_json_lines", "export_parquet"]

_COLUMNS = {
    "id": "BIGINT",
    "role": "VARCHAR",
    "chain_id": "UBIGINT",
    "pool": "BLOB",
    "info_hash": "BLOB",
    "epoch": "UINTEGER",
    "downloader": "BLOB",
    "uploader": "BLOB",
    "piece": "UINTEGER",
    "blocks": "UBIGINT",
    "sequence": "UINTEGER",
    "root": "BLOB",
    "timestamp": "UBIGINT",
    "signature": "BLOB",
}
_PAGE = 10_000  # entries held in memory at once


def export_json_lines(log: ReceiptLog, file: IO[str]) -> int:
    """Write every receipt as one JSON object a line, bytes in hexadecimal; return how many."""
    count, after = 0, 0
    while entries := log.read(after, _PAGE):
        for entry in entries:
            row = {
                name: value.hex() if isinstance(value, bytes) else value
                for name, value in _row(entry).items()
            }
            row["pool"] = format_account(entry.receipt.pool)
            file.write(json.dumps(row, separators=(",", ":")) + "\n")
        count, after = count + len(entries), entries[-1].id
    return count


def export_parquet(log: ReceiptLog, path: Path) -> int:
    """Write every receipt as a row of a Parquet file (needs duckdb: extra `aggregator`); return how many."""
    import duckdb  # heavy, and not part of a plain install

    count, after = 0, 0
    with duckdb.connect() as target:
        columns = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
        target.execute(f"CREATE TABLE receipts ({columns})")
        insert = f"INSERT INTO receipts VALUES ({', '.join('?' * len(_COLUMNS))})"
        while entries := log.read(after, _PAGE):
            target.executemany(insert, [list(_row(entry).values()) for entry in entries])
            count, after = count + len(entries), entries[-1].id
        target.execute("COPY receipts TO $1 (FORMAT parquet)", [str(path)])
    return count


def _row(entry: Entry) -> dict[str, object]:
    facts: dict[str, object] = {"id": entry.id, "role": entry.role.name.lower()}
    return facts | {name: getattr(entry.receipt, name) for name in list(_COLUMNS)[2:]}
