"""One fold by 8 as Vyper, straight on: what `fri.fold_group` computes, without a loop or a call.

Siblings g(x w^t), t in bit-reversed order, w of order 8, fold by three rounds: halves with the
challenge over x, its square, its fourth power. Roots of order 8 are plus or minus powers of two, so
twiddles shift a difference of 65 bits before it is multiplied. Numbers are reduced after the first
round and after the last: what lies between stays below 2^256. The three halvings are one
multiplication by 1/8.
"""

from __future__ import annotations

from axon.stark.field import P, inverse, root_of_unity

__all__ = ["fold_lines"]


def fold_lines() -> str:
    """Print the statements from `e`, `w` to `s`: three rounds of butterflies r = a + b + f w (a - b).

    f is plus or minus a power of two. Each butterfly knows the exact bound of what it leaves, so that no
    word overflows.
    """
    eighth, quarter = inverse(root_of_unity(3)), inverse(root_of_unity(2))
    lines: list[str] = []

    def butterfly(
        a: list[str], b: list[str], most: int, level: int, factor: int, out: str, at: int, last: str = ""
    ) -> int:
        power, negative = _power_of_two(factor)
        lift = -(-most // P) * P  # a multiple of P that keeps differences positive
        x, y = (b, a) if negative else (a, b)
        w = [f"w[{3 * level + k}]" for k in range(3)]
        lines.append("if apart:")
        for k in range(3):
            difference = f"unsafe_sub(unsafe_add({x[k]}, {lift}), {y[k]})"
            lines.append(f"    d[{k}] = {difference}" + (f" << {power}" if power else ""))
        products = (
            f"unsafe_add(unsafe_mul(d[0], {w[0]}), "
            f"unsafe_mul(2, unsafe_add(unsafe_mul(d[1], {w[2]}), unsafe_mul(d[2], {w[1]}))))",
            f"unsafe_add(unsafe_add(unsafe_mul(d[0], {w[1]}), unsafe_mul(d[1], {w[0]})), "
            f"unsafe_mul(2, unsafe_mul(d[2], {w[2]})))",
            f"unsafe_add(unsafe_add(unsafe_mul(d[0], {w[2]}), unsafe_mul(d[1], {w[1]})), "
            f"unsafe_mul(d[2], {w[0]}))",
        )
        for k in range(3):
            total = f"unsafe_add(unsafe_add({a[k]}, {b[k]}), {products[k]})"
            lines.append(f"    {out}[{at + k}] = {total}{last}")
        bound = 2 * most + 5 * (most + lift << power) * P
        assert bound < 1 << 256
        return P if last else bound

    def lanes(name: str, at: int) -> list[str]:
        return [f"{name}[{at + k}]" for k in range(3)]

    def sibling(j: int) -> list[str]:
        places = [divmod(3 * j + k, 4) for k in range(3)]
        shifted = [f"(e[{word}] >> {192 - 64 * lane})" if lane < 3 else f"e[{word}]" for word, lane in places]
        return [text if lane == 0 else f"({text} & M64)" for text, (_, lane) in zip(shifted, places)]

    for j, power in enumerate((0, 2, 1, 3)):  # siblings lie in bit-reversed order
        butterfly(sibling(2 * j), sibling(2 * j + 1), P, 0, pow(eighth, power, P), "r", 3 * j, " % P")
    butterfly(lanes("r", 0), lanes("r", 3), P, 1, 1, "q", 0)
    most = butterfly(lanes("r", 6), lanes("r", 9), P, 1, quarter, "q", 3)
    butterfly(lanes("q", 0), lanes("q", 3), most, 2, 1, "s", 0, " % P")
    lines += [f"s[{k}] = unsafe_mul(s[{k}], {pow(8, P - 2, P)}) % P" for k in range(3)]
    return "\n".join("    " + line for line in lines)


def _power_of_two(x: int) -> tuple[int, bool]:
    """s and whether to negate: x = ±2^s modulo P, s below 96."""
    for s in range(96):
        if x in (pow(2, s, P), P - pow(2, s, P)):
            return s, x != pow(2, s, P)
    raise ValueError(f"{x} is no power of two modulo P")
