"""Declaring AIRs: what is refused, what the id depends on, what the compiled program is."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.errors import ConfigError
from axon.stark import Air, Bus, RangeTable, bind_list
from axon.stark.field import P
from axon.stark.program import Kind, Opcode
from tests.stark.cases import CASES, TINY


def two_columns() -> Air:
    air = Air("two", 5)
    a, b = air.columns("a", "b")
    air.constrain(a.next - b)
    return air


@pytest.mark.parametrize(
    "declare",
    [
        lambda air: air.column("a"),
        lambda air: air.public("a"),
        lambda air: air.public("attested"),
        lambda air: air.public_list("context"),
        lambda air: air.periodic([1, 2, 3]),
        lambda air: air.periodic([]),
        lambda air: air.periodic([P]),
        lambda air: air.periodic([0] * 64),
        lambda air: air.column("c").next.next,
        lambda air: (air.column("c") + 1).next,
        lambda air: air.constrain(air.constant(5)),
        lambda air: air.constrain(air.column("c") ** 17),
        lambda air: air.column("c") ** 0,
        lambda air: air.boundary(32, air.column("c")),
        lambda air: air.boundary(-2, air.column("c")),
        lambda air: air.constrain(Air("other", 5).column("c")),
        lambda air: air.column("c") + Air("other", 5).column("c"),
        lambda air: RangeTable(air, 8, columns=3),
        lambda air: RangeTable(air, 0),
        lambda air: (Bus(air, "x"), Bus(air, "x")),
        lambda air: Bus(air, "x").send(()),
        lambda air: (bus := Bus(air, "x")).send(air.column("c")) or bus.receive((air.column("d"),) * 2),
        lambda air: air.program() and air.column("late"),
        lambda air: air.program() and Bus(air, "late").send(air.constant(1)),
    ],
)
def test_wrong_declarations_are_refused(declare: Callable[[Air], object]) -> None:
    with pytest.raises(ConfigError):
        declare(two_columns())


def test_sizes_are_bounded_and_an_air_needs_constraints() -> None:
    for log_rows in (2, 27):
        with pytest.raises(ConfigError, match="rows"):
            Air("x", log_rows)
    with pytest.raises(ConfigError, match="no constraints"):
        Air("x", 5).program()
    with pytest.raises(ConfigError, match="no main columns"):
        (air := Air("x", 5)).constrain(air.attested("a")[0])
        air.program()


def test_a_boundary_in_the_random_rows_is_refused() -> None:
    air = two_columns()
    air.boundary(25, air.column("c"))
    with pytest.raises(ConfigError, match="boundary on row 25"):
        TINY.check(air)


def test_the_id_depends_on_everything_that_is_declared() -> None:
    def variant(name: str = "v", rows: int = 5, values: tuple[int, ...] = (1, 2), **change: object) -> Air:
        air = Air(name, rows)
        a, b = air.columns("a", "b")
        phase = air.periodic(values)
        first = air.public("first")
        items = air.public_list("items", int(change.get("limit", 4)))  # type: ignore[call-overload]
        if change.get("more"):
            air.column("unused")
        air.constrain(a.next - b * phase if not change.get("other") else a.next - b)
        air.boundary(int(change.get("row", 0)), a - first)  # type: ignore[call-overload]
        bind_list(air, items, b, a if change.get("flag") else 1)
        return air

    variants = [
        variant(),
        variant(name="w"),
        variant(rows=6),
        variant(values=(1, 3)),
        variant(values=(1, 2, 1, 2)),
        variant(limit=5),
        variant(more=True),
        variant(other=True),
        variant(row=1),
        variant(row=-1),
        variant(flag=True),
    ]
    assert len({air.id for air in variants}) == len(variants)
    assert variant().id == variants[0].id


@pytest.mark.parametrize("name", CASES)
def test_programs_write_registers_before_they_read_them_and_emit_in_order(name: str) -> None:
    program = CASES[name]()[0].program()
    written: set[int] = set()
    emitted = []
    for i in program.instructions:
        for operand in (i.left, i.right):
            if operand.kind == Kind.REGISTER:
                assert operand.number in written
            if operand.kind == Kind.CELL:
                assert 0 <= operand.number < len(program.cells)
        if i.opcode == Opcode.EMIT:
            emitted.append(i.target)
        else:
            assert 0 <= i.target < program.registers
            written.add(i.target)
    assert emitted == list(range(len(program.constraints)))
    assert [c.row is None for c in program.constraints] == sorted(
        (c.row is None for c in program.constraints), reverse=True
    )
    assert program.registers <= 40
    assert all(cell.shift == 0 for cell in program.cells[: program.current])
    assert all(cell.shift == 1 for cell in program.cells[program.current :])


def test_common_subexpressions_are_computed_once() -> None:
    air = Air("shared", 5)
    a, b = air.columns("a", "b")
    air.constrain((a + b) ** 2 - 1)
    air.constrain((b + a) ** 2 * a)
    multiplications = [i for i in air.program().instructions if i.opcode == Opcode.MUL]
    additions = [i for i in air.program().instructions if i.opcode == Opcode.ADD]
    assert (len(multiplications), len(additions)) == (2, 1)


@given(st.integers(0, P - 1), st.integers(0, P - 1))
def test_constants_fold(x: int, y: int) -> None:
    air = Air("constants", 5)
    a, b = air.constant(x), air.constant(y)
    for made, value in (
        (a + b, x + y),
        (a - b, x - y),
        (a * b, x * y),
        (-a, -x),
        (5 - a, 5 - x),
        (3 * a + 1, 3 * x + 1),
    ):
        assert (made.node.kind, made.node.left) == (Kind.CONSTANT, value % P)
    column = air.column("c")
    assert (column + 0).at == (column * 1).at == (column - 0).at == column.at
    assert (column * 0).at == air.constant(0).at
