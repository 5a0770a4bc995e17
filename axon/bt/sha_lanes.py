"""Hash many equal pieces at once: SHA-1 or SHA-256 of sixteen messages in the time of four or seven.

The machine code of `sha_avx512.py`, called without the interpreter's lock. It runs on Linux on x86-64
CPUs with AVX-512; elsewhere, with `AXON_NO_SIMD=1`, for few, short or unequal messages, and where
the system grants no executable memory, hashlib does the same.
"""

import ctypes
import hashlib
import mmap
import os
import platform
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from axon.bt.sha_ir import LANES, WORDS

__all__ = ["LANES", "ShaLanes", "sha1_lanes", "sha256_lanes"]

_BLOCK: Final = 64  # bytes
_WORTH: Final = {"sha1": 5, "sha256": 9}  # messages; fewer are hashed sooner each by itself
_SHORT: Final = 4096  # bytes; calls cost more than hashing below
_NEEDS: Final = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "bmi2", "movbe"}  # x86-64-v4

Buffer = bytearray | memoryview
_Kernel = Callable[[Any, int, Any, Any], None]


class ShaLanes:
    """One hash function; safe to call from several threads.

    Parameters
    ----------
    name : str
        "sha1" or "sha256".
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._size = 4 * WORDS[name]
        self._worth = _WORTH[name]
        self._one = getattr(hashlib, name)
        self._lock = threading.Lock()
        self._tried = False
        self._kernel: _Kernel | None = None

    @property
    def available(self) -> bool:
        """Whether this machine hashes by lanes."""
        return self._loaded() is not None

    def digests(self, messages: Sequence[bytes | Buffer]) -> list[bytes]:
        """Return each message's digest. Nobody may write to the messages meanwhile."""
        kernel = self._usable(messages)
        if kernel is None:
            return [self._one(message).digest() for message in messages]
        size = len(messages[0])
        whole: list[bytes] = []
        for at in range(0, len(messages), LANES):
            group = messages[at : at + LANES]
            if len(group) < self._worth:
                whole += [self._one(message).digest() for message in group]
                continue
            held = [ctypes.c_char.from_buffer(message) for message in group]
            whole += self._call(kernel, [ctypes.addressof(first) for first in held], size)
        return whole

    def blocks(self, data: bytes | Buffer, size: int) -> list[bytes]:
        """Return the digests of `data` cut into blocks of `size` bytes; the last may be short."""
        view = memoryview(data)
        count = 0 if view.readonly else len(view) // size // LANES * LANES
        kernel = self._loaded() if count and size >= _SHORT and not size % _BLOCK else None
        whole: list[bytes] = []
        if kernel is not None:
            first = ctypes.addressof(ctypes.c_char.from_buffer(view))
            for at in range(0, count, LANES):
                whole += self._call(kernel, [first + size * k for k in range(at, at + LANES)], size)
        rest = range(size * len(whole), len(view), size)
        return whole + [self._one(view[at : at + size]).digest() for at in rest]

    def _usable(self, messages: Sequence[bytes | Buffer]) -> _Kernel | None:
        size = len(messages[0]) if messages else 0
        if len(messages) < self._worth or size < _SHORT or size % _BLOCK:
            return None
        if any(len(message) != size or memoryview(message).readonly for message in messages):
            return None
        return self._loaded()

    def _call(self, kernel: _Kernel, addresses: Sequence[int], size: int) -> list[bytes]:
        lanes = [*addresses, *[addresses[0]] * (LANES - len(addresses))]
        padding = b"\x80" + bytes(_BLOCK - 9) + (8 * size).to_bytes(8, "big")
        out = ctypes.create_string_buffer(LANES * self._size)
        kernel((ctypes.c_void_p * LANES)(*lanes), size // _BLOCK, padding, out)
        raw, step = out.raw, self._size
        return [raw[at : at + step] for at in range(0, step * len(addresses), step)]

    def _loaded(self) -> _Kernel | None:
        if not self._tried:
            with self._lock:
                if not self._tried:
                    self._kernel = self._load()
                    self._tried = True
        return self._kernel

    def _load(self) -> _Kernel | None:
        if os.environ.get("AXON_NO_SIMD", "0") not in ("", "0") or not _is_able():
            return None
        from axon.bt.sha_avx512 import CODE

        try:
            kernel = _executable(CODE[self.name])
        except (OSError, ValueError):
            return None
        # Wrong digests would cost honest peers their name: what is not right here is never used.
        samples = [bytearray(os.urandom(3 * _BLOCK)) for _ in range(LANES)]
        addresses = [ctypes.addressof(ctypes.c_char.from_buffer(sample)) for sample in samples]
        right = [self._one(sample).digest() for sample in samples]
        return kernel if self._call(kernel, addresses, 3 * _BLOCK) == right else None


def _is_able() -> bool:
    """Whether the code runs here, and beats OpenSSL, which has the CPU's own hash instructions."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return False
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return set(flags.split()) >= _NEEDS


_mapped: list[tuple[mmap.mmap, Any]] = []  # stay for as long as the program does


def _executable(code: bytes) -> _Kernel:
    """Put machine code into memory that is writable before it is executable; OSError if that is refused."""
    pages = mmap.mmap(-1, len(code), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    pages.write(code)
    first = ctypes.c_char.from_buffer(pages)
    address = ctypes.addressof(first)
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    if protect(ctypes.c_void_p(address), ctypes.c_size_t(len(code)), mmap.PROT_READ | mmap.PROT_EXEC):
        raise OSError(ctypes.get_errno(), "mprotect")
    _mapped.append((pages, first))
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_char_p, ctypes.c_void_p)(address)


sha1_lanes = ShaLanes("sha1")
sha256_lanes = ShaLanes("sha256")
