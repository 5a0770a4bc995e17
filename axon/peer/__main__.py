"""`python -m axon.peer COMMAND …`: the command line, an exit code, and nothing else.

Exit codes: 0 done, 1 refused or failed (with one line that says why), 2 wrong
usage, 130 interrupted.
"""

import sys
from collections.abc import Sequence

from axon.errors import AxonError
from axon.peer.config import parse_config

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    try:
        config = parse_config(sys.argv[1:] if argv is None else argv)
        from axon.peer.commands import run  # after --help had its chance: this loads trio

        return run(config)
    except AxonError as error:
        print(f"axon peer: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `… | head`
        sys.stderr.close()
        return 1


if __name__ == "__main__":
    sys.exit(main())
