"""`python -m axon.tracker`: flags to a configuration, then serve until SIGTERM."""

import sys
from collections.abc import Sequence

from axon.errors import AxonError
from axon.tracker.config import load_config

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a tracker; return 0 after a clean stop, 1 with one line on standard error otherwise."""
    try:
        config = load_config(argv)
        import trio

        from axon.tracker.server import Server

        trio.run(Server(config).run)
    except AxonError as error:
        print(f"axon tracker: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
