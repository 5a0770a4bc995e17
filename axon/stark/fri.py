"""FRI: that a codeword is close to a polynomial of low degree (ECCC TR17-134).

Layer j holds the extension-valued codeword g_j over the domain D_j, in bit-reversed
order; its Merkle leaves are groups of 2^fold adjacent positions, which are the
points with one power x^(2^fold). With the challenge α the group folds to the value at
that power of g_(j+1)(y) = Σ_t α^t f_t(y), where g_j(x) = Σ_t x^t f_t(x^(2^fold)). The last
polynomial is sent as coefficients.

In the proof a queried group lacks the values that the verifier has computed already
(layer 0: the DEEP quotient from the opened rows; later: the fold before); it puts them in
their places and hashes the leaf, which ties the layers together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from axon.errors import ProofRejected
from axon.stark import extension
from axon.stark.commitment import MerkleTree, sibling_count, verify_multi
from axon.stark.extension import Ext
from axon.stark.field import GENERATOR, P, Vector, inverse, root_of_unity
from axon.stark.fold import fold
from axon.stark.keccak import hash_leaves, hash_rows
from axon.stark.lane_ir import reverse_bits
from axon.stark.ntt import interpolate_blocks
from axon.stark.options import Options
from axon.stark.proof import Reader, element_bytes, extension_bytes
from axon.stark.transcript import Tag, Transcript

__all__ = ["Layer", "Layers", "commit", "open_layers", "read_commitments", "verify_layers"]


@dataclass
class Layer:
    """One committed layer on the prover's side."""

    values: Vector  # (3, points)
    log_fold: int
    tree: MerkleTree


@dataclass(frozen=True)
class Layers:
    """What the verifier knows of the commit phase."""

    roots: tuple[bytes, ...]
    challenges: tuple[Ext, ...]
    final: tuple[Ext, ...]  # coefficients


_root = lru_cache(maxsize=64)(root_of_unity)


def domain_point(position: int, log_size: int, shift: int) -> int:
    """The point at a position of the bit-reversed domain shift·<w>."""
    return shift * pow(_root(log_size), reverse_bits(position, log_size), P) % P


@lru_cache(maxsize=8)
def _half_inverses(level: int) -> tuple[int, ...]:
    """1/(2·w^bitrev(t)) for even t below 2^level, w of that order."""
    back, half = inverse(root_of_unity(level)), (P + 1) // 2
    return tuple(pow(back, reverse_bits(t, level), P) * half % P for t in range(0, 1 << level, 2))


# prover


def commit(
    codeword: Vector, log_rows: int, options: Options, transcript: Transcript
) -> tuple[list[Layer], bytes]:
    """Fold and commit layer by layer. Returns the layers and their section of the proof."""
    layers: list[Layer] = []
    out = bytearray()
    shift = GENERATOR
    for log_fold in options.folds(log_rows):
        tree = MerkleTree(hash_leaves(codeword, None, 1 << log_fold), options.digest_bytes)
        layers.append(Layer(codeword, log_fold, tree))
        out += tree.root
        transcript.absorb(Tag.LAYER, tree.root)
        codeword = fold(codeword, transcript.element(Tag.FOLD), 1 << log_fold, shift)
        shift = pow(shift, 1 << log_fold, P)
    length = options.final_length(log_rows)
    final = interpolate_blocks(codeword, shift=shift)
    if final[:, length:].any():
        raise AssertionError("fri: the last codeword has too high a degree")
    section = extension_bytes([(int(a), int(b), int(c)) for a, b, c in final[:, :length].T])
    transcript.absorb(Tag.FINAL, section)
    return layers, bytes(out) + section


def open_layers(layers: Sequence[Layer], positions: Sequence[int]) -> bytes:
    """The queried groups, without the positions that the verifier computes, and their multi-proofs."""
    out = bytearray()
    known = sorted(set(positions))
    for layer in layers:
        size = 1 << layer.log_fold
        groups = sorted({p >> layer.log_fold for p in known})
        have = set(known)
        sent = [p for g in groups for p in range(g * size, (g + 1) * size) if p not in have]
        out += element_bytes(layer.values[:, sent].T.reshape(-1))
        for digest in layer.tree.open(groups):
            out += digest
        known = groups
    return bytes(out)


# verifier


def read_commitments(reader: Reader, log_rows: int, options: Options, transcript: Transcript) -> Layers:
    """Roots and final polynomial, absorbed; each root before its challenge."""
    roots, challenges = [], []
    for k in range(len(options.folds(log_rows))):
        root = reader.take(options.digest_bytes, f"fri root {k}")
        transcript.absorb(Tag.LAYER, root)
        roots.append(root)
        challenges.append(transcript.element(Tag.FOLD))
    final = reader.extensions(options.final_length(log_rows), "fri final polynomial")
    transcript.absorb(Tag.FINAL, extension_bytes(final))
    return Layers(tuple(roots), tuple(challenges), tuple(final))


def verify_layers(
    reader: Reader, layers: Layers, values: dict[int, Ext], log_rows: int, options: Options
) -> None:
    """Check every query through all layers.

    `values` maps each queried position of layer 0 to the value that it must have.
    ProofRejected("fri-layer k") or ("fri-final").
    """
    log_size = log_rows + options.log_blowup
    shift = GENERATOR
    for k, log_fold in enumerate(options.folds(log_rows)):
        size = 1 << log_fold
        groups = sorted({p >> log_fold for p in values})
        missing = size * len(groups) - len(values)
        sent = iter(reader.extensions(missing, f"fri layer {k} values"))
        leaves = [
            [values[p] if p in values else next(sent) for p in range(g * size, (g + 1) * size)]
            for g in groups
        ]
        log_leaves = log_size - log_fold
        siblings = reader.digests(
            sibling_count(groups, log_leaves), options.digest_bytes, f"fri layer {k} paths"
        )
        rows = np.array(leaves, np.uint64).reshape(len(groups), 3 * size)
        try:
            verify_multi(
                layers.roots[k], 1 << log_leaves, groups, hash_rows(rows), siblings, options.digest_bytes
            )
        except ProofRejected as wrong:
            raise ProofRejected(f"fri-layer {k}", str(wrong)) from wrong
        values = {
            g: fold_group(leaf, layers.challenges[k], domain_point(g << log_fold, log_size, shift))
            for g, leaf in zip(groups, leaves)
        }
        log_size -= log_fold
        shift = pow(shift, size, P)
    for position, value in values.items():
        x = domain_point(position, log_size, shift)
        expected = extension.ZERO
        for coefficient in reversed(layers.final):
            expected = extension.add(extension.scale(expected, x), coefficient)
        if expected != value:
            raise ProofRejected("fri-final", f"position {position} of the last layer")


def fold_group(values: Sequence[Ext], challenge: Ext, x: int) -> Ext:
    """One output of `fold.fold` from the values at x·w^bitrev(t), in Python ints with one inversion.

    Halves with α, α², α⁴, ...: a pair at x and -x gives (a + b)/2 + α·(a - b)/(2x).
    """
    half, back = (P + 1) // 2, inverse(x)
    current = list(values)
    for level in range(len(values).bit_length() - 1, 0, -1):
        c0, c1, c2 = challenge
        folded = []
        for k, factor in enumerate(_half_inverses(level)):
            a0, a1, a2 = current[2 * k]
            b0, b1, b2 = current[2 * k + 1]
            factor = factor * back % P
            d0, d1, d2 = (a0 - b0) * factor % P, (a1 - b1) * factor % P, (a2 - b2) * factor % P
            folded.append(
                (
                    ((a0 + b0) * half + c0 * d0 + 2 * (c1 * d2 + c2 * d1)) % P,
                    ((a1 + b1) * half + c0 * d1 + c1 * d0 + 2 * c2 * d2) % P,
                    ((a2 + b2) * half + c0 * d2 + c1 * d1 + c2 * d0) % P,
                )
            )
        current = folded
        challenge = extension.mul(challenge, challenge)
        back = back * back % P
    return current[0]
