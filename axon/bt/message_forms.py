"""What peer messages have in common: their ids, and the four forms that most payloads take.

Nothing, a piece, a block of a piece (BEP 3, 6) or a range of hashes (BEP 52). A message
of `messages.py` is one of these under an id and a name, or has a form of its own.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Self

from axon.errors import RemoteProtocolError

__all__ = ["HASH_RANGE", "BlockNamed", "Empty", "HashRange", "Indexed", "MessageId"]

HASH_RANGE = struct.Struct(">32sIIII")
_INDEX = struct.Struct(">I")
_BLOCK = struct.Struct(">III")


class MessageId(IntEnum):
    """The byte behind the length prefix."""

    CHOKE = 0
    UNCHOKE = 1
    INTERESTED = 2
    NOT_INTERESTED = 3
    HAVE = 4
    BITFIELD = 5
    REQUEST = 6
    PIECE = 7
    CANCEL = 8
    PORT = 9
    SUGGEST = 13
    HAVE_ALL = 14
    HAVE_NONE = 15
    REJECT = 16
    ALLOWED_FAST = 17
    EXTENDED = 20
    HASH_REQUEST = 21
    HASHES = 22
    HASH_REJECT = 23

    @property
    def words(self) -> str:
        """Its name, for messages to people."""
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True, slots=True)
class Empty:
    """A message without payload."""

    id: ClassVar[MessageId]

    @classmethod
    def parse(cls, payload: memoryview) -> Self:
        if len(payload):
            raise RemoteProtocolError(f"{cls.id.words}: {len(payload)} bytes, want 0")
        return cls()

    def serialize(self) -> bytes:
        return b""


@dataclass(frozen=True, slots=True)
class Indexed:
    """A message that names one piece."""

    id: ClassVar[MessageId]
    index: int

    @classmethod
    def parse(cls, payload: memoryview) -> Self:
        if len(payload) != 4:
            raise RemoteProtocolError(f"{cls.id.words}: {len(payload)} bytes, want 4")
        return cls(*_INDEX.unpack(payload))

    def serialize(self) -> bytes:
        return _INDEX.pack(self.index)


@dataclass(frozen=True, slots=True)
class BlockNamed:
    """A message that names one block of a piece."""

    id: ClassVar[MessageId]
    index: int  # piece
    begin: int  # byte offset in the piece
    length: int  # bytes

    @classmethod
    def parse(cls, payload: memoryview) -> Self:
        if len(payload) != 12:
            raise RemoteProtocolError(f"{cls.id.words}: {len(payload)} bytes, want 12")
        return cls(*_BLOCK.unpack(payload))

    def serialize(self) -> bytes:
        return _BLOCK.pack(self.index, self.begin, self.length)


@dataclass(frozen=True, slots=True)
class HashRange:
    """A message that names a run of hashes in one layer of a file's tree (BEP 52)."""

    id: ClassVar[MessageId]
    pieces_root: bytes  # 32 bytes: which file
    base_layer: int  # 0 is the layer of 16 KiB leaves
    index: int  # of the first hash, counted in that layer; a multiple of `length`
    length: int  # hashes asked for; a power of two >= 2
    proof_layers: int  # layers of ancestors wanted above

    @classmethod
    def parse(cls, payload: memoryview) -> Self:
        if len(payload) != 48:
            raise RemoteProtocolError(f"{cls.id.words}: {len(payload)} bytes, want 48")
        return cls(*HASH_RANGE.unpack(payload))

    def serialize(self) -> bytes:
        return HASH_RANGE.pack(*self.fields)

    @property
    def fields(self) -> tuple[bytes, int, int, int, int]:
        """All of it, in the order of the wire."""
        return self.pieces_root, self.base_layer, self.index, self.length, self.proof_layers
