# pragma version 0.4.3
"""
@title The field 2^64 - 2^32 + 1 and its cubic extension X^3 = 2
@license Apache-2.0
@notice An extension element c0 + c1 X + c2 X^2 is one word, the coordinates in its three high
        64-bit lanes and zero in the lowest: just as 24 bytes of a proof read left-aligned. All
        coordinates are canonical (below P). Twin of `axon/stark/extension.py`.
"""

P: constant(uint256) = 2**64 - 2**32 + 1
M64: constant(uint256) = 2**64 - 1
ONE: constant(uint256) = 1 << 192
_MODEXP: constant(address) = 0x0000000000000000000000000000000000000005


@internal
@pure
def _add(x: uint256, y: uint256) -> uint256:
    return (
        (unsafe_add(x >> 192, y >> 192) % P << 192)
        | (unsafe_add((x >> 128) & M64, (y >> 128) & M64) % P << 128)
        | (unsafe_add((x >> 64) & M64, (y >> 64) & M64) % P << 64)
    )


@internal
@pure
def _sub(x: uint256, y: uint256) -> uint256:
    return (
        (unsafe_sub(unsafe_add(x >> 192, P), y >> 192) % P << 192)
        | (unsafe_sub(unsafe_add((x >> 128) & M64, P), (y >> 128) & M64) % P << 128)
        | (unsafe_sub(unsafe_add((x >> 64) & M64, P), (y >> 64) & M64) % P << 64)
    )


@internal
@pure
def _mul(x: uint256, y: uint256) -> uint256:
    a: uint256 = x >> 192
    b: uint256 = (x >> 128) & M64
    c: uint256 = (x >> 64) & M64
    d: uint256 = y >> 192
    e: uint256 = (y >> 128) & M64
    f: uint256 = (y >> 64) & M64
    return (
        (unsafe_add(unsafe_mul(a, d), unsafe_mul(2, unsafe_add(unsafe_mul(b, f), unsafe_mul(c, e)))) % P << 192)
        | (unsafe_add(unsafe_add(unsafe_mul(a, e), unsafe_mul(b, d)), unsafe_mul(2, unsafe_mul(c, f))) % P << 128)
        | (unsafe_add(unsafe_add(unsafe_mul(a, f), unsafe_mul(b, e)), unsafe_mul(c, d)) % P << 64)
    )


@internal
@pure
def _scale(x: uint256, k: uint256) -> uint256:
    """
    @notice x times an element of the base field.
    """
    return (
        (unsafe_mul(x >> 192, k) % P << 192)
        | (unsafe_mul((x >> 128) & M64, k) % P << 128)
        | (unsafe_mul((x >> 64) & M64, k) % P << 64)
    )


@internal
@pure
def _shift(x: uint256) -> uint256:
    """
    @notice x times X.
    """
    return (((x >> 63) & (M64 << 1)) % P << 192) | ((x >> 64) & (M64 << 128)) | ((x >> 64) & (M64 << 64))


@internal
@view
def _invert_base(x: uint256) -> uint256:
    """
    @notice 1/x by the precompile, x^(P-2); 0 for 0.
    """
    answer: Bytes[32] = raw_call(
        _MODEXP,
        concat(
            convert(32, bytes32),
            convert(8, bytes32),
            convert(32, bytes32),
            convert(x, bytes32),
            x"fffffffeffffffff",
            convert(P, bytes32),
        ),
        max_outsize=32,
        is_static_call=True,
    )
    return convert(answer, uint256)


@internal
@view
def _invert(x: uint256) -> uint256:
    """
    @notice 1/x: the cofactors over the norm.
    """
    a: uint256 = x >> 192
    b: uint256 = (x >> 128) & M64
    c: uint256 = (x >> 64) & M64
    d: uint256 = unsafe_add(unsafe_mul(a, a), unsafe_mul(2, unsafe_mul(unsafe_sub(P, b), c))) % P
    e: uint256 = unsafe_add(unsafe_mul(2, unsafe_mul(c, c)), unsafe_mul(unsafe_sub(P, a), b)) % P
    f: uint256 = unsafe_add(unsafe_mul(b, b), unsafe_mul(unsafe_sub(P, a), c)) % P
    norm: uint256 = unsafe_add(unsafe_mul(a, d), unsafe_mul(2, unsafe_add(unsafe_mul(c, e), unsafe_mul(b, f)))) % P
    return self._scale((d << 192) | (e << 128) | (f << 64), self._invert_base(norm))


@internal
@pure
def _power(x: uint256, exponent: uint256) -> uint256:
    """
    @notice x^exponent for an exponent below 2^32.
    """
    result: uint256 = ONE
    square: uint256 = x
    for i: uint256 in range(32):
        if exponent >> i == 0:
            break
        if (exponent >> i) & 1 == 1:
            result = self._mul(result, square)
        square = self._mul(square, square)
    return result


@internal
@pure
def _power_base(x: uint256, exponent: uint256) -> uint256:
    result: uint256 = 1
    square: uint256 = x
    for i: uint256 in range(32):
        if exponent >> i == 0:
            break
        if (exponent >> i) & 1 == 1:
            result = unsafe_mul(result, square) % P
        square = unsafe_mul(square, square) % P
    return result
