"""Wrong witnesses: every cell of every example, and every constraint, by provers that do not stop."""

from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pytest

from axon.errors import ConfigError, ProofRejected, ProverError
from axon.stark import Air, Options, commit_segment, prove, prover, verify
from axon.stark.examples.rangesum import rangesum_air, rangesum_trace
from axon.stark.field import P
from axon.stark.trace import Random, Witness
from tests.stark import cases
from tests.stark.cases import CASES, TINY, Case, honest, prove_anything

Change = Callable[[tuple[Any, ...]], None]


def tampering(change: Change, after_challenges: bool, seen: list[list[tuple[int, str]]]) -> Any:
    """A Witness whose segments are changed once filled; `seen` receives what the change violates."""

    class Tampered(Witness):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            if not after_challenges:
                change(self.segments)

        def fill_auxiliary(self, scalars: Any) -> None:
            super().fill_auxiliary(scalars)
            if after_challenges:
                change(self.segments)

        def release(self) -> None:
            seen.append(self.violations())
            super().release()

    return Tampered


def attempt(case: Case, change: Change, after_challenges: bool = False) -> list[tuple[int, str]]:
    """Prove the changed witness in three ways; what it violates."""
    seen: list[list[tuple[int, str]]] = []
    with mock.patch.object(prover, "Witness", tampering(change, after_challenges, seen)):
        proof = prove_anything(case)
        violated = seen[0]
        if violated:
            with pytest.raises(ProofRejected) as refusal:
                verify(case[0], case[2], proof, TINY)
            assert refusal.value.check == "constraints"
            with pytest.raises(ProverError, match="breaks a constraint"):
                honest(case)
            with pytest.raises(ProverError) as told:
                honest(case, debug=True)
            row, name = violated[0]
            assert repr(name) in str(told.value)
            assert f"row {row}" in str(told.value)
        else:
            verify(case[0], case[2], proof, TINY)
    return violated


def set_cell(segment: int, column: int, row: int) -> Change:
    def change(segments: tuple[Any, ...]) -> None:
        cell = segments[segment][column]
        cell[row] = np.uint64((int(cell[row]) + 1) % P)

    return change


@pytest.mark.parametrize("name", CASES)
def test_each_constraint_of_each_example_is_violated_by_a_wrong_cell_and_never_verifies(name: str) -> None:
    case = CASES[name]()
    air = case[0]
    rows = air.rows(TINY)
    marked = [c.row for c in air.program().constraints if c.row is not None and c.row >= 0]
    chosen = sorted({0, 2, 8, rows - 2, rows - 1, *marked})
    widths = air.widths()
    expected = {c.name for c in air.program().constraints}
    found: set[str] = set()
    for segment in (1, 2):
        for column in range(widths[segment] * (3 if segment == 2 else 1)):
            for row in chosen:
                found |= {v for _, v in attempt(case, set_cell(segment, column, row), segment == 2)}
                if row == 5 and segment == 2:
                    break
    # attested cells are held by their root; what only they can violate is left to the next test
    assert expected - found <= {"no edge, no blocks"}


def test_a_wrong_public_value_is_named_with_its_row() -> None:
    air, trace, public, extra = cases.fibonacci()
    with pytest.raises(ProverError, match="'b ends at the result' fails on row 51"):
        honest((air, trace, {"result": public["result"] + 1}, extra), debug=True)


def test_attested_columns_must_give_the_attested_root() -> None:
    air, trace, public, extra = cases.everything()
    for column, row in (("i", 0), ("b", 1), ("b", 100)):
        changed = list(trace[column])
        changed[row] += 1
        with pytest.raises(ProverError, match="root"):
            honest((air, {**trace, column: changed}, public, extra))
    for seed in (b"another seed of the tests......", None):
        with pytest.raises(ProverError):
            honest((air, trace, public, {"attested_seed": seed}))
    with pytest.raises(ConfigError, match="seed"):
        honest((air, trace, public, {"attested_seed": b"short"}))


def test_a_value_out_of_range_is_found_with_its_row() -> None:
    air = rangesum_air(9)
    trace, public = rangesum_trace(air, TINY, [1, 2, 70000])
    with pytest.raises(ProverError, match="row 2: 273"):
        prove(air, trace, public, TINY)


def test_a_value_out_of_range_never_verifies_however_coherent_the_rest() -> None:
    case = cases.rangesum()
    air, trace, public, _ = case
    # used, high, low, show, sum, byte value, byte count: low of row 1 becomes 300, and the sum follows
    inflated = 300 - trace["low"][1]

    def change(segments: tuple[Any, ...]) -> None:
        main = segments[1]
        main[2, 1] = 300
        main[4, 2 : air.rows(TINY)] += np.uint64(inflated)

    changed: Case = (air, trace, {**public, "total": public["total"] + inflated}, {})
    violated = {name for _, name in attempt(changed, change)}
    assert violated == {"bus sum is zero"}

    def counted(segments: tuple[Any, ...]) -> None:
        change(segments)
        segments[1][6, trace["low"][1]] -= np.uint64(1)  # looked up once less, but no row holds 300

    assert {name for _, name in attempt(changed, counted)} == {"bus sum is zero"}

    def table(segments: tuple[Any, ...]) -> None:
        counted(segments)
        segments[1][5, 299] = np.uint64(300)  # a table that reaches 300 must come back to end at 255
        segments[1][6, 299] = np.uint64(1)

    assert {name for _, name in attempt(changed, table)} == {"byte column 0 steps by 0 or 1"}


def test_a_list_with_another_value_order_or_length_is_refused() -> None:
    air, trace, public, extra = cases.rangesum()
    shown = public["shown"]
    for other in (
        [shown[1], shown[0], shown[2]],
        shown[:2],
        [0, *shown],
        [*shown, 0],
        [shown[0] + 1, *shown[1:]],
    ):
        case: Case = (air, trace, {**public, "shown": other}, extra)
        with pytest.raises(ProverError, match="list shown end"):
            honest(case, debug=True)
        with pytest.raises(ProofRejected):
            verify(air, case[2], prove_anything(case), TINY)


def test_malformed_traces_are_refused_by_name() -> None:
    air, trace, public, _ = cases.fibonacci()
    rows = air.rows(TINY)
    good = trace["a"]
    for bad, message in (
        ({"a": good}, "'b' is missing"),
        ({**trace, "c": good}, r"unknown columns \['c'\]"),
        ({**trace, "a": good[:-1]}, f"want {rows} rows"),
        ({**trace, "a": [*good, 1]}, f"want {rows} rows"),
        ({**trace, "a": [*good[:-1], P]}, "not below P"),
        ({**trace, "a": [*good[:-1], 1 << 64]}, "not of field elements"),
        ({**trace, "a": [*good[:-1], -1]}, "not of field elements"),
        ({**trace, "a": [*good[:-1], 1.5]}, "not of field elements"),
        ({**trace, "a": np.array(good, np.uint64).astype(np.int64) * 0 - 1}, "not of field elements"),
        ({**trace, "a": np.zeros((rows, 1), np.uint64)}, "shape"),
    ):
        with pytest.raises(ProverError, match=message):
            prove(air, bad, public, TINY)


def test_memory_beyond_the_limit_is_refused_before_it_is_taken() -> None:
    air, trace, public, _ = cases.fibonacci()
    with pytest.raises(ProverError, match=r"needs about .* GB of memory, allowed are 0.00"):
        prove(air, trace, public, TINY, memory_limit=1 << 20)
    huge = Air("huge", 26)
    for k in range(200):
        column = huge.column(f"c{k}")
        huge.constrain(column.next - column)
    wide = Options("wide", 0, 6, 2, 0, max_log_rows=26)
    with pytest.raises(ProverError, match="GB of memory"):
        prove(huge, {}, {}, wide)


def test_progress_and_timings_name_the_stages() -> None:
    case = cases.everything()
    told: list[tuple[str, float]] = []
    timings: dict[str, float] = {}
    honest(case, progress=lambda stage, done: told.append((stage, done)), timings=timings)
    shares = [done for _, done in told]
    assert shares == sorted(shares)
    assert told[-1] == ("", 1.0)
    assert {"trace", "attested", "main", "auxiliary", "constraints", "quotient", "deep", "fri"} <= set(
        timings
    )


def test_randomness_is_a_function_of_seed_and_purpose_and_uniform_below_p() -> None:
    first = Random(b"seed of sixteen..", b"rows").elements(3, 1000)
    assert (first == Random(b"seed of sixteen..", b"rows").elements(3, 1000)).all()
    assert not (first == Random(b"seed of sixteen..", b"salts").elements(3, 1000)).any()
    assert int(first.max()) < P
    counts = np.bincount((first >> np.uint64(60)).reshape(-1).astype(int), minlength=16)
    assert ((counts - 187.5) ** 2 / 187.5).sum() < 50


def test_an_attested_segment_is_committed_from_its_own_columns_only() -> None:
    air, trace, public, _ = cases.everything()
    columns = {"i": trace["i"], "b": trace["b"]}
    seed = cases.ATTESTED_SEED
    root = commit_segment(air, columns, seed, TINY)
    assert root == public["attested"]
    short = {name: column[:6] for name, column in columns.items()}  # the rest is zeros
    assert commit_segment(air, short, seed, TINY) == root
    assert commit_segment(air, columns, seed + b"!", TINY) != root
    assert commit_segment(air, {**columns, "b": [6, *columns["b"][1:]]}, seed, TINY) != root
    for bad in (
        {"i": columns["i"]},
        {**columns, "edge": trace["edge"]},
        {**columns, "b": [0] * 127},
        {**columns, "b": [P]},
    ):
        with pytest.raises(ProverError):
            commit_segment(air, bad, seed, TINY)
    with pytest.raises(ProverError):
        commit_segment(cases.fibonacci()[0], {}, seed, TINY)
