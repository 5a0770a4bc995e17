"""Tokens of the DHT: who announces must have heard us at its address shortly before (BEP 5).

A token is a keyed hash of the address under a secret that changes every five minutes; it
holds for five to ten. So nothing is stored for those who only ask.
"""

import random
from hashlib import blake2s

__all__ = ["Tokens"]

_TURN = 300.0  # seconds
_SIZE = 8  # bytes


class Tokens:
    """Makes and checks tokens.

    Parameters
    ----------
    rng : random.Random
        Of secrets: nobody may guess them.
    now : float
        Seconds.
    """

    def __init__(self, rng: random.Random, now: float) -> None:
        self._rng = rng
        self._secrets = (rng.randbytes(32), rng.randbytes(32))  # of now, of before
        self._turned = now

    def make(self, host: bytes, now: float) -> bytes:
        """Return the token of a packed IP address."""
        self._turn(now)
        return _token(self._secrets[0], host)

    def is_good(self, token: bytes, host: bytes, now: float) -> bool:
        """Tell whether we gave this address this token in the last five to ten minutes."""
        self._turn(now)
        return any(token == _token(secret, host) for secret in self._secrets)

    def _turn(self, now: float) -> None:
        turns = int((now - self._turned) // _TURN)
        for _ in range(min(turns, 2)):
            self._secrets = (self._rng.randbytes(32), self._secrets[0])
        self._turned += turns * _TURN


def _token(secret: bytes, host: bytes) -> bytes:
    return blake2s(host, key=secret, digest_size=_SIZE).digest()
