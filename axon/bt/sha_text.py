"""What the LLVM code of hash functions has in common (FIPS 180-4): numbers, lines, the loop over blocks.

`sha_ir.py` and `sha_ni_ir.py` write what is within the loop; `sha_print.py` compiles it.
"""

from collections.abc import Callable, Sequence
from typing import Final

__all__ = ["SHA1_ROUNDS", "WORDS", "Writer", "function", "sha256_rounds", "start"]

WORDS: Final = {"sha1": 5, "sha256": 8}  # 32-bit words of a digest
SHA1_ROUNDS: Final = (0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6)  # 20 rounds each
_SHA1_START: Final = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)


def start(name: str) -> Sequence[int]:
    """Return the words that a hash begins with (FIPS 180-4, 5.3)."""
    return _SHA1_START if name == "sha1" else _root_bits(2, 8)


def sha256_rounds() -> list[int]:
    """Return the constants of SHA-256's rounds (4.2.2)."""
    return _root_bits(3, 64)


def _root_bits(degree: int, count: int) -> list[int]:
    """The first 32 bits behind the point of the roots of the first primes."""
    primes = [n for n in range(2, 400) if all(n % d for d in range(2, n))][:count]
    bits = []
    for prime in primes:
        low, high = 0, 1 << 40  # the largest x with x^degree <= prime * 2^(32 * degree)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if middle**degree <= prime << 32 * degree else (low, middle)
        bits.append(low & 0xFFFFFFFF)
    return bits


class Writer:
    """Lines of LLVM code; every method takes and gives the names of values, vectors of `width` words."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.vector = f"<{width} x i32>"
        self.lines: list[str] = []
        self._count = 0

    def let(self, expression: str) -> str:
        """Name a value."""
        self._count += 1
        self.lines.append(f"  %v{self._count} = {expression}")
        return f"%v{self._count}"

    def do(self, first: str, second: str, operation: str) -> str:
        """Combine two."""
        return self.let(f"{operation} {self.vector} {first}, {second}")

    def add(self, *values: str) -> str:
        """Sum, from the left."""
        first, *others = values
        for other in others:
            first = self.do(first, other, "add")
        return first

    def call(self, function: str, *values: str, then: str = "") -> str:
        """Call a function of vectors; `then` ends the arguments."""
        arguments = ", ".join(f"{self.vector} {value}" for value in values)
        return self.let(f"call {self.vector} @llvm.{function}({arguments}{then})")

    def swap_bytes(self, value: str) -> str:
        """Turn each word's bytes round."""
        return self.call(f"bswap.v{self.width}i32", value)

    def pick(self, first: str, second: str, order: Sequence[int]) -> str:
        """Words below `width` are the first's, the others the second's."""
        mask = ", ".join(f"i32 {number}" for number in order)
        vector = self.vector
        return self.let(f"shufflevector {vector} {first}, {vector} {second}, <{len(order)} x i32> <{mask}>")

    def at(self, pointer: str, offset: int | str, of: str) -> str:
        """Point to another place."""
        return self.let(f"getelementptr {of}, ptr {pointer}, i64 {offset}")

    def load(self, place: str) -> str:
        """Read a vector from anywhere."""
        return self.let(f"load {self.vector}, ptr {place}, align 1")

    def constant(self, *words: int) -> str:
        """Write a vector out; one word stands for equal ones."""
        signed = [word - (1 << 32) if word >> 31 else word for word in words]
        return "<" + ", ".join(f"i32 {word}" for word in signed * (self.width // len(signed))) + ">"


def function(
    w: Writer,
    name: str,
    lanes: int,
    first: Sequence[str],
    block: Callable[[Sequence[str], Sequence[str]], Sequence[str]],
    end: Callable[[Sequence[str]], None],
) -> str:
    """Return a module with one function.

    ``void name(ptr messages[lanes], i64 blocks, ptr padding, ptr digests)`` hashes messages of
    `blocks` >= 1 blocks of 64 bytes each. `padding` is the one block that ends them all; `digests`
    takes as many digests, each behind the other.

    Parameters
    ----------
    first : sequence of str
        The vectors of the state before the first block.
    block : callable
        Write what a block does: where each message's lies and the state before it, to the state after it.
    end : callable
        Write the state into `%digests`.
    """
    pointers = [w.let(f"load ptr, ptr {w.at('%messages', lane, 'ptr')}") for lane in range(lanes)]
    entry, w.lines = w.lines, []
    blocks = [w.at(pointer, "%offset", "i8") for pointer in pointers]
    places = [w.let(f"select i1 %last, ptr %padding, ptr {place}") for place in blocks]
    before = [f"%s{k}" for k in range(len(first))]
    after = block(places, before)
    loop, w.lines = w.lines, []
    end(after)
    states = [
        f"  {old} = phi {w.vector} [ {value}, %entry ], [ {new}, %loop ]"
        for old, value, new in zip(before, first, after)
    ]
    return "\n".join(
        (
            f"define void @{name}(ptr %messages, i64 %blocks, ptr %padding, ptr %digests) {{",
            "entry:",
            *entry,
            "  br label %loop",
            "loop:",
            "  %block = phi i64 [ 0, %entry ], [ %next, %loop ]",
            *states,
            "  %offset = shl i64 %block, 6",
            "  %last = icmp eq i64 %block, %blocks",
            *loop,
            "  %next = add i64 %block, 1",
            "  br i1 %last, label %end, label %loop",
            "end:",
            *w.lines,
            "  ret void",
            "}",
        )
    )
