"""Field arithmetic on LANES elements at once, for use inside kernels.

The one page to read before writing (or generating) a kernel:

* `LANES` is 8 with AVX-512 and 1 without. Write every loop as
  `for i in range(start, stop, LANES)` with `start` and `stop` multiples of 8, and
  never write 8 yourself: the same text then is the scalar fallback too.
* A value of `LANES` elements is an ordinary local variable. `load8(row, i)` reads
  `row[i : i + LANES]`, `store8(row, i, v)` writes it; `row` is a 1-d C-contiguous
  uint64 array. `load8c(matrix, c, i)` and `store8c(matrix, c, i, v)` do the same on
  row `c` of a 2-d C-contiguous array without making a slice (a slice costs reference
  counts, which keep LLVM from vectorising around it).
* `splat8(x)` repeats the uint64 `x`. Constants: `splat8(np.uint64(5))`; lift them
  out of the loop, LLVM keeps what fits in registers.
* `add8 sub8 mul8 neg8` take and give canonical values (< P). `sqr8(a)` is `mul8(a, a)`.
  `mul8` also accepts weak inputs.
* Weak values are any 64-bit words, standing for themselves mod P: `wmul8(a, b)`
  (any, any), `wadd8(a, b)`, `wsub8(a, b)` (`a` any, **`b` canonical**) give weak ones
  and cost less; `canon8` makes one canonical. Store canonical ones only.
* `next8(row, block, q, log_n)` reads the next trace row: for the LANES positions
  `q, q+1, ...` of the bit-reversed block of 2^log_n positions that begins at index
  `block` of `row`, the values one step further round the trace domain. `next8c(matrix,
  c, block, q, log_n)` likewise. Needs log_n >= 3. Costs a load, but for the last
  group of a block, which rotates lanes.

Cost with AVX-512, a vector of 8: add8 4 instructions, sub8 3, mul8 25, wmul8 23.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from axon.stark.cpu import LANES
from axon.stark.lane_ir import I64, Lanes, reverse_bits

__all__ = [
    "LANES",
    "add8",
    "canon8",
    "gather_groups",
    "load8",
    "load8c",
    "load_apart",
    "mul8",
    "neg8",
    "next8",
    "next8c",
    "prefetch8c",
    "reverse_bits",
    "splat8",
    "sqr8",
    "store8",
    "store8c",
    "store_apart",
    "store_digests",
    "sub8",
    "wadd8",
    "wmul8",
    "wsub8",
    "xor8",
]


class LaneType(types.Type):  # type: ignore[misc]
    """numba's name for `<8 x i64>`."""

    def __init__(self) -> None:
        super().__init__(name="goldilocks_x8")


@register_model(LaneType)
class _LaneModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, front_end_type: Any) -> None:
        super().__init__(manager, front_end_type, ir.VectorType(I64, 8))


v8 = LaneType() if LANES == 8 else types.uint64


def pointer(context: Any, lanes: Lanes, array_type: Any, array: Any, *index: Any) -> Any:
    """Address of element `index` (one or two numbers) of a C-contiguous array, as a vector's."""
    b = lanes.b
    struct = context.make_array(array_type)(context, b, array)
    at = index[0]
    if len(index) == 2:
        width = cgutils.unpack_tuple(b, struct.shape)[1]
        at = b.add(b.mul(index[0], width), index[1])
    return b.bitcast(b.gep(struct.data, [at]), lanes.type.as_pointer())


def check_array(array: Any, dimensions: int) -> None:
    """Refuse at compile time what `pointer` would misread."""
    ok = isinstance(array, types.Array) and array.dtype == types.uint64
    if not ok or array.ndim != dimensions or array.layout != "C":
        raise TypeError(f"lanes: {array}, want a C-contiguous {dimensions}-d uint64 array")


def _elementwise(signature: Any, method: str) -> Any:
    def codegen(context: Any, builder: Any, _: Any, args: Any) -> Any:
        return getattr(Lanes(builder, LANES), method)(*args)

    return signature, codegen


@intrinsic
def load8(typing, row, i):
    check_array(row, 1)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = Lanes(builder, LANES)
        return builder.load(pointer(context, lanes, signature.args[0], args[0], args[1]), align=8)

    return v8(row, types.intp), codegen


@intrinsic
def load8c(typing, matrix, c, i):
    check_array(matrix, 2)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = Lanes(builder, LANES)
        return builder.load(pointer(context, lanes, signature.args[0], *args), align=8)

    return v8(matrix, types.intp, types.intp), codegen


@intrinsic
def load_apart(typing, matrix, c, i, stride):
    """matrix[c, i], matrix[c, i + stride], ...: one element for each lane."""
    check_array(matrix, 2)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes, one = Lanes(builder, LANES), Lanes(builder, 1)
        array, column, at, stride = args
        if LANES == 1:
            return builder.load(pointer(context, one, signature.args[0], array, column, at))
        value = ir.Constant(lanes.type, ir.Undefined)
        for lane in range(LANES):
            word = builder.load(pointer(context, one, signature.args[0], array, column, at))
            value = builder.insert_element(value, word, ir.Constant(ir.IntType(32), lane))
            at = builder.add(at, stride)
        return value

    return v8(matrix, types.intp, types.intp, types.intp), codegen


@intrinsic
def store_apart(typing, matrix, c, i, stride, value):
    """Undo `load_apart`."""
    check_array(matrix, 2)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        one = Lanes(builder, 1)
        array, column, at, stride, value = args
        for lane in range(LANES):
            index = ir.Constant(ir.IntType(32), lane)
            word = value if LANES == 1 else builder.extract_element(value, index)
            builder.store(word, pointer(context, one, signature.args[0], array, column, at))
            at = builder.add(at, stride)
        return context.get_dummy_value()

    return types.void(matrix, types.intp, types.intp, types.intp, v8), codegen


@intrinsic
def store8(typing, row, i, value):
    check_array(row, 1)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = Lanes(builder, LANES)
        builder.store(args[2], pointer(context, lanes, signature.args[0], args[0], args[1]), align=8)
        return context.get_dummy_value()

    return types.void(row, types.intp, v8), codegen


@intrinsic
def prefetch8c(typing, matrix, c, i):
    """Fetch the cache line of matrix[c, i]; any i, even past the end."""
    check_array(matrix, 2)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = pointer(context, Lanes(builder, LANES), signature.args[0], *args)
        address = builder.bitcast(place, ir.IntType(8).as_pointer())
        i32 = ir.IntType(32)
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [address.type, i32, i32, i32]), "llvm.prefetch.p0"
        )
        builder.call(function, [address, i32(0), i32(3), i32(1)])  # to read, keep, data
        return context.get_dummy_value()

    return types.void(matrix, types.intp, types.intp), codegen


@intrinsic
def store8c(typing, matrix, c, i, value):
    check_array(matrix, 2)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = Lanes(builder, LANES)
        builder.store(args[3], pointer(context, lanes, signature.args[0], *args[:3]), align=8)
        return context.get_dummy_value()

    return types.void(matrix, types.intp, types.intp, v8), codegen


@intrinsic
def splat8(typing, x):
    return _elementwise(v8(types.uint64), "splat")


@intrinsic
def add8(typing, a, b):
    return _elementwise(v8(v8, v8), "add")


@intrinsic
def sub8(typing, a, b):
    return _elementwise(v8(v8, v8), "sub")


@intrinsic
def mul8(typing, a, b):
    return _elementwise(v8(v8, v8), "mul")


@intrinsic
def sqr8(typing, a):
    def codegen(context: Any, builder: Any, _: Any, args: Any) -> Any:
        return Lanes(builder, LANES).mul(args[0], args[0])

    return v8(v8), codegen


@intrinsic
def neg8(typing, a):
    def codegen(context: Any, builder: Any, _: Any, args: Any) -> Any:
        lanes = Lanes(builder, LANES)
        return lanes.sub(lanes.const(0), args[0])

    return v8(v8), codegen


@intrinsic
def canon8(typing, a):
    return _elementwise(v8(v8), "canonical")


@intrinsic
def xor8(typing, a, b):
    def codegen(context: Any, builder: Any, _: Any, args: Any) -> Any:
        return builder.xor(*args)

    return v8(v8, v8), codegen


@intrinsic(prefer_literal=True)
def gather_groups(typing, source, at, scratch, group):
    """LANES groups of `group` consecutive words from index `at` on, to scratch (group*LANES,), word-major.

    `group` is a literal power of two: 1, 2, 4, 8 or 16.
    """
    check_array(source, 1)
    check_array(scratch, 1)
    size = group.literal_value

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = Lanes(builder, LANES)

        def place(array_type: Any, array: Any, at: Any, k: int) -> Any:
            index = builder.add(at, ir.Constant(I64, k * LANES))
            return pointer(context, lanes, array_type, array, index)

        stream = [builder.load(place(signature.args[0], args[0], args[1], k), align=8) for k in range(size)]
        for k, value in enumerate(lanes.deinterleave(stream)):
            builder.store(value, place(signature.args[2], args[2], ir.Constant(I64, 0), k), align=8)
        return context.get_dummy_value()

    return types.void(source, types.intp, scratch, group), codegen


@intrinsic
def store_digests(typing, digests, row, state):
    """Words 0 to 3 of LANES states (word-major) -> rows row, row+1, ... of a (n, 4) array."""
    check_array(digests, 2)
    check_array(state, 1)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = Lanes(builder, LANES)
        words = [
            builder.load(
                pointer(context, lanes, signature.args[2], args[2], ir.Constant(I64, w * LANES)), align=8
            )
            for w in range(4)
        ]
        for k, value in enumerate(lanes.interleave(words)):
            at = ir.Constant(I64, k * LANES)
            place = pointer(context, lanes, signature.args[0], args[0], args[1], at)
            builder.store(value, place, align=8)
        return context.get_dummy_value()

    return types.void(digests, types.intp, state), codegen


@intrinsic
def wadd8(typing, a, b):
    return _elementwise(v8(v8, v8), "weak_add")


@intrinsic
def wsub8(typing, a, b):
    return _elementwise(v8(v8, v8), "weak_sub")


@intrinsic
def wmul8(typing, a, b):
    return _elementwise(v8(v8, v8), "weak_mul")


# One step round the trace domain carries into the three bits that number the lanes
# only from the last group of a block, whose successor is the first group, rotated:
_ROTATION = [reverse_bits((reverse_bits(lane, 3) + 1) % 8, 3) for lane in range(8)]


def _next_at(builder: Any, block: Any, q: Any, log_n: Any) -> tuple[Any, Any]:
    """(index of the successor of position q, whether q's group is the block's last).

    Adding one to the bit-reversed number: the ones at its top become zeros, the zero
    below them becomes one. `~q << (64 - log_n)` has q's top bits at the word's top.
    """
    b = builder
    log_n = b.zext(log_n, I64) if log_n.type.width < 64 else log_n
    aligned = b.shl(b.not_(q), b.sub(ir.Constant(I64, 64), log_n))
    function = cgutils.get_or_insert_function(
        b.module, ir.FunctionType(I64, [I64, ir.IntType(1)]), "llvm.ctlz.i64"
    )
    ones = b.call(function, [aligned, ir.Constant(ir.IntType(1), 0)])
    wrapped = b.icmp_unsigned(">=", q, b.sub(b.shl(ir.Constant(I64, 1), log_n), ir.Constant(I64, LANES)))
    # bits log_n-1 .. log_n-1-ones flip; shifted in two steps, for ones may be log_n
    flip = b.shl(ir.Constant(I64, -1), b.sub(b.sub(log_n, ir.Constant(I64, 1)), ones))
    flip = b.and_(flip, b.sub(b.shl(ir.Constant(I64, 1), log_n), ir.Constant(I64, 1)))
    successor = b.select(wrapped, ir.Constant(I64, 0), b.xor(q, flip))
    return b.add(block, successor), wrapped


def _next(context: Any, builder: Any, array_type: Any, array: Any, column: Any, rest: Any) -> Any:
    lanes = Lanes(builder, LANES)
    at, wrapped = _next_at(builder, *rest)
    index = (at,) if column is None else (column, at)
    value = builder.load(pointer(context, lanes, array_type, array, *index), align=8)
    if LANES == 1:
        return value
    return builder.select(wrapped, lanes.permute(value, value, _ROTATION), value)


@intrinsic
def next8(typing, row, block, q, log_n):
    check_array(row, 1)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _next(context, builder, signature.args[0], args[0], None, args[1:])

    return v8(row, types.intp, types.intp, types.intp), codegen


@intrinsic
def next8c(typing, matrix, c, block, q, log_n):
    check_array(matrix, 2)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _next(context, builder, signature.args[0], args[0], args[1], args[2:])

    return v8(matrix, types.intp, types.intp, types.intp, types.intp), codegen
