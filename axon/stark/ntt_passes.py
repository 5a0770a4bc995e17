"""One transform of one column: radix-8 passes, depth first.

Evaluating f of degree < n on the coset s<w_n> is reducing f modulo X^q - c for
ever smaller q: a block of q coefficients splits into 8 blocks of q/8 whose
constants are the 8th roots of c. With u the first of these roots, the split
multiplies the block's k-th eighth by u^k and takes 8-point transforms, whose
own roots are powers of two, so 7 products do for 12 butterflies. Blocks come
out in bit-reversed order, and a coset only changes the table of the u^k.

Table for size n: the pass that splits M blocks holds its (radix - 1)*M factors
from index M on (they sum to M' - 1 for the next M'); block-major, but for the
last pass, which does LANES blocks at once and reads factor k of all of them
together.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from axon.stark.field import Vector, fadd, fmul, fpow, fsub, powers, root_of_unity
from axon.stark.jit import kernel
from axon.stark.lane_ir import Lanes
from axon.stark.lanes import LANES, check_array, load8, mul8, pointer, splat8, store8, v8

__all__ = ["bit_reversal", "coset_table", "first_radix", "transform", "unit_table"]

_LEAF = 4096  # words transformed breadth first: with their factors they fit L1
SMALLEST = 128  # below, the last pass has too few blocks for its lanes: radix 2, plain


def bit_reversal(bits: int) -> Any:
    """The bit-reversal permutation of 2^bits indices, int64."""
    order = np.zeros(1, np.int64)
    for _ in range(bits):
        order = np.concatenate([2 * order, 2 * order + 1])
    return order


def first_radix(log_n: int) -> int:
    """Radix of the first pass; the others split by 8."""
    return (8, 2, 4)[log_n % 3]


def unit_table(log_n: int) -> Vector:
    """The factors for the coset 1<w>, n words."""
    n = 1 << log_n
    table = np.ones(n, np.uint64)
    roots = powers(root_of_unity(log_n), n)
    if n < SMALLEST:
        for bits in range(log_n):
            table[1 << bits : 2 << bits] = roots[bit_reversal(bits) << (log_n - bits - 1)]
        return table
    bits, radix_bits = 0, first_radix(log_n).bit_length() - 1
    while bits < log_n:
        radix = 1 << radix_bits
        exponents = np.outer(bit_reversal(bits) << (log_n - bits - radix_bits), np.arange(1, radix))
        if bits + 3 == log_n and bits:
            exponents = exponents.reshape(-1, LANES, radix - 1).transpose(0, 2, 1)
        table[1 << bits : radix << bits][: exponents.size] = roots[exponents.reshape(-1)]
        bits, radix_bits = bits + radix_bits, 3
    return table


@kernel
def coset_table(unit, radix, shift, out):
    """Factors for shift<w> from those for <w>: each times a power of the shift."""
    n = unit.size
    blocks = 1
    if n < SMALLEST:
        while blocks < n:
            factor = fpow(shift, n // (2 * blocks))
            for i in range(blocks, 2 * blocks):
                out[i] = fmul(unit[i], factor)
            blocks *= 2
        return
    ladder = np.empty(8, np.uint64)
    while blocks < n:
        last = blocks * radix == n
        ladder[0] = np.uint64(1)
        first = fpow(shift, n // (radix * blocks))
        for k in range(1, radix):
            ladder[k] = fmul(ladder[k - 1], first)
        if last:
            for k in range(1, radix):
                factor = splat8(ladder[k])
                for at in range(blocks + (k - 1) * LANES, blocks * radix, (radix - 1) * LANES):
                    store8(out, at, mul8(load8(unit, at), factor))
        else:
            at = blocks
            for _ in range(blocks):
                for k in range(1, radix):
                    out[at] = fmul(unit[at], ladder[k])
                    at += 1
        blocks *= radix
        radix = 8


@kernel
def transform(source, target, table, radix):
    """Coefficients `source` (n,), natural order -> evaluations `target` (n,), bit-reversed.

    `source` may be `target`; both canonical.
    """
    n = source.size
    if n < SMALLEST:
        target[:] = source
        _transform_small(target, table)
        return
    q = n // radix
    if radix == 2:
        us2 = splat2(table, 1)
        for k in range(0, q, LANES):
            split2(source, target, k, q, us2)
    elif radix == 4:
        us4 = splat4(table, 1)
        for k in range(0, q, LANES):
            split4(source, target, k, q, us4)
    else:
        us8 = splat_8(table, 1)
        for k in range(0, q, LANES):
            split8(source, target, k, q, us8)
    # Depth first, so that blocks stay in cache: before each leaf, split the larger blocks it begins.
    leaf = q
    while leaf > _LEAF:
        leaf >>= 3
    for at in range(0, n, leaf):
        size, blocks = q, radix
        while size > leaf:
            if at & (size - 1) == 0:
                _split_blocks(target, at, size, 1, table, blocks + 7 * (at // size))
            size >>= 3
            blocks *= 8
        count, first = 1, at // leaf
        while size > 8:
            _split_blocks(target, at, size, count, table, blocks + 7 * first)
            size >>= 3
            blocks *= 8
            count *= 8
            first *= 8
        factors = blocks + 7 * first
        for k in range(at, at + leaf, 8 * LANES):
            finish8(target, k, table, factors)
            factors += 7 * LANES


@kernel
def _split_blocks(a, at, size, count, table, factors):
    """Split each of `count` blocks of `size` words from index `at` on into eight."""
    h = size >> 3
    for _ in range(count):
        us = splat_8(table, factors)
        for k in range(at, at + h, LANES):
            split8(a, a, k, h, us)
        factors += 7
        at += size


@kernel
def _transform_small(a, table):
    blocks = 1
    h = a.size >> 1
    while h:
        for i in range(blocks):
            factor = table[blocks + i]
            for k in range(2 * i * h, 2 * i * h + h):
                y = fmul(a[k + h], factor)
                a[k + h] = fsub(a[k], y)
                a[k] = fadd(a[k], y)
        blocks *= 2
        h >>= 1


# intrinsics


def _split(radix: int) -> tuple[Any, Any]:
    """(load a block's factors into registers, split LANES columns of the block)."""
    bundle = types.UniTuple(v8, radix - 1)

    def splat(typing, table, at):
        check_array(table, 1)

        def codegen(context, builder, signature, args):
            lanes = Lanes(builder, LANES)
            scalars = Lanes(builder, 1)
            where = pointer(context, scalars, signature.args[0], args[0], args[1])
            values = []
            for k in range(radix - 1):
                word = builder.load(builder.gep(where, [context.get_constant(types.intp, k)]))
                values.append(lanes.splat(word))
            return context.make_tuple(builder, bundle, values)

        return bundle(table, types.intp), codegen

    def split(typing, source, target, k, stride, factors):
        check_array(source, 1)
        check_array(target, 1)

        def codegen(context, builder, signature, args):
            lanes = Lanes(builder, LANES)
            src, dst, at, step, us = args
            offsets = [at]
            for _ in range(radix - 1):
                offsets.append(builder.add(offsets[-1], step))
            xs = [
                builder.load(pointer(context, lanes, signature.args[0], src, offset), align=8)
                for offset in offsets
            ]
            us = cgutils.unpack_tuple(builder, us)
            ys = lanes.dft([xs[0]] + [lanes.weak_mul(x, u) for x, u in zip(xs[1:], us)])
            for offset, y in zip(offsets, ys):
                builder.store(y, pointer(context, lanes, signature.args[1], dst, offset), align=8)
            return context.get_dummy_value()

        return types.void(source, target, types.intp, types.intp, bundle), codegen

    splat.__name__, split.__name__ = f"splat{radix}", f"split{radix}"
    return intrinsic(splat), intrinsic(split)


splat2, split2 = _split(2)
splat4, split4 = _split(4)
splat_8, split8 = _split(8)


@intrinsic
def finish8(typing, a, at, table, factors):
    """The last pass on LANES blocks of 8 words, canonical results."""
    check_array(a, 1)
    check_array(table, 1)

    def codegen(context, builder, signature, args):
        lanes = Lanes(builder, LANES)

        def step(k):
            return context.get_constant(types.intp, k * LANES)

        def where(array_type, array, at, k):
            return pointer(context, lanes, array_type, array, builder.add(at, step(k)))

        xs = [builder.load(where(signature.args[0], args[0], args[1], k), align=8) for k in range(8)]
        xs = lanes.deinterleave(xs)
        us = [builder.load(where(signature.args[2], args[2], args[3], k), align=8) for k in range(7)]
        ys = lanes.dft([xs[0]] + [lanes.weak_mul(x, u) for x, u in zip(xs[1:], us)])
        ys = lanes.interleave([lanes.canonical(y) for y in ys])
        for k, y in enumerate(ys):
            builder.store(y, where(signature.args[0], args[0], args[1], k), align=8)
        return context.get_dummy_value()

    return types.void(a, types.intp, table, types.intp), codegen
