"""The Goldilocks field: integers modulo P = 2^64 - 2^32 + 1.

Vectors are numpy uint64, canonical (< P) in and out; scalars are Python ints.
2^32 divides P - 1, so there are roots of unity for domains up to 2^32 points.
The arithmetic itself is in `lane_ir.py`; `fadd`, `fsub`, `fmul` are its scalar
form for use in other kernels, `lanes.py` the vector form.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from axon.stark.arena import empty
from axon.stark.cpu import in_ranges
from axon.stark.jit import kernel
from axon.stark.lane_ir import Lanes, P
from axon.stark.lanes import LANES, add8, load8, mul8, splat8, store8, sub8

__all__ = [
    "GENERATOR",
    "TWO_ADICITY",
    "P",
    "Vector",
    "add",
    "batch_inverse",
    "fadd",
    "fmul",
    "fsub",
    "inverse",
    "mul",
    "powers",
    "root_of_unity",
    "scale",
    "sub",
]

Vector = NDArray[np.uint64]

GENERATOR = 7  # of the multiplicative group; also the shift of the evaluation domain
TWO_ADICITY = 32

_ONE = np.uint64(1)
_GRAIN = 1 << 13  # elements below which a second thread does not pay


def root_of_unity(log_n: int) -> int:
    """A primitive 2^log_n-th root of unity; the square of `root_of_unity(log_n + 1)`."""
    if not 0 <= log_n <= TWO_ADICITY:
        raise ValueError(f"root of unity: 2^{log_n}, want 0 to {TWO_ADICITY}")
    return pow(GENERATOR, (P - 1) >> log_n, P)


def inverse(x: int) -> int:
    """1/x mod P. ZeroDivisionError for zero."""
    if x % P == 0:
        raise ZeroDivisionError("field: inverse of zero")
    return pow(x, -1, P)


def _binary(loop: Any, a: Vector, b: Vector, out: Vector | None) -> Vector:
    if a.shape != b.shape:
        raise ValueError(f"field: shapes {a.shape} and {b.shape} differ")
    out = empty(a.shape) if out is None else out
    flat = [np.ascontiguousarray(v).reshape(-1) for v in (a, b)]
    if out.shape != a.shape or not out.flags.c_contiguous:
        raise ValueError(f"field: out is {out.shape}, want C-contiguous {a.shape}")
    in_ranges(loop, a.size, *flat, out.reshape(-1), grain=_GRAIN)
    return out


def add(a: Vector, b: Vector, out: Vector | None = None) -> Vector:
    """a + b elementwise; `out` may be `a` or `b`."""
    return _binary(_add, a, b, out)


def sub(a: Vector, b: Vector, out: Vector | None = None) -> Vector:
    """a - b elementwise; `out` may be `a` or `b`."""
    return _binary(_sub, a, b, out)


def mul(a: Vector, b: Vector, out: Vector | None = None) -> Vector:
    """a * b elementwise; `out` may be `a` or `b`."""
    return _binary(_mul, a, b, out)


def scale(a: Vector, factor: int, out: Vector | None = None) -> Vector:
    """a * factor elementwise; `out` may be `a`."""
    out = empty(a.shape) if out is None else out
    if out.shape != a.shape or not out.flags.c_contiguous:
        raise ValueError(f"field: out is {out.shape}, want C-contiguous {a.shape}")
    source = np.ascontiguousarray(a).reshape(-1)
    in_ranges(_scale, a.size, source, np.uint64(factor % P), out.reshape(-1), grain=_GRAIN)
    return out


def batch_inverse(a: Vector, out: Vector | None = None) -> Vector:
    """1/a elementwise, three multiplications each (Montgomery's trick).

    ZeroDivisionError if any element is zero. `out` may not be `a`.
    """
    out = empty(a.shape) if out is None else out
    source = np.ascontiguousarray(a).reshape(-1)
    if not source.all():
        raise ZeroDivisionError("field: inverse of zero")
    in_ranges(_batch_inverse, a.size, source, out.reshape(-1), grain=_GRAIN)
    return out


def powers(base: int, n: int, start: int = 1) -> Vector:
    """start, start*base, ..., start*base^(n-1)."""
    out = empty(n)
    steps = np.array([pow(base, k, P) for k in range(9)], np.uint64)
    in_ranges(_powers, n, np.uint64(start % P), np.uint64(base % P), steps, out, grain=_GRAIN)
    return out


# kernels


@intrinsic
def fadd(typing, a, b):
    """a + b, scalars, canonical."""
    return types.uint64(types.uint64, types.uint64), lambda _, b, __, args: Lanes(b, 1).add(*args)


@intrinsic
def fsub(typing, a, b):
    """a - b, scalars, canonical."""
    return types.uint64(types.uint64, types.uint64), lambda _, b, __, args: Lanes(b, 1).sub(*args)


@intrinsic
def fmul(typing, a, b):
    """a * b, scalars, canonical."""
    return types.uint64(types.uint64, types.uint64), lambda _, b, __, args: Lanes(b, 1).mul(*args)


@kernel
def fpow(base, exponent):
    """base^exponent, scalars; the exponent a non-negative integer."""
    result = _ONE
    e = np.uint64(exponent)
    while e:
        if e & _ONE:
            result = fmul(result, base)
        base = fmul(base, base)
        e >>= _ONE
    return result


@kernel
def _add(start, stop, a, b, out):
    whole = start + (stop - start) // LANES * LANES
    for i in range(start, whole, LANES):
        store8(out, i, add8(load8(a, i), load8(b, i)))
    for i in range(whole, stop):
        out[i] = fadd(a[i], b[i])


@kernel
def _sub(start, stop, a, b, out):
    whole = start + (stop - start) // LANES * LANES
    for i in range(start, whole, LANES):
        store8(out, i, sub8(load8(a, i), load8(b, i)))
    for i in range(whole, stop):
        out[i] = fsub(a[i], b[i])


@kernel
def _mul(start, stop, a, b, out):
    whole = start + (stop - start) // LANES * LANES
    for i in range(start, whole, LANES):
        store8(out, i, mul8(load8(a, i), load8(b, i)))
    for i in range(whole, stop):
        out[i] = fmul(a[i], b[i])


@kernel
def _scale(start, stop, a, factor, out):
    whole = start + (stop - start) // LANES * LANES
    f = splat8(factor)
    for i in range(start, whole, LANES):
        store8(out, i, mul8(load8(a, i), f))
    for i in range(whole, stop):
        out[i] = fmul(a[i], factor)


@kernel
def _batch_inverse(start, stop, a, out):
    """LANES running products side by side, one inversion for each range."""
    if stop - start < 64:
        whole = start
    else:
        whole = start + (stop - start) // LANES * LANES
        running = splat8(_ONE)
        for i in range(start, whole, LANES):
            store8(out, i, running)
            running = mul8(running, load8(a, i))
        last = np.empty(LANES, np.uint64)
        store8(last, 0, running)
        for lane in range(LANES):
            last[lane] = fpow(last[lane], np.uint64(P - 2))
        running = load8(last, 0)
        for i in range(whole - LANES, start - LANES, -LANES):
            store8(out, i, mul8(load8(out, i), running))
            running = mul8(running, load8(a, i))
    product = _ONE
    for i in range(whole, stop):
        out[i] = product
        product = fmul(product, a[i])
    product = fpow(product, np.uint64(P - 2))
    for i in range(stop - 1, whole - 1, -1):
        out[i] = fmul(out[i], product)
        product = fmul(product, a[i])


@kernel
def _powers(start, stop, first, base, steps, out):
    x = fmul(first, fpow(base, np.uint64(start)))
    whole = start + (stop - start) // LANES * LANES
    if whole > start:
        v = mul8(splat8(x), load8(steps, 0))
        stride = splat8(steps[LANES])
        for i in range(start, whole, LANES):
            store8(out, i, v)
            v = mul8(v, stride)
        x = fmul(first, fpow(base, np.uint64(whole)))
    for i in range(whole, stop):
        out[i] = x
        x = fmul(x, base)
