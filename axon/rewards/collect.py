"""Receipts to edges: every signature, binding, scope and set rule checked again, by whoever needs the truth.

The aggregator trusts no tracker and a tracker no aggregator, so both run this
on what they hold. What is refused is listed with the reason. Peers are numbered:
0..n-1 as they joined the pool, then everybody else in the order of their keys.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from axon.errors import ReceiptError
from axon.ids import Account, NodeKey
from axon.receipts import RECEIPT_SIZE, Equivocation, Receipt, Reject, Scope, check_binding, conflict
from axon.rewards.edges import Edges

__all__ = ["Collected", "Joined", "Refused", "collect"]

_PARTIES = slice(52, 116)  # downloader and uploader: the ledger, within one scope
_SLACK = 50  # end-game duplicates: at most one block in 50 beyond the torrent (2 %)
_CHUNK = 2000  # receipts to a job of a worker process: about 0.3 s
_PARALLEL_FROM = 4 * _CHUNK  # fewer are checked faster than processes start


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


@dataclass(frozen=True, slots=True)
class Collected:
    """One epoch, ready for the reward function."""

    edges: Edges
    keys: tuple[NodeKey | None, ...]  # of peer 0..N-1, joined ones first; None: a false binding
    joined: int  # n
    accounts: tuple[Account, ...]  # of peer 0..n-1
    refused: tuple[Refused, ...]
    equivocations: tuple[Equivocation, ...]
    receipts: tuple[bytes, ...] = field(repr=False)  # those that count, in the order of their ledgers

    @property
    def downloaders(self) -> list[int]:
        """Indices of the peers that acknowledged anything."""
        return sorted({int(i) for i in self.edges.src})


def collect(
    sources: Iterable[Iterable[bytes]],
    scope: Scope,
    joined: Sequence[Joined],
    torrent_blocks: int,
    *,
    processes: int = 2,
) -> Collected:
    """Merge receipts from all sources and keep what is true of `scope`.

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
    refused: list[Refused] = []
    signed = _signed(_merge(sources, scope, refused), refused, processes)
    evidence = [proof for known in signed.values() if len(known) > 1 for proof in _contradictions(known)]
    guilty = {proof.first.downloader for proof in evidence}
    latest = [known[0] if len(known) == 1 else max(known, key=_sequence) for known in signed.values()]
    rows = _rows(latest, guilty, torrent_blocks, refused)

    keys = [_bound(entry, scope) for entry in joined]
    index: dict[NodeKey, int] = {}
    for number, key in enumerate(keys):
        if key is not None:
            index.setdefault(key, number)  # a key bound twice is paid once
    others = sorted({party for raw in rows for party in (_downloader(raw), _uploader(raw))} - index.keys())
    index |= {key: len(joined) + k for k, key in enumerate(others)}
    edges = Edges.canonical(
        max(1, len(joined) + len(others)),
        np.fromiter((index[_downloader(raw)] for raw in rows), np.int64, len(rows)),
        np.fromiter((index[_uploader(raw)] for raw in rows), np.int64, len(rows)),
        np.fromiter((_blocks(raw) for raw in rows), np.int64, len(rows)),
    )
    return Collected(
        edges,
        (*keys, *others),
        len(joined),
        tuple(entry.account for entry in joined),
        tuple(refused),
        tuple(evidence),
        tuple(rows),
    )


# Receipts stay raw, for a million of them as objects would take gigabytes: where their fields are.


def _downloader(raw: bytes) -> NodeKey:
    return NodeKey(raw[52:84])


def _uploader(raw: bytes) -> NodeKey:
    return NodeKey(raw[84:116])


def _blocks(raw: bytes) -> int:
    return int.from_bytes(raw[120:128], "big")


def _sequence(raw: bytes) -> int:
    return int.from_bytes(raw[128:132], "big")


def _bound(entry: Joined, scope: Scope) -> NodeKey | None:
    """Return the key that really wants to be paid to this account."""
    if entry.key is None:
        return None
    fine = check_binding(entry.key, entry.binding, scope.chain_id, scope.pool, entry.account)
    return entry.key if fine else None


def _merge(
    sources: Iterable[Iterable[bytes]], scope: Scope, refused: list[Refused]
) -> dict[bytes, list[bytes]]:
    """Return, for each pair of keys in order, the different receipts that the sources hold of it."""
    candidates: dict[bytes, list[bytes]] = {}
    for source in sources:
        for raw in source:
            try:
                receipt = Receipt.parse(raw)
            except ReceiptError as error:
                refused.append(Refused(raw, Reject.MALFORMED, str(error)))
                continue
            if receipt.scope != scope:
                refused.append(Refused(raw, Reject.SCOPE, f"about {_describe(receipt.scope)}"))
                continue
            known = candidates.setdefault(raw[_PARTIES], [])
            if raw not in known:
                known.append(raw)
    return {parties: candidates[parties] for parties in sorted(candidates)}


def _signed(
    candidates: dict[bytes, list[bytes]], refused: list[Refused], processes: int
) -> dict[bytes, list[bytes]]:
    """Keep, for each pair of keys, what the downloader really signed: a forgery never displaces it."""
    receipts = [raw for known in candidates.values() for raw in known]
    chunks = (b"".join(receipts[k : k + _CHUNK]) for k in range(0, len(receipts), _CHUNK))
    if len(receipts) < _PARALLEL_FROM or processes < 2:
        flags = b"".join(map(_check_signatures, chunks))
    else:
        with ProcessPoolExecutor(processes) as pool:
            flags = b"".join(pool.map(_check_signatures, chunks))
    if all(flags):
        return candidates
    refused += [
        Refused(raw, Reject.SIGNATURE, "signature does not verify")
        for raw, fine in zip(receipts, flags, strict=True)
        if not fine
    ]
    verdict = iter(flags)
    kept = {parties: [raw for raw in known if next(verdict)] for parties, known in candidates.items()}
    return {parties: known for parties, known in kept.items() if known}


def _contradictions(known: Sequence[bytes]) -> list[Equivocation]:
    """Return the contradictions between neighbours in sequence; all of one ledger, all signed."""
    receipts = [Receipt.parse(raw) for raw in known]
    ordered = sorted(receipts, key=lambda receipt: (receipt.sequence, receipt.blocks))
    return [Equivocation(a, b) for a, b in pairwise(ordered) if conflict(a, b)]


def _check_signatures(chunk: bytes) -> bytes:
    """Return a byte for each receipt: 1 if its signature is good."""
    return bytes(
        Receipt.parse(chunk[k : k + RECEIPT_SIZE]).verifies() for k in range(0, len(chunk), RECEIPT_SIZE)
    )


def _rows(
    receipts: Sequence[bytes], guilty: set[NodeKey], torrent_blocks: int, refused: list[Refused]
) -> list[bytes]:
    """Drop the rows of those who equivocated or acknowledged more than the torrent holds."""
    total: dict[NodeKey, int] = {}
    for raw in receipts:
        downloader = _downloader(raw)
        if downloader != _uploader(raw):
            total[downloader] = total.get(downloader, 0) + _blocks(raw)
    most = torrent_blocks + torrent_blocks // _SLACK
    kept = []
    for raw in receipts:
        downloader = _downloader(raw)
        if downloader == _uploader(raw):
            refused.append(Refused(raw, Reject.PARTY, "downloader and uploader are one key"))
        elif downloader in guilty:
            refused.append(Refused(raw, Reject.EQUIVOCATION, "downloader signed a contradiction"))
        elif total[downloader] > most:
            detail = f"{total[downloader]} blocks acknowledged, the torrent has {torrent_blocks}"
            refused.append(Refused(raw, Reject.SET_RULE, detail))
        else:
            kept.append(raw)
    return kept


def _describe(scope: Scope) -> str:
    pool, torrent = scope.pool.hex(), scope.info_hash.hex()
    return f"chain {scope.chain_id}, pool 0x{pool}, torrent {torrent}, epoch {scope.epoch}"
