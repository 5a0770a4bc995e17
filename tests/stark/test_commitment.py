"""Merkle trees and multi-proofs: what opens, and everything that must not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.errors import ProofRejected
from axon.stark.commitment import MerkleTree, sibling_count, verify_multi
from axon.stark.field import P
from axon.stark.keccak import hash_rows
from axon.stark.proof import Reader
from tests.stark import reference

sizes = st.sampled_from([26, 27, 28, 30, 31, 32])


def _leaves(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**64, (count, 4), dtype=np.uint64)


@st.composite
def openings(draw: st.DrawFn) -> tuple[int, list[int], int]:
    count = 1 << draw(st.integers(0, 9))
    indices = draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=12))
    return count, sorted(indices), draw(sizes)


@given(openings())
def test_tree_and_proof_agree_with_the_slow_twin(case: tuple[int, list[int], int]) -> None:
    count, indices, size = case
    leaves = _leaves(count)
    levels = reference.merkle_levels([leaf.tobytes() for leaf in leaves], size)
    tree = MerkleTree(leaves.copy(), size)
    assert tree.root == levels[-1][0]
    assert tree.leaves == count
    siblings = tree.open(indices)
    assert siblings == reference.merkle_siblings(levels, indices)
    assert len(siblings) == sibling_count(indices, len(levels) - 1)
    verify_multi(tree.root, count, indices, leaves[indices], siblings, size)


@given(openings(), st.data())
def test_no_other_proof_passes(case: tuple[int, list[int], int], data: st.DataObject) -> None:
    count, indices, size = case
    leaves = _leaves(count)
    tree = MerkleTree(leaves.copy(), size)
    siblings, opened = tree.open(indices), leaves[indices]

    def rejected(check: str, root: bytes, shown: np.ndarray, proof: list[bytes]) -> None:
        with pytest.raises(ProofRejected) as caught:
            verify_multi(root, count, indices, shown, proof, size)
        assert caught.value.check == check

    rejected("merkle-siblings", tree.root, opened, [*siblings, bytes(size)])
    byte = data.draw(st.integers(0, size - 1))
    flipped = bytearray(tree.root)
    flipped[byte] ^= 1
    rejected("merkle-root", bytes(flipped), opened, siblings)
    rejected("merkle-root", tree.root[:-1], opened, siblings)
    other = opened.copy()
    other[data.draw(st.integers(0, len(indices) - 1)), byte // 8] ^= np.uint64(1 << 8 * (byte % 8))
    rejected("merkle-root", tree.root, other, siblings)
    if siblings:
        rejected("merkle-siblings", tree.root, opened, siblings[:-1])
        at = data.draw(st.integers(0, len(siblings) - 1))
        damaged = bytearray(siblings[at])
        damaged[byte] ^= 0x80
        rejected("merkle-root", tree.root, opened, [*siblings[:at], bytes(damaged), *siblings[at + 1 :]])
        long = [*siblings[:at], siblings[at] + b"\0", *siblings[at + 1 :]]
        rejected("merkle-siblings", tree.root, opened, long)


def test_a_leaf_opens_only_at_its_place() -> None:
    leaves = _leaves(64)
    tree = MerkleTree(leaves)
    siblings = tree.open([5])
    for index in (4, 6, 5 + 32, 63):
        with pytest.raises(ProofRejected):
            verify_multi(tree.root, 64, [index], leaves[[5]], siblings)


def test_an_inner_node_is_not_a_leaf_of_a_smaller_tree() -> None:
    leaves = _leaves(64)
    tree = MerkleTree(leaves)
    inner = tree.levels[1]
    siblings = tree.open([6])[1:]
    verify_multi(tree.root, 32, [3], inner[[3]], siblings)  # its digest does fit one level up ...
    with pytest.raises(ProofRejected):  # ... so the tree's size is never the proof's to say
        verify_multi(tree.root, 64, [3], inner[[3]], siblings)


@pytest.mark.parametrize("size", [26, 31, 32])
def test_a_node_is_three_words(size: int) -> None:
    left, right = (leaf.tobytes()[:size] for leaf in _leaves(2))
    preimage = b"\xff" * 32 + left + bytes(32 - size) + right + bytes(32 - size)
    assert len(preimage) == 96
    assert MerkleTree(_leaves(2), size).root == reference.keccak256(preimage)[:size]


def test_a_node_s_preimage_begins_with_no_field_element() -> None:
    assert int.from_bytes(b"\xff" * 8, "big") >= P
    row = np.full((1, 12), (1 << 64) - 1, np.uint64)  # as long as a node's, hence its digest if it were read
    row[0, 4:] = np.frombuffer(b"".join(x.tobytes() for x in _leaves(2)), ">u8")
    root = MerkleTree(_leaves(2)).root
    assert hash_rows(row).tobytes() == root
    with pytest.raises(ProofRejected, match="not below P"):
        Reader(row.astype(">u8").tobytes()).rows(1, 12, 0, "main rows")
    with pytest.raises(ProofRejected, match="not below P"):  # a FRI group
        Reader(row.astype(">u8").tobytes()).extensions(4, "fri layer 0 values")


def test_siblings_come_as_the_climbing_leaves_need_them() -> None:
    """Leaves 1, 4 and 7 of eight, worked out by hand."""
    levels = reference.merkle_levels([leaf.tobytes() for leaf in _leaves(8)], 32)
    assert MerkleTree(_leaves(8)).open([1, 4, 7]) == [
        levels[0][0],  # 1 climbs two levels, then waits for 4..7
        levels[1][1],
        levels[0][5],  # 4 climbs one, then waits for 6..7
        levels[0][6],  # 7 meets what waits, twice
    ]


@given(openings(), st.data())
def test_siblings_in_another_order_are_refused(case: tuple[int, list[int], int], data: st.DataObject) -> None:
    count, indices, size = case
    leaves = _leaves(count)
    tree = MerkleTree(leaves.copy(), size)
    siblings = tree.open(indices)
    other = data.draw(st.permutations(siblings))
    if other == siblings:
        return
    with pytest.raises(ProofRejected):
        verify_multi(tree.root, count, indices, leaves[indices], other, size)


@pytest.mark.parametrize("indices", [[], [3, 3], [4, 2], [-1], [64]])
def test_indices_must_be_sorted_unique_and_in_range(indices: list[int]) -> None:
    leaves = _leaves(64)
    tree = MerkleTree(leaves)
    with pytest.raises(ValueError):
        tree.open(indices)
    with pytest.raises(ValueError):
        verify_multi(tree.root, 64, indices, leaves[: len(indices)], [])


def test_bad_parameters_are_refused() -> None:
    with pytest.raises(ValueError):
        MerkleTree(_leaves(6))
    with pytest.raises(ValueError):
        MerkleTree(_leaves(8), 25)
    with pytest.raises(ValueError):
        MerkleTree(_leaves(8), 33)
    with pytest.raises(ValueError):
        verify_multi(b"", 6, [0], _leaves(1), [])
    with pytest.raises(ValueError):
        verify_multi(b"", 8, [0], _leaves(2), [])


def test_one_leaf_is_its_own_root() -> None:
    leaves = _leaves(1)
    tree = MerkleTree(leaves)
    assert tree.root == leaves[0].tobytes() and tree.open([0]) == []
    verify_multi(tree.root, 1, [0], leaves, [])


def test_large_trees_are_built_on_all_threads() -> None:
    leaves = _leaves(1 << 12)
    assert MerkleTree(leaves).root == reference.merkle_levels([x.tobytes() for x in leaves], 32)[-1][0]
