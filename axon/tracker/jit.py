"""Compile the tracker's kernels once per machine; a change in one of their files makes all of them stale."""

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from axon.numbacache import Origin, compiled

__all__ = ["jit"]

_FILES: Final = (
    "jit",
    "memory",
    "kernel_torrents",
    "kernel_slices",
    "kernel",
    "udp_kernel",
    "http_kernel",
    "swarms",
    "logic",
)
_Function = TypeVar("_Function", bound=Callable[..., Any])


@functools.cache
def _stamp() -> str:
    paths = [Path(__file__).with_name(f"{name}.py") for name in _FILES]
    return hashlib.sha256(b"".join(p.read_bytes() for p in paths if p.exists())).hexdigest()


def jit(function: _Function) -> _Function:
    """Compile on first call."""
    code = function.__code__
    return cast(
        _Function, compiled(function, Origin(_stamp(), str(code.co_firstlineno), Path(code.co_filename)))
    )
