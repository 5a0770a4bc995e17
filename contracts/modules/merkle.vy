# pragma version 0.4.3
"""
@title Positional Merkle trees over keccak-256
@license Apache-2.0
@notice Leaves are hashed behind 0x00 and nodes behind 0x01, so that neither passes for the other.
        A tree is padded with zero leaves to a power of two; its twin is `KeccakTree` in
        `axon/merkle.py`.
@dev Positional, not sorted pairs: the index says on which side a sibling stands, so a path proves
     one place only.
"""

MAX_DEPTH: constant(uint256) = 10
MAX_LEAVES: constant(uint256) = 1024  # 2 ** MAX_DEPTH
ROW: constant(uint256) = 11  # MAX_DEPTH + 1: what `_close` takes


@internal
@pure
def _leaf(first: uint256, second: uint256) -> bytes32:
    """
    @notice Hash a leaf of two words.
    """
    return keccak256(concat(x"00", convert(first, bytes32), convert(second, bytes32)))


@internal
@pure
def _node(left: bytes32, right: bytes32) -> bytes32:
    """
    @notice Hash an inner node.
    """
    return keccak256(concat(x"01", left, right))


@internal
@pure
def _close(row: bytes32[ROW], count: uint256) -> bytes32:
    """
    @notice The root above `count` leaves that came one after another; zero when there are none.
    @param row By level, the node that waits for its right neighbour, where `count` has a bit: a
           leaf joins the node of level 0 if there is one, both join that of level 1, and so on.
           Callers do this themselves, since passing arrays copies them.
    """
    node: bytes32 = empty(bytes32)
    padding: bytes32 = empty(bytes32)  # the root of an all-zero subtree as high as this level
    left: uint256 = count
    open: bool = False  # whether `node` holds leaves
    for level: uint256 in range(ROW):
        if left == 0:
            break
        if left == 1 and not open:
            return row[level]
        if left & 1 == 1:
            if open:
                node = self._node(row[level], node)
            else:
                node = self._node(row[level], padding)
            open = True
        elif open:
            node = self._node(node, padding)
        left >>= 1
        if left > 0:
            padding = self._node(padding, padding)
    return node


@internal
@pure
def _climb(leaf: bytes32, index: uint256, path: DynArray[bytes32, MAX_DEPTH]) -> bytes32:
    """
    @notice The root that `path` leads to; zero, which is no tree's root, if `index` does not fit
            under a tree of that depth.
    """
    node: bytes32 = leaf
    place: uint256 = index
    for sibling: bytes32 in path:
        if place & 1 == 0:
            node = self._node(node, sibling)
        else:
            node = self._node(sibling, node)
        place >>= 1
    if place != 0:
        return empty(bytes32)
    return node
