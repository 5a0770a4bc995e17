"""A pool on a chain as rules: what `axon.rewards` needs to know of it."""

from axon.chain.pool import Pool
from axon.ids import NodeKey
from axon.rewards.pools import PoolMember, PoolRules

__all__ = ["read_rules"]


def read_rules(pool: Pool, blocks: int) -> PoolRules:
    """Read a pool's terms and members.

    Parameters
    ----------
    blocks : int
        Of 16 KiB in the torrent; the chain knows its info-hash only.

    Raises
    ------
    ChainError
        If the node does not answer.
    """
    terms = pool.terms()
    return PoolRules(
        pool.chain.chain_id,
        pool.address,
        terms.info_hash,
        blocks,
        terms.start,
        terms.epoch_length,
        terms.c,
        terms.c_e,
        terms.lambda_,
        tuple((NodeKey(weight.node_key), weight.weight) for weight in terms.weights),
        tuple(PoolMember(m.account, m.node_key, m.binding, m.joined, m.left) for m in pool.members()),
        pool.rules_hash(),
    )
