"""Receipts to trackers: whatever we served, the torrent's trackers are told, until they sign for it.

A tracker that takes receipts does so at ``/receipts`` beside its announce URL
(docs/tracker-api.md). Only the latest receipt of each ledger travels. What a
tracker has signed for is remembered in the log, so a restart goes on where the last
run stopped; its inclusion is kept too, for the day on which it leaves one out.
"""

from collections.abc import Callable, Sequence
from urllib.parse import urlsplit, urlunsplit

import trio

from axon.bt.inclusion import ACCEPTED, MAX_SUBMISSION, decode_answer, encode_submission
from axon.errors import AxonError
from axon.ids import InfoHash
from axon.peer.http import connect
from axon.receiptlog import ReceiptLog, Role
from axon.receipts import LedgerId, Receipt

__all__ = ["Submitter", "receipts_url", "unsubmitted"]

_EVERY = 15.0  # seconds between looks at the log
_BACK_OFF = (30.0, 60.0, 300.0, 900.0)  # seconds after failures in a row
_NOT_OFFERED = 3600.0  # seconds before a tracker without /receipts is asked again
_TIMEOUT = 20.0  # seconds for one submission
_MAX_ANSWER = 4 << 20  # bytes
_PAGE = 2000  # log entries looked at together


class Submitter:
    """One torrent's receipts on their way to its trackers.

    Parameters
    ----------
    log : ReceiptLog
    info_hash : InfoHash
        Of the receipts; a tracker is told nothing about other torrents.
    trackers : sequence of str
        Announce URLs; those that are not HTTP are passed over.
    report : callable
        Told ``(event, facts)`` when receipts were taken or refused.
    """

    def __init__(
        self,
        log: ReceiptLog,
        info_hash: InfoHash,
        trackers: Sequence[str],
        report: Callable[[str, dict[str, object]], None],
    ) -> None:
        self._log = log
        self._info_hash = info_hash
        self._report = report
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
            wait = _EVERY
            try:
                more = await self.submit(url)
                failures = 0
                wait = 0 if more else _EVERY
            except _NotOfferedError:
                wait = _NOT_OFFERED
            except (AxonError, OSError) as error:
                wait = _BACK_OFF[min(failures, len(_BACK_OFF) - 1)]
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
        receipts, cursor, more = await trio.to_thread.run_sync(unsubmitted, self._log, fact, self._info_hash)
        if receipts:
            body = encode_submission(receipts)
            with trio.move_on_after(_TIMEOUT) as patience:
                async with await connect(url) as connection:
                    answer = await connection.post(url, body, limit=_MAX_ANSWER)
            if patience.cancelled_caught:
                raise AxonError(f"no answer within {_TIMEOUT:g} s")
            if answer.status in (404, 405, 501):
                raise _NotOfferedError(f"{url}: status {answer.status}")
            if answer.status != 200:
                raise AxonError(f"status {answer.status}: {answer.body[:120]!r}")
            verdicts, _ = decode_answer(answer.body, body)
            taken = sum(verdict.status in ACCEPTED for verdict in verdicts)
            refused = sorted({verdict.code.name.lower() for verdict in verdicts if verdict.code is not None})
            self._report("submitted", {"tracker": url, "taken": taken, "refused": len(receipts) - taken})
            if refused:
                reason = ", ".join(refused)
                self._report(
                    "warning", {"message": f"{url} refused {len(receipts) - taken} receipts: {reason}"}
                )
            await trio.to_thread.run_sync(self._log.set_fact, f"inclusion/{fact}", answer.body)
        await trio.to_thread.run_sync(self._log.set_fact, fact, cursor.to_bytes(8, "big"))
        return more


class _NotOfferedError(AxonError):
    """This tracker takes no receipts."""


def receipts_url(tracker: str) -> str | None:
    """Return where a tracker would take receipts, `receipts` in place of `announce`; None without HTTP."""
    parts = urlsplit(tracker)
    folder, _, last = parts.path.rpartition("/")
    if parts.scheme not in ("http", "https") or not last.startswith("announce"):
        return None
    return urlunsplit((parts.scheme, parts.netloc, folder + "/receipts", "", ""))


def unsubmitted(log: ReceiptLog, fact: str, info_hash: InfoHash) -> tuple[list[Receipt], int, bool]:
    """Return a torrent's latest receipts behind the cursor in `fact`, the new cursor, and if more wait."""
    cursor = int.from_bytes(log.fact(fact) or b"", "big")
    latest: dict[LedgerId, Receipt] = {}
    while len(latest) + _PAGE <= MAX_SUBMISSION:
        entries = log.read(cursor, _PAGE, role=Role.RECEIVED)
        if not entries:
            return list(latest.values()), cursor, False
        for entry in entries:
            if entry.receipt.info_hash == info_hash:
                latest[entry.receipt.ledger] = entry.receipt
        cursor = entries[-1].id
    return list(latest.values()), cursor, True
