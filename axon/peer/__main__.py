"""`python -m axon.peer COMMAND …`: the command line, an exit code, and nothing else.

Exit codes: 0 done, 1 refused or failed (with one line that says why), 2 wrong
usage, 130 interrupted.
"""

import sys
from collections.abc import Sequence

from axon.errors import AxonError, ConfigError
from axon.peer.config import ON_CHAIN, parse_config

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if arguments and arguments[0] in ON_CHAIN:
            return _on_chain(arguments)
        config = parse_config(arguments)
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


def _on_chain(arguments: list[str]) -> int:
    try:
        from axon.chain.peer_commands import main as run_on_chain
    except ImportError as error:
        raise ConfigError(
            f"{arguments[0]} needs the chain's libraries (pip install axon[chain]): {error}"
        ) from error
    return run_on_chain(arguments)


if __name__ == "__main__":
    sys.exit(main())
