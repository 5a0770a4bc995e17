"""The small functions of a verifier contract: numbers that depend on the length, positions, folds, sums.

Each is pure. What is printed for an AIR stands between double braces (`vyper.py`).
"""

__all__ = ["FUNCTIONS"]

FUNCTIONS = '''@internal
@pure
def _begin(log_rows: uint256) -> bytes32:
    """
    @notice The transcript's state after options, AIR and length.
    """
{{BEGIN}}
    raise "verifier: number of rows"


@internal
@pure
def _root(log_rows: uint256) -> uint256:
    """
    @notice The generator of the trace domain.
    """
{{ROOTS_OF_UNITY}}
    raise "verifier: number of rows"
{{FUNCTIONS}}

@internal
@pure
def _positions(seed: bytes32, log_size: uint256) -> uint256[QUERIES]:
    """
    @notice The queried positions, sorted; eight to a squeezed state.
    """
    out: uint256[QUERIES] = empty(uint256[QUERIES])
    state: bytes32 = seed
    for k: uint256 in range(QUERIES):
        if k & 7 == 0:
            state = transcript._squeeze(state, 0x87)
        place: uint256 = (convert(state, uint256) >> (224 - 32 * (k & 7))) & ((1 << log_size) - 1)
        at: uint256 = k
        for j: uint256 in range(QUERIES):
            if at == 0 or out[at - 1] <= place:
                break
            out[at] = out[at - 1]
            at -= 1
        out[at] = place
    return out


@internal
@pure
def _highest_bit(x: uint256) -> uint256:
    """
    @notice floor(log2 x) for 0 < x < 2^32.
    """
    n: uint256 = 0
    y: uint256 = x
    if y >> 16 != 0:
        n = 16
        y = y >> 16
    if y >> 8 != 0:
        n = unsafe_add(n, 8)
        y = y >> 8
    if y >> 4 != 0:
        n = unsafe_add(n, 4)
        y = y >> 4
    if y >> 2 != 0:
        n = unsafe_add(n, 2)
        y = y >> 2
    return unsafe_add(n, y >> 1)


@internal
@pure
def _carries(e: uint256[6]) -> uint256:
    """
    @notice The lanes of CARRIED, set if an element is not canonical.
    """
    return (
        unsafe_add(e[0] & EVEN, CARRY)
        | unsafe_add((e[0] >> 64) & EVEN, CARRY)
        | unsafe_add(e[1] & EVEN, CARRY)
        | unsafe_add((e[1] >> 64) & EVEN, CARRY)
        | unsafe_add(e[2] & EVEN, CARRY)
        | unsafe_add((e[2] >> 64) & EVEN, CARRY)
        | unsafe_add(e[3] & EVEN, CARRY)
        | unsafe_add((e[3] >> 64) & EVEN, CARRY)
        | unsafe_add(e[4] & EVEN, CARRY)
        | unsafe_add((e[4] >> 64) & EVEN, CARRY)
        | unsafe_add(e[5] & EVEN, CARRY)
        | unsafe_add((e[5] >> 64) & EVEN, CARRY)
    )


@internal
@pure
def _fold(e: uint256[6], w: uint256[9]) -> uint256:
    """
    @notice Fold eight siblings, four numbers to a word. The challenge over the first one's point, its
            square and its fourth power are the weights of three rounds of butterflies.
    @dev The branches are always taken: behind one the compiler forgets what it would otherwise keep on the
         stack, which is too short for it.
    """
    d: uint256[3] = empty(uint256[3])
    r: uint256[12] = empty(uint256[12])
    q: uint256[6] = empty(uint256[6])
    s: uint256[3] = empty(uint256[3])
    apart: bool = w[0] < P
{{FOLD}}
    return (s[0] << 192) | (s[1] << 128) | (s[2] << 64)


@internal
@pure
def _eighth_power(x: uint256) -> uint256:
    y: uint256 = unsafe_mul(x, x) % P
    y = unsafe_mul(y, y) % P
    return unsafe_mul(y, y) % P


@internal
@pure
def _back(inverse: uint256, place: uint256) -> uint256:
    """
    @notice From 1 over a point to 1 over the first point of its group of eight.
    """
    y: uint256 = inverse
    if place & 1 != 0:
        y = unsafe_sub(P, y)
    if place & 2 != 0:
        y = (y << 48) % P
    if place & 4 != 0:
        y = unsafe_sub(P, (y << 24) % P)
    return y


@internal
@pure
def _near(row: uint256[ROW], w: uint256[NEAR_COLUMNS]) -> uint256:
    """
    @notice One coordinate of the weighted sum over the columns opened at z.
    """
    return {{NEAR_SUM}} % P


@internal
@pure
def _far(row: uint256[ROW], w: uint256[FAR_COLUMNS]) -> uint256:
    """
    @notice Of those opened in the next row.
    """
    return {{FAR_SUM}} % P


@internal
@pure
def _final_value(final: uint256[MAX_FINAL], length: uint256, x: uint256) -> uint256:
    """
    @notice Horner's rule with one reduction a coordinate and step.
    """
    a: uint256 = 0
    b: uint256 = 0
    c: uint256 = 0
    for j: uint256 in range(MAX_FINAL):
        if j == length:
            break
        y: uint256 = final[unsafe_sub(length, unsafe_add(j, 1))]
        a = unsafe_add(unsafe_mul(a, x), y >> 192) % P
        b = unsafe_add(unsafe_mul(b, x), (y >> 128) & M64) % P
        c = unsafe_add(unsafe_mul(c, x), (y >> 64) & M64) % P
    return (a << 192) | (b << 128) | (c << 64)


@internal
@pure
def _line(z: uint256) -> uint256[5]:
    """
    @notice What (x - z) is inverted with for x in the base field: with t, u, n trace, second
            invariant and norm of z, 1/(x - z) = (x^2 + x (z - t) + z^2 - t z + u)/(x^3 - t x^2 + u x - n).
    """
    a: uint256 = z >> 192
    b: uint256 = (z >> 128) & M64
    c: uint256 = (z >> 64) & M64
    t: uint256 = unsafe_mul(3, a) % P
    bc: uint256 = unsafe_mul(b, c) % P
    u: uint256 = unsafe_mul(3, unsafe_add(unsafe_mul(a, a), unsafe_mul(2, unsafe_sub(P, bc)))) % P
    n: uint256 = unsafe_add(
        unsafe_mul(unsafe_mul(a, a) % P, a),
        unsafe_add(
            unsafe_mul(2, unsafe_mul(unsafe_mul(b, b) % P, b)),
            unsafe_add(
                unsafe_mul(4, unsafe_mul(unsafe_mul(c, c) % P, c)),
                unsafe_mul(6, unsafe_mul(a, unsafe_sub(P, bc))),
            ),
        ),
    ) % P
    first: uint256 = goldilocks._sub(z, t << 192)
    return [
        first,
        goldilocks._add(goldilocks._mul(z, first), u << 192),
        unsafe_sub(P, t),
        u,
        unsafe_sub(P, n),
    ]


@internal
@pure
def _cofactor(line: uint256[5], x: uint256) -> uint256:
    k: uint256 = line[0]
    m: uint256 = line[1]
    return (
        (unsafe_add(unsafe_mul(unsafe_add(x, k >> 192), x), m >> 192) % P << 192)
        | (unsafe_add(unsafe_mul((k >> 128) & M64, x), (m >> 128) & M64) % P << 128)
        | (unsafe_add(unsafe_mul((k >> 64) & M64, x), (m >> 64) & M64) % P << 64)
    )


@internal
@pure
def _bottom(line: uint256[5], x: uint256) -> uint256:
    y: uint256 = unsafe_add(unsafe_mul(unsafe_add(x, line[2]), x), line[3]) % P
    return unsafe_add(unsafe_mul(y, x), line[4]) % P


@internal
@pure
def _point(position: uint256) -> uint256:
    """
    @notice The point at a position of the bit-reversed domain.
    """
    x: uint256 = {{GENERATOR}}
{{POINT}}
    return x
'''
