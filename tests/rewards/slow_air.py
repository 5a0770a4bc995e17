"""The constraints of AXR-1 over a trace, in Python integers modulo P; buses as exact sums by key.

Written from the table in `air.py`'s docstring and DESIGN §4, not from its expressions.
"""

from collections import defaultdict

P = 2**64 - 2**32 + 1


def first_violation(
    t: dict[str, list[int]], c: int, c_e: int, sum_trust: int, sum_pretrust: int, shares: list[int]
) -> str | None:
    """Return the name of something that does not hold, or None. The last row only closes."""
    rows = len(t["i"])
    limbs = [t[f"limb {k}"] for k in range(8)]
    divisor = sum_trust - sum_pretrust + c_e

    def number(row: int, at: int, count: int) -> int:
        return sum(limbs[at + k][row] << 13 * k for k in range(count))

    served, flows, terms = (defaultdict[object, int](int) for _ in range(3))
    listed, trust, pretrust = [], 0, 0
    for row in range(rows - 1):
        if any(limb[row] >= 8192 for limb in limbs):
            return "range"
        i, j, v, d, r, u = (t[name][row] for name in ("i", "j", "v", "d", "r", "u"))
        if (t["trust so far"][row], t["pretrust so far"][row]) != (trust % P, pretrust % P):
            return "running sum"
        if t["edge"][row]:
            f, rest, slack = number(row, 0, 2), number(row, 2, 3), number(row, 5, 3)
            if (2**26 * v - f * d - rest) % P or (d - 1 - rest - slack) % P or (u - r * f) % P:
                return "edge"
            served[i] += v
            flows[j] += u
            terms[i, d, r] += 1
        if t["peer"][row]:
            distance, w, low = number(row, 0, 3), number(row, 3, 3), number(row, 6, 2)
            row_sum, degree, large = t["d"][row + 1], t["r"][row + 1], t["u"][row + 1]
            if large not in (0, 1) or (distance - (2 * large - 1) * (3 * row_sum - c)) % P:
                return "choice"
            if (d - row_sum - (3 * row_sum if large else c)) % P:
                return "d"
            if (u - 2**26 * w - low) % P or (r - v - w) % P:
                return "fixed point"
            q1, rest, slack = number(row + 1, 0, 2), number(row + 1, 2, 3), number(row + 1, 5, 3)
            if (2**24 * w - q1 * divisor - rest) % P or (divisor - 1 - rest - slack) % P:
                return "first digit"
            served[i] -= row_sum
            flows[j] -= u
            terms[i, d, r] -= degree
            trust, pretrust = trust + r, pretrust + v
        if t["joined"][row]:
            rest, q2 = number(row, 2, 3), number(row + 1, 0, 2)
            second, slack = number(row + 1, 2, 3), number(row + 1, 5, 3)
            if (2**24 * rest - q2 * divisor - second) % P or (divisor - 1 - second - slack) % P:
                return "second digit"
            listed.append(number(row, 0, 2) * 2**24 + q2)
    if any(total % P for bus in (served, flows, terms) for total in bus.values()):
        return "bus"
    if (trust - sum_trust) % P or (pretrust - sum_pretrust) % P:
        return "total"
    return None if listed == shares else "list"
