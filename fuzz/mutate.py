"""A fuzzer for machines without atheris: blind to coverage, but it knows lengths, numbers and splices."""

import random
import re
import time
from collections.abc import Callable, Sequence

__all__ = ["fuzz", "mutate"]

_BORING = (0, 1, 0x7F, 0x80, 0xFF, 0x100, 0x3FFF, 0x4000, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF)
_DIGITS = re.compile(rb"\d+")


def mutate(data: bytes, rng: random.Random, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """Return `data` with one to five changes."""
    for _ in range(rng.randint(1, 5)):
        at = rng.randint(0, len(data))
        end = min(len(data), at + int(rng.expovariate(0.1)) + 1)
        match rng.randrange(9):
            case 0 if data:  # one bit
                at = rng.randrange(len(data))
                data = data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
            case 1:  # a number with a meaning to somebody
                size = rng.choice((1, 2, 4, 8))
                number = rng.choice(_BORING) & (256**size - 1)
                data = data[:at] + number.to_bytes(size, "big") + data[at + size :]
            case 2:
                data = data[:at] + data[end:]
            case 3:
                data = data[:at] + data[at:end] * rng.choice((2, 3, 50)) + data[end:]
            case 4:
                data = data[:at] + rng.randbytes(rng.randint(1, 8)) + data[at:]
            case 5 if words:
                data = data[:at] + rng.choice(words) + data[rng.choice((at, end)) :]
            case 6:  # the tail of another
                other = rng.choice(seeds)
                data = data[:at] + other[rng.randint(0, len(other)) :]
            case 7 if numbers := list(_DIGITS.finditer(data)):  # a decimal number
                found = rng.choice(numbers)
                near = int(found[0][:18]) + rng.choice((-1, 1, 2**31, 2**63))
                data = data[: found.start()] + str(near).encode() + data[found.end() :]
            case _:
                data = data[:end]
    return data


def fuzz(
    check: Callable[[bytes], None],
    seeds: Sequence[bytes],
    words: Sequence[bytes],
    *,
    seconds: float,
    max_input: int,
    seed: int | None = None,
) -> int:
    """Feed mutants until the time is over; return how many. What `check` raises ends it.

    The input that did it is an attribute `data` of the exception.
    """
    rng = random.Random(seed)
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        for _ in range(20):
            data = mutate(rng.choice(seeds), rng, seeds, words)[:max_input]
            count += 1
            try:
                check(data)
            except Exception as error:
                error.data = data  # type: ignore[attr-defined]
                raise
    return count
