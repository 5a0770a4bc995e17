# pragma version 0.4.3
# pragma evm-version prague
"""
@title Constraints of fibonacci under small
@license Apache-2.0
@notice Printed by `axon stark vyper` beside the verifier that calls it; a test prints it again and compares.
"""

from . import goldilocks

P: constant(uint256) = 2**64 - 2**32 + 1
M64: constant(uint256) = 2**64 - 1
INPUTS: constant(uint256) = 7
EXEMPT: constant(uint256) = 10  # rows: the random ones and the closing one


@external
@view
def evaluate(v: uint256[INPUTS], z: uint256, beta: uint256, log_rows: uint256) -> uint256:
    """
    @notice All constraints at z, each over its divisor, joined by powers of beta.
    @param v The frame, public inputs, challenges, values of lists and tables, as the verifier orders them.
    """
    a: uint256[24] = empty(uint256[24])
    g: uint256[9] = empty(uint256[9])
    divisors: uint256[3] = self._divisors(z, log_rows)
    a[0] = v[0] >> 192
    a[1] = (v[0] >> 128) & M64
    a[2] = (v[0] >> 64) & M64
    a[3] = v[1] >> 192
    a[4] = (v[1] >> 128) & M64
    a[5] = (v[1] >> 64) & M64
    a[6] = v[2] >> 192
    a[7] = (v[2] >> 128) & M64
    a[8] = (v[2] >> 64) & M64
    a[9] = v[3] >> 192
    a[10] = (v[3] >> 128) & M64
    a[11] = (v[3] >> 64) & M64
    a[12] = v[4] >> 192
    a[13] = (v[4] >> 128) & M64
    a[14] = (v[4] >> 64) & M64
    a[15] = v[5] >> 192
    a[16] = (v[5] >> 128) & M64
    a[17] = (v[5] >> 64) & M64
    a[18] = v[6] >> 192
    g[0] = divisors[0] >> 192
    g[1] = (divisors[0] >> 128) & M64
    g[2] = (divisors[0] >> 64) & M64
    g[3] = divisors[1] >> 192
    g[4] = (divisors[1] >> 128) & M64
    g[5] = (divisors[1] >> 64) & M64
    g[6] = divisors[2] >> 192
    g[7] = (divisors[2] >> 128) & M64
    g[8] = (divisors[2] >> 64) & M64
    b: uint256[3] = [beta >> 192, (beta >> 128) & M64, (beta >> 64) & M64]
    t: uint256[3] = empty(uint256[3])
    x: uint256 = 0
    y: uint256 = 0
    z_: uint256 = 0
    a[21] = unsafe_sub(unsafe_add(a[12], 18446744069414584321), a[3])
    a[22] = unsafe_sub(unsafe_add(a[13], 18446744069414584321), a[4])
    a[23] = unsafe_sub(unsafe_add(a[14], 18446744069414584321), a[5])
    t = self._step([t[0], t[1], t[2], b[0], b[1], b[2], a[21], a[22], a[23]])
    a[21] = unsafe_add(a[0], a[3])
    a[22] = unsafe_add(a[1], a[4])
    a[23] = unsafe_add(a[2], a[5])
    x = unsafe_sub(unsafe_add(a[15], 36893488138829168642), a[21])
    y = unsafe_sub(unsafe_add(a[16], 36893488138829168642), a[22])
    z_ = unsafe_sub(unsafe_add(a[17], 36893488138829168642), a[23])
    a[21] = x
    a[22] = y
    a[23] = z_
    t = self._step([t[0], t[1], t[2], b[0], b[1], b[2], a[21], a[22], a[23]])
    a[21] = unsafe_sub(unsafe_add(a[0], 18446744069414584321), 1)
    a[22] = a[1]
    a[23] = a[2]
    t = self._step([t[0], t[1], t[2], g[0], g[1], g[2], 0, 0, 0])
    t = self._step([t[0], t[1], t[2], b[0], b[1], b[2], unsafe_add(unsafe_mul(a[21] % P, g[3]), unsafe_mul(2, unsafe_add(unsafe_mul(a[22], g[5]), unsafe_mul(a[23], g[4])))), unsafe_add(unsafe_add(unsafe_mul(a[21] % P, g[4]), unsafe_mul(a[22], g[3])), unsafe_mul(2, unsafe_mul(a[23], g[5]))), unsafe_add(unsafe_add(unsafe_mul(a[21] % P, g[5]), unsafe_mul(a[22], g[4])), unsafe_mul(a[23], g[3]))])
    a[21] = unsafe_sub(unsafe_add(a[3], 18446744069414584321), 1)
    a[22] = a[4]
    a[23] = a[5]
    t = self._step([t[0], t[1], t[2], b[0], b[1], b[2], unsafe_add(unsafe_mul(a[21] % P, g[3]), unsafe_mul(2, unsafe_add(unsafe_mul(a[22], g[5]), unsafe_mul(a[23], g[4])))), unsafe_add(unsafe_add(unsafe_mul(a[21] % P, g[4]), unsafe_mul(a[22], g[3])), unsafe_mul(2, unsafe_mul(a[23], g[5]))), unsafe_add(unsafe_add(unsafe_mul(a[21] % P, g[5]), unsafe_mul(a[22], g[4])), unsafe_mul(a[23], g[3]))])
    a[21] = unsafe_sub(unsafe_add(a[3], 18446744069414584321), a[18])
    a[22] = a[4]
    a[23] = a[5]
    t = self._step([t[0], t[1], t[2], b[0], b[1], b[2], unsafe_add(unsafe_mul(a[21] % P, g[6]), unsafe_mul(2, unsafe_add(unsafe_mul(a[22], g[8]), unsafe_mul(a[23], g[7])))), unsafe_add(unsafe_add(unsafe_mul(a[21] % P, g[7]), unsafe_mul(a[22], g[6])), unsafe_mul(2, unsafe_mul(a[23], g[8]))), unsafe_add(unsafe_add(unsafe_mul(a[21] % P, g[8]), unsafe_mul(a[22], g[7])), unsafe_mul(a[23], g[6]))])
    return (t[0] << 192) | (t[1] << 128) | (t[2] << 64)


@internal
@pure
def _step(s: uint256[9]) -> uint256[3]:
    """
    @notice One element times another, plus a third that need not be reduced.
    """
    return [
        unsafe_add(
            unsafe_add(
                unsafe_mul(s[0], s[3]), unsafe_mul(2, unsafe_add(unsafe_mul(s[1], s[5]), unsafe_mul(s[2], s[4])))
            ),
            s[6],
        )
        % P,
        unsafe_add(
            unsafe_add(
                unsafe_add(unsafe_mul(s[0], s[4]), unsafe_mul(s[1], s[3])), unsafe_mul(2, unsafe_mul(s[2], s[5]))
            ),
            s[7],
        )
        % P,
        unsafe_add(
            unsafe_add(unsafe_add(unsafe_mul(s[0], s[5]), unsafe_mul(s[1], s[4])), unsafe_mul(s[2], s[3])), s[8]
        )
        % P,
    ]


@internal
@view
def _divisors(z: uint256, log_rows: uint256) -> uint256[3]:
    """
    @notice 1 over what vanishes on the rows of each kind of constraint, at z.
    """
    out: uint256[3] = empty(uint256[3])
    root: uint256 = self._root(log_rows)
    power: uint256 = goldilocks._power(z, 1 << log_rows)
    point: uint256 = 0
    value: uint256 = 0
    value = goldilocks._invert(goldilocks._sub(power, goldilocks.ONE))
    point = goldilocks._power_base(root, (1 << log_rows) - EXEMPT)
    for i: uint256 in range(EXEMPT):
        value = goldilocks._mul(value, goldilocks._sub(z, point << 192))
        point = unsafe_mul(point, root) % goldilocks.P
    out[0] = value
    point = goldilocks._power_base(root, 0)
    out[1] = goldilocks._invert(goldilocks._sub(z, point << 192))
    point = goldilocks._power_base(root, (1 << log_rows) - EXEMPT)
    out[2] = goldilocks._invert(goldilocks._sub(z, point << 192))
    return out


@internal
@pure
def _root(log_rows: uint256) -> uint256:
    """
    @notice The generator of the trace domain.
    """
    if log_rows == 6:
        return 549755813888
    raise "verifier: number of rows"
