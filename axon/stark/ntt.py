"""Polynomials: interpolation, low-degree extension, evaluation.

A matrix is (columns, n), one polynomial a row, coefficients from the constant
upwards. The trace domain is <w_n> in natural order. The evaluation domain is
7<w_N>, N = n * blowup, bit-reversed: position q holds the value at
7 w_N^rev(q). So its block b, positions b n to (b + 1) n - 1, is the coset
7 w_N^rev(b) <w_n>, itself bit-reversed; an extension is `blowup` transforms of
size n that differ in their tables alone; and the first B blocks (B a power of
two) are the whole coset 7<w_(B n)>, in its own bit-reversed order.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

import functools
import threading
from collections import OrderedDict

import numpy as np

from axon.stark.arena import empty
from axon.stark.cpu import in_ranges
from axon.stark.extension import Ext, as_words, emul, power
from axon.stark.extension import powers as extension_powers
from axon.stark.field import GENERATOR, P, Vector, fadd, fmul, inverse, powers, root_of_unity
from axon.stark.jit import kernel
from axon.stark.lane_ir import reverse_bits
from axon.stark.lanes import LANES, load8, load8c, mul8, splat8, store8, store8c, wadd8
from axon.stark.ntt_passes import coset_table, first_radix, transform, unit_table
from axon.stark.reorder import reverse_negate_scale, reverse_order

__all__ = [
    "block_shift",
    "domain_points",
    "eval_at",
    "evaluate_block",
    "interpolate",
    "interpolate_blocks",
    "low_degree_extend",
]

TABLE_BYTES = 128 << 20  # most that cached factors may hold
_SEGMENT = 1 << 13  # coefficients evaluated by one task
_CHUNK = 256  # powers of the point kept in L1


def _log2(n: int, what: str) -> int:
    if n < 1 or n & (n - 1):
        raise ValueError(f"{what}: {n}, want a power of two")
    return n.bit_length() - 1


def _matrix(values: Vector, what: str) -> Vector:
    if values.ndim != 2 or values.dtype != np.uint64:
        raise ValueError(f"{what}: {values.dtype} {values.shape}, want uint64 (columns, n)")
    return np.ascontiguousarray(values)


def block_shift(log_n: int, log_blowup: int, block: int) -> int:
    """s such that block `block` of the evaluation domain is s<w_n>."""
    if not 0 <= block < 1 << log_blowup:
        raise ValueError(f"block {block} of {1 << log_blowup}")
    root = root_of_unity(log_n + log_blowup)
    return GENERATOR * pow(root, reverse_bits(block, log_blowup), P) % P


def domain_points(log_n: int, shift: int = GENERATOR, out: Vector | None = None) -> Vector:
    """(2^log_n,): the points of shift<w_n> in bit-reversed order."""
    out = empty(1 << log_n) if out is None else out
    out[0] = shift % P
    for bits in range(log_n):  # setting bit `bits` of the position multiplies by w^(n / 2^(bits+1))
        at = 1 << bits
        factor = np.uint64(root_of_unity(bits + 1))
        in_ranges(_scale_shifted, at, at, factor, out, grain=1 << 13)
    return out


# factors, cached


@functools.lru_cache(maxsize=8)
def _unit_table(log_n: int) -> Vector:
    return unit_table(log_n)


_tables: OrderedDict[tuple[int, tuple[int, ...]], Vector] = OrderedDict()
_tables_lock = threading.Lock()


def _coset_tables(log_n: int, shifts: tuple[int, ...]) -> Vector:
    """(len(shifts), n) factors of `ntt_passes`, the latest TABLE_BYTES of them kept."""
    key = (log_n, shifts)
    with _tables_lock:
        if key in _tables:
            _tables.move_to_end(key)
            return _tables[key]
    tables = empty((len(shifts), 1 << log_n))
    in_ranges(
        _fill_tables,
        len(shifts),
        _unit_table(log_n),
        first_radix(log_n),
        np.array(shifts, np.uint64),
        tables,
        align=1,
        grain=max(1, (1 << 12) >> log_n),
    )
    with _tables_lock:
        _tables[key] = tables
        while len(_tables) > 1 and sum(t.nbytes for t in _tables.values()) > TABLE_BYTES:
            _tables.popitem(last=False)
    return tables


# public


def interpolate(values: Vector, out: Vector | None = None) -> Vector:
    """Values (columns, n) on the trace domain, natural order -> coefficients (columns, n).

    `out` may not be `values`. ValueError unless n is a power of two.
    """
    values = _matrix(values, "interpolate")
    log_n = _log2(values.shape[1], "interpolate")
    out = empty(values.shape) if out is None else out
    _check_out(out, values.shape)
    table = _coset_tables(log_n, (1,))[0]
    n_inverse = np.uint64(inverse(values.shape[1]))

    def columns(start: int, stop: int) -> None:
        scratch = empty(values.shape[1])
        _interpolate(start, stop, values, table, first_radix(log_n), n_inverse, scratch, out)

    in_ranges(columns, len(values), align=1)
    return out


def interpolate_blocks(values: Vector, out: Vector | None = None, shift: int = GENERATOR) -> Vector:
    """Values (columns, m) on the first blocks of the domain -> coefficients (columns, m).

    m = n * (a power of two) positions, bit-reversed, as `low_degree_extend` gives them.
    """
    values = _matrix(values, "interpolate_blocks")
    m = values.shape[1]
    log_m = _log2(m, "interpolate_blocks")
    out = empty(values.shape) if out is None else out
    _check_out(out, values.shape)
    table = _coset_tables(log_m, (1,))[0]
    scales = powers(inverse(shift), m, inverse(m))

    def columns(start: int, stop: int) -> None:
        _interpolate_reversed(start, stop, values, table, first_radix(log_m), scales, empty(m), out)

    in_ranges(columns, len(values), align=1)
    return out


def low_degree_extend(
    coefficients: Vector,
    blowup: int,
    out: Vector | None = None,
    blocks: range | None = None,
    shift: int = GENERATOR,
) -> Vector:
    """Coefficients (columns, n) -> values (columns, n * blowup), bit-reversed.

    Parameters
    ----------
    blocks : range, step 1
        Evaluate only these blocks; the result then has n * len(blocks) positions.
    shift : int
        The domain is shift<w_N>.
    """
    coefficients = _matrix(coefficients, "low_degree_extend")
    columns, n = coefficients.shape
    log_n, log_blowup = _log2(n, "low_degree_extend"), _log2(blowup, "blowup")
    blocks = range(blowup) if blocks is None else blocks
    if blocks.step != 1 or blocks.start < 0 or blocks.stop > blowup:
        raise ValueError(f"low_degree_extend: {blocks} of {blowup} blocks")
    out = empty((columns, n * len(blocks))) if out is None else out
    _check_out(out, (columns, n * len(blocks)))
    shifts = [block_shift(log_n, log_blowup, b) * shift * inverse(GENERATOR) % P for b in blocks]
    at_once = max(1, (TABLE_BYTES // 2) // (8 * n))
    for first in range(0, len(shifts), at_once):
        tables = _coset_tables(log_n, tuple(shifts[first : first + at_once]))
        tasks = len(tables) * columns
        pieces = max(4, min(tasks, 32))
        in_ranges(
            _extend, tasks, coefficients, tables, first_radix(log_n), first, out,
            align=1, grain=max(1, (1 << 12) >> log_n), pieces=pieces,
        )  # fmt: skip
    return out


def evaluate_block(
    coefficients: Vector, blowup: int, block: int, out: Vector | None = None, shift: int = GENERATOR
) -> Vector:
    """Block `block` of the extension, (columns, n)."""
    return low_degree_extend(coefficients, blowup, out, range(block, block + 1), shift)


def eval_at(coefficients: Vector, z: Ext) -> Vector:
    """Every polynomial at an extension point: (columns, n) -> (columns, 3)."""
    coefficients = _matrix(coefficients, "eval_at")
    columns, n = coefficients.shape
    segments = max(1, -(-n // _SEGMENT))
    table = extension_powers(z, _CHUNK)
    partial = np.empty((columns * segments, 3), np.uint64)
    step = as_words(power(z, _CHUNK))
    in_ranges(_eval_segments, columns * segments, coefficients, segments, table, step, partial, align=1)
    out = np.empty((columns, 3), np.uint64)
    _join_segments(partial, segments, as_words(power(z, _SEGMENT)), out)
    return out


def _check_out(out: Vector, shape: tuple[int, ...]) -> None:
    if out.shape != shape or out.dtype != np.uint64 or not out.flags.c_contiguous:
        raise ValueError(f"ntt: out is {out.dtype} {out.shape}, want C-contiguous uint64 {shape}")


# kernels


@kernel
def _scale_shifted(start, stop, at, factor, points):
    """points[at + i] = points[i] * factor."""
    if stop - start >= LANES and (stop - start) % LANES == 0:
        f = splat8(factor)
        for i in range(start, stop, LANES):
            store8(points, at + i, mul8(load8(points, i), f))
    else:
        for i in range(start, stop):
            points[at + i] = fmul(points[i], factor)


@kernel
def _fill_tables(start, stop, unit, radix, shifts, tables):
    for i in range(start, stop):
        coset_table(unit, radix, shifts[i], tables[i])


@kernel
def _interpolate(start, stop, values, table, radix, n_inverse, scratch, out):
    for c in range(start, stop):
        transform(values[c], scratch, table, radix)
        reverse_negate_scale(scratch, out[c], n_inverse)


@kernel
def _interpolate_reversed(start, stop, values, table, radix, scales, scratch, out):
    for c in range(start, stop):
        reverse_order(values[c], scratch)
        transform(scratch, scratch, table, radix)
        reverse_negate_scale(scratch, out[c], np.uint64(1))
        row = out[c]
        whole = row.size // LANES * LANES
        for i in range(0, whole, LANES):
            store8(row, i, mul8(load8(row, i), load8(scales, i)))
        for i in range(whole, row.size):
            row[i] = fmul(row[i], scales[i])


@kernel
def _extend(start, stop, coefficients, tables, radix, first, out):
    """Task t: column t mod columns of block t div columns of these tables."""
    columns, n = coefficients.shape
    for t in range(start, stop):
        block, c = divmod(t, columns)
        at = (first + block) * n
        transform(coefficients[c], out[c, at : at + n], tables[block], radix)


@kernel
def _eval_segments(start, stop, coefficients, segments, table, step, partial):
    """Task t: segment t mod segments of column t div segments, by Horner over chunks."""
    n = coefficients.shape[1]
    lanes = np.empty((3, LANES), np.uint64)
    zero = splat8(np.uint64(0))
    for t in range(start, stop):
        c, segment = divmod(t, segments)
        row = coefficients[c]
        low, high = segment * _SEGMENT, min((segment + 1) * _SEGMENT, n)
        r0 = r1 = r2 = np.uint64(0)
        chunk = low + (high - low - 1) // _CHUNK * _CHUNK
        while chunk >= low:
            r0, r1, r2 = emul(r0, r1, r2, step[0], step[1], step[2])
            size = min(_CHUNK, high - chunk)
            whole = size // LANES * LANES
            s0, s1, s2 = zero, zero, zero
            for i in range(0, whole, LANES):
                x = load8(row, chunk + i)
                s0 = wadd8(s0, mul8(x, load8c(table, 0, i)))
                s1 = wadd8(s1, mul8(x, load8c(table, 1, i)))
                s2 = wadd8(s2, mul8(x, load8c(table, 2, i)))
            one = splat8(np.uint64(1))
            store8c(lanes, 0, 0, mul8(s0, one))
            store8c(lanes, 1, 0, mul8(s1, one))
            store8c(lanes, 2, 0, mul8(s2, one))
            for i in range(LANES):
                r0, r1, r2 = fadd(r0, lanes[0, i]), fadd(r1, lanes[1, i]), fadd(r2, lanes[2, i])
            for i in range(whole, size):
                x1 = row[chunk + i]
                r0 = fadd(r0, fmul(x1, table[0, i]))
                r1 = fadd(r1, fmul(x1, table[1, i]))
                r2 = fadd(r2, fmul(x1, table[2, i]))
            chunk -= _CHUNK
        partial[t, 0], partial[t, 1], partial[t, 2] = r0, r1, r2


@kernel
def _join_segments(partial, segments, step, out):
    for c in range(out.shape[0]):
        r0 = r1 = r2 = np.uint64(0)
        for s in range(segments - 1, -1, -1):
            t = c * segments + s
            r0, r1, r2 = emul(r0, r1, r2, step[0], step[1], step[2])
            r0, r1, r2 = fadd(r0, partial[t, 0]), fadd(r1, partial[t, 1]), fadd(r2, partial[t, 2])
        out[c, 0], out[c, 1], out[c, 2] = r0, r1, r2
