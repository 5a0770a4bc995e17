"""The permutation keccak-f[1600] on LANES states at once, or on one.

A state is 25 words of LANES lanes each, word-major, in a flat uint64 array. The
rounds are a loop of LLVM code with the state in registers: rotations are
`llvm.fshl` (one instruction with AVX-512), and the three-operand boolean steps
become one `vpternlog` each. Source: FIPS 202, section 3.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from axon.stark.lane_ir import I64, Lanes
from axon.stark.lanes import LANES, check_array, pointer, v8

__all__ = ["RATE", "bswap8", "keccak_f", "keccak_f1", "swap_bytes"]

RATE = 17  # words absorbed by one permutation (keccak-256: 1088 bits)


def _round_constants() -> list[int]:
    """FIPS 202, algorithm 5: bits from a linear feedback shift register."""
    constants, register = [], 1
    for _ in range(24):
        word = 0
        for j in range(7):
            if register & 1:
                word |= 1 << ((1 << j) - 1)
            register = (register << 1) ^ (0x171 if register >> 7 else 0)
        constants.append(word)
    return constants


def _rotations() -> dict[tuple[int, int], int]:
    """FIPS 202, algorithm 2: offset of lane (x, y)."""
    offsets, x, y = {(0, 0): 0}, 1, 0
    for t in range(24):
        offsets[x, y] = (t + 1) * (t + 2) // 2 % 64
        x, y = y, (2 * x + 3 * y) % 5
    return offsets


_CONSTANTS = _round_constants()
_ROTATIONS = _rotations()


def _round(lanes: Lanes, a: list[Any], constant: Any) -> list[Any]:
    """theta, rho and pi, chi, iota."""
    b = lanes.b

    def rotate(word, by):
        return lanes.intrinsic("fshl", word, word, lanes.const(by)) if by else word

    parity = [b.xor(b.xor(b.xor(a[x], a[x + 5]), b.xor(a[x + 10], a[x + 15])), a[x + 20]) for x in range(5)]
    turned = [rotate(p, 1) for p in parity]
    moved = [None] * 25
    for (x, y), by in _ROTATIONS.items():
        word = b.xor(b.xor(a[x + 5 * y], parity[(x + 4) % 5]), turned[(x + 1) % 5])
        moved[y + 5 * ((2 * x + 3 * y) % 5)] = rotate(word, by)
    out = []
    for y in range(0, 25, 5):
        for x in range(5):
            others = b.and_(b.not_(moved[y + (x + 1) % 5]), moved[y + (x + 2) % 5])
            out.append(b.xor(moved[y + x], others))
    out[0] = b.xor(out[0], constant)
    return out


def _permutation(width: int) -> Any:
    def permute(typing, state):
        check_array(state, 1)

        def codegen(context, builder, signature, args):
            lanes = Lanes(builder, width)
            places = [
                pointer(
                    context, lanes, signature.args[0], args[0], context.get_constant(types.intp, i * width)
                )
                for i in range(25)
            ]
            cells = []
            for place in places:
                cell = cgutils.alloca_once(builder, lanes.type)
                builder.store(builder.load(place, align=8), cell)
                cells.append(cell)
            table = ir.Constant(ir.ArrayType(I64, 24), [ir.Constant(I64, c) for c in _CONSTANTS])
            constants = cgutils.global_constant(builder, "keccak_round_constants", table)
            with cgutils.for_range(builder, context.get_constant(types.intp, 24)) as loop:
                constant = builder.load(cgutils.gep_inbounds(builder, constants, 0, loop.index))
                words = _round(lanes, [builder.load(cell) for cell in cells], lanes.splat(constant))
                for cell, word in zip(cells, words):
                    builder.store(word, cell)
            for place, cell in zip(places, cells):
                builder.store(builder.load(cell), place, align=8)
            return context.get_dummy_value()

        return types.void(state), codegen

    permute.__name__ = "keccak_f" if width == LANES else "keccak_f1"
    return intrinsic(permute)


keccak_f = _permutation(LANES)  # keccak_f(state): LANES states
keccak_f1 = _permutation(1)  # keccak_f1(state): one state of 25 words


@intrinsic
def bswap8(typing, words):
    """Reverse the bytes of every word: integers to and from big-endian."""
    return v8(v8), lambda _, b, __, args: Lanes(b, LANES).intrinsic("bswap", args[0])


@intrinsic
def swap_bytes(typing, word):
    """`bswap8` of one word."""
    return types.uint64(types.uint64), lambda _, b, __, args: Lanes(b, 1).intrinsic("bswap", args[0])


FIRST_PAD = np.uint64(1)  # after the message: keccak's padding, not SHA-3's
LAST_PAD = np.uint64(1 << 63)  # top bit of the rate's last word
