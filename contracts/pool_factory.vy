# pragma version 0.4.3
# pragma evm-version prague
"""
@title Pool factory: one clone of the pool for each set of terms
@license Apache-2.0
@notice Anybody may open a pool for any torrent; nobody owns the factory. A pool says nothing about
        whether its terms are fair: read them before joining or staking.
"""

from .interfaces import IPool
from .interfaces import ITrackers
from .modules import terms as rules

POOL: immutable(address)  # the implementation behind every clone
TRACKERS: immutable(ITrackers)

event PoolCreated:
    info_hash: indexed(bytes20)
    publisher: indexed(address)
    pool: address


is_pool: public(HashMap[address, bool])
pool_count: public(HashMap[bytes20, uint256])
pool_at: public(HashMap[bytes20, HashMap[uint256, address]])  # info-hash -> number -> pool


@deploy
def __init__(pool: address):
    """
    @param pool The implementation that clones delegate to (EIP-1167).
    """
    assert pool.is_contract, "factory: implementation has no code"
    POOL = pool
    TRACKERS = ITrackers(staticcall IPool(pool).trackers())


@external
def create_pool(terms: IPool.Terms, salt: bytes32) -> address:
    """
    @notice Open a pool; the sender is its publisher.
    @param terms Fixed for good.
    @param salt Any word; the address depends on it, the sender and the terms, so that a
           reorganisation cannot put another pool at an address that somebody has staked into.
    @return The pool.
    """
    rules._check(terms, TRACKERS)
    rules_hash: bytes32 = keccak256(abi_encode(terms))
    pool: address = raw_create(
        concat(rules.LOADER, convert(POOL, bytes20), rules.FORWARD),
        rules_hash,
        msg.sender,
        terms,
        salt=keccak256(abi_encode(msg.sender, rules_hash, salt)),
    )

    number: uint256 = self.pool_count[terms.info_hash]
    self.pool_at[terms.info_hash][number] = pool
    self.pool_count[terms.info_hash] = number + 1
    self.is_pool[pool] = True
    log PoolCreated(info_hash=terms.info_hash, publisher=msg.sender, pool=pool)
    return pool


@external
@view
def implementation() -> address:
    """
    @notice The contract that pools delegate to.
    """
    return POOL
