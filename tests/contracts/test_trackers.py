"""The registry of trackers: proofs of possession, bad points, quorums."""

from functools import cache

import pytest
from py_ecc.optimized_bls12_381 import FQ2, curve_order, field_modulus

from axon.bls import BlsSecret, aggregate
from axon.chain.artifacts import artifact
from axon.chain.contract import Contract, deploy
from axon.chain.embedded import EmbeddedChain
from axon.errors import ChainError
from axon.merkle import keccak256

SECRETS = [BlsSecret(500 + k) for k in range(7)]
MESSAGE = keccak256(b"root of receipts")


@cache
def registry() -> Contract:
    contract = deploy(EmbeddedChain(), artifact("trackers"))
    for secret in SECRETS:
        contract.transact("register", secret.public, secret.prove_possession())
    return contract


@cache
def signature(*ids: int) -> bytes:
    return aggregate([SECRETS[k].sign(MESSAGE) for k in ids])


def outside_the_subgroup() -> bytes:
    """A point of the twist whose order is not r: the first x = (k, 1) that has a y."""
    for k in range(100):
        x = FQ2([k, 1])
        square = x * x * x + FQ2([4, 4])
        y = _sqrt(square)
        if y is not None:
            return b"".join(int(c).to_bytes(64, "big") for q in (x, y) for c in q.coeffs)
    raise AssertionError


def _sqrt(a: FQ2) -> FQ2 | None:
    """A square root in Fp2: try the eighth roots of unity."""
    candidate = a ** ((field_modulus**2 + 7) // 16)
    root = FQ2([1, 1])
    unity = root ** ((field_modulus**2 - 1) // 16)
    for k in range(16):
        y = candidate * unity**k
        if y * y == a:
            return y
    return None


def test_registered_keys_are_numbered_and_read_back() -> None:
    contract = registry()
    assert contract.call("registered") == 7
    for id, secret in enumerate(SECRETS):
        assert contract.call("key_of", id) == secret.public
        assert contract.call("id_of", secret.public) == id
    (first, *_) = contract.events("TrackerRegistered")
    assert first["id"] == 0
    assert first["key"] == SECRETS[0].public


def test_what_is_not_registered_is_said_to_be_unknown() -> None:
    with pytest.raises(ChainError, match="trackers: unknown id"):
        registry().call("key_of", 7)
    with pytest.raises(ChainError, match="trackers: unknown key"):
        registry().call("id_of", BlsSecret(9001).public)


def test_a_key_counts_once() -> None:
    secret = SECRETS[2]
    with pytest.raises(ChainError, match="trackers: already registered"):
        registry().transact("register", secret.public, secret.prove_possession())


def test_possession_must_be_proved_by_the_owner() -> None:
    mine, other = BlsSecret(9001), BlsSecret(9002)
    for proof in (
        other.prove_possession(),
        mine.sign(mine.public),  # right key, the domain of ordinary signatures
        bytes(128),
        b"\xff" * 128,
        mine.prove_possession()[:64] + bytes(64),
    ):
        with pytest.raises(ChainError, match="trackers: possession not proved"):
            registry().transact("register", mine.public, proof)


def test_bad_keys_are_refused() -> None:
    good = BlsSecret(9003)
    high = int.from_bytes(good.public[:64], "big") + field_modulus
    bad = {
        "infinity": bytes(256),
        "off the curve": good.public[:255] + bytes([good.public[255] ^ 1]),
        "not canonical": high.to_bytes(64, "big") + good.public[64:],
        "outside the subgroup": outside_the_subgroup(),
    }
    for name, key in bad.items():
        for proof in (good.prove_possession(), bytes(128)):
            with pytest.raises(ChainError, match="trackers: possession not proved"):
                registry().transact("register", key, proof)
                raise AssertionError(name)
    with pytest.raises(ChainError, match="trackers: key is not 256 bytes"):
        registry().transact("register", good.public[:255], good.prove_possession())
    with pytest.raises(ChainError, match="trackers: proof is not 128 bytes"):
        registry().transact("register", good.public, good.prove_possession()[:127])


@pytest.mark.parametrize("id", [0, 126, 127, 254, 255, 65_534, 65_535, 2**24 - 2, 2**24 - 1])
def test_a_key_is_found_wherever_its_id_put_it(id: int) -> None:
    """The registry computes the address of a key from its nonce, whose RLP is longer from 128, 256 on."""
    contract = deploy(EmbeddedChain(), artifact("trackers"))
    chain = contract.chain
    assert isinstance(chain, EmbeddedChain)
    env = chain._state.env
    env.evm.vm.state.set_nonce(contract.address, id + 1)  # as if there were that many keys already
    env.set_storage("0x" + contract.address.hex(), 0, id)
    secret = SECRETS[0]
    receipt = contract.transact("register", secret.public, secret.prove_possession())
    (event,) = contract.decode(receipt.logs)
    assert event["id"] == id
    assert contract.call("key_of", id) == secret.public
    assert contract.call("verify", MESSAGE, [id], signature(0))


def test_a_quorum_verifies() -> None:
    for ids in ([0], [1, 4, 6], [0, 1, 2, 3, 4, 5, 6]):
        assert registry().call("verify", MESSAGE, ids, signature(*ids))


def test_another_set_or_message_does_not_verify() -> None:
    contract = registry()
    assert not contract.call("verify", MESSAGE, [0, 1], signature(0, 1, 2))
    assert not contract.call("verify", MESSAGE, [0, 1, 2, 3], signature(0, 1, 2))
    assert not contract.call("verify", keccak256(b"another"), [0, 1, 2], signature(0, 1, 2))
    assert not contract.call("verify", MESSAGE, [], signature(0))
    assert not contract.call("verify", MESSAGE, [0], bytes(128))
    assert not contract.call("verify", MESSAGE, [0], b"\xff" * 128)


def test_nobody_signs_twice() -> None:
    twice = aggregate([SECRETS[0].sign(MESSAGE)] * 2)
    with pytest.raises(ChainError, match="trackers: ids not ascending"):
        registry().call("verify", MESSAGE, [0, 0], twice)
    with pytest.raises(ChainError, match="trackers: ids not ascending"):
        registry().call("verify", MESSAGE, [1, 0], signature(0, 1))
    with pytest.raises(ChainError, match="trackers: unknown id"):
        registry().call("verify", MESSAGE, [0, 7], signature(0))


def test_keys_that_cancel_out_sign_nothing() -> None:
    """One party registers k and -k: their sum is infinity, and so would be a valid signature of anything."""
    contract = deploy(EmbeddedChain(), artifact("trackers"))
    for scalar in (123, curve_order - 123):
        secret = BlsSecret(scalar)
        contract.transact("register", secret.public, secret.prove_possession())
    assert not contract.call("verify", MESSAGE, [0, 1], bytes(128))


def test_seven_signers_cost_at_most_180k_gas() -> None:
    contract, ids = registry(), list(range(7))
    receipt = contract.transact("verify", MESSAGE, ids, signature(*ids))
    calldata = contract.calldata("verify", MESSAGE, ids, signature(*ids))
    zeros = calldata.count(0)
    execution = receipt.gas_used - 21_000 - 16 * (len(calldata) - zeros) - 4 * zeros
    assert execution <= 180_000
