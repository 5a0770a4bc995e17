"""The SHA-256 trees of BEP 52, against a plain recursive twin."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.hashtree import (
    LayerTree,
    height,
    layer_root,
    leaf_hashes,
    merkle_root,
    pad_hash,
    proof_size,
    verify_hashes,
)


def plain_root(row: list[bytes]) -> bytes:
    """Hash a full row of a power of two."""
    if len(row) == 1:
        return row[0]
    half = len(row) // 2
    return sha256(plain_root(row[:half]) + plain_root(row[half:])).digest()


rows = st.integers(1, 40).map(lambda count: [sha256(bytes([k])).digest() for k in range(count)])


@given(rows, st.integers(0, 3), st.integers(0, 2))
def test_a_short_row_is_filled_up_with_padding(row: list[bytes], layer: int, extra: int) -> None:
    up = height(len(row)) + extra
    full = row + [pad_hash(layer)] * ((1 << up) - len(row))
    assert merkle_root(row, layer, up) == plain_root(full)


def test_padding_is_zero_hashes_not_hashes_of_zeros() -> None:
    assert pad_hash(0) == bytes(32)
    assert pad_hash(1) == sha256(bytes(64)).digest()
    data = bytes(range(256)) * 100  # 25,600 bytes: a full leaf and a short one
    assert leaf_hashes(data) == [sha256(data[:16384]).digest(), sha256(data[16384:]).digest()]
    assert leaf_hashes(b"") == []
    with pytest.raises(ValueError, match="do not fit"):
        merkle_root([])
    with pytest.raises(ValueError, match="do not fit"):
        merkle_root([bytes(32)] * 3, 0, 1)


@given(st.integers(16385, 300_000), st.sampled_from([16384, 32768, 65536]))
def test_the_piece_layer_and_the_leaves_lead_to_one_root(length: int, piece_length: int) -> None:
    data = b"\x5a" * length
    up = height(piece_length // 16384)
    pieces = [
        merkle_root(leaf_hashes(data[k : k + piece_length]), 0, up) for k in range(0, length, piece_length)
    ]
    if len(pieces) > 1:
        assert layer_root(b"".join(pieces), piece_length) == merkle_root(leaf_hashes(data))


@given(rows.filter(lambda row: len(row) > 1), st.integers(0, 3), st.data())
def test_hash_requests_are_answered_provably(row: list[bytes], layer: int, data: st.DataObject) -> None:
    tree = LayerTree(row, layer)
    top = layer + height(len(row))
    assert tree.root == merkle_root(row, layer)
    base = data.draw(st.integers(layer, top - 1), label="base layer")
    length = 1 << data.draw(st.integers(1, top - base), label="log length")
    index = length * data.draw(st.integers(0, (1 << (top - base)) // length - 1), label="at")
    full = top - base - 1
    answer = tree.hashes(base, index, length, full)
    assert answer is not None
    assert len(answer) == length + proof_size(length, full)
    assert verify_hashes(tree.root, top, base, index, length, answer)
    assert answer[:length] == [tree.node(base, index + k) for k in range(length)]
    at = data.draw(st.integers(0, len(answer) - 1), label="tampered")
    answer[at] = bytes([answer[at][0] ^ 1]) + answer[at][1:]
    assert not verify_hashes(tree.root, top, base, index, length, answer)
    assert not verify_hashes(tree.root, top, base, index, length, answer[:-1])
    assert not verify_hashes(tree.root, top, base, index, length, [*answer, bytes(32)])


@given(rows, st.integers(-1, 8), st.integers(-1, 70), st.integers(-1, 1030), st.integers(-1, 70))
def test_no_hash_request_breaks_the_tree(
    row: list[bytes], base: int, index: int, length: int, proof: int
) -> None:
    answer = LayerTree(row, 1).hashes(base, index, length, proof)
    assert answer is None or len(answer) == length + proof_size(length, proof)


def test_requests_outside_the_tree_are_refused() -> None:
    tree = LayerTree([bytes([k]) * 32 for k in range(5)], 2)  # layers 2 to 5
    assert tree.hashes(2, 0, 2, 2) is not None
    for base, index, length, proof in [
        (1, 0, 2, 0),  # below what is known
        (2, 8, 2, 0),  # right of the padded row
        (2, 1, 2, 0),  # not aligned
        (2, 0, 3, 0),
        (2, 0, 1, 0),
        (2, 0, 1024, 0),
        (2, 0, 16, 0),  # wider than the tree
        (2, 0, 2, 3),  # above the root
        (5, 0, 2, 0),
    ]:
        assert tree.hashes(base, index, length, proof) is None
