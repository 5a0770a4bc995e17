"""Compiled kernels on disk, fresh by our own rule.

numba's cache asks only whether the file of the function itself has changed, but kernels inline
one another, and constants of plain modules. Here whoever compiles says what the
code depends on, as a stamp, and where it may be kept.

The cache is `NUMBA_CACHE_DIR`, or `__pycache__` beside a file that is named, or the user's
cache directory, the first that can be written; with none of them every process
compiles for itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import (
    CompileResultCacheImpl,
    FunctionCache,
    InTreeCacheLocator,
    UserProvidedCacheLocator,
    UserWideCacheLocator,
)

__all__ = ["Origin", "compiled"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a kernel comes from."""

    stamp: str  # changes whenever the compiled code may
    mark: str  # tells functions of one name apart
    beside: Path  # the code is kept next to this file


class _Locator:
    """Replaces the part of numba's locators that tells fresh code from stale."""

    _origin: Origin

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Any:
        origin: Origin = py_func.__axon_origin__
        locator = super().from_function(py_func, str(origin.beside))  # type: ignore[misc]
        if locator is not None:
            locator._origin = origin
        return locator

    def get_source_stamp(self) -> str:
        return self._origin.stamp

    def get_disambiguator(self) -> str:
        return self._origin.mark


class _Provided(_Locator, UserProvidedCacheLocator):  # type: ignore[misc]
    pass


class _InTree(_Locator, InTreeCacheLocator):  # type: ignore[misc]
    pass


class _UserWide(_Locator, UserWideCacheLocator):  # type: ignore[misc]
    pass


class _CacheImpl(CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = (_Provided, _InTree, _UserWide)


class _Cache(FunctionCache):  # type: ignore[misc]
    _impl_class = _CacheImpl


def compiled(function: Callable[..., Any], origin: Origin) -> Any:
    """Compile with numba on first call, without the GIL, bounds checks or Python's division errors."""
    function.__axon_origin__ = origin  # type: ignore[attr-defined]
    kernel = numba.njit(nogil=True, error_model="numpy")(function)
    try:
        kernel._cache = _Cache(function)
    except RuntimeError as nowhere:  # read-only checkout and no home: compile in memory only
        if "locator" not in str(nowhere):
            raise
    return kernel
