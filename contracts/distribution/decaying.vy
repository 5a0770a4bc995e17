# pragma version 0.4.3
# pragma evm-version prague
"""
@title Decaying distribution: each epoch pays the same part of what is left
@license Apache-2.0
@notice The token's parameter is that part in units of 10^-18. Early peers, who take the greater
        risk, earn more; the pool never runs quite dry.
"""

from ..interfaces import IDistribution
from ..interfaces import IPool

implements: IDistribution

UNIT: constant(uint256) = 10**18


@external
@view
def budget(pool: address, token: address, epoch: uint256, remaining: uint256) -> uint256:
    """
    @notice remaining * parameter / 10^18, rounded down; a parameter above 10^18 counts as 10^18.
    """
    part: uint256 = min(staticcall IPool(pool).parameter(token), UNIT)
    return remaining * part // UNIT
