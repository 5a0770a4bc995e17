"""Receipts to trackers: whatever we served, the torrent's trackers are told, until they sign for it.

A tracker that takes receipts does so at ``/receipts`` beside its announce URL
(docs/tracker-api.md). Only the latest receipt of each ledger travels. What a
tracker was told is remembered in the log, so a restart goes on where the last
run stopped; what it signed for is kept too (`promises.py`), for the day on
which it leaves something out. A refusal that may pass, because its clock is a
little behind ours or a member has just joined, is asked about again.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import trio

from axon.bt.inclusion import ACCEPTED, MAX_SUBMISSION, Verdict, decode_answer, encode_submission
from axon.errors import AxonError
from axon.ids import InfoHash
from axon.peer.http import connect
from axon.peer.promises import Promises
from axon.receiptlog import ReceiptLog, Role
from axon.receipts import RECEIPT_SIZE, LedgerId, Receipt, Reject

__all__ = ["Batch", "Submitter", "receipts_url", "unsubmitted"]

_BACK_OFF = (30.0, 60.0, 300.0, 900.0)  # seconds after failures in a row
_NOT_OFFERED = 3600.0  # seconds before a tracker without /receipts is asked again
_TIMEOUT = 20.0  # seconds for one submission
_MAX_ANSWER = 4 << 20  # bytes
_PAGE = 2000  # log entries looked at together
_PASSING = (Reject.SCOPE, Reject.RATE, Reject.UNREGISTERED)  # refusals that may pass
_PATIENCE = 86_400  # seconds that a refused receipt may be older than the newest one and is tried again
_MAX_WAITING = 2048  # refused receipts that are kept


@dataclass(frozen=True, slots=True)
class Batch:
    """What a tracker is to be told next."""

    receipts: tuple[Receipt, ...]
    cursor: int  # the log's id up to which it covers
    moved: bool  # is that further than before?
    more: bool  # is there more behind it?
    again: int  # how many of the receipts, the first ones, were refused before
    waiting: tuple[Receipt, ...]  # refused before, and not among these


@dataclass(frozen=True, slots=True)
class _Refusal:
    """The last one of a tracker."""

    why: str = ""
    ask_at: float = -math.inf  # when to try again
    wait: float = 0.0  # seconds since then


class Submitter:
    """One torrent's receipts on their way to its trackers.

    Parameters
    ----------
    log : ReceiptLog
    promises : Promises
    info_hash : InfoHash
        Of the receipts; a tracker is told nothing about other torrents.
    trackers : sequence of str
        Announce URLs; those that are not HTTP are passed over.
    report : callable
        Told ``(event, facts)`` when receipts were taken or refused.
    pace : callable
        Seconds between looks at the log, at this moment.
    """

    def __init__(
        self,
        log: ReceiptLog,
        promises: Promises,
        info_hash: InfoHash,
        trackers: Sequence[str],
        report: Callable[[str, dict[str, object]], None],
        *,
        pace: Callable[[], float] = lambda: 15.0,
    ) -> None:
        self._log, self._promises = log, promises
        self._info_hash = info_hash
        self._report = report
        self._pace = pace
        self._refusals: dict[str, _Refusal] = {}  # by URL
        self.urls = list(dict.fromkeys(url for tracker in trackers if (url := receipts_url(tracker))))

    async def run(self) -> None:
        """Submit to every tracker until cancelled."""
        async with trio.open_nursery() as nursery:
            for url in self.urls:
                nursery.start_soon(self._serve, url)

    async def flush(self) -> None:
        """Submit what is left, once to each tracker; failures are left for the next run."""
        async with trio.open_nursery() as nursery:
            for url in self.urls:
                nursery.start_soon(self._last, url)

    async def _last(self, url: str) -> None:
        try:
            while await self.submit(url):
                pass
        except (AxonError, OSError):
            return  # it is in the log, and goes out next time

    async def _serve(self, url: str) -> None:
        failures = 0
        while True:
            wait = self._pace()
            try:
                more = await self.submit(url)
                failures = 0
                wait = 0 if more else wait
            except _NotOfferedError:
                wait = _NOT_OFFERED
            except (AxonError, OSError) as error:
                if failures:
                    wait = max(wait, _BACK_OFF[min(failures, len(_BACK_OFF)) - 1])
                failures += 1
                self._report("warning", {"message": f"receipts to {url}: {error}; again in {wait:.0f} s"})
            await trio.sleep(wait)

    async def submit(self, url: str) -> bool:
        """Submit one batch; tell whether there is more.

        Raises
        ------
        AxonError
            If the tracker cannot be reached, or does not sign for what it took.
        """
        fact = f"submitted/{url}/{self._info_hash.hex()}"
        again = trio.current_time() >= self._refusals.get(url, _Refusal()).ask_at
        batch = await trio.to_thread.run_sync(unsubmitted, self._log, fact, self._info_hash, again)
        if batch.receipts:
            body = encode_submission(batch.receipts)
            answer = await self._post(url, body)
            verdicts, _ = decode_answer(answer, body)
            refused = self._judge(url, batch, verdicts)
            await trio.to_thread.run_sync(self._promises.keep, url, body, answer)
            await trio.to_thread.run_sync(_note, self._log, fact, batch, refused)
        elif batch.moved:
            await trio.to_thread.run_sync(_note, self._log, fact, batch, [])
        return batch.more

    async def _post(self, url: str, body: bytes) -> bytes:
        with trio.move_on_after(_TIMEOUT):
            async with await connect(url) as connection:
                answer = await connection.post(url, body, limit=_MAX_ANSWER)
            if answer.status in (404, 405, 501):
                raise _NotOfferedError(f"{url}: status {answer.status}")
            if answer.status != 200:
                raise AxonError(f"status {answer.status}: {answer.body[:120]!r}")
            return answer.body
        raise AxonError(f"no answer within {_TIMEOUT:g} s")

    def _judge(self, url: str, batch: Batch, verdicts: Sequence[Verdict]) -> list[Receipt]:
        """Report what became of a batch; return what to ask about again."""
        taken = sum(verdict.status in ACCEPTED for verdict in verdicts)
        refused = len(verdicts) - taken
        if taken or refused > batch.again:
            self._report("submitted", {"tracker": url, "taken": taken, "refused": refused})
        why = ", ".join(sorted({verdict.code.name.lower() for verdict in verdicts if verdict.code}))
        before = self._refusals.pop(url, _Refusal())
        if why:
            if why != before.why or refused > batch.again:
                self._report("warning", {"message": f"{url} refused {refused} receipts: {why}"})
            fresh = taken or why != before.why
            wait = self._pace() if fresh else min(2 * before.wait, _BACK_OFF[-1])
            self._refusals[url] = _Refusal(why, trio.current_time() + wait, wait)
        return [
            receipt
            for receipt, verdict in zip(batch.receipts, verdicts, strict=True)
            if verdict.code in _PASSING
        ]


class _NotOfferedError(AxonError):
    """This tracker takes no receipts."""


def receipts_url(tracker: str) -> str | None:
    """Return where a tracker would take receipts, `receipts` in place of `announce`; None without HTTP."""
    parts = urlsplit(tracker)
    folder, _, last = parts.path.rpartition("/")
    if parts.scheme not in ("http", "https") or not last.startswith("announce"):
        return None
    return urlunsplit((parts.scheme, parts.netloc, folder + "/receipts", "", ""))


def unsubmitted(log: ReceiptLog, fact: str, info_hash: InfoHash, again: bool = True) -> Batch:
    """Return a torrent's latest receipts behind the cursor in `fact`.

    With `again`, those too that were refused before, unless something later stands for them.
    """
    start = cursor = int.from_bytes(log.fact(fact) or b"", "big")
    latest: dict[LedgerId, Receipt] = {}
    more = True
    while len(latest) + _PAGE <= MAX_SUBMISSION - _MAX_WAITING:
        entries = log.read(cursor, _PAGE, role=Role.RECEIVED)
        if not entries:
            more = False
            break
        for entry in entries:
            if entry.receipt.info_hash == info_hash:
                latest[entry.receipt.ledger] = entry.receipt
        cursor = entries[-1].id
    waiting = tuple(receipt for receipt in _waiting(log, fact) if receipt.ledger not in latest)
    first, waiting = (waiting, ()) if again else ((), waiting)
    return Batch((*first, *latest.values()), cursor, cursor != start, more, len(first), waiting)


def _note(log: ReceiptLog, fact: str, batch: Batch, refused: Sequence[Receipt]) -> None:
    """A tracker was told: go on behind this batch, and keep what to ask about again."""
    raw = b"".join(receipt.serialize() for receipt in (*batch.waiting, *refused)[-_MAX_WAITING:])
    if raw or log.fact(f"refused/{fact}"):
        log.set_fact(f"refused/{fact}", raw)
    if batch.moved:
        log.set_fact(fact, batch.cursor.to_bytes(8, "big"))


def _waiting(log: ReceiptLog, fact: str) -> list[Receipt]:
    raw = log.fact(f"refused/{fact}") or b""
    found = [Receipt.parse(raw[at : at + RECEIPT_SIZE]) for at in range(0, len(raw), RECEIPT_SIZE)]
    newest = max((receipt.timestamp for receipt in found), default=0)
    return [receipt for receipt in found if receipt.timestamp > newest - _PATIENCE]
