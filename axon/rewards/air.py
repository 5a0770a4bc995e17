"""AXR-1 as constraints, beside the run that satisfies them.

One row for each edge, then three for each peer, then padding. Cells by kind of row:

| row    | i   | j   | v   | d   | r   | u       | eight 13-bit limbs                      |
|--------|-----|-----|-----|-----|-----|---------|-----------------------------------------|
| edge   | src | dst | b   | d_i | r_i | r_i·f   | f 2, remainder 3, d−1−remainder 3       |
| peer   | k   | k   | p_k | d_k | r_k | y_k     | z 3, w 3, y mod 2^26 2                  |
| next   |     |     |     | B_k | m_k | 3B ≥ c? | q1 2, remainder 3, D−1−remainder 3      |
| last   |     |     |     |     |     |         | q2 2, remainder 3, D−1−remainder 3      |

i, j, v and the marks `edge`, `peer` (first row), `joined` (second row, of peers that get
a share) are the attested segment: its root R is signed by trackers that rebuilt these
columns from receipts that they checked (`attested_columns`), so they need no constraint.
z = |3B − c|; m_k is how many edges leave k; y_k = Σ r·f into k. Three buses tie edges to
peers: Σb leaving k is B_k; Σr·f entering k is y_k; every (i, d, r) of an edge is a peer's.

No wrap-around modulo P = 2^64 − 2^32 + 1, given what is attested (b, p, B_i ≤ `MAX_ROW`,
Σp ≤ 2^36) and what `Statement.check` demands (c, c_e, D < 2^37): d ≤ 2^38 − 2^12, so
f·d + remainder < P for any f of two limbs, and f is ⌊2^26·b/d⌋; then f ≤ 2^24. w has three
limbs and Σw = D − c_e < 2^37 over at most 2^16 peers, so the sum holds in the integers,
Σr < 2^38 and y < 2^62: the floor equation holds in the integers too; q·D < 2^63 likewise.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from axon.errors import ProofRejected
from axon.ids import Account, Epoch
from axon.rewards.edges import EdgeError, Edges
from axon.rewards.function import DIGIT, FLOW_SCALE, MAX_C, MAX_C_E, NU, PRETRUST_TOTAL, Rewards, weights
from axon.stark import Air, Bus, Expr, Options, RangeTable, bind_list

__all__ = ["MAX_ROW", "Statement", "attested_columns", "log_rows_for", "reward_air", "reward_trace"]

MAX_ROW = (1 << 36) - (1 << 10)  # blocks acknowledged by one downloader, for the proof
_LIMB = 13  # bits
_LIMBS = 8
_MAX_DIVISOR = 1 << 37

Column = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Statement:
    """What a reward proof says, in public."""

    chain_id: int
    pool: Account
    epoch: Epoch
    submitter: Account  # who is paid the fee; copying the proof gains nothing
    root: bytes  # R, of the attested segment
    c: int
    c_e: int
    sum_trust: int  # Σr
    sum_pretrust: int  # Σp
    shares: tuple[int, ...]  # of joined peers 0..n-1, units of 2^-48

    def check(self) -> None:
        """ProofRejected ("statement") if a number is outside what the constraints are sound for."""
        divisor = self.sum_trust - self.sum_pretrust + self.c_e
        fine = (
            1 <= self.c <= MAX_C
            and 1 <= self.c_e <= MAX_C_E
            and 0 <= self.sum_pretrust <= PRETRUST_TOTAL
            and self.sum_trust >= self.sum_pretrust
            and divisor < _MAX_DIVISOR
            and all(0 <= share < 1 << 48 for share in self.shares)
        )
        if not fine:
            raise ProofRejected("statement", f"c {self.c}, c_e {self.c_e}, divisor {divisor}")

    def public(self) -> dict[str, object]:
        """The public inputs of `reward_air`; the context is four 32-byte words, as in the contract."""
        words = (self.chain_id, int.from_bytes(self.pool), self.epoch, int.from_bytes(self.submitter))
        return {
            "attested": self.root,
            "c": self.c,
            "c_e": self.c_e,
            "sum_trust": self.sum_trust,
            "sum_pretrust": self.sum_pretrust,
            "shares": list(self.shares),
            "context": b"".join(word.to_bytes(32, "big") for word in words),
        }


def log_rows_for(edges: int, peers: int, options: Options) -> int:
    """Return log2 of the rows that an epoch needs, random ones and half the range table included."""
    used = max(edges + 3 * peers, 1 << (_LIMB - 1)) + 1 + options.random_rows
    return (used - 1).bit_length()


def reward_air(log_rows: int) -> Air:
    """Declare AXR-1 over 2^log_rows rows, from 2^13 up."""
    air = Air("axr-1", log_rows)
    i, j, v, edge, peer, joined = air.attested("i", "j", "v", "edge", "peer", "joined")
    d, r, u, trust_so_far, pretrust_so_far = air.columns("d", "r", "u", "trust so far", "pretrust so far")
    limbs = air.columns(*(f"limb {k}" for k in range(_LIMBS)))
    c, c_e, sum_trust, sum_pretrust = (air.public(n) for n in ("c", "c_e", "sum_trust", "sum_pretrust"))
    shares = air.public_list("shares", bits=48)

    table = RangeTable(air, _LIMB, columns=2)
    for limb in limbs:
        table.check(limb)
    following = [limb.next for limb in limbs]
    pair, triple, last = _groups(limbs)
    pair_next, triple_next, last_next = _groups(following)

    # edge: f and its remainder
    flow, rest, slack = pair, triple, last
    air.constrain(edge * (FLOW_SCALE * v - flow * d - rest), "edge: 2^26·b = f·d + rest")
    air.constrain(edge * (d - 1 - rest - slack), "edge: rest below d")
    air.constrain(edge * (u - r * flow), "edge: u = r·f")

    # peer: d, the fixed point, w
    row_sum, degree, large = d.next, r.next, u.next
    distance, earned, low = _join(limbs[0:3]), _join(limbs[3:6]), _join(limbs[6:8])
    excess = NU * row_sum - c
    air.constrain(peer * large * (large - 1), "peer: choice is 0 or 1")
    air.constrain(peer * (distance - (2 * large - 1) * excess), "peer: choice is right")
    air.constrain(peer * (d - row_sum - c - large * excess), "peer: d = B + max(c, 3B)")
    air.constrain(peer * (u - FLOW_SCALE * earned - low), "peer: y = 2^26·w + low")
    air.constrain(peer * (r - v - earned), "peer: r = p + w")

    # its share, in two digits of 24 bits
    divisor = sum_trust - sum_pretrust + c_e
    high, rest_high, slack_high = pair_next, triple_next, last_next
    air.constrain(peer * (DIGIT * earned - high * divisor - rest_high), "peer: 2^24·w = q1·D + rest")
    air.constrain(peer * (divisor - 1 - rest_high - slack_high), "peer: rest below D")
    second, rest_second, slack_second = pair_next, triple_next, last_next  # seen from the peer's next row
    air.constrain(
        joined * (DIGIT * triple - second * divisor - rest_second), "joined: 2^24·rest = q2·D + rest"
    )
    air.constrain(joined * (divisor - 1 - rest_second - slack_second), "joined: second rest below D")
    bind_list(air, shares, pair * DIGIT + second, when=joined)

    served, flows, terms = Bus(air, "served"), Bus(air, "flows"), Bus(air, "terms")
    served.send(i, edge * v - peer * row_sum)
    flows.send(j, (edge - peer) * u)
    terms.send((i, d, r), edge - peer * degree)

    for so_far, value, total in ((trust_so_far, r, sum_trust), (pretrust_so_far, v, sum_pretrust)):
        air.boundary(0, so_far)
        air.constrain(so_far.next - so_far - peer * value)
        air.boundary(-1, so_far - total)
    return air


def attested_columns(edges: Edges, pretrust: ArrayLike, joined: int) -> dict[str, Column]:
    """Return the columns whose root R trackers sign: name -> (edges + 3·peers,) uint64.

    Raises
    ------
    EdgeError
        If a downloader acknowledged more blocks than the proof is sound for, or joined > peers.
    """
    if int(edges.row_sums().max()) > MAX_ROW:
        raise EdgeError(f"a downloader acknowledged {edges.row_sums().max()} blocks, at most {MAX_ROW}")
    if not 0 <= joined <= edges.n:
        raise EdgeError(f"{joined} joined of {edges.n} peers")
    e, rows = len(edges), len(edges) + 3 * edges.n
    columns = {name: np.zeros(rows, np.uint64) for name in ("i", "j", "v", "edge", "peer", "joined")}
    first = slice(e, rows, 3)
    columns["i"][:e], columns["i"][first] = edges.src, np.arange(edges.n)
    columns["j"][:e], columns["j"][first] = edges.dst, np.arange(edges.n)
    columns["v"][:e], columns["v"][first] = edges.blocks, np.asarray(pretrust, np.uint64)
    columns["edge"][:e] = 1
    columns["peer"][first] = 1
    columns["joined"][e + 1 : e + 3 * joined : 3] = 1
    return columns


def reward_trace(
    edges: Edges, pretrust: ArrayLike, joined: int, c: int, c_e: int, got: Rewards, rows: int
) -> dict[str, Column]:
    """Lay one run of AXR-1 out as columns.

    Parameters
    ----------
    got : Rewards
        What `rewards` returned for the same edges, pretrust, c and c_e.
    rows : int
        `air.rows(options)`.

    Returns
    -------
    dict
        Every attested and main column, (rows,) uint64.
    """
    e, used = len(edges), len(edges) + 3 * edges.n
    if used >= rows:
        raise EdgeError(f"{e} edges and {edges.n} peers need {used + 1} rows, there are {rows}")
    p = np.asarray(pretrust, np.uint64)
    divisor = np.uint64(int(got.earned.sum()) + c_e)
    d, f = weights(edges, c)
    row_sums = edges.row_sums()
    rest = np.uint64(FLOW_SCALE) * edges.blocks - f * d[edges.src]
    inflow = np.zeros(edges.n, np.uint64)
    np.add.at(inflow, edges.dst, got.trust[edges.src] * f)
    tripled = np.uint64(NU) * row_sums
    large = tripled >= np.uint64(c)
    distance = np.where(large, tripled - np.uint64(c), np.uint64(c) - tripled)
    high, rest_high = np.divmod(got.earned * np.uint64(DIGIT), divisor)
    second, rest_second = np.divmod(rest_high * np.uint64(DIGIT), divisor)
    one = np.uint64(1)

    columns = {name: np.zeros(rows, np.uint64) for name in ("d", "r", "u")}
    limbs = np.zeros((_LIMBS, rows), np.uint64)
    peer, following, last = (slice(e + k, used, 3) for k in range(3))
    columns["d"][:e], columns["d"][peer], columns["d"][following] = d[edges.src], d, row_sums
    columns["r"][:e], columns["r"][peer] = got.trust[edges.src], got.trust
    columns["r"][following] = np.bincount(edges.src, minlength=edges.n)
    columns["u"][:e], columns["u"][peer], columns["u"][following] = got.trust[edges.src] * f, inflow, large
    _split(limbs[:, :e], (f, 2), (rest, 3), (d[edges.src] - one - rest, 3))
    _split(limbs[:, peer], (distance, 3), (got.earned, 3), (inflow % np.uint64(FLOW_SCALE), 2))
    _split(limbs[:, following], (high, 2), (rest_high, 3), (divisor - one - rest_high, 3))
    _split(limbs[:, last], (second, 2), (rest_second, 3), (divisor - one - rest_second, 3))

    attested = attested_columns(edges, p, joined)
    columns |= {name: np.pad(values, (0, rows - used)) for name, values in attested.items()}
    columns |= {f"limb {k}": limbs[k] for k in range(_LIMBS)}
    for name, values in (("trust so far", got.trust), ("pretrust so far", p)):
        steps = np.zeros(rows, np.uint64)
        steps[e + 1 : used + 1 : 3] = values
        columns[name] = np.cumsum(steps, dtype=np.uint64)
    return columns


def _join(limbs: Sequence[Expr]) -> Expr:
    total = limbs[0]
    for k, limb in enumerate(limbs[1:], 1):
        total = total + (1 << _LIMB * k) * limb
    return total


def _groups(limbs: Sequence[Expr]) -> tuple[Expr, Expr, Expr]:
    """A quotient of two limbs, a remainder of three, and what it lacks to the divisor."""
    return _join(limbs[0:2]), _join(limbs[2:5]), _join(limbs[5:8])


def _split(rows: Column, *parts: tuple[Column, int]) -> None:
    at = 0
    for values, count in parts:
        for k in range(count):
            rows[at + k] = values >> np.uint64(_LIMB * k) & np.uint64((1 << _LIMB) - 1)
        at += count
