"""From a program to steps on base-field vectors, for the evaluator.

An extension value becomes three registers, scalars (public values, challenges and what is
computed from them) become constants, and registers are counted: a value that shares
coordinates with another (an extension value plus a base one) shares their registers.
`evaluate.py` runs the steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from axon.stark import extension
from axon.stark.evaluate import (
    ADD,
    ADD_CONST,
    CONST_SUB,
    EXTRA,
    LOAD,
    MAC,
    MAC_CONST,
    MUL,
    MUL_CONST,
    NEXT,
    SET,
    STORE,
    SUB,
)
from axon.stark.extension import Ext
from axon.stark.field import P, Vector
from axon.stark.program import Cell, Instruction, Kind, Opcode, Operand, Program

__all__ = ["Code", "Scalars", "lower_combined", "lower_outputs"]


@dataclass(frozen=True)
class Scalars:
    """The values of the inputs that are the same on every row."""

    publics: tuple[int, ...]
    challenges: tuple[Ext, ...]
    lists: tuple[Ext, ...]


@dataclass(frozen=True)
class Code:
    """Lowered steps: (steps, 4) of opcode, destination, two operands; constants; registers; outputs."""

    steps: NDArray[np.int64]
    constants: Vector
    registers: int
    outputs: int  # base-field rows of the result


class Base(NamedTuple):
    """A base-field vector in one register."""

    r: int


class Cubic(NamedTuple):
    """An extension vector in three registers."""

    r0: int
    r1: int
    r2: int


Value = Base | Cubic | Ext


class _Lowering:
    """Turns a program's instructions into vector steps. Registers are counted: a value that
    shares components with another (a + base) shares their registers."""

    def __init__(self, program: Program, scalars: Scalars, extension_cells: int) -> None:
        self.program = program
        self.scalars = scalars
        self.extension_segment = extension_cells
        self.steps: list[tuple[int, int, int, int]] = []
        self.constants: dict[int, int] = {}
        self.holders: list[int] = []  # reference count of each register
        self.free: list[int] = []
        self.values: dict[Operand, Value] = {}
        self.last_use: dict[Operand, int] = {}
        for at, i in enumerate(program.instructions):
            for operand in (i.left, i.right):
                if operand.kind in (Kind.CELL, Kind.PERIODIC):
                    self.last_use[operand] = at

    # registers and constants

    def new(self) -> int:
        if self.free:
            register = self.free.pop()
        else:
            register = len(self.holders)
            self.holders.append(0)
        self.holders[register] = 1
        return register

    def hold(self, value: Value) -> None:
        if not _is_scalar(value):
            for register in value:
                self.holders[register] += 1

    def drop(self, value: Value) -> None:
        if not _is_scalar(value):
            for register in value:
                self.holders[register] -= 1
                if self.holders[register] == 0:
                    self.free.append(register)

    def constant(self, x: int) -> int:
        return self.constants.setdefault(x % P, len(self.constants))

    def emit(self, op: int, a: int, b: int = 0, target: int | None = None) -> int:
        register = self.new() if target is None else target
        self.steps.append((op, register, a, b))
        return register

    # operands

    def operand(self, operand: Operand) -> Value:
        kind, index = operand.kind, operand.number
        if kind == Kind.CONSTANT:
            return (index, 0, 0)
        if kind == Kind.PUBLIC:
            return (self.scalars.publics[index], 0, 0)
        if kind == Kind.CHALLENGE:
            return self.scalars.challenges[index]
        if kind == Kind.LIST:
            return self.scalars.lists[index]
        if operand not in self.values:
            if kind == Kind.PERIODIC:
                self.values[operand] = Base(self.emit(EXTRA, index))
            else:
                self.values[operand] = self.load(self.program.cells[index])
        return self.values[operand]

    def load(self, cell: Cell) -> Value:
        op = NEXT if cell.shift else LOAD
        if cell.segment == self.extension_segment:
            a, b, c = (self.emit(op, cell.segment, 3 * cell.column + k) for k in range(3))
            return Cubic(a, b, c)
        return Base(self.emit(op, cell.segment, cell.column))

    def step(self, at: int, instruction: Instruction) -> Value:
        """Compute an instruction; its operands are released if this was their last use."""
        left, right = self.operand(instruction.left), self.operand(instruction.right)
        if instruction.opcode == Opcode.EMIT:
            self.hold(left)
            value: Value = left
        else:
            value = {Opcode.ADD: self.add, Opcode.SUB: self.sub, Opcode.MUL: self.mul}[instruction.opcode](
                left, right
            )
            target = Operand(Kind.REGISTER, instruction.target)
            if target in self.values:
                self.drop(self.values[target])
            self.values[target] = value
        for operand in {instruction.left, instruction.right}:
            if self.last_use.get(operand) == at:
                self.drop(self.values.pop(operand))
        return value

    # arithmetic

    def add(self, a: Value, b: Value) -> Value:
        if _is_scalar(a):
            a, b = b, a
        if _is_scalar(a):
            return extension.add(a, b)  # type: ignore[arg-type]
        parts = [*a, None, None][:3]
        if _is_scalar(b):
            other = [None if x == 0 else ("c", x) for x in b]
        else:
            other = [("r", r) for r in b] + [None] * (3 - len(b))
        out: list[int | None] = []
        for x, y in zip(parts, other):
            if y is None:
                if x is not None:
                    self.holders[x] += 1
                out.append(x)
            elif y[0] == "c":
                if x is None:
                    out.append(self.emit(SET, self.constant(y[1])))
                else:
                    out.append(self.emit(ADD_CONST, x, self.constant(y[1])))
            elif x is None:
                self.holders[y[1]] += 1
                out.append(y[1])
            else:
                out.append(self.emit(ADD, x, y[1]))
        return self.pack(out)

    def pack(self, parts: Sequence[int | None]) -> Value:
        first, second, third = parts
        assert first is not None
        if second is None and third is None:
            return Base(first)
        return Cubic(first, *(self.zero() if p is None else p for p in (second, third)))

    def zero(self) -> int:
        return self.emit(SET, self.constant(0))

    def sub(self, a: Value, b: Value) -> Value:
        if _is_scalar(b):
            return self.add(a, extension.negate(b))  # type: ignore[arg-type]
        if _is_scalar(a):
            scalar: Ext = a  # type: ignore[assignment]
            parts = [self.emit(CONST_SUB, r, self.constant(x)) for r, x in zip(b, scalar)]
            if len(b) == 1 and (scalar[1] or scalar[2]):
                parts += [self.emit(SET, self.constant(x)) for x in scalar[1:]]
            return self.pack([*parts, None, None][:3])
        parts = []
        for k in range(max(len(a), len(b))):
            if k >= len(b):
                self.holders[a[k]] += 1
                parts.append(a[k])
            elif k >= len(a):
                parts.append(self.emit(CONST_SUB, b[k], self.constant(0)))
            else:
                parts.append(self.emit(SUB, a[k], b[k]))
        return self.pack([*parts, None, None][:3])

    def mul(self, a: Value, b: Value) -> Value:
        if _is_scalar(a):
            a, b = b, a
        if _is_scalar(a):
            return extension.mul(a, b)  # type: ignore[arg-type]
        if _is_scalar(b):
            if not b[1] and not b[2]:  # type: ignore[misc]
                return self.pack([*(self.emit(MUL_CONST, r, self.constant(b[0])) for r in a), None, None][:3])
            out = [-1, -1, -1]
            self.accumulate(out, a, b)  # type: ignore[arg-type]
            return Cubic(*out)
        if isinstance(a, Base):
            a, b = b, a
        if isinstance(b, Base):
            return self.pack([*(self.emit(MUL, r, b.r) for r in a), None, None][:3])
        assert isinstance(a, Cubic)
        a0, a1, a2 = a
        b0, b1, b2 = b
        out = []
        for doubled, single in (
            (((a1, b2), (a2, b1)), ((a0, b0),)),
            (((a2, b2),), ((a0, b1), (a1, b0))),
            ((), ((a0, b2), (a1, b1), (a2, b0))),
        ):
            target = None
            for x, y in doubled:
                target = self.emit(MUL, x, y) if target is None else self.emit(MAC, x, y, target)
            if target is not None:
                self.emit(ADD, target, target, target)
            for x, y in single:
                target = self.emit(MUL, x, y) if target is None else self.emit(MAC, x, y, target)
            assert target is not None
            out.append(target)
        return Cubic(*out)

    def accumulate(self, out: list[int], value: Value, factor: Ext) -> None:
        """out += value * factor, three registers; -1 is a register not yet made."""
        f0, f1, f2 = factor
        rows = [(f0, f1, f2), (2 * f2, f0, f1), (2 * f1, 2 * f2, f0)]
        if _is_scalar(value):
            product = extension.mul(value, factor)  # type: ignore[arg-type]
            for k in range(3):
                c = self.constant(product[k])
                out[k] = self.emit(SET, c) if out[k] < 0 else self.emit(ADD_CONST, out[k], c, out[k])
            return
        for register, row in zip(value, rows):
            for k in range(3):
                c = self.constant(row[k])
                if out[k] < 0:
                    out[k] = self.emit(MUL_CONST, register, c)
                else:
                    self.emit(MAC_CONST, register, c, out[k])

    def finish(self, outputs: int) -> Code:
        return Code(
            np.array(self.steps, np.int64).reshape(-1, 4),
            np.array(list(self.constants) or [0], np.uint64),
            max(len(self.holders), 1),
            outputs,
        )


def _is_scalar(value: Value) -> bool:
    return not isinstance(value, (Base, Cubic))


def lower_combined(program: Program, scalars: Scalars, beta: Ext, divisors: dict[int | None, int]) -> Code:
    """Code for Σ_k β^(K-1-k)·C_k·divisor: three output rows.

    `divisors` maps a constraint's row (None: every active row) to the number of the extra
    vector that holds the divisor's inverse.
    """
    low = _Lowering(program, scalars, 2)
    sums: dict[int | None, list[int]] = {}
    factor, factors = extension.ONE, []
    for _ in program.constraints:
        factors.append(factor)
        factor = extension.mul(factor, beta)
    factors.reverse()
    for at, instruction in enumerate(program.instructions):
        value = low.step(at, instruction)
        if instruction.opcode == Opcode.EMIT:
            row = program.constraints[instruction.target].row
            low.accumulate(sums.setdefault(row, [-1, -1, -1]), value, factors[instruction.target])
            low.drop(value)
    total = [-1, -1, -1]
    for row, registers in sums.items():
        divisor = low.emit(EXTRA, divisors[row])
        for k in range(3):
            if total[k] < 0:
                total[k] = low.emit(MUL, registers[k], divisor)
            else:
                low.emit(MAC, registers[k], divisor, total[k])
    for k in range(3):
        low.steps.append((STORE, k, total[k], 0))
    return low.finish(3)


def lower_outputs(program: Program, scalars: Scalars) -> Code:
    """Code that stores every emitted value: output rows 3k, 3k+1, 3k+2 are those of root k."""
    low = _Lowering(program, scalars, 2)
    for at, instruction in enumerate(program.instructions):
        value = low.step(at, instruction)
        if instruction.opcode == Opcode.EMIT:
            if _is_scalar(value):
                registers = [low.emit(SET, low.constant(x)) for x in value]
            else:
                registers = [*value] + [low.zero() for _ in range(3 - len(value))]
                low.drop(value)
            for k, register in enumerate(registers):
                low.steps.append((STORE, 3 * instruction.target + k, register, 0))
    return low.finish(3 * len(program.constraints))
