"""SHA-1 and SHA-256 of four messages by the CPU's own instructions (SHA extensions), as LLVM code.

Such an instruction makes two or four rounds of one message, and the next has to wait for it some
cycles, in which those of other messages begin. So four messages take little longer than
one and a half. What each instruction does stands in Intel's manual, volume 2, under its name.
"""

from collections.abc import Sequence
from typing import Final

from axon.bt.sha_text import WORDS, Writer, function, sha256_rounds, start

__all__ = ["LANES", "kernel_source"]

LANES: Final = 4

_DECLARED: Final = """
declare <4 x i32> @llvm.bswap.v4i32(<4 x i32>)
declare <4 x i32> @llvm.x86.sha1msg1(<4 x i32>, <4 x i32>)
declare <4 x i32> @llvm.x86.sha1msg2(<4 x i32>, <4 x i32>)
declare <4 x i32> @llvm.x86.sha1nexte(<4 x i32>, <4 x i32>)
declare <4 x i32> @llvm.x86.sha1rnds4(<4 x i32>, <4 x i32>, i8)
declare <4 x i32> @llvm.x86.sha256msg1(<4 x i32>, <4 x i32>)
declare <4 x i32> @llvm.x86.sha256msg2(<4 x i32>, <4 x i32>)
declare <4 x i32> @llvm.x86.sha256rnds2(<4 x i32>, <4 x i32>, <4 x i32>)
"""


def kernel_source(name: str) -> str:
    """Return the module with the function "sha1" or "sha256" of four messages (`sha_text.function`)."""
    w = Writer(4)
    words = start(name)
    if name == "sha1":
        a, b, c, d, e = words
        first = [w.constant(d, c, b, a), w.constant(0, 0, 0, e)]
    else:
        a, b, c, d, e, f, g, h = words
        first = [w.constant(f, e, b, a), w.constant(h, g, d, c)]

    def block(places: Sequence[str], before: Sequence[str]) -> Sequence[str]:
        return (_sha1 if name == "sha1" else _sha256)(w, places, before)

    def end(after: Sequence[str]) -> None:
        for lane in range(LANES):
            _store(w, name, lane, *after[2 * lane : 2 * lane + 2])

    return _DECLARED + function(w, name, LANES, first * LANES, block, end)


def _sha1(w: Writer, places: Sequence[str], before: Sequence[str]) -> list[str]:
    """The 80 rounds of FIPS 180-4, 6.1.2, four at a time; the highest word is the first."""
    states = list(before[::2])
    old = list(before[1::2])  # five words: the fifth comes from the state of four rounds ago
    words: list[list[str]] = [[] for _ in places]
    for step in range(20):
        for lane, place in enumerate(places):
            mine = words[lane]
            if step < 4:
                word = w.pick(w.load(w.at(place, 16 * step, "i8")), "poison", (3, 2, 1, 0))
                mine.append(w.swap_bytes(word))
            else:
                mixed = w.do(w.call("x86.sha1msg1", mine[-4], mine[-3]), mine[-2], "xor")
                mine.append(w.call("x86.sha1msg2", mixed, mine[-1]))
            given = w.add(old[lane], mine[-1]) if not step else w.call("x86.sha1nexte", old[lane], mine[-1])
            old[lane] = states[lane]
            states[lane] = w.call("x86.sha1rnds4", states[lane], given, then=f", i8 {step // 5}")
    after = []
    for lane in range(LANES):
        after += [
            w.add(before[2 * lane], states[lane]),
            w.call("x86.sha1nexte", old[lane], before[2 * lane + 1]),
        ]
    return after


def _sha256(w: Writer, places: Sequence[str], before: Sequence[str]) -> list[str]:
    """The 64 rounds of FIPS 180-4, 6.2.2, two at a time; a state is (a, b, e, f) and (c, d, g, h)."""
    rounds = sha256_rounds()
    states = list(before)
    words: list[list[str]] = [[] for _ in places]
    for step in range(16):
        for lane, place in enumerate(places):
            mine = words[lane]
            if step < 4:
                mine.append(w.swap_bytes(w.load(w.at(place, 16 * step, "i8"))))
            else:
                nine = w.pick(mine[-2], mine[-1], (1, 2, 3, 4))
                mixed = w.add(w.call("x86.sha256msg1", mine[-4], mine[-3]), nine)
                mine.append(w.call("x86.sha256msg2", mixed, mine[-1]))
            two = w.add(mine[-1], w.constant(*rounds[4 * step : 4 * step + 4]))
            upper, lower = states[2 * lane : 2 * lane + 2]
            lower = w.call("x86.sha256rnds2", lower, upper, two)
            upper = w.call("x86.sha256rnds2", upper, lower, w.pick(two, "poison", (2, 3, 2, 3)))
            states[2 * lane : 2 * lane + 2] = upper, lower
    return [w.add(old, new) for old, new in zip(before, states)]


def _store(w: Writer, name: str, lane: int, upper: str, lower: str) -> None:
    """Write one digest."""
    digest = w.at("%digests", WORDS[name] * lane, "i32")
    orders = ((3, 2, 1, 0), (7,)) if name == "sha1" else ((3, 2, 7, 6), (1, 0, 5, 4))
    swapped = w.swap_bytes(upper), w.swap_bytes(lower)
    for place, order in zip((digest, w.at(digest, 4, "i32")), orders):
        value = w.pick(*swapped, order)
        w.lines.append(f"  store <{len(order)} x i32> {value}, ptr {place}, align 1")
