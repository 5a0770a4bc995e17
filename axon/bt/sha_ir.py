"""SHA-1 and SHA-256 (FIPS 180-4) of eight or sixteen messages at once, as LLVM code.

A hash's rounds hang on one another, so a core mostly waits for its own last
result. Sixteen messages of one length have sixteen independent chains: word k
of all of them makes one vector, and each step is done for all. The code is plain
vector arithmetic that runs wherever LLVM does; it pays where one register
holds a word of each: sixteen with AVX-512, eight with AVX2. `sha_print.py` compiles
it, `sha_lanes.py` calls it.
"""

from collections.abc import Sequence
from typing import Final

from axon.bt.sha_text import SHA1_ROUNDS, WORDS, Writer, function, sha256_rounds, start

__all__ = ["kernel_source"]

_BLOCK: Final = 16  # words


def kernel_source(name: str, lanes: int) -> str:
    """Return the module with the function "sha1" or "sha256" of 8 or 16 messages (`sha_text.function`)."""
    w = Writer(lanes)

    def block(places: Sequence[str], before: Sequence[str]) -> Sequence[str]:
        words: list[str] = []
        for first in range(0, _BLOCK, lanes):
            rows = [w.swap_bytes(w.load(w.at(place, first, "i32"))) for place in places]
            words += _transposed(w, rows)
        after = (_sha1 if name == "sha1" else _sha256)(w, words, before)
        return [w.add(old, new) for old, new in zip(before, after)]

    def end(after: Sequence[str]) -> None:
        digest = [w.swap_bytes(value) for value in after]
        for lane in range(lanes):
            for k, value in enumerate(digest):
                element = w.let(f"extractelement {w.vector} {value}, i64 {lane}")
                place = w.at("%digests", WORDS[name] * lane + k, "i32")
                w.lines.append(f"  store i32 {element}, ptr {place}, align 1")

    vector = w.vector
    declared = (
        f"declare {vector} @llvm.fshl.v{lanes}i32({vector}, {vector}, {vector})\n"
        f"declare {vector} @llvm.bswap.v{lanes}i32({vector})\n"
    )
    return declared + function(w, name, lanes, [w.constant(word) for word in start(name)], block, end)


def _xor(w: Writer, *values: str) -> str:
    first, *others = values
    for other in others:
        first = w.do(first, other, "xor")
    return first


def _both(w: Writer, first: str, second: str) -> str:
    return w.do(first, second, "and")


def _rotate(w: Writer, value: str, left: int) -> str:
    return w.call(f"fshl.v{w.width}i32", value, value, w.constant(left))


def _transposed(w: Writer, rows: Sequence[str]) -> list[str]:
    """A square of words, rows into columns: words, then pairs, then quads (128 bits) change places."""
    lanes = w.width
    for unit in (1, 2):
        order = [
            source + 4 * quad + k
            for quad in range(lanes // 4)
            for at in range(0, 2, unit)
            for source in (0, lanes)
            for k in range(at, at + unit)
        ]
        low, high = order, [k + 2 for k in order]
        mixed = [""] * lanes
        for group in range(0, lanes, 2 * unit):
            for k in range(unit):
                pair = rows[group + k], rows[group + unit + k]
                mixed[group + 2 * k], mixed[group + 2 * k + 1] = w.pick(*pair, low), w.pick(*pair, high)
        rows = mixed
    # Now quad q of rows[4 * g + k] is column 4 * q + k of the rows of group g.
    even = [source + at + k for source in (0, lanes) for at in range(0, lanes, 8) for k in range(4)]
    odd = [k + 4 for k in even]
    columns = [""] * lanes
    for k in range(4):
        for half, parts in enumerate((even, odd)):  # quads 0 (and 2), or 1 (and 3)
            joined = [w.pick(rows[g + k], rows[g + 4 + k], parts) for g in range(0, lanes, 8)]
            columns[4 * half + k] = joined[0]
            if len(joined) == 2:
                columns[4 * half + k] = w.pick(joined[0], joined[1], even)
                columns[4 * half + 8 + k] = w.pick(joined[0], joined[1], odd)
    return columns


def _sha1(w: Writer, words: list[str], state: Sequence[str]) -> list[str]:
    """The 80 rounds of FIPS 180-4, 6.1.2; `words` is the last sixteen of the schedule, in a ring."""
    a, b, c, d, e = state
    for number in range(80):
        at = number % 16
        if number >= 16:
            mixed = _xor(w, words[at - 3], words[at - 8], words[at - 14], words[at])
            words[at] = _rotate(w, mixed, 1)
        if number < 20:
            chosen = _xor(w, d, _both(w, b, _xor(w, c, d)))
        elif 40 <= number < 60:
            chosen = _xor(w, _both(w, b, c), _both(w, d, _xor(w, b, c)))
        else:
            chosen = _xor(w, b, c, d)
        word = w.add(words[at], w.constant(SHA1_ROUNDS[number // 20]))
        new = w.add(_rotate(w, a, 5), w.add(chosen, w.add(e, word)))
        a, b, c, d, e = new, a, _rotate(w, b, 30), c, d
    return [a, b, c, d, e]


def _sha256(w: Writer, words: list[str], state: Sequence[str]) -> list[str]:
    """The 64 rounds of FIPS 180-4, 6.2.2."""
    constants = sha256_rounds()
    a, b, c, d, e, f, g, h = state

    def right(value: str, *places: int) -> list[str]:
        return [_rotate(w, value, 32 - count) for count in places]

    for number in range(64):
        at = number % 16
        if number >= 16:
            two, fifteen = words[at - 2], words[at - 15]
            small1 = _xor(w, *right(two, 17, 19), w.do(two, w.constant(10), "lshr"))
            small0 = _xor(w, *right(fifteen, 7, 18), w.do(fifteen, w.constant(3), "lshr"))
            words[at] = w.add(words[at], small0, words[at - 7], small1)
        chosen = _xor(w, g, _both(w, e, _xor(w, f, g)))
        word = w.add(words[at], w.constant(constants[number]))
        first = w.add(_xor(w, *right(e, 6, 11, 25)), w.add(chosen, w.add(h, word)))
        majority = _xor(w, _both(w, a, b), _both(w, c, _xor(w, a, b)))
        second = w.add(_xor(w, *right(a, 2, 13, 22)), majority)
        a, b, c, d, e, f, g, h = w.add(first, second), a, b, c, w.add(d, first), e, f, g
    return [a, b, c, d, e, f, g, h]
