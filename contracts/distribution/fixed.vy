# pragma version 0.4.3
# pragma evm-version prague
"""
@title Fixed-rate distribution: each epoch pays the same amount while the stake lasts
@license Apache-2.0
@notice The token's parameter is the amount of an epoch in base units.
"""

from ..interfaces import IDistribution
from ..interfaces import IPool

implements: IDistribution


@external
@view
def budget(pool: address, token: address, epoch: uint256, remaining: uint256) -> uint256:
    """
    @notice The token's parameter, or what is left of the stake.
    """
    return min(staticcall IPool(pool).parameter(token), remaining)
