"""How much memory a proof takes, told before it is taken."""

from __future__ import annotations

import os
from pathlib import Path

from axon.errors import ProverError
from axon.stark.air import Air
from axon.stark.arena import kept
from axon.stark.committed import log_part
from axon.stark.options import Options

__all__ = ["check_memory", "estimate"]


def estimate(air: Air, options: Options) -> int:
    """Bytes at the prover's peak, to within a fifth or so: extensions, coefficients, trees, salts."""
    attested, main, auxiliary = air.widths()
    n = 1 << air.log_rows
    columns = attested + main + 3 * auxiliary + 3 * (options.quotient_segments(air) + 1)
    trees = 2 + bool(attested) + bool(auxiliary)
    kept = columns + trees * (8 + options.salt_length // 8)  # a tree has two digests of four words a leaf
    points = 3 + 3 + 3  # DEEP codeword, first fold and its tree
    part = 1 << log_part(air.log_rows, options.log_blowup)
    if part == n << options.log_blowup:
        points += kept
        parts = 0
    else:
        parts = kept * part * (2 + options.queries)  # for as many threads, and those that are opened
        columns += columns * options.quotient_blocks(air)
    rows = 2 * columns + 3 * options.quotient_blocks(air) * 2 + len(air.tables) + 12
    return 8 * (n * ((points << options.log_blowup) + rows) + parts) + (64 << 20)


def check_memory(air: Air, options: Options, limit: int | None = None) -> None:
    """ProverError if the estimate is above `limit` bytes, or four fifths of what is free."""
    if limit is None:
        limit = int(0.8 * _available())
    needed = estimate(air, options)
    if needed > limit:
        raise ProverError(
            f"proving {air.name!r} needs about {needed / 1e9:.2f} GB of memory, allowed are {limit / 1e9:.2f}"
        )


def _available() -> int:
    """Bytes that this process could still take: the machine's, the control group's, and its own buffers."""
    free = _machine()
    most, used = (_number(Path("/sys/fs/cgroup") / name) for name in ("memory.max", "memory.current"))
    if most is not None and used is not None:
        free = min(free, max(most - used, 0))
    return free + kept()


def _machine() -> int:
    try:
        with open("/proc/meminfo") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:  # not Linux
        pass
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _number(path: Path) -> int | None:
    """What a control-group file says; None without one, or for "max"."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
