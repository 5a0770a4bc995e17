"""Receipts to edges: every signature, binding, scope and set rule checked again, by whoever needs the truth.

The aggregator trusts no tracker and a tracker no aggregator, so both run this
on what they hold. What is refused is listed with the reason. Peers are numbered:
0..n-1 as they joined the pool, then everybody else in the order of their keys.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from axon.ids import Account, NodeKey
from axon.receipts import RECEIPT_SIZE, Equivocation, Receipt, Reject, Scope, check_binding
from axon.rewards.edges import Edges
from axon.rewards.receiptrows import KEY, Matrix, ReceiptRows, fields, key_bytes

__all__ = ["Collected", "Joined", "Refused", "collect"]

_BODY = slice(0, 172)  # what the signature covers
_SLACK = 50  # end-game duplicates: at most one block in 50 beyond the torrent (2 %)
_CHUNK = 2000  # receipts to a job of a worker process: about 0.2 s
_PARALLEL_FROM = 4 * _CHUNK  # fewer are checked faster than processes start
_AHEAD = 4  # jobs that wait for each worker: all of them at once would be a second copy of the receipts

Flags = NDArray[np.bool_]  # (rows,)
Numbers = NDArray[np.int64]  # (rows,)


class Joined(NamedTuple):
    """One `join` of the pool, at its index."""

    key: NodeKey | None  # None: left before this epoch; keeps its index and earns nothing
    account: Account
    binding: bytes  # Ed25519, see `axon.receipts.check_binding`


class Refused(NamedTuple):
    """A receipt that does not count, and why."""

    receipt: bytes
    reason: Reject
    detail: str


@dataclass(frozen=True, slots=True, eq=False)
class Collected:
    """One epoch, ready for the reward function."""

    edges: Edges
    keys: tuple[NodeKey | None, ...]  # of peer 0..N-1, joined ones first; None: a false binding
    joined: int  # n
    accounts: tuple[Account, ...]  # of peer 0..n-1
    refused: tuple[Refused, ...]
    equivocations: tuple[Equivocation, ...]
    rows: Matrix = field(repr=False)  # (R, 236) the receipts that count, in the order of their ledgers

    @property
    def downloaders(self) -> list[int]:
        """Indices of the peers that acknowledged anything."""
        return sorted({int(i) for i in self.edges.src})

    def receipts(self) -> Iterator[bytes]:
        """Yield the receipts that count, in the order of their ledgers."""
        for row in self.rows:
            yield row.tobytes()


def collect(
    sources: Iterable[Iterable[bytes]],
    scope: Scope,
    joined: Sequence[Joined],
    torrent_blocks: int,
    *,
    processes: int = 2,
) -> Collected:
    """Merge receipts from all sources and keep what is true of `scope`.

    A million receipts take some 0.8 GB and, but for their signatures, some seconds.

    Parameters
    ----------
    sources : iterable of iterables of bytes
        Raw receipts (236 bytes), from `sources.read_latest` or a tracker's answer.
    scope : Scope
        Chain, pool, info-hash and epoch; receipts about anything else are refused.
    joined : sequence of Joined
        In the contract's order. A binding that does not verify leaves its account without a key.
    torrent_blocks : int
        16-KiB blocks in the torrent: nobody needs more, but for 2 % of end-game duplicates.
    processes : int
        Worker processes for signatures, when there are many.
    """
    held = ReceiptRows(scope)
    for source in sources:
        held.add(source)
    rows = held.take()
    refused = [Refused(*found) for found in held.refused]
    signed = _signatures(rows, processes)
    refused += _refuse(rows, np.flatnonzero(~signed), Reject.SIGNATURE, "signature does not verify")

    parties, down, up = _parties(rows)
    order = _by_ledger(rows, down, up, np.flatnonzero(signed))  # a forgery displaces no truth
    evidence = _contradictions(rows, down, up, order)
    latest = order[_lasts(down[order], up[order])]
    guilty = np.zeros(len(parties), bool)
    guilty[[down[at] for at, _ in evidence]] = True
    kept = _rows(rows, latest, down, up, guilty, torrent_blocks, refused)

    keys = [_bound(entry, scope) for entry in joined]
    index: dict[NodeKey, int] = {}
    for number, key in enumerate(keys):
        if key is not None:
            index.setdefault(key, number)  # a key bound twice is paid once
    used = np.union1d(down[kept], up[kept])
    names = dict(zip(used.tolist(), map(NodeKey, key_bytes(parties[used])), strict=True))  # in order
    others = [key for key in names.values() if key not in index]
    index |= {key: len(joined) + k for k, key in enumerate(others)}
    number_of = np.zeros(len(parties), np.int64)
    number_of[used] = [index[key] for key in names.values()]
    edges = Edges.canonical(
        max(1, len(joined) + len(others)),
        number_of[down[kept]],
        number_of[up[kept]],
        fields(rows)["blocks"][kept].astype(np.int64),
    )
    return Collected(
        edges,
        (*keys, *others),
        len(joined),
        tuple(entry.account for entry in joined),
        tuple(refused),
        tuple(Equivocation(_receipt(rows, a), _receipt(rows, b)) for a, b in evidence),
        rows[kept],
    )


def _bound(entry: Joined, scope: Scope) -> NodeKey | None:
    """Return the key that really wants to be paid to this account."""
    if entry.key is None:
        return None
    fine = check_binding(entry.key, entry.binding, scope.chain_id, scope.pool, entry.account)
    return entry.key if fine else None


def _receipt(rows: Matrix, at: int) -> Receipt:
    return Receipt.parse(rows[at].tobytes())


def _refuse(rows: Matrix, whom: Numbers, reason: Reject, detail: str) -> Iterator[Refused]:
    for at in whom:
        yield Refused(rows[at].tobytes(), reason, detail)


# Signatures.


def _signatures(rows: Matrix, processes: int) -> Flags:
    """Return which receipts the downloader really signed.

    They are checked in the order of the downloaders, whose keys are then unpacked once.
    """
    order = np.argsort(fields(rows)["downloader"], kind="stable")
    chunks = (rows[order[at : at + _CHUNK]].tobytes() for at in range(0, len(rows), _CHUNK))
    if len(rows) < _PARALLEL_FROM or processes < 2:
        flags = b"".join(map(_check_signatures, chunks))
    else:
        flags = b"".join(_in_processes(chunks, processes))
    fine = np.empty(len(rows), bool)
    fine[order] = np.frombuffer(flags, bool)
    return fine


def _in_processes(chunks: Iterable[bytes], processes: int) -> Iterator[bytes]:
    with ProcessPoolExecutor(processes) as pool:
        waiting = deque[Future[bytes]]()
        for chunk in chunks:
            waiting.append(pool.submit(_check_signatures, chunk))
            if len(waiting) > _AHEAD * processes:
                yield waiting.popleft().result()
        for future in waiting:
            yield future.result()


def _check_signatures(chunk: bytes) -> bytes:
    """Return a byte for each receipt: 1 if its signature is good."""
    return bytes(
        Receipt.parse(chunk[k : k + RECEIPT_SIZE]).verifies() for k in range(0, len(chunk), RECEIPT_SIZE)
    )


# Ledgers: rows with the same downloader and uploader.


def _parties(rows: Matrix) -> tuple[NDArray[np.bytes_], Numbers, Numbers]:
    """Return all keys in order, and each row's downloader and uploader as numbers of them."""
    columns = fields(rows)
    down, down_of = np.unique(columns["downloader"], return_inverse=True)
    up, up_of = np.unique(columns["uploader"], return_inverse=True)
    parties = np.union1d(down, up).astype(KEY)
    return parties, np.searchsorted(parties, down)[down_of], np.searchsorted(parties, up)[up_of]


def _by_ledger(rows: Matrix, down: Numbers, up: Numbers, whom: Numbers) -> Numbers:
    """Sort rows by downloader, uploader, sequence and blocks."""
    columns = fields(rows)
    keys = columns["blocks"][whom], columns["sequence"][whom], up[whom], down[whom]
    return whom[np.lexsort([key.astype(np.int64) for key in keys])]


def _lasts(down: Numbers, up: Numbers) -> Flags:
    """Tell which rows, sorted, are the last of their ledger."""
    last = np.ones(len(down), bool)
    last[:-1] = (down[1:] != down[:-1]) | (up[1:] != up[:-1])
    return last


def _contradictions(rows: Matrix, down: Numbers, up: Numbers, order: Numbers) -> list[tuple[int, int]]:
    """Return pairs of neighbours in a ledger that cannot both be honest (see `axon.receipts.conflict`)."""
    older = np.flatnonzero(~_lasts(down[order], up[order]))
    a, b = order[older], order[older + 1]
    columns = fields(rows)
    again = columns["sequence"][a] == columns["sequence"][b]
    other = again.copy()
    other[again] = (rows[a[again], _BODY] != rows[b[again], _BODY]).any(axis=1)
    less = ~again & (columns["blocks"][b] < columns["blocks"][a])
    found = other | less
    return list(zip(a[found].tolist(), b[found].tolist(), strict=True))


def _rows(
    rows: Matrix,
    latest: Numbers,
    down: Numbers,
    up: Numbers,
    guilty: Flags,
    torrent_blocks: int,
    refused: list[Refused],
) -> Numbers:
    """Drop the rows of those who equivocated or acknowledged more than the torrent holds."""
    own = down[latest] == up[latest]
    refused += _refuse(rows, latest[own], Reject.PARTY, "downloader and uploader are one key")
    latest = latest[~own]
    total = np.zeros(len(guilty), np.uint64)
    np.add.at(total, down[latest], fields(rows)["blocks"][latest].astype(np.uint64))
    liar = guilty[down[latest]]
    refused += _refuse(rows, latest[liar], Reject.EQUIVOCATION, "downloader signed a contradiction")
    greedy = ~liar & (total[down[latest]] > torrent_blocks + torrent_blocks // _SLACK)
    for at in latest[greedy]:
        detail = f"{total[down[at]]} blocks acknowledged, the torrent has {torrent_blocks}"
        refused.append(Refused(rows[at].tobytes(), Reject.SET_RULE, detail))
    return latest[~liar & ~greedy]
