"""Both trees: published vectors, slow twins, and proofs that must not pass."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.merkle import (
    EMPTY_LEAF,
    HistoryTree,
    KeccakTree,
    keccak256,
    leaf_hash,
    node_hash,
    root_from_path,
)

# The eight inputs and the tree heads of their prefixes from the test suite of Certificate
# Transparency's reference implementation (RFC 6962 §2.1.3 has the same shapes).
CT_INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def history(leaves: list[bytes]) -> HistoryTree:
    tree = HistoryTree()
    for leaf in leaves:
        tree.append(leaf)
    return tree


def twin(leaves: list[bytes]) -> bytes:
    """RFC 9162 §2.1.1, as it is written there."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    return sha256(b"\x01" + twin(leaves[:split]) + twin(leaves[split:])).digest()


def test_certificate_transparency_vectors() -> None:
    for count, root in enumerate(CT_ROOTS):
        assert history(CT_INPUTS[:count]).root().hex() == root


@given(st.lists(st.binary(max_size=5), max_size=40), st.lists(st.binary(max_size=5), max_size=9))
def test_history_tree_is_its_twin_and_sees_ahead(leaves: list[bytes], more: list[bytes]) -> None:
    tree = history(leaves)
    assert len(tree) == len(leaves)
    assert tree.root() == twin(leaves)
    assert tree.grow(more).root == twin(leaves + more)
    assert tree.root() == twin(leaves)


@given(st.lists(st.binary(max_size=5), min_size=1, max_size=40), st.data())
def test_inclusion_path_proves_its_leaf_and_nothing_else(leaves: list[bytes], data: st.DataObject) -> None:
    tree, count = history(leaves), len(leaves)
    index = data.draw(st.integers(0, count - 1))
    path, root = tree.path(index), tree.root()
    assert HistoryTree.includes(root, leaves[index], index, count, path)
    assert not HistoryTree.includes(root, leaves[index] + b"x", index, count, path)
    assert not HistoryTree.includes(root, leaves[index], index, count, [*path, bytes(32)])
    assert not HistoryTree.includes(root, leaves[index], count, count, path)
    assert not HistoryTree.includes(root, leaves[index], -1, count, path)
    if path:
        assert not HistoryTree.includes(root, leaves[index], index, count, path[:-1])
        at = data.draw(st.integers(0, len(path) - 1))
        path[at] = sha256(path[at]).digest()
        assert not HistoryTree.includes(root, leaves[index], index, count, path)
    with pytest.raises(IndexError):
        tree.path(count)


def test_keccak_is_the_hash_of_the_evm() -> None:
    """The empty hash and a selector that everybody knows: transfer(address,uint256)."""
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert keccak256(b"transfer(address,uint256)")[:4].hex() == "a9059cbb"


@given(st.lists(st.binary(max_size=70), max_size=20), st.data())
def test_keccak_tree_proves_each_leaf_at_its_place(leaves: list[bytes], data: st.DataObject) -> None:
    tree = KeccakTree(leaves)
    if not leaves:
        assert tree.root == EMPTY_LEAF
        return
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = tree.path(index)
    assert root_from_path(leaves[index], index, path) == tree.root
    other = data.draw(st.integers(0, 2 ** len(path) - 1))
    if other != index:
        assert root_from_path(leaves[index], other, path) != tree.root or path[0] == leaf_hash(leaves[index])
    assert root_from_path(leaves[index], index + 2 ** len(path), path) is None
    assert root_from_path(leaves[index], -1, path) is None
    with pytest.raises(IndexError):
        tree.path(len(leaves))


def test_node_never_passes_for_a_leaf() -> None:
    """Second preimage: 64 bytes that are two hashes, given as a leaf."""
    leaves = [bytes([number]) for number in range(4)]
    tree = KeccakTree(leaves)
    pair = leaf_hash(leaves[0]) + leaf_hash(leaves[1])
    assert root_from_path(pair, 0, tree.path(0)[1:]) != tree.root
    assert node_hash(pair[:32], pair[32:]) != leaf_hash(pair)


def test_padding_proves_no_claim() -> None:
    tree = KeccakTree([b"a", b"b", b"c"])
    path = [leaf_hash(b"c"), node_hash(leaf_hash(b"a"), leaf_hash(b"b"))]
    assert root_from_path(b"", 3, path) != tree.root
