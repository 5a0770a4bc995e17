"""What one node owes another in receipts: the two sides of a ledger, pure.

`Given` is the downloader's: which blocks it has acknowledged, so that each is
counted once and every receipt continues the last. `Taken` is the uploader's:
what it really sent, and so which receipts count and how much more it sends on
credit. Both outlive connections; `receipt_ext.py` carries their words, and
`axon/peer/ledger.py` puts every receipt on disk before it counts.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from axon.errors import ReceiptError
from axon.ids import PieceIndex
from axon.receipts import BLOCK_SIZE, AckedBlocks, Equivocation, LedgerId, PieceAck, Receipt, Reject, conflict

__all__ = ["MAX_ACK_BYTES", "START_CREDIT", "Given", "SentBlocks", "Taken"]

START_CREDIT = 64  # blocks; what a stranger gets (1 MiB)
_MAX_CREDIT = 8192  # blocks (128 MiB)
_TRUST = 8  # blocks of credit for every block acknowledged
_SLACK = 50  # and one more for every so many, for blocks that can never be acknowledged: 2 %
_FORGIVE = 15.0  # seconds after which one unacknowledged block is written off
MAX_ACK_BYTES = 16 * 1024  # of `PieceAck`s beside one receipt


class Given:
    """The downloader's side of one ledger.

    Parameters
    ----------
    ledger : LedgerId
    last : Receipt or None
        The latest receipt of this ledger in the log.
    acks : iterable of PieceAck
        All that the log's receipts acknowledge, in order.
    """

    def __init__(self, ledger: LedgerId, last: Receipt | None = None, acks: Iterable[PieceAck] = ()) -> None:
        self.ledger = ledger
        self._acked = AckedBlocks(acks)
        self.sequence = last.sequence if last else 0
        self.stopped: int | None = None  # the `Reject` with which the uploader refuses, on this connection
        # If the log's set is not the signed one, going on would be equivocation sooner or later.
        signed = (last.blocks, last.root) if last else (0, self._acked.root())
        self.broken = signed != (self._acked.blocks, self._acked.root())

    @property
    def usable(self) -> bool:
        """More receipts can be signed."""
        return self.stopped is None and not self.broken

    @property
    def blocks(self) -> int:
        """Blocks acknowledged so far."""
        return self._acked.blocks

    def acknowledge(self, pieces: dict[int, int], timestamp: int) -> tuple[Receipt, list[PieceAck]] | None:
        """Take verified pieces out of `pieces` and write the receipt for them; it is not signed yet.

        Parameters
        ----------
        pieces : dict
            By index, bit k of a piece for its block k. Pieces acknowledged before are dropped: a block
            counts once. What does not fit beside one receipt stays.
        timestamp : int
            Seconds since 1970.

        Returns
        -------
        (Receipt, list of PieceAck) or None
            None if nothing is left to acknowledge.
        """
        acks, size = list[PieceAck](), 0
        while pieces:
            index = next(iter(pieces))
            ack = PieceAck(PieceIndex(index), pieces[index])
            if ack.mask and index not in self._acked:
                size += ack.size
                if acks and size > MAX_ACK_BYTES:
                    break
                acks.append(ack)
            del pieces[index]
        if not acks:
            return None
        self._acked.add_all(acks)
        self.sequence += 1
        scope, downloader, uploader = self.ledger
        receipt = Receipt(
            *scope,
            downloader,
            uploader,
            acks[-1].piece,
            self._acked.blocks,
            self.sequence,
            self._acked.root(),
            timestamp,
        )
        return receipt, acks

    def audit(self, piece: int) -> tuple[PieceAck, int, int, list[bytes]] | None:
        """Return what proves that a piece was acknowledged (`AckedBlocks.audit`); None if it was not."""
        return self._acked.audit(piece) if piece in self._acked else None


@dataclass(slots=True)
class SentBlocks:
    """What the uploader sent to one node and has no receipt for; it outlives connections and epochs."""

    masks: dict[int, int] = field(default_factory=dict)  # piece -> bit k for block k
    owed: int = 0  # blocks sent, again counted each time, less those acknowledged or written off
    _forgiven_at: float | None = None  # None: not looked at yet

    def add(self, index: int, begin: int, length: int = BLOCK_SIZE) -> None:
        """Bytes of a piece went out: one block, or a run of them."""
        first, last = begin // BLOCK_SIZE, (begin + length - 1) // BLOCK_SIZE
        count = last - first + 1
        self.masks[index] = self.masks.get(index, 0) | ((1 << count) - 1) << first
        self.owed += count

    def merge(self, other: "SentBlocks") -> None:
        """Count in what was sent before it was known to whom."""
        for index, mask in other.masks.items():
            self.masks[index] = self.masks.get(index, 0) | mask
        self.owed += other.owed

    def unknown(self, acks: Iterable[PieceAck]) -> int:
        """Count the acknowledged blocks that were not sent."""
        return sum((ack.mask & ~self.masks.get(ack.piece, 0)).bit_count() for ack in acks)

    def settle(self, acks: Iterable[PieceAck]) -> None:
        """These blocks are acknowledged: no other receipt may name them, unless they are sent again."""
        for ack in acks:
            if left := self.masks.get(ack.piece, 0) & ~ack.mask:
                self.masks[ack.piece] = left
            else:
                self.masks.pop(ack.piece, None)

    def forgive(self, now: float) -> None:
        """Write off one block for every 15 seconds.

        Blocks that an honest downloader had from others in the end-game, or lost with a connection,
        are never acknowledged; without this they would choke it for good.
        """
        if not self.owed or self._forgiven_at is None:
            self._forgiven_at = now
        elif (count := int((now - self._forgiven_at) / _FORGIVE)) > 0:
            self.owed = max(0, self.owed - count)
            self._forgiven_at += count * _FORGIVE


class Taken:
    """The uploader's side of one ledger.

    Parameters
    ----------
    ledger : LedgerId
    sent : SentBlocks
        To this downloader; shared by its ledgers of several epochs.
    num_pieces : int
    piece_blocks : callable
        Blocks of piece `index`.
    last, acks
        The latest receipt and all acks of the log.
    resumed : bool
        Blocks may have been sent in this ledger before this process began (DESIGN §3: an uploader
        that was killed does not know which). Then up to one credit of blocks is believed.

    Attributes
    ----------
    counted : int
        Blocks of the receipts that are on disk.
    limit : int
        Blocks sent without a receipt at most; none to one who equivocated.
    """

    def __init__(
        self,
        ledger: LedgerId,
        sent: SentBlocks,
        num_pieces: int,
        piece_blocks: Callable[[int], int],
        last: Receipt | None = None,
        acks: Iterable[PieceAck] = (),
        *,
        resumed: bool = False,
    ) -> None:
        self.ledger = ledger
        self.sent = sent
        self.last = last
        self.evidence: Equivocation | None = None
        self._num_pieces, self._piece_blocks = num_pieces, piece_blocks
        self._acked = AckedBlocks(acks)
        self.counted = self._acked.blocks
        # A piece cannot be acknowledged before it is whole, so credit is never less than two pieces.
        largest = piece_blocks(0) if num_pieces else 1
        self._start = max(START_CREDIT, 2 * largest)
        self._most = max(_MAX_CREDIT, 4 * largest)
        self.limit = self._reckoned()
        self._believed = self._most + self.counted // _SLACK if resumed else 0

    @property
    def blocks(self) -> int:
        """Blocks acknowledged by the receipts taken so far."""
        return self._acked.blocks

    @property
    def exhausted(self) -> bool:
        """Nothing more is sent until a receipt comes."""
        return self.sent.owed >= self.limit

    def disconnected(self) -> None:
        """A connection ended: what was under way is lost, and an honest peer will never sign for it.

        So leave it what a stranger gets; for a new key it would get that anyway.
        """
        self.sent.owed = min(self.sent.owed, max(0, self.limit - self._start))

    def judge(self, receipt: Receipt, acks: Sequence[PieceAck], *, verified: bool | None = None) -> bool:
        """Take a receipt, if it is all right; it counts after `commit`.

        Parameters
        ----------
        verified : bool or None
            Whether the signature is right, if that was found out elsewhere (150 µs).

        Returns
        -------
        bool
            True if it was taken; False if it leaves a gap behind what is held, or is held already:
            then tell the downloader what is held, and it sends what follows.

        Raises
        ------
        ReceiptError
            With the `Reject` code. After `Reject.EQUIVOCATION`, `evidence` holds the proof.
        """
        if receipt.scope != self.ledger.scope:
            raise ReceiptError("receipt: of another chain, pool, torrent or epoch", Reject.SCOPE)
        if receipt.ledger != self.ledger:
            raise ReceiptError("receipt: between other nodes", Reject.PARTY)
        if not (receipt.verifies() if verified is None else verified):
            raise ReceiptError(f"receipt {receipt.sequence}: wrong signature", Reject.SIGNATURE)
        if self.last is not None:
            if conflict(receipt, self.last):
                self.evidence = Equivocation(self.last, receipt)
                self.limit = 0
                raise ReceiptError(f"receipt {receipt.sequence} contradicts another", Reject.EQUIVOCATION)
            if receipt.body() == self.last.body():
                return False
            if receipt.sequence <= self.last.sequence:
                raise ReceiptError(
                    f"receipt {receipt.sequence}, have {self.last.sequence} already", Reject.SEQUENCE
                )
        self._check_set(acks)
        added = sum(ack.num_blocks for ack in acks)
        if receipt.blocks > self.blocks + added:
            return False  # some receipts in between were lost with a connection
        if receipt.blocks < self.blocks + added:
            raise ReceiptError(f"receipt: {receipt.blocks} blocks, acks make more", Reject.COUNT)
        unknown = self.sent.unknown(acks)
        if unknown > self._believed:
            raise ReceiptError(f"receipt: {unknown} blocks that were never sent", Reject.COUNT)
        if not acks or receipt.piece != acks[-1].piece:
            raise ReceiptError("receipt: its piece is not the last acknowledged", Reject.ROOT)
        self._acked.add_all(acks, root=receipt.root)
        self._believed -= unknown
        self.sent.settle(acks)
        self.last = receipt
        return True

    def commit(self, acks: Iterable[PieceAck]) -> None:
        """A receipt that was taken is on disk: its blocks are paid for."""
        added = sum(ack.num_blocks for ack in acks)
        self.counted += added
        self.sent.owed = max(0, self.sent.owed - added)
        self.limit = self._reckoned()

    def _reckoned(self) -> int:
        """What `limit` is now: a stranger's credit, and eight blocks for each that was paid, up to 128 MiB.

        Blocks cost their sender little and receipts cost nothing to sign, so credit is no loan that must be
        covered: it sees to it that receipts come in time. It grows that fast and large because
        receipts cost work: with 4 MiB a fast download would stand still while one is verified, and sign
        hundreds a second.
        """
        if self.evidence:
            return 0
        return min(self._start + _TRUST * self.counted, self._most) + self.counted // _SLACK

    def _check_set(self, acks: Iterable[PieceAck]) -> None:
        for ack in acks:
            if ack.piece >= self._num_pieces or ack.mask.bit_length() > self._piece_blocks(ack.piece):
                raise ReceiptError(f"ack: piece {ack.piece} has no such block", Reject.SET_RULE)
