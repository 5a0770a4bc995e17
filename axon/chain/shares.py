"""Shares as a settlement lists them, and the proofs by which peers claim them.

Five shares of 48 bits to a word, the first in the high bits, the low 16 bits
zero: calldata's floor price (EIP-7623) makes bytes dear. One word is one leaf of
the claims' tree, together with the sum of all shares before it; a payout is a
difference of rounded running sums, so payouts add up to the rounded whole and
no dust is left. Twin of `contracts/pool.vy`.
"""

from collections.abc import Sequence
from typing import NamedTuple

from axon.errors import ChainError
from axon.merkle import KeccakTree

__all__ = [
    "MAX_MEMBERS",
    "SHARES_A_WORD",
    "SHARE_BITS",
    "ClaimProof",
    "ShareList",
    "pack_shares",
    "unpack_shares",
]

SHARE_BITS = 48
SHARES_A_WORD = 5
MAX_MEMBERS = 5120
_WHOLE = 1 << SHARE_BITS
_SPARE_BITS = 16


class ClaimProof(NamedTuple):
    """One epoch's argument of `pool.claim`."""

    epoch: int
    word: int
    before: int
    path: list[bytes]


def pack_shares(shares: Sequence[int]) -> list[int]:
    """Pack shares into words.

    Raises
    ------
    ChainError
        If a share is negative or not below 2^48, their sum is above 2^48, or there are none or too many.
    """
    if not 0 < len(shares) <= MAX_MEMBERS:
        raise ChainError(f"{len(shares)} shares, want 1 to {MAX_MEMBERS}")
    if min(shares) < 0 or max(shares) >= _WHOLE or sum(shares) > _WHOLE:
        raise ChainError(f"shares sum to {sum(shares)}, at most {_WHOLE} and each below it")
    words = []
    for start in range(0, len(shares), SHARES_A_WORD):
        word = 0
        for place in range(SHARES_A_WORD):
            share = shares[start + place] if start + place < len(shares) else 0
            word = word << SHARE_BITS | int(share)
        words.append(word << _SPARE_BITS)
    return words


def unpack_shares(words: Sequence[int], members: int) -> list[int]:
    """Read `members` shares back.

    Raises
    ------
    ChainError
        If the words are not what `pack_shares` writes.
    """
    shares = [
        word >> (_SPARE_BITS + SHARE_BITS * (SHARES_A_WORD - 1 - place)) & (_WHOLE - 1)
        for word in words
        for place in range(SHARES_A_WORD)
    ][:members]
    if pack_shares(shares) != list(words):
        raise ChainError(f"{len(words)} words do not hold exactly {members} shares")
    return shares


class ShareList:
    """All shares of one settled epoch, ready to be claimed from.

    Parameters
    ----------
    epoch : int
        Which.
    shares : sequence of int
        One a member, units of 2^-48.
    """

    def __init__(self, epoch: int, shares: Sequence[int]) -> None:
        self.epoch = epoch
        self.shares = list(shares)
        self.words = pack_shares(self.shares)
        self._before = [0]
        for share in self.shares:
            self._before.append(self._before[-1] + share)
        self._tree = KeccakTree(
            [
                word.to_bytes(32, "big") + self._before[SHARES_A_WORD * k].to_bytes(32, "big")
                for k, word in enumerate(self.words)
            ]
        )

    @property
    def root(self) -> bytes:
        """The claims' root that the pool keeps."""
        return self._tree.root

    @property
    def total(self) -> int:
        """Sum of the shares; the rest of 2^48 rolls over."""
        return self._before[-1]

    def claim(self, index: int) -> ClaimProof:
        """Return what member `index` hands to the pool.

        Raises
        ------
        IndexError
            If it has no share in this epoch.
        """
        leaf = index // SHARES_A_WORD
        path = self._tree.path(leaf)
        return ClaimProof(self.epoch, self.words[leaf], self._before[SHARES_A_WORD * leaf], path)

    def payout(self, index: int, budget: int) -> int:
        """Return what member `index` gets of a token whose epoch's budget is `budget`, base units."""
        return (budget * self._before[index + 1] >> SHARE_BITS) - (budget * self._before[index] >> SHARE_BITS)
