"""Nanoseconds an element of each STARK kernel, beside a plain numba loop of the same.

    python benchmarks/stark_kernels.py [--quick] [--json FILE] [--threads N]

"Plain" is what one writes first: scalar `njit` loops over the same arrays, on one
thread, no explicit vectors. `AXON_NO_SIMD=1` shows the scalar fallback instead. The best of
a few runs, for other programs only add time.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numba import njit
from rich.console import Console
from rich.table import Table

from axon.stark import cpu
from axon.stark.commitment import MerkleTree
from axon.stark.deep import combine, divide
from axon.stark.field import (
    P,
    Vector,
    _add,
    _mul,
    batch_inverse,
    fadd,
    fmul,
    fsub,
    mul,
    powers,
    root_of_unity,
)
from axon.stark.fold import fold
from axon.stark.grind import grind
from axon.stark.keccak import _hash_few, hash_leaves
from axon.stark.ntt import eval_at, interpolate, low_degree_extend


@njit
def _plain_add(a, b, out):
    for i in range(a.size):
        out[i] = fadd(a[i], b[i])


@njit
def _plain_mul(a, b, out):
    for i in range(a.size):
        out[i] = fmul(a[i], b[i])


@njit
def _plain_ntt(a, roots):
    """Radix 2, decimation in frequency, in place."""
    n = a.size
    h = n // 2
    step = 1
    while h:
        for start in range(0, n, 2 * h):
            for k in range(h):
                x, y = a[start + k], a[start + k + h]
                a[start + k] = fadd(x, y)
                a[start + k + h] = fmul(fsub(x, y), roots[k * step])
        h //= 2
        step *= 2


def _best(function: Callable[[], object], seconds: float) -> float:
    """Seconds of the fastest run, the first (compilation, fresh memory) not counted."""
    function()
    best, until = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < until:
        begin = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - begin)
    return best


def measure(log_n: int, seconds: float) -> list[dict[str, float | str | None]]:
    """One row a kernel."""
    n = 1 << log_n
    rng = np.random.default_rng(1)

    def random(*shape: int) -> Vector:
        return rng.integers(1, P, shape, dtype=np.uint64)

    rows: list[dict[str, float | str | None]] = []

    def row(
        kernel: str,
        unit: str,
        count: float,
        run: Callable[[], object],
        plain: Callable[[], object] | None = None,
        plain_count: float = 0.0,
    ) -> None:
        slow = None if plain is None else _best(plain, seconds) / (plain_count or count) * 1e9
        fast = _best(run, seconds) / count * 1e9
        rows.append({"kernel": kernel, "unit": unit, "ns": fast, "plain_ns": slow})

    cache = 4096
    a, b, out = random(cache), random(cache), random(cache)
    row("add, in cache", "element", cache, lambda: _add(0, cache, a, b, out), lambda: _plain_add(a, b, out))
    row("mul, in cache", "element", cache, lambda: _mul(0, cache, a, b, out), lambda: _plain_mul(a, b, out))
    x, y = random(n), random(n)
    row("mul", "element", n, lambda: mul(x, y, x), lambda: _plain_mul(x, y, x))
    row("batch inverse", "element", n, lambda: batch_inverse(x, y))
    row("powers", "element", n, lambda: powers(3, n))

    columns, blowup = 8, 4
    trace, coefficients = random(columns, n), random(columns, n)
    extended = np.empty((columns, n * blowup), np.uint64)
    roots, column = powers(root_of_unity(log_n), n // 2), random(n)
    butterflies = n / 2 * log_n
    row(
        "low-degree extension",
        "butterfly",
        butterflies * columns * blowup,
        lambda: low_degree_extend(coefficients, blowup, extended),
        lambda: _plain_ntt(column, roots),
        butterflies,
    )
    row("interpolation", "butterfly", butterflies * columns, lambda: interpolate(trace, coefficients))
    point = (3, 1 << 40, P - 1)
    row("evaluation in the extension", "coefficient", columns * n, lambda: eval_at(coefficients, point))

    digests = np.empty((n * blowup, 4), np.uint64)
    few = np.ascontiguousarray(extended[:, :4096].T)
    for salt in (0, 8, 10):
        salts = random(salt, n * blowup) if salt else None
        hashed = partial(hash_leaves, extended, salts, out=digests)
        plain = partial(_hash_few, 0, 4096, few, digests) if not salt else None
        row(f"leaves of {columns + salt} words", "leaf", n * blowup, hashed, plain, 4096)
    row("tree", "leaf", n * blowup, lambda: MerkleTree(digests))

    word, weights = random(3, n * blowup), random(columns, 3)
    for k in (2, 8, 16):
        row(f"fold by {k}", "position", n * blowup, partial(fold, word, point, k, 7))
    row("combination", "coefficient", columns * n, lambda: combine(coefficients, weights))
    total = random(3, n)
    row("division by X - z", "coefficient", n, lambda: divide(total, point))
    seed = bytes(32)
    row("grinding, 16 bits", "nonce", grind(seed, 16) + 1, lambda: grind(seed, 16))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="2^14 rows instead of 2^18")
    parser.add_argument("--threads", type=int, default=0, help="default: the cores")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if args.threads:
        cpu.set_threads(args.threads)
    log_n, seconds = (14, 0.05) if args.quick else (18, 0.5)
    rows = measure(log_n, seconds)
    table = Table(title=f"2^{log_n} rows, {cpu.LANES} lanes, {cpu.threads()} threads")
    for heading in ("kernel", "ns", "an", "plain loop, ns", "ratio"):
        table.add_column(heading, justify="right" if "ns" in heading or heading == "ratio" else "left")
    for r in rows:
        fast, slow = r["ns"], r["plain_ns"]
        assert isinstance(fast, float)
        compared = ("", "") if not isinstance(slow, float) else (f"{slow:.2f}", f"{slow / fast:.1f}")
        table.add_row(str(r["kernel"]), f"{fast:.2f}", str(r["unit"]), *compared)
    Console().print(table)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
