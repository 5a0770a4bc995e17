"""Raw memory and system calls for the compiled tracker: loads, stores and libc, by address.

numba arrays cannot be made, grown or freed inside a kernel, so swarms live in
memory from malloc and are reached through these. Addresses are plain int64.
Loads and stores are unaligned and in the machine's byte order, which is
little-endian wherever the kernels are used. Nothing here checks a bound: the
callers are `kernel.py`, `udp_kernel.py` and `http_kernel.py`, whose tests do.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = [
    "calloc",
    "free",
    "malloc",
    "memcpy",
    "peek8",
    "peek16",
    "peek32",
    "peek64",
    "poke8",
    "poke16",
    "poke32",
    "poke64",
    "realloc",
    "recvmmsg",
    "sendmmsg",
]

_ADDRESS = types.int64
malloc = types.ExternalFunction("malloc", _ADDRESS(types.int64))
calloc = types.ExternalFunction("calloc", _ADDRESS(types.int64, types.int64))
realloc = types.ExternalFunction("realloc", _ADDRESS(_ADDRESS, types.int64))
free = types.ExternalFunction("free", types.void(_ADDRESS))
memcpy = types.ExternalFunction("memcpy", _ADDRESS(_ADDRESS, _ADDRESS, types.int64))
recvmmsg = types.ExternalFunction(
    "recvmmsg", types.int32(types.int32, _ADDRESS, types.uint32, types.int32, _ADDRESS)
)
sendmmsg = types.ExternalFunction("sendmmsg", types.int32(types.int32, _ADDRESS, types.uint32, types.int32))


def _peek(bits: int) -> Any:
    """Make a load of `bits` bits that yields an unsigned integer, widened to uint64."""

    def load(typing_context: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            kind = ir.IntType(bits)
            pointer = builder.inttoptr(arguments[0], kind.as_pointer())
            value = builder.load(pointer)
            value.align = 1
            return value if bits == 64 else builder.zext(value, ir.IntType(64))

        return types.uint64(types.int64), codegen

    return intrinsic(load)


def _poke(bits: int) -> Any:
    """Make a store of the low `bits` bits."""

    def store(typing_context: Any, address: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            kind = ir.IntType(bits)
            pointer = builder.inttoptr(arguments[0], kind.as_pointer())
            low = arguments[1] if bits == 64 else builder.trunc(arguments[1], kind)
            builder.store(low, pointer).align = 1
            return context.get_dummy_value()

        return types.void(types.int64, types.uint64), codegen

    return intrinsic(store)


peek8, peek16, peek32, peek64 = _peek(8), _peek(16), _peek(32), _peek(64)
poke8, poke16, poke32, poke64 = _poke(8), _poke(16), _poke(32), _poke(64)
