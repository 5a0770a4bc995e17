"""The hand-written part of a verifier contract; `vyper.py` fills the places between double braces.

State that lives long is in small memory arrays, not in variables: Venom keeps
variables on the stack and cannot spill. The external function owns calldata and the loops
over it; arithmetic is in small functions.
"""

__all__ = ["GENERIC", "POOL", "TEMPLATE", "Face"]

from typing import NamedTuple


class Face(NamedTuple):
    """How public inputs reach a verifier."""

    head: str  # imports
    signature: str  # of `verify`, with its checks
    public: str  # root, state and public values, once `state` has absorbed the statement
    values: str  # the list's value, with {place} and {challenge}
    functions: str


POOL = Face(
    head="""
from ..interfaces import IStarkVerifier
from . import goldilocks
from . import transcript

implements: IStarkVerifier
""",
    signature='''@external
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
''',
    public="""    roots[0] = statement[4]
    assert roots[0] & DIGEST_MASK == roots[0], "verifier: root is no digest"
    for k: uint256 in range(4):
        v[PUBLICS_AT + k] = statement[6 + k] << 192
    state = self._absorb_public(state, statement, shares)
""",
    values="    v[{place}] = self._horner(shares, statement[5], v[{challenge}])\n",
    functions='''

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
''',
)

GENERIC = Face(
    head="""
from . import goldilocks
from . import transcript
""",
    signature='''@external
@view
def verify(
    attested: bytes32,
    scalars: DynArray[uint256, 64],
    values: DynArray[uint256, {{LIST_LIMIT}}],
    context: Bytes[1024],
    proof: Bytes[131072],
) -> bool:
    """
    @notice Accept the proof, or revert with the check that failed.
    @param attested Root of the attested columns; zero if there are none.
    @param scalars Public elements, in the AIR's order.
    @param values The public list; empty if there is none.
    @param context Bytes that the proof is bound to.
    @param proof As `axon.stark.vyper.envelope` wraps it.
    """
    assert len(scalars) == {{PUBLICS}}, "verifier: number of scalars"
    for scalar: uint256 in scalars:
        assert scalar < P, "verifier: scalar not canonical"
    for value: uint256 in values:
        assert value < P, "verifier: list not canonical"
    assert {{HAS_LIST}} or len(values) == 0, "verifier: no list wanted"
    assert (
        convert(attested, uint256) & {{ATTESTED_MASK}} == convert(attested, uint256)
    ), "verifier: root is no digest"
''',
    public="""    if {{HAS_ATTESTED}}:
        roots[0] = convert(attested, uint256)
    for k: uint256 in range(len(scalars), bound=64):
        v[PUBLICS_AT + k] = scalars[k] << 192
    state = self._absorb_public(state, roots[0], scalars, values, context)
""",
    values="    v[{place}] = self._horner(values, v[{challenge}])\n",
    functions='''

@internal
@pure
def _horner(values: DynArray[uint256, {{LIST_LIMIT}}], point: uint256) -> uint256:
    """
    @notice Horner's rule over the list, from one, so that its length is bound too.
    """
    total: uint256 = goldilocks.ONE
    for value: uint256 in values:
        total = goldilocks._add(goldilocks._mul(total, point), value << 192)
    return total


@internal
@pure
def _absorb_public(
    state: bytes32,
    attested: uint256,
    scalars: DynArray[uint256, 64],
    values: DynArray[uint256, {{LIST_LIMIT}}],
    context: Bytes[1024],
) -> bytes32:
    """
    @notice Absorb root, scalars, the list behind its length, and the context behind its length.
    @dev Everything after the tag's byte comes in pieces of 64 bits, so words are shifted by 8.
    """
    out: uint256[MAX_PUBLIC] = empty(uint256[MAX_PUBLIC])
    out[0] = convert(state, uint256)
    # p: words written, their last byte on its way to the next, pieces gathered, how many of them
    p: uint256[4] = [1, 2 << 248, 0, 0]
    if {{HAS_ATTESTED}}:
        out[1] = p[1] | (attested >> 8)
        p = [2, attested << 248, 0, 4]
    pieces: DynArray[uint256, {{LIST_LIMIT}} + 66] = []
    for scalar: uint256 in scalars:
        pieces.append(scalar)
    if {{HAS_LIST}}:
        pieces.append(len(values))
        for value: uint256 in values:
            pieces.append(value)
    pieces.append(len(context))
    for piece: uint256 in pieces:
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
    return keccak256(concat(slice(abi_encode(out), 0, 33 + 8 * p[3]), context))
''',
)

TEMPLATE = '''# pragma version 0.4.3
# pragma evm-version prague
"""
@title Verifier of {{AIR}} under {{OPTIONS}}
@license Apache-2.0
@notice Printed by `axon stark vyper`; a test prints it again and compares. The protocol is
        described in docs/proof-system.md, and in Python in `axon/stark/verifier.py`.
@dev Reverts with the name of the check that fails. Nothing is taken from the proof that AIR,
     options or transcript determine; the trace's length is one of a fixed list.
"""
{{HEAD}}
P: constant(uint256) = 2**64 - 2**32 + 1
M64: constant(uint256) = 2**64 - 1
# An element x is below P just if x + 2^32 - 1 does not carry out of its 64 bits: two lanes at once.
EVEN: constant(uint256) = (2**64 - 1) | ((2**64 - 1) << 128)
CARRY: constant(uint256) = (2**32 - 1) | ((2**32 - 1) << 128)
CARRIED: constant(uint256) = (1 << 64) | (1 << 192)

DIGEST: constant(uint256) = {{DIGEST}}  # bytes
DIGEST_MASK: constant(uint256) = {{DIGEST_MASK}}
QUERIES: constant(uint256) = {{QUERIES}}
LOG_BLOWUP: constant(uint256) = {{LOG_BLOWUP}}
LOG_FINAL: constant(uint256) = {{LOG_FINAL}}
MAX_FOLDS: constant(uint256) = {{MAX_FOLDS}}
MAX_FINAL: constant(uint256) = {{MAX_FINAL}}
MAX_LOG_SIZE: constant(uint256) = {{MAX_LOG_SIZE}}
BLINDING: constant(uint256) = {{BLINDING}}  # coefficients
EXEMPT: constant(uint256) = {{EXEMPT}}  # rows: the random ones and the closing one
TREES: constant(uint256) = {{TREES}}
CURRENT: constant(uint256) = {{CURRENT}}  # values at z, then SEGMENTS of the quotient, then the next row's
SEGMENTS: constant(uint256) = {{SEGMENTS}}
NEAR: constant(uint256) = {{NEAR}}
FRAME: constant(uint256) = {{FRAME}}
PUBLICS_AT: constant(uint256) = {{PUBLICS_AT}}
CHALLENGES_AT: constant(uint256) = {{CHALLENGES_AT}}
INPUTS: constant(uint256) = {{INPUTS}}
SLOTS: constant(uint256) = {{SLOTS}}  # of the evaluator: inputs, constants, registers
# The constraints as `_evaluate` runs them: constants of 8 bytes; steps of four numbers of 2 bytes.
CONSTANTS: constant(Bytes[{{CONSTANT_BYTES}}]) = x"{{CONSTANT_DATA}}"
CODE: constant(
    Bytes[{{CODE_BYTES}}]
) = x"{{CODE_DATA}}"
BASE: constant(uint256) = {{BASE}}  # base columns of an opened row
CUBIC: constant(uint256) = {{CUBIC}}  # columns in the extension behind them; the last is FRI's mask
NODES: constant(uint256) = {{NODES}}  # of a multi-proof, at most
MAX_PUBLIC: constant(uint256) = {{MAX_PUBLIC}}  # words

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


{{SIGNATURE}}
    st: uint256[16] = empty(uint256[16])
    v: uint256[INPUTS] = empty(uint256[INPUTS])
    roots: uint256[TREES] = empty(uint256[TREES])
    assert len(proof) >= {{MIN_BYTES}}, "verifier: proof too short"
    log_rows: uint256 = convert(extract32(proof, 0), uint256) >> 248
    state: bytes32 = self._begin(log_rows)
    assert convert(extract32(proof, 1), uint256) >> 192 == {{HEADER}}, "verifier: header"
    st[CURSOR] = 9
    st[LOG_SIZE] = log_rows + LOG_BLOWUP
{{PUBLIC}}
    # Commitments, each before the challenges that follow it.
{{ROOT_MAIN}}
    for k: uint256 in range({{CHALLENGES}}):
        state = transcript._squeeze(state, 0x81)
        v[CHALLENGES_AT + k] = transcript._element(state)
{{LIST_VALUES}}
{{ROOT_AUXILIARY}}
    state = transcript._squeeze(state, 0x82)
    st[BETA] = transcript._element(state)
{{ROOT_QUOTIENT}}
    # Out of domain: the constraints hold at z.
    state = transcript._squeeze(state, 0x83)
    st[Z] = transcript._element(state)
    assert st[Z] & (M64 << 128 | M64 << 64) != 0, "verifier: point in the base field"
    st[NEXT] = goldilocks._scale(st[Z], self._root(log_rows))
    state = keccak256(concat(state, x"06", slice(proof, st[CURSOR], {{FRAME_BYTES}})))
    for k: uint256 in range(FRAME):
        v[k] = (convert(extract32(proof, st[CURSOR]), uint256) >> 64) << 64
        st[BAD] |= unsafe_add((v[k] >> 64) & EVEN, CARRY)
        st[BAD] |= unsafe_add((v[k] >> 128) & M64, CARRY)
        st[CURSOR] += 24
    assert st[BAD] & CARRIED == 0, "verifier: element not canonical"
{{TABLES}}
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
{{FINAL_ABSORB}}
    final: uint256[MAX_FINAL] = empty(uint256[MAX_FINAL])
    for k: uint256 in range(final_length, bound=MAX_FINAL):
        final[k] = (convert(extract32(proof, st[CURSOR]), uint256) >> 64) << 64
        st[BAD] |= unsafe_add((final[k] >> 64) & EVEN, CARRY)
        st[BAD] |= unsafe_add((final[k] >> 128) & M64, CARRY)
        st[CURSOR] += 24
    state = transcript._squeeze(state, 0x86)
    assert (
        convert(keccak256(concat(state, slice(proof, st[CURSOR], 8))), uint256)
        >> (256 - {{GRINDING}})
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
    sizes: uint256[TREES] = {{ROW_BYTES}}
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
{{READ_ROWS}}
{{ROW_SUMS}}
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
@view
def _divisors(z: uint256, log_rows: uint256) -> uint256[{{DIVISOR_ROWS}}]:
    """
    @notice 1 over what vanishes on the rows of each kind of constraint, at z.
    """
    out: uint256[{{DIVISOR_ROWS}}] = empty(uint256[{{DIVISOR_ROWS}}])
    root: uint256 = self._root(log_rows)
    power: uint256 = goldilocks._power(z, 1 << log_rows)
    point: uint256 = 0
    value: uint256 = 0
{{DIVISORS}}
    return out


@internal
@pure
def _evaluate(
    v: uint256[INPUTS], divisors: uint256[{{DIVISOR_ROWS}}], beta: uint256
) -> uint256:
    """
    @notice All constraints at z, each over its divisor, joined by powers of beta.
    """
    m: uint256[SLOTS] = empty(uint256[SLOTS])
    for k: uint256 in range(INPUTS):
        m[k] = v[k]
    data: Bytes[{{CONSTANT_BYTES}}] = CONSTANTS
    for k: uint256 in range({{CONSTANTS}}):
        m[INPUTS + k] = (convert(extract32(data, 8 * k), uint256) >> 192) << 192
    code: Bytes[{{CODE_BYTES}}] = CODE
    total: uint256 = 0
    for k: uint256 in range({{STEPS}}):
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
            {{NODE}},
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
{{FOLD}}


{{WEIGH}}

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
{{POINT}}
    return x


@internal
@pure
def _point_inverse(position: uint256, offset: uint256) -> uint256:
    x: uint256 = offset
{{POINT_INVERSE}}
    return x


@internal
@pure
def _shift(layer: uint256) -> uint256:
    """
    @notice The offset of a layer's domain: 7^(8^layer).
    """
{{SHIFTS}}
    raise "verifier: layer"


@internal
@pure
def _shift_inverse(layer: uint256) -> uint256:
{{SHIFT_INVERSES}}
    raise "verifier: layer"
'''
