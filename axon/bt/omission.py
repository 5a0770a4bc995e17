"""Omission: a tracker signed that it holds a receipt, and hands out neither it nor what superseded it.

The proof is the submission and the tracker's signed answer (`inclusion.py`): whoever has them asks
the tracker for the epoch and sees for himself. A peer keeps both (`axon/peer/promises.py`).
"""

from collections.abc import Iterable, Sequence

from axon.bt.inclusion import ACCEPTED, decode_answer
from axon.errors import ReceiptError
from axon.ids import NodeKey
from axon.receipts import RECEIPT_SIZE, LedgerId, Receipt, conflict

__all__ = ["omitted", "promised"]


def promised(submission: bytes, answer: bytes) -> tuple[NodeKey, list[Receipt]]:
    """Return who signed, and the receipts that it signed for.

    Raises
    ------
    TrackerError
        If the answer's signature does not cover them.
    """
    verdicts, inclusion = decode_answer(answer, submission)
    raw = [submission[k : k + RECEIPT_SIZE] for k in range(0, len(submission), RECEIPT_SIZE)]
    held = [data for data, verdict in zip(raw, verdicts, strict=True) if verdict.status in ACCEPTED]
    return inclusion.tracker, [Receipt.parse(data) for data in held]


def omitted(receipts: Sequence[Receipt], handed_out: Iterable[bytes]) -> list[Receipt]:
    """Return those of `receipts` that a tracker's answer for their epoch leaves out.

    Not left out is what a later receipt of the ledger supersedes, and whatever a downloader
    signed who contradicts itself in the answer: its row is dropped by everybody.
    """
    latest: dict[LedgerId, Receipt] = {}
    guilty: set[tuple[object, NodeKey]] = set()
    for raw in handed_out:
        try:
            receipt = Receipt.parse(raw)
        except ReceiptError:
            continue  # nonsense supersedes nothing
        if not receipt.verifies():
            continue
        known = latest.get(receipt.ledger)
        if known is not None and conflict(known, receipt):
            guilty.add((receipt.scope, receipt.downloader))
        if known is None or receipt.sequence > known.sequence:
            latest[receipt.ledger] = receipt
    return [
        receipt
        for receipt in receipts
        if (receipt.scope, receipt.downloader) not in guilty
        and (receipt.ledger not in latest or latest[receipt.ledger].sequence < receipt.sequence)
    ]
