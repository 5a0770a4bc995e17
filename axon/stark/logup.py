"""Buses, range tables and bound lists: what the auxiliary segment is for.

A **bus** balances: Σ weight/(X - key) over everything sent equals the same sum over
everything received, at a random point X (logUp, Haböck, eprint 2022/1530). With
multiplicities as weights it is a lookup; with values it says that for each key the
values sent and received have equal sums. Keys of several elements are compressed with
powers of a second challenge, and the bus's number is part of the key. Weights are field
elements: a multiplicity cannot overflow, as rows × fractions stay below P, but the
designer must bound the sums of values.

A **range table** is two main columns that the library fills: values stepping by 0 or 1
from the first to the last, and how often each was checked. It may be split over several
pairs where the rows are few.

A **bound list** ties a public list to a column: acc' = acc·γ + value on the rows where
`when` is one, from acc = 1, ends at the list's own Horner value, which the verifier
computes. γ is drawn after the main segment; starting at one binds the list's length.

Buses see the active rows only, like every constraint: not the closing row.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from axon.errors import ConfigError, ProverError
from axon.stark.air import Air, Expr, PublicList
from axon.stark.cpu import in_ranges
from axon.stark.extension import emul, emul8, vector_mul
from axon.stark.field import Vector, batch_inverse, fadd, fmul, fsub
from axon.stark.jit import kernel
from axon.stark.lanes import LANES, add8, load8c, mul8, store8, store8c, sub8
from axon.stark.trace import Witness

__all__ = ["Bus", "RangeTable", "bind_list"]


@dataclass(frozen=True)
class _Fraction:
    bus: int
    key: tuple[Expr, ...]
    weight: Expr  # negative for what is received


@dataclass
class _Buses:
    names: list[str] = field(default_factory=list)
    fractions: list[_Fraction] = field(default_factory=list)


class Bus:
    """A named bus of `air`. Everything sent must be received."""

    def __init__(self, air: Air, name: str) -> None:
        self.air = air
        buses = air.extras.get("buses")
        if buses is None:
            buses = air.extras["buses"] = _Buses()
            air._before_freeze.append(lambda: _declare(air, buses))
        if name in buses.names:
            raise ConfigError(f"air {air.name!r}: bus {name!r} exists")
        self._buses: _Buses = buses
        self._number = len(buses.names)
        self._width = 0
        buses.names.append(name)

    def send(self, key: Expr | Sequence[Expr], weight: Expr | int = 1) -> None:
        """+ weight/(X - key) on every active row."""
        self._add(key, weight, 1)

    def receive(self, key: Expr | Sequence[Expr], weight: Expr | int = 1) -> None:
        """- weight/(X - key) on every active row."""
        self._add(key, weight, -1)

    def _add(self, key: Expr | Sequence[Expr], weight: Expr | int, sign: int) -> None:
        air = self.air
        air._check_open()
        parts = (key,) if isinstance(key, Expr) else tuple(key)
        if not parts or (self._width and len(parts) != self._width):
            raise ConfigError(f"bus: key of {len(parts)} elements, others have {self._width}")
        self._width = len(parts)
        value = air.constant(weight) if isinstance(weight, int) else weight
        signed = value if sign > 0 else -value
        self._buses.fractions.append(_Fraction(self._number, parts, signed))


class RangeTable:
    """The values 0 .. 2^bits - 1, over `columns` pairs of columns; `check` looks a value up."""

    def __init__(self, air: Air, bits: int, columns: int = 1, name: str | None = None) -> None:
        size = 1 << bits
        if not 1 <= bits <= 24 or columns < 1 or size % columns:
            raise ConfigError(f"range table: {bits} bits over {columns} columns")
        self.air = air
        self.bits = bits
        self.name = name or f"range{bits}"
        self._part = size // columns
        self._bus = Bus(air, self.name)
        self._checks: list[tuple[Expr, Expr]] = []
        self._columns: list[tuple[int, int]] = []
        for k in range(columns):
            value = air.column(f"{self.name} value {k}")
            count = air.column(f"{self.name} count {k}")
            step = value.next - value
            air.constrain(step * (step - 1), f"{self.name} column {k} steps by 0 or 1")
            air.boundary(0, value - k * self._part, f"{self.name} column {k} start")
            air.boundary(-1, value - ((k + 1) * self._part - 1), f"{self.name} column {k} end")
            self._bus.receive(value, count)
            at = len(air.names[1])
            self._columns.append((at - 2, at - 1))
            air._derived.update((at - 2, at - 1))
        air._fillers.append(self._fill)

    def check(self, value: Expr, when: Expr | int = 1) -> None:
        """On active rows where `when` is one (it must be 0 or 1), 0 <= value < 2^bits."""
        self._bus.send(value, when)
        self._checks.append((value, self.air.constant(when) if isinstance(when, int) else when))

    def _fill(self, witness: Witness) -> None:
        active, part = witness.active, self._part
        if part > active:
            raise ConfigError(
                f"{self.name}: {part} values a column, but {active} active rows; split it further"
            )
        counts = np.zeros(1 << self.bits, np.int64)
        for number, (value, when) in enumerate(self._checks):
            values, flags = witness.evaluate([value, when])[:, 0, :active]
            if (flags > 1).any():
                raise ProverError(f"{self.name}: check {number} has a `when` other than 0 or 1")
            used = values[flags == 1]
            if (used >= len(counts)).any():
                row = int(np.flatnonzero((flags == 1) & (values >= len(counts)))[0])
                raise ProverError(f"{self.name}: check {number} fails on row {row}: {int(values[row])}")
            counts += np.bincount(used.astype(np.int64), minlength=len(counts))
        main = witness.segments[1]
        for k, (value_at, count_at) in enumerate(self._columns):
            steps = np.minimum(np.arange(witness.rows), part - 1) + k * part
            main[value_at, : witness.rows] = steps
            main[count_at, :part] = counts[k * part : (k + 1) * part]


def bind_list(air: Air, source: PublicList, value: Expr, when: Expr | int = 1) -> None:
    """The values of `value` on the active rows where `when` is one are, in order, the public list.

    `when` must be 0 or 1 on every active row; say so with a constraint.
    """
    point = air.extras.get("list point")
    if point is None:
        point = air.extras["list point"] = air.challenge("list point")
    flag = air.constant(when) if isinstance(when, int) else when

    def fill(witness: Witness) -> Vector:
        values, flags = witness.evaluate([value, flag])[:, 0]
        out = np.empty((3, witness.rows), np.uint64)
        _horner(
            np.ascontiguousarray(values),
            np.ascontiguousarray(flags),
            np.array(gamma(witness), np.uint64),
            out,
        )
        return out

    def gamma(witness: Witness) -> tuple[int, int, int]:
        return witness.scalars.challenges[point.node.left]

    total = air.aux_column(f"list {source.name}", fill)
    air.boundary(0, total - 1, f"list {source.name} start")
    air.constrain(total.next - total - flag * (total * (point - 1) + value), f"list {source.name} step")
    air.boundary(-1, total - air.list_value(source, point), f"list {source.name} end")
    air.lookup_terms += 1


def _declare(air: Air, buses: _Buses) -> None:
    """The auxiliary columns and constraints of all buses: one running sum, helpers before it."""
    if not buses.fractions:
        return
    point = air.challenge("bus point")
    longest = max(len(f.key) for f in buses.fractions)
    many = longest + (len(buses.names) > 1) > 1
    base = air.challenge("bus compression") if many else None
    tops: list[tuple[Expr, Expr]] = []  # numerator, denominator
    for f in buses.fractions:
        key, factor = f.key[0], None
        for k in range(1, longest + 1):
            part: Expr | int = f.key[k] if k < len(f.key) else (f.bus if k == longest else 0)
            if base is not None:
                factor = base if factor is None else factor * base
                key = key + factor * part
        tops.append((f.weight, point - key))
    groups: list[list[tuple[Expr, Expr]]] = [[tops[0]]]
    for fraction in tops[1:]:
        if _group_degree([*groups[-1], fraction]) <= air.max_degree:
            groups[-1].append(fraction)
        else:
            groups.append([fraction])
    helpers = []
    for number, group in enumerate(groups[:-1]):
        helper = air.aux_column(f"bus part {number}", _part_filler(group))
        top, bottom = _combine(group)
        air.constrain(helper * bottom - top, f"bus part {number}")
        helpers.append(helper)
    total = air.aux_column("bus sum", _sum_filler(len(helpers), groups[-1]))
    step = total.next - total
    for helper in helpers:
        step = step - helper
    top, bottom = _combine(groups[-1])
    air.constrain(step * bottom - top, "bus sum step")
    air.boundary(0, total, "bus sum start")
    air.boundary(-1, total, "bus sum is zero")
    air.lookup_terms += len(tops) * (longest if many else 1)


def _group_degree(group: list[tuple[Expr, Expr]]) -> int:
    top, bottom = _degrees(group)
    return max(top, 1 + bottom)


def _degrees(group: list[tuple[Expr, Expr]]) -> tuple[int, int]:
    bottom = sum(d.degree for _, d in group)
    return max(n.degree + bottom - d.degree for n, d in group), bottom


def _combine(group: list[tuple[Expr, Expr]]) -> tuple[Expr, Expr]:
    """The group as one fraction."""
    top, bottom = group[0]
    for n, d in group[1:]:
        top, bottom = top * d + n * bottom, bottom * d
    return top, bottom


def _fractions(witness: Witness, group: list[tuple[Expr, Expr]]) -> Vector:
    """Σ numerator/denominator on the active rows, zero on the closing one: (3, rows)."""
    total = np.zeros((3, witness.rows), np.uint64)
    for top, bottom in group:
        numerator, denominator = witness.evaluate([top, bottom])
        quotient = vector_mul(numerator, vector_inverse(denominator))
        in_ranges(_accumulate, witness.rows, quotient, total)
    total[:, -1] = 0
    return total


def _part_filler(group: list[tuple[Expr, Expr]]) -> Callable[[Witness], Vector]:
    return lambda witness: _fractions(witness, group)


def _sum_filler(helpers: int, group: list[tuple[Expr, Expr]]) -> Callable[[Witness], Vector]:
    def fill(witness: Witness) -> Vector:
        terms = _fractions(witness, group)
        first = len(witness.air._aux) - 1 - helpers  # the sum is the last auxiliary column
        for k in range(helpers):
            at = 3 * (first + k)
            part = np.ascontiguousarray(witness.segments[2][at : at + 3, : witness.rows])
            in_ranges(_accumulate, witness.rows, part, terms)
        terms[:, -1] = 0
        out = np.empty((3, witness.rows), np.uint64)
        _running_sum(terms, out)
        return out

    return fill


def vector_inverse(a: Vector) -> Vector:
    """1/a elementwise for an extension vector (3, n): cofactors over the norm.

    ZeroDivisionError if one is zero, which for the buses' denominators happens with
    probability 2^-160 or so.
    """
    a = np.ascontiguousarray(a)
    cofactors, norm = np.empty_like(a), np.empty(a.shape[1], np.uint64)
    in_ranges(_cofactors, a.shape[1], a, cofactors, norm)
    inverse = batch_inverse(norm)
    in_ranges(_scale_by, a.shape[1], inverse, cofactors)
    return cofactors


@kernel
def _cofactors(start, stop, a, out, norm):
    whole = start + (stop - start) // LANES * LANES
    for i in range(start, whole, LANES):
        a0, a1, a2 = load8c(a, 0, i), load8c(a, 1, i), load8c(a, 2, i)
        cross, square = mul8(a1, a2), mul8(a2, a2)
        c0 = sub8(mul8(a0, a0), add8(cross, cross))
        c1 = sub8(add8(square, square), mul8(a0, a1))
        c2 = sub8(mul8(a1, a1), mul8(a0, a2))
        n, _, _ = emul8(a0, a1, a2, c0, c1, c2)
        store8c(out, 0, i, c0)
        store8c(out, 1, i, c1)
        store8c(out, 2, i, c2)
        store8(norm, i, n)
    for i in range(whole, stop):
        x0, x1, x2 = a[0, i], a[1, i], a[2, i]
        product, squared = fmul(x1, x2), fmul(x2, x2)
        d0 = fsub(fmul(x0, x0), fadd(product, product))
        d1 = fsub(fadd(squared, squared), fmul(x0, x1))
        d2 = fsub(fmul(x1, x1), fmul(x0, x2))
        out[0, i], out[1, i], out[2, i] = d0, d1, d2
        norm[i] = emul(x0, x1, x2, d0, d1, d2)[0]


@kernel
def _scale_by(start, stop, factors, values):
    for c in range(3):
        for i in range(start, stop):
            values[c, i] = fmul(values[c, i], factors[i])


@kernel
def _accumulate(start, stop, values, total):
    for c in range(3):
        for i in range(start, stop):
            total[c, i] = fadd(total[c, i], values[c, i])


@kernel
def _running_sum(terms, out):
    for c in range(3):
        total = np.uint64(0)
        for i in range(terms.shape[1]):
            out[c, i] = total
            total = fadd(total, terms[c, i])


@kernel
def _horner(values, flags, point, out):
    a0, a1, a2 = np.uint64(1), np.uint64(0), np.uint64(0)
    for i in range(len(values)):
        out[0, i], out[1, i], out[2, i] = a0, a1, a2
        if flags[i]:
            a0, a1, a2 = emul(a0, a1, a2, point[0], point[1], point[2])
            a0 = fadd(a0, values[i])
