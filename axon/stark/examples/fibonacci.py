"""Fibonacci: two columns, two transitions. "I know that row `rows - 1` ends in `result`."

Every user row but the last is active, so the trace runs on to the closing row, whose
second cell is the public result.
"""

from axon.stark.air import Air
from axon.stark.field import P
from axon.stark.options import Options

__all__ = ["fibonacci_air", "fibonacci_trace"]


def fibonacci_air(log_rows: int) -> Air:
    """a' = b and b' = a + b, from 1, 1 to (anything, result)."""
    air = Air("fibonacci", log_rows)
    a, b = air.columns("a", "b")
    result = air.public("result")
    air.boundary(0, a - 1, "a starts at 1")
    air.boundary(0, b - 1, "b starts at 1")
    air.constrain(a.next - b, "a' = b")
    air.constrain(b.next - (a + b), "b' = a + b")
    air.boundary(-1, b - result, "b ends at the result")
    return air


def fibonacci_trace(air: Air, options: Options) -> tuple[dict[str, list[int]], dict[str, int]]:
    """Columns and public values."""
    a, b = [1], [1]
    for _ in range(air.rows(options) - 1):
        a.append(b[-1])
        b.append((a[-2] + b[-1]) % P)
    return {"a": a, "b": b}, {"result": b[-1]}
