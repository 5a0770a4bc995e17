"""Buses: what balances, what does not, and how it is counted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.errors import ProverError
from axon.stark import Air, Bus, RangeTable, extension, prove, verify
from axon.stark.field import P
from axon.stark.logup import vector_inverse
from tests.stark.cases import TINY


def bus_air(sent: str, received: str, weights: tuple[str, str] = ("one", "one"), max_degree: int = 3) -> Air:
    """Columns a, b, w sent on one bus, x, y, v received on another or the same; `sent` like "A:a,b"."""
    air = Air("bus", 6, max_degree)
    cells = {name: air.column(name) for name in ("a", "b", "w", "x", "y", "v")}
    cells["one"] = air.constant(1)
    buses: dict[str, Bus] = {}
    for text, weight, way in ((sent, weights[0], "send"), (received, weights[1], "receive")):
        name, columns = text.split(":")
        if name not in buses:
            buses[name] = Bus(air, name)
        getattr(buses[name], way)([cells[c] for c in columns.split(",")], cells[weight])
    return air


def run(air: Air, **columns: list[int]) -> None:
    """Prove and verify; ProverError if it does not balance."""
    rows = air.rows(TINY)
    trace = {name: (columns.get(name, []) + [0] * rows)[:rows] for name in ("a", "b", "w", "x", "y", "v")}
    proof = prove(air, trace, {}, TINY, debug=True)
    verify(air, {}, proof, TINY)


UNBALANCED = pytest.raises(ProverError, match="bus sum is zero")


@given(st.lists(st.integers(0, P - 1), max_size=20), st.randoms())
def test_a_bus_balances_permutations_and_nothing_else(values: list[int], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    air = bus_air("A:a", "A:x")
    run(air, a=values, x=shuffled)
    if values:
        with UNBALANCED:
            run(air, a=values, x=[(shuffled[0] + 1) % P, *shuffled[1:]])


def test_tuples_have_an_order_and_both_parts_count() -> None:
    air = bus_air("A:a,b", "A:x,y")
    run(air, a=[1, 2, 3], b=[4, 5, 6], x=[3, 1, 2], y=[6, 4, 5])
    for x, y in (([4, 5, 6], [1, 2, 3]), ([1, 2, 3], [4, 6, 5])):
        with UNBALANCED:
            run(air, a=[1, 2, 3], b=[4, 5, 6], x=x, y=y)


def test_buses_do_not_mix() -> None:
    for sent, received in (("A:a", "B:x"), ("A:a,b", "B:x,y"), ("A:a", "B:x,y"), ("A:a,b", "B:x")):
        with UNBALANCED:
            run(bus_air(sent, received), a=[1, 2, 3], x=[1, 2, 3])


def test_weights_are_sums_by_key() -> None:
    air = bus_air("A:a", "A:x", ("w", "v"))
    edges = [(7, 10), (8, 1), (7, 5), (9, P - 3), (8, 2)]
    run(air, a=[k for k, _ in edges], w=[v for _, v in edges], x=[7, 8, 9], v=[15, 3, P - 3])
    for wrong in ([14, 3, P - 3], [15, 3, 0], [3, 15, P - 3]):
        with UNBALANCED:
            run(air, a=[k for k, _ in edges], w=[v for _, v in edges], x=[7, 8, 9], v=wrong)


def test_the_closing_row_takes_no_part() -> None:
    air = bus_air("A:a", "A:x")
    rows = air.rows(TINY)
    run(air, a=[0] * (rows - 1) + [5], x=[0] * rows)


@pytest.mark.parametrize(("max_degree", "columns"), [(2, 6), (3, 3), (4, 2), (7, 1)])
def test_fractions_are_packed_as_far_as_the_degree_allows(max_degree: int, columns: int) -> None:
    air = Air("packed", 7, max_degree)
    cells = [air.column(f"c{k}") for k in range(6)]
    bus = Bus(air, "A")
    for k, cell in enumerate(cells):
        (bus.send if k < 3 else bus.receive)(cell)
    assert air.widths()[2] == columns
    assert air.degree <= max_degree
    assert air.lookup_terms == 6
    rows = air.rows(TINY)
    trace = {f"c{k}": [(r * (k % 3 + 1)) % 11 for r in range(rows)] for k in range(6)}
    verify(air, {}, prove(air, trace, {}, TINY, debug=True), TINY)


def test_tuples_and_lists_are_counted_in_the_soundness() -> None:
    assert bus_air("A:a", "A:x").lookup_terms == 0  # before it is frozen
    for air, terms in (
        (bus_air("A:a", "A:x"), 2),
        (bus_air("A:a,b", "A:x,y"), 4),
        (bus_air("A:a,b,w", "B:x"), 6),
    ):
        air.program()
        assert air.lookup_terms == terms
        assert TINY.shape(air).lookup_terms == terms << 6


def test_range_tables_of_thirteen_bits_split_over_two_columns() -> None:
    air = Air("thirteen", 13)
    value = air.column("value")
    table = RangeTable(air, 13, columns=2)
    table.check(value)
    rows = air.rows(TINY)
    values = [k * k % 8192 for k in range(rows)]
    verify(air, {}, prove(air, {"value": values}, {}, TINY, debug=True), TINY)
    with pytest.raises(ProverError, match="fails on row 3: 8192"):
        prove(air, {"value": [1, 2, 3, 8192, *values[4:]]}, {}, TINY)
    flag = Air("flag", 13)
    number, when = flag.columns("number", "when")
    RangeTable(flag, 4).check(number, when)
    with pytest.raises(ProverError, match="other than 0 or 1"):
        prove(flag, {"number": [0] * rows, "when": [2] * rows}, {}, TINY)


@given(st.integers(1, 40), st.integers(0, 2**32))
def test_vector_inverses_are_inverses(n: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, P, (3, n), dtype=np.uint64)
    inverses = vector_inverse(values)
    for k in range(n):
        a, b = (tuple(int(x) for x in v[:, k]) for v in (values, inverses))
        assert extension.mul(a, b) == extension.ONE  # type: ignore[arg-type]
    with pytest.raises(ZeroDivisionError):
        vector_inverse(np.zeros((3, n), np.uint64))
