"""What a pool costs on a real node: python benchmarks/gas.py [--quick] [--json FILE]

Every figure is a whole transaction's on anvil (Osaka rules, the transaction cap of EIP-7825 on).
`floor` is what EIP-7623 asks for the calldata alone; `execution` is what the contracts use, without
21000 and calldata, from the node's call trace: it is known where the floor is what one pays, too.

The growth tables take the smallest set of options that admits the epoch. AXR-1 has no fewer
than 2^13 rows, half the size of its range table, so smaller epochs cost as much as 6,000 edges.
The verifiers that we ship end at 2^16.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gas_world import EPOCH, GasWorld
from rich.console import Console
from rich.table import Table

from axon.stark import COMPACT_100, COMPACT_128, ONCHAIN_100, Options
from tests.interop.anvil import anvil, travel


@dataclass(frozen=True)
class Case:
    """One epoch to settle."""

    options: Options
    edges: int
    peers: int
    joined: int


# As onchain-100, for traces longer than what a shipped verifier takes; this one is printed here.
LONG_100 = Options(
    "long-100", 100, log_blowup=7, queries=22, grinding_bits=24, digest_bytes=26, max_log_rows=18
)
REFERENCE = Case(COMPACT_100, 6_000, 500, 100)
SETS = [REFERENCE, Case(ONCHAIN_100, 6_000, 500, 100), Case(COMPACT_128, 6_000, 500, 100)]
ROWS = [
    Case(COMPACT_100, 500, 100, 100),
    REFERENCE,
    Case(COMPACT_100, 12_000, 1_000, 100),
    Case(ONCHAIN_100, 25_000, 2_000, 100),
    Case(ONCHAIN_100, 50_000, 4_000, 100),
    Case(LONG_100, 100_000, 8_000, 100),
    Case(LONG_100, 220_000, 10_000, 100),
]
JOINED = [
    Case(COMPACT_100, 6_000, 500, 10),
    REFERENCE,
    Case(COMPACT_100, 6_000, 500, 500),
    Case(COMPACT_100, 12_000, 1_000, 1_000),
    Case(ONCHAIN_100, 12_000, 5_000, 5_000),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the reference epoch only")
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    with anvil("--base-fee", "0", "--prune-history", "64") as url:  # or 7,000 blocks take 20 GB
        world = GasWorld(url)
        operations(world)
        cases = dict.fromkeys([REFERENCE] if args.quick else [*SETS, *ROWS, *JOINED])
        settled = {}
        for case in cases:
            settled[case] = row = settle(world, case)
            figures = f"{case.edges:,} edges, {case.joined:,} joined: {row['gas_total']:,} gas"
            print(f"{case.options.name}, {figures}", file=sys.stderr, flush=True)
    console = Console(width=140)
    show_operations(console, world.rows)
    for title, cases_shown in (
        ("Settling 6,000 edges of 500 peers, 100 of them joined", SETS),
        ("Growth with the epoch: edges, trace length", ROWS),
        ("Growth with the peers that joined", JOINED),
    ):
        if not args.quick or cases_shown is SETS:
            show_settlements(console, title, [settled[c] for c in cases_shown if c in settled])
    show_proofs(console, list(settled.values()))
    if args.json:
        rows = [*world.rows, *settled.values()]
        Path(args.json).write_text(json.dumps(rows, indent=1) + "\n")


def operations(world: GasWorld) -> None:
    """All that is not a settlement, with small proofs: one token, and two where that matters."""
    world.register_and_attest()
    for tokens in (1, 2):
        with_tokens = "" if tokens == 1 else ", 2 tokens"
        pool = world.open(world.verifier(COMPACT_100), tokens, f"create a pool{with_tokens}")
        world.stake(pool, "stake" if tokens == 1 else None)
        world.join(pool, 100, "join" if tokens == 1 else None)
        travel(world.url, EPOCH)
        epochs = 1 if tokens == 2 else 3
        for epoch in range(epochs):
            world.settle(pool, COMPACT_100, 300, 100, 100, epoch=epoch)
            travel(world.url, EPOCH)
        listed = [pool.shares_of(epoch).shares for epoch in range(epochs)]
        earned = [index for index, shares in enumerate(zip(*listed)) if all(shares)]
        world.claim(pool, earned[0], [0], f"claim{with_tokens}, first of its account")
        if tokens == 1:
            world.claim(pool, earned[0], [1], "claim, the account holds the token")
            world.claim(pool, earned[1], [0, 1, 2], "claim of 3 epochs, first of its account")
            world.transact(pool.contract, "collect", [world.chain.account], "collect the aggregator's fee")
            world.leave(pool, "leave")
            travel(world.url, 20 * EPOCH)
            world.transact(pool.contract, "sweep", [world.tokens[0].address], "sweep (withdraw)")


def settle(world: GasWorld, case: Case) -> dict[str, Any]:
    """Settle one epoch in a pool of its own."""
    verifier = world.verifier(case.options)
    pool = world.open(verifier, 1)
    world.stake(pool)
    world.join(pool, case.joined)
    travel(world.url, EPOCH)
    return world.settle(pool, case.options, case.edges, case.peers, case.joined)


def show_operations(console: Console, rows: list[dict[str, Any]]) -> None:
    table = Table("case", "total gas", "execution", "calldata floor", "calldata bytes", title="Operations")
    for row in rows:
        figures = (row["gas_total"], row["gas_execution"], row["gas_floor"], row["calldata_bytes"])
        table.add_row(row["case"], *(f"{figure:,}" for figure in figures))
    console.print(table)


def show_settlements(console: Console, title: str, rows: list[dict[str, Any]]) -> None:
    heads = ("options", "bits", "edges", "joined", "rows", "total gas", "verifier", "trackers", "pool")
    table = Table(*heads, "calldata", "its floor", title=title)
    columns = ("gas_total", "gas_verifier", "gas_trackers", "gas_pool", "calldata_bytes", "gas_floor")
    for row in rows:
        table.add_row(*_epoch(row), *(f"{row[column]:,}" for column in columns))
    console.print(table)


def show_proofs(console: Console, rows: list[dict[str, Any]]) -> None:
    heads = ("options", "bits", "edges", "joined", "rows", "roots, frame, polynomial", "opened rows")
    table = Table(*heads, "Merkle paths", "FRI values", title="Proof bytes by part")
    for row in rows:
        parts = row["proof_bytes"]
        table.add_row(*_epoch(row), *(f"{parts[k]:,}" for k in ("rest", "rows", "paths", "fri")))
    console.print(table)


def _epoch(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["options"],
        str(row["proven_bits"]),
        f"{row['edges']:,}",
        f"{row['joined']:,}",
        f"2^{row['log_rows']}",
    )


if __name__ == "__main__":
    main()
