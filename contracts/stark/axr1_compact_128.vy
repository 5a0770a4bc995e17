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
QUERIES: constant(uint256) = 19
LOG_BLOWUP: constant(uint256) = 11
LOG_FINAL: constant(uint256) = 5
MAX_FOLDS: constant(uint256) = 3
MAX_FINAL: constant(uint256) = 32
MAX_LOG_SIZE: constant(uint256) = 25
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
def verify(statement: uint256[10], shares: DynArray[uint256, 1024], proof: Bytes[117472]) -> bool:
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
        >> (256 - 28)
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
    powers: uint256[9] = empty(uint256[9])  # coordinates of the challenge, its square and its fourth power
    scaled: uint256[9] = empty(uint256[9])
    for layer: uint256 in range(st[FOLDS], bound=MAX_FOLDS):
        st[TEMPORARY] = layers[2 * layer + 1]
        for j: uint256 in range(3):
            powers[3 * j] = st[TEMPORARY] >> 192
            powers[3 * j + 1] = (st[TEMPORARY] >> 128) & M64
            powers[3 * j + 2] = (st[TEMPORARY] >> 64) & M64
            st[TEMPORARY] = goldilocks._mul(st[TEMPORARY], st[TEMPORARY])
        paths_at[TREES + layer] = st[CURSOR] + 24 * (8 * counts[layer + 1] - counts[layer])
        assert len(proof) >= paths_at[TREES + layer] + 8, "verifier: proof too short"
        st[KNOWN] = 0
        for k: uint256 in range(counts[layer + 1], bound=QUERIES):
            group: uint256 = places[unsafe_add((layer + 1) * QUERIES, k)]
            first: uint256 = st[KNOWN]
            st[TEMPORARY] = self._back(inverses[first], places[unsafe_add(layer * QUERIES, first)] & 7)
            points[k] = self._eighth_power(points[first])
            for turn: uint256 in range(8):
                st[KNOWN] = unsafe_add(st[KNOWN], 1)
                if st[KNOWN] == counts[layer]:
                    break
                if places[unsafe_add(layer * QUERIES, st[KNOWN])] >> 3 != group:
                    break
            # Those that were sent end the leaf; what is known goes in from the last one on, and each
            # moves what lies before it to the left.
            st[CURSOR] = unsafe_sub(st[CURSOR], unsafe_mul(24, unsafe_sub(st[KNOWN], first)))
            leaf: Bytes[192] = slice(proof, st[CURSOR], 192)
            st[CURSOR] = unsafe_add(st[CURSOR], 192)
            for turn: uint256 in range(st[KNOWN] - first, bound=8):
                known: uint256 = unsafe_sub(unsafe_sub(st[KNOWN], 1), turn)
                at: uint256 = unsafe_mul(24, places[unsafe_add(layer * QUERIES, known)] & 7)
                leaf = slice(
                    concat(
                        slice(leaf, 24, at),
                        slice(convert(values_[known], bytes32), 0, 24),
                        slice(leaf, unsafe_add(at, 24), unsafe_sub(168, at)),
                    ),
                    0,
                    192,
                )
            digests[unsafe_add((TREES + layer) * QUERIES, k)] = (
                convert(keccak256(leaf), uint256) & DIGEST_MASK
            )
            # the challenge over the first point, its square, its fourth power
            x: uint256 = st[TEMPORARY]
            scaled[0] = unsafe_mul(powers[0], x) % P
            scaled[1] = unsafe_mul(powers[1], x) % P
            scaled[2] = unsafe_mul(powers[2], x) % P
            x = unsafe_mul(x, x) % P
            scaled[3] = unsafe_mul(powers[3], x) % P
            scaled[4] = unsafe_mul(powers[4], x) % P
            scaled[5] = unsafe_mul(powers[5], x) % P
            x = unsafe_mul(x, x) % P
            scaled[6] = unsafe_mul(powers[6], x) % P
            scaled[7] = unsafe_mul(powers[7], x) % P
            scaled[8] = unsafe_mul(powers[8], x) % P
            inverses[k] = unsafe_mul(x, x) % P
            e: uint256[6] = abi_decode(leaf, (uint256[6]))
            st[BAD] |= self._carries(e)
            values_[k] = self._fold(e, scaled)
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
        return 0x1449188e4264f86e0e446c6b5befe0eaf1221b272709a029ff1146c734c9e89e
    if log_rows == 14:
        return 0x4957db9cfda13b4bf54b12a29154c52a5ed866253cb1f8fdd47cedfc792341de
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
    if apart:
        d[0] = unsafe_sub(unsafe_add((e[0] >> 192), 18446744069414584321), (e[0] & M64))
        d[1] = unsafe_sub(unsafe_add(((e[0] >> 128) & M64), 18446744069414584321), (e[1] >> 192))
        d[2] = unsafe_sub(unsafe_add(((e[0] >> 64) & M64), 18446744069414584321), ((e[1] >> 128) & M64))
        r[0] = unsafe_add(unsafe_add((e[0] >> 192), (e[0] & M64)), unsafe_add(unsafe_mul(d[0], w[0]), unsafe_mul(2, unsafe_add(unsafe_mul(d[1], w[2]), unsafe_mul(d[2], w[1]))))) % P
        r[1] = unsafe_add(unsafe_add(((e[0] >> 128) & M64), (e[1] >> 192)), unsafe_add(unsafe_add(unsafe_mul(d[0], w[1]), unsafe_mul(d[1], w[0])), unsafe_mul(2, unsafe_mul(d[2], w[2])))) % P
        r[2] = unsafe_add(unsafe_add(((e[0] >> 64) & M64), ((e[1] >> 128) & M64)), unsafe_add(unsafe_add(unsafe_mul(d[0], w[2]), unsafe_mul(d[1], w[1])), unsafe_mul(d[2], w[0]))) % P
    if apart:
        d[0] = unsafe_sub(unsafe_add(((e[2] >> 128) & M64), 18446744069414584321), ((e[1] >> 64) & M64)) << 48
        d[1] = unsafe_sub(unsafe_add(((e[2] >> 64) & M64), 18446744069414584321), (e[1] & M64)) << 48
        d[2] = unsafe_sub(unsafe_add((e[2] & M64), 18446744069414584321), (e[2] >> 192)) << 48
        r[3] = unsafe_add(unsafe_add(((e[1] >> 64) & M64), ((e[2] >> 128) & M64)), unsafe_add(unsafe_mul(d[0], w[0]), unsafe_mul(2, unsafe_add(unsafe_mul(d[1], w[2]), unsafe_mul(d[2], w[1]))))) % P
        r[4] = unsafe_add(unsafe_add((e[1] & M64), ((e[2] >> 64) & M64)), unsafe_add(unsafe_add(unsafe_mul(d[0], w[1]), unsafe_mul(d[1], w[0])), unsafe_mul(2, unsafe_mul(d[2], w[2])))) % P
        r[5] = unsafe_add(unsafe_add((e[2] >> 192), (e[2] & M64)), unsafe_add(unsafe_add(unsafe_mul(d[0], w[2]), unsafe_mul(d[1], w[1])), unsafe_mul(d[2], w[0]))) % P
    if apart:
        d[0] = unsafe_sub(unsafe_add((e[3] >> 192), 18446744069414584321), (e[3] & M64)) << 72
        d[1] = unsafe_sub(unsafe_add(((e[3] >> 128) & M64), 18446744069414584321), (e[4] >> 192)) << 72
        d[2] = unsafe_sub(unsafe_add(((e[3] >> 64) & M64), 18446744069414584321), ((e[4] >> 128) & M64)) << 72
        r[6] = unsafe_add(unsafe_add((e[3] >> 192), (e[3] & M64)), unsafe_add(unsafe_mul(d[0], w[0]), unsafe_mul(2, unsafe_add(unsafe_mul(d[1], w[2]), unsafe_mul(d[2], w[1]))))) % P
        r[7] = unsafe_add(unsafe_add(((e[3] >> 128) & M64), (e[4] >> 192)), unsafe_add(unsafe_add(unsafe_mul(d[0], w[1]), unsafe_mul(d[1], w[0])), unsafe_mul(2, unsafe_mul(d[2], w[2])))) % P
        r[8] = unsafe_add(unsafe_add(((e[3] >> 64) & M64), ((e[4] >> 128) & M64)), unsafe_add(unsafe_add(unsafe_mul(d[0], w[2]), unsafe_mul(d[1], w[1])), unsafe_mul(d[2], w[0]))) % P
    if apart:
        d[0] = unsafe_sub(unsafe_add(((e[4] >> 64) & M64), 18446744069414584321), ((e[5] >> 128) & M64)) << 24
        d[1] = unsafe_sub(unsafe_add((e[4] & M64), 18446744069414584321), ((e[5] >> 64) & M64)) << 24
        d[2] = unsafe_sub(unsafe_add((e[5] >> 192), 18446744069414584321), (e[5] & M64)) << 24
        r[9] = unsafe_add(unsafe_add(((e[4] >> 64) & M64), ((e[5] >> 128) & M64)), unsafe_add(unsafe_mul(d[0], w[0]), unsafe_mul(2, unsafe_add(unsafe_mul(d[1], w[2]), unsafe_mul(d[2], w[1]))))) % P
        r[10] = unsafe_add(unsafe_add((e[4] & M64), ((e[5] >> 64) & M64)), unsafe_add(unsafe_add(unsafe_mul(d[0], w[1]), unsafe_mul(d[1], w[0])), unsafe_mul(2, unsafe_mul(d[2], w[2])))) % P
        r[11] = unsafe_add(unsafe_add((e[5] >> 192), (e[5] & M64)), unsafe_add(unsafe_add(unsafe_mul(d[0], w[2]), unsafe_mul(d[1], w[1])), unsafe_mul(d[2], w[0]))) % P
    if apart:
        d[0] = unsafe_sub(unsafe_add(r[0], 18446744069414584321), r[3])
        d[1] = unsafe_sub(unsafe_add(r[1], 18446744069414584321), r[4])
        d[2] = unsafe_sub(unsafe_add(r[2], 18446744069414584321), r[5])
        q[0] = unsafe_add(unsafe_add(r[0], r[3]), unsafe_add(unsafe_mul(d[0], w[3]), unsafe_mul(2, unsafe_add(unsafe_mul(d[1], w[5]), unsafe_mul(d[2], w[4])))))
        q[1] = unsafe_add(unsafe_add(r[1], r[4]), unsafe_add(unsafe_add(unsafe_mul(d[0], w[4]), unsafe_mul(d[1], w[3])), unsafe_mul(2, unsafe_mul(d[2], w[5]))))
        q[2] = unsafe_add(unsafe_add(r[2], r[5]), unsafe_add(unsafe_add(unsafe_mul(d[0], w[5]), unsafe_mul(d[1], w[4])), unsafe_mul(d[2], w[3])))
    if apart:
        d[0] = unsafe_sub(unsafe_add(r[9], 18446744069414584321), r[6]) << 48
        d[1] = unsafe_sub(unsafe_add(r[10], 18446744069414584321), r[7]) << 48
        d[2] = unsafe_sub(unsafe_add(r[11], 18446744069414584321), r[8]) << 48
        q[3] = unsafe_add(unsafe_add(r[6], r[9]), unsafe_add(unsafe_mul(d[0], w[3]), unsafe_mul(2, unsafe_add(unsafe_mul(d[1], w[5]), unsafe_mul(d[2], w[4])))))
        q[4] = unsafe_add(unsafe_add(r[7], r[10]), unsafe_add(unsafe_add(unsafe_mul(d[0], w[4]), unsafe_mul(d[1], w[3])), unsafe_mul(2, unsafe_mul(d[2], w[5]))))
        q[5] = unsafe_add(unsafe_add(r[8], r[11]), unsafe_add(unsafe_add(unsafe_mul(d[0], w[5]), unsafe_mul(d[1], w[4])), unsafe_mul(d[2], w[3])))
    if apart:
        d[0] = unsafe_sub(unsafe_add(q[0], 957809712595165632659123334870095223668669916223897602), q[3])
        d[1] = unsafe_sub(unsafe_add(q[1], 957809712595165632659123334870095223668669916223897602), q[4])
        d[2] = unsafe_sub(unsafe_add(q[2], 957809712595165632659123334870095223668669916223897602), q[5])
        s[0] = unsafe_add(unsafe_add(q[0], q[3]), unsafe_add(unsafe_mul(d[0], w[6]), unsafe_mul(2, unsafe_add(unsafe_mul(d[1], w[8]), unsafe_mul(d[2], w[7]))))) % P
        s[1] = unsafe_add(unsafe_add(q[1], q[4]), unsafe_add(unsafe_add(unsafe_mul(d[0], w[7]), unsafe_mul(d[1], w[6])), unsafe_mul(2, unsafe_mul(d[2], w[8])))) % P
        s[2] = unsafe_add(unsafe_add(q[2], q[5]), unsafe_add(unsafe_add(unsafe_mul(d[0], w[8]), unsafe_mul(d[1], w[7])), unsafe_mul(d[2], w[6]))) % P
    s[0] = unsafe_mul(s[0], 16140901060737761281) % P
    s[1] = unsafe_mul(s[1], 16140901060737761281) % P
    s[2] = unsafe_mul(s[2], 16140901060737761281) % P
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
    if position & 16777216 != 0:
        x = unsafe_mul(x, 5456943929260765144) % goldilocks.P
    return x
