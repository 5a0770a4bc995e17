"""A sum of values that are in range, by logUp: "these n values, each below 2^16, add up to `total`".

The values are the witness. Each is two bytes looked up in one range table, and flagged by
`used`, so that fewer values than rows can be proved. A bound list makes some of them
public: the rows where `shown` is one.
"""

from collections.abc import Sequence

from axon.stark.air import Air
from axon.stark.field import P
from axon.stark.logup import RangeTable, bind_list
from axon.stark.options import Options

__all__ = ["rangesum_air", "rangesum_trace"]


def rangesum_air(log_rows: int, table_columns: int = 1) -> Air:
    """`total` is the sum of the used values, all below 2^16; `shown` lists some of them."""
    air = Air("range-checked sum", log_rows)
    used, high, low, show, total = air.columns("used", "high", "low", "show", "sum")
    result = air.public("total")
    shown = air.public_list("shown")
    byte = RangeTable(air, 8, table_columns, "byte")
    byte.check(high, used)
    byte.check(low, used)
    value = high * 256 + low
    air.constrain(used * (used - 1), "used is 0 or 1")
    air.constrain(show * (show - 1), "show is 0 or 1")
    air.constrain(show * (1 - used), "only used values are shown")
    air.boundary(0, total, "sum starts at zero")
    air.constrain(total.next - total - used * value, "sum step")
    air.boundary(-1, total - result, "sum ends at the total")
    bind_list(air, shown, value, show)
    return air


def rangesum_trace(
    air: Air, options: Options, values: Sequence[int], show: Sequence[int] = ()
) -> tuple[dict[str, list[int]], dict[str, object]]:
    """Columns and public values; `show` holds the indices of the values to make public."""
    rows = air.rows(options)
    if len(values) > rows - 1:
        raise ValueError(f"{len(values)} values, {rows - 1} active rows")
    padding = [0] * (rows - len(values))
    sums = [0]
    for value in values:
        sums.append((sums[-1] + value) % P)
    sums += [sums[-1]] * (rows - len(sums))
    columns = {
        "used": [1] * len(values) + padding,
        "high": [v >> 8 for v in values] + padding,
        "low": [v & 255 for v in values] + padding,
        "show": [int(k in set(show)) for k in range(len(values))] + padding,
        "sum": sums,
    }
    return columns, {"total": sums[-1], "shown": [values[k] for k in sorted(set(show))]}
