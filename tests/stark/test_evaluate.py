"""The vector evaluator against a slow twin, on random expressions in every kind of input."""

from operator import add, mul, sub
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.stark import Air, Expr, extension
from axon.stark.composition import list_value, tables_at
from axon.stark.evaluate import TILE, at_point, run
from axon.stark.extension import Ext
from axon.stark.field import GENERATOR, P, Vector, root_of_unity
from axon.stark.lane_ir import reverse_bits
from axon.stark.lowering import Scalars, lower_combined
from axon.stark.ntt import interpolate, low_degree_extend
from axon.stark.program import Kind, Opcode

LOG_ROWS = 7  # two tiles
ROWS = 1 << LOG_ROWS
Leaf = tuple[str, int]


def make_air() -> tuple[Air, list[Expr]]:
    air = Air("random", LOG_ROWS)
    leaves = [*air.attested("x"), *air.columns("a", "b"), air.periodic([3, 1, 4, 1]), air.public("p")]
    leaves += [air.challenge("c"), air.aux_column("u", lambda w: None), air.aux_column("v", lambda w: None)]
    leaves += [leaf.next for leaf in (leaves[0], leaves[1], leaves[6])]
    leaves += [air.constant(0), air.constant(1), air.constant(P - 5)]
    return air, leaves


@st.composite
def expressions(draw: Any) -> tuple[Air, list[Expr]]:
    """Up to six expressions over shared subexpressions, degree at most 8."""
    air, pool = make_air()
    for _ in range(draw(st.integers(1, 25))):
        a, b = draw(st.sampled_from(pool)), draw(st.sampled_from(pool))
        made = draw(st.sampled_from([add, sub, mul]))(a, b)
        if made.degree <= 8:
            pool.append(made)
    roots = [e for e in pool[14:] if e.degree][-6:] or [pool[1]]
    return air, roots


def slow(expr: Expr, cells: dict[tuple[int, int, int], Ext], tables: list[Ext], scalars: Scalars) -> Ext:
    """By recursion over the graph."""
    node = expr.node
    if node.operation is None:
        if node.kind == Kind.CELL:
            return cells[tuple(expr.air._cells[node.left])]  # type: ignore[index]
        return {
            Kind.CONSTANT: lambda: (node.left, 0, 0),
            Kind.PERIODIC: lambda: tables[node.left],
            Kind.PUBLIC: lambda: (scalars.publics[node.left], 0, 0),
            Kind.CHALLENGE: lambda: scalars.challenges[node.left],
        }[node.kind]()
    a = slow(Expr(expr.air, node.left), cells, tables, scalars)
    b = slow(Expr(expr.air, node.right), cells, tables, scalars)
    operation = {Opcode.ADD: extension.add, Opcode.SUB: extension.sub, Opcode.MUL: extension.mul}
    return operation[node.operation](a, b)


@given(expressions(), st.integers(0, 2**32), st.integers(0, 3))
def test_vector_code_and_point_walk_agree_with_the_expressions(
    drawn: tuple[Air, list[Expr]], seed: int, block: int
) -> None:
    air, roots = drawn
    for root in roots:
        air.constrain(root)
    air.boundary(3, roots[0])
    program = air.program()
    rng = np.random.default_rng(seed)

    def random(*shape: int) -> Vector:
        return rng.integers(0, P, shape, dtype=np.uint64)

    def ext() -> Ext:
        return tuple(int(x) for x in random(3))  # type: ignore[return-value]

    scalars = Scalars((int(random(1)[0]),), (ext(),), ())
    beta = ext()
    segments = tuple(low_degree_extend(random(w, ROWS), 4) for w in (1, 2, 6))
    extra = random(3, ROWS)
    out = np.zeros((3, 4 * ROWS), np.uint64)
    code = lower_combined(program, scalars, beta, {None: 1, 3: 2})
    run(code, segments, extra, out, ROWS, block * ROWS, LOG_ROWS)  # type: ignore[arg-type]

    for q in (0, 5, TILE - 1, TILE, ROWS - 8, ROWS - 1):
        row = reverse_bits(q, LOG_ROWS)
        after = reverse_bits((row + 1) % ROWS, LOG_ROWS)
        cells: dict[tuple[int, int, int], Ext] = {}
        for shift, position in ((0, block * ROWS + q), (1, block * ROWS + after)):
            for s, c in ((0, 0), (1, 0), (1, 1)):
                cells[s, c, shift] = (int(segments[s][c, position]), 0, 0)
            for c in (0, 1):
                cells[2, c, shift] = tuple(int(segments[2][3 * c + k, position]) for k in range(3))  # type: ignore
        tables: list[Ext] = [(int(extra[0, q]), 0, 0)]
        expected = [slow(root, cells, tables, scalars) for root in [*roots, roots[0]]]
        walked = at_point(program, [cells[tuple(c)] for c in program.cells], tables, scalars)  # type: ignore[index]
        assert walked == expected
        total = extension.ZERO
        for constraint, value in zip(program.constraints, expected):
            divisor = int(extra[1 if constraint.row is None else 2, q])
            total = extension.add(extension.mul(total, beta), extension.scale(value, divisor))
        assert tuple(int(x) for x in out[:, block * ROWS + q]) == total


@given(st.integers(0, 5), st.integers(0, 2**32))
def test_periodic_columns_at_a_point_are_the_interpolated_ones(log_period: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = [int(v) for v in rng.integers(0, P, 1 << log_period, dtype=np.uint64)]
    air = Air("periodic", 5)
    air.constrain(air.column("a") - air.periodic(values))
    listed = air.public_list("values")
    air.constrain(air.column("b") - air.public_column(listed))
    z: Ext = (int(rng.integers(P, dtype=np.uint64)), 5, 7)
    repeated = np.tile(np.array(values, np.uint64), 32 >> log_period)
    for natural, got in zip(
        (repeated, np.array(values + [0] * (32 - len(values)), np.uint64)),
        tables_at(air, {"values": values}, z),
    ):
        expected = extension.ZERO
        for c in reversed(interpolate(natural[None])[0]):
            expected = extension.add(extension.mul(expected, z), (int(c), 0, 0))
        assert got == expected


def test_an_empty_public_column_is_zero() -> None:
    air = Air("empty", 5)
    air.constrain(air.column("b") - air.public_column(air.public_list("values")))
    assert tables_at(air, {"values": []}, (5, 6, 7)) == [extension.ZERO]


def test_list_values_bind_length_and_order() -> None:
    gamma = (3, 5, 7)
    lists = [[], [0], [0, 0], [1], [0, 1], [1, 0]]
    assert len({list_value(values, gamma) for values in lists}) == len(lists)
    assert list_value([4], gamma) == (7, 5, 7)


@pytest.mark.parametrize("point", [GENERATOR, root_of_unity(3)])
def test_the_natural_order_evaluator_sees_the_next_row(point: int) -> None:
    from axon.stark.trace import Witness
    from tests.stark.cases import OPEN

    air = Air("natural", 5)
    a = air.column("a")
    air.constrain(a.next - a * point)
    column = [pow(point, k, P) for k in range(32)]
    witness = Witness(air, OPEN, {"a": column}, {})
    assert [int(v) for v in witness.evaluate([a.next])[0, 0, :31]] == column[1:]
    assert witness.violations() == []
