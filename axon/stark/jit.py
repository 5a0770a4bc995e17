"""Compile kernels once per machine and keep them on disk (`axon.numbacache`).

A kernel is fresh only while the lanes that it inlines are, too, and 8-lane and scalar code are
kept apart, so that `AXON_NO_SIMD=1` never loads the other's. `kernel_from_source`
does the same for generated code, which has no file.
"""

import functools
import hashlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from axon.numbacache import Origin, compiled
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


def kernel(function: Callable[..., Any]) -> Any:
    """Compile with numba on first call."""
    here, file = Path(__file__), function.__code__.co_filename
    inlined = [here.with_name(name) for name in _INLINED]
    if file.startswith(_GENERATED):
        stamp, mark = _hash_of_files(*inlined) + _sources[file], _sources[file][:16]
    else:
        stamp, mark = _hash_of_files(*inlined, Path(file)), str(function.__code__.co_firstlineno)
    return compiled(function, Origin(stamp, f"{mark}x{LANES}", here))


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
