"""AXR-1, the reward function: exact integers, the same in Python, in the AIR and in the tests.

Trust flows from pre-trusted peers along acknowledged blocks, and leaks on the
way: a downloader hands on at most a quarter of its trust, less while it has
little evidence (EBSL's uncertainty), so circles of made-up peers feed on
nothing. DESIGN §4 states the function and what is proved of it:

    B_i = Σ_j b_ij;  d_i = B_i + max(c, 3·B_i);  f_ij = ⌊2^26·b_ij / d_i⌋
    r   = least integers with r_j = p_j + ⌊(Σ_i r_i·f_ij) / 2^26⌋
    w   = r − p;  D = Σw + c_e;  share_j = ⌊2^24·w_j/D⌋·2^24 + ⌊2^24·rest/D⌋

Units: 1 block = 16 KiB; trust in 2^-36 of the pre-trust; shares in 2^-48 of the epoch's budget.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from axon.rewards.edges import EdgeError, Edges

__all__ = [
    "DEFAULT_C_E",
    "PRETRUST_TOTAL",
    "SHARE_TOTAL",
    "Rewards",
    "axr1",
    "publisher_pretrust",
    "rewards",
    "weights",
]

PRETRUST_TOTAL: Final = 1 << 36  # P
FLOW_SCALE: Final = 1 << 26  # FS
NU: Final = 3
DIGIT: Final = 1 << 24
SHARE_TOTAL: Final = 1 << 48
DEFAULT_C_E: Final = 1 << 32
MAX_C: Final = NU << 36
MAX_C_E: Final = 1 << 36
_MAX_ROUNDS = 400  # the map contracts by 4: 36 bits settle in about 20, rounding adds a few

_U64 = np.uint64


@dataclass(frozen=True, slots=True)
class Rewards:
    """What AXR-1 makes of one epoch."""

    trust: NDArray[np.uint64]  # (n,) r: the least fixed point
    earned: NDArray[np.uint64]  # (n,) w = r − p: trust that came over edges
    shares: NDArray[np.uint64]  # (n,) parts of 2^48
    rollover: int  # 2^48 − Σ shares, back to the pool
    rounds: int  # iterations until the fixed point


def axr1(
    n: int, src: ArrayLike, dst: ArrayLike, blocks: ArrayLike, pretrust: ArrayLike, c: int, c_e: int
) -> Rewards:
    """Compute the rewards of one epoch.

    Parameters
    ----------
    n : int
        Number of peers, 1..65536.
    src, dst, blocks : array_like, (E,)
        Downloader, uploader and blocks of each edge, in any order; see `Edges.canonical`.
    pretrust : array_like, (n,)
        p, integers with a sum of at most 2^36.
    c : int
        Uncertainty in blocks, 1..3·2^36; by default the torrent's size.
    c_e : int
        The epoch's own uncertainty, 1..2^36; by default 2^32.

    Raises
    ------
    EdgeError
        If anything is out of range.
    """
    return rewards(Edges.canonical(n, src, dst, blocks), pretrust, c, c_e)


def rewards(edges: Edges, pretrust: ArrayLike, c: int, c_e: int) -> Rewards:
    """Do `axr1` on edges that are canonical already."""
    p = _check_pretrust(edges.n, pretrust)
    if not 1 <= c <= MAX_C:
        raise EdgeError(f"c: {c}, want 1..{MAX_C}")
    if not 1 <= c_e <= MAX_C_E:
        raise EdgeError(f"c_e: {c_e}, want 1..{MAX_C_E}")
    _, f = weights(edges, c)
    trust, rounds = _least_fixed_point(edges, f, p)
    earned = trust - p
    divisor = _U64(int(earned.sum()) + c_e)
    high, rest = np.divmod(earned * _U64(DIGIT), divisor)
    shares = high * _U64(DIGIT) + rest * _U64(DIGIT) // divisor
    return Rewards(trust, earned, shares, SHARE_TOTAL - int(shares.sum()), rounds)


def weights(edges: Edges, c: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return d, (n,) and f, (E,): each downloader's divisor and each edge's weight in 2^-26."""
    rows = edges.row_sums()
    d = rows + np.maximum(_U64(c), _U64(NU) * rows)
    return d, _U64(FLOW_SCALE) * edges.blocks // d[edges.src]


def publisher_pretrust(
    n: int, weighted: dict[int, int], downloaders: ArrayLike, share: tuple[int, int] = (1, 16)
) -> NDArray[np.uint64]:
    """Turn a publisher's weights into p (DESIGN §4).

    Parameters
    ----------
    n : int
        Number of peers.
    weighted : dict
        a_i > 0 for each peer that the publisher trusts.
    downloaders : array_like
        Indices of peers that downloaded; those not weighted divide λ evenly.
    share : (int, int)
        λ as a fraction: a Sybil budget on purpose. Spent only if there is somebody to spend it on.

    Returns
    -------
    (n,) uint64
        Sums to at most 2^36; what floors leave stays unassigned.
    """
    part, whole = share
    if not 0 <= part <= whole or whole < 1:
        raise EdgeError(f"lambda: {part}/{whole}, want 0..1")
    if any(not 0 <= i < n or a <= 0 for i, a in weighted.items()):
        raise EdgeError(f"trust weights: want a positive weight for peers 0..{n - 1}")
    p = np.zeros(n, np.uint64)
    total = sum(weighted.values())
    for i, a in weighted.items():
        p[i] = PRETRUST_TOTAL * (whole - part) * a // (whole * total)
    fresh = sorted({int(i) for i in np.asarray(downloaders).tolist()} - weighted.keys())
    if fresh:
        p[fresh] = PRETRUST_TOTAL * part // (whole * len(fresh))
    return p


def _check_pretrust(n: int, pretrust: ArrayLike) -> NDArray[np.uint64]:
    values = [int(value) for value in np.asarray(pretrust).tolist()]
    if len(values) != n or any(value < 0 for value in values) or sum(values) > PRETRUST_TOTAL:
        raise EdgeError(
            f"pretrust: {len(values)} values, sum {sum(values)}; want {n}, at most {PRETRUST_TOTAL}"
        )
    return np.array(values, np.uint64)


def _least_fixed_point(
    edges: Edges, f: NDArray[np.uint64], p: NDArray[np.uint64]
) -> tuple[NDArray[np.uint64], int]:
    """Iterate upward from p: the map is monotone, so the first fixed point met is the least (Kleene)."""
    order = np.argsort(edges.dst, kind="stable")
    src, dst, f = edges.src[order], edges.dst[order], f[order]
    starts = np.flatnonzero(np.r_[True, dst[1:] != dst[:-1]]) if len(dst) else np.zeros(0, np.int64)
    heads = dst[starts]
    trust = p
    for rounds in range(1, _MAX_ROUNDS):
        inflow = np.zeros(edges.n, np.uint64)
        if len(dst):
            inflow[heads] = np.add.reduceat(trust[src] * f, starts)  # below 2^62: Σr ≤ 4/3·2^36, f ≤ 2^24
        risen = p + inflow // _U64(FLOW_SCALE)
        if np.array_equal(risen, trust):
            return trust, rounds
        trust = risen
    raise AssertionError("AXR-1 contracts by 4 a round; no fixed point means a bug")
