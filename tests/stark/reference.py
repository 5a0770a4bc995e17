"""Slow twins of the kernels, in Python ints: the definition, written down."""

from collections.abc import Sequence

from Crypto.Hash import keccak as _keccak

P = 2**64 - 2**32 + 1
Ext = tuple[int, int, int]


def reverse_bits(i: int, bits: int) -> int:
    return sum(((i >> b) & 1) << (bits - 1 - b) for b in range(bits))


def root_of_unity(log_n: int) -> int:
    return pow(7, (P - 1) >> log_n, P)


def evaluate(coefficients: Sequence[int], x: int) -> int:
    """Horner."""
    total = 0
    for c in reversed(coefficients):
        total = (total * x + c) % P
    return total


def domain(log_n: int, shift: int = 7) -> list[int]:
    """shift<w_n>, bit-reversed."""
    w = root_of_unity(log_n)
    return [shift * pow(w, reverse_bits(q, log_n), P) % P for q in range(1 << log_n)]


def ext_mul(a: Ext, b: Ext) -> Ext:
    """Schoolbook product, then X^3 = 2."""
    product = [0] * 5
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            product[i + j] += x * y
    return tuple((product[i] + 2 * (product[i + 3] if i < 2 else 0)) % P for i in range(3))  # type: ignore[return-value]


def ext_add(a: Ext, b: Ext) -> Ext:
    return tuple((x + y) % P for x, y in zip(a, b))  # type: ignore[return-value]


def ext_evaluate(coefficients: Sequence[Ext], x: Ext) -> Ext:
    total: Ext = (0, 0, 0)
    for c in reversed(coefficients):
        total = ext_add(ext_mul(total, x), c)
    return total


def fold_coefficients(coefficients: Sequence[Ext], alpha: Ext, k: int) -> list[Ext]:
    """sum_i alpha^i f_i, where f(X) = sum_i X^i f_i(X^k)."""
    return [ext_evaluate(coefficients[j : j + k], alpha) for j in range(0, len(coefficients), k)]


def divide(coefficients: Sequence[Ext], z: Ext) -> tuple[list[Ext], Ext]:
    """Long division by X - z."""
    quotient, carry = [], (0, 0, 0)
    for c in reversed(coefficients):
        quotient.append(carry)
        carry = ext_add(c, ext_mul(z, carry))
    return quotient[::-1], carry


def keccak256(data: bytes) -> bytes:
    return _keccak.new(digest_bits=256, data=data).digest()


def words(values: Sequence[int]) -> bytes:
    return b"".join(int(v).to_bytes(8, "big") for v in values)


def merkle_node(left: bytes, right: bytes) -> bytes:
    return keccak256(b"\xff" * 32 + left.ljust(32, b"\0") + right.ljust(32, b"\0"))


def merkle_levels(leaves: Sequence[bytes], size: int) -> list[list[bytes]]:
    """All levels, digests cut to `size` bytes."""
    levels = [[leaf[:size] for leaf in leaves]]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([merkle_node(*below[i : i + 2])[:size] for i in range(0, len(below), 2)])
    return levels


def merkle_siblings(levels: Sequence[Sequence[bytes]], indices: Sequence[int]) -> list[bytes]:
    """What a multi-proof of `indices` must hold: what each node lacks, children before parents."""

    def needed(level: int, index: int) -> list[bytes]:
        if not level:
            return []
        left, right = (any(i >> level - 1 == child for i in indices) for child in (2 * index, 2 * index + 1))
        if left and right:
            return needed(level - 1, 2 * index) + needed(level - 1, 2 * index + 1)
        known = 2 * index + right
        return [*needed(level - 1, known), levels[level - 1][known ^ 1]]

    return needed(len(levels) - 1, 0)
