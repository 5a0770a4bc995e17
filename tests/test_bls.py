"""BLS signatures: agreement with py_ecc's own scheme where they meet, and refusal of bad points."""

from hashlib import sha256
from pathlib import Path

import pytest
from py_ecc.bls.hash_to_curve import hash_to_G1
from py_ecc.optimized_bls12_381 import curve_order, multiply, normalize

from axon.bls import (
    PUBLIC_KEY_SIZE,
    SIGNATURE_DOMAIN,
    SIGNATURE_SIZE,
    BlsSecret,
    aggregate,
    check_possession,
    verify_aggregate,
)
from axon.errors import AxonError, ConfigError

SECRETS = [BlsSecret(1000 + k) for k in range(3)]
MESSAGE = b"root"


def test_signature_is_the_hashed_point_times_the_scalar() -> None:
    x, y = normalize(multiply(hash_to_G1(MESSAGE, SIGNATURE_DOMAIN, sha256), 1000))
    assert SECRETS[0].sign(MESSAGE) == int(x).to_bytes(64, "big") + int(y).to_bytes(64, "big")


def test_quorum_verifies_and_nothing_else_does() -> None:
    keys = [secret.public for secret in SECRETS]
    quorum = aggregate([secret.sign(MESSAGE) for secret in SECRETS])
    assert verify_aggregate(keys, MESSAGE, quorum)
    assert not verify_aggregate(keys[:2], MESSAGE, quorum)
    assert not verify_aggregate([*keys, keys[0]], MESSAGE, quorum)
    assert not verify_aggregate(keys, b"another", quorum)
    assert not verify_aggregate([], MESSAGE, quorum)


def test_possession_is_proved_by_the_owner_only_and_is_no_signature() -> None:
    mine, other = SECRETS[:2]
    proof = mine.prove_possession()
    assert check_possession(mine.public, proof)
    assert not check_possession(other.public, proof)
    assert not check_possession(mine.public, mine.sign(mine.public))  # another domain


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        bytes(SIGNATURE_SIZE),  # infinity
        b"\xff" * SIGNATURE_SIZE,  # not below the modulus
        (4).to_bytes(64, "big") + (4).to_bytes(64, "big"),  # off the curve
        bytes(64) + (2).to_bytes(64, "big"),  # on the curve (0² = 0³ + 4), outside the subgroup
    ],
)
def test_bad_signature_points_are_refused(bad: bytes) -> None:
    assert not verify_aggregate([SECRETS[0].public], MESSAGE, bad)
    with pytest.raises(AxonError):
        aggregate([bad])


def test_bad_key_points_are_refused() -> None:
    signature = SECRETS[0].sign(MESSAGE)
    for bad in (bytes(PUBLIC_KEY_SIZE), b"\xff" * PUBLIC_KEY_SIZE, SECRETS[0].public[:-1]):
        assert not verify_aggregate([bad], MESSAGE, signature)
        assert not check_possession(bad, signature)


def test_key_file_is_made_once_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "bls"
    made = BlsSecret.load_or_create(path)
    assert BlsSecret.load_or_create(path).public == made.public
    assert path.stat().st_mode & 0o077 == 0
    path.write_text(f"{curve_order:064x}\n")
    with pytest.raises(ConfigError, match="outside"):
        BlsSecret.load_or_create(path)
