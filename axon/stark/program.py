"""The compiled form of an AIR: one straight line of additions and multiplications.

`Air.program()` gives a `Program`. The prover lowers it to vector code, the verifier
walks it with extension elements, and a generator of contract code can print it: no
branches, no loops, common subexpressions computed once, registers reused as soon as
their value is dead. In pseudocode, `at(operand)` being a register, a constant or one
of the inputs listed below::

    for i in instructions:
        ADD   register[i.target] = at(i.left) + at(i.right)
        SUB   register[i.target] = at(i.left) - at(i.right)
        MUL   register[i.target] = at(i.left) * at(i.right)
        EMIT  accumulator        = accumulator * beta + at(i.left)     (constraint i.target)

Constraints come in order: first all that hold on every active row, then those of
single rows. The verifier multiplies the accumulator by the divisor of the active
rows between the two, and each later emitted value by its row's (`verifier.py`).

Inputs: CELL k is the k-th value of the out-of-domain frame: `cells[k]` = (segment,
column, shift), current rows (shift 0) of every column first, then the columns needed
on the next row (shift 1). PERIODIC, PUBLIC, CHALLENGE and LIST index what the AIR
declares under those names; LIST is Horner's rule over a public list (`logup.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

__all__ = ["Cell", "Constraint", "Instruction", "Kind", "Opcode", "Operand", "Program"]


class Kind(IntEnum):
    """What an operand names."""

    REGISTER = 0
    CONSTANT = 1  # the number is the value itself, below P
    CELL = 2
    PERIODIC = 3
    PUBLIC = 4
    CHALLENGE = 5
    LIST = 6


class Opcode(IntEnum):
    """See the module's pseudocode."""

    ADD = 0
    SUB = 1
    MUL = 2
    EMIT = 3


class Operand(NamedTuple):
    """A register, a constant, or an input."""

    kind: Kind
    number: int


class Instruction(NamedTuple):
    """`target` is a register, or for EMIT the number of the constraint.

    `extension`: whether the value lies in the extension when cells of segments 0 and 1
    are base elements (the prover's case; out of domain everything is an extension element).
    """

    opcode: Opcode
    target: int
    left: Operand
    right: Operand
    extension: bool


class Cell(NamedTuple):
    """One column on the current (0) or the next (1) row; segments 0 attested, 1 main, 2 auxiliary."""

    segment: int
    column: int
    shift: int


@dataclass(frozen=True)
class Constraint:
    """`row` is None for every active row, else the one row: 0, 1, ... or -1, the closing row."""

    name: str
    degree: int
    row: int | None


@dataclass(frozen=True)
class Program:
    """See the module. `current` counts the cells of shift 0; the others follow."""

    instructions: tuple[Instruction, ...]
    registers: int
    constraints: tuple[Constraint, ...]
    cells: tuple[Cell, ...]
    current: int

    @property
    def everywhere(self) -> int:
        """How many constraints hold on every active row (they come first)."""
        return sum(c.row is None for c in self.constraints)

    def to_bytes(self) -> bytes:
        """The canonical text that the AIR's id hashes."""
        lines = [f"registers {self.registers} cells {self.cells_text()}"]
        lines += [f"constraint {c.degree} {'*' if c.row is None else c.row}" for c in self.constraints]
        for i in self.instructions:
            operands = f"{int(i.left.kind)}:{i.left.number} {int(i.right.kind)}:{i.right.number}"
            lines.append(f"{int(i.opcode)} {i.target} {operands}")
        return "\n".join(lines).encode()

    def cells_text(self) -> str:
        return " ".join(f"{c.segment}.{c.column}.{c.shift}" for c in self.cells)


class Node(NamedTuple):
    """One vertex of the expression graph: a leaf (left = operand's index) or an operation."""

    operation: Opcode | None  # None for a leaf
    kind: Kind
    left: int
    right: int
    degree: int
    extension: bool


def compile_program(
    nodes: Sequence[Node],
    roots: Sequence[tuple[int, Constraint]],
    cells: Sequence[Cell],
    current: int,
    leaf: dict[int, Operand],
) -> Program:
    """Schedule the graph under `roots` (in order) and give registers.

    `leaf` maps leaf nodes to operands. Of two operands the one needing more registers
    is computed first (Sethi and Ullman 1970), which keeps few values alive.
    """
    uses = [0] * len(nodes)
    need = [0] * len(nodes)
    reached: set[int] = set()
    stack = [root for root, _ in roots]
    for root in stack:
        uses[root] += 1
    while stack:
        at = stack.pop()
        if at in reached:
            continue
        reached.add(at)
        if nodes[at].operation is not None:
            for child in (nodes[at].left, nodes[at].right):
                uses[child] += 1
                stack.append(child)
    for at in sorted(reached):  # children have smaller numbers
        node = nodes[at]
        if node.operation is not None:
            a, b = need[node.left], need[node.right]
            need[at] = max(a, b) if a != b else a + 1

    out: list[Instruction] = []
    place: dict[int, int] = {}
    free: list[int] = []
    registers = 0

    def operand(at: int) -> Operand:
        return leaf[at] if nodes[at].operation is None else Operand(Kind.REGISTER, place[at])

    def release(at: int) -> None:
        uses[at] -= 1
        if uses[at] == 0 and nodes[at].operation is not None:
            free.append(place[at])
            free.sort(reverse=True)

    for number, (root, _) in enumerate(roots):
        work = [(root, False)]
        while work:
            at, ready = work.pop()
            node = nodes[at]
            if node.operation is None or at in place:
                continue
            if not ready:
                work.append((at, True))
                first, second = node.left, node.right
                if need[second] > need[first]:
                    first, second = second, first
                work.append((second, False))
                work.append((first, False))
                continue
            left, right = operand(node.left), operand(node.right)
            release(node.left)
            release(node.right)
            if free:
                place[at] = free.pop()
            else:
                place[at] = registers
                registers += 1
            out.append(Instruction(node.operation, place[at], left, right, node.extension))
        value = operand(root)
        out.append(Instruction(Opcode.EMIT, number, value, value, nodes[root].extension))
        release(root)
    return Program(tuple(out), registers, tuple(c for _, c in roots), tuple(cells), current)
