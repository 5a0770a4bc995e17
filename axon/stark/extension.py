"""The cubic extension of Goldilocks, F[X]/(X^3 - 2).

Two has no cube root in the field, so the quotient is a field of P^3 elements,
192 bits: enough for 128 proven bits, which the quadratic one cannot give. A
scalar is a 3-tuple of canonical ints (c0 + c1 X + c2 X^2), a vector a (3, n)
uint64 array, component c of element k at [c, k].
"""

# mypy: allow-untyped-defs, allow-untyped-calls

import numpy as np

from axon.stark.arena import empty
from axon.stark.cpu import in_ranges
from axon.stark.field import _GRAIN, P, Vector, fadd, fmul, inverse
from axon.stark.jit import kernel
from axon.stark.lanes import LANES, add8, load8c, mul8, splat8, store8c

__all__ = [
    "ONE",
    "ZERO",
    "Ext",
    "add",
    "as_words",
    "from_base",
    "invert",
    "mul",
    "negate",
    "power",
    "powers",
    "scale",
    "sub",
    "vector_mul",
    "vector_scale",
]

Ext = tuple[int, int, int]

ZERO: Ext = (0, 0, 0)
ONE: Ext = (1, 0, 0)


# scalars, in Python ints: the verifier's arithmetic


def from_base(x: int) -> Ext:
    """The base-field element x, in the extension."""
    return (x % P, 0, 0)


def add(a: Ext, b: Ext) -> Ext:
    """a + b."""
    return ((a[0] + b[0]) % P, (a[1] + b[1]) % P, (a[2] + b[2]) % P)


def sub(a: Ext, b: Ext) -> Ext:
    """a - b."""
    return ((a[0] - b[0]) % P, (a[1] - b[1]) % P, (a[2] - b[2]) % P)


def negate(a: Ext) -> Ext:
    """-a."""
    return (-a[0] % P, -a[1] % P, -a[2] % P)


def scale(a: Ext, x: int) -> Ext:
    """a * x for x in the base field."""
    return (a[0] * x % P, a[1] * x % P, a[2] * x % P)


def mul(a: Ext, b: Ext) -> Ext:
    """a * b."""
    a0, a1, a2 = a
    b0, b1, b2 = b
    return (
        (a0 * b0 + 2 * (a1 * b2 + a2 * b1)) % P,
        (a0 * b1 + a1 * b0 + 2 * a2 * b2) % P,
        (a0 * b2 + a1 * b1 + a2 * b0) % P,
    )


def invert(a: Ext) -> Ext:
    """1/a. ZeroDivisionError for zero.

    With c the cofactors below, a * c is the norm of a, which lies in the base field.
    """
    a0, a1, a2 = a
    c0 = (a0 * a0 - 2 * a1 * a2) % P
    c1 = (2 * a2 * a2 - a0 * a1) % P
    c2 = (a1 * a1 - a0 * a2) % P
    norm = inverse(a0 * c0 + 2 * (a1 * c2 + a2 * c1))
    return (c0 * norm % P, c1 * norm % P, c2 * norm % P)


def power(a: Ext, exponent: int) -> Ext:
    """a^exponent; a negative exponent inverts."""
    if exponent < 0:
        return power(invert(a), -exponent)
    result = ONE
    while exponent:
        if exponent & 1:
            result = mul(result, a)
        a = mul(a, a)
        exponent >>= 1
    return result


def as_words(a: Ext) -> Vector:
    """The scalar as a (3,) uint64 array, as kernels take it."""
    return np.array(a, np.uint64)


# vectors


def vector_mul(a: Vector, b: Vector, out: Vector | None = None) -> Vector:
    """a * b elementwise, all (3, n); `out` may be `a` or `b`."""
    if a.shape != b.shape or a.ndim != 2 or a.shape[0] != 3:
        raise ValueError(f"extension: shapes {a.shape} and {b.shape}, want (3, n) twice")
    out = empty(a.shape) if out is None else out
    in_ranges(_vector_mul, a.shape[1], *map(np.ascontiguousarray, (a, b)), out, grain=_GRAIN)
    return out


def vector_scale(a: Vector, factor: Ext, out: Vector | None = None) -> Vector:
    """a * factor elementwise, a (3, n); `out` may be `a`."""
    if a.ndim != 2 or a.shape[0] != 3:
        raise ValueError(f"extension: shape {a.shape}, want (3, n)")
    out = empty(a.shape) if out is None else out
    in_ranges(_vector_scale, a.shape[1], np.ascontiguousarray(a), as_words(factor), out, grain=_GRAIN)
    return out


def powers(base: Ext, n: int, start: Ext = ONE) -> Vector:
    """(3, n): start, start*base, ..., start*base^(n-1)."""
    out = empty((3, n))
    out[:, :1] = as_words(start)[:, None]
    filled, step = 1, base
    while filled < n:  # doubling: the next half is the first times base^filled
        more = min(filled, n - filled)
        out[:, filled : filled + more] = vector_scale(out[:, :more], step)
        filled, step = filled + more, mul(step, step)
    return out


# kernels


@kernel
def emul(a0, a1, a2, b0, b1, b2):
    """Product of two extension elements given as six scalars, as three."""
    two_a1, two_a2 = fadd(a1, a1), fadd(a2, a2)
    c0 = fadd(fadd(fmul(a0, b0), fmul(two_a1, b2)), fmul(two_a2, b1))
    c1 = fadd(fadd(fmul(a0, b1), fmul(a1, b0)), fmul(two_a2, b2))
    c2 = fadd(fadd(fmul(a0, b2), fmul(a1, b1)), fmul(a2, b0))
    return c0, c1, c2


@kernel
def emul8(a0, a1, a2, b0, b1, b2):
    """Product of two vectors of extension elements given as six values of `lanes.py`, as three."""
    two_a1, two_a2 = add8(a1, a1), add8(a2, a2)
    c0 = add8(add8(mul8(a0, b0), mul8(two_a1, b2)), mul8(two_a2, b1))
    c1 = add8(add8(mul8(a0, b1), mul8(a1, b0)), mul8(two_a2, b2))
    c2 = add8(add8(mul8(a0, b2), mul8(a1, b1)), mul8(a2, b0))
    return c0, c1, c2


@kernel
def _vector_mul(start, stop, a, b, out):
    whole = start + (stop - start) // LANES * LANES
    for i in range(start, whole, LANES):
        c0, c1, c2 = emul8(
            load8c(a, 0, i),
            load8c(a, 1, i),
            load8c(a, 2, i),
            load8c(b, 0, i),
            load8c(b, 1, i),
            load8c(b, 2, i),
        )
        store8c(out, 0, i, c0)
        store8c(out, 1, i, c1)
        store8c(out, 2, i, c2)
    for i in range(whole, stop):
        out[0, i], out[1, i], out[2, i] = emul(a[0, i], a[1, i], a[2, i], b[0, i], b[1, i], b[2, i])


@kernel
def _vector_scale(start, stop, a, factor, out):
    f0, f1, f2 = splat8(factor[0]), splat8(factor[1]), splat8(factor[2])
    whole = start + (stop - start) // LANES * LANES
    for i in range(start, whole, LANES):
        c0, c1, c2 = emul8(load8c(a, 0, i), load8c(a, 1, i), load8c(a, 2, i), f0, f1, f2)
        store8c(out, 0, i, c0)
        store8c(out, 1, i, c1)
        store8c(out, 2, i, c2)
    for i in range(whole, stop):
        out[0, i], out[1, i], out[2, i] = emul(a[0, i], a[1, i], a[2, i], factor[0], factor[1], factor[2])
