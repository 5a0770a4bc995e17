"""A committed segment: polynomials, and the keccak tree over their extension.

The evaluation domain is cut into parts, runs of whole blocks. Each part is extended,
salted and hashed by itself and gives one node, from which the tree goes on. With a small
blowup there is one part, and it is kept. With a large one there are many, and a part is
forgotten as soon as it gave its node: a proof opens a few dozen of 2^21 positions or more, so
the parts that the queries hit are made again. Memory then does not grow with the
blowup, and a part stays in the cache between extension and hash.

Either way it is the same tree, and the same proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from axon.stark.arena import empty
from axon.stark.commitment import MerkleTree, siblings
from axon.stark.cpu import in_ranges
from axon.stark.field import Vector
from axon.stark.keccak import hash_leaves
from axon.stark.ntt import low_degree_extend
from axon.stark.options import Options
from axon.stark.trace import Random

__all__ = ["Committed", "log_part"]

KEPT_BLOWUP = 7  # log2 of the blowup from which parts are forgotten
LOG_PART = 13  # positions of such a part, at least


def log_part(log_rows: int, log_blowup: int) -> int:
    """log2 of the positions in a part."""
    whole = log_rows + log_blowup
    return min(whole, max(log_rows, LOG_PART)) if log_blowup >= KEPT_BLOWUP else whole


@dataclass(frozen=True)
class _Part:
    extension: Vector  # (columns, positions)
    salt: Vector | None  # (words, positions)
    tree: MerkleTree


class Committed:
    """Extend, salt, hash.

    Parameters
    ----------
    coefficients : (columns, n) uint64
    options : Options
    seed, purpose : bytes
        `Random(seed, purpose)` gives the salts, word by word, a word for all positions in order.
    """

    def __init__(self, coefficients: Vector, options: Options, seed: bytes, purpose: bytes) -> None:
        self.coefficients = coefficients
        self._options = options
        self._salts = seed, purpose
        log_rows = coefficients.shape[1].bit_length() - 1
        self._log_size = log_rows + options.log_blowup
        self._log_part = log_part(log_rows, options.log_blowup)
        roots = empty((1 << self._log_size - self._log_part, 4))
        self._kept = self._part(0) if len(roots) == 1 else None

        def make(start: int, stop: int) -> None:
            for k in range(start, stop):
                roots[k] = (self._kept or self._part(k)).tree.levels[-1][0]

        in_ranges(make, len(roots), align=1)
        self._top = MerkleTree(roots, options.digest_bytes)

    @property
    def root(self) -> bytes:
        """`options.digest_bytes` bytes."""
        return self._top.root

    def blocks(self, count: int) -> Vector:
        """The extension on the first `count` blocks, or on more: (columns, points)."""
        if self._kept is not None:
            return self._kept.extension
        return low_degree_extend(self.coefficients, 1 << self._options.log_blowup, blocks=range(count))

    def open(self, positions: Sequence[int]) -> bytes:
        """The rows at sorted, unique positions with their salts, and the multi-proof."""
        low = self._log_part
        inside = (1 << low) - 1
        hit = sorted({p >> low for p in positions})
        made: dict[int, _Part] = {}

        def make(start: int, stop: int) -> None:
            for k in hit[start:stop]:
                made[k] = self._kept or self._part(k)

        in_ranges(make, len(hit), align=1)
        rows = []
        for p in positions:
            part = made[p >> low]
            rows.append(part.extension[:, p & inside])
            if part.salt is not None:
                rows.append(part.salt[:, p & inside])
        out = [np.concatenate(rows).astype(">u8").tobytes()]
        for level, index in siblings(positions, self._log_size):
            if level < low:
                tree, index = made[index >> low - level].tree, index & inside >> level
                digest = tree.levels[level][index]
            else:
                digest = self._top.levels[level - low][index]
            out.append(digest.tobytes()[: self._options.digest_bytes])
        return b"".join(out)

    def _part(self, k: int) -> _Part:
        options = self._options
        blowup, count = 1 << options.log_blowup, 1 << self._log_part
        blocks = count // self.coefficients.shape[1]
        extension = low_degree_extend(self.coefficients, blowup, blocks=range(k * blocks, (k + 1) * blocks))
        salt = None
        if options.zero_knowledge:
            salt = empty((options.salt_words, count))
            for word in range(options.salt_words):
                start = (word << self._log_size) + k * count
                salt[word] = Random(*self._salts, start).words(count)
        return _Part(extension, salt, MerkleTree(hash_leaves(extension, salt), options.digest_bytes))
