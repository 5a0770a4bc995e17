"""Constraints as expressions, written once.

An `Air` says what a valid execution trace is. Columns are expressions; `column.next`
is the next row's cell; sums, differences and products of them are constraints that
must be zero::

    air = Air("fibonacci", log_rows=10)
    a, b = air.columns("a", "b")
    result = air.public("result")
    air.boundary(0, a - 1)
    air.boundary(0, b - 1)
    air.constrain(a.next - b)
    air.constrain(b.next - a - b)
    air.boundary(-1, b - result)

A trace has 2^log_rows rows. The last few are random when the proof hides the witness
(`Options.random_rows`); the rows before are the user's, `Air.rows(options)` of them.
Of these all but the last are *active*: constraints and buses hold there. The last one,
row -1, closes: transitions lead into it and boundary constraints see it, nothing else.

Three segments: attested columns (committed beforehand, their root is public, see
`commit_segment`), main columns, and auxiliary columns in the cubic extension that come
after the challenges. Buses, range tables and bound lists (`logup.py`) make their own.
From one `Air` come the prover's evaluator, the verifier's, and the straight-line
program that contract code is generated from (`program.py`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from axon.errors import ConfigError
from axon.stark.expr import Expr
from axon.stark.field import P
from axon.stark.keccak import keccak256
from axon.stark.program import Cell, Constraint, Kind, Node, Opcode, Operand, Program, compile_program

if TYPE_CHECKING:
    from axon.stark.options import Options

__all__ = ["ATTESTED", "AUXILIARY", "MAIN", "Air", "Expr", "Public", "PublicList"]

ATTESTED, MAIN, AUXILIARY = 0, 1, 2
MAX_COLUMNS = 1 << 10  # of a segment
MAX_DEGREE = 16
MAX_LIST = 1 << 20  # elements of one public list
MAX_CONTEXT = 1 << 16  # bytes

Public = Mapping[str, Any]  # name -> int, sequence of ints, or bytes; see Air.encode_public


@dataclass(frozen=True)
class PublicList:
    """A declared list of public field elements below 2^bits, of any length up to `limit`."""

    name: str
    index: int
    limit: int
    bits: int = 64

    def pack(self, values: Sequence[int]) -> bytes:
        """The elements in words of 32 bytes, as contracts take them: the first in the high bits."""
        lanes = 256 // self.bits
        words = []
        for first in range(0, len(values), lanes):
            word = 0
            for k, value in enumerate(values[first : first + lanes]):
                word |= value << (256 - self.bits * (k + 1))
            words.append(word.to_bytes(32, "big"))
        return b"".join(words)


@dataclass(frozen=True)
class Table:
    """A column that the verifier knows: periodic `values`, or a public list by row (`source`)."""

    values: tuple[int, ...] = ()
    source: int | None = None


class Air:
    """See the module. Declare everything before the first proof; then it is frozen.

    Parameters
    ----------
    name : what the statement is called; part of the AIR's id.
    log_rows : the trace has 2^log_rows rows, random ones included.
    max_degree : buses pack fractions into columns as far as this degree allows.

    Raises
    ------
    ConfigError
        For anything declared wrongly: two columns of one name, a degree too high, ...
    """

    def __init__(self, name: str, log_rows: int, max_degree: int = 3) -> None:
        if not 3 <= log_rows <= 26:
            raise ConfigError(f"air: 2^{log_rows} rows, want 2^3 to 2^26")
        self.name = name
        self.log_rows = log_rows
        self.max_degree = max_degree
        self.names: tuple[list[str], list[str], list[str]] = ([], [], [])  # columns by segment
        self.publics: list[str] = []
        self.lists: list[PublicList] = []
        self.tables: list[Table] = []
        self.challenges: list[str] = []
        self.list_values: list[tuple[int, int]] = []  # (list, challenge) of each LIST input
        self.lookup_terms = 0  # (fractions in a row) x (degree in the challenges): soundness.py
        self._nodes: list[Node] = []
        self._interned: dict[Node, int] = {}
        self._cells: list[Cell] = []
        self._cell_numbers: dict[Cell, int] = {}
        self._roots: list[tuple[int, Constraint]] = []
        self._fillers: list[Callable[..., None]] = []  # derived main columns: logup.py
        self._aux: list[Callable[..., Any]] = []  # how to fill each auxiliary column, in order
        self._before_freeze: list[Callable[[], None]] = []
        self._derived: set[int] = set()  # main columns that the library fills
        self._program: Program | None = None
        self._id: bytes | None = None
        self.extras: dict[str, Any] = {}  # what logup.py keeps here

    # declarations

    def column(self, name: str) -> Expr:
        """One main column."""
        return self._column(MAIN, name)

    def columns(self, *names: str) -> tuple[Expr, ...]:
        """Several main columns."""
        return tuple(self._column(MAIN, name) for name in names)

    def attested(self, *names: str) -> tuple[Expr, ...]:
        """Columns of the first segment, whose root is the public value "attested"."""
        return tuple(self._column(ATTESTED, name) for name in names)

    def public(self, name: str) -> Expr:
        """One public field element."""
        self._check_open()
        self._check_name(name)
        self.publics.append(name)
        return self._leaf(Kind.PUBLIC, len(self.publics) - 1, 0, False)

    def public_list(self, name: str, limit: int | None = None, bits: int = 64) -> PublicList:
        """A list of public field elements below 2^bits, for `bind_list` or `public_column`."""
        self._check_open()
        self._check_name(name)
        if not 1 <= bits <= 64:
            raise ConfigError(f"air: list {name!r} of {bits} bits, want 1..64")
        most = min(MAX_LIST, 1 << self.log_rows) if limit is None else limit
        made = PublicList(name, len(self.lists), most, bits)
        self.lists.append(made)
        return made

    def periodic(self, values: Sequence[int]) -> Expr:
        """A column that repeats `values`; their number is a power of two and divides the rows."""
        self._check_open()
        period = len(values)
        if period < 1 or period & (period - 1) or period > 1 << self.log_rows:
            raise ConfigError(f"air: period {period} does not divide 2^{self.log_rows} rows")
        if any(not 0 <= v < P for v in values):
            raise ConfigError("air: periodic value outside the field")
        self.tables.append(Table(values=tuple(int(v) for v in values)))
        return self._leaf(Kind.PERIODIC, len(self.tables) - 1, 1 if period > 1 else 0, False)

    def public_column(self, source: PublicList) -> Expr:
        """A column holding a public list from row 0 on, then zeros; costs the verifier its length."""
        self._check_open()
        self.tables.append(Table(source=source.index))
        return self._leaf(Kind.PERIODIC, len(self.tables) - 1, 1, False)

    def challenge(self, name: str) -> Expr:
        """A random extension element, drawn after the main segment is committed."""
        self._check_open()
        self.challenges.append(name)
        return self._leaf(Kind.CHALLENGE, len(self.challenges) - 1, 0, True)

    def aux_column(self, name: str, fill: Callable[..., Any]) -> Expr:
        """A column in the extension. `fill(witness)` gives its (3, rows) values (`trace.Witness`)."""
        made = self._column(AUXILIARY, name)
        self._aux.append(fill)
        return made

    def list_value(self, source: PublicList, challenge: Expr) -> Expr:
        """1·c^n + Σ v_k·c^(n-1-k) over the n elements v of a public list: Horner's rule from one."""
        key = (source.index, challenge.node.left)
        if key not in self.list_values:
            self.list_values.append(key)
        return self._leaf(Kind.LIST, self.list_values.index(key), 0, True)

    def constrain(self, expr: Expr, name: str | None = None) -> None:
        """`expr` is zero on every active row."""
        self._constrain(expr, name or f"constraint {len(self._roots)}", None)

    def boundary(self, row: int, expr: Expr, name: str | None = None) -> None:
        """`expr` is zero on one row: 0, 1, ..., or -1 for the closing row."""
        if not -1 <= row < (1 << self.log_rows):
            raise ConfigError(f"air: boundary on row {row}")
        self._constrain(expr, name or f"boundary {len(self._roots)} on row {row}", row)

    def constant(self, value: int) -> Expr:
        """A constant as an expression."""
        return self._leaf(Kind.CONSTANT, value % P, 0, False)

    # what it is

    def rows(self, options: Options) -> int:
        """How many rows the user fills; the last of them is the closing row."""
        rows = (1 << self.log_rows) - options.random_rows
        if rows < 2:
            raise ConfigError(
                f"air {self.name!r}: 2^{self.log_rows} rows, of which {options.random_rows} must be random: "
                "too few; raise log_rows"
            )
        return rows

    def widths(self) -> tuple[int, int, int]:
        """Columns of each segment; auxiliary ones count once, though they are three base columns."""
        self.program()
        return len(self.names[0]), len(self.names[1]), len(self.names[2])

    def program(self) -> Program:
        """Freeze and compile."""
        if self._program is None:
            for finish in self._before_freeze:
                finish()
            self._program = self._compile()
        return self._program

    @property
    def degree(self) -> int:
        """The highest degree of a constraint."""
        return max((c.degree for c in self.program().constraints), default=1)

    @property
    def id(self) -> bytes:
        """keccak-256 of the canonical program and everything it refers to (32 bytes)."""
        if self._id is None:
            program = self.program()
            head = [f"axon-air/1 {len(self.name)} {self.name}", f"rows {self.log_rows}"]
            head.append(f"columns {' '.join(str(len(n)) for n in self.names)}")
            head.append(
                f"public {len(self.publics)} lists {' '.join(f'{p.limit}/{p.bits}' for p in self.lists)}"
            )
            head += [
                f"table {t.source if t.source is not None else '*'} {' '.join(map(str, t.values))}"
                for t in self.tables
            ]
            head.append(f"challenges {len(self.challenges)}")
            head.append(" ".join(f"list {a} {b}" for a, b in self.list_values))
            self._id = keccak256("\n".join(head).encode() + b"\n" + program.to_bytes())
        return self._id

    def encode_public(self, public: Public, digest_bytes: int = 32) -> bytes:
        """The canonical bytes of the public inputs, absorbed before anything else.

        Attested root (32 bytes, if there are attested columns) ‖ scalars (8 bytes each,
        big-endian, in order of declaration) ‖ each list: length, digest ‖ length of "context" ‖
        context. A list's digest is keccak-256 of its packed words (`PublicList.pack`) in ABI
        encoding, as of a uint256[]: 32, their number, the words.

        ConfigError for a name missing or unknown, or a value out of range.
        """
        known = {*self.publics, *(p.name for p in self.lists), "context"}
        known |= {"attested"} if self.names[ATTESTED] else set()
        if unknown := set(public) - known:
            raise ConfigError(f"public: unknown {sorted(unknown)}, this AIR knows {sorted(known)}")
        out = bytearray()
        if self.names[ATTESTED]:
            root = public.get("attested")
            if not isinstance(root, bytes) or len(root) != digest_bytes:
                raise ConfigError(f"public: attested root must be {digest_bytes} bytes")
            out += root.ljust(32, b"\0")
        for name in self.publics:
            out += _word(name, public.get(name))
        for source in self.lists:
            values: Any = public.get(source.name)
            if not hasattr(values, "__len__") or len(values) > source.limit:
                raise ConfigError(f"public: {source.name} is no list, or longer than {source.limit}")
            elements = [int.from_bytes(_word(source.name, v), "big") for v in values]
            if any(v >> source.bits for v in elements):
                raise ConfigError(f"public: {source.name} holds a number of more than {source.bits} bits")
            words = source.pack(elements)
            encoded = (32).to_bytes(32, "big") + (len(words) // 32).to_bytes(32, "big") + words
            out += len(values).to_bytes(8, "big") + keccak256(encoded)
        context = public.get("context", b"")
        if not isinstance(context, bytes) or len(context) > MAX_CONTEXT:
            raise ConfigError(f"public: context must be at most {MAX_CONTEXT} bytes")
        return bytes(out + len(context).to_bytes(8, "big") + context)

    # inside

    def _check_open(self) -> None:
        if self._program is not None:
            raise ConfigError(f"air {self.name!r}: frozen, declare everything before proving")

    def _check_name(self, name: str) -> None:
        taken = {*self.publics, *(p.name for p in self.lists), "attested", "context"}
        taken |= {n for names in self.names for n in names}
        if name in taken:
            raise ConfigError(f"air {self.name!r}: {name!r} is declared already")

    def _column(self, segment: int, name: str) -> Expr:
        self._check_open()
        self._check_name(name)
        if len(self.names[segment]) >= MAX_COLUMNS:
            raise ConfigError(f"air: more than {MAX_COLUMNS} columns")
        self.names[segment].append(name)
        return self._cell(segment, len(self.names[segment]) - 1, 0)

    def _cell(self, segment: int, column: int, shift: int) -> Expr:
        cell = Cell(segment, column, shift)
        if cell not in self._cell_numbers:
            self._cell_numbers[cell] = len(self._cells)
            self._cells.append(cell)
        return self._leaf(Kind.CELL, self._cell_numbers[cell], 1, segment == AUXILIARY)

    def _leaf(self, kind: Kind, index: int, degree: int, extension: bool) -> Expr:
        return self._intern(Node(None, kind, index, 0, degree, extension))

    def _intern(self, node: Node) -> Expr:
        at = self._interned.get(node)
        if at is None:
            at = len(self._nodes)
            self._nodes.append(node)
            self._interned[node] = at
        return Expr(self, at)

    def _operate(self, operation: Opcode, left: Expr | int, right: Expr | int) -> Expr:
        a = self.constant(left) if isinstance(left, int) else left
        b = self.constant(right) if isinstance(right, int) else right
        if a.air is not self or b.air is not self:
            raise ConfigError("air: expressions of two AIRs do not mix")
        x, y = a.node, b.node
        fixed = x.kind == y.kind == Kind.CONSTANT and x.operation is None and y.operation is None
        zero_x, zero_y = x == _ZERO, y == _ZERO
        if operation == Opcode.ADD:
            if fixed:
                return self.constant(x.left + y.left)
            if zero_x or zero_y:
                return b if zero_x else a
            degree = max(x.degree, y.degree)
        elif operation == Opcode.SUB:
            if fixed:
                return self.constant(x.left - y.left)
            if zero_y:
                return a
            degree = max(x.degree, y.degree)
        else:
            if fixed:
                return self.constant(x.left * y.left)
            if zero_x or zero_y:
                return self.constant(0)
            if _ONE in (x, y):
                return b if x == _ONE else a
            degree = x.degree + y.degree
        if operation != Opcode.SUB and a.at > b.at:  # one form for both orders
            a, b = b, a
        return self._intern(Node(operation, Kind.REGISTER, a.at, b.at, degree, x.extension or y.extension))

    def _constrain(self, expr: Expr, name: str, row: int | None) -> None:
        self._check_open()
        if expr.air is not self:
            raise ConfigError("air: expressions of two AIRs do not mix")
        if not 1 <= expr.degree <= MAX_DEGREE:
            raise ConfigError(f"air: {name} has degree {expr.degree}, want 1 to {MAX_DEGREE}")
        self._roots.append((expr.at, Constraint(name, expr.degree, row)))

    def _compile(self) -> Program:
        if not self._roots or not self.names[MAIN]:
            raise ConfigError(f"air {self.name!r}: no constraints or no main columns")
        roots = [r for r in self._roots if r[1].row is None] + [
            r for r in self._roots if r[1].row is not None
        ]
        current = [Cell(s, c, 0) for s in range(3) for c in range(len(self.names[s]))]
        following = sorted(c for c in self._used(roots) if c.shift)
        cells = current + following
        number = {cell: k for k, cell in enumerate(cells)}
        leaf = {}
        for at, node in enumerate(self._nodes):
            if node.operation is None:
                if node.kind == Kind.CELL:
                    cell = self._cells[node.left]
                    leaf[at] = Operand(Kind.CELL, number.get(cell, -1))
                else:
                    leaf[at] = Operand(node.kind, node.left)
        return compile_program(self._nodes, roots, cells, len(current), leaf)

    def _used(self, roots: Sequence[tuple[int, Constraint]]) -> set[Cell]:
        seen: set[int] = set()
        stack = [root for root, _ in roots]
        used: set[Cell] = set()
        while stack:
            at = stack.pop()
            if at in seen:
                continue
            seen.add(at)
            node = self._nodes[at]
            if node.operation is not None:
                stack += (node.left, node.right)
            elif node.kind == Kind.CELL:
                used.add(self._cells[node.left])
        return used


_ZERO = Node(None, Kind.CONSTANT, 0, 0, 0, False)
_ONE = Node(None, Kind.CONSTANT, 1, 0, 0, False)


def _word(name: str, value: Any) -> bytes:
    try:
        number = -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = -1
    if not 0 <= number < P:
        raise ConfigError(f"public: {name} is {value!r}, want an integer below P")
    return number.to_bytes(8, "big")
