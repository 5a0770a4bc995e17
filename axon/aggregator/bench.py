"""Time epochs: edges from signed receipts, and shares, root and proof from edges.

Every case runs in a process of its own, so that its peak memory is its own. Proofs are made twice:
the second time counts (kernels compiled, memory touched).
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from rich.console import Console
from rich.table import Table

from axon.errors import AxonError, ConfigError

__all__ = ["CASES", "QUICK", "receipts_case", "run", "show"]

Case = dict[str, Any]


def receipts_case(receipts: int) -> Case:
    """Return the case of so many receipts: AXR-1 takes 2^20 edges, so ten million are ten a ledger."""
    peers = 10_000 if receipts >= 1_000_000 else 1_000
    ledgers = min(receipts, 100 * peers) // peers * peers
    if ledgers == 0 or receipts % ledgers:
        raise ConfigError(f"{receipts} receipts: want thousands, or beyond a million millions")
    return {"case": "receipts", "receipts": receipts, "ledgers": ledgers, "peers": peers, "processes": 2}


CASES: Final[tuple[Case, ...]] = (
    {"case": "epoch", "edges": 6_000, "peers": 500, "options": "onchain-100"},
    {"case": "epoch", "edges": 6_000, "peers": 500, "options": "onchain-128"},
    {"case": "epoch", "edges": 100_000, "peers": 5_000, "options": "offchain-100"},
    {"case": "epoch", "edges": 1_000_000, "peers": 15_000, "options": "offchain-100"},
    receipts_case(1_000_000),
    receipts_case(10_000_000),
)
QUICK: Final[tuple[Case, ...]] = (
    CASES[0],
    {"case": "epoch", "edges": 100_000, "peers": 5_000, "options": "offchain-100"},
    receipts_case(20_000),
)


def run(cases: Sequence[Case], *, tell: Callable[[Case], None] = lambda row: None) -> list[Case]:
    """Run cases, each in a fresh process; `tell` hears each row.

    Raises
    ------
    AxonError
        If a case fails.
    """
    rows = []
    for case in cases:
        with tempfile.TemporaryDirectory(prefix="axon-bench-") as home:
            if case["case"] == "receipts":
                case = {**_fresh({**case, "case": "make", "home": home}), "case": "receipts"}
            row = _fresh(case)
        rows.append({name: value for name, value in row.items() if name not in ("home", "files")})
        tell(rows[-1])
    return rows


def _fresh(case: Case) -> Case:
    done = subprocess.run(
        [sys.executable, "-m", "axon.aggregator.bench", json.dumps(case)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise AxonError(f"bench {case}: {done.stderr.strip().splitlines()[-1:]}")
    found: Case = json.loads(done.stdout.splitlines()[-1])
    return found


def show(console: Console, rows: Sequence[Case]) -> None:
    """Print the rows as a table."""
    table = Table(title="One epoch", caption="seconds: warm, all that is listed to its right")
    for name in ("case", "receipts", "edges", "peers", "options", "rows"):
        table.add_column(name, justify="left" if name in ("case", "options") else "right")
    for name in ("seconds", "shares", "root", "proof", "verify", "signatures", "KiB", "peak MB"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row["case"],
            f"{row['receipts']:,}" if "receipts" in row else "",
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


def _make(case: Case) -> Case:
    """Write the receipts of a case into its folder."""
    from axon.aggregator.manyreceipts import make

    files = make(Path(case["home"]), case["receipts"], case["ledgers"], case["peers"], os.cpu_count() or 1)
    return {**case, "files": [str(path) for path in files]}


def _receipts(case: Case) -> Case:
    """Edges from files of signed receipts: latest of each ledger, merging, signatures, set rule."""
    from axon.aggregator.manyreceipts import BLOCKS, SCOPE
    from axon.aggregator.sources import read_latest
    from axon.receipts import Receipt
    from axon.rewards.collect import collect

    torrent = case["ledgers"] // case["peers"] * BLOCKS
    sources = [read_latest(Path(path), SCOPE.chain_id, SCOPE.pool, SCOPE.epoch) for path in case["files"]]
    with _Memory() as memory:
        started = time.perf_counter()
        found = collect(sources, SCOPE, (), torrent, processes=case["processes"])
        seconds = time.perf_counter() - started
    sample = [Receipt.parse(data) for data in islice(found.receipts(), 2000)]
    started = time.perf_counter()
    assert all(receipt.verifies() for receipt in sample)
    signatures = (time.perf_counter() - started) / len(sample) * case["ledgers"] / case["processes"]
    assert len(found.edges) == case["ledgers"] and not found.refused
    facts = {"edges": len(found.edges), "seconds": seconds, "signatures": signatures}
    return {**case, **facts, "peak_mb": memory.peak / 1024}


class _Memory:
    """The most that this process and its children had resident at once, in KiB; shared pages once."""

    def __init__(self) -> None:
        self.peak = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.2):
            self.peak = max(self.peak, sum(map(self._held, [os.getpid(), *self._children()])))

    @staticmethod
    def _children() -> list[int]:
        found = Path(f"/proc/{os.getpid()}/task").glob("*/children")
        return [int(pid) for file in found for pid in file.read_text().split()]

    @staticmethod
    def _held(pid: int) -> int:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:  # a worker that has ended
            return 0
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))


def _main(argument: str) -> None:
    case = json.loads(argument)
    row = {"epoch": _epoch, "make": _make, "receipts": _receipts}[case["case"]](case)
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"peak_mb": usage / 1024} | row))


if __name__ == "__main__":
    _main(sys.argv[1])
