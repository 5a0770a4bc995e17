"""How public inputs reach a printed verifier: as a pool gives them, or as anybody does."""

__all__ = ["GENERIC", "POOL", "Face"]

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
from . import goldilocks
from . import transcript
""",
    signature='''@external
@view
def verify(statement: uint256[10], shares: DynArray[uint256, 1024], proof: Bytes[{{PROOF_LIMIT}}]) -> bool:
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
''',
    public="""    roots[0] = statement[4]
    assert roots[0] & DIGEST_MASK == roots[0], "verifier: root is no digest"
    for k: uint256 in range(4):
        v[PUBLICS_AT + k] = statement[6 + k] << 192
    state = self._absorb_public(state, statement, keccak256(abi_encode(shares)))
""",
    values="""    # Horner's rule by words of five shares; from one, so that the list's length is bound too.
    for k: uint256 in range(5):
        st[TEMPORARY] = goldilocks.ONE
        if k > 0:
            st[TEMPORARY] = goldilocks._mul(st[SHARE_POWERS + k - 1], v[{challenge}])
        st[SHARE_POWERS + k] = st[TEMPORARY]
    st[TEMPORARY] = goldilocks._mul(st[SHARE_POWERS + 4], v[{challenge}])
    v[{place}] = goldilocks.ONE
    left: uint256 = statement[5]
    for word: uint256 in shares:
        if left >= 5:
            assert word & 65535 == 0, "verifier: shares"
            v[{place}] = goldilocks._add(
                goldilocks._mul(v[{place}], st[TEMPORARY]),
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
                v[{place}] = goldilocks._add(
                    goldilocks._mul(v[{place}], v[{challenge}]), (rest >> 208) << 192
                )
                rest = rest << 48
                left = unsafe_sub(left, 1)
            assert rest == 0, "verifier: shares"
""",
    functions='''

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
    proof: Bytes[{{PROOF_LIMIT}}],
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
    values="""    # Horner's rule over the list; from one, so that its length is bound too.
    v[{place}] = goldilocks.ONE
    for value: uint256 in values:
        v[{place}] = goldilocks._add(goldilocks._mul(v[{place}], v[{challenge}]), value << 192)
""",
    functions='''

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
    @notice Absorb root, scalars, the list's length and digest, and the context behind its length.
    """
    words: DynArray[uint256, {{LIST_WORDS}}] = []
    for k: uint256 in range(len(values), bound={{LIST_LIMIT}}):
        assert values[k] >> {{LIST_BITS}} == 0, "verifier: list"
        if k % {{LIST_LANES}} == 0:
            words.append(0)
        words[len(words) - 1] |= values[k] << (256 - {{LIST_BITS}} * (1 + k % {{LIST_LANES}}))
    pieces: uint256[66] = empty(uint256[66])
    for k: uint256 in range(len(scalars), bound=64):
        pieces[k >> 2] |= scalars[k] << (192 - 64 * (k & 3))
    root: Bytes[32] = b""
    if {{HAS_ATTESTED}}:
        root = concat(convert(attested, bytes32), b"")
    list_part: Bytes[40] = b""
    if {{HAS_LIST}}:
        list_part = concat(convert(convert(len(values), uint64), bytes8), keccak256(abi_encode(words)))
    return keccak256(
        concat(
            state,
            x"02",
            root,
            slice(abi_encode(pieces), 0, 8 * len(scalars)),
            list_part,
            convert(convert(len(context), uint64), bytes8),
            context,
        )
    )
''',
)
