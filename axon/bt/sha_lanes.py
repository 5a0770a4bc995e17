"""Hash many equal pieces at once: SHA-1 of sixteen messages in the time of four, of four in that of two.

The machine code of `sha_avx512.py`, `sha_ni.py` and `sha_avx2.py`, called without the interpreter's
lock, on Linux on x86-64 CPUs that have the instructions. Elsewhere, for a single, short or unequal
messages, and where the system grants no executable memory, hashlib does the same. `AXON_NO_SIMD=1`
means hashlib alone, `AXON_NO_SIMD=avx512` no AVX-512.
"""

import ctypes
import hashlib
import importlib
import mmap
import os
import platform
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from axon.bt.sha_text import WORDS

__all__ = ["LANES", "ShaLanes", "sha1_lanes", "sha256_lanes"]

LANES: Final = 16  # messages that are worth waiting for
_BLOCK: Final = 64  # bytes
_SHORT: Final = 4096  # bytes; calls cost more than hashing below


class _Kind(NamedTuple):
    """A set of instructions."""

    name: str
    lanes: int
    needs: frozenset[str]  # flags of /proc/cpuinfo
    without: frozenset[str]  # on CPUs with these flags, others are faster
    costs: dict[str, float]  # of one call, in times that hashlib needs for one of its messages


_V3: Final = frozenset(("abm", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"))  # x86-64-v3
_V4: Final = frozenset(("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"))  # x86-64-v4
_NI: Final = frozenset(("sha_ni",))
_KINDS: Final = (  # costs: benchmarks/hashing.py on an AMD EPYC
    _Kind("avx512", 16, _V3 | _V4, frozenset(), {"sha1": 3.6, "sha256": 6.4}),
    _Kind("ni", 4, _V3 | _NI, frozenset(), {"sha1": 1.6, "sha256": 2.2}),
    _Kind("avx2", 8, _V3, _NI, {"sha1": 3.1, "sha256": 3.2}),
)

Buffer = bytearray | memoryview
_Kernel = Callable[[Any, int, Any, Any], None]


class _Code(NamedTuple):
    """A function that is loaded."""

    lanes: int
    cost: float
    kernel: _Kernel

    def price(self, messages: int) -> float:
        """What one of so many messages costs."""
        return self.cost / min(self.lanes, messages)


class ShaLanes:
    """One hash function; safe to call from several threads.

    Parameters
    ----------
    name : str
        "sha1" or "sha256".
    kinds : sequence of str
        Instructions to use: "avx512", "ni" (the CPU's SHA instructions), "avx2".
    """

    def __init__(self, name: str, kinds: Sequence[str] = ("avx512", "ni", "avx2")) -> None:
        self.name = name
        self._kinds = [kind for kind in _KINDS if kind.name in kinds]
        self._size = 4 * WORDS[name]
        self._one = getattr(hashlib, name)
        self._lock = threading.Lock()
        self._found: list[_Code] | None = None

    @property
    def available(self) -> bool:
        """Whether this machine hashes by lanes."""
        return bool(self._codes())

    def digests(self, messages: Sequence[bytes | Buffer]) -> list[bytes]:
        """Return each message's digest. Nobody may write to the messages meanwhile."""
        size = len(messages[0]) if messages else 0
        if not self._suits(size) or any(
            len(message) != size or memoryview(message).readonly for message in messages
        ):
            return [self._one(message).digest() for message in messages]
        held = [ctypes.c_char.from_buffer(message) for message in messages]
        whole = self._together([ctypes.addressof(first) for first in held], size)
        return whole + [self._one(message).digest() for message in messages[len(whole) :]]

    def blocks(self, data: bytes | Buffer, size: int) -> list[bytes]:
        """Return the digests of `data` cut into blocks of `size` bytes; the last may be short."""
        view = memoryview(data)
        whole: list[bytes] = []
        if self._suits(size) and len(view) >= size and not view.readonly:
            first = ctypes.addressof(ctypes.c_char.from_buffer(view))
            whole = self._together(range(first, first + len(view) - size + 1, size), size)
        rest = range(size * len(whole), len(view), size)
        return whole + [self._one(view[at : at + size]).digest() for at in rest]

    @staticmethod
    def _suits(size: int) -> bool:
        return size >= _SHORT and not size % _BLOCK

    def _together(self, addresses: Sequence[int], size: int) -> list[bytes]:
        """Return the digests of those messages, from the first on, for which it pays."""
        whole: list[bytes] = []
        codes = self._codes()
        while codes and (left := len(addresses) - len(whole)):
            code = min(codes, key=lambda code: code.price(left))
            if code.price(left) >= 1:
                break
            whole += self._call(code, addresses[len(whole) : len(whole) + code.lanes], size)
        return whole

    def _call(self, code: _Code, addresses: Sequence[int], size: int) -> list[bytes]:
        lanes = [*addresses, *[addresses[0]] * (code.lanes - len(addresses))]
        padding = b"\x80" + bytes(_BLOCK - 9) + (8 * size).to_bytes(8, "big")
        out = ctypes.create_string_buffer(code.lanes * self._size)
        code.kernel((ctypes.c_void_p * code.lanes)(*lanes), size // _BLOCK, padding, out)
        raw, step = out.raw, self._size
        return [raw[at : at + step] for at in range(0, step * len(addresses), step)]

    def _codes(self) -> list[_Code]:
        if self._found is None:
            with self._lock:
                if self._found is None:
                    self._found = list(self._load())
        return self._found

    def _load(self) -> list[_Code]:
        flags, codes = _flags(), list[_Code]()
        for kind in self._kinds:
            if not kind.needs <= flags or kind.without & flags:
                continue
            module = importlib.import_module(f"axon.bt.sha_{kind.name}")
            try:
                code = _Code(kind.lanes, kind.costs[self.name], _executable(module.CODE[self.name]))
            except (OSError, ValueError):
                continue
            # Wrong digests would cost honest peers their name: what is not right here is never used.
            samples = [bytearray(os.urandom(3 * _BLOCK)) for _ in range(kind.lanes)]
            addresses = [ctypes.addressof(ctypes.c_char.from_buffer(sample)) for sample in samples]
            right = [self._one(sample).digest() for sample in samples]
            if self._call(code, addresses, 3 * _BLOCK) == right:
                codes.append(code)
        return codes


def _flags() -> set[str]:
    """What the CPU can, as far as the code runs here and the user did not say no."""
    refused = os.environ.get("AXON_NO_SIMD", "0")
    if refused not in ("", "0", "avx512") or platform.system() != "Linux" or platform.machine() != "x86_64":
        return set()
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    line = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return set(line.split()) - (_V4 if refused == "avx512" else set())


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
