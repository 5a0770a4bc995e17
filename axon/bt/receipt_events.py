"""What happens on a receipt channel (`receipt_ext.py`), and the proof that an audit asks for."""

import struct
from dataclasses import dataclass
from typing import Self

from axon.errors import ReceiptError, RemoteProtocolError
from axon.ids import NodeKey
from axon.merkle import HistoryTree
from axon.receipts import PieceAck, Receipt

__all__ = [
    "Audit",
    "AuditArrived",
    "AuditAsked",
    "CreditArrived",
    "Event",
    "Opened",
    "Plain",
    "ReceiptArrived",
    "Rejected",
]

_AUDIT = struct.Struct(">IIIB")
_MAX_DEPTH = 40


@dataclass(frozen=True, slots=True)
class Opened:
    """The peer has proved its key."""

    peer: NodeKey


@dataclass(frozen=True, slots=True)
class Plain:
    """No receipts with this peer; it is served as an ordinary one."""

    why: str


@dataclass(frozen=True, slots=True)
class CreditArrived:
    """The uploader says how far it goes without a receipt, and what it holds."""

    limit: int  # blocks
    held: int  # blocks acknowledged by the receipts that it has
    resend: bool  # it misses receipts after those


@dataclass(frozen=True, slots=True)
class ReceiptArrived:
    """A receipt that parses; nothing else about it has been checked."""

    receipt: Receipt
    acks: tuple[PieceAck, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """The uploader does not take a receipt."""

    code: int
    sequence: int


@dataclass(frozen=True, slots=True)
class AuditAsked:
    """The uploader wants proof that a piece is in our last receipt."""

    piece: int


@dataclass(frozen=True, slots=True)
class Audit:
    """Proof that one piece's blocks are under a receipt's root (RFC 9162 §2.1.3)."""

    sequence: int  # of that receipt
    position: int
    count: int  # pieces under the root
    path: tuple[bytes, ...]
    ack: PieceAck

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read an answer; RemoteProtocolError if it is malformed."""
        if len(data) < _AUDIT.size:
            raise RemoteProtocolError(f"audit: {len(data)} bytes")
        sequence, position, count, depth = _AUDIT.unpack_from(data)
        end = _AUDIT.size + 32 * depth
        acks = _parse_acks(data[end:])
        if depth > _MAX_DEPTH or len(data) < end or len(acks) != 1:
            raise RemoteProtocolError(f"audit: depth {depth}, {len(acks)} acks")
        path = tuple(data[at : at + 32] for at in range(_AUDIT.size, end, 32))
        return cls(sequence, position, count, path, acks[0])

    def serialize(self) -> bytes:
        """Return the bytes of an answer."""
        head = _AUDIT.pack(self.sequence, self.position, self.count, len(self.path))
        return head + b"".join(self.path) + self.ack.serialize()

    def holds(self, receipt: Receipt) -> bool:
        """Tell whether this proves that `receipt` acknowledges the blocks."""
        return receipt.sequence == self.sequence and HistoryTree.includes(
            receipt.root, self.ack.serialize(), self.position, self.count, self.path
        )


@dataclass(frozen=True, slots=True)
class AuditArrived:
    """The downloader answered."""

    audit: Audit


Event = Opened | Plain | CreditArrived | ReceiptArrived | Rejected | AuditAsked | AuditArrived


def _parse_acks(data: bytes) -> list[PieceAck]:
    try:
        return PieceAck.parse_all(data)
    except ReceiptError as error:
        raise RemoteProtocolError(f"axon: {error}") from None
