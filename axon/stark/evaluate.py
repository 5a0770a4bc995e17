"""A program over whole columns, and at one point.

The prover's evaluator runs lowered code (`lowering.py`) tile by tile: each step works on a
tile of rows, eight at once, that stays in the cache. There is nothing to compile for a
new AIR: the interpreter is one kernel, and a step's dispatch is paid once a tile.

The verifier's evaluator walks the program itself with extension elements (`at_point`).
"""

# mypy: allow-untyped-defs

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from axon.stark import extension
from axon.stark.cpu import in_ranges
from axon.stark.extension import Ext
from axon.stark.field import Vector
from axon.stark.jit import kernel
from axon.stark.lanes import LANES, add8, load8c, mul8, next8c, splat8, store8c, sub8
from axon.stark.program import Kind, Opcode, Program

if TYPE_CHECKING:
    from axon.stark.lowering import Code, Scalars

__all__ = ["at_point", "run"]

# What a step does; beside its destination it names registers, constants or columns. Defined here, for
# the compiled kernel is kept for as long as this file does not change.
(
    MUL, MAC_CONST, ADD, SUB, MAC, MUL_CONST, ADD_CONST, CONST_SUB,
    LOAD, NEXT, EXTRA, STORE, SET,
) = range(13)  # fmt: skip
TILE = 64  # rows a step works on: registers of a tile stay in the cache


def run(
    code: Code,
    segments: tuple[Vector, Vector, Vector],
    extra: Vector,
    out: Vector,
    count: int,
    block: int = 0,
    log_rows: int | None = None,
) -> None:
    """Evaluate `count` rows into `out` (outputs, points).

    With `log_rows` the segments (columns, points) are low-degree extensions and the rows
    are the bit-reversed block of 2^log_rows points from index `block` on; results go to
    the same places. Without, they are in natural order, and hold at least eight columns
    more than `count`: the next row of q is at q + 1. `extra` (vectors, >= count) is read
    from its beginning in both.
    """
    natural = log_rows is None
    whole = -(-count // 8) * 8
    used = max(int(code.steps.shape[0]), 1)
    grain = max(8, (1 << 16) // used)
    args = (code.steps, code.constants, *segments, extra, out, code.registers, block, log_rows or 0, natural)
    in_ranges(_run, whole, *args, align=TILE, grain=grain)


@kernel
def _run(start, stop, steps, constants, s0, s1, s2, extra, out, registers, block, log_rows, natural):
    regs = np.empty((registers, TILE), np.uint64)
    for t in range(start, stop, TILE):
        m = min(TILE, stop - t)
        for s in range(steps.shape[0]):
            op, d, a, b = steps[s, 0], steps[s, 1], steps[s, 2], steps[s, 3]
            if op == MUL:
                for i in range(0, m, LANES):
                    store8c(regs, d, i, mul8(load8c(regs, a, i), load8c(regs, b, i)))
            elif op == MAC_CONST:
                c = splat8(constants[b])
                for i in range(0, m, LANES):
                    store8c(regs, d, i, add8(load8c(regs, d, i), mul8(load8c(regs, a, i), c)))
            elif op == ADD:
                for i in range(0, m, LANES):
                    store8c(regs, d, i, add8(load8c(regs, a, i), load8c(regs, b, i)))
            elif op == SUB:
                for i in range(0, m, LANES):
                    store8c(regs, d, i, sub8(load8c(regs, a, i), load8c(regs, b, i)))
            elif op == MAC:
                for i in range(0, m, LANES):
                    product = mul8(load8c(regs, a, i), load8c(regs, b, i))
                    store8c(regs, d, i, add8(load8c(regs, d, i), product))
            elif op == MUL_CONST:
                c = splat8(constants[b])
                for i in range(0, m, LANES):
                    store8c(regs, d, i, mul8(load8c(regs, a, i), c))
            elif op == ADD_CONST:
                c = splat8(constants[b])
                for i in range(0, m, LANES):
                    store8c(regs, d, i, add8(load8c(regs, a, i), c))
            elif op == CONST_SUB:
                c = splat8(constants[b])
                for i in range(0, m, LANES):
                    store8c(regs, d, i, sub8(c, load8c(regs, a, i)))
            elif op == LOAD:
                at = block + t
                if a == 0:
                    for i in range(0, m, LANES):
                        store8c(regs, d, i, load8c(s0, b, at + i))
                elif a == 1:
                    for i in range(0, m, LANES):
                        store8c(regs, d, i, load8c(s1, b, at + i))
                else:
                    for i in range(0, m, LANES):
                        store8c(regs, d, i, load8c(s2, b, at + i))
            elif op == NEXT:
                if natural:
                    at = t + 1
                    for i in range(0, m, LANES):
                        if a == 0:
                            store8c(regs, d, i, load8c(s0, b, at + i))
                        elif a == 1:
                            store8c(regs, d, i, load8c(s1, b, at + i))
                        else:
                            store8c(regs, d, i, load8c(s2, b, at + i))
                else:
                    for i in range(0, m, LANES):
                        if a == 0:
                            store8c(regs, d, i, next8c(s0, b, block, t + i, log_rows))
                        elif a == 1:
                            store8c(regs, d, i, next8c(s1, b, block, t + i, log_rows))
                        else:
                            store8c(regs, d, i, next8c(s2, b, block, t + i, log_rows))
            elif op == EXTRA:
                for i in range(0, m, LANES):
                    store8c(regs, d, i, load8c(extra, a, t + i))
            elif op == STORE:
                for i in range(0, m, LANES):
                    store8c(out, d, block + t + i, load8c(regs, a, i))
            else:  # SET
                c = splat8(constants[a])
                for i in range(0, m, LANES):
                    store8c(regs, d, i, c)


def at_point(program: Program, cells: Sequence[Ext], periodic: Sequence[Ext], scalars: Scalars) -> list[Ext]:
    """The value of every constraint, in order, given the cells' and tables' values at a point."""
    lifted = [(x, 0, 0) for x in scalars.publics]
    inputs: dict[Kind, Sequence[Ext]] = {
        Kind.CELL: cells,
        Kind.PERIODIC: periodic,
        Kind.PUBLIC: lifted,
        Kind.CHALLENGE: scalars.challenges,
        Kind.LIST: scalars.lists,
    }
    registers: list[Ext] = [extension.ZERO] * program.registers
    inputs[Kind.REGISTER] = registers
    emitted: list[Ext] = []
    add, sub, mul, scale = extension.add, extension.sub, extension.mul, extension.scale
    for opcode, target, (left, x), (right, y), _ in program.instructions:
        a = (x, 0, 0) if left == Kind.CONSTANT else inputs[left][x]
        if opcode == Opcode.EMIT:
            emitted.append(a)
        elif opcode == Opcode.MUL:
            if right == Kind.CONSTANT:
                registers[target] = scale(a, y)
            elif left == Kind.CONSTANT:
                registers[target] = scale(inputs[right][y], x)
            else:
                registers[target] = mul(a, inputs[right][y])
        else:
            b = (y, 0, 0) if right == Kind.CONSTANT else inputs[right][y]
            registers[target] = add(a, b) if opcode == Opcode.ADD else sub(a, b)
    return emitted
