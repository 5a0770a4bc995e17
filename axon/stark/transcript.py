"""The Fiat-Shamir transcript: a 32-byte state and keccak-256. Twin of the contract's.

    start              state = keccak("axon-stark/1")
    absorb(tag, data)  state = keccak(state ‖ tag ‖ data)           tag: one byte
    squeeze(tag)       state = keccak(state ‖ tag), and the state is the answer

Every step's tag is its own (`Tag`), and what is absorbed has a length fixed by the
options or is preceded by it, so that no two runs share a state by accident.

An extension element is read from one answer d, as an integer of 256 bits: its three
coordinates are (d >> 170) mod 2^85, (d >> 85) mod 2^85 and d mod 2^85, each modulo P. No
coordinate is likelier than (1 + 2^-21)/P, so a bad challenge is at most 2^-19 bits likelier
than by a uniform choice. Positions are 32-bit pieces of an answer, masked: no bias.
"""

from enum import IntEnum

from axon.stark.field import P
from axon.stark.keccak import keccak256

__all__ = ["Tag", "Transcript"]

_START = b"axon-stark/1"
_MASK = (1 << 85) - 1


class Tag(IntEnum):
    """What a step is for: absorbed data below 0x80, challenges above."""

    STATEMENT = 0x01  # options, AIR id, shape
    PUBLIC = 0x02
    MAIN = 0x03  # roots
    AUXILIARY = 0x04
    QUOTIENT = 0x05
    FRAME = 0x06  # out-of-domain values
    LAYER = 0x07  # a FRI root
    FINAL = 0x08  # the final polynomial
    NONCE = 0x09
    CHALLENGE = 0x81  # between main and auxiliary segments
    CONSTRAINTS = 0x82  # beta
    POINT = 0x83  # z
    BATCH = 0x84  # alpha
    FOLD = 0x85
    GRIND = 0x86
    POSITIONS = 0x87


class Transcript:
    """See the module."""

    def __init__(self) -> None:
        self.state = keccak256(_START)

    def absorb(self, tag: Tag, data: bytes) -> None:
        self.state = keccak256(self.state + bytes((tag,)) + data)

    def squeeze(self, tag: Tag) -> bytes:
        """32 bytes."""
        self.state = keccak256(self.state + bytes((tag,)))
        return self.state

    def element(self, tag: Tag) -> tuple[int, int, int]:
        """An element of the cubic extension."""
        d = int.from_bytes(self.squeeze(tag), "big")
        return (d >> 170 & _MASK) % P, (d >> 85 & _MASK) % P, (d & _MASK) % P

    def positions(self, count: int, log_size: int) -> list[int]:
        """`count` positions below 2^log_size, independent and uniform, log_size <= 32.

        Answers are read eight positions each, from the most significant 32 bits down.
        """
        if not 0 <= log_size <= 32:
            raise ValueError(f"positions below 2^{log_size}, want at most 2^32")
        drawn: list[int] = []
        mask = (1 << log_size) - 1
        while len(drawn) < count:
            answer = self.squeeze(Tag.POSITIONS)
            drawn += [int.from_bytes(answer[k : k + 4], "big") & mask for k in range(0, 32, 4)]
        return drawn[:count]
