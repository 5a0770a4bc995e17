"""Message stream encryption, the handshake before the handshake (MSE/PE, by the Vuze wiki), pure.

Two peers agree on a secret by Diffie-Hellman and prove with it that they speak of the same torrent,
without naming it; what follows is RC4 or, if both like, plain text again. It hides BitTorrent from
those who throttle by pattern. It is no security: nobody is authenticated, and RC4 is broken.

    A → B   Ya, padding
    B → A   Yb, padding
    A → B   H("req1", S), H("req2", torrent) ⊕ H("req3", S), E(VC, offered, padding, first payload)
    B → A   E(VC, chosen, padding), payload
    A → B   payload

H is SHA-1, S the common secret, VC eight zero bytes, E is RC4 whose first 1024 bytes are thrown away.
Padding is up to 512 bytes, so each side searches for what comes behind it.
"""

import os
from collections.abc import Callable, Generator
from enum import IntFlag
from hashlib import sha1

from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
from cryptography.hazmat.primitives.ciphers import Cipher

from axon.errors import RemoteProtocolError
from axon.ids import InfoHash

__all__ = ["Crypto", "Encryption", "EncryptionHandshake", "torrent_digest"]

_PRIME = int(
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd"
    "ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090563",
    16,
)
_KEY_SIZE = 96  # bytes of a public key
_SECRET_SIZE = 20  # bytes
_MAX_PAD = 512  # bytes
_VC = bytes(8)
_DROPPED = 1024  # bytes of key stream

_Script = Generator[int, bytes, None]  # asks for so many bytes, is sent them


class Crypto(IntFlag):
    """How the stream can go on: `crypto_provide` and `crypto_select`."""

    NONE = 0
    PLAIN = 1
    RC4 = 2


class Encryption:
    """Two RC4 streams, one for each direction."""

    def __init__(self, outgoing: bytes, incoming: bytes) -> None:
        self._out = Cipher(ARC4(outgoing), None).encryptor()
        self._in = Cipher(ARC4(incoming), None).decryptor()
        self._out.update(bytes(_DROPPED))
        self._in.update(bytes(_DROPPED))

    def encrypt(self, data: bytes) -> bytes:
        """Return the next bytes to send."""
        return self._out.update(data)

    def decrypt(self, data: bytes) -> bytes:
        """Return what the next bytes that came mean."""
        return self._in.update(data)

    def decrypt_in_place(self, view: memoryview) -> None:
        """Turn the next bytes that came into what they mean, where they lie."""
        self._in.update_into(view, view)


class EncryptionHandshake:
    """One side of the exchange.

    Parameters
    ----------
    offer : Crypto
        What we can do. Of what both can, the answering side takes plain text: that costs nothing.
    info_hash : InfoHash, optional
        For the side that begins: the torrent. Without, we answer.
    find : callable (digest), optional
        For the side that answers: the torrent with this `torrent_digest`, if we have it.
    first : bytes
        For the side that begins: payload to send at once, such as the BitTorrent handshake.
    random : callable (size)
        Bytes, for secrets and padding.

    Attributes
    ----------
    done : bool
        It is agreed, and what follows holds.
    encryption : Encryption or None
        For all payload that follows, both ways; None: it is plain.
    rest : bytes
        Payload that has come already, decrypted.
    """

    def __init__(
        self,
        offer: Crypto,
        *,
        info_hash: InfoHash | None = None,
        find: Callable[[bytes], InfoHash | None] = lambda digest: None,
        first: bytes = b"",
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._offer, self._random = offer, random
        self._in = self._out = b""
        self.done = False
        self.encryption: Encryption | None = None
        self.rest = b""
        self._script = self._answer(find) if info_hash is None else self._ask(info_hash, first)
        self._wanted = next(self._script)

    def data_to_send(self) -> bytes:
        """Bytes to put on the wire now; they leave this object."""
        data, self._out = self._out, b""
        return data

    def receive(self, data: bytes) -> None:
        """Take bytes of the other side.

        Raises
        ------
        RemoteProtocolError
            If they are not of this exchange, name no torrent of ours, or agree on nothing that we can do.
        """
        self._in += data
        while not self.done and len(self._in) >= self._wanted:
            taken, self._in = self._in[: self._wanted], self._in[self._wanted :]
            try:
                self._wanted = self._script.send(taken)
            except StopIteration:
                self.done = True
        if self.done:
            data, self._in = self._in, b""
            self.rest += self.encryption.decrypt(data) if self.encryption else data

    def _ask(self, torrent: InfoHash, first: bytes) -> _Script:
        secret = self._send_key()
        shared = _shared((yield _KEY_SIZE), secret)
        cipher = Encryption(_hash(b"keyA", shared, torrent), _hash(b"keyB", shared, torrent))
        masked = int.from_bytes(torrent_digest(torrent)) ^ int.from_bytes(_hash(b"req3", shared))
        self._out += _hash(b"req1", shared) + masked.to_bytes(20)
        self._out += cipher.encrypt(
            _VC + self._offer.to_bytes(4) + _sized(bytes(len(self._padding()))) + _sized(first)
        )
        yield from _search(cipher.decrypt(_VC))  # RC4 is its own inverse: so the answer begins
        head = cipher.decrypt((yield 6))
        chosen = int.from_bytes(head[:4])
        if chosen not in (Crypto.PLAIN, Crypto.RC4) or not chosen & self._offer:
            raise RemoteProtocolError(f"encryption: {chosen} chosen, {int(self._offer)} offered")
        cipher.decrypt((yield _pad_size(head[4:])))
        self.encryption = cipher if chosen == Crypto.RC4 else None

    def _answer(self, find: Callable[[bytes], InfoHash | None]) -> _Script:
        theirs = yield _KEY_SIZE
        secret = self._send_key()
        shared = _shared(theirs, secret)
        yield from _search(_hash(b"req1", shared))
        digest = int.from_bytes((yield 20)) ^ int.from_bytes(_hash(b"req3", shared))
        torrent = find(digest.to_bytes(20))
        if torrent is None:
            raise RemoteProtocolError("encryption: for a torrent that is not here")
        cipher = Encryption(_hash(b"keyB", shared, torrent), _hash(b"keyA", shared, torrent))
        head = cipher.decrypt((yield 14))
        if head[:8] != _VC:
            raise RemoteProtocolError("encryption: eight zero bytes are not zero")
        both = int.from_bytes(head[8:12]) & self._offer
        chosen = Crypto.PLAIN if both & Crypto.PLAIN else Crypto.RC4
        if not both:
            offered = int.from_bytes(head[8:12])
            raise RemoteProtocolError(f"encryption: {offered:#x} offered, we take {int(self._offer):#x}")
        cipher.decrypt((yield _pad_size(head[12:])))
        self.rest = cipher.decrypt((yield int.from_bytes(cipher.decrypt((yield 2)))))
        self._out += cipher.encrypt(_VC + chosen.to_bytes(4) + _sized(bytes(len(self._padding()))))
        self.encryption = cipher if chosen == Crypto.RC4 else None

    def _send_key(self) -> int:
        secret = int.from_bytes(self._random(_SECRET_SIZE))
        self._out += pow(2, secret, _PRIME).to_bytes(_KEY_SIZE) + self._padding()
        return secret

    def _padding(self) -> bytes:
        return self._random(int.from_bytes(self._random(2)) % (_MAX_PAD + 1))


def torrent_digest(torrent: InfoHash) -> bytes:
    """Return what stands for a torrent's name in the exchange, 20 bytes."""
    return _hash(b"req2", torrent)


def _search(wanted: bytes) -> _Script:
    """Eat padding until `wanted` has come."""
    seen = yield len(wanted)
    while not seen.endswith(wanted):
        if len(seen) >= _MAX_PAD + len(wanted):
            raise RemoteProtocolError(f"encryption: more than {_MAX_PAD} bytes of padding, or another secret")
        seen += yield 1


def _shared(key: bytes, secret: int) -> bytes:
    theirs = int.from_bytes(key)
    if not 1 < theirs < _PRIME - 1:
        raise RemoteProtocolError("encryption: the public key is 0, 1, or not below the prime less one")
    return pow(theirs, secret, _PRIME).to_bytes(_KEY_SIZE)


def _pad_size(field: bytes) -> int:
    size = int.from_bytes(field)
    if size > _MAX_PAD:
        raise RemoteProtocolError(f"encryption: {size} bytes of padding, at most {_MAX_PAD}")
    return size


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(2) + data


def _hash(*parts: bytes) -> bytes:
    return sha1(b"".join(parts)).digest()
