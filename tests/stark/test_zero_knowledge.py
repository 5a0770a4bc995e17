"""What the openings of a proof tell about the witness: nothing, and without random rows, everything."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest

from axon.stark import Air, Options, Proof, layout, prove, verify
from axon.stark.extension import Ext, invert, mul, power, scale
from axon.stark.field import GENERATOR, P, root_of_unity
from axon.stark.fri import domain_point
from axon.stark.transcript import Tag, Transcript
from tests.stark.cases import TINY

HIDING = replace(TINY, name="hiding", grinding_bits=0, queries=3, log_blowup=2)


def secret_air() -> Air:
    """A hidden column whose running sum is public: many witnesses for one statement."""
    air = Air("secret", 5)
    value, total = air.columns("value", "total")
    air.boundary(0, total)
    air.constrain(total.next - total - value * value)
    air.boundary(-1, total - air.public("sum"))
    return air


def secret_trace(values: Sequence[int]) -> dict[str, list[int]]:
    totals = [0]
    for value in values:
        totals.append(totals[-1] + value * value)
    return {"value": [*values, 0], "total": totals}


def witnesses(air: Air, options: Options) -> tuple[list[int], list[int]]:
    """Two columns of equal sums of squares."""
    active = air.rows(options) - 1
    return [5, 0] * (active // 2) + [0] * (active % 2), [3, 4] * (active // 2) + [0] * (active % 2)


def openings(air: Air, public: dict[str, int], proof: Proof, options: Options) -> list[tuple[int, int]]:
    """(position, value of the secret column there) for every query."""
    drawn: list[int] = []
    positions = Transcript.positions

    def watching(self: Transcript, count: int, log_size: int) -> list[int]:
        drawn.extend(positions(self, count, log_size))
        return list(drawn)

    with mock.patch.object(Transcript, "positions", watching):
        sections = layout(air, public, proof, options)
    at, length = next((at, n) for name, at, n, _ in sections if name == "main rows")
    unique = sorted(set(drawn))
    row = length // len(unique)
    return [
        (p, int.from_bytes(proof.data[at + k * row : at + k * row + 8], "big")) for k, p in enumerate(unique)
    ]


def sample(options: Options, proofs: int) -> list[list[tuple[int, int]]]:
    """Openings of many proofs, for each of the two witnesses."""
    air = secret_air()
    out = []
    for values in witnesses(air, options):
        public = {"sum": sum(v * v for v in values)}
        trace = secret_trace(values)
        seen: list[tuple[int, int]] = []
        for _ in range(proofs):
            proof = prove(air, trace, public, options)
            seen += openings(air, public, proof, options)
        out.append(seen)
    assert sum(v * v for v in witnesses(air, options)[0]) == sum(v * v for v in witnesses(air, options)[1])
    return out


def chi_square(first: list[int], second: list[int], bins: int) -> float:
    """Two-sample statistic of values below P cut into bins."""
    counts = [np.bincount([v * bins // P for v in values], minlength=bins) for values in (first, second)]
    a, b = counts[0].astype(float), counts[1].astype(float)
    expected = (a + b) / 2
    return float((((a - expected) ** 2 + (b - expected) ** 2) / np.maximum(expected, 1)).sum())


def repeats(seen: list[tuple[int, int]]) -> tuple[int, int]:
    """How often a position came again, and how often with the same value."""
    by_position: dict[int, list[int]] = defaultdict(list)
    for position, value in seen:
        by_position[position].append(value)
    again = sum(len(v) - 1 for v in by_position.values())
    return again, sum(len(v) - len(set(v)) for v in by_position.values())


def test_openings_of_two_witnesses_cannot_be_told_apart() -> None:
    first, second = sample(HIDING, 150)
    for seen in (first, second):
        again, same = repeats(seen)
        assert again > 50
        assert same == 0
    values = [[v for _, v in seen] for seen in (first, second)]
    assert chi_square(*values, bins=16) < 50  # 15 degrees of freedom: exceeded once in 10^4


def test_without_random_rows_the_openings_give_the_witness_away() -> None:
    with mock.patch.object(Options, "random_rows", 0):
        first, second = sample(HIDING, 40)
    for seen in (first, second):
        again, same = repeats(seen)
        assert again > 5
        assert same == again  # one polynomial, proof after proof
    common = dict(first).keys() & dict(second).keys()
    assert any(dict(first)[p] != dict(second)[p] for p in common)


def rank(matrix: list[list[int]]) -> int:
    """Over the field, by elimination."""
    rows = [list(r) for r in matrix]
    found = 0
    for column in range(len(rows[0])):
        pivot = next((k for k in range(found, len(rows)) if rows[k][column]), None)
        if pivot is None:
            continue
        rows[found], rows[pivot] = rows[pivot], rows[found]
        inverse = pow(rows[found][column], -1, P)
        rows[found] = [x * inverse % P for x in rows[found]]
        for k in range(len(rows)):
            if k != found and rows[k][column]:
                factor = rows[k][column]
                rows[k] = [(x - factor * y) % P for x, y in zip(rows[k], rows[found])]
        found += 1
    return found


def opening_matrix(
    air: Air, options: Options, positions: list[int], z: Ext, random_rows: int
) -> list[list[int]]:
    """How each opened base-field number of a column depends on its random rows (Lagrange)."""
    n, root = 1 << air.log_rows, root_of_unity(air.log_rows)
    random = [pow(root, row, P) for row in range(n - random_rows, n)]
    points: list[Ext] = [
        (domain_point(p, air.log_rows + options.log_blowup, GENERATOR), 0, 0) for p in positions
    ]
    wide = [z, scale(z, root)]
    out: list[list[int]] = []
    for point in points + wide:
        zerofier = power(point, n)
        zerofier = ((zerofier[0] - 1) % P, zerofier[1], zerofier[2])
        weights = []
        for r in random:
            weights.append(
                scale(mul(zerofier, invert(((point[0] - r) % P, point[1], point[2]))), r * pow(n, -1, P))
            )
        for k in range(1 if point in points else 3):
            out.append([w[k] for w in weights])
    return out


@pytest.mark.parametrize("fewer", [0, 1])
def test_random_rows_are_as_many_as_the_openings_need_and_no_fewer(fewer: int) -> None:
    """With full rank the openings of a column are exactly uniform, whatever the witness; with
    one row fewer some combination of them depends on the witness alone."""
    air = secret_air()
    options = replace(HIDING, queries=4)
    values = witnesses(air, options)[0]
    public = {"sum": sum(v * v for v in values)}
    points: list[Ext] = []
    element = Transcript.element

    def watching(self: Transcript, tag: Tag) -> Ext:
        drawn = element(self, tag)
        if tag == Tag.POINT:
            points.append(drawn)
        return drawn

    while True:
        proof = prove(air, secret_trace(values), public, options)
        points.clear()
        with mock.patch.object(Transcript, "element", watching):
            verify(air, public, proof, options)
        positions = [p for p, _ in openings(air, public, proof, options)]
        if len(positions) == options.queries:
            break
    matrix = opening_matrix(air, options, positions, points[0], options.random_rows - fewer)
    assert len(matrix) == options.random_rows
    assert rank(matrix) == options.random_rows - fewer


def test_quotient_segments_are_blinded_against_each_other() -> None:
    """Every segment but the sum of all changes from proof to proof with the trace's randomness fixed."""
    air = secret_air()
    values = witnesses(air, HIDING)[0]
    public = {"sum": sum(v * v for v in values)}
    assert HIDING.quotient_segments(air) > 1
    assert HIDING.quotient_blinding == HIDING.queries + 1
    first = prove(air, secret_trace(values), public, HIDING, seed=b"one seed is thirty-two bytes lon")
    second = prove(air, secret_trace(values), public, HIDING, seed=b"two seed is thirty-two bytes lon")
    at, n = next((a, n) for name, a, n, _ in layout(air, public, first, HIDING) if name == "quotient at z")
    pieces = [p.data[at + k : at + k + 24] for p in (first, second) for k in range(0, n, 24)]
    assert len(set(pieces)) == len(pieces)
