"""The prover's witness: columns by segment, in natural order, and what fills them.

`Witness` holds the user's rows, lets derived and auxiliary columns evaluate expressions
over them, and pads every column with random rows. Randomness is AES-256 in counter mode
under a key derived from a seed, rejection-sampled, so that whoever knows the seed of an
attested segment recomputes it bit by bit.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Mapping, Sequence

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import ArrayLike

from axon.errors import ProverError
from axon.stark.air import ATTESTED, AUXILIARY, MAIN, Air, Expr
from axon.stark.arena import empty
from axon.stark.evaluate import run
from axon.stark.field import P, Vector
from axon.stark.keccak import keccak256
from axon.stark.lowering import Scalars, lower_outputs
from axon.stark.options import Options
from axon.stark.program import Cell, Constraint, Kind, Operand, compile_program

__all__ = ["PAD", "Random", "Witness"]

PAD = 8  # columns behind a natural-order matrix, so that whole vectors can be read at q + 1


_ZEROS = memoryview(bytes(1 << 20))


class Random:
    """A stream of uniform words and field elements from (seed, purpose).

    key = keccak("axon-stark/1 random" ‖ purpose ‖ seed); AES-256-CTR, counter from zero;
    words are little-endian, and a field element is the next word that is below P. The stream
    may be entered at an even word.
    """

    def __init__(self, seed: bytes, purpose: bytes, start: int = 0) -> None:
        key = keccak256(b"axon-stark/1 random " + purpose + b"\0" + seed)
        counter = (start // 2).to_bytes(16, "big")
        self._stream = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()

    def words(self, *shape: int) -> Vector:
        """Uniform 64-bit words."""
        count = int(np.prod(shape))
        flat = empty(count + 2)  # the cipher wants room for a block behind what it writes
        target = flat.view(np.uint8).data
        for at in range(0, 8 * count, len(_ZEROS)):
            self._stream.update_into(_ZEROS[: 8 * count - at], target[at:])
        words = flat[:count].reshape(shape)
        return words if sys.byteorder == "little" else words.byteswap()

    def elements(self, *shape: int) -> Vector:
        """Uniform field elements."""
        count = int(np.prod(shape))
        out = np.empty(count, np.uint64)
        filled = 0
        while filled < count:
            words = self.words(count - filled)
            fresh = words[words < np.uint64(P)]
            out[filled : filled + len(fresh)] = fresh
            filled += len(fresh)
        return out.reshape(shape)


class Witness:
    """Columns in natural order: `segments[s]` is (base columns, 2^log_rows + PAD) uint64.

    Parameters
    ----------
    air, options : decide the shape.
    trace : name -> `air.rows(options)` values below P, for every attested and main column
        that the library does not derive itself. A shorter attested column is padded with zeros.
    public : scalar and list inputs, checked by the caller.

    Raises
    ------
    ProverError
        For a column missing, unknown, of wrong length, or holding a value not below P.
    """

    def __init__(
        self, air: Air, options: Options, trace: Mapping[str, ArrayLike], public: Mapping[str, object]
    ):
        self.air = air
        self.public = public
        self.rows = air.rows(options)
        self.active = self.rows - 1
        self.size = 1 << air.log_rows
        widths = air.widths()
        self.segments = tuple(
            np.zeros((max(w, 1) * (3 if s == AUXILIARY else 1), self.size + PAD), np.uint64)
            for s, w in enumerate(widths)
        )
        self.tables = self._natural_tables()
        self.scalars = Scalars(
            tuple(int(public[name]) for name in air.publics),  # type: ignore[call-overload]
            ((0, 0, 0),) * len(air.challenges),
            ((0, 0, 0),) * len(air.list_values),
        )
        given = dict(trace)
        for segment in (ATTESTED, MAIN):
            for k, name in enumerate(air.names[segment]):
                if segment == MAIN and k in air._derived:
                    continue
                if name not in given:
                    raise ProverError(f"trace: column {name!r} is missing")
                self._set(segment, k, name, given.pop(name))
        if given:
            raise ProverError(f"trace: unknown columns {sorted(given)}")
        for fill in air._fillers:
            fill(self)

    def _set(self, segment: int, column: int, name: str, values: ArrayLike) -> None:
        array = _as_field(name, values)
        if array.ndim != 1 or len(array) > self.rows or (segment == MAIN and len(array) != self.rows):
            raise ProverError(f"trace: column {name!r} has shape {array.shape}, want {self.rows} rows")
        self.segments[segment][column, : len(array)] = array

    def _natural_tables(self) -> Vector:
        out = np.zeros((max(len(self.air.tables), 1), self.size + PAD), np.uint64)
        for k, table in enumerate(self.air.tables):
            if table.source is None:
                out[k, : self.size] = np.tile(
                    np.array(table.values, np.uint64), self.size // len(table.values)
                )
            else:
                values = _as_field("public column", self.public[self.air.lists[table.source].name])  # type: ignore[arg-type]
                out[k, : len(values)] = values
        return out

    def evaluate(self, exprs: Sequence[Expr]) -> Vector:
        """Values of expressions on every row, (len(exprs), 3, rows): coordinates in the extension."""
        air = self.air
        roots = [(e.at, Constraint("", e.degree, None)) for e in exprs]
        widths = air.widths()
        current = [Cell(s, c, 0) for s in range(3) for c in range(widths[s])]
        cells = current + sorted(c for c in air._used(roots) if c.shift)
        number = {cell: k for k, cell in enumerate(cells)}
        leaf = {
            at: Operand(Kind.CELL, number.get(air._cells[node.left], -1))
            if node.kind == Kind.CELL
            else Operand(node.kind, node.left)
            for at, node in enumerate(air._nodes)
            if node.operation is None
        }
        program = compile_program(air._nodes, roots, cells, len(current), leaf)
        code = lower_outputs(program, self.scalars)
        out = np.empty((code.outputs, self.size + PAD), np.uint64)
        run(code, self.segments, self.tables, out, self.rows)  # type: ignore[arg-type]
        return out[:, : self.rows].reshape(len(exprs), 3, self.rows)

    def fill_auxiliary(self, scalars: Scalars) -> None:
        """Fill the auxiliary columns, now that the challenges are known."""
        self.scalars = scalars
        for k, fill in enumerate(self.air._aux):
            self.segments[AUXILIARY][3 * k : 3 * k + 3, : self.rows] = fill(self)

    def randomize(self, segment: int, random: Random) -> None:
        """Random rows behind the user's, in every column of a segment."""
        values = self.segments[segment]
        if self.size > self.rows:
            values[:, self.rows : self.size] = random.elements(len(values), self.size - self.rows)

    def release(self) -> None:
        """Give back the memory of the rows."""
        self.segments = (self.tables[:, :0],) * 3

    def violations(self) -> list[tuple[int, str]]:
        """(row, constraint) for each constraint that fails, at the first row where it does; sorted.

        Exact and slow: the debug mode. Challenges must be known if there are auxiliary columns.
        """
        program = self.air.program()
        code = lower_outputs(program, self.scalars)
        out = np.empty((code.outputs, self.size + PAD), np.uint64)
        run(code, self.segments, self.tables, out, self.rows)  # type: ignore[arg-type]
        found: list[tuple[int, str]] = []
        for k, constraint in enumerate(program.constraints):
            bad = np.flatnonzero(np.any(out[3 * k : 3 * k + 3, : self.rows] != 0, axis=0))
            if constraint.row is None:
                bad = bad[bad < self.active]
            else:
                bad = bad[bad == (constraint.row if constraint.row >= 0 else self.rows - 1)]
            if len(bad):
                found.append((int(bad[0]), constraint.name))
        return sorted(found)


def _as_field(name: str, values: ArrayLike) -> Vector:
    try:
        if isinstance(values, np.ndarray) and values.dtype.kind in "iu":
            if values.dtype.kind == "i" and values.size and int(values.min()) < 0:
                raise ValueError("negative")
            array = values.astype(np.uint64)
        else:
            array = np.array([operator.index(v) for v in values], np.uint64)  # type: ignore
    except (OverflowError, ValueError, TypeError) as wrong:
        raise ProverError(f"trace: column {name!r} is not of field elements: {wrong}") from wrong
    if array.size and int(array.max()) >= P:
        raise ProverError(f"trace: column {name!r} holds a value not below P")
    return array
