"""Honest random epochs with their reward proofs, for tests and benchmarks of the contracts."""

from typing import Any

import numpy as np

from axon.ids import Account, Epoch
from axon.rewards.air import Statement, attested_columns, log_rows_for, reward_air, reward_trace
from axon.rewards.edges import Edges
from axon.rewards.function import rewards
from axon.stark import ONCHAIN_100, Air, Options, Proof, commit_segment, prove

SEED = b"a seed for tests"
POOL, SUBMITTER = Account(b"\x11" * 20), Account(b"\x22" * 20)


def prove_epoch(
    edges: int,
    peers: int,
    joined: int,
    statement: dict[str, Any],
    seed: int = 1,
    options: Options = ONCHAIN_100,
) -> tuple[Air, Statement, Proof]:
    """An honest random epoch and its proof."""
    air, trace, said = trace_epoch(edges, peers, joined, statement, seed, options)
    return air, said, prove(air, trace, said.public(), options, attested_seed=SEED)


def trace_epoch(
    edges: int,
    peers: int,
    joined: int,
    statement: dict[str, Any],
    seed: int = 1,
    options: Options = ONCHAIN_100,
) -> tuple[Air, dict[str, Any], Statement]:
    """An honest random epoch before it is proven."""
    rng = np.random.default_rng(seed)
    made = Edges.canonical(
        peers,
        rng.integers(0, peers, edges),
        rng.integers(0, peers, edges),
        rng.integers(1, 1000, edges),
    )
    air = reward_air(log_rows_for(len(made), peers, options))
    pretrust = np.full(peers, (1 << 36) // peers, np.uint64)
    c, c_e = statement.pop("c", 1000), statement.pop("c_e", 1 << 32)
    got = rewards(made, pretrust, c, c_e)
    trace = reward_trace(made, pretrust, joined, c, c_e, got, air.rows(options))
    root = commit_segment(air, attested_columns(made, pretrust, joined), SEED, options)
    said = Statement(
        **{"chain_id": 31_337, "pool": POOL, "epoch": Epoch(0), "submitter": SUBMITTER, **statement},
        root=root,
        c=c,
        c_e=c_e,
        sum_trust=int(got.trust.sum()),
        sum_pretrust=int(pretrust.sum()),
        shares=tuple(int(share) for share in got.shares[:joined]),
    )
    return air, trace, said


def words(statement: Statement) -> list[int]:
    """The ten words that the pool hands to the verifier."""
    return [
        statement.chain_id,
        int.from_bytes(statement.pool, "big"),
        statement.epoch,
        int.from_bytes(statement.submitter, "big"),
        int.from_bytes(statement.root.ljust(32, b"\0"), "big"),
        len(statement.shares),
        statement.c,
        statement.c_e,
        statement.sum_trust,
        statement.sum_pretrust,
    ]
