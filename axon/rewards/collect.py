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
from axon.receipts import Equivocation, Receipt, Reject, Scope, check_binding, conflict
from axon.rewards.edges import Edges

__all__ = ["Collected", "Joined", "Refused", "collect"]

_LEDGER_BYTES = 116  # chain, pool, info-hash, epoch, downloader, uploader: the head of a receipt
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
    candidates = _merge(sources, scope, refused)
    signed = _signed(candidates, refused, processes)
    evidence = [proof for receipts in signed for proof in _contradictions(receipts)]
    guilty = {proof.first.downloader for proof in evidence}
    latest = [max(receipts, key=lambda receipt: receipt.sequence) for receipts in signed]
    rows = _rows(latest, guilty, torrent_blocks, refused)

    keys = [_bound(entry, scope) for entry in joined]
    index: dict[NodeKey, int] = {}
    for number, key in enumerate(keys):
        if key is not None:
            index.setdefault(key, number)  # a key bound twice is paid once
    others = sorted({party for r in rows for party in (r.downloader, r.uploader)} - index.keys())
    index |= {key: len(joined) + k for k, key in enumerate(others)}
    edges = Edges.canonical(
        max(1, len(joined) + len(others)),
        np.array([index[r.downloader] for r in rows], np.int64),
        np.array([index[r.uploader] for r in rows], np.int64),
        np.array([r.blocks for r in rows], np.int64),
    )
    return Collected(
        edges,
        (*keys, *others),
        len(joined),
        tuple(entry.account for entry in joined),
        tuple(refused),
        tuple(evidence),
        tuple(r.serialize() for r in rows),
    )


def _bound(entry: Joined, scope: Scope) -> NodeKey | None:
    """Return the key that really wants to be paid to this account."""
    if entry.key is None:
        return None
    fine = check_binding(entry.key, entry.binding, scope.chain_id, scope.pool, entry.account)
    return entry.key if fine else None


def _merge(sources: Iterable[Iterable[bytes]], scope: Scope, refused: list[Refused]) -> list[list[Receipt]]:
    """Return, for each ledger in order, the different receipts that the sources hold of it."""
    candidates: dict[bytes, list[Receipt]] = {}
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
            known = candidates.setdefault(raw[:_LEDGER_BYTES], [])
            if receipt not in known:
                known.append(receipt)
    return [candidates[ledger] for ledger in sorted(candidates)]


def _signed(candidates: list[list[Receipt]], refused: list[Refused], processes: int) -> list[list[Receipt]]:
    """Keep, for each ledger, what its downloader really signed: a forgery never displaces it."""
    receipts = [receipt for known in candidates for receipt in known]
    if len(receipts) < _PARALLEL_FROM or processes < 2:
        flags = _check_signatures(receipts)
    else:
        chunks = [receipts[k : k + _CHUNK] for k in range(0, len(receipts), _CHUNK)]
        with ProcessPoolExecutor(processes) as pool:
            flags = [flag for part in pool.map(_check_signatures, chunks) for flag in part]
    for receipt, fine in zip(receipts, flags, strict=True):
        if not fine:
            refused.append(Refused(receipt.serialize(), Reject.SIGNATURE, "signature does not verify"))
    verdict = iter(flags)
    kept = [[receipt for receipt in known if next(verdict)] for known in candidates]
    return [known for known in kept if known]


def _contradictions(receipts: Sequence[Receipt]) -> list[Equivocation]:
    """Return the contradictions between neighbours in sequence; all of one ledger, all signed."""
    ordered = sorted(receipts, key=lambda receipt: (receipt.sequence, receipt.blocks))
    return [Equivocation(a, b) for a, b in pairwise(ordered) if conflict(a, b)]


def _check_signatures(receipts: Sequence[Receipt]) -> list[bool]:
    return [receipt.verifies() for receipt in receipts]


def _rows(
    receipts: Sequence[Receipt], guilty: set[NodeKey], torrent_blocks: int, refused: list[Refused]
) -> list[Receipt]:
    """Drop the rows of those who equivocated or acknowledged more than the torrent holds."""
    total: dict[NodeKey, int] = {}
    for receipt in receipts:
        if receipt.downloader != receipt.uploader:
            total[receipt.downloader] = total.get(receipt.downloader, 0) + receipt.blocks
    most = torrent_blocks + torrent_blocks // _SLACK
    kept = []
    for receipt in receipts:
        if receipt.downloader == receipt.uploader:
            refused.append(Refused(receipt.serialize(), Reject.PARTY, "downloader and uploader are one key"))
        elif receipt.downloader in guilty:
            refused.append(
                Refused(receipt.serialize(), Reject.EQUIVOCATION, "downloader signed a contradiction")
            )
        elif total[receipt.downloader] > most:
            detail = f"{total[receipt.downloader]} blocks acknowledged, the torrent has {torrent_blocks}"
            refused.append(Refused(receipt.serialize(), Reject.SET_RULE, detail))
        else:
            kept.append(receipt)
    return kept


def _describe(scope: Scope) -> str:
    pool, torrent = scope.pool.hex(), scope.info_hash.hex()
    return f"chain {scope.chain_id}, pool 0x{pool}, torrent {torrent}, epoch {scope.epoch}"
