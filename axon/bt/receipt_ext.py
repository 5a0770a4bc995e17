"""The `axon` extension: receipts between two peers, over BEP 10. Pure.

Both sides prove their node keys, then the downloader sends receipts and the
uploader answers with credit. One channel serves one connection, both ways.
Bytes of a message, after BEP 10's header: 1 byte of type, then (big-endian)::

    0 hello    version 1 | chain id 8 | pool 20 | epoch 4 | node key 32 | nonce 32
    1 auth     signature 64, see `_transcript`
    2 credit   blocks unacknowledged at most 4 | blocks acknowledged 8 | resend 1
    3 receipt  236 bytes | the `PieceAck`s that it adds
    4 reject   code 1 | sequence 4
    5 audit    asked: piece 4
               answered: sequence 4 | position 4 | count 4 | depth 1 | path 32 each | `PieceAck`

Peers who disagree about chain, pool or epoch stay ordinary peers; nobody is
ever asked to speak the extension. What is counted is `tally.py`'s.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum

from axon.bt.receipt_events import (
    Audit,
    AuditArrived,
    AuditAsked,
    CreditArrived,
    Event,
    Opened,
    Plain,
    ReceiptArrived,
    Rejected,
)
from axon.bt.tally import MAX_ACK_BYTES, SentBlocks
from axon.errors import LocalProtocolError, ReceiptError, RemoteProtocolError
from axon.ids import Account, Epoch, NodeKey
from axon.keys import SIGNATURE_SIZE, NodeSecret, verify
from axon.receipts import RECEIPT_SIZE, LedgerId, PieceAck, Receipt, Reject, Scope

__all__ = [
    "EXTENSION",
    "Audit",
    "AuditArrived",
    "AuditAsked",
    "CreditArrived",
    "Event",
    "Kind",
    "Opened",
    "Plain",
    "ReceiptArrived",
    "ReceiptChannel",
    "Rejected",
    "State",
]

EXTENSION = "axon"  # its name in the extension handshake (BEP 10)
VERSION = 1
_NONCE = 32  # bytes
_HELLO = struct.Struct(">BQ20sI32s32s")
_CREDIT = struct.Struct(">IQB")
_REJECT = struct.Struct(">BI")
_PIECE = struct.Struct(">I")
_DOMAIN = b"axon/1/auth"
_MAX_HELLOS = 64  # a connection; epochs are hours long
_MAX_BAD = 8  # receipts refused before we hang up
_MAX_QUEUED = 64  # receipts that wait to be judged
_MAX_QUEUED_BLOCKS = 1 << 17  # that those name, 2 GiB; a bit of the wire becomes 70 bytes of memory
_MAX_AUDITS = 64  # asked on one connection


class Kind(IntEnum):
    """The type byte."""

    HELLO = 0
    AUTH = 1
    CREDIT = 2
    RECEIPT = 3
    REJECT = 4
    AUDIT = 5


class State(Enum):
    """How far the two have come."""

    GREETING = "greeting"  # their hello has not come
    PROVING = "proving"  # the scopes agree; their signature has not come
    OPEN = "open"  # receipts may flow
    PLAIN = "plain"  # no receipts between these two, for now


# Any pair not listed is a RemoteProtocolError. A hello whose scope is not ours leads to PLAIN.
# In PLAIN the rest is heard: it was under way when the epoch changed on one side. Late receipts
# of the old epoch still count, so they may also come while the keys are proved anew.
_NEXT = {(state, Kind.HELLO): State.PROVING for state in State}
_NEXT |= {(State.PROVING, Kind.AUTH): State.OPEN}
_NEXT |= {(State.PROVING, kind): State.PROVING for kind in (Kind.RECEIPT, Kind.REJECT)}
_NEXT |= {(State.OPEN, kind): State.OPEN for kind in Kind if kind > Kind.AUTH}
_NEXT |= {(State.PLAIN, kind): State.PLAIN for kind in Kind if kind > Kind.HELLO}


@dataclass(frozen=True, slots=True)
class _Hello:
    chain_id: int
    pool: Account
    epoch: Epoch
    key: NodeKey
    nonce: bytes

    def serialize(self) -> bytes:
        return bytes([Kind.HELLO]) + _HELLO.pack(
            VERSION, self.chain_id, self.pool, self.epoch, self.key, self.nonce
        )


class ReceiptChannel:
    """The extension's state on one connection.

    Parameters
    ----------
    secret : NodeSecret
        Ours.
    scope : Scope
        What we make receipts about; its info-hash is the connection's.
    nonce : bytes
        32 fresh random bytes.
    """

    def __init__(self, secret: NodeSecret, scope: Scope, nonce: bytes) -> None:
        self._secret = secret
        self.scope = scope
        self.state = State.GREETING
        self.peer: NodeKey | None = None  # proved
        self.limit = 0  # the uploader's credit for us, as last told; 0 before
        self.queued = 0  # receipts that were handed out and not answered: the owner counts down
        self.sent = SentBlocks()  # to this peer, before its key was known
        self._theirs: _Hello | None = None
        self._hellos = self._bad = self._audits = self._queued_blocks = 0
        self._out: list[bytes] = []
        self._greet(nonce)

    @property
    def given_ledger(self) -> LedgerId:
        """What we acknowledge to this peer; only once it has proved its key."""
        return LedgerId(self.scope, self._secret.public, self._known_peer())

    @property
    def taken_ledger(self) -> LedgerId:
        """What this peer acknowledges to us; only once it has proved its key."""
        return LedgerId(self.scope, self._known_peer(), self._secret.public)

    def to_send(self) -> list[bytes]:
        """Drain the payloads to send, each as one extended message."""
        out, self._out = self._out, []
        return out

    def receive(self, payload: bytes) -> list[Event]:
        """Take one payload of the peer's.

        Raises
        ------
        RemoteProtocolError
            If it is malformed, not allowed now, wrongly signed, or one too many.
        """
        if not payload:
            raise RemoteProtocolError("axon: empty message")
        try:
            kind = Kind(payload[0])
        except ValueError:
            if self._theirs is not None:
                return []  # of a later version
            raise RemoteProtocolError(f"axon: first message has type {payload[0]}") from None
        before = self.state
        after = _NEXT.get((before, kind))
        if after is None:
            raise RemoteProtocolError(f"axon: {kind.name} while {before.value}")
        self.state = after
        body = payload[1:]
        match kind:
            case Kind.HELLO:
                return self._on_hello(body)
            case Kind.AUTH:
                return self._on_auth(body) if before is State.PROVING else []
            case Kind.RECEIPT:
                return self._on_receipt(body)
        if before is not State.OPEN:
            return []
        match kind:
            case Kind.CREDIT:
                self.limit, held, resend = _unpack(_CREDIT, body, "credit")
                return [CreditArrived(self.limit, held, bool(resend))]
            case Kind.REJECT:
                return [Rejected(*_unpack(_REJECT, body, "reject"))]
        return self._on_audit(body)

    def rescope(self, scope: Scope, nonce: bytes) -> None:
        """A new epoch: say hello again. Send the last receipts of the old one first."""
        if scope.info_hash != self.scope.info_hash:
            raise LocalProtocolError("a channel's torrent cannot change")
        self.scope = scope
        self._greet(nonce)
        if self._theirs is not None:
            self._compare()

    def receipt(self, receipt: Receipt, acks: Iterable[PieceAck]) -> None:
        """Send a receipt that is signed and on disk."""
        self._say(Kind.RECEIPT, receipt.serialize() + b"".join(ack.serialize() for ack in acks))

    def credit(self, limit: int, held: int, *, resend: bool = False) -> None:
        """Tell the downloader how far it may go; with `resend`, that receipts after `held` are missing."""
        self._say(Kind.CREDIT, _CREDIT.pack(min(limit, 0xFFFFFFFF), held, resend))

    def reject(self, code: int, sequence: int) -> None:
        """Refuse a receipt.

        Raises
        ------
        RemoteProtocolError
            If it is one too many from this peer (HOSTILE 21: a flood of bad signatures).
        """
        self._say(Kind.REJECT, _REJECT.pack(code, sequence))
        self._bad += 1
        if self._bad > _MAX_BAD:
            raise RemoteProtocolError(f"axon: {self._bad} bad receipts, the last with code {code}")

    def ask_audit(self, piece: int) -> None:
        """Ask for proof that a piece is under the peer's last receipt."""
        self._say(Kind.AUDIT, _PIECE.pack(piece))

    def answer_audit(self, audit: Audit) -> None:
        """Prove it."""
        self._say(Kind.AUDIT, audit.serialize())

    def _say(self, kind: Kind, body: bytes) -> None:
        late = self.peer is not None and kind in (Kind.RECEIPT, Kind.REJECT)
        if self.state is State.OPEN or kind is Kind.AUTH or late:
            self._out.append(bytes([kind]) + body)

    def _greet(self, nonce: bytes) -> None:
        if len(nonce) != _NONCE:
            raise LocalProtocolError(f"nonce of {len(nonce)} bytes, want {_NONCE}")
        chain_id, pool, _, epoch = self.scope
        self._ours = _Hello(chain_id, pool, epoch, self._secret.public, nonce)
        self._out.append(self._ours.serialize())

    def _known_peer(self) -> NodeKey:
        if self.peer is None:
            raise LocalProtocolError("the peer's key is not known yet")
        return self.peer

    def _on_hello(self, body: bytes) -> list[Event]:
        self._hellos += 1
        if self._hellos > _MAX_HELLOS:
            raise RemoteProtocolError(f"axon: {self._hellos} hellos")
        if len(body) < _HELLO.size or not body[0] or (body[0] == VERSION and len(body) != _HELLO.size):
            raise RemoteProtocolError(f"axon: hello of {len(body)} bytes, want {_HELLO.size}")
        _, chain, pool, epoch, key, nonce = _HELLO.unpack_from(body)  # later versions may say more
        theirs = _Hello(chain, Account(pool), Epoch(epoch), NodeKey(key), nonce)
        if self._theirs is not None and theirs.key != self._theirs.key:
            raise RemoteProtocolError("axon: another key on the same connection")
        self._theirs = theirs
        return self._compare()

    def _compare(self) -> list[Event]:
        ours, theirs = self._ours, self._theirs
        assert theirs is not None
        self.state = State.PLAIN
        if theirs.key == ours.key:
            return [Plain("the peer has our own key: nobody pays himself")]
        if (theirs.chain_id, theirs.pool) != (ours.chain_id, ours.pool):
            return [Plain("another pool")]
        if theirs.epoch != ours.epoch:
            return [Plain(f"epoch {theirs.epoch}, ours is {ours.epoch}")]
        self.state = State.PROVING
        self._say(Kind.AUTH, self._secret.sign(self._transcript(ours, theirs)))
        return []

    def _transcript(self, signer: _Hello, other: _Hello) -> bytes:
        """What `auth` signs: the torrent and both hellos, the signer's first."""
        return _DOMAIN + self.scope.info_hash + signer.serialize() + other.serialize()

    def _on_auth(self, body: bytes) -> list[Event]:
        assert self._theirs is not None
        if len(body) != SIGNATURE_SIZE or not verify(
            self._theirs.key, body, self._transcript(self._theirs, self._ours)
        ):
            raise RemoteProtocolError("axon: auth does not prove the key")
        self.peer = self._theirs.key
        return [Opened(self.peer)]

    def _on_receipt(self, body: bytes) -> list[Event]:
        if self.peer is None:
            return []
        named = int.from_bytes(body[RECEIPT_SIZE:], "big").bit_count()
        self._queued_blocks = named + (self._queued_blocks if self.queued else 0)
        if self._queued_blocks > _MAX_QUEUED_BLOCKS:
            raise RemoteProtocolError(f"axon: receipts for {self._queued_blocks} blocks wait")
        if self.queued >= _MAX_QUEUED or len(body) > RECEIPT_SIZE + 2 * MAX_ACK_BYTES:
            raise RemoteProtocolError(f"axon: {self.queued} receipts wait, one of {len(body)} bytes more")
        try:
            receipt = Receipt.parse(body[:RECEIPT_SIZE])
            acks = PieceAck.parse_all(body[RECEIPT_SIZE:])
        except ReceiptError:
            self.reject(Reject.MALFORMED, 0)
            return []
        self.queued += 1
        return [ReceiptArrived(receipt, tuple(acks))]

    def _on_audit(self, body: bytes) -> list[Event]:
        if len(body) != _PIECE.size:
            return [AuditArrived(Audit.parse(body))]
        self._audits += 1
        if self._audits > _MAX_AUDITS:
            raise RemoteProtocolError(f"axon: {self._audits} audits")
        return [AuditAsked(*_PIECE.unpack(body))]


def _unpack(form: struct.Struct, body: bytes, what: str) -> Sequence[int]:
    if len(body) != form.size:
        raise RemoteProtocolError(f"axon: {what} of {len(body)} bytes, want {form.size}")
    return form.unpack(body)
