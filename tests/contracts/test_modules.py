"""Modules against their Python twins, compiled by both code generators."""

from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from py_ecc.bls.hash_to_curve import hash_to_G1
from py_ecc.optimized_bls12_381 import normalize

from axon.bls import POP_DOMAIN, SIGNATURE_DOMAIN, BlsSecret, aggregate
from axon.chain.artifacts import Artifact
from axon.chain.build import compile_contract
from axon.chain.contract import Contract, deploy
from axon.chain.embedded import EmbeddedChain
from axon.chain.shares import ShareList, pack_shares, unpack_shares
from axon.errors import ChainError
from axon.merkle import EMPTY_LEAF, KeccakTree, leaf_hash, node_hash

both = pytest.mark.parametrize("venom", [False, True], ids=["legacy", "venom"])


@cache
def harness(name: str, venom: bool) -> Contract:
    compiled = compile_contract(f"mocks/{name}", venom)
    abi, code = compiled["abi"], bytes.fromhex(str(compiled["bytecode"]))
    return deploy(EmbeddedChain(), Artifact(name, abi, code))  # type: ignore[arg-type]


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


@both
@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 8, 9, 33])
def test_roots_agree_with_the_python_tree(venom: bool, count: int) -> None:
    data = [word(k) + word(k * k) for k in range(count)]
    tree = KeccakTree(data)
    contract = harness("merkle_harness", venom)
    assert contract.call("root", [leaf_hash(d) for d in data]) == tree.root
    for index in range(count):
        leaf = contract.call("leaf", index, index * index)
        assert leaf == leaf_hash(data[index])
        assert contract.call("climb", leaf, index, tree.path(index)) == tree.root


@both
def test_a_tree_of_the_largest_size_agrees(venom: bool) -> None:
    leaves = [word(k) for k in range(1024)]
    row = leaves
    while len(row) > 1:
        row = [node_hash(row[k], row[k + 1]) for k in range(0, len(row), 2)]
    assert harness("merkle_harness", venom).call("root", leaves) == row[0]


@both
def test_a_path_proves_one_place_only(venom: bool) -> None:
    contract = harness("merkle_harness", venom)
    tree = KeccakTree([word(k) + word(0) for k in range(6)])
    leaf, path = leaf_hash(word(2) + word(0)), tree.path(2)
    assert contract.call("climb", leaf, 2, path) == tree.root
    for index in (0, 1, 3, 4, 5, 7):  # another place, sorted pairs would not care
        assert contract.call("climb", leaf, index, path) != tree.root
    for index in (8 + 2, 1 << 200):  # beyond the depth
        assert contract.call("climb", leaf, index, path) == EMPTY_LEAF
    assert contract.call("climb", leaf, 2, path[:-1]) != tree.root
    assert contract.call("climb", leaf, 2, [*path, bytes(32)]) != tree.root


@both
def test_a_node_never_passes_for_a_leaf(venom: bool) -> None:
    contract = harness("merkle_harness", venom)
    tree = KeccakTree([word(k) + word(0) for k in range(4)])
    left, right = (node_hash(leaf_hash(word(k) + word(0)), leaf_hash(word(k + 1) + word(0))) for k in (0, 2))
    fake = contract.call("leaf", int.from_bytes(left, "big"), int.from_bytes(right, "big"))
    assert fake != tree.root  # the 64 bytes of the root's own preimage


@both
@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 256])
def test_hashing_to_the_curve_agrees_with_py_ecc(venom: bool, size: int) -> None:
    from hashlib import sha256

    message = bytes(range(256))[:size]
    for possession, domain in ((False, SIGNATURE_DOMAIN), (True, POP_DOMAIN)):
        x, y = normalize(hash_to_G1(message, domain, sha256))
        expected = int(x).to_bytes(64, "big") + int(y).to_bytes(64, "big")
        assert harness("bls_harness", venom).call("hash_to_g1", message, possession) == expected


@both
def test_signatures_verify_as_in_python(venom: bool) -> None:
    contract, secret = harness("bls_harness", venom), BlsSecret(77)
    signature = secret.sign(b"message")
    check: Callable[..., bool] = lambda *args: bool(contract.call("verify", *args))  # noqa: E731
    assert check(secret.public, b"message", signature)
    assert not check(secret.public, b"another", signature)
    assert not check(BlsSecret(78).public, b"message", signature)
    assert not check(secret.public, b"message", aggregate([signature, signature]))
    assert not check(bytes(256), b"message", bytes(128))  # both at infinity satisfy the equation
    assert not check(secret.public, b"message", signature[:-1])


@given(st.lists(st.integers(0, (1 << 48) - 1), min_size=1, max_size=23), st.integers(0, 2**128 - 1))
def test_shares_survive_packing_and_payouts_leave_no_dust(shares: list[int], budget: int) -> None:
    while sum(shares) > 1 << 48:
        shares = [share >> 1 for share in shares]
    words = pack_shares(shares)
    assert unpack_shares(words, len(shares)) == shares
    listed = ShareList(0, shares)
    payouts = [listed.payout(k, budget) for k in range(len(shares))]
    assert sum(payouts) == budget * sum(shares) >> 48
    for share, payout in zip(shares, payouts):
        assert abs(payout - budget * share / 2**48) <= 1 + budget * 2**-50


@pytest.mark.parametrize("bad", [[], [-1], [1 << 48], [1 << 47] * 3, [0] * 5121])
def test_impossible_shares_are_refused(bad: list[int]) -> None:
    with pytest.raises(ChainError):
        pack_shares(bad)


def test_words_with_stray_bits_are_refused() -> None:
    words = pack_shares([1, 2, 3])
    for bit in (0, 15, 16, 63, 111):
        with pytest.raises(ChainError, match="hold exactly"):
            unpack_shares([words[0] ^ 1 << bit], 3)
