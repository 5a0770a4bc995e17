"""GB/s at which equal pieces are hashed in one thread: hashlib (OpenSSL) beside each kind of machine code.

Run: python benchmarks/hashing.py [--quick] [--json FILE]. Medians of runs in turns; "chosen" is what the
peer does, the others are asked for by name. What this CPU lacks has no figure. To see what hashlib does
on a CPU without SHA instructions: OPENSSL_ia32cap=:~0x20000000.
"""

import argparse
import hashlib
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from axon.bt.sha_lanes import ShaLanes

CASES = ((1, 1 << 20), (2, 1 << 20), (4, 1 << 20), (8, 1 << 20), (16, 1 << 20), (4, 4 << 20), (16, 16 << 10))
KINDS = ("avx512", "ni", "avx2")


def ways(name: str) -> dict[str, Callable[[Sequence[bytearray]], list[bytes]] | None]:
    """How messages can be hashed here; None for what the CPU cannot do."""
    one = getattr(hashlib, name)
    found: dict[str, Callable[[Sequence[bytearray]], list[bytes]] | None] = {
        "hashlib": lambda messages: [one(message).digest() for message in messages],
        "chosen": ShaLanes(name).digests,
    }
    for kind in KINDS:
        lanes = ShaLanes(name, [kind])
        # Also where the peer would take another, and for so few that it would take none.
        lanes._kinds = [
            each._replace(without=frozenset(), costs=dict.fromkeys(each.costs, 0.0)) for each in lanes._kinds
        ]
        found[kind] = lanes.digests if lanes.available else None
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer runs")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    runs = 3 if arguments.quick else 15
    columns = ("hashlib", "chosen", *KINDS)
    table = Table("hash", "pieces", "KiB", *columns, title="GB/s, one thread")
    rows = []
    for name in ("sha1", "sha256"):
        by = ways(name)
        for count, size in CASES:
            messages = [bytearray(os.urandom(size)) for _ in range(count)]
            right = [hashlib.new(name, message).digest() for message in messages]
            rates: dict[str, list[float]] = {column: [] for column in columns}
            for _ in range(runs):
                for column, work in by.items():
                    if work is not None:
                        start = time.perf_counter()
                        digests = work(messages)
                        rates[column].append(count * size / (time.perf_counter() - start) / 1e9)
                        assert digests == right
            medians = {c: round(statistics.median(r), 2) if r else None for c, r in rates.items()}
            rows.append({"hash": name, "pieces": count, "bytes": size, **medians})
            shown = ["–" if medians[c] is None else f"{medians[c]:.2f}" for c in columns]
            table.add_row(name, str(count), str(size >> 10), *shown)
    Console().print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
