"""LLVM code for Goldilocks on a vector of lanes; `lanes.py` gives it numba names.

`Lanes(builder, width)` emits arithmetic modulo P = 2^64 - 2^32 + 1 on
`<width x i64>` (or plain `i64` for width 1). Two kinds of value:

* canonical: below P;
* weak: any 64-bit word, standing for itself modulo P. Products come out weak
  for three instructions less, and a sum needs only one canonical side.

Plain numba loops are 7-25 times slower: LLVM does not vectorise the carries.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils

__all__ = ["EPSILON", "I32", "I64", "Lanes", "P", "reverse_bits"]

P = 0xFFFFFFFF00000001
EPSILON = 0xFFFFFFFF  # 2^64 mod P
ROOT_EXPONENT = {2: 96, 4: 48, 8: 120, 16: 156}  # log2 of the root of unity of that order
I64 = ir.IntType(64)
I32 = ir.IntType(32)


def reverse_bits(value: int, bits: int) -> int:
    """The `bits`-bit number `value` read backwards."""
    return int(format(value, f"0{bits}b")[::-1], 2) if bits else 0


class Lanes:
    """Emits instructions; every method takes and gives LLVM values."""

    def __init__(self, builder: Any, width: int) -> None:
        self.b = builder
        self.width = width
        self.type = ir.VectorType(I64, width) if width > 1 else I64

    def const(self, value: int) -> Any:
        value &= (1 << 64) - 1
        return ir.Constant(self.type, [value] * self.width if self.width > 1 else value)

    def splat(self, scalar: Any) -> Any:
        if self.width == 1:
            return scalar
        undefined = ir.Constant(self.type, ir.Undefined)
        first = self.b.insert_element(undefined, scalar, ir.Constant(I32, 0))
        zeros = ir.Constant(ir.VectorType(I32, self.width), [0] * self.width)
        return self.b.shuffle_vector(first, undefined, zeros)

    def permute(self, first: Any, second: Any, order: list[int]) -> Any:
        mask = ir.Constant(ir.VectorType(I32, self.width), order)
        return self.b.shuffle_vector(first, second, mask)

    def intrinsic(self, name: str, *args: Any) -> Any:
        suffix = f"v{self.width}i64" if self.width > 1 else "i64"
        signature = ir.FunctionType(self.type, [self.type] * len(args))
        function = cgutils.get_or_insert_function(self.b.module, signature, f"llvm.{name}.{suffix}")
        return self.b.call(function, args)

    # weak -> canonical

    def canonical(self, x: Any) -> Any:
        """x - P wraps to something larger than x exactly when x < P."""
        return self.intrinsic("umin", x, self.b.sub(x, self.const(P)))

    # weak arithmetic: `y` canonical, the rest any word

    def weak_add(self, x: Any, y: Any) -> Any:
        total = self.b.add(x, y)
        carried = self.b.icmp_unsigned("<", total, y)
        return self.b.select(carried, self.b.add(total, self.const(EPSILON)), total)

    def weak_sub(self, x: Any, y: Any) -> Any:
        difference = self.b.sub(x, y)
        borrowed = self.b.icmp_unsigned("<", x, y)
        return self.b.select(borrowed, self.b.sub(difference, self.const(EPSILON)), difference)

    def wide(self, x: Any, y: Any) -> tuple[Any, Any]:
        """The 128-bit product of any two words, as (low, high)."""
        b = self.b
        if self.width == 1:
            i128 = ir.IntType(128)
            product = b.mul(b.zext(x, i128), b.zext(y, i128))
            return b.trunc(product, I64), b.trunc(b.lshr(product, ir.Constant(i128, 64)), I64)
        mask, half = self.const(EPSILON), self.const(32)
        xl, xh, yl, yh = b.and_(x, mask), b.lshr(x, half), b.and_(y, mask), b.lshr(y, half)
        ll, lh, hl, hh = b.mul(xl, yl), b.mul(xl, yh), b.mul(xh, yl), b.mul(xh, yh)
        t = b.add(hl, b.lshr(ll, half))
        u = b.add(lh, b.and_(t, mask))
        high = b.add(b.add(hh, b.lshr(t, half)), b.lshr(u, half))
        return b.or_(b.shl(u, half), b.and_(ll, mask)), high

    def reduce(self, low: Any, high: Any) -> Any:
        """low + 2^64 high, weak: 2^64 = 2^32 - 1 and 2^96 = -1 (mod P)."""
        b = self.b
        top = b.lshr(high, self.const(32))
        low = self.weak_sub(low, top)
        return self.weak_add(low, self.times_epsilon(b.and_(high, self.const(EPSILON))))

    def times_epsilon(self, x: Any) -> Any:
        """x * (2^32 - 1) for x < 2^32: canonical."""
        if self.width == 1:
            return self.b.sub(self.b.shl(x, self.const(32)), x)
        return self.b.mul(x, self.const(EPSILON))

    def weak_mul(self, x: Any, y: Any) -> Any:
        return self.reduce(*self.wide(x, y))

    def weak_shift(self, x: Any, bits: int) -> Any:
        """x * 2^bits for 0 <= bits < 96, x any word: small roots of unity are powers of two."""
        b = self.b
        if bits == 0:
            return x
        if bits < 64:
            low, high = b.shl(x, self.const(bits)), b.lshr(x, self.const(64 - bits))
            return self.weak_add(low, self.times_epsilon(high)) if bits <= 32 else self.reduce(low, high)
        low = b.and_(b.shl(x, self.const(bits - 64)), self.const(EPSILON))
        return self.weak_sub(self.times_epsilon(low), b.lshr(x, self.const(96 - bits)))

    def dft(self, xs: list[Any]) -> list[Any]:
        """sum_k xs[k] w^(jk) for j in bit-reversed order, w = root_of_unity(log2 len(xs)). Weak."""
        half = len(xs) // 2
        if not half:
            return xs
        sums, differences = [], []
        for k, (x, y) in enumerate(zip(xs[:half], xs[half:])):
            y_canonical = self.canonical(y)
            sums.append(self.weak_add(x, y_canonical))
            exponent = k * ROOT_EXPONENT[len(xs)] % 192
            if exponent < 96:
                difference = self.weak_sub(x, y_canonical)
            else:  # 2^96 = -1
                difference = self.weak_sub(y, self.canonical(x))
            differences.append(self.weak_shift(difference, exponent % 96))
        return self.dft(sums) + self.dft(differences)

    def inverse_dft(self, values: list[Any]) -> list[Any]:
        """Undo `dft`, but for a factor of len(values)."""
        half = len(values) // 2
        if not half:
            return values
        result: list[Any] = [None] * len(values)
        tops, bottoms = self.inverse_dft(values[:half]), self.inverse_dft(values[half:])
        for k, (x, y) in enumerate(zip(tops, bottoms)):
            exponent = -k * ROOT_EXPONENT[len(values)] % 192
            y = self.canonical(self.weak_shift(y, exponent % 96))
            at, opposite = (k, k + half) if exponent < 96 else (k + half, k)
            result[at], result[opposite] = self.weak_add(x, y), self.weak_sub(x, y)
        return result

    # rearranging

    def deinterleave(self, stream: list[Any]) -> list[Any]:
        """`width` groups of k consecutive words, as k vectors -> vector j of everyone's j-th word."""
        if len(stream) == 1 or self.width == 1:
            return stream
        even = list(range(0, 2 * self.width, 2))
        odd = [i + 1 for i in even]
        pairs = list(zip(stream[::2], stream[1::2]))
        evens = self.deinterleave([self.permute(x, y, even) for x, y in pairs])
        odds = self.deinterleave([self.permute(x, y, odd) for x, y in pairs])
        return [v for pair in zip(evens, odds) for v in pair]

    def interleave(self, vectors: list[Any]) -> list[Any]:
        """Undo `deinterleave`."""
        if len(vectors) == 1 or self.width == 1:
            return vectors
        evens, odds = self.interleave(vectors[::2]), self.interleave(vectors[1::2])
        n = self.width
        low = [i // 2 + n * (i % 2) for i in range(n)]
        high = [i + n // 2 for i in low]
        return [self.permute(x, y, order) for x, y in zip(evens, odds) for order in (low, high)]

    # canonical arithmetic

    def add(self, x: Any, y: Any) -> Any:
        complement = self.b.sub(self.const(P), y)
        difference = self.b.sub(x, complement)
        borrowed = self.b.icmp_unsigned("<", x, complement)
        return self.b.select(borrowed, self.b.add(difference, self.const(P)), difference)

    def sub(self, x: Any, y: Any) -> Any:
        difference = self.b.sub(x, y)
        borrowed = self.b.icmp_unsigned("<", x, y)
        return self.b.select(borrowed, self.b.add(difference, self.const(P)), difference)

    def mul(self, x: Any, y: Any) -> Any:
        return self.canonical(self.weak_mul(x, y))
