# pragma version 0.4.3
# pragma evm-version prague
"""
@title Verifier of axr-1 under compact-100
@license Apache-2.0
@notice Printed by `axon stark vyper`; a test prints it again and compares. The protocol is
        described in docs/proof-system.md, and in Python in `axon/stark/verifier.py`.
@dev Reverts with the name of the check that fails. Nothing is taken from the proof that AIR,
     options or transcript determine; the trace's length is one of a fixed list.
"""

from ..interfaces import IStarkVerifier
from . import goldilocks
from . import transcript

implements: IStarkVerifier
P: constant(uint256) = 2**64 - 2**32 + 1
M64: constant(uint256) = 2**64 - 1
# An element x is below P just if x + 2^32 - 1 does not carry out of its 64 bits: two lanes at once.
EVEN: constant(uint256) = (2**64 - 1) | ((2**64 - 1) << 128)
CARRY: constant(uint256) = (2**32 - 1) | ((2**32 - 1) << 128)
CARRIED: constant(uint256) = (1 << 64) | (1 << 192)

DIGEST: constant(uint256) = 26  # bytes
DIGEST_MASK: constant(uint256) = (2**208 - 1) << 48
QUERIES: constant(uint256) = 19
LOG_BLOWUP: constant(uint256) = 8
LOG_FINAL: constant(uint256) = 5
MAX_FOLDS: constant(uint256) = 3
MAX_FINAL: constant(uint256) = 32
MAX_LOG_SIZE: constant(uint256) = 22
BLINDING: constant(uint256) = 20  # coefficients
EXEMPT: constant(uint256) = 26  # rows: the random ones and the closing one
TREES: constant(uint256) = 4
CURRENT: constant(uint256) = 31  # values at z, then SEGMENTS of the quotient, then the next row's
SEGMENTS: constant(uint256) = 3
NEAR: constant(uint256) = 34
FRAME: constant(uint256) = 51
PUBLICS_AT: constant(uint256) = 51
CHALLENGES_AT: constant(uint256) = 55
INPUTS: constant(uint256) = 59
SLOTS: constant(uint256) = 77  # of the evaluator: inputs, constants, registers
# The constraints as `_evaluate` runs them: constants of 8 bytes; steps of four numbers of 2 bytes.
CONSTANTS: constant(Bytes[112]) = x"00000000000000000000000000000001000000000000000200000000000000030000000000000fff00000000000010000000000000001fff0000000000002000000000000100000000000000040000000000000000000000000000000000000000000000000000000000000000000000"
CODE: constant(
    Bytes[1728]
) = x"00010045002f0013000100460045003c000200450045004600030000004500000001004500300015000100460045003c00020045004500460003000000450000000200450002004400020046000c004200000046000b00460002004700060046000100450045004700020047000e004200000047000d004700020048000f00440000004700470048000100450045004700020045000300450003000000450000000100450006003c0001004500450047000200480011004200000048001000480002004900120044000000480048004900010045004500480002004500030045000300000045000000020045000700460001004500080045000200450003004500030000004500000002004500040024000100480024003c0002004500450048000300000045000000020045000d00440000004500460045000200480022003e0001004800480033000200490024003d000100490049003c000200490048004900010045004500490002004500040045000300000045000000010045000600220001004500450033000200480024004800010045004500480002004500040045000300000045000000020045000f004200000045000e00450002004800100044000000450045004800020048004400450001004800080048000200490012004200000049001100490001004800480049000200480004004800030000004800000001004800070002000100480048004500020048000400480003000000480000000200450045004300020048002800420000004800270048000100490035003600000049003400490002004a00480049000100450045004a0002004b002a00420000004b0029004b0002004c002b00440000004b004b004c000100450045004b00020045000400450003000000450000000100450049003c000100450045004b00020049002d004200000049002c00490002004c002e0044000000490049004c0001004500450049000200490004004500030000004900000002004700470043000100470047004a000100470047004b000200470005004700030000004700000002004500050045000300000045000000020045004600430000004500480045000100460037003c0002004600170046000000450045004600020045000500450001004600310017000100450046004500030000004500000001004500250009000200460004000700010045004500460003000000450000000100450026000a00020046000200040001004500450046000300000045000000010045003b00140001004600380015000200450045004600010047003b00160001004800380013000200470047004800000045004500470002004600480046000200460018004600010045004600450003000000450000000100450038000b000100460038000c00020047004500460002004700190047000000450045004600010045004700450003000000450000000100450038000d000100460038000e000200470045004600020047001a0047000000450045004600010045004700450003000000450000000100450038000f0001004600380010000200470045004600020047001b004700000045004500460001004500470045000300000045000000010045003800110001004600380012000200470045004600020047001c00470000004500450046000100450047004500030000004500000002004500020003000200460004002200010045004500460002004600390039000200470039004600020048003d0047000000480001004800010048003800480002004500450048000100490003000400020049000800490000004a000000470001004a0038004a000200490049004a000000450045004900020048004a004800020048001d004800010045004800450003000000450000000200450006003900000045000000450002004600070046000000450045004600020046003e004700000045004500460001004500380045000100460032001e00010046004600180001004600460019000100460046001a000100460046001b000100460046001c000100460046001d0002004500450046000200460004002300010046000300460001004500450046000300000045000000040000000000000003000200130000000100450013003f00030003004500000001004500150040000300020045000000010045001500410003000300450000000100450017003c0003000200450000000100450017003a000300030045000000030002000900000001004500090035000300030045000000030002000a000000010045000a0036000300030045000000030002001e000000030003001e00000000000000000000000000000000000000000000000000000000000000000000"
BASE: constant(uint256) = 23  # base columns of an opened row
CUBIC: constant(uint256) = 12  # columns in the extension behind them; the last is FRI's mask
NODES: constant(uint256) = 418  # of a multi-proof, at most
MAX_PUBLIC: constant(uint256) = 1296  # words

# Places in `st`.
CURSOR: constant(uint256) = 0
BAD: constant(uint256) = 1
Z: constant(uint256) = 2
NEXT: constant(uint256) = 3  # z times the trace's root: the next row
NEAR_OPENED: constant(uint256) = 4
FAR_OPENED: constant(uint256) = 5
BETA: constant(uint256) = 6
TEMPORARY: constant(uint256) = 7
LOG_SIZE: constant(uint256) = 8
FOLDS: constant(uint256) = 9
COUNT: constant(uint256) = 10  # different positions
KNOWN: constant(uint256) = 11
NODE: constant(uint256) = 12  # next entry of `steps`
CHILD: constant(uint256) = 13
NEAR_SUM: constant(uint256) = 14
FAR_SUM: constant(uint256) = 15


@external
@view
def verify(statement: uint256[10], shares: DynArray[uint256, 1024], proof: Bytes[131072]) -> bool:
    """
    @notice Accept the proof, or revert with the check that failed.
    @param statement Chain id, pool, epoch, submitter, receipts' root, number of joined peers, c,
           c_e, sum of trust, sum of pre-trust.
    @param shares Five shares of 48 bits to a word, the first in the high bits, the low 16 zero.
    @param proof As `axon.stark.vyper.envelope` wraps it.
    """
    # What the constraints are sound for: no sum wraps around.
    assert statement[6] >= 1 and statement[6] <= 3 * 2**36, "verifier: c out of range"
    assert statement[7] >= 1 and statement[7] <= 2**36, "verifier: c_e out of range"
    assert statement[9] <= 2**36 and statement[9] <= statement[8], "verifier: pre-trust out of range"
    assert statement[8] < 2**38, "verifier: trust out of range"
    assert statement[8] - statement[9] + statement[7] < 2**37, "verifier: divisor out of range"
    assert statement[5] <= 5 * len(shares), "verifier: shares missing"
    st: uint256[16] = empty(uint256[16])
    v: uint256[INPUTS] = empty(uint256[INPUTS])
    roots: uint256[TREES] = empty(uint256[TREES])
    assert len(proof) >= 1405, "verifier: proof too short"
    log_rows: uint256 = convert(extract32(proof, 0), uint256) >> 248
    state: bytes32 = self._begin(log_rows)
    assert convert(extract32(proof, 1), uint256) >> 192 == 7023490562572577537, "verifier: header"
    st[CURSOR] = 9
    st[LOG_SIZE] = log_rows + LOG_BLOWUP
    roots[0] = statement[4]
    assert roots[0] & DIGEST_MASK == roots[0], "verifier: root is no digest"
    for k: uint256 in range(4):
        v[PUBLICS_AT + k] = statement[6 + k] << 192
    state = self._absorb_public(state, statement, shares)
    # Commitments, each before the challenges that follow it.
    state = transcript._absorb(state, 0x03, slice(proof, st[CURSOR], DIGEST))
    roots[1] = convert(extract32(proof, st[CURSOR]), uint256) & DIGEST_MASK
    st[CURSOR] += DIGEST
    for k: uint256 in range(3):
        state = transcript._squeeze(state, 0x81)
        v[CHALLENGES_AT + k] = transcript._element(state)
    v[58] = self._horner(shares, statement[5], v[55])
    state = transcript._absorb(state, 0x04, slice(proof, st[CURSOR], DIGEST))
    roots[2] = convert(extract32(proof, st[CURSOR]), uint256) & DIGEST_MASK
    st[CURSOR] += DIGEST
    state = transcript._squeeze(state, 0x82)
    st[BETA] = transcript._element(state)
    state = transcript._absorb(state, 0x05, slice(proof, st[CURSOR], DIGEST))
    roots[3] = convert(extract32(proof, st[CURSOR]), uint256) & DIGEST_MASK
    st[CURSOR] += DIGEST
    # Out of domain: the constraints hold at z.
    state = transcript._squeeze(state, 0x83)
    st[Z] = transcript._element(state)
    assert st[Z] & (M64 << 128 | M64 << 64) != 0, "verifier: point in the base field"
    st[NEXT] = goldilocks._scale(st[Z], self._root(log_rows))
    state = keccak256(concat(state, x"06", slice(proof, st[CURSOR], 1224)))
    for k: uint256 in range(FRAME):
        v[k] = (convert(extract32(proof, st[CURSOR]), uint256) >> 64) << 64
        st[BAD] |= unsafe_add((v[k] >> 64) & EVEN, CARRY)
        st[BAD] |= unsafe_add((v[k] >> 128) & M64, CARRY)
        st[CURSOR] += 24
    assert st[BAD] & CARRIED == 0, "verifier: element not canonical"

    st[TEMPORARY] = goldilocks._power(st[Z], (1 << log_rows) - BLINDING)
    quotient: uint256 = 0
    for k: uint256 in range(SEGMENTS):
        quotient = goldilocks._add(goldilocks._mul(quotient, st[TEMPORARY]), v[NEAR - 1 - k])
    assert (
        self._evaluate(v, self._divisors(st[Z], log_rows), st[BETA]) == quotient
    ), "verifier: constraints"

    # The DEEP challenge: weights of the opened functions, and what they open to.
    state = transcript._squeeze(state, 0x84)
    alpha: uint256 = transcript._element(state)
    weights0: uint256[FRAME] = empty(uint256[FRAME])
    weights1: uint256[FRAME] = empty(uint256[FRAME])
    weights2: uint256[FRAME] = empty(uint256[FRAME])
    st[TEMPORARY] = alpha
    for k: uint256 in range(FRAME):
        weights0[k] = st[TEMPORARY] >> 192
        weights1[k] = (st[TEMPORARY] >> 128) & M64
        weights2[k] = (st[TEMPORARY] >> 64) & M64
        v[k] = goldilocks._mul(v[k], st[TEMPORARY])
        if k < NEAR:
            st[NEAR_OPENED] = goldilocks._add(st[NEAR_OPENED], v[k])
        else:
            st[FAR_OPENED] = goldilocks._add(st[FAR_OPENED], v[k])
        st[TEMPORARY] = goldilocks._mul(st[TEMPORARY], alpha)

    # FRI's commitments, then grinding, then the queries.
    if log_rows > LOG_FINAL:
        st[FOLDS] = (log_rows - LOG_FINAL + 2) // 3
    layers: uint256[2 * (MAX_FOLDS + 1)] = empty(uint256[2 * (MAX_FOLDS + 1)])
    for k: uint256 in range(st[FOLDS], bound=MAX_FOLDS + 1):
        state = keccak256(concat(state, x"07", slice(proof, st[CURSOR], DIGEST)))
        layers[2 * k] = convert(extract32(proof, st[CURSOR]), uint256) & DIGEST_MASK
        st[CURSOR] += DIGEST
        state = transcript._squeeze(state, 0x85)
        layers[2 * k + 1] = transcript._element(state)
    final_length: uint256 = 1 << (log_rows - 3 * st[FOLDS])
    assert len(proof) >= st[CURSOR] + 24 * final_length + 40, "verifier: proof too short"
    if final_length == 16:
        state = transcript._absorb(state, 0x08, slice(proof, st[CURSOR], 384))
    if final_length == 32:
        state = transcript._absorb(state, 0x08, slice(proof, st[CURSOR], 768))
    final: uint256[MAX_FINAL] = empty(uint256[MAX_FINAL])
    for k: uint256 in range(final_length, bound=MAX_FINAL):
        final[k] = (convert(extract32(proof, st[CURSOR]), uint256) >> 64) << 64
        st[BAD] |= unsafe_add((final[k] >> 64) & EVEN, CARRY)
        st[BAD] |= unsafe_add((final[k] >> 128) & M64, CARRY)
        st[CURSOR] += 24
    state = transcript._squeeze(state, 0x86)
    assert (
        convert(keccak256(concat(state, slice(proof, st[CURSOR], 8))), uint256)
        >> (256 - 25)
        == 0
    ), "verifier: grinding"
    state = keccak256(concat(state, x"09", slice(proof, st[CURSOR], 8)))
    st[CURSOR] += 8

    # places[0 .. QUERIES - 1]: the positions, sorted, each once; then those of every third level.
    places: uint256[(MAX_FOLDS + 1) * QUERIES] = empty(uint256[(MAX_FOLDS + 1) * QUERIES])
    sorted: uint256[QUERIES] = self._positions(state, st[LOG_SIZE])
    for k: uint256 in range(QUERIES):
        if k == 0 or sorted[k] != sorted[k - 1]:
            places[st[COUNT]] = sorted[k]
            sorted[st[COUNT]] = sorted[k]
            st[COUNT] += 1

    # How paths run together, the same in every tree: for each node 2 if both children are known,
    # else which side the known one is on. FRI's trees are the upper parts.
    steps: uint256[NODES] = empty(uint256[NODES])
    starts_at: uint256[MAX_LOG_SIZE + 2] = empty(uint256[MAX_LOG_SIZE + 2])
    widths: uint256[MAX_LOG_SIZE + 2] = empty(uint256[MAX_LOG_SIZE + 2])
    siblings: uint256 = 0
    st[KNOWN] = st[COUNT]
    for level: uint256 in range(st[LOG_SIZE], bound=MAX_LOG_SIZE):
        widths[level] = st[KNOWN]
        starts_at[level] = st[NODE]
        kept: uint256 = 0
        st[CHILD] = 0
        for k: uint256 in range(QUERIES):
            if st[CHILD] == st[KNOWN]:
                break
            place: uint256 = sorted[st[CHILD]]
            step: uint256 = place & 1
            st[CHILD] = unsafe_add(st[CHILD], 1)
            if step == 0 and st[CHILD] < st[KNOWN] and sorted[st[CHILD]] == place ^ 1:
                step = 2
                st[CHILD] = unsafe_add(st[CHILD], 1)
            else:
                siblings = unsafe_add(siblings, 1)
            steps[st[NODE]] = step
            st[NODE] = unsafe_add(st[NODE], 1)
            sorted[kept] = place >> 1
            kept = unsafe_add(kept, 1)
        st[KNOWN] = kept
        if (level + 1) % 3 == 0 and (level + 1) // 3 <= st[FOLDS]:
            for k: uint256 in range(kept, bound=QUERIES):
                places[((level + 1) // 3) * QUERIES + k] = sorted[k]
    widths[st[LOG_SIZE]] = 1

    # The opened rows: their leaves, and the DEEP quotient at their points.
    rows_at: uint256[TREES] = empty(uint256[TREES])
    sizes: uint256[TREES] = [64, 152, 208, 112]
    for t: uint256 in range(TREES):
        rows_at[t] = st[CURSOR]
        st[CURSOR] += sizes[t] * st[COUNT] + DIGEST * siblings
    assert len(proof) >= st[CURSOR] + 8, "verifier: proof too short"
    digests: uint256[TREES * QUERIES] = empty(uint256[TREES * QUERIES])
    values_: uint256[QUERIES] = empty(uint256[QUERIES])
    s: uint256[9] = empty(uint256[9])
    base: uint256[BASE] = empty(uint256[BASE])
    cubic0: uint256[CUBIC] = empty(uint256[CUBIC])
    cubic1: uint256[CUBIC] = empty(uint256[CUBIC])
    cubic2: uint256[CUBIC] = empty(uint256[CUBIC])
    for i: uint256 in range(st[COUNT], bound=QUERIES):
        at: uint256 = 0
        word: uint256 = 0
        # attested
        at = unsafe_add(rows_at[0], unsafe_mul(i, 64))
        digests[unsafe_add(0 * QUERIES, i)] = convert(keccak256(slice(proof, at, 64)), uint256) & DIGEST_MASK
        word = convert(extract32(proof, unsafe_add(at, 0)), uint256)
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        base[0] = word >> 192
        base[1] = (word >> 128) & M64
        base[2] = (word >> 64) & M64
        base[3] = word & M64
        word = (convert(extract32(proof, unsafe_add(at, 32)), uint256) >> 128) << 128
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        base[4] = word >> 192
        base[5] = (word >> 128) & M64
        # main
        at = unsafe_add(rows_at[1], unsafe_mul(i, 152))
        digests[unsafe_add(1 * QUERIES, i)] = convert(keccak256(slice(proof, at, 152)), uint256) & DIGEST_MASK
        word = convert(extract32(proof, unsafe_add(at, 0)), uint256)
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        base[6] = word >> 192
        base[7] = (word >> 128) & M64
        base[8] = (word >> 64) & M64
        base[9] = word & M64
        word = convert(extract32(proof, unsafe_add(at, 32)), uint256)
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        base[10] = word >> 192
        base[11] = (word >> 128) & M64
        base[12] = (word >> 64) & M64
        base[13] = word & M64
        word = convert(extract32(proof, unsafe_add(at, 64)), uint256)
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        base[14] = word >> 192
        base[15] = (word >> 128) & M64
        base[16] = (word >> 64) & M64
        base[17] = word & M64
        word = convert(extract32(proof, unsafe_add(at, 96)), uint256)
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        base[18] = word >> 192
        base[19] = (word >> 128) & M64
        base[20] = (word >> 64) & M64
        base[21] = word & M64
        word = (convert(extract32(proof, unsafe_add(at, 128)), uint256) >> 192) << 192
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        base[22] = word >> 192
        # auxiliary
        at = unsafe_add(rows_at[2], unsafe_mul(i, 208))
        digests[unsafe_add(2 * QUERIES, i)] = convert(keccak256(slice(proof, at, 208)), uint256) & DIGEST_MASK
        word = convert(extract32(proof, unsafe_add(at, 0)), uint256)
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        cubic0[0] = word >> 192
        cubic1[0] = (word >> 128) & M64
        cubic2[0] = (word >> 64) & M64
        cubic0[1] = word & M64
        word = convert(extract32(proof, unsafe_add(at, 32)), uint256)
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        cubic1[1] = word >> 192
        cubic2[1] = (word >> 128) & M64
        cubic0[2] = (word >> 64) & M64
        cubic1[2] = word & M64
        word = convert(extract32(proof, unsafe_add(at, 64)), uint256)
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        cubic2[2] = word >> 192
        cubic0[3] = (word >> 128) & M64
        cubic1[3] = (word >> 64) & M64
        cubic2[3] = word & M64
        word = convert(extract32(proof, unsafe_add(at, 96)), uint256)
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        cubic0[4] = word >> 192
        cubic1[4] = (word >> 128) & M64
        cubic2[4] = (word >> 64) & M64
        cubic0[5] = word & M64
        word = convert(extract32(proof, unsafe_add(at, 128)), uint256)
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        cubic1[5] = word >> 192
        cubic2[5] = (word >> 128) & M64
        cubic0[6] = (word >> 64) & M64
        cubic1[6] = word & M64
        word = convert(extract32(proof, unsafe_add(at, 160)), uint256)
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        cubic2[6] = word >> 192
        cubic0[7] = (word >> 128) & M64
        cubic1[7] = (word >> 64) & M64
        cubic2[7] = word & M64
        # quotient
        at = unsafe_add(rows_at[3], unsafe_mul(i, 112))
        digests[unsafe_add(3 * QUERIES, i)] = convert(keccak256(slice(proof, at, 112)), uint256) & DIGEST_MASK
        word = convert(extract32(proof, unsafe_add(at, 0)), uint256)
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        cubic0[8] = word >> 192
        cubic1[8] = (word >> 128) & M64
        cubic2[8] = (word >> 64) & M64
        cubic0[9] = word & M64
        word = convert(extract32(proof, unsafe_add(at, 32)), uint256)
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        cubic1[9] = word >> 192
        cubic2[9] = (word >> 128) & M64
        cubic0[10] = (word >> 64) & M64
        cubic1[10] = word & M64
        word = convert(extract32(proof, unsafe_add(at, 64)), uint256)
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        cubic2[10] = word >> 192
        cubic0[11] = (word >> 128) & M64
        cubic1[11] = (word >> 64) & M64
        cubic2[11] = word & M64
        # near: sums of the weights' coordinate d over columns' coordinate c, at 3 c + d
        s[0] = self._near_base_0(base, weights0)
        s[0] = unsafe_add(s[0], self._near_base_1(base, weights0))
        s[0] = unsafe_add(s[0], self._near_base_2(base, weights0))
        s[0] = unsafe_add(s[0], self._near_cubic_0(cubic0, weights0))
        s[0] = unsafe_add(s[0], self._near_cubic_1(cubic0, weights0))
        s[1] = self._near_base_0(base, weights1)
        s[1] = unsafe_add(s[1], self._near_base_1(base, weights1))
        s[1] = unsafe_add(s[1], self._near_base_2(base, weights1))
        s[1] = unsafe_add(s[1], self._near_cubic_0(cubic0, weights1))
        s[1] = unsafe_add(s[1], self._near_cubic_1(cubic0, weights1))
        s[2] = self._near_base_0(base, weights2)
        s[2] = unsafe_add(s[2], self._near_base_1(base, weights2))
        s[2] = unsafe_add(s[2], self._near_base_2(base, weights2))
        s[2] = unsafe_add(s[2], self._near_cubic_0(cubic0, weights2))
        s[2] = unsafe_add(s[2], self._near_cubic_1(cubic0, weights2))
        s[3] = self._near_cubic_0(cubic1, weights0)
        s[3] = unsafe_add(s[3], self._near_cubic_1(cubic1, weights0))
        s[4] = self._near_cubic_0(cubic1, weights1)
        s[4] = unsafe_add(s[4], self._near_cubic_1(cubic1, weights1))
        s[5] = self._near_cubic_0(cubic1, weights2)
        s[5] = unsafe_add(s[5], self._near_cubic_1(cubic1, weights2))
        s[6] = self._near_cubic_0(cubic2, weights0)
        s[6] = unsafe_add(s[6], self._near_cubic_1(cubic2, weights0))
        s[7] = self._near_cubic_0(cubic2, weights1)
        s[7] = unsafe_add(s[7], self._near_cubic_1(cubic2, weights1))
        s[8] = self._near_cubic_0(cubic2, weights2)
        s[8] = unsafe_add(s[8], self._near_cubic_1(cubic2, weights2))
        st[NEAR_SUM] = self._join(s)
        # far: sums of the weights' coordinate d over columns' coordinate c, at 3 c + d
        s[0] = self._far_base_0(base, weights0)
        s[0] = unsafe_add(s[0], self._far_base_1(base, weights0))
        s[0] = unsafe_add(s[0], self._far_cubic_0(cubic0, weights0))
        s[1] = self._far_base_0(base, weights1)
        s[1] = unsafe_add(s[1], self._far_base_1(base, weights1))
        s[1] = unsafe_add(s[1], self._far_cubic_0(cubic0, weights1))
        s[2] = self._far_base_0(base, weights2)
        s[2] = unsafe_add(s[2], self._far_base_1(base, weights2))
        s[2] = unsafe_add(s[2], self._far_cubic_0(cubic0, weights2))
        s[3] = self._far_cubic_0(cubic1, weights0)
        s[4] = self._far_cubic_0(cubic1, weights1)
        s[5] = self._far_cubic_0(cubic1, weights2)
        s[6] = self._far_cubic_0(cubic2, weights0)
        s[7] = self._far_cubic_0(cubic2, weights1)
        s[8] = self._far_cubic_0(cubic2, weights2)
        st[FAR_SUM] = self._join(s)
        values_[i] = goldilocks._add(
            self._deep(
                goldilocks._sub(st[NEAR_SUM], st[NEAR_OPENED]),
                goldilocks._sub(st[FAR_SUM], st[FAR_OPENED]),
                self._point(places[i], self._shift(0)),
                st[Z],
                st[NEXT],
            ),
            (cubic0[CUBIC - 1] << 192) | (cubic1[CUBIC - 1] << 128) | (cubic2[CUBIC - 1] << 64),
        )
    assert st[BAD] & CARRIED == 0, "verifier: element not canonical"
    for t: uint256 in range(TREES):
        at: uint256 = rows_at[t] + sizes[t] * st[COUNT]
        first: uint256 = t * QUERIES
        st[NODE] = 0
        for level: uint256 in range(st[LOG_SIZE], bound=MAX_LOG_SIZE):
            st[CHILD] = first
            for k: uint256 in range(widths[unsafe_add(level, 1)], bound=QUERIES):
                step: uint256 = steps[st[NODE]]
                st[NODE] = unsafe_add(st[NODE], 1)
                if step == 2:
                    digests[unsafe_add(first, k)] = self._node(
                        digests[st[CHILD]], digests[unsafe_add(st[CHILD], 1)]
                    )
                    st[CHILD] = unsafe_add(st[CHILD], 2)
                else:
                    sibling: uint256 = convert(extract32(proof, at), uint256) & DIGEST_MASK
                    at = unsafe_add(at, DIGEST)
                    if step == 0:
                        digests[unsafe_add(first, k)] = self._node(digests[st[CHILD]], sibling)
                    else:
                        digests[unsafe_add(first, k)] = self._node(sibling, digests[st[CHILD]])
                    st[CHILD] = unsafe_add(st[CHILD], 1)
        assert digests[first] == roots[t], "verifier: merkle"

    # FRI: what is known goes into its place in the leaf, which ties the layers together.
    e: uint256[8] = empty(uint256[8])
    for layer: uint256 in range(st[FOLDS], bound=MAX_FOLDS + 1):
        level: uint256 = 3 * layer + 3
        st[KNOWN] = 0
        assert (
            len(proof) >= st[CURSOR] + 24 * (8 * widths[level] - widths[level - 3]) + 8
        ), "verifier: proof too short"
        for k: uint256 in range(widths[level], bound=QUERIES):
            first: uint256 = places[(layer + 1) * QUERIES + k] << 3
            for j: uint256 in range(8):
                if (
                    st[KNOWN] < widths[level - 3]
                    and places[unsafe_add(unsafe_mul(layer, QUERIES), st[KNOWN])] == unsafe_add(first, j)
                ):
                    e[j] = values_[st[KNOWN]]
                    st[KNOWN] = unsafe_add(st[KNOWN], 1)
                else:
                    e[j] = (convert(extract32(proof, st[CURSOR]), uint256) >> 64) << 64
                    st[BAD] |= unsafe_add((e[j] >> 64) & EVEN, CARRY)
                    st[BAD] |= unsafe_add((e[j] >> 128) & M64, CARRY)
                    st[CURSOR] = unsafe_add(st[CURSOR], 24)
            digests[k] = self._leaf(e)
            st[TEMPORARY] = self._point_inverse(first, self._shift_inverse(layer))
            values_[k] = self._fold(e, goldilocks._scale(layers[2 * layer + 1], st[TEMPORARY]))
        assert st[BAD] & CARRIED == 0, "verifier: element not canonical"
        st[NODE] = starts_at[level]
        for height: uint256 in range(MAX_LOG_SIZE):
            if level + height == st[LOG_SIZE]:
                break
            st[CHILD] = 0
            for k: uint256 in range(widths[level + height + 1], bound=QUERIES):
                step: uint256 = steps[st[NODE]]
                st[NODE] = unsafe_add(st[NODE], 1)
                if step == 2:
                    digests[k] = self._node(digests[st[CHILD]], digests[unsafe_add(st[CHILD], 1)])
                    st[CHILD] = unsafe_add(st[CHILD], 2)
                else:
                    sibling: uint256 = convert(extract32(proof, st[CURSOR]), uint256) & DIGEST_MASK
                    st[CURSOR] = unsafe_add(st[CURSOR], DIGEST)
                    if step == 0:
                        digests[k] = self._node(digests[st[CHILD]], sibling)
                    else:
                        digests[k] = self._node(sibling, digests[st[CHILD]])
                    st[CHILD] = unsafe_add(st[CHILD], 1)
        assert digests[0] == layers[2 * layer], "verifier: fri layer"

    # The last fold is the final polynomial.
    for k: uint256 in range(widths[3 * st[FOLDS]], bound=QUERIES):
        x: uint256 = self._point(places[st[FOLDS] * QUERIES + k], self._shift(st[FOLDS]))
        assert self._final_value(final, final_length, x) == values_[k], "verifier: fri final"
    assert len(proof) == st[CURSOR] + 8, "verifier: trailing bytes"
    assert convert(extract32(proof, st[CURSOR] - 24), uint256) & M64 == 0, "verifier: padding"
    return True


@internal
@pure
def _begin(log_rows: uint256) -> bytes32:
    """
    @notice The transcript's state after options, AIR and length.
    """
    if log_rows == 13:
        return 0x0af2041f9f5c3f6871dba05768d384b5c28eeb388987ec88eb582dc932faadc9
    if log_rows == 14:
        return 0x55c0d3ab8b05b98e32dd0e3188887d6e22cf8e3e351fcda060d01947748e58ae
    raise "verifier: number of rows"


@internal
@pure
def _root(log_rows: uint256) -> uint256:
    """
    @notice The generator of the trace domain.
    """
    if log_rows == 13:
        return 1532612707718625687
    if log_rows == 14:
        return 16207902636198568418
    raise "verifier: number of rows"


@internal
@pure
def _horner(shares: DynArray[uint256, 1024], count: uint256, point: uint256) -> uint256:
    """
    @notice Horner's rule over the list, from one, so that its length is bound too.
    """
    total: uint256 = goldilocks.ONE
    left: uint256 = count
    for word: uint256 in shares:
        rest: uint256 = word
        for lane: uint256 in range(5):
            if left == 0:
                break
            total = goldilocks._add(goldilocks._mul(total, point), (rest >> 208) << 192)
            rest = rest << 48
            left = unsafe_sub(left, 1)
    return total


@internal
@pure
def _absorb_public(
    state: bytes32, statement: uint256[10], shares: DynArray[uint256, 1024]
) -> bytes32:
    """
    @notice Absorb root, scalars, the list behind its length, and the context behind its length.
    @dev Everything after the tag's byte comes in pieces of 64 bits, so words are shifted by 8.
    """
    out: uint256[MAX_PUBLIC] = empty(uint256[MAX_PUBLIC])
    scalars: uint256 = (
        (statement[6] << 192) | (statement[7] << 128) | (statement[8] << 64) | statement[9]
    )
    out[0] = convert(state, uint256)
    out[1] = (2 << 248) | (statement[4] >> 8)
    out[2] = (statement[4] << 248) | (scalars >> 8)
    # p: words written, their last byte on its way to the next, pieces gathered, how many of them
    p: uint256[4] = [3, scalars << 248, statement[5], 1]
    left: uint256 = statement[5]
    for word: uint256 in shares:
        rest: uint256 = word
        for lane: uint256 in range(5):
            if left == 0:
                break
            p[2] = (p[2] << 64) | (rest >> 208)
            p[3] = unsafe_add(p[3], 1)
            if p[3] & 3 == 0:
                out[p[0]] = p[1] | (p[2] >> 8)
                p[1] = p[2] << 248
                p[0] = unsafe_add(p[0], 1)
            rest = rest << 48
            left = unsafe_sub(left, 1)
    context: uint256[4] = [statement[0], statement[1], statement[2], statement[3]]
    for k: uint256 in range(17):
        piece: uint256 = 128
        if k > 0:
            piece = (context[(k - 1) >> 2] >> (192 - 64 * ((k - 1) & 3))) & M64
        p[2] = (p[2] << 64) | piece
        p[3] = unsafe_add(p[3], 1)
        if p[3] & 3 == 0:
            out[p[0]] = p[1] | (p[2] >> 8)
            p[1] = p[2] << 248
            p[0] = unsafe_add(p[0], 1)
    last: uint256 = 0
    if p[3] & 3 != 0:
        last = p[2] << (64 * (4 - (p[3] & 3)))
    out[p[0]] = p[1] | (last >> 8)
    out[p[0] + 1] = last << 248
    return keccak256(slice(abi_encode(out), 0, 33 + 64 + 8 * p[3]))

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
def _evaluate(
    v: uint256[INPUTS], divisors: uint256[3], beta: uint256
) -> uint256:
    """
    @notice All constraints at z, each over its divisor, joined by powers of beta.
    """
    m: uint256[SLOTS] = empty(uint256[SLOTS])
    for k: uint256 in range(INPUTS):
        m[k] = v[k]
    data: Bytes[112] = CONSTANTS
    for k: uint256 in range(10):
        m[INPUTS + k] = (convert(extract32(data, 8 * k), uint256) >> 192) << 192
    code: Bytes[1728] = CODE
    total: uint256 = 0
    for k: uint256 in range(212):
        step: uint256 = convert(extract32(code, 8 * k), uint256) >> 192
        operation: uint256 = step >> 48
        target: uint256 = (step >> 32) & 65535
        left: uint256 = m[(step >> 16) & 65535]
        if operation < 2:
            if operation == 0:
                m[target] = goldilocks._add(left, m[step & 65535])
            else:
                m[target] = goldilocks._sub(left, m[step & 65535])
        elif operation == 2:
            m[target] = goldilocks._mul(left, m[step & 65535])
        elif operation == 3:
            if target > 0:
                left = goldilocks._mul(left, divisors[target - 1])
            total = goldilocks._add(goldilocks._mul(total, beta), left)
        else:
            total = goldilocks._mul(total, divisors[0])
    return total


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
def _node(left: uint256, right: uint256) -> uint256:
    """
    @notice An inner node: keccak of 0x01 and both digests, cut.
    """
    return (
        convert(
            keccak256(concat(convert((1 << 248) | (left >> 8) | (right >> 216), bytes32), convert(convert(right << 40, bytes32), bytes21))),
            uint256,
        )
        & DIGEST_MASK
    )


@internal
@pure
def _leaf(e: uint256[8]) -> uint256:
    """
    @notice The digest of eight extension elements of 24 bytes.
    """
    return (
        convert(
            keccak256(
                concat(
                    convert(e[0] | (e[1] >> 192), bytes32),
                    convert((e[1] << 64) | (e[2] >> 128), bytes32),
                    convert((e[2] << 128) | (e[3] >> 64), bytes32),
                    convert(e[4] | (e[5] >> 192), bytes32),
                    convert((e[5] << 64) | (e[6] >> 128), bytes32),
                    convert((e[6] << 128) | (e[7] >> 64), bytes32),
                )
            ),
            uint256,
        )
        & DIGEST_MASK
    )


@internal
@pure
def _fold(e: uint256[8], c: uint256) -> uint256:
    """
    @notice Fold eight siblings into one; c is the challenge over the first one's point.
    """
    a: uint256 = goldilocks._butterfly(e[0], e[1], c)
    b: uint256 = goldilocks._butterfly(e[2], e[3], goldilocks._scale(c, 18446462594437873665))
    d: uint256 = goldilocks._mul(c, c)
    a = goldilocks._butterfly(a, b, d)
    b = goldilocks._butterfly(e[4], e[5], goldilocks._scale(c, 1099511627520))
    f: uint256 = goldilocks._butterfly(e[6], e[7], goldilocks._scale(c, 16777216))
    b = goldilocks._butterfly(b, f, goldilocks._scale(d, 18446462594437873665))
    a = goldilocks._butterfly(a, b, goldilocks._mul(d, d))
    return goldilocks._scale(a, goldilocks.EIGHTH)


@internal
@pure
def _near_base_0(row: uint256[BASE], w: uint256[FRAME]) -> uint256:
    return unsafe_add(unsafe_add(unsafe_add(unsafe_add(unsafe_add(unsafe_add(unsafe_add(unsafe_mul(row[0], w[0]), unsafe_mul(row[1], w[1])), unsafe_mul(row[2], w[2])), unsafe_mul(row[3], w[3])), unsafe_mul(row[4], w[4])), unsafe_mul(row[5], w[5])), unsafe_mul(row[6], w[6])), unsafe_mul(row[7], w[7]))


@internal
@pure
def _near_base_1(row: uint256[BASE], w: uint256[FRAME]) -> uint256:
    return unsafe_add(unsafe_add(unsafe_add(unsafe_add(unsafe_add(unsafe_add(unsafe_add(unsafe_mul(row[8], w[8]), unsafe_mul(row[9], w[9])), unsafe_mul(row[10], w[10])), unsafe_mul(row[11], w[11])), unsafe_mul(row[12], w[12])), unsafe_mul(row[13], w[13])), unsafe_mul(row[14], w[14])), unsafe_mul(row[15], w[15]))


@internal
@pure
def _near_base_2(row: uint256[BASE], w: uint256[FRAME]) -> uint256:
    return unsafe_add(unsafe_add(unsafe_add(unsafe_add(unsafe_add(unsafe_add(unsafe_mul(row[16], w[16]), unsafe_mul(row[17], w[17])), unsafe_mul(row[18], w[18])), unsafe_mul(row[19], w[19])), unsafe_mul(row[20], w[20])), unsafe_mul(row[21], w[21])), unsafe_mul(row[22], w[22]))


@internal
@pure
def _near_cubic_0(row: uint256[CUBIC], w: uint256[FRAME]) -> uint256:
    return unsafe_add(unsafe_add(unsafe_add(unsafe_add(unsafe_add(unsafe_add(unsafe_add(unsafe_mul(row[0], w[23]), unsafe_mul(row[1], w[24])), unsafe_mul(row[2], w[25])), unsafe_mul(row[3], w[26])), unsafe_mul(row[4], w[27])), unsafe_mul(row[5], w[28])), unsafe_mul(row[6], w[29])), unsafe_mul(row[7], w[30]))


@internal
@pure
def _near_cubic_1(row: uint256[CUBIC], w: uint256[FRAME]) -> uint256:
    return unsafe_add(unsafe_add(unsafe_mul(row[8], w[31]), unsafe_mul(row[9], w[32])), unsafe_mul(row[10], w[33]))


@internal
@pure
def _far_base_0(row: uint256[BASE], w: uint256[FRAME]) -> uint256:
    return unsafe_add(unsafe_add(unsafe_add(unsafe_add(unsafe_add(unsafe_add(unsafe_add(unsafe_mul(row[6], w[34]), unsafe_mul(row[7], w[35])), unsafe_mul(row[8], w[36])), unsafe_mul(row[9], w[37])), unsafe_mul(row[10], w[38])), unsafe_mul(row[11], w[39])), unsafe_mul(row[12], w[40])), unsafe_mul(row[13], w[41]))


@internal
@pure
def _far_base_1(row: uint256[BASE], w: uint256[FRAME]) -> uint256:
    return unsafe_add(unsafe_add(unsafe_add(unsafe_add(unsafe_add(unsafe_add(unsafe_mul(row[14], w[42]), unsafe_mul(row[15], w[43])), unsafe_mul(row[16], w[44])), unsafe_mul(row[17], w[45])), unsafe_mul(row[18], w[46])), unsafe_mul(row[19], w[47])), unsafe_mul(row[21], w[48]))


@internal
@pure
def _far_cubic_0(row: uint256[CUBIC], w: uint256[FRAME]) -> uint256:
    return unsafe_add(unsafe_mul(row[0], w[49]), unsafe_mul(row[7], w[50]))

@internal
@pure
def _join(s: uint256[9]) -> uint256:
    """
    @notice s[0..2] + X s[3..5] + X^2 s[6..8], reduced; each below 2^160.
    """
    return (
        (unsafe_add(s[0], unsafe_mul(2, unsafe_add(s[5], s[7]))) % P << 192)
        | (unsafe_add(unsafe_add(s[1], s[3]), unsafe_mul(2, s[8])) % P << 128)
        | (unsafe_add(unsafe_add(s[2], s[4]), s[6]) % P << 64)
    )


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
@view
def _deep(near: uint256, far: uint256, x: uint256, z: uint256, following: uint256) -> uint256:
    """
    @notice near/(x - z) + far/(x - following), with one inversion.
    """
    a: uint256 = goldilocks._sub(x << 192, z)
    b: uint256 = goldilocks._sub(x << 192, following)
    top: uint256 = goldilocks._add(goldilocks._mul(near, b), goldilocks._mul(far, a))
    return goldilocks._mul(top, goldilocks._invert(goldilocks._mul(a, b)))


@internal
@pure
def _point(position: uint256, offset: uint256) -> uint256:
    """
    @notice The point at a position of a bit-reversed domain.
    """
    x: uint256 = offset
    if position & 1 != 0:
        x = unsafe_mul(x, 18446744069414584320) % goldilocks.P
    if position & 2 != 0:
        x = unsafe_mul(x, 281474976710656) % goldilocks.P
    if position & 4 != 0:
        x = unsafe_mul(x, 18446744069397807105) % goldilocks.P
    if position & 8 != 0:
        x = unsafe_mul(x, 17293822564807737345) % goldilocks.P
    if position & 16 != 0:
        x = unsafe_mul(x, 70368744161280) % goldilocks.P
    if position & 32 != 0:
        x = unsafe_mul(x, 549755813888) % goldilocks.P
    if position & 64 != 0:
        x = unsafe_mul(x, 17870292113338400769) % goldilocks.P
    if position & 128 != 0:
        x = unsafe_mul(x, 13797081185216407910) % goldilocks.P
    if position & 256 != 0:
        x = unsafe_mul(x, 1803076106186727246) % goldilocks.P
    if position & 512 != 0:
        x = unsafe_mul(x, 11353340290879379826) % goldilocks.P
    if position & 1024 != 0:
        x = unsafe_mul(x, 455906449640507599) % goldilocks.P
    if position & 2048 != 0:
        x = unsafe_mul(x, 17492915097719143606) % goldilocks.P
    if position & 4096 != 0:
        x = unsafe_mul(x, 1532612707718625687) % goldilocks.P
    if position & 8192 != 0:
        x = unsafe_mul(x, 16207902636198568418) % goldilocks.P
    if position & 16384 != 0:
        x = unsafe_mul(x, 17776499369601055404) % goldilocks.P
    if position & 32768 != 0:
        x = unsafe_mul(x, 6115771955107415310) % goldilocks.P
    if position & 65536 != 0:
        x = unsafe_mul(x, 12380578893860276750) % goldilocks.P
    if position & 131072 != 0:
        x = unsafe_mul(x, 9306717745644682924) % goldilocks.P
    if position & 262144 != 0:
        x = unsafe_mul(x, 18146160046829613826) % goldilocks.P
    if position & 524288 != 0:
        x = unsafe_mul(x, 3511170319078647661) % goldilocks.P
    if position & 1048576 != 0:
        x = unsafe_mul(x, 17654865857378133588) % goldilocks.P
    if position & 2097152 != 0:
        x = unsafe_mul(x, 5416168637041100469) % goldilocks.P
    return x


@internal
@pure
def _point_inverse(position: uint256, offset: uint256) -> uint256:
    x: uint256 = offset
    if position & 1 != 0:
        x = unsafe_mul(x, 18446744069414584320) % goldilocks.P
    if position & 2 != 0:
        x = unsafe_mul(x, 18446462594437873665) % goldilocks.P
    if position & 4 != 0:
        x = unsafe_mul(x, 1099511627520) % goldilocks.P
    if position & 8 != 0:
        x = unsafe_mul(x, 68719476736) % goldilocks.P
    if position & 16 != 0:
        x = unsafe_mul(x, 18446744069414322177) % goldilocks.P
    if position & 32 != 0:
        x = unsafe_mul(x, 18302628881338728449) % goldilocks.P
    if position & 64 != 0:
        x = unsafe_mul(x, 18442240469787213841) % goldilocks.P
    if position & 128 != 0:
        x = unsafe_mul(x, 2117504431143841456) % goldilocks.P
    if position & 256 != 0:
        x = unsafe_mul(x, 4459017075746761332) % goldilocks.P
    if position & 512 != 0:
        x = unsafe_mul(x, 4295002282146690441) % goldilocks.P
    if position & 1024 != 0:
        x = unsafe_mul(x, 8548973421900915981) % goldilocks.P
    if position & 2048 != 0:
        x = unsafe_mul(x, 11164456749895610016) % goldilocks.P
    if position & 4096 != 0:
        x = unsafe_mul(x, 3968367389790187850) % goldilocks.P
    if position & 8192 != 0:
        x = unsafe_mul(x, 4654242210262998966) % goldilocks.P
    if position & 16384 != 0:
        x = unsafe_mul(x, 1553425662128427817) % goldilocks.P
    if position & 32768 != 0:
        x = unsafe_mul(x, 7868944258580147481) % goldilocks.P
    if position & 65536 != 0:
        x = unsafe_mul(x, 14744321562856667967) % goldilocks.P
    if position & 131072 != 0:
        x = unsafe_mul(x, 2513567076326282710) % goldilocks.P
    if position & 262144 != 0:
        x = unsafe_mul(x, 5089696809409609209) % goldilocks.P
    if position & 524288 != 0:
        x = unsafe_mul(x, 17260140776825220475) % goldilocks.P
    if position & 1048576 != 0:
        x = unsafe_mul(x, 11898519751787946856) % goldilocks.P
    if position & 2097152 != 0:
        x = unsafe_mul(x, 15307271466853436433) % goldilocks.P
    return x


@internal
@pure
def _shift(layer: uint256) -> uint256:
    """
    @notice The offset of a layer's domain: 7^(8^layer).
    """
    if layer == 0:
        return 7
    if layer == 1:
        return 5764801
    if layer == 2:
        return 11250886851934520606
    if layer == 3:
        return 18371408314118145657
    raise "verifier: layer"


@internal
@pure
def _shift_inverse(layer: uint256) -> uint256:
    if layer == 0:
        return 2635249152773512046
    if layer == 1:
        return 12421013511830570338
    if layer == 2:
        return 11143297345130450484
    if layer == 3:
        return 1138102428757299658
    raise "verifier: layer"
