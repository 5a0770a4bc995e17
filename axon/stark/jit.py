"""Compile kernels once per machine and keep them on disk.

`kernel` is `numba.njit(nogil=True)` with a cache of its own making, because
numba's asks only whether the function's own file changed. Ours also asks
whether the lanes that it inlines changed, and keeps 8-lane and scalar code
apart, so that `AXON_NO_SIMD=1` never loads the other's. `kernel_from_source`
does the same for generated code, which has no file.

The cache is `NUMBA_CACHE_DIR`, or `__pycache__` beside this file, or the user's
cache directory, the first that can be written; with none of them every process
compiles for itself.
"""

import functools
import hashlib
import inspect
from collections.abc import Callable
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

from axon.stark.cpu import LANES

__all__ = ["kernel", "kernel_from_source"]

_CORE = ("cpu", "jit", "lane_ir", "lanes", "field")
_CALLED = ("extension", "ntt_passes", "reorder", "keccak_f", "keccak")
_INLINED = tuple(f"{name}.py" for name in _CORE + _CALLED)  # may end up inside another file's kernels
_GENERATED = "<axon kernel "
_sources: dict[str, str] = {}  # code file name of generated code -> hash of its text


@functools.cache
def _hash_of_files(*paths: Path) -> str:
    digest = hashlib.sha256(str(LANES).encode())
    for path in paths:
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()


class _Freshness:
    """Replaces the part of numba's locators that tells fresh code from stale."""

    _source: str
    _mark: str

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Any:
        here = Path(__file__)
        locator = super().from_function(py_func, str(here))  # type: ignore[misc]
        if locator is not None:
            files = [here.with_name(name) for name in _INLINED]
            if py_file.startswith(_GENERATED):
                locator._source = _hash_of_files(*files) + _sources[py_file]
                locator._mark = _sources[py_file][:16]
            else:
                locator._source = _hash_of_files(*files, Path(py_file))
                locator._mark = str(py_func.__code__.co_firstlineno)
        return locator

    def get_source_stamp(self) -> str:
        return self._source

    def get_disambiguator(self) -> str:
        return f"{self._mark}x{LANES}"


class _Provided(_Freshness, UserProvidedCacheLocator):  # type: ignore[misc]
    pass


class _InTree(_Freshness, InTreeCacheLocator):  # type: ignore[misc]
    pass


class _UserWide(_Freshness, UserWideCacheLocator):  # type: ignore[misc]
    pass


class _KernelCacheImpl(CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = (_Provided, _InTree, _UserWide)


class _KernelCache(FunctionCache):  # type: ignore[misc]
    _impl_class = _KernelCacheImpl


def kernel(function: Callable[..., Any]) -> Any:
    """Compile with numba on first call, without the GIL, bounds checks or Python's division errors."""
    compiled = numba.njit(nogil=True, error_model="numpy")(function)
    try:
        compiled._cache = _KernelCache(function)
    except RuntimeError as nowhere:  # read-only checkout and no home: compile in memory only
        if "locator" not in str(nowhere):
            raise
    return compiled


def kernel_from_source(source: str, name: str, namespace: dict[str, Any]) -> Any:
    """Compile function `name` of generated `source`; `namespace` holds what it refers to.

    The disk cache goes by the text, so equal text in another process is not compiled
    again. What `namespace` holds must be kernels and functions of this package, or be
    written into the text: it is not part of the key.
    """
    text = hashlib.sha256(source.encode()).hexdigest()
    file = f"{_GENERATED}{text[:16]}>"
    _sources[file] = text
    scope = {**namespace, "__name__": __name__}
    exec(compile(source, file, "exec"), scope)
    function = scope[name]
    assert inspect.isfunction(function)
    return kernel(function)
