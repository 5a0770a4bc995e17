"""Bit reversal of one column, by 8x8 tiles: what turns a transform into its inverse.

With index k = (a, b, c) split into its top three, middle and low three bits, the
reversed index is (c', b', a'), a dash reversing the bits of a part. So for one b the
64 words at (*, b', *) of the source are those at (*, b, *) of the target, transposed.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from axon.stark.field import fmul
from axon.stark.jit import kernel
from axon.stark.lane_ir import Lanes, reverse_bits
from axon.stark.lanes import LANES, check_array, pointer, splat8, v8

__all__ = ["reverse_negate_scale", "reverse_order"]


def _tile(complement: bool) -> Any:
    """Transpose one tile; `complement` reads index n-1-i for i."""

    def tile(typing, source, source_at, target, target_at, stride, factor):
        check_array(source, 1)
        check_array(target, 1)

        def codegen(context, builder, signature, args):
            lanes = Lanes(builder, LANES)
            if LANES == 1:
                return context.get_dummy_value()  # the callers take their scalar loops
            src, src_at, dst, dst_at, step, scale = args
            order = [reverse_bits(i, 3) ^ (7 if complement else 0) for i in range(8)]

            def row(array_type, array, at, i):
                offset = builder.mul(step, context.get_constant(types.intp, i))
                return pointer(context, lanes, array_type, array, builder.add(at, offset))

            rows = [builder.load(row(signature.args[0], src, src_at, i), align=8) for i in order]
            columns = lanes.deinterleave(rows)
            for i in range(8):
                value = columns[order[i]]
                if complement:
                    value = lanes.mul(value, scale)
                builder.store(value, row(signature.args[2], dst, dst_at, i), align=8)
            return context.get_dummy_value()

        signature = types.void(source, types.intp, target, types.intp, types.intp, v8)
        return signature, codegen

    tile.__name__ = "negate_tile" if complement else "reverse_tile"
    return intrinsic(tile)


reverse_tile = _tile(False)
negate_tile = _tile(True)


@kernel
def reversed_index(i, bits):
    """The `bits`-bit number i read backwards."""
    result = 0
    for _ in range(bits):
        result = 2 * result + (i & 1)
        i >>= 1
    return result


@kernel
def reverse_order(source, target):
    """target[k] = source[reversed k]; two different (n,) arrays."""
    n = source.size
    bits = 0
    while (1 << bits) < n:
        bits += 1
    if LANES == 1 or bits < 6:
        for k in range(n):
            target[k] = source[reversed_index(k, bits)]
        return
    one = splat8(np.uint64(1))
    for b in range(n >> 6):
        reverse_tile(source, 8 * reversed_index(b, bits - 6), target, 8 * b, n >> 3, one)


@kernel
def reverse_negate_scale(source, target, factor):
    """target[k] = factor * source[reversed (-k mod n)]; two different (n,) arrays.

    -k is one more than the complement of k's bits, so target k + 1 takes the source at
    the complement of reversed k, and the last such index wraps to zero.
    """
    n = source.size
    bits = 0
    while (1 << bits) < n:
        bits += 1
    first = 0
    if LANES > 1 and bits >= 6:
        scale = splat8(factor)
        tiles = (n >> 6) - 1  # the last one holds the index that wraps
        for b in range(tiles):
            opposite = tiles - reversed_index(b, bits - 6)
            negate_tile(source, 8 * opposite, target, 8 * b + 1, n >> 3, scale)
        first = 8 * tiles
    width = max(n >> 3, 1) if first else n
    for row in range(n // width):
        for k in range(row * width + first, (row + 1) * width):
            target[(k + 1) & (n - 1)] = fmul(source[n - 1 - reversed_index(k, bits)], factor)
