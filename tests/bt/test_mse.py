"""Message stream encryption: two ends, every split of the bytes, and ends that lie."""

import contextlib
import hashlib
import random
from collections.abc import Callable

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
from cryptography.hazmat.primitives.ciphers import Cipher
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.mse import _PRIME, Crypto, Encryption, EncryptionHandshake, torrent_digest
from axon.errors import RemoteProtocolError
from axon.ids import InfoHash

TORRENT = InfoHash(bytes(range(20)))
BOTH = Crypto.PLAIN | Crypto.RC4
OFFERS = (Crypto.PLAIN, Crypto.RC4, BOTH)


def source(seed: int) -> Callable[[int], bytes]:
    rng = random.Random(seed)
    return rng.randbytes


def find(digest: bytes) -> InfoHash | None:
    return TORRENT if digest == torrent_digest(TORRENT) else None


def ends(
    ours: Crypto = BOTH, theirs: Crypto = BOTH, first: bytes = b"hello", seed: int = 1
) -> tuple[EncryptionHandshake, EncryptionHandshake]:
    return (
        EncryptionHandshake(ours, info_hash=TORRENT, first=first, random=source(seed)),
        EncryptionHandshake(theirs, find=find, random=source(seed + 1)),
    )


def pump(a: EncryptionHandshake, b: EncryptionHandshake, rng: random.Random | None = None) -> None:
    """Carry bytes both ways, cut anywhere, until nothing is under way."""
    pipes = {a: b"", b: b""}  # on the way to
    for _ in range(20_000):
        for end, other in ((a, b), (b, a)):
            pipes[other] += end.data_to_send()
        if not any(pipes.values()):
            return
        for end in (a, b):
            size = len(pipes[end]) if rng is None else min(len(pipes[end]), rng.choice((1, 2, 7, 96, 700)))
            if size:
                chunk, pipes[end] = pipes[end][:size], pipes[end][size:]
                end.receive(chunk)
    raise AssertionError("it goes on and on")


def test_the_prime_is_one_of_768_bits() -> None:
    assert _PRIME.bit_length() == 768
    order = (_PRIME - 1) // 2
    for prime in (_PRIME, order):  # a safe prime: by Fermat, to 20 bases
        assert all(pow(base, prime - 1, prime) == 1 for base in range(2, 22))


def test_rc4_is_the_published_one() -> None:
    """RFC 6229, 128-bit key 0102…10: key stream at 0 and at 1024."""
    stream = Cipher(ARC4(bytes(range(1, 17))), None).encryptor()
    assert stream.update(bytes(16)).hex() == "9ac7cc9a609d1ef7b2932899cde41b97"
    key = bytes(range(1, 17))
    assert Encryption(key, key).encrypt(bytes(16)).hex() == "bdf0324e6083dcc6d3cedd3ca8c53c16"


@given(st.sampled_from(OFFERS), st.sampled_from(OFFERS), st.binary(max_size=300), st.integers(0, 1 << 30))
def test_both_ends_agree_however_the_bytes_are_cut(
    ours: Crypto, theirs: Crypto, first: bytes, seed: int
) -> None:
    a, b = ends(ours, theirs, first, seed)
    if not ours & theirs:
        with pytest.raises(RemoteProtocolError, match="offered"):
            pump(a, b, random.Random(seed))
        return
    pump(a, b, random.Random(seed))
    assert a.done and b.done
    assert b.rest == first and a.rest == b""
    plain = bool(ours & theirs & Crypto.PLAIN)
    assert (a.encryption is None) == (b.encryption is None) == plain
    if a.encryption and b.encryption:
        sent = a.encryption.encrypt(b"to b") + a.encryption.encrypt(b", more")
        there = bytearray(sent)
        b.encryption.decrypt_in_place(memoryview(there))
        assert there == b"to b, more" and sent != there
        assert a.encryption.decrypt(b.encryption.encrypt(b"to a")) == b"to a"


def test_the_longest_padding_on_both_sides_is_taken() -> None:
    def longest(size: int) -> bytes:
        return (512).to_bytes(2) if size == 2 else b"\7" * size

    a = EncryptionHandshake(BOTH, info_hash=TORRENT, first=b"hello", random=longest)
    b = EncryptionHandshake(Crypto.RC4, find=find, random=longest)
    asked = a.data_to_send()
    assert len(asked) == 96 + 512
    b.receive(asked)
    answered = b.data_to_send()
    assert len(answered) == 96 + 512
    a.receive(answered)
    pump(a, b)
    assert a.done and b.done and a.encryption is not None and b.rest == b"hello"


@pytest.mark.parametrize("theirs", [Crypto.PLAIN, Crypto.RC4])
def test_payload_right_behind_the_handshake_is_kept(theirs: Crypto) -> None:
    a, b = ends(theirs=theirs)
    b.receive(a.data_to_send())
    a.receive(b.data_to_send())
    b.receive(a.data_to_send())
    assert b.done
    answer = b"payload" if b.encryption is None else b.encryption.encrypt(b"payload")
    a.receive(b.data_to_send() + answer)
    assert a.done and a.rest == b"payload"


@pytest.mark.parametrize("key", [0, 1, _PRIME - 1, _PRIME, _PRIME + 2, (1 << 768) - 1])
def test_a_degenerate_public_key_is_refused_by_both(key: int) -> None:
    """HOSTILE 20."""
    for end in ends():
        with pytest.raises(RemoteProtocolError, match="public key"):
            end.receive(key.to_bytes(96))


@given(st.integers(0, 1), st.integers(0, 3))
def test_endless_padding_ends(which: int, seed: int) -> None:
    """HOSTILE 20: 512 bytes and no more are searched, one at a time or all at once."""
    end = ends(seed=seed)[which]
    end.receive((5).to_bytes(96))
    noise = source(seed + 7)
    with pytest.raises(RemoteProtocolError, match="padding"):
        for _ in range(600):
            end.receive(noise(1))
    end = ends(seed=seed)[which]
    with pytest.raises(RemoteProtocolError, match="padding"):
        end.receive((5).to_bytes(96) + noise(100_000))


def test_an_unknown_torrent_is_refused() -> None:
    a, b = ends()
    b = EncryptionHandshake(BOTH, find=lambda digest: None)
    with pytest.raises(RemoteProtocolError, match="not here"):
        pump(a, b)


class Liar:
    """The beginning side by hand, to send what no honest one would."""

    def __init__(self, to: EncryptionHandshake) -> None:
        to.receive((2).to_bytes(96))  # secret 1, so the common secret is their key
        shared = to.data_to_send()[:96]
        keys = [hashlib.sha1(name + shared + TORRENT).digest() for name in (b"keyA", b"keyB")]
        self.cipher = Encryption(keys[0], keys[1])
        third = hashlib.sha1(b"req3" + shared).digest()
        masked = bytes(x ^ y for x, y in zip(torrent_digest(TORRENT), third))
        to.receive(hashlib.sha1(b"req1" + shared).digest() + masked)
        self.to = to

    def say(self, data: bytes) -> None:
        self.to.receive(self.cipher.encrypt(data))


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        (b"\1" * 14, "zero"),
        (bytes(8) + (0).to_bytes(4) + bytes(2), "offered"),
        (bytes(8) + (0xFFFFFFFC).to_bytes(4) + bytes(2), "offered"),
        (bytes(8) + (3).to_bytes(4) + (513).to_bytes(2), "513 bytes of padding"),
        (bytes(8) + (3).to_bytes(4) + b"\xff\xff", "padding"),
    ],
)
def test_what_the_beginning_side_must_not_say(said: bytes, complaint: str) -> None:
    liar = Liar(EncryptionHandshake(BOTH, find=find))
    with pytest.raises(RemoteProtocolError, match=complaint):
        liar.say(said)


def test_the_longest_first_payload_is_taken() -> None:
    end = EncryptionHandshake(BOTH, find=find)
    liar = Liar(end)
    liar.say(bytes(8) + (2).to_bytes(4) + (512).to_bytes(2) + bytes(512) + b"\xff\xff")
    for _ in range(65535):
        assert not end.done
        liar.say(b"x")
    assert end.done and end.rest == b"x" * 65535


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ((3).to_bytes(4) + bytes(2), "3 chosen"),
        ((0).to_bytes(4) + bytes(2), "0 chosen"),
        ((1).to_bytes(4) + bytes(2), "1 chosen, 2 offered"),
        ((2).to_bytes(4) + (600).to_bytes(2), "600 bytes of padding"),
    ],
)
def test_what_the_answering_side_must_not_say(said: bytes, complaint: str) -> None:
    end = EncryptionHandshake(Crypto.RC4, info_hash=TORRENT)
    shared = end.data_to_send()[:96]
    end.receive((2).to_bytes(96) + b"pad")
    keys = [hashlib.sha1(name + shared + TORRENT).digest() for name in (b"keyB", b"keyA")]
    with pytest.raises(RemoteProtocolError, match=complaint):
        end.receive(Encryption(*keys).encrypt(bytes(8) + said))


@given(st.binary(max_size=2000), st.integers(0, 1))
def test_noise_never_does_more_than_complain(data: bytes, which: int) -> None:
    end = ends()[which]
    with contextlib.suppress(RemoteProtocolError):
        end.receive(data)
    assert not end.done


@given(st.integers(0, 2000), st.integers(1, 255), st.integers(0, 99))
def test_a_changed_byte_breaks_it_or_changes_nothing_but_padding(at: int, change: int, seed: int) -> None:
    a, b = ends(seed=seed)
    b.receive(a.data_to_send())
    a.receive(b.data_to_send())
    data = bytearray(a.data_to_send())
    data[at % len(data)] ^= change
    try:
        b.receive(bytes(data))
    except RemoteProtocolError:
        return
    assert not b.done or len(b.rest) == 5
