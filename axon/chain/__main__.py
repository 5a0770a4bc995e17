"""``axon pool``, or ``python -m axon.chain``."""

import sys

from axon.chain.commands import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
