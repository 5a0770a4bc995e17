"""One trip of the ledger to its worker thread: what is signed, verified and stored together.

A thread hop costs 200 µs and a transaction more, so everything that is due goes
at once. `ledger.py` fills a `Round` in the event loop and acts on it afterwards.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from axon.bt.receipt_ext import ReceiptChannel
from axon.bt.tally import Given, Taken
from axon.keys import NodeSecret
from axon.receiptlog import Outcome, ReceiptLog, Role
from axon.receipts import LedgerId, PieceAck, Receipt

__all__ = ["KEPT", "Arrival", "Link", "Round", "Signing"]

KEPT = (Outcome.STORED, Outcome.DUPLICATE, Outcome.STALE)  # outcomes of a receipt that counts


class Link:
    """One connection's part in the ledger; made by `Ledger.link`."""

    __slots__ = (
        "audited",
        "channel",
        "closed",
        "given",
        "hang_up",
        "pending",
        "pending_blocks",
        "pending_since",
        "resend_from",
        "resume",
        "send",
        "starved",
        "taken",
        "told",
    )

    def __init__(
        self,
        channel: ReceiptChannel,
        send: Callable[[bytes], None],
        resume: Callable[[], None],
        hang_up: Callable[[str], None],
    ) -> None:
        self.channel = channel
        self.send, self.resume, self.hang_up = send, resume, hang_up
        self.given: Given | None = None
        self.taken: Taken | None = None
        self.pending: dict[int, frozenset[int]] = {}  # verified pieces without a receipt
        self.pending_blocks = 0
        self.pending_since = 0.0
        self.resend_from: int | None = None  # the peer misses receipts beyond so many blocks
        self.told = 0  # the limit that the peer knows
        self.starved = False  # it was refused blocks for want of receipts
        self.closed = False
        self.audited: dict[int, bool] = {}  # answers to `channel.ask_audit`

    def flush(self) -> None:
        """Hand over what the channel has to say."""
        for payload in self.channel.to_send():
            if not self.closed:
                self.send(payload)


@dataclass(slots=True)
class Arrival:
    """A receipt that came, on its way into the log."""

    link: Link
    receipt: Receipt
    acks: tuple[PieceAck, ...]
    verified: bool = False
    taken: Taken | None = None
    outcome: Outcome | None = None


@dataclass(slots=True)
class Signing:
    """A receipt of ours, on its way into the log and to its uploader."""

    link: Link
    given: Given
    receipt: Receipt
    acks: list[PieceAck]
    outcome: Outcome | None = None


@dataclass(slots=True)
class Round:
    """What is due; doing it twice, after a failure, is harmless."""

    opening: list[Link] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)  # signatures to check
    keeping: list[Arrival] = field(default_factory=list)  # judged, to be put on disk
    signing: list[Signing] = field(default_factory=list)
    resending: list[tuple[Link, Given, int]] = field(default_factory=list)
    givens: dict[LedgerId, Given] = field(default_factory=dict)
    takens: dict[LedgerId, Taken] = field(default_factory=dict)
    resent: list[tuple[Link, Given, list[tuple[Receipt, tuple[PieceAck, ...]]]]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.opening or self.arrivals or self.keeping or self.signing or self.resending)

    def do(self, log: ReceiptLog, received: ReceiptLog, secret: NodeSecret) -> None:
        """In the worker thread: all that costs time, or touches the disk.

        `received` is where receipts of others go: `log`, or the same file without the wait for the disk.
        """
        for arrival in self.arrivals:
            arrival.verified = arrival.receipt.verifies()
        if self.signing:
            signed = [entry.receipt.signed(secret) for entry in self.signing]
            outcomes = log.append(
                Role.GIVEN,
                [(receipt, entry.acks) for receipt, entry in zip(signed, self.signing)],
                verified=True,
            )
            for entry, receipt, outcome in zip(self.signing, signed, outcomes):
                entry.receipt, entry.outcome = receipt, outcome
        if self.keeping:
            outcomes = received.append(
                Role.RECEIVED, [(entry.receipt, entry.acks) for entry in self.keeping], verified=True
            )
            for arrival, outcome in zip(self.keeping, outcomes):
                arrival.outcome = outcome
        self.resent = [(link, given, log.since(given.ledger, held)) for link, given, held in self.resending]
