"""Reward functions of others, for comparison and research; floating point, not for settling.

Each takes the same canonical edges and returns non-negative weights, (n,)
float64; divide by the sum for shares. `proportional` pays for claimed bytes and
so pays liars; EigenTrust (Kamvar et al. 2003, §4.5), EBSL's flow (Škorić et al.
2016, §5) and MeritRank's decay (Nasrulin et al. 2022, §4) trust some peers more.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from axon.rewards.edges import Edges

__all__ = ["capped_proportional", "ebsl", "eigentrust", "merit_rank", "proportional"]

Weights = NDArray[np.float64]


def proportional(edges: Edges) -> Weights:
    """Pay every acknowledged block alike: what most projects do."""
    return _inflow(edges, edges.blocks.astype(np.float64))


def capped_proportional(edges: Edges, cap: float) -> Weights:
    """Pay for blocks, but scale down what a downloader acknowledges beyond `cap` blocks."""
    rows = edges.row_sums().astype(np.float64)
    scale = np.minimum(1.0, cap / np.maximum(rows, 1.0))
    return _inflow(edges, edges.blocks.astype(np.float64) * scale[edges.src])


def eigentrust(
    edges: Edges, pretrust: ArrayLike, alpha: float = 0.15, *, tolerance: float = 1e-11
) -> Weights:
    """EigenTrust: t = alpha·p + (1 − alpha)·Cᵀt, C the row-normalised blocks; peers without a row trust p.

    Parameters
    ----------
    alpha : float
        Weight of the pre-trust, above 0 and at most 1; the error left is at most `tolerance`/alpha.

    Returns
    -------
    (n,) float64
        Sums to 1.
    """
    if not 0 < alpha <= 1:
        raise ValueError(f"alpha: {alpha}, want above 0 and at most 1")
    p = _normalised(pretrust)
    rows = edges.row_sums().astype(np.float64)
    silent = rows == 0
    part = edges.blocks / rows[edges.src]
    trust = p
    for _ in range(100_000):
        flow = _inflow(edges, trust[edges.src] * part) + trust[silent].sum() * p
        risen = alpha * p + (1 - alpha) * flow
        moved, trust = float(np.abs(risen - trust).sum()), risen
        if moved <= tolerance:
            return np.asarray(trust)
    raise ValueError("EigenTrust did not settle")


def ebsl(
    edges: Edges,
    evidence: ArrayLike,
    c: float,
    *,
    negative: Edges | None = None,
    tolerance: float = 1e-12,
) -> Weights:
    """EBSL's evidence flow: r_j = a_j + Σ_i g(r_i, n_i)·b_ij with g = r/(r + n + c).

    Parameters
    ----------
    evidence : array_like, (n,)
        a: positive evidence that the observer holds itself, in blocks.
    c : float
        Evidence at which doubt and belief are even, in blocks.
    negative : Edges, optional
        Bad reports n_ij; they lower g, so that they can be used as a weapon.

    Returns
    -------
    (n,) float64
        Evidence that came over edges; with negative evidence, weighted by belief.
    """
    a = np.asarray(evidence, np.float64)
    r, doubt = a, np.zeros(edges.n)
    for _ in range(100_000):
        g = r / (r + doubt + c)
        risen = a + _inflow(edges, g[edges.src] * edges.blocks)
        if negative is not None:
            doubt = _inflow(negative, g[negative.src] * negative.blocks)
        if np.abs(risen - r).max() <= tolerance * max(1.0, float(risen.max())):
            r = risen
            break
        r = risen
    else:
        raise ValueError("EBSL did not settle")
    earned = r - a
    return earned if negative is None else earned * (r / (r + doubt + c))


def merit_rank(edges: Edges, pretrust: ArrayLike, alpha: float = 0.15) -> Weights:
    """MeritRank's transitivity decay: the chance that a walk from p, ending with `alpha` a step, meets j.

    Solved exactly (Green's function of the walk), not by sampling; dense, so for n up to a few thousand.
    """
    if not 0 < alpha <= 1:
        raise ValueError(f"alpha: {alpha}, want above 0 and at most 1")
    p = _normalised(pretrust)
    rows = edges.row_sums().astype(np.float64)
    step = np.zeros((edges.n, edges.n))
    step[edges.src, edges.dst] = (1 - alpha) * edges.blocks / rows[edges.src]
    green = np.linalg.inv(np.eye(edges.n) - step)  # expected visits
    return np.maximum((p @ green - p) / np.diag(green), 0.0)


def _inflow(edges: Edges, values: Weights) -> Weights:
    """Sum a value of each edge at its uploader."""
    return np.bincount(edges.dst, values, edges.n).astype(np.float64)


def _normalised(pretrust: ArrayLike) -> Weights:
    p = np.asarray(pretrust, np.float64)
    if p.min() < 0 or p.sum() <= 0:
        raise ValueError("pretrust: want non-negative weights, not all zero")
    return np.asarray(p / p.sum())
