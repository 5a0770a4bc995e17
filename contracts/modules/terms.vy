# pragma version 0.4.3
"""
@title A pool's terms: their limits, and where a pool keeps them
@license Apache-2.0
@notice A pool is a proxy (EIP-1167) whose code goes on behind the 45 bytes that run: hash of the
        terms, publisher, and the terms as the contract ABI encodes them. No call can change
        them, and reading costs a copy of warm code instead of a cold slot for every word.
@dev The layout of OpenZeppelin's clones with immutable arguments.
"""

from ..interfaces import IPool
from ..interfaces import ITrackers

MAX_TOKENS: constant(uint256) = 8
MAX_TRACKERS: constant(uint256) = 16

_PROXY: constant(uint256) = 45  # bytes
_STRUCT: constant(uint256) = 141  # where the encoded terms begin: behind the proxy and three words
_HEAD: constant(uint256) = 576  # bytes of a Plan
_TOKENS: constant(uint256) = 480  # behind _STRUCT: its fifteen words, then the list of tokens
_NONSENSE_GAS: constant(uint256) = 1_000_000  # more than it takes to see that an empty proof is none
_MAX_FEE: constant(uint256) = 5_000  # basis points
_MAX_PERIOD: constant(uint256) = 10 * 366 * 86400  # seconds, of any one term
_MAX_EPOCHS: constant(uint256) = 2**24

# Creation code that returns what follows its first eleven bytes; then the proxy around an address.
LOADER: constant(Bytes[21]) = x"600b380380600b5f395ff3363d3d373d3d3d363d73"
FORWARD: constant(Bytes[15]) = x"5af43d82803e903d91602b57fd5bf3"

# What does not vary in length, in the order of the code. Fields of the same names: IPool.Terms.
struct Plan:
    rules_hash: bytes32
    publisher: address
    struct_at: uint256
    info_hash: bytes20
    start: uint256
    epoch_length: uint256
    epochs: uint256
    claim_window: uint256
    quorum: uint256
    c: uint256
    c_e: uint256
    lambda_: uint256
    fee: uint256
    distribution: address
    verifier: address
    tokens_at: uint256  # _TOKENS; these three count bytes behind _STRUCT
    trackers_at: uint256
    weights_at: uint256


@internal
@view
def _check(terms: IPool.Terms, registry: ITrackers):
    """
    @notice Refuse terms that no pool could keep.
    """
    assert terms.info_hash != empty(bytes20), "pool: no info-hash"
    assert terms.epoch_length > 0 and terms.epoch_length <= _MAX_PERIOD, "pool: bad epoch length"
    assert terms.epochs > 0 and terms.epochs <= _MAX_EPOCHS, "pool: bad number of epochs"
    assert terms.start + _MAX_PERIOD >= block.timestamp, "pool: start long past"
    assert terms.start <= block.timestamp + _MAX_PERIOD, "pool: start too far off"
    # Whoever earned in the last epoch must have as long as any other to see it settled.
    assert terms.claim_window >= terms.epoch_length, "pool: claim window below an epoch"
    assert terms.claim_window <= _MAX_PERIOD, "pool: claim window too long"
    assert terms.c >= 1 and terms.c <= 3 * 2**36, "pool: c out of range"
    assert terms.c_e >= 1 and terms.c_e <= 2**36, "pool: c_e out of range"
    assert terms.lambda_ <= 2**16, "pool: lambda out of range"
    assert terms.fee <= _MAX_FEE, "pool: fee too high"
    assert terms.distribution.is_contract, "pool: distribution has no code"
    assert terms.verifier.is_contract, "pool: verifier has no code"
    assert not raw_call(
        terms.verifier,
        abi_encode(
            empty(uint256[10]),
            empty(DynArray[uint256, 1]),
            b"",
            method_id=method_id("verify(uint256[10],uint256[],bytes)"),
        ),
        gas=_NONSENSE_GAS,
        is_static_call=True,
        revert_on_failure=False,
    ), "pool: verifier refuses nothing"

    assert terms.quorum > 0 and terms.quorum <= len(terms.trackers), "pool: bad quorum"
    registered: uint256 = staticcall registry.registered()
    for k: uint256 in range(len(terms.trackers), bound=MAX_TRACKERS):
        assert terms.trackers[k] < registered, "pool: unknown tracker"
        if k > 0:
            assert terms.trackers[k] > terms.trackers[k - 1], "pool: trackers not ascending"

    assert len(terms.tokens) > 0, "pool: no tokens"
    for k: uint256 in range(len(terms.tokens), bound=MAX_TOKENS):
        assert terms.tokens[k].token.is_contract, "pool: token has no code"
        for j: uint256 in range(k, bound=MAX_TOKENS):
            assert terms.tokens[k].token != terms.tokens[j].token, "pool: duplicate token"
    for w: IPool.Weight in terms.weights:
        assert w.node_key != empty(bytes32), "pool: weight without a key"
        assert w.weight < 2**64, "pool: weight too large"


@internal
@view
def _plan(pool: address) -> Plan:
    return abi_decode(slice(pool.code, _PROXY, _HEAD), Plan)


@internal
@view
def _token_count(pool: address) -> uint256:
    return convert(self._word(pool, _TOKENS), uint256)


@internal
@view
def _token(pool: address, number: uint256) -> address:
    return convert(self._word(pool, _TOKENS + 32 + 64 * number), address)


@internal
@view
def _parameter(pool: address, number: uint256) -> uint256:
    return convert(self._word(pool, _TOKENS + 64 + 64 * number), uint256)


@internal
@pure
def _tracker_count(plan: Plan) -> uint256:
    return (plan.weights_at - plan.trackers_at) // 32 - 1


@internal
@view
def _tracker(pool: address, plan: Plan, number: uint256) -> uint256:
    return convert(self._word(pool, plan.trackers_at + 32 + 32 * number), uint256)


@internal
@view
def _all(pool: address) -> IPool.Terms:
    """
    @notice The terms as they were given.
    """
    plan: Plan = self._plan(pool)
    tokens: DynArray[IPool.TokenTerms, 8] = []
    for k: uint256 in range(self._token_count(pool), bound=8):
        tokens.append(
            IPool.TokenTerms(token=self._token(pool, k), parameter=self._parameter(pool, k))
        )
    trackers: DynArray[uint256, 16] = []
    for k: uint256 in range(self._tracker_count(plan), bound=16):
        trackers.append(self._tracker(pool, plan, k))
    weights: DynArray[IPool.Weight, 32] = []
    count: uint256 = convert(self._word(pool, plan.weights_at), uint256)
    for k: uint256 in range(count, bound=32):
        at: uint256 = plan.weights_at + 32 + 64 * k
        weights.append(
            IPool.Weight(
                node_key=self._word(pool, at), weight=convert(self._word(pool, at + 32), uint256)
            )
        )
    return IPool.Terms(
        info_hash=plan.info_hash,
        start=plan.start,
        epoch_length=plan.epoch_length,
        epochs=plan.epochs,
        claim_window=plan.claim_window,
        quorum=plan.quorum,
        c=plan.c,
        c_e=plan.c_e,
        lambda_=plan.lambda_,
        fee=plan.fee,
        distribution=plan.distribution,
        verifier=plan.verifier,
        tokens=tokens,
        trackers=trackers,
        weights=weights,
    )


@internal
@view
def _word(pool: address, at: uint256) -> bytes32:
    """
    @notice One word of the encoded terms.
    """
    return extract32(slice(pool.code, _STRUCT + at, 32), 0)
