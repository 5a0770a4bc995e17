"""How many bits of security are proven, from the published bounds.

The verifier's error is at most the largest of the errors of its rounds (round-by-round
soundness of the interactive protocol; Fiat-Shamir then keeps it, Block et al. eprint
2023/1071). Each round's bound, for an interleaved Reed-Solomon code of rate ρ = 1/blowup
over N points, list size L within the distance θ, and the field F = Fp^3 of challenges:

lookups    L·T/|F|: Schwartz-Zippel on the logUp sum of T = fractions × degree (Haböck,
           eprint 2022/1530), and the length of each bound list
ALI        L·C/|F| for C constraints under powers of one challenge; DEEP at the point z:
           L·(d(n+1)+(n-1))/(|F|-p-N), d the highest degree (Haböck, eprint 2022/1216,
           theorem 8; ethSTARK, eprint 2021/582, theorem 4)
batching   ε·(W-1) for W functions under powers; each fold by k: ε·(k-1)
queries    (1-θ)^q·2^-g with q queries and g bits of grinding
hashing    collisions of truncated keccak: 4 bits a byte of digest

Unique decoding: θ = (1-ρ)/2, L = 1, ε = N/|F| (Ben-Sasson, Carmon, Ishai, Kopparty, Saraf,
eprint 2020/654, theorem 1.2). Johnson: θ = 1 - √ρ·(1+1/2m), L = m/ρ, and
ε = ((2M⁵+3Mθρ)·N/(3ρ^1.5) + M/√ρ)/|F| with M = 2m + 1/2 (Ben-Sasson, Carmon, Haböck, Kopparty,
Saraf, eprint 2025/2055, theorem 4.2, as in the public calculator ethereum/soundcalc). m is
chosen best. The list is taken at the rate (n+2)/N of functions opened at two points.

The up-to-capacity conjecture (1-θ = ρ), which many deployed figures rest on, is refuted
(eprint 2025/2010, 2025/2046); `conjectured_bits` computes it under the name "legacy", for
comparison only.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from axon.stark.field import P

__all__ = ["Shape", "conjectured_bits", "johnson_bits", "query_count", "rounds", "security", "unique_bits"]

_LOG_FIELD = 3 * math.log2(P)
REGIMES = ("johnson", "unique")


@dataclass(frozen=True)
class Shape:
    """What of an AIR and its options the bounds depend on."""

    log_rows: int
    log_blowup: int
    queries: int
    grinding_bits: int
    folds: tuple[int, ...]  # log2 of each fold
    functions: int  # batched into one codeword: openings at z and at its successor, and the mask
    constraints: int
    degree: int
    lookup_terms: int  # T of a row-sum, already times the rows
    digest_bytes: int


def rounds(shape: Shape, regime: str, multiplicity: int = 0) -> dict[str, float]:
    """Bits of each round; `multiplicity` is m of the Johnson regime."""
    n, size = 1 << shape.log_rows, 1 << (shape.log_rows + shape.log_blowup)
    if regime == "unique":
        rate = (n + 2) / size
        theta, log_list, gap = (1 - rate) / 2, 0.0, 0.0
    elif regime == "johnson":
        rate = (n + 2) / size
        theta = 1 - math.sqrt(rate) * (1 + 1 / (2 * multiplicity))
        log_list = math.log2(multiplicity / rate)
        gap = 2 * multiplicity + 0.5
    else:
        raise ValueError(f"regime {regime!r}, want one of {REGIMES}")
    if theta <= 0 or n + 2 >= (1 - theta) * size:
        return {"distance": 0.0}

    def proximity(points: float) -> float:
        """log2 of ε·|F| over a domain of that many points."""
        if regime == "unique":
            return math.log2(points)
        first = (2 * gap**5 + 3 * gap * theta * rate) * points / (3 * rate**1.5)
        return math.log2(first + gap / math.sqrt(rate))

    deep = shape.degree * (n + 1) + n - 1
    bits = {
        "ALI": _LOG_FIELD - log_list - math.log2(max(shape.constraints, 1)),
        "DEEP": _LOG_FIELD - log_list - math.log2(deep),
        "batching": _LOG_FIELD - proximity(size) - math.log2(max(shape.functions - 1, 1)),
        "queries": -shape.queries * math.log2(1 - theta) + shape.grinding_bits,
        "hashing": 4.0 * shape.digest_bytes,
    }
    if shape.lookup_terms:
        bits["lookups"] = _LOG_FIELD - log_list - math.log2(shape.lookup_terms)
    for k, fold in enumerate(shape.folds):
        size >>= fold
        bits[f"fold {k}"] = _LOG_FIELD - proximity(size) - math.log2((1 << fold) - 1)
    return bits


@lru_cache(maxsize=256)
def unique_bits(shape: Shape) -> float:
    """Proven bits with unique decoding."""
    return min(rounds(shape, "unique").values())


@lru_cache(maxsize=256)
def johnson_bits(shape: Shape) -> float:
    """Proven bits up to the Johnson radius, with the best m."""
    return max(min(rounds(shape, "johnson", m).values()) for m in _MULTIPLICITIES)


def best_multiplicity(shape: Shape) -> int:
    """The m that `johnson_bits` uses."""
    return max(_MULTIPLICITIES, key=lambda m: min(rounds(shape, "johnson", m).values()))


def security(shape: Shape, regime: str = "best") -> float:
    """Proven bits in a regime, or in the better of the two."""
    if regime == "unique":
        return unique_bits(shape)
    if regime == "johnson":
        return johnson_bits(shape)
    if regime != "best":
        raise ValueError(f"regime {regime!r}, want best, johnson or unique")
    return max(unique_bits(shape), johnson_bits(shape))


def conjectured_bits(shape: Shape) -> float:
    """The refuted up-to-capacity figure ("legacy"): log2(blowup) bits a query. Proves nothing."""
    return min(shape.queries * shape.log_blowup + shape.grinding_bits, 4.0 * shape.digest_bytes)


def query_count(shape: Shape, bits: float, limit: int = 1 << 10) -> int:
    """The fewest queries that give `bits` in the Johnson regime; ValueError if none does."""
    low, high = 1, limit
    if johnson_bits(_with_queries(shape, high)) < bits:
        raise ValueError(f"no number of queries gives {bits} bits")
    while low < high:
        middle = (low + high) // 2
        if johnson_bits(_with_queries(shape, middle)) >= bits:
            high = middle
        else:
            low = middle + 1
    return low


def _with_queries(shape: Shape, queries: int) -> Shape:
    return Shape(**{**shape.__dict__, "queries": queries})


_MULTIPLICITIES: Sequence[int] = (*range(3, 64), *range(64, 256, 4), *range(256, 2049, 32))
