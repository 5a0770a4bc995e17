"""Constraints to quotient, quotient to segments, columns to frame.

With active rows 0 .. a-1 of n, exempt rows a .. n-1 (the closing row and the random
ones), and β the challenge, the quotient is

    Q(X) = E(X)/(X^n - 1) · Σ β^(K-1-k) C_k(X)  +  Σ β^(K-1-k) C_k(X)/(X - w^row)

over the constraints of the active rows and those of single rows; E is zero on the exempt rows.
Q is cut into segments of n - h coefficients, h = `Options.quotient_blinding`, and each is
hidden from its neighbours by a random t_i of degree < h:

    Q_i' = Q_i + X^(n-h) t_i - t_(i-1)          Q = Σ X^(i(n-h)) Q_i'

(Haböck and Al Kindi, eprint 2024/1037). Three more columns hold a random polynomial over
the extension, the mask of the FRI codeword.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from axon.errors import ProofRejected, ProverError
from axon.stark import extension
from axon.stark.air import Air, Public
from axon.stark.arena import empty
from axon.stark.evaluate import run
from axon.stark.extension import Ext
from axon.stark.field import P, Vector, batch_inverse, inverse, root_of_unity, scale, sub
from axon.stark.lowering import Scalars, lower_combined
from axon.stark.ntt import (
    block_shift,
    domain_points,
    evaluate_block,
    interpolate,
    interpolate_blocks,
    low_degree_extend,
)
from axon.stark.options import Options

__all__ = ["Divisors", "compose", "divisors_at", "join_segments", "list_value", "scalars_of", "tables_at"]


def scalars_of(air: Air, public: Public, challenges: Sequence[Ext]) -> Scalars:
    """The scalar inputs of the program, once the challenges are drawn."""
    lists = tuple(list_value(public[air.lists[a].name], challenges[b]) for a, b in air.list_values)
    return Scalars(tuple(int(public[name]) for name in air.publics), tuple(challenges), lists)


def list_value(values: Sequence[int], point: Ext) -> Ext:
    """Horner's rule from one: the list's length is bound with its elements."""
    total = extension.ONE
    for value in values:
        total = extension.mul(total, point)
        total = ((total[0] + int(value)) % P, total[1], total[2])
    return total


# prover


@dataclass
class Divisors:
    """Which extra vector divides which constraints, for one AIR."""

    rows: tuple[int | None, ...]  # None first: every active row

    @classmethod
    def of(cls, air: Air) -> Divisors:
        rows: list[int | None] = []
        for constraint in air.program().constraints:
            if constraint.row not in rows:
                rows.append(constraint.row)
        return cls(tuple(rows))


def compose(
    air: Air,
    options: Options,
    public: Public,
    scalars: Scalars,
    beta: Ext,
    segments: tuple[Vector, Vector, Vector],
    random_elements: Vector,
) -> Vector:
    """The quotient's segments and the mask as coefficients: (3·(segments + 1), n).

    `segments` are the low-degree extensions (at least the first blocks); `random_elements`
    is (3, (segments - 1)·h + n): blinding polynomials, then the mask. ProverError if the
    quotient is no polynomial: the witness breaks a constraint.
    """
    quotient = quotient_of(air, options, public, scalars, beta, segments)
    if quotient[:, options.quotient_degree(air) + 1 :].any():
        raise ProverError("the witness breaks a constraint (prove with debug=True to learn which)")
    return cut(air, options, quotient, random_elements)


def quotient_of(
    air: Air,
    options: Options,
    public: Public,
    scalars: Scalars,
    beta: Ext,
    segments: tuple[Vector, Vector, Vector],
) -> Vector:
    """Q interpolated from as many blocks as its degree needs: (3, blocks·n) coefficients."""
    n, blocks = 1 << air.log_rows, options.quotient_blocks(air)
    divisors = Divisors.of(air)
    first = len(air.tables)
    code = lower_combined(
        air.program(), scalars, beta, {row: first + k for k, row in enumerate(divisors.rows)}
    )
    values = empty((3, n * blocks))
    polynomials = _table_polynomials(air, public)
    exempt = _exempt_polynomial(air, options)
    extra = empty((first + len(divisors.rows), n))
    for block in range(blocks):
        _fill_extra(extra, air, options, divisors, polynomials, exempt, block)
        run(code, segments, extra, values, n, block * n, air.log_rows)
    return interpolate_blocks(values)


def cut(air: Air, options: Options, quotient: Vector, random_elements: Vector) -> Vector:
    """Q's segments, blinded, and the mask; coefficients that do not fit are dropped."""
    n, count, h = 1 << air.log_rows, options.quotient_segments(air), options.quotient_blinding
    room = n - h
    out = np.zeros((3 * (count + 1), n), np.uint64)
    for k in range(count):
        part = quotient[:, k * room : (k + 1) * room]
        out[3 * k : 3 * k + 3, : part.shape[1]] = part
        if h and k > 0:
            blind = np.ascontiguousarray(random_elements[:, (k - 1) * h : k * h])
            out[3 * k - 3 : 3 * k, room:] = blind
            low = np.ascontiguousarray(out[3 * k : 3 * k + 3, :h])
            out[3 * k : 3 * k + 3, :h] = sub(low, blind)
    out[3 * count :] = random_elements[:, (count - 1) * h :] if h else 0
    return out


def _table_polynomials(air: Air, public: Public) -> list[Vector]:
    """Coefficients of each table column, in X^(n/period)."""
    out = []
    for table in air.tables:
        if table.source is None:
            values = np.array(table.values, np.uint64)
        else:
            values = np.zeros(1 << air.log_rows, np.uint64)
            given = np.array(public[air.lists[table.source].name], np.uint64)
            values[: len(given)] = given
        out.append(interpolate(values[None]))
    return out


def _exempt_polynomial(air: Air, options: Options) -> Vector:
    """Π (X - w^row) over the exempt rows, as (1, n) coefficients."""
    n = 1 << air.log_rows
    root = root_of_unity(air.log_rows)
    coefficients = [1]
    for row in range(air.rows(options) - 1, n):
        point = pow(root, row, P)
        shifted = [0, *coefficients]
        for k, c in enumerate(coefficients):
            shifted[k] = (shifted[k] - c * point) % P
        coefficients = shifted
    out = np.zeros((1, n), np.uint64)
    if len(coefficients) > n:  # X^n = 1 on rows, but not here: only when every row is exempt
        raise ProverError("no active rows")
    out[0, : len(coefficients)] = coefficients
    return out


def _fill_extra(
    extra: Vector,
    air: Air,
    options: Options,
    divisors: Divisors,
    polynomials: Sequence[Vector],
    exempt: Vector,
    block: int,
) -> None:
    """Table columns and inverse divisors on one block."""
    n = 1 << air.log_rows
    blowup = 1 << options.log_blowup
    shift = block_shift(air.log_rows, options.log_blowup, block)
    for k, polynomial in enumerate(polynomials):
        period = polynomial.shape[1]
        small = low_degree_extend(polynomial, 1, shift=pow(shift, n // period, P))
        extra[k] = np.repeat(small[0], n // period)  # bit-reversed: equal values side by side
    points: Vector | None = None
    for k, row in enumerate(divisors.rows, len(polynomials)):
        if row is None:
            zerofier = inverse((pow(shift, n, P) - 1) % P)
            scale(evaluate_block(exempt, blowup, block)[0], zerofier, extra[k])
            continue
        if points is None:
            points = domain_points(air.log_rows, shift)
        at = row if row >= 0 else air.rows(options) - 1
        root = np.full(n, pow(root_of_unity(air.log_rows), at, P), np.uint64)
        batch_inverse(sub(points, root), extra[k])


# verifier


def divisors_at(air: Air, options: Options, z: Ext) -> dict[int | None, Ext]:
    """The inverse divisors at a point outside the trace domain."""
    n, root = 1 << air.log_rows, root_of_unity(air.log_rows)
    out: dict[int | None, Ext] = {}
    for row in Divisors.of(air).rows:
        if row is None:
            value = extension.invert(extension.sub(extension.power(z, n), extension.ONE))
            point = pow(root, air.rows(options) - 1, P)
            for _ in range(air.rows(options) - 1, n):
                value = extension.mul(value, ((z[0] - point) % P, z[1], z[2]))
                point = point * root % P
        else:
            point = pow(root, row if row >= 0 else air.rows(options) - 1, P)
            value = extension.invert(((z[0] - point) % P, z[1], z[2]))
        out[row] = value
    return out


def tables_at(air: Air, public: Public, z: Ext) -> list[Ext]:
    """Table columns at a point: periodic ones by Horner in z^(n/period), lists by Lagrange."""
    n = 1 << air.log_rows
    out = []
    for table in air.tables:
        if table.source is None:
            y = extension.power(z, n // len(table.values))
            value = extension.ZERO
            for coefficient in reversed(_periodic_coefficients(table.values)):
                value = extension.mul(value, y)
                value = ((value[0] + coefficient) % P, value[1], value[2])
        else:
            value = _lagrange(public[air.lists[table.source].name], air.log_rows, z)
        out.append(value)
    return out


@lru_cache(maxsize=64)
def _periodic_coefficients(values: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(c) for c in interpolate(np.array(values, np.uint64)[None])[0])


def _lagrange(values: Sequence[int], log_rows: int, z: Ext) -> Ext:
    """Σ v_i·L_i(z), L_i(z) = (z^n - 1)/n · w^i/(z - w^i)."""
    n, root = 1 << log_rows, root_of_unity(log_rows)
    differences, product, prefixes = [], extension.ONE, []
    point = 1
    for _ in values:
        difference = ((z[0] - point) % P, z[1], z[2])
        differences.append(difference)
        prefixes.append(product)
        product = extension.mul(product, difference)
        point = point * root % P
    back = extension.invert(product)
    total = extension.ZERO
    for k in range(len(values) - 1, -1, -1):
        point = point * inverse(root) % P if k < len(values) - 1 else pow(root, k, P)
        reciprocal = extension.mul(back, prefixes[k])
        total = extension.add(total, extension.scale(reciprocal, point * int(values[k]) % P))
        back = extension.mul(back, differences[k])
    zerofier = extension.sub(extension.power(z, n), extension.ONE)
    return extension.mul(total, extension.scale(zerofier, inverse(n)))


def join_segments(segments: Sequence[Ext], room: int, z: Ext) -> Ext:
    """Q(z) from the segments' values."""
    step = extension.power(z, room)
    total = extension.ZERO
    for value in reversed(segments):
        total = extension.add(extension.mul(total, step), value)
    return total


def check_out_of_domain(z: Ext) -> None:
    """ProofRejected("ood-point") if z lies in the base field, as trace and evaluation domain do."""
    if not z[1] and not z[2]:
        raise ProofRejected("ood-point", "z lies in the base field")
