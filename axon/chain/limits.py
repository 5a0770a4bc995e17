"""Imports that leave the interpreter's recursion limit alone.

py-ecc, which eth-account loads, raises it to 100,000 for code that is not used
here. Then whatever recurses in C over a stranger's bytes, such as `json` over a
node's or a tracker's answer, ends the process, and not with a RecursionError.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["recursion_limit_kept"]


@contextmanager
def recursion_limit_kept() -> Iterator[None]:
    """Put the limit back that was."""
    limit = sys.getrecursionlimit()
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
