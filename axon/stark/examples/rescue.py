"""A hash chain: "I know a preimage whose n-fold hash is this digest", with Rescue-Prime Optimized.

RPO-256 (Ashur, Kindi, Meier, Szepieniec, Threadbare, eprint 2022/1577): a state of twelve
Goldilocks elements, four of them capacity, and seven rounds of

    s = (M·s + c1)^7        s = (M·s + c2)^(1/7)

The AIR has one round a row and never takes a seventh root: with u = M·s + c1 it says
M·u^7 + c2 = next^7, degree seven. Eight rows make one hash; on the last of each eight the
digest becomes the next input. Round constants come from SHAKE-256, as published.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

from axon.stark.air import Air
from axon.stark.field import P
from axon.stark.options import Options

__all__ = ["permute", "rescue_air", "rescue_chain", "rescue_trace", "round_constants"]

WIDTH, CAPACITY, RATE, ROUNDS = 12, 4, 8, 7
PERIOD = ROUNDS + 1  # rows a hash
MDS_ROW = (7, 23, 8, 26, 13, 10, 9, 7, 6, 22, 21, 8)  # circulant
INVERSE_ALPHA = pow(7, -1, P - 1)

State = list[int]


@lru_cache(maxsize=1)
def round_constants() -> tuple[tuple[int, ...], ...]:
    """2 × 7 vectors of twelve: nine bytes each of SHAKE-256("RPO(p,12,4,128)"), little-endian."""
    count = 2 * ROUNDS * WIDTH
    stream = hashlib.shake_256(f"RPO({P},{WIDTH},{CAPACITY},128)".encode()).digest(9 * count)
    flat = [int.from_bytes(stream[9 * k : 9 * k + 9], "little") % P for k in range(count)]
    return tuple(tuple(flat[k : k + WIDTH]) for k in range(0, count, WIDTH))


def _mix(state: Sequence[int]) -> State:
    return [sum(MDS_ROW[(c - r) % WIDTH] * state[c] for c in range(WIDTH)) % P for r in range(WIDTH)]


def apply_round(state: Sequence[int], number: int) -> State:
    """One round, in Python ints."""
    first, second = round_constants()[2 * number : 2 * number + 2]
    forward = [pow(x + c, 7, P) for x, c in zip(_mix(state), first)]
    return [pow(x + c, INVERSE_ALPHA, P) for x, c in zip(_mix(forward), second)]


def permute(state: Sequence[int]) -> State:
    """The RPO permutation."""
    current = list(state)
    for number in range(ROUNDS):
        current = apply_round(current, number)
    return current


def rescue_chain(preimage: Sequence[int], length: int) -> list[int]:
    """Hash four elements `length` times: input in the rate's first half, digest from there too."""
    digest = list(preimage)
    for _ in range(length):
        digest = permute([0] * CAPACITY + digest + [0] * 4)[CAPACITY : CAPACITY + 4]
    return digest


def rescue_air(log_rows: int, length: int) -> Air:
    """The chain of `length` hashes from a hidden preimage to a public digest."""
    air = Air("rescue chain", log_rows, max_degree=7)
    state = [air.column(f"s{k}") for k in range(WIDTH)]
    digest = [air.public(f"digest{k}") for k in range(4)]
    constants = round_constants()
    columns = [
        [air.periodic([constants[2 * r + half][k] for r in range(ROUNDS)] + [0]) for k in range(WIDTH)]
        for half in range(2)
    ]
    last = air.periodic([0] * ROUNDS + [1])

    def mix(values: list) -> list:  # type: ignore[type-arg]
        out = []
        for r in range(WIDTH):
            total = MDS_ROW[-r % WIDTH] * values[0]
            for c in range(1, WIDTH):
                total = total + MDS_ROW[(c - r) % WIDTH] * values[c]
            out.append(total)
        return out

    forward = [(m + c) ** 7 for m, c in zip(mix(state), columns[0])]
    expected = [m + c for m, c in zip(mix(forward), columns[1])]
    for k in range(WIDTH):
        air.constrain((1 - last) * (expected[k] - state[k].next ** 7), f"round, element {k}")
        if CAPACITY <= k < CAPACITY + 4:
            air.constrain(last * (state[k].next - state[k]), f"digest element {k} carried over")
        else:
            air.constrain(last * state[k].next, f"element {k} cleared")
    for k in (*range(CAPACITY), *range(CAPACITY + 4, WIDTH)):
        air.boundary(0, state[k], f"element {k} starts at zero")
    for k in range(4):
        air.boundary(PERIOD * length - 1, state[CAPACITY + k] - digest[k], f"digest element {k}")
    return air


def rescue_trace(
    air: Air, options: Options, preimage: Sequence[int], length: int
) -> tuple[dict[str, list[int]], dict[str, int]]:
    """Columns and public values. The chain runs on to the last row; the digest is `length` hashes in."""
    rows = air.rows(options)
    if PERIOD * length > rows:
        raise ValueError(f"{length} hashes of {PERIOD} rows, {rows} rows")
    state = [0] * CAPACITY + list(preimage) + [0] * 4
    history = [state]
    for row in range(rows - 1):
        if row % PERIOD == PERIOD - 1:
            state = [0] * CAPACITY + state[CAPACITY : CAPACITY + 4] + [0] * 4
        else:
            state = apply_round(state, row % PERIOD)
        history.append(state)
    columns = {f"s{k}": [s[k] for s in history] for k in range(WIDTH)}
    at_end = history[PERIOD * length - 1]
    return columns, {f"digest{k}": at_end[CAPACITY + k] for k in range(4)}
