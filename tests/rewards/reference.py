"""AXR-1 in Python integers, as slow and as plain as DESIGN §4 states it: the specification's twin."""

FS, DIGIT, NU = 1 << 26, 1 << 24, 3


def axr1(
    n: int, edges: list[tuple[int, int, int]], p: list[int], c: int, c_e: int
) -> tuple[list[int], list[int], int]:
    """Return r, shares and rollover."""
    merged: dict[tuple[int, int], int] = {}
    for i, j, b in edges:
        if i != j and b > 0:
            merged[i, j] = merged.get((i, j), 0) + b
    rows = [sum(b for (i, _), b in merged.items() if i == k) for k in range(n)]
    d = [row + max(c, NU * row) for row in rows]
    f = {(i, j): FS * b // d[i] for (i, j), b in merged.items()}
    r = list(p)
    while True:
        y = [0] * n
        for (i, j), weight in f.items():
            y[j] += r[i] * weight
        risen = [p[j] + y[j] // FS for j in range(n)]
        if risen == r:
            break
        r = risen
    w = [r[j] - p[j] for j in range(n)]
    divisor = sum(w) + c_e
    shares = []
    for value in w:
        q1, m = divmod(DIGIT * value, divisor)
        shares.append(q1 * DIGIT + DIGIT * m // divisor)
    return r, shares, (1 << 48) - sum(shares)
