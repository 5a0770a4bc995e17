"""What a fuzz target is, and what counts as a finding.

A target turns bytes into a call of a parser or a script of calls. It returns, or
raises the documented `AxonError`; whatever else it raises is a finding, and so is
an input that takes more than a second of CPU or makes the process 64 MiB larger.
"""

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from axon.errors import AxonError, LocalProtocolError

__all__ = ["MAX_INPUT", "Finding", "Run", "Target", "check"]

MAX_INPUT = 64 * 1024  # bytes
_MAX_SECONDS = 1.0  # of CPU, since other programs may hold up ours
_MAX_GROWTH = 64 << 10  # KiB of resident memory

Run = Callable[[bytes], None]


class Finding(Exception):
    """An input that took too long or too much."""


@dataclass(frozen=True)
class Target:
    """One thing to fuzz.

    `make` imports what is fuzzed and returns the function to feed, so that a coverage-guided
    fuzzer can instrument the modules as they are loaded.
    """

    name: str
    make: Callable[[], Run]
    seeds: Callable[[], Sequence[bytes]]
    instrument: tuple[str, ...]  # modules whose branches guide the fuzzer; none where numba must compile them
    words: tuple[bytes, ...] = field(default=())  # dictionary
    max_input: int = MAX_INPUT


def check(run: Run, data: bytes) -> None:
    """Feed one input; return if the outcome is allowed.

    Raises
    ------
    Finding
        If it took too long or too much memory.
    Exception
        Whatever the target raised, if it is no error on purpose or says that we broke the rules.
    """
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.thread_time()
    try:
        run(data)
    except LocalProtocolError:
        raise
    except AxonError:
        pass
    seconds = time.thread_time() - start
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    if seconds > _MAX_SECONDS:
        raise Finding(f"{len(data)} bytes took {seconds:.1f} s of CPU")
    if growth > _MAX_GROWTH:
        raise Finding(f"{len(data)} bytes took {growth >> 10} MiB of memory")
