"""A proof is a string of bytes, and there is one string for each proof.

No lengths, counts or indices are in it: all follow from the AIR, the options and the
transcript, so the verifier (and the contract) reads it front to back with `Reader`, knowing at
each point what comes. docs/proof-system.md lists the sections. Integers are
big-endian; field elements are 8 bytes and below P, extension elements three of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from axon.errors import ProofRejected
from axon.stark.extension import Ext
from axon.stark.field import P, Vector

__all__ = ["HEADER", "Proof", "Reader", "element_bytes", "extension_bytes"]

HEADER = b"axstark\x02"  # name and version of the format, 8 bytes
MAX_BYTES = 1 << 24


@dataclass(frozen=True)
class Proof:
    """The bytes; `to_bytes` and `from_bytes` are exact inverses."""

    data: bytes

    def to_bytes(self) -> bytes:
        return self.data

    @classmethod
    def from_bytes(cls, data: bytes) -> Proof:
        """ProofRejected ("header", "length") for bytes that cannot be a proof; the rest is `verify`'s."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise ProofRejected("header", f"{type(data).__name__}, want bytes")
        if len(data) > MAX_BYTES:
            raise ProofRejected("length", f"{len(data)} bytes, at most {MAX_BYTES}")
        if bytes(data[: len(HEADER)]) != HEADER:
            raise ProofRejected("header", f"begins with {bytes(data[:8]).hex()}, want {HEADER.hex()}")
        return cls(bytes(data))

    def __len__(self) -> int:
        return len(self.data)


class Reader:
    """Takes a proof apart from front to back.

    `sections` afterwards holds (name, offset, length, kind) of all that was read, kind
    being "bytes", "elements" (canonical 8-byte words) or "salted" rows.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.sections: list[tuple[str, int, int, str]] = []

    def take(self, length: int, name: str, kind: str = "bytes") -> bytes:
        """The next `length` bytes. ProofRejected("length") if there are fewer."""
        piece = self.data[self.at : self.at + length]
        if len(piece) != length:
            raise ProofRejected("length", f"{name}: {len(piece)} bytes left of {length}")
        self.sections.append((name, self.at, length, kind))
        self.at += length
        return piece

    def elements(self, count: int, name: str) -> list[int]:
        """Field elements. ProofRejected("canonical") for one not below P."""
        words = np.frombuffer(self.take(8 * count, name, "elements"), ">u8")
        _check_canonical(words, name)
        return [int(w) for w in words]

    def extensions(self, count: int, name: str) -> list[Ext]:
        """Extension elements."""
        flat = self.elements(3 * count, name)
        return [(flat[k], flat[k + 1], flat[k + 2]) for k in range(0, 3 * count, 3)]

    def rows(self, count: int, width: int, salt: int, name: str) -> Vector:
        """(count, width + salt) words: rows of `width` elements, each with its salt behind."""
        piece = self.take(8 * count * (width + salt), name, "salted" if salt else "elements")
        words = np.frombuffer(piece, ">u8").astype(np.uint64).reshape(count, width + salt)
        _check_canonical(words[:, :width], name)
        return words

    def digests(self, count: int, size: int, name: str) -> list[bytes]:
        """Merkle digests of `size` bytes."""
        piece = self.take(count * size, name)
        return [piece[k : k + size] for k in range(0, count * size, size)]

    def end(self) -> None:
        """ProofRejected("trailing") if bytes are left."""
        if self.at != len(self.data):
            raise ProofRejected("trailing", f"{len(self.data) - self.at} bytes too many")


def _check_canonical(words: Vector, name: str) -> None:
    if words.size and int(words.max()) >= P:
        raise ProofRejected("canonical", f"{name}: an element is not below P")


def element_bytes(values: Sequence[int] | Vector) -> bytes:
    """Field elements, 8 bytes each."""
    return np.asarray(values, np.uint64).astype(">u8").tobytes()


def extension_bytes(values: Sequence[Ext]) -> bytes:
    """Extension elements, 24 bytes each."""
    return element_bytes(np.array(values, np.uint64).reshape(-1))
