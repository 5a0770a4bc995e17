"""Made-up receipts by the million, for the benchmark: a log and an export that hold the same ledgers.

The last receipt of every ledger is signed. Earlier ones are not: whoever
reads a file takes the last only, and signing ten times as many would take minutes.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import Final

import numpy as np

from axon.ids import Account, Epoch, InfoHash, PieceIndex
from axon.keys import NodeSecret
from axon.receiptexport import write_parquet
from axon.receiptlog import Entry, ReceiptLog, Role
from axon.receipts import Receipt, Scope

__all__ = ["BLOCKS", "SCOPE", "make"]

SCOPE: Final = Scope(1, Account(b"\1" * 20), InfoHash(b"\2" * 20), Epoch(0))
BLOCKS: Final = 64  # of each ledger, in the end

_PAGE: Final = 10_000  # rows written at once

_INSERT: Final = (
    "INSERT INTO receipts (role, chain_id, pool, info_hash, epoch, downloader, uploader, sequence,"
    " blocks, receipt) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def make(home: Path, receipts: int, ledgers: int, peers: int, processes: int) -> list[Path]:
    """Write `receipts`, over so many ledgers among so many peers; return the files.

    With one receipt a ledger that is a log; with more, a log and a Parquet file, half each.
    """
    history = receipts // ledgers
    log, export = home / "receipts.sqlite", home / "receipts.parquet"
    jobs = [(k, ledgers // peers, peers) for k in range(peers)]
    with ProcessPoolExecutor(processes) as pool:
        signed = chain.from_iterable(pool.map(_row_of, jobs, chunksize=16))
        if history == 1:
            _write_log(log, signed, 1)
            return [log]
        both = list(signed)
    _write_log(log, both, history // 2)
    _write_parquet(export, both, history - history // 2)
    return [log, export]


@lru_cache(1)
def _keys(peers: int) -> list[NodeSecret]:
    return [NodeSecret(k.to_bytes(32, "big")) for k in range(1, peers + 1)]


def _row_of(job: tuple[int, int, int]) -> list[bytes]:
    """Sign the last receipts of one downloader, in the order of the uploaders' keys."""
    number, each, peers = job
    secret = _keys(peers)[number]
    whom = np.random.default_rng(number).choice(peers - 1, each, replace=False)
    uploaders = sorted(_keys(peers)[other + (other >= number)].public for other in whom)
    bodies = (
        Receipt(*SCOPE, secret.public, up, PieceIndex(0), BLOCKS, BLOCKS, bytes(32), 1) for up in uploaders
    )
    return [body.signed(secret).serialize() for body in bodies]


def _history(last: bytes, count: int) -> Iterator[bytes]:
    """Yield `count` receipts of a ledger, the last of them real."""
    for sequence in range(BLOCKS - count + 1, BLOCKS):
        yield b"".join(
            (last[:120], sequence.to_bytes(8, "big"), sequence.to_bytes(4, "big"), last[132:172], bytes(64))
        )
    yield last


def _write_log(path: Path, lasts: Iterable[bytes], history: int) -> None:
    ReceiptLog(path).close()  # for its schema
    database = sqlite3.connect(path)
    try:
        rows = (
            (
                Role.SUBMITTED,
                raw[:8],
                raw[8:28],
                raw[28:48],
                0,
                raw[52:84],
                raw[84:116],
                sequence,
                sequence,
                raw,
            )
            for last in lasts
            for sequence, raw in enumerate(_history(last, history), BLOCKS - history + 1)
        )
        with database:
            database.executemany(_INSERT, rows)
    finally:
        database.close()


def _write_parquet(path: Path, lasts: Iterable[bytes], history: int) -> None:
    def entries() -> Iterator[Entry]:
        for raw in chain.from_iterable(_history(last, history) for last in lasts):
            yield Entry(0, Role.SUBMITTED, Receipt.parse(raw), ())

    def pages() -> Iterator[list[Entry]]:
        rest = entries()
        while page := list(islice(rest, _PAGE)):
            yield page

    write_parquet(pages(), path)
