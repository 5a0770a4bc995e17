"""``axon stark vyper``: print the contracts that verify an AIR's proofs."""

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from axon.errors import AxonError, ConfigError
from axon.stark.air import Air

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0, or 1 with one line on what is wrong."""
    parser = argparse.ArgumentParser(prog="axon stark", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    vyper = commands.add_parser("vyper", help="print a verifier: FILE, and FILE_constraints beside it")
    vyper.add_argument("air", metavar="MODULE:FUNCTION", help="a function from log2 of the rows to an Air")
    vyper.add_argument("--log-rows", default="13", metavar="N,N...", help="trace lengths to accept")
    vyper.add_argument("--options", default="onchain-100", help="a named set of options")
    vyper.add_argument("--face", default="generic", choices=("generic", "pool"))
    vyper.add_argument("-o", "--output", metavar="FILE.vy", type=Path, required=True, help="where to")
    args = parser.parse_args(argv)
    try:
        from axon.stark.options import named
        from axon.stark.vyper import verifier_source

        lengths = [int(text) for text in args.log_rows.split(",")]
        verifier, constraints = verifier_source(_family(args.air), lengths, named(args.options), args.face)
    except (AxonError, ValueError) as error:
        print(f"axon stark: {error}", file=sys.stderr)
        return 1
    args.output.write_text(verifier, "utf-8")
    args.output.with_stem(args.output.stem + "_constraints").write_text(constraints, "utf-8")
    return 0


def _family(text: str) -> Callable[[int], Air]:
    module, colon, name = text.partition(":")
    try:
        found = getattr(importlib.import_module(module), name) if colon else None
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"air {text!r}: {error}") from error
    if not callable(found):
        raise ConfigError(f"air {text!r}: want MODULE:FUNCTION")
    return cast(Callable[[int], Air], found)


if __name__ == "__main__":
    sys.exit(main())
