"""What a quorum of trackers signs, and how their signatures become one argument of `pool.settle`."""

from collections.abc import Mapping
from typing import NamedTuple

from axon.errors import ChainError
from axon.ids import Account
from axon.merkle import keccak256

__all__ = ["Attestation", "attestation_digest", "combine"]

_DOMAIN = keccak256(b"axon/1/attestation")


class Attestation(NamedTuple):
    """A quorum's word for an epoch's receipts."""

    signers: int  # bit k: the k-th tracker of the pool's terms
    signature: bytes  # 128 bytes, the sum


def attestation_digest(
    chain_id: int, pool: Account, epoch: int, receipts_root: bytes, rules_hash: bytes
) -> bytes:
    """Return the 32 bytes to sign; twin of `pool.attestation_digest`.

    keccak-256 of six words: keccak("axon/1/attestation"), chain id, pool, epoch, root, hash of the
    pool's terms. So a signature is good for one root of one epoch of one pool, under its rules.
    """
    return keccak256(
        _DOMAIN
        + chain_id.to_bytes(32, "big")
        + bytes(pool).rjust(32, b"\0")
        + epoch.to_bytes(32, "big")
        + receipts_root
        + rules_hash
    )


def combine(trackers: list[int], signatures: Mapping[int, bytes]) -> Attestation:
    """Add signatures up.

    Parameters
    ----------
    trackers : list of int
        Ids in the order of the pool's terms.
    signatures : mapping
        Tracker's id to its signature.

    Raises
    ------
    ChainError
        If somebody signed who is not among the pool's trackers, or nobody did.
    """
    from axon.bls import aggregate

    strangers = set(signatures) - set(trackers)
    if strangers or not signatures:
        raise ChainError(f"signatures of {sorted(signatures)}, want some of {trackers}")
    signers = sum(1 << k for k, id in enumerate(trackers) if id in signatures)
    return Attestation(signers, aggregate(list(signatures.values())))
