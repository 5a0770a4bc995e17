"""The proof of AXR-1: honest epochs verify; every changed cell, share and statement does not."""

from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from axon.errors import ProofRejected, ProverError
from axon.ids import Account, Epoch
from axon.rewards.air import (
    MAX_ROW,
    Statement,
    attested_columns,
    log_rows_for,
    reward_air,
    reward_trace,
)
from axon.rewards.edges import EdgeError, Edges
from axon.rewards.function import Rewards, publisher_pretrust, rewards
from axon.stark import OFFCHAIN_100, Air, commit_segment, prove, verify
from tests.rewards.slow_air import P, first_violation

OPTIONS = OFFCHAIN_100
SEED = b"a seed for tests"
POOL, SUBMITTER = Account(b"\x11" * 20), Account(b"\x22" * 20)


class Run(NamedTuple):
    air: Air
    edges: Edges
    pretrust: NDArray[np.uint64]
    joined: int
    got: Rewards
    trace: dict[str, NDArray[np.uint64]]
    statement: Statement


@cache
def air() -> Air:
    return reward_air(13)


def make(edges: Edges, pretrust: NDArray[np.uint64], joined: int, c: int, c_e: int) -> Run:
    got = rewards(edges, pretrust, c, c_e)
    trace = reward_trace(edges, pretrust, joined, c, c_e, got, air().rows(OPTIONS))
    root = commit_segment(air(), attested_columns(edges, pretrust, joined), SEED, OPTIONS)
    shares = tuple(int(share) for share in got.shares[:joined])
    sums = int(got.trust.sum()), int(pretrust.sum())
    statement = Statement(1, POOL, Epoch(7), SUBMITTER, root, c, c_e, *sums, shares)
    return Run(air(), edges, pretrust, joined, got, trace, statement)


@cache
def small() -> Run:
    edges = Edges.canonical(5, [0, 0, 1, 2, 3, 4], [1, 2, 0, 1, 4, 3], [90, 40, 7, 9, 30000, 20000])
    return make(edges, publisher_pretrust(5, {0: 3, 2: 1}, range(5)), 3, c=1000, c_e=1 << 32)


def check_slowly(run: Run, trace: dict[str, NDArray[np.uint64]] | None = None) -> str | None:
    s = run.statement
    cells = {name: [int(v) for v in column] for name, column in (trace or run.trace).items()}
    return first_violation(cells, s.c, s.c_e, s.sum_trust, s.sum_pretrust, list(s.shares))


def check(run: Run, statement: Statement, proof: object) -> None:
    statement.check()
    verify(run.air, statement.public(), proof, OPTIONS)  # type: ignore[arg-type]


def proved(run: Run, **more: object):  # type: ignore[no-untyped-def]
    return prove(run.air, run.trace, run.statement.public(), OPTIONS, attested_seed=SEED, **more)  # type: ignore[arg-type]


def test_an_honest_epoch_verifies_and_is_bound_to_every_public_value() -> None:
    run = small()
    proof = proved(run, debug=True)
    statement = run.statement
    check(run, statement, proof)
    shares = statement.shares
    for other in (
        replace(statement, chain_id=2),
        replace(statement, pool=SUBMITTER),
        replace(statement, epoch=Epoch(8)),
        replace(statement, submitter=POOL),
        replace(statement, root=bytes(len(statement.root))),
        replace(statement, c=1001),
        replace(statement, c_e=statement.c_e + 1),
        replace(statement, sum_trust=statement.sum_trust + 1),
        replace(statement, sum_trust=statement.sum_trust + 1, sum_pretrust=statement.sum_pretrust + 1),
        replace(statement, shares=(shares[0] + 1, *shares[1:])),
        replace(statement, shares=shares[:2]),
        replace(statement, shares=(*shares, 0)),
        replace(statement, shares=(shares[1], shares[0], shares[2])),
    ):
        with pytest.raises(ProofRejected):
            check(run, other, proof)


@st.composite
def epochs(draw: st.DrawFn) -> Run:
    n = draw(st.integers(1, 8))
    peer = st.integers(0, n - 1)
    blocks = st.one_of(st.integers(1, 100), st.integers(1, 2**33), st.just(MAX_ROW // 40))
    raw = draw(st.lists(st.tuples(peer, peer, blocks), max_size=30))
    trusted = draw(st.dictionaries(peer, st.integers(1, 9), max_size=n))
    edges = Edges.canonical(n, *([edge[k] for edge in raw] for k in range(3)))
    c = draw(st.one_of(st.integers(1, 1000), st.just(3 << 36)))
    c_e = draw(st.sampled_from([1, 1 << 32, 1 << 36]))
    return make(
        edges,
        publisher_pretrust(n, trusted, sorted(set(edges.src.tolist()))),
        draw(st.integers(1, n)),
        c,
        c_e,
    )


@settings(max_examples=8)
@given(epochs())
def test_every_epoch_satisfies_the_slow_checker_and_verifies(run: Run) -> None:
    assert check_slowly(run) is None
    check(run, run.statement, proved(run))


def interesting_cells() -> list[tuple[str, int]]:
    """Every main cell of one edge, of one joined and of one other peer, and one padding row."""
    run = small()
    e = len(run.edges)
    names = [f"limb {k}" for k in range(8)] + ["d", "r", "u", "trust so far", "pretrust so far"]
    rows = [0, *range(e, e + 3), *range(e + 9, e + 12), e + 20]
    return [(name, row) for row in rows for name in names]


def harmless(name: str, row: int) -> bool:
    """Cells that the table in air.py leaves empty, and digits of peers that get no share."""
    e = len(small().edges)
    kind = "edge" if row < e else ("padding" if row >= e + 15 else ("peer", "next", "last")[(row - e) % 3])
    if kind == "padding" or (kind == "last" and row >= e + 9):
        return not name.endswith("so far")
    return kind == "last" and name in ("d", "r", "u")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "row"), interesting_cells())
def test_a_changed_cell_is_noticed_by_both_checkers(name: str, row: int) -> None:
    run = small()
    trace = dict(run.trace)
    trace[name] = trace[name].copy()
    trace[name][row] = (int(trace[name][row]) + 1) % P
    slow = check_slowly(run, trace)
    try:
        prove(run.air, trace, run.statement.public(), OPTIONS, attested_seed=SEED, debug=True)
        fast = None
    except ProverError as error:
        fast = str(error)
    assert (slow is None) == (fast is None), (slow, fast)
    out_of_range = name.startswith("limb") and int(trace[name][row]) >= 8192
    assert (slow is None) == (harmless(name, row) and not out_of_range), slow


def test_coherently_inflated_shares_cannot_be_proved() -> None:
    """Share, its digit and the remainder changed together."""
    run = small()
    divisor = run.statement.sum_trust - run.statement.sum_pretrust + run.statement.c_e
    trace = {name: column.copy() for name, column in run.trace.items()}
    row = len(run.edges) + 2  # the last row of peer 0: q2, remainder, slack
    trace["limb 0"][row] += 1
    rest = sum(int(trace[f"limb {2 + k}"][row]) << 13 * k for k in range(3)) - divisor
    for k in range(3):
        trace[f"limb {2 + k}"][row] = (rest >> 13 * k) & 8191
        trace[f"limb {5 + k}"][row] = ((divisor - 1 - rest) >> 13 * k) & 8191
    shares = run.statement.shares
    statement = replace(run.statement, shares=(shares[0] + 1, *shares[1:]))
    with pytest.raises(ProverError, match="joined"):
        prove(run.air, trace, statement.public(), OPTIONS, attested_seed=SEED, debug=True)
    with pytest.raises(ProverError, match="breaks a constraint"):
        prove(run.air, trace, statement.public(), OPTIONS, attested_seed=SEED)


def test_another_trust_vector_with_the_right_sum_cannot_be_proved() -> None:
    run = small()
    trust = run.got.trust.copy()
    trust[1] += np.uint64(1)
    trust[2] -= np.uint64(1)
    bent = replace(run.got, trust=trust, earned=trust - run.pretrust)
    s = run.statement
    trace = reward_trace(run.edges, run.pretrust, run.joined, s.c, s.c_e, bent, run.air.rows(OPTIONS))
    with pytest.raises(ProverError, match="breaks a constraint"):
        prove(run.air, trace, s.public(), OPTIONS, attested_seed=SEED)


def test_other_receipts_than_the_attested_ones_do_not_verify() -> None:
    run = small()
    other = make(replace(run.edges, blocks=run.edges.blocks + np.uint64(1)), run.pretrust, 3, 1000, 1 << 32)
    proof = proved(other)
    check(other, other.statement, proof)
    with pytest.raises(ProofRejected):
        check(other, replace(other.statement, root=run.statement.root), proof)


@pytest.mark.parametrize(
    "change",
    [
        {"c": 0},
        {"c": (3 << 36) + 1},
        {"c_e": 0},
        {"c_e": (1 << 36) + 1},
        {"sum_pretrust": (1 << 36) + 1},
        {"sum_trust": 0},
        {"sum_trust": 1 << 38},
        {"shares": (1 << 48,)},
    ],
)
def test_statements_outside_the_sound_range_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ProofRejected, match="statement"):
        replace(small().statement, **change).check()  # type: ignore[arg-type]


def test_an_epoch_too_large_for_its_rows_or_the_argument_is_refused() -> None:
    run = small()
    with pytest.raises(EdgeError, match="rows"):
        reward_trace(run.edges, run.pretrust, 3, 1000, 1 << 32, run.got, 20)
    with pytest.raises(EdgeError, match="at most"):
        attested_columns(Edges.canonical(2, [0], [1], [MAX_ROW + 1]), [0, 0], 1)
    with pytest.raises(EdgeError, match="joined"):
        attested_columns(run.edges, run.pretrust, 6)


def test_the_reference_epoch_fits_the_smallest_trace() -> None:
    """6,000 edges and 500 peers at on-chain options: DESIGN §5."""
    from axon.stark import ONCHAIN_100, ONCHAIN_128

    assert log_rows_for(6000, 500, ONCHAIN_100) == log_rows_for(6000, 500, ONCHAIN_128) == 13
    assert log_rows_for(1, 1, ONCHAIN_100) == 13
    assert log_rows_for(1 << 20, 1 << 16, OFFCHAIN_100) == 21
