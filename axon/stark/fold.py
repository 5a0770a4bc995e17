"""FRI's fold: a codeword over D becomes one over D^k, k times shorter.

Write f(X) = sum_i X^i f_i(X^k). The fold is sum_i alpha^i f_i: at a point y = x^k,
the polynomial of degree < k through f's values at the k k-th roots of y, taken at
alpha. In bit-reversed order these roots are k adjacent positions, x w_k^rev(j), so
the coefficients are one k-point inverse transform (shifts and additions) times
x^-i, and the folded codeword comes out in the bit-reversed order of D^k.
Source: Ben-Sasson et al., "Fast Reed-Solomon IOPs of proximity", ECCC TR17-134.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from axon.stark import extension
from axon.stark.arena import empty
from axon.stark.cpu import in_ranges
from axon.stark.extension import Ext
from axon.stark.field import P, Vector, inverse, root_of_unity, scale
from axon.stark.jit import kernel
from axon.stark.lane_ir import I64, Lanes, reverse_bits
from axon.stark.lanes import LANES, check_array, pointer
from axon.stark.ntt import domain_points

__all__ = ["FOLDS", "fold", "fold_group"]

FOLDS = (2, 4, 8, 16)
_GRAIN = 1 << 10


def fold(values: Vector, alpha: Ext, k: int, shift: int, out: Vector | None = None) -> Vector:
    """Fold a codeword by k with challenge alpha.

    Parameters
    ----------
    values : (3, m) uint64
        Codeword over shift<w_m>, bit-reversed; m a power of two, at least k.
    alpha : extension scalar
    k : 2, 4, 8 or 16
    shift : int
        7 for the first layer, 7^k after a fold by k, and so on.

    Returns
    -------
    (3, m / k) uint64
        Codeword over shift^k <w_(m/k)>, bit-reversed.
    """
    m = values.shape[1]
    if k not in FOLDS or values.ndim != 2 or values.shape[0] != 3 or m < k or m & (m - 1):
        raise ValueError(f"fold: {values.shape} by {k}, want (3, power of two) by 2, 4, 8 or 16")
    groups = m // k
    out = empty((3, groups)) if out is None else out
    if out.shape != (3, groups) or not out.flags.c_contiguous:
        raise ValueError(f"fold: out {out.shape}, want C-contiguous (3, {groups})")
    values = np.ascontiguousarray(values)
    if groups < 8:  # too few to fill the lanes; the scalar twin is exact
        log_m = m.bit_length() - 1
        points = domain_points(log_m, shift)
        for g in range(groups):
            group = [(int(a), int(b), int(c)) for a, b, c in values[:, g * k : (g + 1) * k].T]
            out[:, g] = fold_group(group, alpha, int(points[g * k]))
        return out
    weights = np.empty((3 * k, 3), np.uint64)
    power, share = extension.ONE, inverse(k)
    for i in range(k):
        for c in range(3):  # alpha^i X^c / k: what component c of coefficient i contributes
            unit: Ext = (int(c == 0), int(c == 1), int(c == 2))
            weights[c * k + i] = extension.scale(extension.mul(power, unit), share)
        power = extension.mul(power, alpha)
    inverse_x = _inverse_points(groups, k, shift)
    in_ranges(_LOOPS[k], groups, values.reshape(-1), inverse_x, weights, out, grain=_GRAIN)
    return out


def fold_group(group: list[Ext], alpha: Ext, x: int) -> Ext:
    """One output of `fold`, in Python ints: the verifier's check of a query.

    `group` holds the k values at x w_k^rev(j), j = 0 .. k-1. Folding by 2 log k times
    with alpha, alpha^2, alpha^4 ... is folding by k with alpha.
    """
    values = list(group)
    while len(values) > 1:
        bits = len(values).bit_length() - 1
        root = root_of_unity(bits)
        half_inverse = (P + 1) // 2
        folded = []
        for j in range(0, len(values), 2):
            here = x * pow(root, reverse_bits(j, bits), P) % P
            a, b = values[j], values[j + 1]
            even = extension.scale(extension.add(a, b), half_inverse)
            odd = extension.scale(extension.sub(a, b), half_inverse * inverse(here) % P)
            folded.append(extension.add(even, extension.mul(alpha, odd)))
        values, x, alpha = folded, x * x % P, extension.mul(alpha, alpha)
    return values[0]


def _inverse_points(groups: int, k: int, shift: int) -> Vector:
    """1/x of each group's first position: shift w_m^rev(g k), that is shift w_m^rev(g).

    The reversal of g k in log m bits is the reversal of g in log(m/k) bits, so these are
    the first m/k powers of w_m, bit-reversed, as `domain_points` would list a smaller
    domain if its root were w_m.
    """
    log_groups, log_m = groups.bit_length() - 1, (groups * k).bit_length() - 1
    out = empty(groups)
    out[0] = inverse(shift)
    root = inverse(root_of_unity(log_m))
    for bits in range(log_groups):  # bit `bits` of g is worth w_m^(groups / 2^(bits+1))
        at = 1 << bits
        scale(out[:at], pow(root, groups >> (bits + 1), P), out[at : 2 * at])
    return out


# kernels


def _folder(k: int) -> Any:
    """Fold LANES groups of k from position g k on."""

    def folder(typing, values, inverse_x, weights, out, g, groups):
        check_array(values, 1)
        check_array(inverse_x, 1)
        check_array(weights, 2)
        check_array(out, 2)

        def codegen(context, builder, signature, args):
            lanes, scalars = Lanes(builder, LANES), Lanes(builder, 1)
            vals, inv, wts, dst, at, count = args

            def number(i):
                return ir.Constant(I64, i)

            x = builder.load(pointer(context, lanes, signature.args[1], inv, at), align=8)
            powers = [None, x]
            while len(powers) < k:
                powers.append(lanes.weak_mul(powers[-1], x))
            sums = [None, None, None]
            for c in range(3):
                base = builder.mul(number(k), builder.add(builder.mul(number(c), count), at))
                stream = [
                    builder.load(
                        pointer(
                            context, lanes, signature.args[0], vals, builder.add(base, number(j * LANES))
                        ),
                        align=8,
                    )
                    for j in range(k)
                ]
                coefficients = lanes.inverse_dft(lanes.deinterleave(stream))
                for i, value in enumerate(coefficients):
                    if i:
                        value = lanes.weak_mul(value, powers[i])
                    for o in range(3):
                        weight = builder.load(
                            pointer(context, scalars, signature.args[2], wts, number(c * k + i), number(o))
                        )
                        product = lanes.weak_mul(value, lanes.splat(weight))
                        if sums[o] is None:
                            sums[o] = product
                        else:
                            sums[o] = lanes.weak_add(sums[o], lanes.canonical(product))
            for o in range(3):
                place = pointer(context, lanes, signature.args[3], dst, number(o), at)
                builder.store(lanes.canonical(sums[o]), place, align=8)
            return context.get_dummy_value()

        return types.void(values, inverse_x, weights, out, types.intp, types.intp), codegen

    folder.__name__ = f"fold_lanes{k}"
    return intrinsic(folder)


_fold2, _fold4, _fold8, _fold16 = (_folder(k) for k in FOLDS)


@kernel
def _by2(start, stop, values, inverse_x, weights, out):
    for g in range(start, stop, LANES):
        _fold2(values, inverse_x, weights, out, g, inverse_x.size)


@kernel
def _by4(start, stop, values, inverse_x, weights, out):
    for g in range(start, stop, LANES):
        _fold4(values, inverse_x, weights, out, g, inverse_x.size)


@kernel
def _by8(start, stop, values, inverse_x, weights, out):
    for g in range(start, stop, LANES):
        _fold8(values, inverse_x, weights, out, g, inverse_x.size)


@kernel
def _by16(start, stop, values, inverse_x, weights, out):
    for g in range(start, stop, LANES):
        _fold16(values, inverse_x, weights, out, g, inverse_x.size)


_LOOPS = {2: _by2, 4: _by4, 8: _by8, 16: _by16}
