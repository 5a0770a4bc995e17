"""Time epochs: edges from signed receipts, and shares, root and proof from edges.

Every case runs in a process of its own, so that its peak memory is its own, and proves twice:
the second time counts (kernels compiled, memory touched).
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from axon.errors import AxonError

__all__ = ["CASES", "QUICK", "run", "show"]

Case = dict[str, Any]

CASES: Final[tuple[Case, ...]] = (
    {"case": "epoch", "edges": 6_000, "peers": 500, "options": "onchain-100"},
    {"case": "epoch", "edges": 6_000, "peers": 500, "options": "onchain-128"},
    {"case": "epoch", "edges": 100_000, "peers": 5_000, "options": "offchain-100"},
    {"case": "epoch", "edges": 1_000_000, "peers": 15_000, "options": "offchain-100"},
    {"case": "receipts", "receipts": 1_000_000, "peers": 10_000, "processes": 2},
)
QUICK: Final[tuple[Case, ...]] = (
    CASES[0],
    {"case": "epoch", "edges": 100_000, "peers": 5_000, "options": "offchain-100"},
    {"case": "receipts", "receipts": 20_000, "peers": 1_000, "processes": 2},
)


def run(*, quick: bool = False, tell: Callable[[Case], None] = lambda row: None) -> list[Case]:
    """Run all cases, or the quick ones; `tell` hears each row.

    Raises
    ------
    AxonError
        If a case fails.
    """
    rows = []
    for case in QUICK if quick else CASES:
        done = subprocess.run(
            [sys.executable, "-m", "axon.aggregator.bench", json.dumps(case)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise AxonError(f"bench {case}: {done.stderr.strip().splitlines()[-1:]}")
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        tell(rows[-1])
    return rows


def show(console: Console, rows: Sequence[Case]) -> None:
    """Print the rows as a table."""
    table = Table(title="One epoch", caption="seconds: warm, all that is listed to its right")
    for name in ("case", "edges", "peers", "options", "rows"):
        table.add_column(name, justify="left" if name in ("case", "options") else "right")
    for name in ("seconds", "shares", "root", "proof", "verify", "signatures", "KiB", "peak MB"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row["case"],
            f"{row['edges']:,}",
            f"{row['peers']:,}",
            row.get("options", ""),
            f"2^{row['log_rows']}" if "log_rows" in row else "",
            f"{row['seconds']:.2f}",
            *(
                f"{row[k]:.3f}" if k in row else ""
                for k in ("shares", "root", "proof", "verify", "signatures")
            ),
            f"{row['proof_bytes'] / 1024:.1f}" if "proof_bytes" in row else "",
            f"{row['peak_mb']:.0f}",
        )
    console.print(table)


def _epoch(case: Case) -> Case:
    """Shares, root and proof of a random epoch."""
    from axon.rewards.air import Statement, attested_columns, log_rows_for, reward_air, reward_trace
    from axon.rewards.edges import Edges
    from axon.rewards.function import PRETRUST_TOTAL, rewards
    from axon.stark import commit_segment, named, prove, verify

    rng = np.random.default_rng(7)
    n, wanted, c, c_e = case["peers"], case["edges"], 1 << 16, 1 << 32
    pairs = np.unique(rng.integers(0, n * n, wanted * 2))
    pairs = rng.permutation(pairs[pairs // n != pairs % n])[:wanted]
    edges = Edges.canonical(n, pairs // n, pairs % n, rng.integers(1, 5000, len(pairs)))
    pretrust = np.zeros(n, np.uint64)
    pretrust[: n // 10] = PRETRUST_TOTAL // (n // 10)
    options, joined = named(case["options"]), n // 5
    air = reward_air(log_rows_for(len(edges), n, options))
    best: Case = {"seconds": float("inf")}
    for _ in range(2):
        clock = [time.perf_counter()]
        got = rewards(edges, pretrust, c, c_e)
        clock.append(time.perf_counter())
        root = commit_segment(air, attested_columns(edges, pretrust, joined), b"s" * 32, options)
        clock.append(time.perf_counter())
        statement = Statement(
            1,
            b"\1" * 20,  # type: ignore[arg-type]
            0,  # type: ignore[arg-type]
            b"\2" * 20,  # type: ignore[arg-type]
            root,
            c,
            c_e,
            int(got.trust.sum()),
            int(pretrust.sum()),
            tuple(int(share) for share in got.shares[:joined]),
        )
        trace = reward_trace(edges, pretrust, joined, c, c_e, got, air.rows(options))
        proof = prove(air, trace, statement.public(), options, attested_seed=b"s" * 32)
        clock.append(time.perf_counter())
        verify(air, statement.public(), proof, options)
        clock.append(time.perf_counter())
        shares, commitment, proving, checking = (b - a for a, b in pairwise(clock))
        if clock[-2] - clock[0] < best["seconds"]:
            best = {
                "seconds": clock[-2] - clock[0],
                "shares": shares,
                "root": commitment,
                "proof": proving,
                "verify": checking,
                "proof_bytes": len(proof.to_bytes()),
            }
    bits = options.security_bits(air)
    return {**case, "edges": len(edges), "log_rows": air.log_rows, "proven_bits": bits, **best}


def _receipts(case: Case) -> Case:
    """Edges from signed receipts, as an aggregator gets them: parsing, merging, signatures, set rule."""
    from axon.ids import Account, Epoch, InfoHash, PieceIndex
    from axon.keys import NodeSecret
    from axon.receipts import Receipt, Scope
    from axon.rewards.collect import collect

    rng = np.random.default_rng(8)
    scope = Scope(1, Account(b"\1" * 20), InfoHash(b"\2" * 20), Epoch(0))
    keys = [NodeSecret(k.to_bytes(32, "big")) for k in range(1, case["peers"] + 1)]
    each = case["receipts"] // len(keys)
    raw = []
    for k, secret in enumerate(keys):
        for other in rng.choice(len(keys) - 1, each, replace=False):
            up = keys[other + (other >= k)].public
            body = Receipt(*scope, secret.public, up, PieceIndex(0), 64, 1, bytes(32), 1)
            raw.append(body.signed(secret).serialize())
    started = time.perf_counter()
    found = collect([raw], scope, (), each * 64, processes=case["processes"])
    seconds = time.perf_counter() - started
    sample = [Receipt.parse(data) for data in raw[:2000]]
    started = time.perf_counter()
    assert all(receipt.verifies() for receipt in sample)
    signatures = (time.perf_counter() - started) / len(sample) * len(raw) / case["processes"]
    return {**case, "edges": len(found.edges), "seconds": seconds, "signatures": signatures}


def _main(argument: str) -> None:
    case = json.loads(argument)
    row = {"epoch": _epoch, "receipts": _receipts}[case["case"]](case)
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if case["case"] == "receipts":  # its processes share most of their memory; the largest is counted beside
        usage += resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(json.dumps({**row, "peak_mb": usage / 1024}))


if __name__ == "__main__":
    _main(sys.argv[1])
