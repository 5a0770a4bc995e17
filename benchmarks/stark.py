"""Time the STARK prover and verifier: python benchmarks/stark.py [--quick] [--json FILE] [--plot FILE]

The AIR has twenty main columns and sixteen constraints of degree four; blowup 8, cubic
extension, zero knowledge on, 100 or 128 proven bits. Every size is proved twice in one
process and the second time counts (kernels compiled, memory touched). Each row runs in a
process of its own, so that its peak memory is its own. Small traces follow at large blowups.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import asdict
from typing import Any

import numpy as np

from axon.stark import (
    COMPACT_100,
    COMPACT_128,
    OFFCHAIN_100,
    OFFCHAIN_128,
    ONCHAIN_100,
    ONCHAIN_128,
    Air,
    Options,
    prove,
    verify,
)
from axon.stark.cpu import threads
from axon.stark.field import fadd, fmul
from axon.stark.jit import kernel

COLUMNS = 20


def benchmark_air(log_rows: int, columns: int = COLUMNS) -> Air:
    """Each pair of columns steps by a degree-4 map of itself and its neighbour."""
    air = Air("benchmark", log_rows, max_degree=4)
    cells = [air.column(f"c{k}") for k in range(columns)]
    for k, cell in enumerate(cells):
        other = cells[(k + 1) % columns]
        air.constrain(cell.next - (cell * cell * cell * other + cell + k), f"step {k}")
    for k, cell in enumerate(cells):
        air.boundary(0, cell - (k + 2), f"start {k}")
    air.boundary(-1, cells[0] - air.public("result"), "end")
    return air


@kernel
def _fill(values):  # type: ignore[no-untyped-def]
    columns = values.shape[0]
    for row in range(values.shape[1] - 1):
        for k in range(columns):
            x = values[k, row]
            cubed = fmul(fmul(x, x), x)
            step = fadd(fmul(cubed, values[(k + 1) % columns, row]), x)
            values[k, row + 1] = fadd(step, np.uint64(k))


def benchmark_trace(
    air: Air, options: Options, columns: int = COLUMNS
) -> tuple[dict[str, Any], dict[str, int]]:
    """Twenty columns for `benchmark_air`."""
    values = np.zeros((columns, air.rows(options)), np.uint64)
    values[:, 0] = np.arange(2, columns + 2)
    _fill(values)
    return {f"c{k}": values[k] for k in range(columns)}, {"result": int(values[0, -1])}


def measure(log_rows: int, options: Options, repeats: int) -> dict[str, Any]:
    """One row of the table: the best of `repeats` after a first, uncounted proof."""
    air = benchmark_air(log_rows)
    trace, public = benchmark_trace(air, options)
    best: dict[str, Any] = {"seconds": float("inf")}
    for attempt in range(repeats + 1):
        stages: dict[str, float] = {}
        start = time.perf_counter()
        proof = prove(air, trace, public, options, timings=stages)
        seconds = time.perf_counter() - start
        if attempt and seconds < best["seconds"]:
            best = {"seconds": seconds, "stages": stages}
    verify_ms = float("inf")
    for _ in range(4):
        start = time.perf_counter()
        verify(air, public, proof, options)
        verify_ms = min(verify_ms, 1e3 * (time.perf_counter() - start))
    return {
        "log_rows": log_rows,
        "columns": COLUMNS,
        "seconds": round(best["seconds"], 4),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "proof_bytes": len(proof),
        "proven_bits": round(options.security_bits(air), 1),
        "verify_ms": round(verify_ms, 2),
        "blowup": 1 << options.log_blowup,
        "queries": options.queries,
        "grinding_bits": options.grinding_bits,
        "options": options.name,
        "threads": threads(),
        "stages": {k: round(v, 4) for k, v in best["stages"].items()},
    }


def cases(quick: bool) -> list[tuple[int, Options, int]]:
    """(log rows, options, repeats)."""
    sizes = [10, 12, 14, 16] if quick else [10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]
    out = [(n, OFFCHAIN_100, 3 if n < 18 else 2 if n < 20 else 1) for n in sizes]
    if not quick:
        out.append((18, OFFCHAIN_128, 1))
    out += [(13, ONCHAIN_100, 1), (13, ONCHAIN_128, 1), (13, COMPACT_100, 1), (13, COMPACT_128, 1)]
    return out


def run_apart(log_rows: int, options: Options, repeats: int) -> dict[str, Any]:
    """`measure` in a fresh process."""
    request = json.dumps([log_rows, asdict(options), repeats])
    done = subprocess.run(
        [sys.executable, __file__, "--one", request], capture_output=True, text=True, check=True, timeout=600
    )
    row: dict[str, Any] = json.loads(done.stdout)
    return row


def show(row: dict[str, Any]) -> str:
    stages = " ".join(f"{name} {1e3 * s:.0f}" for name, s in row["stages"].items() if s >= 0.0005)
    return (
        f"2^{row['log_rows']:<2} {row['columns']:3} {row['blowup']:4} {row['queries']:4} "
        f"{row['grinding_bits']:3} "
        f"{row['seconds']:8.3f} {row['peak_mb']:6} {row['proof_bytes']:7} {row['proven_bits']:6.1f} "
        f"{row['verify_ms']:7.2f}   {stages}"
    )


def plot(rows: list[dict[str, Any]], path: str) -> None:
    """Seconds against rows, beside n log n through the largest."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    curve = [r for r in rows if r["options"] == OFFCHAIN_100.name]
    sizes = np.array([1 << r["log_rows"] for r in curve], float)
    seconds = np.array([r["seconds"] for r in curve])
    law = sizes * np.log2(sizes)
    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    axes.loglog(sizes, seconds, "o-", base=2, label="proof, 20 columns, degree 4, blowup 8")
    axes.loglog(sizes, law * np.median(seconds[-5:] / law[-5:]), "--", base=2, label="n log n")
    axes.set_xlabel("rows")
    axes.set_ylabel("seconds")
    axes.grid(True, which="both", alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="up to 2^16 rows")
    parser.add_argument("--json", metavar="FILE", help="write the rows as JSON")
    parser.add_argument("--plot", metavar="FILE", help="write the curve as PNG")
    parser.add_argument("--log-rows", type=int, help="this size only")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        log_rows, fields, repeats = json.loads(given.one)
        print(json.dumps(measure(log_rows, Options(**fields), repeats)))
        return
    chosen = [(given.log_rows, OFFCHAIN_100, 2)] if given.log_rows else cases(given.quick)
    print("rows cols blowup queries grind seconds peak_MB proof_B  bits verify_ms   stages (ms)")
    rows = []
    for log_rows, options, repeats in chosen:
        rows.append(run_apart(log_rows, options, repeats))
        print(show(rows[-1]), flush=True)
    if given.json:
        with open(given.json, "w") as out:
            json.dump(rows, out, indent=1)
    if given.plot:
        plot(rows, given.plot)


if __name__ == "__main__":
    main()
