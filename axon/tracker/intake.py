"""Receipts in: check, store, and sign for what was stored.

A receipt counts if its pool and epoch are open here, both keys joined, its signature is good,
its time is not ahead, nothing that we hold contradicts it, and its downloader did not
acknowledge more blocks than the torrent has ("a downloader needs each block once", with 2 %
for the endgame). Contradictions are kept as evidence.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import trio

from axon.bt.inclusion import ACCEPTED, MAX_SUBMISSION, Inclusion, Verdict, encode_answer
from axon.errors import ReceiptError
from axon.ids import NodeKey
from axon.keys import NodeSecret
from axon.receiptlog import Outcome, ReceiptLog, Role
from axon.receipts import RECEIPT_SIZE, Receipt, Reject, Scope
from axon.tracker.pools import Pools
from axon.tracker.requests import HttpError
from axon.tracker.worker import Worker

__all__ = ["Intake", "RateLimit", "SetRule"]

_FUTURE: Final = 600  # seconds that a downloader's clock may be ahead
_STATUS: Final = {
    Outcome.STORED: Verdict("stored"),
    Outcome.DUPLICATE: Verdict("duplicate"),
    Outcome.STALE: Verdict("stale"),
    Outcome.EQUIVOCATION: Verdict("rejected", Reject.EQUIVOCATION),
    Outcome.SEALED: Verdict("rejected", Reject.SCOPE),
    Outcome.FORGED: Verdict("rejected", Reject.SIGNATURE),
}


class RateLimit:
    """A token bucket for each address, in bounded memory (pure).

    Parameters
    ----------
    per_minute : int
        Tokens that come back in a minute; also the bucket's size.
    """

    def __init__(self, per_minute: int, addresses: int = 100_000) -> None:
        self._size = float(per_minute)
        self._most = addresses
        self._buckets: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def take(self, address: bytes, tokens: int, now: float) -> bool:
        """Take tokens if they are there; an IPv6 /64 is one address."""
        key = address[:8] if len(address) == 16 else address
        level, at = self._buckets.pop(key, (self._size, now))
        level = min(self._size, level + (now - at) * self._size / 60)
        fine = tokens <= level
        self._buckets[key] = (level - tokens if fine else level, now)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return fine


class _Row(NamedTuple):
    scope: Scope
    downloader: NodeKey


class SetRule:
    """How many blocks each downloader has acknowledged, by uploader (pure)."""

    def __init__(self) -> None:
        self._rows: dict[_Row, dict[NodeKey, int]] = {}
        self._sums: dict[_Row, int] = {}

    def allows(self, receipt: Receipt, limit: int) -> bool:
        """Tell whether a receipt leaves its downloader within `limit` blocks and the slack."""
        row = _Row(receipt.scope, receipt.downloader)
        old = self._rows.get(row, {}).get(receipt.uploader, 0)
        total = self._sums.get(row, 0) - old + max(old, receipt.blocks)
        return total * 100 <= limit * 102

    def note(self, receipt: Receipt) -> int:
        """Count a receipt; return what was counted for its ledger before."""
        row = _Row(receipt.scope, receipt.downloader)
        uploads = self._rows.setdefault(row, {})
        old = uploads.get(receipt.uploader, 0)
        if receipt.blocks > old:
            uploads[receipt.uploader] = receipt.blocks
            self._sums[row] = self._sums.get(row, 0) + receipt.blocks - old
        return old

    def forget(self, receipt: Receipt, before: int) -> None:
        """Take back what `note` counted, unless a later receipt counts already."""
        row = _Row(receipt.scope, receipt.downloader)
        if before < receipt.blocks == self._rows[row][receipt.uploader]:
            self._rows[row][receipt.uploader] = before
            self._sums[row] -= receipt.blocks - before


class Intake:
    """Takes submissions.

    Parameters
    ----------
    log : ReceiptLog
    pools : Pools
        May be replaced when the file is read again.
    secret : NodeSecret
        Signs the inclusion.
    worker : Worker
        Checks signatures.
    wall : callable
        Seconds since 1970.
    """

    def __init__(
        self,
        log: ReceiptLog,
        pools: Pools,
        secret: NodeSecret,
        worker: Worker,
        wall: Callable[[], float],
        limit: RateLimit,
    ) -> None:
        self.log = log
        self.pools = pools
        self.accepted = self.rejected = 0
        self._secret = secret
        self._worker = worker
        self._wall = wall
        self._limit = limit
        self._rule = SetRule()
        self._lock = trio.Lock()
        for receipt in log.latest(role=Role.SUBMITTED):
            self._rule.note(receipt)

    async def submit(self, body: bytes, address: bytes, now: float) -> bytes:
        """Judge and store a batch; return the JSON answer, once all is on disk.

        Raises
        ------
        HttpError
            If the body is no batch of receipts, too large, or there were too many from this address.
        StorageError
            If the disk refuses; nothing of the batch is stored then.
        """
        count, rest = divmod(len(body), RECEIPT_SIZE)
        if rest or not count:
            raise HttpError(400, f"{len(body)} bytes, want a multiple of {RECEIPT_SIZE}")
        if count > MAX_SUBMISSION:
            raise HttpError(413, f"{count} receipts, want at most {MAX_SUBMISSION}")
        if not self._limit.take(address, count, now):
            raise HttpError(429, f"{count} receipts: too many from this address, try again in a minute")
        raw = [body[k : k + RECEIPT_SIZE] for k in range(0, len(body), RECEIPT_SIZE)]
        judged = [self._look(data) for data in raw]
        signed = [r for r in judged if isinstance(r, Receipt)]
        good = iter(await self._worker.verify(signed) if signed else [])
        judged = [r if not isinstance(r, Receipt) or next(good) else Reject.SIGNATURE for r in judged]
        verdicts = await self._store(judged)
        held = [data for data, verdict in zip(raw, verdicts, strict=True) if verdict.status in ACCEPTED]
        self.accepted += len(held)
        self.rejected += count - len(held)
        return encode_answer(verdicts, Inclusion.of(self._secret, held, int(self._wall())))

    def _look(self, data: bytes) -> Receipt | Reject:
        """Refuse what can be refused without a signature check."""
        try:
            receipt = Receipt.parse(data)
        except ReceiptError as error:
            return Reject(error.code)
        wall = self._wall()
        if receipt.timestamp > wall + _FUTURE:
            return Reject.SCOPE
        return self.pools.refuses(receipt.scope, receipt.downloader, receipt.uploader, wall) or receipt

    async def _store(self, judged: Sequence[Receipt | Reject]) -> list[Verdict]:
        async with self._lock:
            keep, before = list[Receipt](), list[int]()
            final = list[Receipt | Reject]()
            for item in judged:
                if isinstance(item, Receipt):
                    pool = self.pools.find(item.scope)
                    if pool is None or not self._rule.allows(item, pool.blocks):
                        final.append(Reject.SET_RULE)
                        continue
                    before.append(self._rule.note(item))
                    keep.append(item)
                final.append(item)
            outcomes: list[Outcome] = []
            try:
                if keep:
                    outcomes = await trio.to_thread.run_sync(
                        lambda: self.log.append(Role.SUBMITTED, keep, verified=True)
                    )
            finally:
                # Newest first, so that each finds the count that it left.
                for k in range(len(keep) - 1, -1, -1):
                    if not outcomes or outcomes[k] in (Outcome.EQUIVOCATION, Outcome.SEALED):
                        self._rule.forget(keep[k], before[k])
        verdicts = iter(_STATUS[outcome] for outcome in outcomes)
        return [next(verdicts) if isinstance(r, Receipt) else Verdict("rejected", r) for r in final]
