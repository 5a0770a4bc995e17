"""Node keys: RFC 8032's vectors, files, and signatures that must not pass."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.errors import ConfigError
from axon.ids import NodeKey
from axon.keys import NodeSecret, verify

RFC8032 = [  # §7.1, TEST 1 to 3: seed, public key, message, signature
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC8032)
def test_rfc_8032_vectors(seed: str, public: str, message: str, signature: str) -> None:
    secret = NodeSecret(bytes.fromhex(seed))
    assert secret.public.hex() == public
    assert secret.sign(bytes.fromhex(message)).hex() == signature
    assert verify(secret.public, bytes.fromhex(signature), bytes.fromhex(message))


@given(st.binary(max_size=50), st.integers(0, 63), st.integers(1, 255))
def test_changed_signature_message_or_key_does_not_verify(message: bytes, at: int, flip: int) -> None:
    secret, other = NodeSecret(b"\x01" * 32), NodeSecret(b"\x02" * 32)
    signature = secret.sign(message)
    bad = bytearray(signature)
    bad[at] ^= flip
    assert verify(secret.public, signature, message)
    assert not verify(secret.public, bytes(bad), message)
    assert not verify(secret.public, signature, message + b"x")
    assert not verify(other.public, signature, message)


@given(st.binary(max_size=70), st.binary(max_size=70))
def test_malformed_keys_and_signatures_are_simply_false(key: bytes, signature: bytes) -> None:
    assert not verify(NodeKey(key), signature, b"message")


def test_key_file_is_private_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "node.key"
    secret = NodeSecret.load_or_create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert NodeSecret.load_or_create(path).public == NodeSecret.load(path).public == secret.public
    assert list(path.parent.iterdir()) == [path]


def test_racing_processes_get_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "node.key"
    with ThreadPoolExecutor(2) as pool:
        keys = list(pool.map(lambda _: bytes(NodeSecret.load_or_create(path).public), range(8)))
    assert len(set(keys)) == 1


@pytest.mark.parametrize("text", ["", "zz" * 32, "00" * 31, "00" * 33])
def test_damaged_key_file_is_a_configuration_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "node.key"
    path.write_text(text)
    with pytest.raises(ConfigError, match="node key"):
        NodeSecret.load_or_create(path)
    with pytest.raises(ConfigError, match="node key"):
        NodeSecret.load(tmp_path / "missing")
