# pragma version 0.4.3
# pragma evm-version prague
"""
@title Verifier of axr-1 under compact-128
@license Apache-2.0
@notice Printed by `axon stark vyper`; a test prints it again and compares. The protocol is
        described in docs/proof-system.md, and in Python in `axon/stark/verifier.py`.
@dev Reverts with the name of the check that fails. Nothing is taken from the proof that AIR,
     options or transcript determine; the trace's length is one of a fixed list.
"""

from . import goldilocks
from . import transcript
P: constant(uint256) = 2**64 - 2**32 + 1
M64: constant(uint256) = 2**64 - 1
# An element x is below P just if x + 2^32 - 1 does not carry out of its 64 bits: two lanes at once.
EVEN: constant(uint256) = (2**64 - 1) | ((2**64 - 1) << 128)
CARRY: constant(uint256) = (2**32 - 1) | ((2**32 - 1) << 128)
CARRIED: constant(uint256) = (1 << 64) | (1 << 192)

DIGEST: constant(uint256) = 32  # bytes
DIGEST_MASK: constant(uint256) = max_value(uint256)
NODE: constant(uint256) = max_value(uint256)  # how an inner node's preimage begins, and no leaf's can
QUERIES: constant(uint256) = 21
LOG_BLOWUP: constant(uint256) = 10
LOG_FINAL: constant(uint256) = 5
MAX_FOLDS: constant(uint256) = 3
MAX_FINAL: constant(uint256) = 32
MAX_LOG_SIZE: constant(uint256) = 24
BLINDING: constant(uint256) = 22  # coefficients
EXEMPT: constant(uint256) = 28  # rows: the random ones and the closing one
TREES: constant(uint256) = 4
CURRENT: constant(uint256) = 31  # values at z, then SEGMENTS of the quotient, then the next row's
SEGMENTS: constant(uint256) = 3
NEAR: constant(uint256) = 34
FRAME: constant(uint256) = 51
PUBLICS_AT: constant(uint256) = 51
CHALLENGES_AT: constant(uint256) = 55
INPUTS: constant(uint256) = 59
NEAR_COLUMNS: constant(uint256) = 56
NEAR_BASE: constant(uint256) = 23  # functions at z in the base field; they come first
FAR_COLUMNS: constant(uint256) = 21
FAR_BASE: constant(uint256) = 49  # place in the frame of the next row's first in the extension
ROW: constant(uint256) = 59  # elements of an opened row, FRI's mask last
SHARE: constant(uint256) = 2**48 - 1

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
NEAR_SUM: constant(uint256) = 10
FAR_SUM: constant(uint256) = 11
NEAR_BOTTOM: constant(uint256) = 12
FAR_BOTTOM: constant(uint256) = 13
PRODUCT: constant(uint256) = 14
KNOWN: constant(uint256) = 15
POINT: constant(uint256) = 16
LAYER: constant(uint256) = 17
TOP: constant(uint256) = 18
MEET: constant(uint256) = 19
LEVEL: constant(uint256) = 20
COLUMN: constant(uint256) = 21
POWER: constant(uint256) = 22
SHARE_POWERS: constant(uint256) = 23  # five places


interface IConstraints:
    def evaluate(v: uint256[INPUTS], z: uint256, beta: uint256, log_rows: uint256) -> uint256: view


CONSTRAINTS: immutable(IConstraints)


@deploy
def __init__(constraints: Bytes[24800]):
    """
    @param constraints Init code of the contract that is printed beside this one: both together are larger
           than a contract may be (EIP-170).
    """
    CONSTRAINTS = IConstraints(raw_create(constraints))


@external
@view
def verify(statement: uint256[10], shares: DynArray[uint256, 1024], proof: Bytes[124896]) -> bool:
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
    assert len(shares) == (statement[5] + 4) // 5, "verifier: shares"
    st: uint256[28] = empty(uint256[28])
    v: uint256[INPUTS] = empty(uint256[INPUTS])
    roots: uint256[TREES] = empty(uint256[TREES])
    assert len(proof) >= 1441, "verifier: proof too short"
    log_rows: uint256 = convert(extract32(proof, 0), uint256) >> 248
    state: bytes32 = self._begin(log_rows)
    assert convert(extract32(proof, 1), uint256) >> 192 == 7023490562572577538, "verifier: header"
    st[CURSOR] = 9
    st[LOG_SIZE] = log_rows + LOG_BLOWUP
    roots[0] = statement[4]
    assert roots[0] & DIGEST_MASK == roots[0], "verifier: root is no digest"
    for k: uint256 in range(4):
        v[PUBLICS_AT + k] = statement[6 + k] << 192
    state = self._absorb_public(state, statement, keccak256(abi_encode(shares)))
    # Commitments, each before the challenges that follow it.
    state = transcript._absorb(state, 0x03, slice(proof, st[CURSOR], DIGEST))
    roots[1] = convert(extract32(proof, st[CURSOR]), uint256) & DIGEST_MASK
    st[CURSOR] += DIGEST
    for k: uint256 in range(3):
        state = transcript._squeeze(state, 0x81)
        v[CHALLENGES_AT + k] = transcript._element(state)
    # Horner's rule by words of five shares; from one, so that the list's length is bound too.
    for k: uint256 in range(5):
        st[TEMPORARY] = goldilocks.ONE
        if k > 0:
            st[TEMPORARY] = goldilocks._mul(st[SHARE_POWERS + k - 1], v[55])
        st[SHARE_POWERS + k] = st[TEMPORARY]
    st[TEMPORARY] = goldilocks._mul(st[SHARE_POWERS + 4], v[55])
    v[58] = goldilocks.ONE
    left: uint256 = statement[5]
    for word: uint256 in shares:
        if left >= 5:
            assert word & 65535 == 0, "verifier: shares"
            v[58] = goldilocks._add(
                goldilocks._mul(v[58], st[TEMPORARY]),
                self._five(
                    word,
                    st[SHARE_POWERS + 1],
                    st[SHARE_POWERS + 2],
                    st[SHARE_POWERS + 3],
                    st[SHARE_POWERS + 4],
                ),
            )
            left = unsafe_sub(left, 5)
        else:
            rest: uint256 = word
            for lane: uint256 in range(5):
                if left == 0:
                    break
                v[58] = goldilocks._add(
                    goldilocks._mul(v[58], v[55]), (rest >> 208) << 192
                )
                rest = rest << 48
                left = unsafe_sub(left, 1)
            assert rest == 0, "verifier: shares"
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
        staticcall CONSTRAINTS.evaluate(v, st[Z], st[BETA], log_rows) == quotient
    ), "verifier: constraints"

    # The DEEP challenge: weights of the opened functions, and what they open to.
    state = transcript._squeeze(state, 0x84)
    alpha: uint256 = transcript._element(state)
    # of base columns: one in the extension counts as three, with the weights of 1, X and X^2
    near0: uint256[NEAR_COLUMNS] = empty(uint256[NEAR_COLUMNS])
    near1: uint256[NEAR_COLUMNS] = empty(uint256[NEAR_COLUMNS])
    near2: uint256[NEAR_COLUMNS] = empty(uint256[NEAR_COLUMNS])
    far0: uint256[FAR_COLUMNS] = empty(uint256[FAR_COLUMNS])
    far1: uint256[FAR_COLUMNS] = empty(uint256[FAR_COLUMNS])
    far2: uint256[FAR_COLUMNS] = empty(uint256[FAR_COLUMNS])
    st[POWER] = alpha
    for k: uint256 in range(NEAR):
        st[NEAR_OPENED] = goldilocks._add(st[NEAR_OPENED], goldilocks._mul(v[k], st[POWER]))
        st[TEMPORARY] = st[POWER]
        for c: uint256 in range(3):
            near0[st[COLUMN]] = st[TEMPORARY] >> 192
            near1[st[COLUMN]] = (st[TEMPORARY] >> 128) & M64
            near2[st[COLUMN]] = (st[TEMPORARY] >> 64) & M64
            st[COLUMN] += 1
            if k < NEAR_BASE:
                break
            st[TEMPORARY] = goldilocks._shift(st[TEMPORARY])
        st[POWER] = goldilocks._mul(st[POWER], alpha)
    st[COLUMN] = 0
    for k: uint256 in range(NEAR, FRAME):
        st[FAR_OPENED] = goldilocks._add(st[FAR_OPENED], goldilocks._mul(v[k], st[POWER]))
        st[TEMPORARY] = st[POWER]
        for c: uint256 in range(3):
            far0[st[COLUMN]] = st[TEMPORARY] >> 192
            far1[st[COLUMN]] = (st[TEMPORARY] >> 128) & M64
            far2[st[COLUMN]] = (st[TEMPORARY] >> 64) & M64
            st[COLUMN] += 1
            if k < FAR_BASE:
                break
            st[TEMPORARY] = goldilocks._shift(st[TEMPORARY])
        st[POWER] = goldilocks._mul(st[POWER], alpha)

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
        >> (256 - 26)
        == 0
    ), "verifier: grinding"
    state = keccak256(concat(state, x"09", slice(proof, st[CURSOR], 8)))
    st[CURSOR] += 8

    # places[0 .. QUERIES - 1]: the positions, sorted, each once; behind them those of FRI's layers.
    # meets: the level at which the paths of a place and of the next one meet, or the tree's depth.
    places: uint256[(MAX_FOLDS + 1) * QUERIES] = empty(uint256[(MAX_FOLDS + 1) * QUERIES])
    meets: uint256[(MAX_FOLDS + 1) * QUERIES] = empty(uint256[(MAX_FOLDS + 1) * QUERIES])
    counts: uint256[MAX_FOLDS + 1] = empty(uint256[MAX_FOLDS + 1])
    siblings: uint256[MAX_FOLDS + 1] = empty(uint256[MAX_FOLDS + 1])  # of a multi-proof
    sorted: uint256[QUERIES] = self._positions(state, st[LOG_SIZE])
    for k: uint256 in range(QUERIES):
        if k == 0 or sorted[k] != sorted[k - 1]:
            places[counts[0]] = sorted[k]
            counts[0] += 1
    for k: uint256 in range(counts[0] - 1, bound=QUERIES):
        meets[k] = self._highest_bit(places[k] ^ places[unsafe_add(k, 1)])
    meets[counts[0] - 1] = st[LOG_SIZE]
    for layer: uint256 in range(MAX_FOLDS + 1):
        st[TEMPORARY] = layer * QUERIES
        siblings[layer] = 1
        for k: uint256 in range(counts[layer], bound=QUERIES):
            meet: uint256 = meets[st[TEMPORARY] + k]
            siblings[layer] += meet
            if layer < MAX_FOLDS and meet >= 3:
                next: uint256 = (layer + 1) * QUERIES + counts[layer + 1]
                places[next] = places[st[TEMPORARY] + k] >> 3
                meets[next] = meet - 3
                counts[layer + 1] += 1
        siblings[layer] -= counts[layer]

    # The opened rows: their leaves, and what DEEP divides at their points.
    paths_at: uint256[TREES + MAX_FOLDS] = empty(uint256[TREES + MAX_FOLDS])
    rows_at: uint256[TREES] = empty(uint256[TREES])
    sizes: uint256[TREES] = [64, 152, 208, 112]
    for t: uint256 in range(TREES):
        rows_at[t] = st[CURSOR]
        paths_at[t] = st[CURSOR] + sizes[t] * counts[0]
        st[CURSOR] = paths_at[t] + DIGEST * siblings[0]
    assert len(proof) >= st[CURSOR] + 8, "verifier: proof too short"
    digests: uint256[(TREES + MAX_FOLDS) * QUERIES] = empty(uint256[(TREES + MAX_FOLDS) * QUERIES])
    points: uint256[QUERIES] = empty(uint256[QUERIES])
    inverses: uint256[QUERIES] = empty(uint256[QUERIES])  # of the points
    values_: uint256[QUERIES] = empty(uint256[QUERIES])
    masks: uint256[QUERIES] = empty(uint256[QUERIES])
    bottoms: uint256[QUERIES] = empty(uint256[QUERIES])
    products: uint256[QUERIES] = empty(uint256[QUERIES])  # of bottoms and points so far
    near_line: uint256[5] = self._line(st[Z])
    far_line: uint256[5] = self._line(st[NEXT])
    row: uint256[ROW] = empty(uint256[ROW])
    st[PRODUCT] = 1
    for i: uint256 in range(counts[0], bound=QUERIES):
        at: uint256 = 0
        word: uint256 = 0
        # attested
        at = unsafe_add(rows_at[0], unsafe_mul(i, 64))
        digests[unsafe_add(0 * QUERIES, i)] = convert(keccak256(slice(proof, at, 64)), uint256) & DIGEST_MASK
        word = convert(extract32(proof, unsafe_add(at, 0)), uint256)
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        row[0] = word >> 192
        row[1] = (word >> 128) & M64
        row[2] = (word >> 64) & M64
        row[3] = word & M64
        word = (convert(extract32(proof, unsafe_add(at, 32)), uint256) >> 128) << 128
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        row[4] = word >> 192
        row[5] = (word >> 128) & M64
        # main
        at = unsafe_add(rows_at[1], unsafe_mul(i, 152))
        digests[unsafe_add(1 * QUERIES, i)] = convert(keccak256(slice(proof, at, 152)), uint256) & DIGEST_MASK
        word = convert(extract32(proof, unsafe_add(at, 0)), uint256)
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        row[6] = word >> 192
        row[7] = (word >> 128) & M64
        row[8] = (word >> 64) & M64
        row[9] = word & M64
        word = convert(extract32(proof, unsafe_add(at, 32)), uint256)
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        row[10] = word >> 192
        row[11] = (word >> 128) & M64
        row[12] = (word >> 64) & M64
        row[13] = word & M64
        word = convert(extract32(proof, unsafe_add(at, 64)), uint256)
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        row[14] = word >> 192
        row[15] = (word >> 128) & M64
        row[16] = (word >> 64) & M64
        row[17] = word & M64
        word = convert(extract32(proof, unsafe_add(at, 96)), uint256)
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        row[18] = word >> 192
        row[19] = (word >> 128) & M64
        row[20] = (word >> 64) & M64
        row[21] = word & M64
        word = (convert(extract32(proof, unsafe_add(at, 128)), uint256) >> 192) << 192
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        row[22] = word >> 192
        # auxiliary
        at = unsafe_add(rows_at[2], unsafe_mul(i, 208))
        digests[unsafe_add(2 * QUERIES, i)] = convert(keccak256(slice(proof, at, 208)), uint256) & DIGEST_MASK
        word = convert(extract32(proof, unsafe_add(at, 0)), uint256)
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        row[23] = word >> 192
        row[24] = (word >> 128) & M64
        row[25] = (word >> 64) & M64
        row[26] = word & M64
        word = convert(extract32(proof, unsafe_add(at, 32)), uint256)
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        row[27] = word >> 192
        row[28] = (word >> 128) & M64
        row[29] = (word >> 64) & M64
        row[30] = word & M64
        word = convert(extract32(proof, unsafe_add(at, 64)), uint256)
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        row[31] = word >> 192
        row[32] = (word >> 128) & M64
        row[33] = (word >> 64) & M64
        row[34] = word & M64
        word = convert(extract32(proof, unsafe_add(at, 96)), uint256)
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        row[35] = word >> 192
        row[36] = (word >> 128) & M64
        row[37] = (word >> 64) & M64
        row[38] = word & M64
        word = convert(extract32(proof, unsafe_add(at, 128)), uint256)
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        row[39] = word >> 192
        row[40] = (word >> 128) & M64
        row[41] = (word >> 64) & M64
        row[42] = word & M64
        word = convert(extract32(proof, unsafe_add(at, 160)), uint256)
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        row[43] = word >> 192
        row[44] = (word >> 128) & M64
        row[45] = (word >> 64) & M64
        row[46] = word & M64
        # quotient
        at = unsafe_add(rows_at[3], unsafe_mul(i, 112))
        digests[unsafe_add(3 * QUERIES, i)] = convert(keccak256(slice(proof, at, 112)), uint256) & DIGEST_MASK
        word = convert(extract32(proof, unsafe_add(at, 0)), uint256)
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        row[47] = word >> 192
        row[48] = (word >> 128) & M64
        row[49] = (word >> 64) & M64
        row[50] = word & M64
        word = convert(extract32(proof, unsafe_add(at, 32)), uint256)
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        row[51] = word >> 192
        row[52] = (word >> 128) & M64
        row[53] = (word >> 64) & M64
        row[54] = word & M64
        word = convert(extract32(proof, unsafe_add(at, 64)), uint256)
        st[BAD] |= unsafe_add(word & EVEN, CARRY)
        st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)
        row[55] = word >> 192
        row[56] = (word >> 128) & M64
        row[57] = (word >> 64) & M64
        row[58] = word & M64
        st[NEAR_SUM] = (
            (self._near(row, near0) << 192) | (self._near(row, near1) << 128) | (self._near(row, near2) << 64)
        )
        st[FAR_SUM] = (
            (self._far(row, far0) << 192) | (self._far(row, far1) << 128) | (self._far(row, far2) << 64)
        )
        points[i] = self._point(places[i])
        masks[i] = (row[ROW - 3] << 192) | (row[ROW - 2] << 128) | (row[ROW - 1] << 64)
        st[NEAR_BOTTOM] = self._bottom(near_line, points[i])
        st[FAR_BOTTOM] = self._bottom(far_line, points[i])
        st[NEAR_SUM] = goldilocks._mul(
            goldilocks._sub(st[NEAR_SUM], st[NEAR_OPENED]), self._cofactor(near_line, points[i])
        )
        st[FAR_SUM] = goldilocks._mul(
            goldilocks._sub(st[FAR_SUM], st[FAR_OPENED]), self._cofactor(far_line, points[i])
        )
        values_[i] = goldilocks._add(
            goldilocks._scale(st[NEAR_SUM], st[FAR_BOTTOM]), goldilocks._scale(st[FAR_SUM], st[NEAR_BOTTOM])
        )
        bottoms[i] = unsafe_mul(st[NEAR_BOTTOM], st[FAR_BOTTOM]) % P
        products[i] = st[PRODUCT]
        st[PRODUCT] = unsafe_mul(st[PRODUCT], unsafe_mul(bottoms[i], points[i]) % P) % P
    assert st[BAD] & CARRIED == 0, "verifier: element not canonical"
    # One inversion for all.
    st[PRODUCT] = goldilocks._invert_base(st[PRODUCT])
    for j: uint256 in range(counts[0], bound=QUERIES):
        i: uint256 = counts[0] - 1 - j
        st[TEMPORARY] = unsafe_mul(st[PRODUCT], products[i]) % P  # 1 over bottom and point
        st[PRODUCT] = unsafe_mul(st[PRODUCT], unsafe_mul(bottoms[i], points[i]) % P) % P
        inverses[i] = unsafe_mul(st[TEMPORARY], bottoms[i]) % P
        values_[i] = goldilocks._add(
            goldilocks._scale(values_[i], unsafe_mul(st[TEMPORARY], points[i]) % P), masks[i]
        )

    # FRI: what is known goes into its place in the leaf, which ties the layers together.
    e: uint256[8] = empty(uint256[8])
    powers0: uint256[8] = empty(uint256[8])
    powers1: uint256[8] = empty(uint256[8])
    powers2: uint256[8] = empty(uint256[8])
    twice1: uint256[8] = empty(uint256[8])
    twice2: uint256[8] = empty(uint256[8])
    for layer: uint256 in range(st[FOLDS], bound=MAX_FOLDS):
        st[TEMPORARY] = goldilocks.EIGHTH << 192
        for j: uint256 in range(8):
            powers0[j] = st[TEMPORARY] >> 192
            powers1[j] = (st[TEMPORARY] >> 128) & M64
            powers2[j] = (st[TEMPORARY] >> 64) & M64
            twice1[j] = 2 * powers1[j]
            twice2[j] = 2 * powers2[j]
            st[TEMPORARY] = goldilocks._mul(st[TEMPORARY], layers[2 * layer + 1])
        paths_at[TREES + layer] = st[CURSOR] + 24 * (8 * counts[layer + 1] - counts[layer])
        assert len(proof) >= paths_at[TREES + layer] + 8, "verifier: proof too short"
        st[KNOWN] = 0
        for k: uint256 in range(counts[layer + 1], bound=QUERIES):
            first: uint256 = places[(layer + 1) * QUERIES + k] << 3
            st[TEMPORARY] = self._back(inverses[st[KNOWN]], places[layer * QUERIES + st[KNOWN]] & 7)
            st[POINT] = points[st[KNOWN]]
            wanted: uint256 = places[layer * QUERIES + st[KNOWN]]
            for j: uint256 in range(8):
                if wanted == unsafe_add(first, j):
                    e[j] = values_[st[KNOWN]]
                    st[KNOWN] = unsafe_add(st[KNOWN], 1)
                    if st[KNOWN] < counts[layer]:
                        wanted = places[layer * QUERIES + st[KNOWN]]
                    else:
                        wanted = 0
                else:
                    e[j] = (convert(extract32(proof, st[CURSOR]), uint256) >> 64) << 64
                    st[BAD] |= unsafe_add((e[j] >> 64) & EVEN, CARRY)
                    st[BAD] |= unsafe_add((e[j] >> 128) & M64, CARRY)
                    st[CURSOR] = unsafe_add(st[CURSOR], 24)
            digests[(TREES + layer) * QUERIES + k] = self._leaf(e)
            values_[k] = self._fold(e, powers0, powers1, powers2, twice1, twice2, st[TEMPORARY])
            inverses[k] = self._eighth_power(st[TEMPORARY])
            points[k] = self._eighth_power(st[POINT])
        assert st[BAD] & CARRIED == 0, "verifier: element not canonical"
        assert st[CURSOR] == paths_at[TREES + layer], "verifier: fri layer"
        st[CURSOR] += DIGEST * siblings[layer + 1]
    assert len(proof) == st[CURSOR] + 8, "verifier: trailing bytes"
    assert convert(extract32(proof, st[CURSOR] - 24), uint256) & M64 == 0, "verifier: padding"

    # The last fold is the final polynomial.
    for k: uint256 in range(counts[st[FOLDS]], bound=QUERIES):
        assert self._final_value(final, final_length, points[k]) == values_[k], "verifier: fri final"

    # Every leaf lies under its root. Leaves climb one after the other; one that meets the path of the
    # next waits on the stack.
    stack: uint256[MAX_LOG_SIZE + 1] = empty(uint256[MAX_LOG_SIZE + 1])
    levels: uint256[MAX_LOG_SIZE + 1] = empty(uint256[MAX_LOG_SIZE + 1])
    levels[0] = max_value(uint256)
    for t: uint256 in range(TREES + st[FOLDS], bound=TREES + MAX_FOLDS):
        st[LAYER] = 0
        if t >= TREES:
            st[LAYER] = t - TREES + 1
        st[TOP] = 0
        at: uint256 = paths_at[t]
        for k: uint256 in range(counts[st[LAYER]], bound=QUERIES):
            hash: uint256 = digests[t * QUERIES + k]
            place: uint256 = places[st[LAYER] * QUERIES + k]
            st[MEET] = meets[st[LAYER] * QUERIES + k]
            st[LEVEL] = 0
            for turn: uint256 in range(MAX_LOG_SIZE):
                stop: uint256 = min(st[MEET], levels[st[TOP]])
                sibling: uint256 = 0
                for turns: uint256 in range((stop - st[LEVEL]) >> 2, bound=MAX_LOG_SIZE >> 2):
                    sibling = convert(extract32(proof, at), uint256) & DIGEST_MASK
                    if place & 1 == 0:
                        hash = convert(keccak256(abi_encode(NODE, hash, sibling)), uint256) & DIGEST_MASK
                    else:
                        hash = convert(keccak256(abi_encode(NODE, sibling, hash)), uint256) & DIGEST_MASK
                    sibling = convert(extract32(proof, unsafe_add(at, 1 * DIGEST)), uint256) & DIGEST_MASK
                    if place & 2 == 0:
                        hash = convert(keccak256(abi_encode(NODE, hash, sibling)), uint256) & DIGEST_MASK
                    else:
                        hash = convert(keccak256(abi_encode(NODE, sibling, hash)), uint256) & DIGEST_MASK
                    sibling = convert(extract32(proof, unsafe_add(at, 2 * DIGEST)), uint256) & DIGEST_MASK
                    if place & 4 == 0:
                        hash = convert(keccak256(abi_encode(NODE, hash, sibling)), uint256) & DIGEST_MASK
                    else:
                        hash = convert(keccak256(abi_encode(NODE, sibling, hash)), uint256) & DIGEST_MASK
                    sibling = convert(extract32(proof, unsafe_add(at, 3 * DIGEST)), uint256) & DIGEST_MASK
                    if place & 8 == 0:
                        hash = convert(keccak256(abi_encode(NODE, hash, sibling)), uint256) & DIGEST_MASK
                    else:
                        hash = convert(keccak256(abi_encode(NODE, sibling, hash)), uint256) & DIGEST_MASK
                    place = place >> 4
                    at = unsafe_add(at, 4 * DIGEST)
                for turns: uint256 in range((stop - st[LEVEL]) & 3, bound=3):
                    sibling = convert(extract32(proof, at), uint256) & DIGEST_MASK
                    if place & 1 == 0:
                        hash = convert(keccak256(abi_encode(NODE, hash, sibling)), uint256) & DIGEST_MASK
                    else:
                        hash = convert(keccak256(abi_encode(NODE, sibling, hash)), uint256) & DIGEST_MASK
                    place = place >> 1
                    at = unsafe_add(at, DIGEST)
                if stop == st[MEET]:
                    break
                hash = convert(keccak256(abi_encode(NODE, stack[st[TOP]], hash)), uint256) & DIGEST_MASK
                st[TOP] = unsafe_sub(st[TOP], 1)
                place = place >> 1
                st[LEVEL] = unsafe_add(stop, 1)
            st[TOP] = unsafe_add(st[TOP], 1)
            stack[st[TOP]] = hash
            levels[st[TOP]] = st[MEET]
        if t < TREES:
            assert stack[1] == roots[t], "verifier: merkle"
        else:
            assert stack[1] == layers[2 * (t - TREES)], "verifier: fri layer"
    return True


@internal
@pure
def _begin(log_rows: uint256) -> bytes32:
    """
    @notice The transcript's state after options, AIR and length.
    """
    if log_rows == 13:
        return 0x112967a213c74a3792b7917e742e664fee0bb212f6e3746c8ae30d18f89e9214
    if log_rows == 14:
        return 0x16dfa4b9a800ce99d41b4f6510dca7c10b380def221f16137ecaf8c8e64690ed
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
def _five(word: uint256, p1: uint256, p2: uint256, p3: uint256, p4: uint256) -> uint256:
    """
    @notice Five shares of 48 bits under descending powers of a point.
    """
    a: uint256 = word >> 208
    b: uint256 = (word >> 160) & SHARE
    c: uint256 = (word >> 112) & SHARE
    d: uint256 = (word >> 64) & SHARE
    return (
        (
            unsafe_add(
                unsafe_add(unsafe_mul(a, p4 >> 192), unsafe_mul(b, p3 >> 192)),
                unsafe_add(
                    unsafe_add(unsafe_mul(c, p2 >> 192), unsafe_mul(d, p1 >> 192)), (word >> 16) & SHARE
                ),
            )
            % P
            << 192
        )
        | (
            unsafe_add(
                unsafe_add(unsafe_mul(a, (p4 >> 128) & M64), unsafe_mul(b, (p3 >> 128) & M64)),
                unsafe_add(unsafe_mul(c, (p2 >> 128) & M64), unsafe_mul(d, (p1 >> 128) & M64)),
            )
            % P
            << 128
        )
        | (
            unsafe_add(
                unsafe_add(unsafe_mul(a, (p4 >> 64) & M64), unsafe_mul(b, (p3 >> 64) & M64)),
                unsafe_add(unsafe_mul(c, (p2 >> 64) & M64), unsafe_mul(d, (p1 >> 64) & M64)),
            )
            % P
            << 64
        )
    )


@internal
@pure
def _absorb_public(state: bytes32, statement: uint256[10], list_digest: bytes32) -> bytes32:
    """
    @notice Absorb root, scalars, the list's length and digest, and the context behind its length.
    """
    return keccak256(
        concat(
            state,
            x"02",
            convert(statement[4], bytes32),
            convert(
                (statement[6] << 192) | (statement[7] << 128) | (statement[8] << 64) | statement[9], bytes32
            ),
            convert(convert(statement[5], uint64), bytes8),
            list_digest,
            convert(convert(128, uint64), bytes8),
            convert(statement[0], bytes32),
            convert(statement[1], bytes32),
            convert(statement[2], bytes32),
            convert(statement[3], bytes32),
        )
    )

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
def _transform(e: uint256[8], powers: uint256[8], lane: uint256) -> uint256[8]:
    """
    @notice The inverse Fourier transform, times 8, of one coordinate of eight siblings, which lie in
            bit-reversed order; output j times powers[j], not reduced. The root of order 8 is -2^24, so
            twiddles are shifts.
    """
    b: uint256[8] = empty(uint256[8])
    x: uint256 = (e[0] >> lane) & M64
    y: uint256 = (e[1] >> lane) & M64
    b[0] = unsafe_add(x, y)
    b[1] = unsafe_sub(unsafe_add(x, P), y)
    x = (e[2] >> lane) & M64
    y = (e[3] >> lane) & M64
    b[2] = unsafe_add(x, y)
    b[3] = unsafe_sub(unsafe_add(x, P), y)
    x = (e[4] >> lane) & M64
    y = (e[5] >> lane) & M64
    b[4] = unsafe_add(x, y)
    b[5] = unsafe_sub(unsafe_add(x, P), y)
    x = (e[6] >> lane) & M64
    y = (e[7] >> lane) & M64
    b[6] = unsafe_add(x, y)
    b[7] = unsafe_sub(unsafe_add(x, P), y)
    out: uint256[8] = empty(uint256[8])
    # even outputs
    x = unsafe_add(b[0], b[2])
    y = unsafe_add(b[4], b[6])
    out[0] = unsafe_add(x, y) % P
    out[4] = unsafe_mul(unsafe_sub(unsafe_add(x, 4 * P), y) % P, powers[4])
    x = unsafe_sub(unsafe_add(b[0], 2 * P), b[2])
    y = unsafe_sub(unsafe_add(b[4], 2 * P), b[6]) << 48
    out[2] = unsafe_mul(unsafe_sub(unsafe_add(x, P << 52), y) % P, powers[2])
    out[6] = unsafe_mul(unsafe_add(x, y) % P, powers[6])
    # odd outputs
    x = unsafe_sub(unsafe_add(b[1], P << 50), b[3] << 48)
    y = unsafe_sub(unsafe_add(b[5], P << 50), b[7] << 48) << 72
    out[1] = unsafe_mul(unsafe_add(x, y) % P, powers[1])
    out[5] = unsafe_mul(unsafe_sub(unsafe_add(x, P << 124), y) % P, powers[5])
    x = unsafe_add(b[1], b[3] << 48)
    y = unsafe_add(b[5], b[7] << 48) << 24
    out[3] = unsafe_mul(unsafe_add(x, y) % P, powers[3])
    out[7] = unsafe_mul(unsafe_sub(unsafe_add(x, P << 76), y) % P, powers[7])
    return out


@internal
@pure
def _fold(
    e: uint256[8],
    w0: uint256[8],
    w1: uint256[8],
    w2: uint256[8],
    twice1: uint256[8],
    twice2: uint256[8],
    y: uint256,
) -> uint256:
    """
    @notice Fold eight siblings into one; y is 1 over the first one's point, w the challenge's powers
            over 8 by coordinate, and twice two of them.
    """
    powers: uint256[8] = empty(uint256[8])
    powers[0] = 1
    powers[1] = y
    x: uint256 = unsafe_mul(y, y) % P
    powers[2] = x
    x = unsafe_mul(x, y) % P
    powers[3] = x
    x = unsafe_mul(x, y) % P
    powers[4] = x
    x = unsafe_mul(x, y) % P
    powers[5] = x
    x = unsafe_mul(x, y) % P
    powers[6] = x
    powers[7] = unsafe_mul(x, y) % P
    p: uint256[8] = self._transform(e, powers, 192)
    q: uint256[8] = self._transform(e, powers, 128)
    r: uint256[8] = self._transform(e, powers, 64)
    return (
        (self._products(p, w0, q, twice2, r, twice1) << 192)
        | (self._products(p, w1, q, w0, r, twice2) << 128)
        | (self._products(p, w2, q, w1, r, w0) << 64)
    )


@internal
@pure
def _products(
    p: uint256[8], u: uint256[8], q: uint256[8], v: uint256[8], r: uint256[8], w: uint256[8]
) -> uint256:
    """
    @notice Sum of products of numbers below 2^128 and 2^65, reduced.
    """
    return unsafe_add(unsafe_mul(p[0], u[0]), unsafe_add(unsafe_mul(q[0], v[0]), unsafe_add(unsafe_mul(r[0], w[0]), unsafe_add(unsafe_mul(p[1], u[1]), unsafe_add(unsafe_mul(q[1], v[1]), unsafe_add(unsafe_mul(r[1], w[1]), unsafe_add(unsafe_mul(p[2], u[2]), unsafe_add(unsafe_mul(q[2], v[2]), unsafe_add(unsafe_mul(r[2], w[2]), unsafe_add(unsafe_mul(p[3], u[3]), unsafe_add(unsafe_mul(q[3], v[3]), unsafe_add(unsafe_mul(r[3], w[3]), unsafe_add(unsafe_mul(p[4], u[4]), unsafe_add(unsafe_mul(q[4], v[4]), unsafe_add(unsafe_mul(r[4], w[4]), unsafe_add(unsafe_mul(p[5], u[5]), unsafe_add(unsafe_mul(q[5], v[5]), unsafe_add(unsafe_mul(r[5], w[5]), unsafe_add(unsafe_mul(p[6], u[6]), unsafe_add(unsafe_mul(q[6], v[6]), unsafe_add(unsafe_mul(r[6], w[6]), unsafe_add(unsafe_mul(p[7], u[7]), unsafe_add(unsafe_mul(q[7], v[7]), unsafe_mul(r[7], w[7])))))))))))))))))))))))) % P


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
    return unsafe_add(unsafe_mul(row[0], w[0]), unsafe_add(unsafe_mul(row[1], w[1]), unsafe_add(unsafe_mul(row[2], w[2]), unsafe_add(unsafe_mul(row[3], w[3]), unsafe_add(unsafe_mul(row[4], w[4]), unsafe_add(unsafe_mul(row[5], w[5]), unsafe_add(unsafe_mul(row[6], w[6]), unsafe_add(unsafe_mul(row[7], w[7]), unsafe_add(unsafe_mul(row[8], w[8]), unsafe_add(unsafe_mul(row[9], w[9]), unsafe_add(unsafe_mul(row[10], w[10]), unsafe_add(unsafe_mul(row[11], w[11]), unsafe_add(unsafe_mul(row[12], w[12]), unsafe_add(unsafe_mul(row[13], w[13]), unsafe_add(unsafe_mul(row[14], w[14]), unsafe_add(unsafe_mul(row[15], w[15]), unsafe_add(unsafe_mul(row[16], w[16]), unsafe_add(unsafe_mul(row[17], w[17]), unsafe_add(unsafe_mul(row[18], w[18]), unsafe_add(unsafe_mul(row[19], w[19]), unsafe_add(unsafe_mul(row[20], w[20]), unsafe_add(unsafe_mul(row[21], w[21]), unsafe_add(unsafe_mul(row[22], w[22]), unsafe_add(unsafe_mul(row[23], w[23]), unsafe_add(unsafe_mul(row[24], w[24]), unsafe_add(unsafe_mul(row[25], w[25]), unsafe_add(unsafe_mul(row[26], w[26]), unsafe_add(unsafe_mul(row[27], w[27]), unsafe_add(unsafe_mul(row[28], w[28]), unsafe_add(unsafe_mul(row[29], w[29]), unsafe_add(unsafe_mul(row[30], w[30]), unsafe_add(unsafe_mul(row[31], w[31]), unsafe_add(unsafe_mul(row[32], w[32]), unsafe_add(unsafe_mul(row[33], w[33]), unsafe_add(unsafe_mul(row[34], w[34]), unsafe_add(unsafe_mul(row[35], w[35]), unsafe_add(unsafe_mul(row[36], w[36]), unsafe_add(unsafe_mul(row[37], w[37]), unsafe_add(unsafe_mul(row[38], w[38]), unsafe_add(unsafe_mul(row[39], w[39]), unsafe_add(unsafe_mul(row[40], w[40]), unsafe_add(unsafe_mul(row[41], w[41]), unsafe_add(unsafe_mul(row[42], w[42]), unsafe_add(unsafe_mul(row[43], w[43]), unsafe_add(unsafe_mul(row[44], w[44]), unsafe_add(unsafe_mul(row[45], w[45]), unsafe_add(unsafe_mul(row[46], w[46]), unsafe_add(unsafe_mul(row[47], w[47]), unsafe_add(unsafe_mul(row[48], w[48]), unsafe_add(unsafe_mul(row[49], w[49]), unsafe_add(unsafe_mul(row[50], w[50]), unsafe_add(unsafe_mul(row[51], w[51]), unsafe_add(unsafe_mul(row[52], w[52]), unsafe_add(unsafe_mul(row[53], w[53]), unsafe_add(unsafe_mul(row[54], w[54]), unsafe_mul(row[55], w[55])))))))))))))))))))))))))))))))))))))))))))))))))))))))) % P


@internal
@pure
def _far(row: uint256[ROW], w: uint256[FAR_COLUMNS]) -> uint256:
    """
    @notice Of those opened in the next row.
    """
    return unsafe_add(unsafe_mul(row[6], w[0]), unsafe_add(unsafe_mul(row[7], w[1]), unsafe_add(unsafe_mul(row[8], w[2]), unsafe_add(unsafe_mul(row[9], w[3]), unsafe_add(unsafe_mul(row[10], w[4]), unsafe_add(unsafe_mul(row[11], w[5]), unsafe_add(unsafe_mul(row[12], w[6]), unsafe_add(unsafe_mul(row[13], w[7]), unsafe_add(unsafe_mul(row[14], w[8]), unsafe_add(unsafe_mul(row[15], w[9]), unsafe_add(unsafe_mul(row[16], w[10]), unsafe_add(unsafe_mul(row[17], w[11]), unsafe_add(unsafe_mul(row[18], w[12]), unsafe_add(unsafe_mul(row[19], w[13]), unsafe_add(unsafe_mul(row[21], w[14]), unsafe_add(unsafe_mul(row[23], w[15]), unsafe_add(unsafe_mul(row[24], w[16]), unsafe_add(unsafe_mul(row[25], w[17]), unsafe_add(unsafe_mul(row[44], w[18]), unsafe_add(unsafe_mul(row[45], w[19]), unsafe_mul(row[46], w[20]))))))))))))))))))))) % P


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
    x: uint256 = 7
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
    if position & 4194304 != 0:
        x = unsafe_mul(x, 16905767614792059275) % goldilocks.P
    if position & 8388608 != 0:
        x = unsafe_mul(x, 9713644485405565297) % goldilocks.P
    return x
