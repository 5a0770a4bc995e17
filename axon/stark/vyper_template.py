"""The hand-written part of a verifier contract; `vyper.py` fills the places between double braces.

State that lives long is in small memory arrays, not in variables: Venom keeps
variables on the stack and cannot spill. The external function owns the proof and the loops
over it: its first half is here, its second in `vyper_queries.py`; arithmetic is in the small functions
of `vyper_functions.py`. `{{PUBLIC}}`, `{{LIST_VALUES}}` and so on come from a face (`vyper_faces.py`).
"""

from axon.stark.vyper_functions import FUNCTIONS
from axon.stark.vyper_queries import QUERIES

__all__ = ["TEMPLATE"]

_COMMITMENTS = '''# pragma version 0.4.3
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
NODE: constant(uint256) = max_value(uint256)  # how an inner node's preimage begins, and no leaf's can
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
NEAR_COLUMNS: constant(uint256) = {{NEAR_COLUMNS}}
NEAR_BASE: constant(uint256) = {{NEAR_BASE}}  # functions at z in the base field; they come first
FAR_COLUMNS: constant(uint256) = {{FAR_COLUMNS}}
FAR_BASE: constant(uint256) = {{FAR_BASE}}  # place in the frame of the next row's first in the extension
ROW: constant(uint256) = {{ROW}}  # elements of an opened row, FRI's mask last
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


{{SIGNATURE}}
    st: uint256[28] = empty(uint256[28])
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

'''

TEMPLATE = _COMMITMENTS + QUERIES + FUNCTIONS
