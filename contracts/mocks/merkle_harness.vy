# pragma version 0.4.3
"""
@title The merkle module, callable: for tests
@license Apache-2.0
"""

from ..modules import merkle


@external
@pure
def leaf(first: uint256, second: uint256) -> bytes32:
    return merkle._leaf(first, second)


@external
@pure
def root(leaves: DynArray[bytes32, merkle.MAX_LEAVES]) -> bytes32:
    return merkle._root(leaves)


@external
@pure
def climb(leaf: bytes32, index: uint256, path: DynArray[bytes32, merkle.MAX_DEPTH]) -> bytes32:
    return merkle._climb(leaf, index, path)
