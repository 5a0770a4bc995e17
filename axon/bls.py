"""BLS12-381 signatures of trackers, min-sig: public key in G2, signature in G1.

The scheme is draft-irtf-cfrg-bls-signature-05 with proofs of possession.

Points travel in the form that the EVM's precompiles take (EIP-2537): every
coordinate 64 bytes big-endian, Fp2 as c0 then c1, so that what a tracker signs
is what a contract reads. Aggregation is safe against rogue keys only between
keys with a proof of possession, which has a domain of its own.
"""

import os
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

_LIMIT = sys.getrecursionlimit()

from py_ecc.bls.hash_to_curve import hash_to_G1  # noqa: E402
from py_ecc.optimized_bls12_381 import (  # noqa: E402
    FQ,
    FQ2,
    G2,
    Z1,
    add,
    b,
    b2,
    curve_order,
    field_modulus,
    is_inf,
    is_on_curve,
    multiply,
    neg,
    normalize,
    pairing,
)

from axon.errors import AxonError, ConfigError  # noqa: E402

# py-ecc raises it to 100,000 for code that is not used here; then whatever recurses in C over a
# stranger's bytes ends the process, and not with a RecursionError.
sys.setrecursionlimit(_LIMIT)

__all__ = [
    "POP_DOMAIN",
    "PUBLIC_KEY_SIZE",
    "SIGNATURE_DOMAIN",
    "SIGNATURE_SIZE",
    "BlsSecret",
    "aggregate",
    "check_possession",
    "verify_aggregate",
]

SIGNATURE_DOMAIN = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_"
POP_DOMAIN = b"BLS_POP_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_"
PUBLIC_KEY_SIZE = 256  # bytes, G2 uncompressed (EIP-2537)
SIGNATURE_SIZE = 128  # bytes, G1 uncompressed (EIP-2537)

_Point = Any  # py_ecc's projective triples


class BlsSecret:
    """A tracker's secret scalar and its public key."""

    __slots__ = ("_scalar", "public")

    def __init__(self, scalar: int) -> None:
        if not 0 < scalar < curve_order:
            raise ConfigError("BLS key: scalar outside 1..r-1")
        self._scalar = scalar
        self.public = _g2_bytes(multiply(G2, scalar))

    @classmethod
    def generate(cls) -> Self:
        """Make a key from the system's randomness; 384 bits reduced, so the bias is below 2^-128."""
        return cls(int.from_bytes(os.urandom(48), "big") % (curve_order - 1) + 1)

    @classmethod
    def load_or_create(cls, path: Path) -> Self:
        """Read 64 hexadecimal digits from `path`, or make a key there (mode 0600).

        Raises
        ------
        ConfigError
            If the file exists and is not such a key.
        """
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            secret = cls.generate()
            partial = path.with_name(f".{path.name}.{os.getpid()}")
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(f"{secret._scalar:064x}\n")
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(partial, path)  # another process may have been first
            except FileExistsError:
                pass
            finally:
                partial.unlink()
        try:
            return cls(int(path.read_text("ascii").strip(), 16))
        except (OSError, ValueError) as error:
            raise ConfigError(f"BLS key {path}: {error}") from error

    def sign(self, message: bytes) -> bytes:
        """Return a 128-byte signature; 0.1 s."""
        return _g1_bytes(multiply(hash_to_G1(message, SIGNATURE_DOMAIN, sha256), self._scalar))

    def prove_possession(self) -> bytes:
        """Return the signature over our own public key that registration asks for; 128 bytes."""
        return _g1_bytes(multiply(hash_to_G1(self.public, POP_DOMAIN, sha256), self._scalar))


def aggregate(signatures: Sequence[bytes]) -> bytes:
    """Add signatures of one message up into one.

    Raises
    ------
    AxonError
        If a signature is no point of G1.
    """
    total = Z1
    for signature in signatures:
        total = add(total, _g1_point(signature))
    return _g1_bytes(total)


def verify_aggregate(public_keys: Sequence[bytes], message: bytes, signature: bytes) -> bool:
    """Tell whether all of these distinct keys signed `message`; malformed input is False.

    Every key's possession must have been proved before; see `check_possession`.
    """
    if not public_keys or len(set(public_keys)) != len(public_keys):
        return False
    try:
        keys = [_g2_point(key) for key in public_keys]
        point = _g1_point(signature)
    except AxonError:
        return False
    total = keys[0]
    for key in keys[1:]:
        total = add(total, key)
    return not is_inf(total) and _pairs(total, hash_to_G1(message, SIGNATURE_DOMAIN, sha256), point)


def check_possession(public_key: bytes, proof: bytes) -> bool:
    """Tell whether `proof` shows that the secret of `public_key` is known; malformed input is False."""
    try:
        key, point = _g2_point(public_key), _g1_point(proof)
    except AxonError:
        return False
    return _pairs(key, hash_to_G1(public_key, POP_DOMAIN, sha256), point)


def _pairs(key: _Point, hashed: _Point, signature: _Point) -> bool:
    """e(signature, -G2) · e(hashed, key) = 1."""
    product = pairing(neg(G2), signature) * pairing(key, hashed)
    return bool(product == type(product).one())


def _coordinates(data: bytes, count: int, what: str) -> list[int]:
    if len(data) != 64 * count:
        raise AxonError(f"{what}: {len(data)} bytes, want {64 * count}")
    values = [int.from_bytes(data[64 * k : 64 * k + 64], "big") for k in range(count)]
    if any(value >= field_modulus for value in values):
        raise AxonError(f"{what}: coordinate not below the field's modulus")
    return values


def _g1_point(data: bytes) -> _Point:
    x, y = _coordinates(data, 2, "G1 point")
    point = (FQ(x), FQ(y), FQ(1))
    if not is_on_curve(point, b) or not is_inf(multiply(point, curve_order)):
        raise AxonError("G1 point: infinity, off the curve or outside the subgroup")
    return point


def _g2_point(data: bytes) -> _Point:
    x0, x1, y0, y1 = _coordinates(data, 4, "G2 point")
    point = (FQ2([x0, x1]), FQ2([y0, y1]), FQ2.one())
    if not is_on_curve(point, b2) or not is_inf(multiply(point, curve_order)):
        raise AxonError("G2 point: infinity, off the curve or outside the subgroup")
    return point


def _g1_bytes(point: _Point) -> bytes:
    if is_inf(point):
        return bytes(SIGNATURE_SIZE)
    x, y = normalize(point)
    return int(x).to_bytes(64, "big") + int(y).to_bytes(64, "big")


def _g2_bytes(point: _Point) -> bytes:
    x, y = normalize(point)
    return b"".join(int(c).to_bytes(64, "big") for pair in (x, y) for c in pair.coeffs)
