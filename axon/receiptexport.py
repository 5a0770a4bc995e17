"""The receipt log as JSON lines or Parquet, for people and programs that do not speak SQLite."""

import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Final

from axon.errors import StorageError
from axon.ids import format_account
from axon.receiptlog import Entry, ReceiptLog

__all__ = ["export_json_lines", "export_parquet", "write_parquet"]

_COLUMNS: Final = {  # of DuckDB, and as numpy hands them over
    "id": ("BIGINT", "i8"),
    "role": ("VARCHAR", "O"),
    "chain_id": ("UBIGINT", "u8"),
    "pool": ("BLOB", "O"),
    "info_hash": ("BLOB", "O"),
    "epoch": ("UINTEGER", "u4"),
    "downloader": ("BLOB", "O"),
    "uploader": ("BLOB", "O"),
    "piece": ("UINTEGER", "u4"),
    "blocks": ("UBIGINT", "u8"),
    "sequence": ("UINTEGER", "u4"),
    "root": ("BLOB", "O"),
    "timestamp": ("UBIGINT", "u8"),
    "signature": ("BLOB", "O"),
}
_PAGE: Final = 10_000  # entries held in memory at once
_MEMORY: Final = "300MB"  # beyond it, DuckDB works on disk


def export_json_lines(log: ReceiptLog, file: IO[str]) -> int:
    """Write every receipt as one JSON object a line, bytes in hexadecimal; return how many."""
    count, after = 0, 0
    while entries := log.read(after, _PAGE):
        for entry in entries:
            row = {
                name: value.hex() if isinstance(value, bytes) else value
                for name, value in zip(_COLUMNS, _row(entry), strict=True)
            }
            row["pool"] = format_account(entry.receipt.pool)
            file.write(json.dumps(row, separators=(",", ":")) + "\n")
        count, after = count + len(entries), entries[-1].id
    return count


def export_parquet(log: ReceiptLog, path: Path) -> int:
    """Write every receipt as a row of a Parquet file (needs duckdb: extra `aggregator`); return how many.

    Raises
    ------
    StorageError
        If the disk refuses.
    """

    def pages() -> Iterator[list[Entry]]:
        after = 0
        while entries := log.read(after, _PAGE):
            yield entries
            after = entries[-1].id

    return write_parquet(pages(), path)


def write_parquet(pages: Iterable[Sequence[Entry]], path: Path) -> int:
    """Write rows, some thousand at a time, as `export_parquet` does."""
    import duckdb  # heavy, and not part of a plain install

    count = 0
    try:
        with (
            tempfile.TemporaryDirectory(prefix=".axon-export-", dir=path.parent) as spill,
            duckdb.connect(Path(spill) / "rows") as target,
        ):
            target.execute(f"SET memory_limit = '{_MEMORY}'")
            columns = ", ".join(f"{name} {kind}" for name, (kind, _) in _COLUMNS.items())
            target.execute(f"CREATE TABLE receipts ({columns})")
            for page in pages:
                target.register("page", _page(page))
                target.execute("INSERT INTO receipts SELECT * FROM page")
                count += len(page)
            target.execute("COPY receipts TO $1 (FORMAT parquet)", [str(path)])
    except (duckdb.Error, OSError) as error:
        raise StorageError(f"{path}: {error}") from error
    return count


def _page(entries: Sequence[Entry]) -> dict[str, object]:
    """Return columns: row by row, DuckDB takes hundreds of times as long."""
    import numpy as np

    rows = zip(*map(_row, entries), strict=True)
    return {
        name: np.array(values, dtype=kind)
        for (name, (_, kind)), values in zip(_COLUMNS.items(), rows, strict=True)
    }


def _row(entry: Entry) -> tuple[object, ...]:
    receipt = entry.receipt
    return (
        entry.id,
        entry.role.name.lower(),
        *(getattr(receipt, name) for name in list(_COLUMNS)[2:]),
    )
