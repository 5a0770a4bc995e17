"""`python -m axon.aggregator`: from an epoch's receipts to rewards, and research on reward functions."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from axon.errors import AxonError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 1 refused with one line on stderr, 2 wrong usage."""
    args = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = args.run
    try:
        return run(args)
    except AxonError as error:
        print(f"axon aggregator: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m axon.aggregator", description="Turn an epoch's receipts into rewards."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    simulate = commands.add_parser("simulate", help="attackers against reward functions")
    simulate.add_argument("--seeds", type=int, default=3, help="swarms drawn for each row (default 3)")
    simulate.add_argument("--quick", action="store_true", help="leave out the thousand Sybils")
    simulate.add_argument("--plot", type=Path, metavar="PNG", help="draw the attackers' gains")
    simulate.add_argument("--json", action="store_true", help="print JSON instead of a table")
    simulate.set_defaults(run=_simulate)
    return parser


def _simulate(args: argparse.Namespace) -> int:
    from axon.aggregator.simulate import FUNCTIONS, simulate  # numpy only when needed

    if args.seeds < 1:
        raise AxonError(f"--seeds: {args.seeds}, want at least 1")
    rows = simulate(args.seeds, quick=args.quick)
    if args.json:
        print(
            json.dumps([{"scenario": r.scenario, "measure": r.measure, **r.values} for r in rows], indent=1)
        )
    else:
        from rich.console import Console
        from rich.table import Table

        table = Table(title="Reward functions under attack", caption="share: of the reward; tau: Kendall's")
        table.add_column("scenario")
        table.add_column("")
        for name in FUNCTIONS:
            table.add_column(name, justify="right", style="bold" if name == "AXR-1" else "")
        for row in rows:
            cells = (
                f"{value:.2%}" if row.measure == "share" else f"{value:.3f}" for value in row.values.values()
            )
            table.add_row(row.scenario, row.measure, *cells)
        Console().print(table)
    if args.plot:
        from axon.aggregator.plots import plot_simulation

        plot_simulation(rows, args.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
