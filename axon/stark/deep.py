"""The DEEP codeword, made as a polynomial before it is evaluated.

With openings y_c = f_c(z), the quotient sum_c a_c (f_c(X) - y_c) / (X - z) is
`divide(combine(f, a), z)`: a linear combination of coefficient vectors, then a
synthetic division, whose remainder is the combination of the y_c. One extension of
three columns then stands for divisions at every point of the domain.
Source: Ben-Sasson et al., "DEEP-FRI", eprint 2019/336.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from collections.abc import Sequence

import numpy as np

from axon.stark.arena import empty
from axon.stark.cpu import in_ranges
from axon.stark.extension import Ext, as_words, emul, emul8, mul, power
from axon.stark.field import Vector, fadd, fmul
from axon.stark.jit import kernel
from axon.stark.lanes import (
    LANES,
    add8,
    canon8,
    load8c,
    load_apart,
    mul8,
    splat8,
    store8c,
    store_apart,
    wadd8,
)

__all__ = ["combine", "divide", "extension_weights"]

_GRAIN = 1 << 12
_SEGMENT = 264  # coefficients in a row; LANES segments go side by side, and 33 lines apart share no cache set


def combine(coefficients: Vector, weights: Vector, out: Vector | None = None, add: bool = False) -> Vector:
    """sum_c weights[c] * coefficients[c], an extension vector.

    Parameters
    ----------
    coefficients : (columns, n) uint64
        Polynomials over the base field. One over the extension is three columns, whose
        weights are a, a X and a X^2 (`extension.mul` by (0, 1, 0) and (0, 0, 1)).
    weights : (columns, 3) uint64
    out : (3, m) with m >= n, optional
        Only its first n coefficients are touched.
    add : bool
        Add to what `out` holds, so that several matrices are combined in turn.

    Returns
    -------
    (3, n) uint64, or `out`.
    """
    columns, n = coefficients.shape
    if weights.shape != (columns, 3):
        raise ValueError(f"combine: weights {weights.shape}, want ({columns}, 3)")
    if out is None:
        if add:
            raise ValueError("combine: nothing to add to")
        out = empty((3, n))
    if out.shape[0] != 3 or out.shape[1] < n or not out.flags.c_contiguous:
        raise ValueError(f"combine: out {out.shape}, want C-contiguous (3, {n} or more)")
    source, factors = np.ascontiguousarray(coefficients), np.ascontiguousarray(weights)
    in_ranges(_combine, n, source, factors, add, out, grain=_GRAIN)
    return out


def divide(coefficients: Vector, z: Ext, out: Vector | None = None) -> tuple[Vector, Ext]:
    """Quotient and remainder of an extension polynomial by X - z.

    (3, n) -> ((3, n) with a zero leading coefficient, f(z)). `out` may be `coefficients`.
    """
    if coefficients.ndim != 2 or coefficients.shape[0] != 3:
        raise ValueError(f"divide: {coefficients.shape}, want (3, n)")
    n = coefficients.shape[1]
    source = np.ascontiguousarray(coefficients)
    out = empty((3, n)) if out is None else out
    segments = -(-n // _SEGMENT)
    carries = np.zeros((segments + 1, 3), np.uint64)
    point = as_words(z)
    # Each segment's own value, then what arrives at each from above, then the division.
    in_ranges(_segment_values, segments, source, point, carries, grain=8)
    _carry(carries, as_words(power(z, _SEGMENT)))
    in_ranges(_divide, segments, source, point, carries, out, grain=8)
    value = carries[0]
    return out, (int(value[0]), int(value[1]), int(value[2]))


def extension_weights(weights: Sequence[Ext]) -> Vector:
    """Weights of polynomials over the extension, for the three columns of each: (3 * count, 3)."""
    units: list[Ext] = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    return np.array([mul(w, u) for w in weights for u in units], np.uint64).reshape(-1, 3)


# kernels


@kernel
def _combine(start, stop, coefficients, weights, add, out):
    columns = coefficients.shape[0]
    zero = splat8(np.uint64(0))
    whole = start + (stop - start) // LANES * LANES
    for i in range(start, whole, LANES):
        s0, s1, s2 = zero, zero, zero
        if add:
            s0, s1, s2 = load8c(out, 0, i), load8c(out, 1, i), load8c(out, 2, i)
        for c in range(columns):
            x = load8c(coefficients, c, i)
            s0 = wadd8(s0, mul8(x, splat8(weights[c, 0])))
            s1 = wadd8(s1, mul8(x, splat8(weights[c, 1])))
            s2 = wadd8(s2, mul8(x, splat8(weights[c, 2])))
        store8c(out, 0, i, canon8(s0))
        store8c(out, 1, i, canon8(s1))
        store8c(out, 2, i, canon8(s2))
    for i in range(whole, stop):
        for k in range(3):
            total = out[k, i] if add else np.uint64(0)
            for c in range(columns):
                total = fadd(total, fmul(coefficients[c, i], weights[c, k]))
            out[k, i] = total


@kernel
def _segment_values(start, stop, coefficients, z, carries):
    """carries[s] = sum of the segment's coefficients times z^(index in the segment)."""
    z0, z1, z2 = splat8(z[0]), splat8(z[1]), splat8(z[2])
    zero = splat8(np.uint64(0))
    first = start
    while first + LANES <= stop and (first + LANES) * _SEGMENT <= coefficients.shape[1]:
        v0, v1, v2 = zero, zero, zero
        for i in range((first + 1) * _SEGMENT - 1, first * _SEGMENT - 1, -1):
            v0, v1, v2 = emul8(v0, v1, v2, z0, z1, z2)
            v0 = add8(v0, load_apart(coefficients, 0, i, _SEGMENT))
            v1 = add8(v1, load_apart(coefficients, 1, i, _SEGMENT))
            v2 = add8(v2, load_apart(coefficients, 2, i, _SEGMENT))
        store_apart(carries, first, 0, 3, v0)
        store_apart(carries, first, 1, 3, v1)
        store_apart(carries, first, 2, 3, v2)
        first += LANES
    for s in range(first, stop):
        low, high = s * _SEGMENT, min((s + 1) * _SEGMENT, coefficients.shape[1])
        r0 = r1 = r2 = np.uint64(0)
        for i in range(high - 1, low - 1, -1):
            r0, r1, r2 = emul(r0, r1, r2, z[0], z[1], z[2])
            r0 = fadd(r0, coefficients[0, i])
            r1 = fadd(r1, coefficients[1, i])
            r2 = fadd(r2, coefficients[2, i])
        carries[s, 0], carries[s, 1], carries[s, 2] = r0, r1, r2


@kernel
def _carry(carries, step):
    """carries[s] = the value at z of all coefficients from segment s on, shifted down to it."""
    for s in range(carries.shape[0] - 2, -1, -1):
        r0, r1, r2 = emul(carries[s + 1, 0], carries[s + 1, 1], carries[s + 1, 2], step[0], step[1], step[2])
        carries[s, 0] = fadd(carries[s, 0], r0)
        carries[s, 1] = fadd(carries[s, 1], r1)
        carries[s, 2] = fadd(carries[s, 2], r2)


@kernel
def _divide(start, stop, coefficients, z, carries, out):
    """q[i] = c[i+1] + z q[i+1], downwards; what enters a segment is the carry above it."""
    z0, z1, z2 = splat8(z[0]), splat8(z[1]), splat8(z[2])
    first = start
    while first + LANES <= stop and (first + LANES) * _SEGMENT <= coefficients.shape[1]:
        v0 = load_apart(carries, first + 1, 0, 3)
        v1 = load_apart(carries, first + 1, 1, 3)
        v2 = load_apart(carries, first + 1, 2, 3)
        for i in range((first + 1) * _SEGMENT - 1, first * _SEGMENT - 1, -1):
            x0 = load_apart(coefficients, 0, i, _SEGMENT)
            x1 = load_apart(coefficients, 1, i, _SEGMENT)
            x2 = load_apart(coefficients, 2, i, _SEGMENT)
            store_apart(out, 0, i, _SEGMENT, v0)
            store_apart(out, 1, i, _SEGMENT, v1)
            store_apart(out, 2, i, _SEGMENT, v2)
            v0, v1, v2 = emul8(v0, v1, v2, z0, z1, z2)
            v0, v1, v2 = add8(v0, x0), add8(v1, x1), add8(v2, x2)
        first += LANES
    for s in range(first, stop):
        low, high = s * _SEGMENT, min((s + 1) * _SEGMENT, coefficients.shape[1])
        r0, r1, r2 = carries[s + 1, 0], carries[s + 1, 1], carries[s + 1, 2]
        for i in range(high - 1, low - 1, -1):
            c0, c1, c2 = coefficients[0, i], coefficients[1, i], coefficients[2, i]
            out[0, i], out[1, i], out[2, i] = r0, r1, r2
            r0, r1, r2 = emul(r0, r1, r2, z[0], z[1], z[2])
            r0, r1, r2 = fadd(r0, c0), fadd(r1, c1), fadd(r2, c2)
