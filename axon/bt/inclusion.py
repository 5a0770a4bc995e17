"""Handing receipts to a tracker, and what it signs in return (`POST /receipts`).

The body of a submission is receipts of 236 bytes, one after another. The answer is
JSON: for each receipt a status, and one signature over the tree of those
that were accepted, so that a tracker which later leaves one out is caught::

    b"axon/1/inclusion" | tracker's node key 32 | root 32 | count 4 | timestamp 8

`root` is the `HistoryTree` head over the accepted receipts' bytes, in the order submitted.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

from axon.errors import TrackerError
from axon.ids import NodeKey
from axon.keys import NodeSecret, verify
from axon.merkle import HistoryTree
from axon.receipts import RECEIPT_SIZE, Receipt, Reject
from axon.safejson import loads

__all__ = [
    "ACCEPTED",
    "MAX_SUBMISSION",
    "Inclusion",
    "Verdict",
    "decode_answer",
    "encode_answer",
    "encode_submission",
]

MAX_SUBMISSION = 8192  # receipts a request
ACCEPTED = ("stored", "duplicate", "stale")  # statuses of receipts that the tracker holds
_DOMAIN = b"axon/1/inclusion"


class Verdict(NamedTuple):
    """What became of one receipt."""

    status: str  # one of `ACCEPTED`, or "rejected"
    code: Reject | None = None


@dataclass(frozen=True, slots=True)
class Inclusion:
    """A tracker's word that it holds these receipts."""

    tracker: NodeKey
    root: bytes
    count: int
    timestamp: int  # seconds since 1970
    signature: bytes = bytes(64)

    @classmethod
    def of(cls, secret: NodeSecret, accepted: Sequence[bytes], timestamp: int) -> Self:
        """Sign for receipts, given as bytes in the order submitted."""
        tree = HistoryTree()
        for receipt in accepted:
            tree.append(receipt)
        unsigned = cls(secret.public, tree.root(), len(accepted), timestamp)
        return replace(unsigned, signature=secret.sign(unsigned._message()))

    def covers(self, accepted: Sequence[bytes]) -> bool:
        """Tell whether this is the tracker's signature for exactly these receipts."""
        tree = HistoryTree()
        for receipt in accepted:
            tree.append(receipt)
        same = (tree.root(), len(accepted)) == (self.root, self.count)
        return same and verify(self.tracker, self.signature, self._message())

    def _message(self) -> bytes:
        return (
            _DOMAIN
            + self.tracker
            + self.root
            + self.count.to_bytes(4, "big")
            + self.timestamp.to_bytes(8, "big")
        )


def encode_submission(receipts: Sequence[Receipt]) -> bytes:
    """Return the body of a submission.

    Raises
    ------
    ValueError
        If there are none or more than `MAX_SUBMISSION`.
    """
    if not 1 <= len(receipts) <= MAX_SUBMISSION:
        raise ValueError(f"submission of {len(receipts)} receipts, want 1..{MAX_SUBMISSION}")
    return b"".join(receipt.serialize() for receipt in receipts)


def encode_answer(verdicts: Sequence[Verdict], inclusion: Inclusion) -> bytes:
    """Return the answer's JSON."""
    return json.dumps(
        {
            "results": [
                {"status": v.status}
                if v.code is None
                else {"status": v.status, "code": v.code, "reason": v.code.name}
                for v in verdicts
            ],
            "inclusion": {
                "tracker": inclusion.tracker.hex(),
                "root": inclusion.root.hex(),
                "count": inclusion.count,
                "timestamp": inclusion.timestamp,
                "signature": inclusion.signature.hex(),
            },
        }
    ).encode()


def decode_answer(body: bytes, submission: bytes) -> tuple[list[Verdict], Inclusion]:
    """Read a tracker's answer to a submission, and check that its signature covers what it accepted.

    Raises
    ------
    TrackerError
        If the answer is malformed, or its signature does not hold.
    """
    sent = [submission[k : k + RECEIPT_SIZE] for k in range(0, len(submission), RECEIPT_SIZE)]
    try:
        top: Any = loads(body)
        verdicts = [
            Verdict(str(row["status"]), Reject(row["code"]) if "code" in row else None)
            for row in top["results"]
        ]
        raw = top["inclusion"]
        inclusion = Inclusion(
            NodeKey(bytes.fromhex(raw["tracker"])),
            bytes.fromhex(raw["root"]),
            int(raw["count"]),
            int(raw["timestamp"]),
            bytes.fromhex(raw["signature"]),
        )
    except (ValueError, LookupError, TypeError, OverflowError) as error:
        raise TrackerError(f"answer to receipts: {error!r:.200}") from error
    if len(verdicts) != len(sent):
        raise TrackerError(f"answer to receipts: {len(verdicts)} results, want {len(sent)}")
    accepted = [receipt for receipt, v in zip(sent, verdicts, strict=True) if v.status in ACCEPTED]
    try:
        covered = inclusion.covers(accepted)
    except OverflowError:
        covered = False
    if not covered:
        raise TrackerError("answer to receipts: the inclusion signature does not hold")
    return verdicts, inclusion
