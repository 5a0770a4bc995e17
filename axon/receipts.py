"""Receipts: a downloader's signed word for the blocks that it verified from one uploader.

A receipt is *cumulative*: it counts every 16-KiB block acknowledged so far in
its ledger (chain, pool, info-hash, epoch, downloader, uploader), so a later one
supersedes the earlier ones. `root` commits to which blocks those were:
the head of a `HistoryTree` with one `PieceAck` a leaf. Two receipts of one
ledger that cannot both be honest are *equivocation*: a portable proof.

Wire format, all integers big-endian, 236 bytes::

    chain id 8 | pool 20 | info-hash 20 | epoch 4 | downloader 32 | uploader 32
    | piece 4 | blocks 8 | sequence 4 | root 32 | timestamp 8 | signature 64

The signature covers ``b"axon/1/receipt"`` and the 172 bytes before it.
"""

import enum
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple, Self

from axon.errors import ReceiptError
from axon.ids import Account, Epoch, InfoHash, NodeKey, PieceIndex
from axon.keys import SIGNATURE_SIZE, NodeSecret, verify
from axon.merkle import HistoryTree

__all__ = [
    "BLOCK_SIZE",
    "RECEIPT_SIZE",
    "AckedBlocks",
    "Equivocation",
    "LedgerId",
    "PieceAck",
    "Receipt",
    "Reject",
    "Scope",
    "binding_message",
    "check_binding",
    "conflict",
    "sign_binding",
]

BLOCK_SIZE = 16 * 1024  # bytes; the unit of account
_DOMAIN = b"axon/1/receipt"
_BIND_DOMAIN = b"axon/1/bind"
_BODY = struct.Struct(">Q20s20sI32s32sIQI32sQ")
RECEIPT_SIZE = _BODY.size + SIGNATURE_SIZE  # 236 bytes
_MAX_BLOCKS = 1 << 36  # AXR-1 keeps row sums below this (DESIGN §4)
_MAX_ACK = 1 << 16  # blocks a piece: 1 GiB pieces
_ACK = struct.Struct(">IH")
_CACHED = 64  # bitmaps; most pieces come whole from one peer, so most are the same
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))  # the bits of a byte, last first


class Reject(enum.IntEnum):
    """Why a receipt does not count: the code of a `reject` message."""

    MALFORMED = 1
    SIGNATURE = 2
    SCOPE = 3  # another chain, pool, info-hash or epoch
    PARTY = 4  # not between these two keys
    COUNT = 5  # more blocks than were sent, or fewer than before
    SEQUENCE = 6  # not newer than the last
    ROOT = 7  # does not commit to the acknowledged blocks
    EQUIVOCATION = 8
    RATE = 9
    UNREGISTERED = 10  # no binding of this key is known
    SET_RULE = 11  # the downloader acknowledged more blocks than the torrent has


class Scope(NamedTuple):
    """What a swarm's receipts are about; all peers of the ledger must agree on it."""

    chain_id: int  # EIP-155
    pool: Account  # the pool contract; ZERO_ACCOUNT when nobody pays
    info_hash: InfoHash
    epoch: Epoch


class LedgerId(NamedTuple):
    """Whose blocks are counted: receipts with the same id supersede one another."""

    scope: Scope
    downloader: NodeKey
    uploader: NodeKey


@dataclass(frozen=True, slots=True)
class Receipt:
    """One signed statement; see the module for its bytes."""

    chain_id: int
    pool: Account
    info_hash: InfoHash
    epoch: Epoch
    downloader: NodeKey
    uploader: NodeKey
    piece: PieceIndex  # the newest acknowledged piece
    blocks: int  # cumulative, 16 KiB each
    sequence: int  # from 1, each greater than the last
    root: bytes  # 32 bytes, of the acknowledged blocks
    timestamp: int  # seconds since 1970, by the downloader's clock
    signature: bytes = bytes(SIGNATURE_SIZE)

    @classmethod
    def parse(cls, data: bytes | memoryview) -> Self:
        """Read 236 bytes; the signature is not checked here.

        Raises
        ------
        ReceiptError
            With `Reject.MALFORMED`, if the length, count or sequence cannot be a receipt's.
        """
        if len(data) != RECEIPT_SIZE:
            raise ReceiptError(f"receipt: {len(data)} bytes, want {RECEIPT_SIZE}", Reject.MALFORMED)
        chain, pool, info_hash, epoch, down, up, piece, blocks, sequence, root, stamp = _BODY.unpack_from(
            data
        )
        if not 1 <= blocks < _MAX_BLOCKS or sequence < 1:
            raise ReceiptError(f"receipt: {blocks} blocks at sequence {sequence}", Reject.MALFORMED)
        return cls(
            chain,
            Account(pool),
            InfoHash(info_hash),
            Epoch(epoch),
            NodeKey(down),
            NodeKey(up),
            PieceIndex(piece),
            blocks,
            sequence,
            root,
            stamp,
            bytes(data[_BODY.size :]),
        )

    def body(self) -> bytes:
        """Return the 172 bytes that are signed (behind the domain)."""
        return _BODY.pack(
            self.chain_id,
            self.pool,
            self.info_hash,
            self.epoch,
            self.downloader,
            self.uploader,
            self.piece,
            self.blocks,
            self.sequence,
            self.root,
            self.timestamp,
        )

    def serialize(self) -> bytes:
        """Return the 236 bytes of the wire format."""
        return self.body() + self.signature

    def signed(self, secret: NodeSecret) -> Self:
        """Return this receipt with the downloader's signature.

        Raises
        ------
        ValueError
            If `secret` is not the downloader's.
        """
        if secret.public != self.downloader:
            raise ValueError("only the downloader signs a receipt")
        return replace(self, signature=secret.sign(_DOMAIN + self.body()))

    def verifies(self) -> bool:
        """Tell whether the signature is the downloader's."""
        return verify(self.downloader, self.signature, _DOMAIN + self.body())

    @property
    def scope(self) -> Scope:
        """Chain, pool, info-hash and epoch."""
        return Scope(self.chain_id, self.pool, self.info_hash, self.epoch)

    @property
    def ledger(self) -> LedgerId:
        """What this receipt supersedes others of."""
        return LedgerId(self.scope, self.downloader, self.uploader)

    def supersedes(self, other: "Receipt") -> bool:
        """Tell whether this is the later of two receipts of one ledger."""
        return self.ledger == other.ledger and self.sequence > other.sequence


class Equivocation(NamedTuple):
    """Two receipts that one honest downloader cannot both have signed; anybody can check it."""

    first: Receipt
    second: Receipt

    def holds(self) -> bool:
        """Tell whether this proves equivocation: both signed, one ledger, in conflict."""
        return conflict(self.first, self.second) and self.first.verifies() and self.second.verifies()


def conflict(a: Receipt, b: Receipt) -> bool:
    """Tell whether two receipts contradict each other (signatures aside).

    Of one ledger: the same sequence with another body, or a higher sequence with a lower count.
    """
    if a.ledger != b.ledger:
        return False
    if a.sequence == b.sequence:
        return a.body() != b.body()
    older, newer = (a, b) if a.sequence < b.sequence else (b, a)
    return newer.blocks < older.blocks


class PieceAck(NamedTuple):
    """The blocks of one verified piece that one uploader delivered: a leaf under `Receipt.root`."""

    piece: PieceIndex
    mask: int  # bit k for block k of the piece; one number, for a fast download makes thousands a second

    @classmethod
    def of(cls, piece: int, blocks: Iterable[int]) -> Self:
        """Acknowledge these blocks of a piece."""
        return cls(PieceIndex(piece), sum(1 << block for block in set(blocks)))

    @property
    def blocks(self) -> frozenset[int]:
        """The block numbers within the piece."""
        return frozenset(k for k in range(self.mask.bit_length()) if self.mask >> k & 1)

    @property
    def num_blocks(self) -> int:
        """How many blocks these are."""
        return self.mask.bit_count()

    @property
    def size(self) -> int:
        """Bytes of `serialize`."""
        return _ACK.size + (self.mask.bit_length() + 7 >> 3)

    def serialize(self) -> bytes:
        """Return piece 4 | bitmap length 2 | bitmap; first block in the high bit, no zero byte last."""
        bitmap = _bitmap(self.mask)
        return _ACK.pack(self.piece, len(bitmap)) + bitmap

    @classmethod
    def parse_all(cls, data: bytes | memoryview) -> list[Self]:
        """Read acks that fill `data` exactly.

        Raises
        ------
        ReceiptError
            With `Reject.MALFORMED`, if anything is cut short, empty or not canonical.
        """
        acks, at, end = list[Self](), 0, len(data)
        while at < end:
            if end - at < _ACK.size:
                raise ReceiptError(f"ack: {end - at} bytes left, want {_ACK.size}", Reject.MALFORMED)
            piece, size = _ACK.unpack_from(data, at)
            at += _ACK.size
            bitmap = bytes(data[at : at + size])
            if len(bitmap) != size or not 1 <= size <= _MAX_ACK // 8 or not bitmap[-1]:
                raise ReceiptError(f"ack: bitmap of {len(bitmap)} bytes, want {size}", Reject.MALFORMED)
            acks.append(cls(piece, _mask(bitmap)))
            at += size
        return acks


@lru_cache(_CACHED)
def _bitmap(mask: int) -> bytes:
    size = (mask.bit_length() + 7) >> 3
    return mask.to_bytes(size, "little").translate(_REVERSED)


@lru_cache(_CACHED)
def _mask(bitmap: bytes) -> int:
    return int.from_bytes(bitmap.translate(_REVERSED), "little")


class AckedBlocks:
    """The set under one ledger's `root`: every piece at most once, so no block counts twice."""

    def __init__(self, acks: Iterable[PieceAck] = ()) -> None:
        self._tree = HistoryTree()
        self._position: dict[int, int] = {}
        self._acks: list[PieceAck] = []
        self.blocks = 0
        self.add_all(tuple(acks))

    def __contains__(self, piece: int) -> bool:
        return piece in self._position

    def add(self, ack: PieceAck) -> None:
        """Append one piece's blocks; errors as `add_all`."""
        self.add_all((ack,))

    def add_all(self, acks: Sequence[PieceAck], *, root: bytes | None = None) -> None:
        """Append pieces' blocks, all or none.

        Parameters
        ----------
        root : bytes, optional
            What the root must be afterwards.

        Raises
        ------
        ReceiptError
            With `Reject.COUNT`, if a piece would be acknowledged twice or no block is named;
            with `Reject.ROOT`, if the root would be another.
        """
        pieces = {ack.piece for ack in acks}
        if len(pieces) != len(acks) or not self._position.keys().isdisjoint(pieces):
            raise ReceiptError(f"{len(acks)} acks: a piece acknowledged twice", Reject.COUNT)
        if not all(ack.mask for ack in acks):
            raise ReceiptError(f"{len(acks)} acks: one names no block", Reject.COUNT)
        growth = self._tree.grow(ack.serialize() for ack in acks)
        if root is not None and root != growth.root:
            raise ReceiptError("receipt: the root is not that of the acknowledged blocks", Reject.ROOT)
        self._tree.adopt(growth)
        for position, ack in enumerate(acks, len(self._acks)):
            self._position[ack.piece] = position
            self.blocks += ack.num_blocks
        self._acks += acks

    def root(self) -> bytes:
        """Return the 32 bytes that a receipt carries."""
        return self._tree.root()

    def audit(self, piece: int) -> tuple[PieceAck, int, int, list[bytes]]:
        """Return what proves that `piece` was acknowledged: the ack, its position, the count, the path."""
        at = self._position[piece]
        return self._acks[at], at, len(self._acks), self._tree.path(at)


def binding_message(chain_id: int, pool: Account, account: Account) -> bytes:
    """Return the bytes that tie a node key to the account it is paid to, within one pool."""
    return _BIND_DOMAIN + chain_id.to_bytes(8, "big") + pool + account


def sign_binding(secret: NodeSecret, chain_id: int, pool: Account, account: Account) -> bytes:
    """Sign a binding for the `join` transaction; 64 bytes."""
    return secret.sign(binding_message(chain_id, pool, account))


def check_binding(key: NodeKey, signature: bytes, chain_id: int, pool: Account, account: Account) -> bool:
    """Tell whether `key` really wants to be paid to `account`; a false binding is ignored off-chain."""
    return verify(key, signature, binding_message(chain_id, pool, account))
