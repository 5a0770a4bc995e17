"""Time epochs: python benchmarks/epoch.py [--quick] [--receipts N] [--json FILE]

The same as `python -m axon.aggregator bench`: shares, root and proof at on-chain options (6,000 edges,
500 peers) and off-chain ones (100k and 1M edges), and edges from a million and from ten million receipts in
files (a log; beyond a million a Parquet export beside it, with the same ledgers) by two processes.
`signatures` is what the signature checks alone would take: where it is near `seconds`, they are what
bounds it. `--receipts N` runs that one case.
"""

import argparse
import json
from pathlib import Path

from rich.console import Console

from axon.aggregator.bench import CASES, QUICK, receipts_case, run, show


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--receipts", type=int, metavar="N", help="only edges from so many receipts")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    cases = [receipts_case(args.receipts)] if args.receipts else QUICK if args.quick else CASES
    rows = run(cases, tell=lambda row: print(json.dumps(row), flush=True))
    show(Console(width=140), rows)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
