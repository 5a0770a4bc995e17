"""An AIR's constraints at a point as Vyper: `Air.program()` as straight lines without a call.

Elements of the extension are three numbers in memory that are reduced only by
multiplications: sums grow, and the printer keeps the exact bound of each coordinate, so that no
word overflows. Values of the base field (constants, public inputs) are known as such: their
other coordinates cost nothing. It is long, so it is a contract of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from axon.stark.field import P
from axon.stark.program import Kind, Opcode, Operand, Program

__all__ = ["CONSTRAINTS", "constraint_lines"]

_WORD = (1 << 256) - 1
_SCRATCH = ("x", "y", "z_")


@dataclass(frozen=True)
class _Number:
    """One coordinate: an expression and the most that it can be; 0 is the number zero."""

    text: str
    most: int

    def __bool__(self) -> bool:
        return self.most > 0


_ZERO = _Number("0", 0)
Element = tuple[_Number, _Number, _Number]


class _Lines:
    """Prints one operation after the other."""

    def __init__(self, slot: Callable[[Operand], int]) -> None:
        self.lines: list[str] = []
        self._slot = slot  # of an input; registers lie behind the inputs
        self._registers: dict[int, Element] = {}

    def read(self, operand: Operand) -> Element:
        if operand.kind == Kind.CONSTANT:
            return (_Number(str(operand.number), operand.number), _ZERO, _ZERO)
        if operand.kind == Kind.REGISTER:
            return self._registers[operand.number]
        at = 3 * self._slot(operand)
        first = _Number(f"a[{at}]", P - 1)
        if operand.kind in (Kind.PUBLIC,):
            return (first, _ZERO, _ZERO)
        return (first, _Number(f"a[{at + 1}]", P - 1), _Number(f"a[{at + 2}]", P - 1))

    def write(self, target: int, place: int, values: Element) -> None:
        """Assign a register; values may name its old coordinates, so all are made before any is stored."""
        stored: list[_Number] = []
        clash = any(
            f"a[{place + k}]" in v.text for k in range(3) for v in values if v.text != f"a[{place + k}]"
        )
        names = [f"a[{place + k}]" for k in range(3)]
        if clash:
            for name, value in zip(_SCRATCH, values):
                if value:
                    self.lines.append(f"{name} = {value.text}")
            for name, value, held in zip(_SCRATCH, values, names):
                if value:
                    self.lines.append(f"{held} = {name}")
                stored.append(_Number(held, value.most) if value else _ZERO)
        else:
            for value, held in zip(values, names):
                if value and value.text != held:
                    self.lines.append(f"{held} = {value.text}")
                stored.append(_Number(held, value.most) if value else _ZERO)
        self._registers[target] = (stored[0], stored[1], stored[2])


def _add(x: _Number, y: _Number) -> _Number:
    if not x or not y:
        return x or y
    return _fitting(_Number(_sum(x.text, y.text), x.most + y.most))


def _sum(x: str, y: str) -> str:
    """Two literals are added here: the compiler would take them for numbers of another type."""
    return str(int(x) + int(y)) if x.isdigit() and y.isdigit() else f"unsafe_add({x}, {y})"


def _sub(x: _Number, y: _Number) -> _Number:
    if not y:
        return x
    lift = -(-y.most // P) * P  # a multiple of P that keeps the difference positive
    start = _Number(_sum(x.text, str(lift)), x.most + lift) if x else _Number(str(lift), lift)
    return _fitting(_Number(f"unsafe_sub({start.text}, {y.text})", start.most))


def _fitting(x: _Number) -> _Number:
    """Sums of products are never this large: a number that is would be a fault of the printer."""
    assert x.most <= _WORD
    return x


def _reduced(x: _Number) -> _Number:
    return _Number(f"{x.text} % P", P - 1) if x.most >= P else x


def _times(x: _Number, y: _Number, factor: int = 1) -> _Number:
    if not x or not y:
        return _ZERO
    if y.text == "1":
        x, y = y, x
    if x.text == "1":
        return _Number(y.text if factor == 1 else f"unsafe_mul({factor}, {y.text})", factor * y.most)
    text = f"unsafe_mul({x.text}, {y.text})"
    if factor != 1:
        text = f"unsafe_mul({factor}, {text})"
    return _fitting(_Number(text, factor * x.most * y.most))


def _mul(x: Element, y: Element) -> Element:
    a, b, c = x
    d, e, f = y
    wrapped = _add(_times(b, f), _times(c, e))
    return (
        _add(_times(a, d), _Number(f"unsafe_mul(2, {wrapped.text})", 2 * wrapped.most) if wrapped else _ZERO),
        _add(_add(_times(a, e), _times(b, d)), _times(c, f, 2)),
        _add(_add(_times(a, f), _times(b, e)), _times(c, d)),
    )


def _map(function: Callable[..., _Number], *elements: Element) -> Element:
    x, y, z = (function(*(e[k] for e in elements)) for k in range(3))
    return (x, y, z)


def _room(x: Element, y: Element) -> bool:
    """Tell whether a product, with something added to it, fits a word."""
    return 8 * max(n.most for n in x) * max(n.most for n in y) < _WORD >> 8


def constraint_lines(
    program: Program, slot: Callable[[Operand], int], inputs: int, rows: tuple[int | None, ...]
) -> tuple[list[str], int]:
    """The statements, and how many numbers `a` they use.

    They read the coordinates of input k at a[3 k], a[3 k + 1] and a[3 k + 2], beta's in `b`, and the
    divisors' in `g`, three each; and leave the sum in `t`, reduced. `x`, `y` and `z_` are scratch.
    """
    out = _Lines(slot)
    everywhere = rows[:1] == (None,)

    def divisor(number: int) -> Element:
        x, y, z = (_Number(f"g[{3 * number + k}]", P - 1) for k in range(3))
        return (x, y, z)

    def close() -> None:
        out.lines.append("t = self._step([t[0], t[1], t[2], g[0], g[1], g[2], 0, 0, 0])")

    for i in program.instructions:
        left = out.read(i.left)
        if i.opcode == Opcode.EMIT:
            row = program.constraints[i.target].row
            if row is not None:
                if everywhere:
                    close()
                    everywhere = False
                left = _mul(_map(_reduced, left), divisor(rows.index(row)))
            values = ", ".join(number.text for number in left)
            out.lines.append(f"t = self._step([t[0], t[1], t[2], b[0], b[1], b[2], {values}])")
            continue
        right = out.read(i.right)
        if i.opcode == Opcode.MUL:
            if not _room(left, right):
                left, right = _map(_reduced, left), _map(_reduced, right)
            value = _map(_reduced, _mul(left, right))
        else:
            function = _add if i.opcode == Opcode.ADD else _sub
            value = _map(function, left, right)
            if max(n.most for n in value) > P << 40:
                value = _map(_reduced, value)
        out.write(i.target, 3 * (inputs + i.target), value)
    if everywhere:
        close()
    return out.lines, 3 * (inputs + max(1, program.registers))


CONSTRAINTS = '''# pragma version 0.4.3
# pragma evm-version prague
"""
@title Constraints of {{AIR}} under {{OPTIONS}}
@license Apache-2.0
@notice Printed by `axon stark vyper` beside the verifier that calls it; a test prints it again and compares.
"""

from . import goldilocks

P: constant(uint256) = 2**64 - 2**32 + 1
M64: constant(uint256) = 2**64 - 1
INPUTS: constant(uint256) = {{INPUTS}}
EXEMPT: constant(uint256) = {{EXEMPT}}  # rows: the random ones and the closing one


@external
@view
def evaluate(v: uint256[INPUTS], z: uint256, beta: uint256, log_rows: uint256) -> uint256:
    """
    @notice All constraints at z, each over its divisor, joined by powers of beta.
    @param v The frame, public inputs, challenges, values of lists and tables, as the verifier orders them.
    """
    a: uint256[{{NUMBERS}}] = empty(uint256[{{NUMBERS}}])
    g: uint256[{{DIVISOR_NUMBERS}}] = empty(uint256[{{DIVISOR_NUMBERS}}])
    divisors: uint256[{{DIVISOR_ROWS}}] = self._divisors(z, log_rows)
{{UNPACK}}
    b: uint256[3] = [beta >> 192, (beta >> 128) & M64, (beta >> 64) & M64]
    t: uint256[3] = empty(uint256[3])
    x: uint256 = 0
    y: uint256 = 0
    z_: uint256 = 0
{{LINES}}
    return (t[0] << 192) | (t[1] << 128) | (t[2] << 64)


@internal
@pure
def _step(s: uint256[9]) -> uint256[3]:
    """
    @notice One element times another, plus a third that need not be reduced.
    """
    return [
        unsafe_add(
            unsafe_add(
                unsafe_mul(s[0], s[3]),
                unsafe_mul(2, unsafe_add(unsafe_mul(s[1], s[5]), unsafe_mul(s[2], s[4]))),
            ),
            s[6],
        )
        % P,
        unsafe_add(
            unsafe_add(
                unsafe_add(unsafe_mul(s[0], s[4]), unsafe_mul(s[1], s[3])),
                unsafe_mul(2, unsafe_mul(s[2], s[5])),
            ),
            s[7],
        )
        % P,
        unsafe_add(
            unsafe_add(unsafe_add(unsafe_mul(s[0], s[5]), unsafe_mul(s[1], s[4])), unsafe_mul(s[2], s[3])),
            s[8],
        )
        % P,
    ]


@internal
@view
def _divisors(z: uint256, log_rows: uint256) -> uint256[{{DIVISOR_ROWS}}]:
    """
    @notice 1 over what vanishes on the rows of each kind of constraint, at z.
    """
    out: uint256[{{DIVISOR_ROWS}}] = empty(uint256[{{DIVISOR_ROWS}}])
    root: uint256 = self._root(log_rows)
    power: uint256 = goldilocks._power(z, 1 << log_rows)
    point: uint256 = 0
    value: uint256 = 0
{{DIVISORS}}
    return out


@internal
@pure
def _root(log_rows: uint256) -> uint256:
    """
    @notice The generator of the trace domain.
    """
{{ROOTS_OF_UNITY}}
    raise "verifier: number of rows"
'''
