"""Which kernels this machine runs, and on how many threads.

With AVX-512 every kernel works on eight field elements at once; without it, or
with `AXON_NO_SIMD=1`, the same source is compiled for one element at a time
(`lanes.py`). Threads are plain Python threads: kernels release the GIL, so a
pool of two needs no threading layer, survives `fork`, and starts in no time.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import llvmlite.binding as llvm

__all__ = ["LANES", "SIMD", "in_ranges", "set_threads", "threads"]


def _detect() -> bool:
    """Whether to compile for 8 lanes: the CPU can, and the user did not say no."""
    if os.environ.get("AXON_NO_SIMD", "0") not in ("", "0"):
        return False
    features = llvm.get_host_cpu_features()
    return all(features.get(name, False) for name in ("avx512f", "avx512dq"))


SIMD: bool = _detect()
LANES: int = 8 if SIMD else 1  # field elements in one value of `lanes.py`


class _Inside(threading.local):
    worker = False  # whether this thread is one of the pool's


_inside = _Inside()
_threads = 0
_pool: ThreadPoolExecutor | None = None


def threads() -> int:
    """How many threads kernels use: `set_threads`, else `AXON_THREADS`, else the usable cores."""
    global _threads
    if not _threads:
        _threads = int(os.environ.get("AXON_THREADS", "0")) or len(os.sched_getaffinity(0))
    return _threads


def set_threads(count: int) -> None:
    """Use `count` >= 1 threads from now on. Not while a kernel runs."""
    global _threads
    if count < 1:
        raise ValueError(f"threads: {count}, want at least 1")
    _forget_pool()
    _threads = count


def _enter() -> None:
    _inside.worker = True


def _forget_pool() -> None:
    global _pool
    _pool = None


os.register_at_fork(after_in_child=_forget_pool)  # its threads do not exist in the child


def in_ranges(
    kernel: Callable[..., Any], count: int, *args: Any, align: int = 8, grain: int = 1, pieces: int = 4
) -> None:
    """Call `kernel(start, stop, *args)` on ranges that together make up `range(count)`.

    `start` is a multiple of `align`; a range is at least `grain` long, and there are
    at most `pieces` a thread, so that a slow one does not leave the others idle.
    A count below two grains runs here and now, and so does a call from within a range.
    Exceptions of any range are raised.
    """
    global _pool
    workers = threads()
    step = max(-(-count // (workers * pieces)), grain, 1)
    step = -(-step // align) * align
    if workers == 1 or step >= count or _inside.worker:
        if count > 0:
            kernel(0, count, *args)
        return
    if _pool is None:
        _pool = ThreadPoolExecutor(workers, "axon-kernel", initializer=_enter)
    jobs = [_pool.submit(kernel, at, min(at + step, count), *args) for at in range(0, count, step)]
    for job in jobs:
        job.result()
