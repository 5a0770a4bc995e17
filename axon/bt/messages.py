"""Peer messages: the payload of one frame to and from a frozen dataclass.

A frame is a 4-byte big-endian length, a 1-byte id and a payload (BEP 3); ids
13-17 are the fast extension (BEP 6), 9 is the DHT port (BEP 5), 20 carries
extensions (BEP 10), 21-23 are the hash messages of v2 torrents (BEP 52).
`parse` and `serialize` speak of the payload alone; `parse_message` and `to_frame`
of the whole. Payloads of one form are in `message_forms.py`; finding frames in a
stream is `framing.py`'s job; judging whether one is welcome is `connection.py`'s.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self, TypeAlias, get_args

from axon.bt.message_forms import HASH_RANGE, BlockNamed, Empty, HashRange, Indexed, MessageId
from axon.errors import RemoteProtocolError

__all__ = [
    "BLOCK_SIZE",
    "KEEP_ALIVE",
    "MAX_HASHES",
    "MAX_REQUEST",
    "AllowedFast",
    "BitfieldMessage",
    "Cancel",
    "Choke",
    "Extended",
    "HashReject",
    "HashRequest",
    "Hashes",
    "Have",
    "HaveAll",
    "HaveNone",
    "Interested",
    "Message",
    "MessageId",
    "NotInterested",
    "Piece",
    "Port",
    "Reject",
    "Request",
    "Suggest",
    "Unchoke",
    "parse_message",
    "to_frame",
]

BLOCK_SIZE = 16 * 1024  # bytes; what everybody asks for (BEP 3)
MAX_REQUEST = 128 * 1024  # bytes; old clients ask for more than a block, past this we hang up
MAX_HASHES = 8192  # hashes in one `hashes` message (BEP 52 has clients ask for 512 at most)
KEEP_ALIVE = bytes(4)  # a frame of length 0

_PIECE = struct.Struct(">II")
_PORT = struct.Struct(">H")
_HEADER = struct.Struct(">IB")


class Choke(Empty):
    """No more blocks for you (BEP 3, id 0)."""

    __slots__ = ()
    id = MessageId.CHOKE


class Unchoke(Empty):
    """Ask away (BEP 3, id 1)."""

    __slots__ = ()
    id = MessageId.UNCHOKE


class Interested(Empty):
    """You have what I want (BEP 3, id 2)."""

    __slots__ = ()
    id = MessageId.INTERESTED


class NotInterested(Empty):
    """You have nothing that I want (BEP 3, id 3)."""

    __slots__ = ()
    id = MessageId.NOT_INTERESTED


class Have(Indexed):
    """I have verified this piece (BEP 3, id 4)."""

    __slots__ = ()
    id = MessageId.HAVE


@dataclass(frozen=True, slots=True)
class BitfieldMessage:
    """Which pieces I have, first piece in the highest bit (BEP 3, id 5); see `bitfield.Bitfield`."""

    id: ClassVar[MessageId] = MessageId.BITFIELD
    bits: bytes

    @classmethod
    def parse(cls, payload: memoryview) -> Self:
        return cls(bytes(payload))

    def serialize(self) -> bytes:
        return self.bits


class Request(BlockNamed):
    """Send me this block (BEP 3, id 6)."""

    __slots__ = ()
    id = MessageId.REQUEST


@dataclass(frozen=True, slots=True)
class Piece:
    """Here is a block (BEP 3, id 7)."""

    id: ClassVar[MessageId] = MessageId.PIECE
    index: int
    begin: int
    data: bytes

    @classmethod
    def parse(cls, payload: memoryview) -> Self:
        if len(payload) < 9:
            raise RemoteProtocolError(f"piece: {len(payload)} bytes, want 9 or more")
        index, begin = _PIECE.unpack_from(payload)
        return cls(index, begin, bytes(payload[8:]))

    def serialize(self) -> bytes:
        return _PIECE.pack(self.index, self.begin) + self.data


class Cancel(BlockNamed):
    """I no longer want this block (BEP 3, id 8)."""

    __slots__ = ()
    id = MessageId.CANCEL


@dataclass(frozen=True, slots=True)
class Port:
    """My DHT node listens on this UDP port (BEP 5, id 9)."""

    id: ClassVar[MessageId] = MessageId.PORT
    port: int

    @classmethod
    def parse(cls, payload: memoryview) -> Self:
        if len(payload) != 2:
            raise RemoteProtocolError(f"port: {len(payload)} bytes, want 2")
        return cls(*_PORT.unpack(payload))

    def serialize(self) -> bytes:
        return _PORT.pack(self.port)


class Suggest(Indexed):
    """This piece is cheap for me to send (BEP 6, id 13)."""

    __slots__ = ()
    id = MessageId.SUGGEST


class HaveAll(Empty):
    """I am a seed (BEP 6, id 14)."""

    __slots__ = ()
    id = MessageId.HAVE_ALL


class HaveNone(Empty):
    """I have no piece (BEP 6, id 15)."""

    __slots__ = ()
    id = MessageId.HAVE_NONE


class Reject(BlockNamed):
    """You will not get this block that you asked for (BEP 6, id 16)."""

    __slots__ = ()
    id = MessageId.REJECT


class AllowedFast(Indexed):
    """You may ask for blocks of this piece while choked (BEP 6, id 17)."""

    __slots__ = ()
    id = MessageId.ALLOWED_FAST


@dataclass(frozen=True, slots=True)
class Extended:
    """A message of an extension; id 0 is the extension handshake (BEP 10, id 20)."""

    id: ClassVar[MessageId] = MessageId.EXTENDED
    extension: int  # as numbered by the receiver of the message
    payload: bytes

    @classmethod
    def parse(cls, payload: memoryview) -> Self:
        if not len(payload):
            raise RemoteProtocolError("extended: 0 bytes, want 1 or more")
        return cls(payload[0], bytes(payload[1:]))

    def serialize(self) -> bytes:
        return bytes((self.extension,)) + self.payload


class HashRequest(HashRange):
    """Send me hashes of a file's tree (BEP 52, id 21)."""

    __slots__ = ()
    id = MessageId.HASH_REQUEST


@dataclass(frozen=True, slots=True)
class Hashes:
    """The hashes asked for, then their uncles bottom-up (BEP 52, id 22)."""

    id: ClassVar[MessageId] = MessageId.HASHES
    pieces_root: bytes
    base_layer: int
    index: int
    length: int
    proof_layers: int
    hashes: bytes  # 32 bytes each

    @classmethod
    def parse(cls, payload: memoryview) -> Self:
        size = len(payload) - 48
        if size < 0 or size % 32:
            raise RemoteProtocolError(f"hashes: {len(payload)} bytes, want 48 and a multiple of 32")
        root, layer, index, length, proof = HASH_RANGE.unpack_from(payload)
        return cls(root, layer, index, length, proof, bytes(payload[48:]))

    def serialize(self) -> bytes:
        return self.request.serialize() + self.hashes

    @property
    def request(self) -> HashRequest:
        """The request that this answers."""
        return HashRequest(self.pieces_root, self.base_layer, self.index, self.length, self.proof_layers)


class HashReject(HashRange):
    """You will not get these hashes (BEP 52, id 23)."""

    __slots__ = ()
    id = MessageId.HASH_REJECT

    @property
    def request(self) -> HashRequest:
        """The request that this refuses."""
        return HashRequest(*self.fields)


Message: TypeAlias = (
    Choke
    | Unchoke
    | Interested
    | NotInterested
    | Have
    | BitfieldMessage
    | Request
    | Piece
    | Cancel
    | Port
    | Suggest
    | HaveAll
    | HaveNone
    | Reject
    | AllowedFast
    | Extended
    | HashRequest
    | Hashes
    | HashReject
)

_TYPES: tuple[type[Message], ...] = get_args(Message)
_PARSERS: dict[int, Callable[[memoryview], Message]] = {kind.id: kind.parse for kind in _TYPES}


def parse_message(frame: memoryview) -> Message:
    """Read the body of a frame: one id byte and the payload, without the length prefix.

    Raises
    ------
    RemoteProtocolError
        If the id is unknown, or the payload has the wrong size for it.
    """
    if not len(frame):
        raise RemoteProtocolError("message: 0 bytes, want an id")
    parser = _PARSERS.get(frame[0])
    if parser is None:
        raise RemoteProtocolError(f"message: id {frame[0]} is none of BEP 3, 5, 6, 10 and 52")
    return parser(frame[1:])


def to_frame(message: Message) -> bytes:
    """Length prefix, id and payload."""
    payload = message.serialize()
    return _HEADER.pack(1 + len(payload), message.id) + payload
