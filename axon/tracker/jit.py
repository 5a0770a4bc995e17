"""Compile the tracker's kernels once per machine and keep them on disk.

numba's own cache asks only whether a function's own file changed, but the kernels
inline one another and constants of plain modules. So here a kernel is fresh only
while none of those files changed.
"""

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core.caching import (
    CompileResultCacheImpl,
    FunctionCache,
    InTreeCacheLocator,
    UserProvidedCacheLocator,
    UserWideCacheLocator,
)

__all__ = ["jit"]

_FILES = ("jit", "memory", "kernel", "udp_kernel", "http_kernel", "swarms", "logic")
_Function = TypeVar("_Function", bound=Callable[..., Any])


@functools.cache
def _stamp() -> str:
    paths = [Path(__file__).with_name(f"{name}.py") for name in _FILES]
    return hashlib.sha256(b"".join(p.read_bytes() for p in paths if p.exists())).hexdigest()


class _Freshness:
    def get_source_stamp(self) -> str:
        return _stamp()


class _Provided(_Freshness, UserProvidedCacheLocator):  # type: ignore[misc]
    pass


class _InTree(_Freshness, InTreeCacheLocator):  # type: ignore[misc]
    pass


class _UserWide(_Freshness, UserWideCacheLocator):  # type: ignore[misc]
    pass


class _CacheImpl(CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = (_Provided, _InTree, _UserWide)


class _Cache(FunctionCache):  # type: ignore[misc]
    _impl_class = _CacheImpl


def jit(function: _Function) -> _Function:
    """Compile on first call, without the GIL, bounds checks or Python's division errors."""
    compiled = numba.njit(nogil=True, error_model="numpy")(function)
    try:
        compiled._cache = _Cache(function)
    except RuntimeError as nowhere:  # read-only checkout and no home: compile in memory only
        if "locator" not in str(nowhere):
            raise
    return cast(_Function, compiled)
