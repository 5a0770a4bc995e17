"""Polynomials in the cells of a trace, as Python expressions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axon.errors import ConfigError
from axon.stark.program import Kind, Node, Opcode

if TYPE_CHECKING:
    from axon.stark.air import Air

__all__ = ["Expr"]


class Expr:
    """A polynomial in cells, periodic and public values, and challenges. Immutable."""

    __slots__ = ("air", "at")

    def __init__(self, air: Air, at: int) -> None:
        self.air = air
        self.at = at

    @property
    def node(self) -> Node:
        return self.air._nodes[self.at]

    @property
    def degree(self) -> int:
        """In the cells and periodic columns."""
        return self.node.degree

    @property
    def next(self) -> Expr:
        """This column on the next row."""
        if self.node.operation is not None or self.node.kind != Kind.CELL:
            raise ConfigError("air: only a column has a next row")
        cell = self.air._cells[self.node.left]
        if cell.shift:
            raise ConfigError("air: only the next row can be seen, not the one after")
        return self.air._cell(cell.segment, cell.column, 1)

    def __add__(self, other: Expr | int) -> Expr:
        return self.air._operate(Opcode.ADD, self, other)

    def __radd__(self, other: int) -> Expr:
        return self.air._operate(Opcode.ADD, other, self)

    def __sub__(self, other: Expr | int) -> Expr:
        return self.air._operate(Opcode.SUB, self, other)

    def __rsub__(self, other: int) -> Expr:
        return self.air._operate(Opcode.SUB, other, self)

    def __mul__(self, other: Expr | int) -> Expr:
        return self.air._operate(Opcode.MUL, self, other)

    def __rmul__(self, other: int) -> Expr:
        return self.air._operate(Opcode.MUL, other, self)

    def __neg__(self) -> Expr:
        return self.air._operate(Opcode.SUB, 0, self)

    def __pow__(self, exponent: int) -> Expr:
        if exponent < 1:
            raise ConfigError(f"air: power {exponent}, want at least 1")
        result: Expr | None = None
        square = self
        while exponent:
            if exponent & 1:
                result = square if result is None else result * square
            exponent >>= 1
            if exponent:
                square = square * square
        assert result is not None
        return result
