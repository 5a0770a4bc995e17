# pragma version 0.4.3
# pragma evm-version prague
"""
@title Linear distribution: what is left, in equal parts over the epochs that are left
@license Apache-2.0
@notice Stake that arrives later is spread over the later epochs. The token's parameter is unused.
"""

from ..interfaces import IDistribution
from ..interfaces import IPool

implements: IDistribution


@external
@view
def budget(pool: address, token: address, epoch: uint256, remaining: uint256) -> uint256:
    """
    @notice remaining / (epochs - epoch), rounded down.
    """
    epochs: uint256 = staticcall IPool(pool).epochs()
    assert epoch < epochs, "linear: no such epoch"
    return remaining // (epochs - epoch)
