# pragma version 0.4.3
"""
@title A distribution that lies, reverts or burns gas: for tests
@license Apache-2.0
"""

from ..interfaces import IDistribution

implements: IDistribution

mode: public(uint256)  # 0: too much, 1: revert, 2: loop


@external
def set_mode(mode: uint256):
    self.mode = mode


@external
@view
def budget(pool: address, token: address, epoch: uint256, remaining: uint256) -> uint256:
    assert self.mode != 1, "distribution: no"
    x: uint256 = 1
    if self.mode == 2:
        for i: uint256 in range(100000000):
            x = unsafe_add(unsafe_mul(x, 3), i)
        return x
    return max_value(uint256)
