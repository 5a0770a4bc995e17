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
    row: bytes32[merkle.ROW] = empty(bytes32[merkle.ROW])
    count: uint256 = 0
    for leaf: bytes32 in leaves:
        node: bytes32 = leaf
        level: uint256 = 0
        for k: uint256 in range(merkle.MAX_DEPTH):
            if (count >> level) & 1 == 0:
                break
            node = merkle._node(row[level], node)
            level += 1
        row[level] = node
        count += 1
    return merkle._close(row, count)


@external
@pure
def climb(leaf: bytes32, index: uint256, path: DynArray[bytes32, merkle.MAX_DEPTH]) -> bytes32:
    return merkle._climb(leaf, index, path)
