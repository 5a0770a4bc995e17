"""SHA-1 and SHA-256 (FIPS 180-4) of sixteen messages at once, as LLVM code.

A hash's rounds hang on one another, so a core mostly waits for its own last
result. Sixteen messages of one length have sixteen independent chains: word k
of all of them makes one vector, and each step is done for all. The code is plain
vector arithmetic that runs wherever LLVM does; it pays where one register
holds all sixteen words (AVX-512). `sha_lanes.py` compiles and calls it.
"""

from collections.abc import Sequence
from typing import Final

__all__ = ["LANES", "WORDS", "kernel_source"]

LANES: Final = 16
WORDS: Final = {"sha1": 5, "sha256": 8}  # 32-bit words of a digest

_VECTOR: Final = "<16 x i32>"
_SHA1_START: Final = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)
_SHA1_ROUNDS: Final = (0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6)  # 20 rounds each


def _root_bits(degree: int, count: int) -> list[int]:
    """The first 32 bits behind the point of the roots of the first primes (FIPS 180-4, 4.2.2 and 5.3.3)."""
    primes = [n for n in range(2, 400) if all(n % d for d in range(2, n))][:count]
    bits = []
    for prime in primes:
        low, high = 0, 1 << 40  # the largest x with x^degree <= prime * 2^(32 * degree)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if middle**degree <= prime << 32 * degree else (low, middle)
        bits.append(low & 0xFFFFFFFF)
    return bits


class _Writer:
    """Lines of LLVM code; every method takes and gives the names of values."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._count = 0

    def let(self, expression: str) -> str:
        self._count += 1
        self.lines.append(f"  %v{self._count} = {expression}")
        return f"%v{self._count}"

    def do(self, first: str, second: str, operation: str) -> str:
        return self.let(f"{operation} {_VECTOR} {first}, {second}")

    def xor(self, *values: str) -> str:
        first, *others = values
        for other in others:
            first = self.do(first, other, "xor")
        return first

    def add(self, *values: str) -> str:
        first, *others = values
        for other in others:
            first = self.do(first, other, "add")
        return first

    def both(self, first: str, second: str) -> str:
        return self.do(first, second, "and")

    def rotate(self, value: str, left: int) -> str:
        arguments = f"{_VECTOR} {value}, {_VECTOR} {value}, {_VECTOR} {_splat(left)}"
        return self.let(f"call {_VECTOR} @llvm.fshl.v16i32({arguments})")

    def swap_bytes(self, value: str) -> str:
        return self.let(f"call {_VECTOR} @llvm.bswap.v16i32({_VECTOR} {value})")

    def pick(self, first: str, second: str, order: Sequence[int]) -> str:
        """Elements 0-15 are the first's, 16-31 the second's."""
        mask = ", ".join(f"i32 {number}" for number in order)
        return self.let(f"shufflevector {_VECTOR} {first}, {_VECTOR} {second}, {_VECTOR} <{mask}>")

    def at(self, pointer: str, offset: int | str, of: str) -> str:
        return self.let(f"getelementptr {of}, ptr {pointer}, i64 {offset}")


def kernel_source(name: str) -> str:
    """Return the module with one function, named like the hash: "sha1" or "sha256".

    ``void name(ptr messages[16], i64 blocks, ptr padding, ptr digests)`` hashes 16 messages of
    `blocks` >= 1 blocks of 64 bytes each. `padding` is the one block that ends them all; `digests`
    takes 16 digests, each behind the other.
    """
    w = _Writer()
    pointers = [w.let(f"load ptr, ptr {w.at('%messages', lane, 'ptr')}") for lane in range(LANES)]
    start = _SHA1_START if name == "sha1" else _root_bits(2, 8)
    entry, w.lines = w.lines, []

    blocks = [w.at(pointer, "%offset", "i8") for pointer in pointers]
    places = [w.let(f"select i1 %last, ptr %padding, ptr {block}") for block in blocks]
    rows = [w.swap_bytes(w.let(f"load {_VECTOR}, ptr {place}, align 1")) for place in places]
    before = [f"%s{k}" for k in range(WORDS[name])]
    after = (_sha1 if name == "sha1" else _sha256)(w, _transposed(w, rows), before)
    sums = [w.add(old, new) for old, new in zip(before, after)]
    loop, w.lines = w.lines, []

    words = [w.swap_bytes(value) for value in sums]
    for lane in range(LANES):
        for k, value in enumerate(words):
            element = w.let(f"extractelement {_VECTOR} {value}, i64 {lane}")
            place = w.at("%digests", WORDS[name] * lane + k, "i32")
            w.lines.append(f"  store i32 {element}, ptr {place}, align 1")
    states = [
        f"  {old} = phi {_VECTOR} [ {_splat(first)}, %entry ], [ {new}, %loop ]"
        for old, first, new in zip(before, start, sums)
    ]
    return "\n".join(
        (
            f"declare {_VECTOR} @llvm.fshl.v16i32({_VECTOR}, {_VECTOR}, {_VECTOR})",
            f"declare {_VECTOR} @llvm.bswap.v16i32({_VECTOR})",
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


def _splat(word: int) -> str:
    signed = word - (1 << 32) if word >> 31 else word
    return "<" + ", ".join([f"i32 {signed}"] * LANES) + ">"


def _transposed(w: _Writer, rows: Sequence[str]) -> list[str]:
    """Rows of sixteen words into columns: words, then pairs, then quarters of a register change places."""
    for unit in (1, 2):
        order = [
            source + 4 * quarter + k
            for quarter in range(4)
            for at in range(0, 2, unit)
            for source in (0, LANES)
            for k in range(at, at + unit)
        ]
        low, high = order, [k + 2 for k in order]
        mixed = [""] * LANES
        for group in range(0, LANES, 2 * unit):
            for k in range(unit):
                pair = rows[group + k], rows[group + unit + k]
                mixed[group + 2 * k], mixed[group + 2 * k + 1] = w.pick(*pair, low), w.pick(*pair, high)
        rows = mixed
    # Now quarter q of rows[4 * g + k] is column 4 * q + k of the rows of group g.
    even = [*range(4), *range(8, 12), *range(16, 20), *range(24, 28)]
    odd = [k + 4 for k in even]
    columns = [""] * LANES
    for k in range(4):
        for half in (0, 1):  # quarters 0 and 2, or 1 and 3
            parts = odd if half else even
            upper, lower = w.pick(rows[k], rows[4 + k], parts), w.pick(rows[8 + k], rows[12 + k], parts)
            columns[4 * half + k] = w.pick(upper, lower, even)
            columns[4 * half + 8 + k] = w.pick(upper, lower, odd)
    return columns


def _sha1(w: _Writer, words: list[str], state: Sequence[str]) -> list[str]:
    """The 80 rounds of FIPS 180-4, 6.1.2; `words` is the last sixteen of the schedule, in a ring."""
    a, b, c, d, e = state
    for number in range(80):
        at = number % 16
        if number >= 16:
            mixed = w.xor(words[at - 3], words[at - 8], words[at - 14], words[at])
            words[at] = w.rotate(mixed, 1)
        if number < 20:
            chosen = w.xor(d, w.both(b, w.xor(c, d)))
        elif 40 <= number < 60:
            chosen = w.xor(w.both(b, c), w.both(d, w.xor(b, c)))
        else:
            chosen = w.xor(b, c, d)
        word = w.add(words[at], _splat(_SHA1_ROUNDS[number // 20]))
        new = w.add(w.rotate(a, 5), w.add(chosen, w.add(e, word)))
        a, b, c, d, e = new, a, w.rotate(b, 30), c, d
    return [a, b, c, d, e]


def _sha256(w: _Writer, words: list[str], state: Sequence[str]) -> list[str]:
    """The 64 rounds of FIPS 180-4, 6.2.2."""
    constants = _root_bits(3, 64)
    a, b, c, d, e, f, g, h = state

    def right(value: str, *places: int) -> list[str]:
        return [w.rotate(value, 32 - count) for count in places]

    for number in range(64):
        at = number % 16
        if number >= 16:
            two, fifteen = words[at - 2], words[at - 15]
            small1 = w.xor(*right(two, 17, 19), w.do(two, _splat(10), "lshr"))
            small0 = w.xor(*right(fifteen, 7, 18), w.do(fifteen, _splat(3), "lshr"))
            words[at] = w.add(words[at], small0, words[at - 7], small1)
        chosen = w.xor(g, w.both(e, w.xor(f, g)))
        word = w.add(words[at], _splat(constants[number]))
        first = w.add(w.xor(*right(e, 6, 11, 25)), w.add(chosen, w.add(h, word)))
        majority = w.xor(w.both(a, b), w.both(c, w.xor(a, b)))
        second = w.add(w.xor(*right(a, 2, 13, 22)), majority)
        a, b, c, d, e, f, g, h = w.add(first, second), a, b, c, w.add(d, first), e, f, g
    return [a, b, c, d, e, f, g, h]
