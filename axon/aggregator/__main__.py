"""`python -m axon.aggregator`: from an epoch's receipts to rewards, and research on reward functions."""

import sys
from collections.abc import Sequence

from axon.aggregator.config import parse_config
from axon.errors import AxonError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 1 refused with one line on stderr, 2 wrong usage, 130 interrupted."""
    try:
        config = parse_config(sys.argv[1:] if argv is None else argv)
        from axon.aggregator.commands import COMMANDS  # numpy and the proof library only when needed

        return COMMANDS[config.command](config)
    except AxonError as error:
        print(f"axon aggregator: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("axon aggregator: interrupted; run again to go on", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0  # `| head`


if __name__ == "__main__":
    sys.exit(main())
