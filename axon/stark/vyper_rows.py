"""What a verifier contract does with an opened row: its leaves, its elements, the weighted sums over them.

A row is those of all trees joined: attested, main, auxiliary and quotient columns,
FRI's mask last. A function in the extension fills three columns.
"""

from axon.stark.air import ATTESTED, AUXILIARY, MAIN, Air
from axon.stark.options import Options

__all__ = ["OpenedRows"]


class OpenedRows:
    """The rows of an AIR under some options.

    Attributes
    ----------
    trees : list of (str, int)
        Name and columns of each.
    bytes : list of int
        Of a row in each tree, its salt included.
    """

    def __init__(self, air: Air, options: Options) -> None:
        self._program, self._widths = air.program(), air.widths()
        self._segments = options.quotient_segments(air)
        named = (
            ("attested", self._widths[ATTESTED]),
            ("main", self._widths[MAIN]),
            ("auxiliary", 3 * self._widths[AUXILIARY]),
            ("quotient", 3 * (self._segments + 1)),
        )
        self.trees = [(name, width) for name, width in named if width]
        self.bytes = [8 * width + options.salt_length for _, width in self.trees]

    def read(self) -> str:
        """Print how the row at query `i` is hashed and taken apart."""
        lines = []
        start = 0
        for t, (name, width) in enumerate(self.trees):
            size = self.bytes[t]
            lines.append(f"# {name}")
            lines.append(f"at = unsafe_add(rows_at[{t}], unsafe_mul(i, {size}))")
            lines.append(
                f"digests[unsafe_add({t} * QUERIES, i)] = "
                f"convert(keccak256(slice(proof, at, {size})), uint256) & DIGEST_MASK"
            )
            for j in range(0, width, 4):
                count = min(4, width - j)
                word = f"convert(extract32(proof, unsafe_add(at, {8 * j})), uint256)"
                if count < 4:
                    word = f"({word} >> {64 * (4 - count)}) << {64 * (4 - count)}"
                lines.append(f"word = {word}")
                lines.append("st[BAD] |= unsafe_add(word & EVEN, CARRY)")
                lines.append("st[BAD] |= unsafe_add((word >> 64) & EVEN, CARRY)")
                for k in range(count):
                    piece = ("word >> 192", "(word >> 128) & M64", "(word >> 64) & M64", "word & M64")[k]
                    lines.append(f"row[{start + j + k}] = {piece}")
            start += width
        return "\n".join("        " + line for line in lines)

    def columns(self, *, near: bool) -> list[int]:
        """Return the columns that one side of the DEEP sum takes, in the frame's order."""
        return [column + c for column, cubic in self._side(near) for c in range(3 if cubic else 1)]

    def base(self, *, near: bool) -> int:
        """Return how many functions of a side are in the base field: those of the first segments."""
        return sum(not cubic for _, cubic in self._side(near))

    def sum(self, *, near: bool) -> str:
        """Print the sum of row[column]·w[k]; nested to the right, for Venom then needs no deep stack."""
        total = "0"
        for k, column in reversed(list(enumerate(self.columns(near=near)))):
            term = f"unsafe_mul(row[{column}], w[{k}])"
            total = term if total == "0" else f"unsafe_add({term}, {total})"
        return total

    def _side(self, near: bool) -> list[tuple[int, bool]]:
        """Where each function opened at z, or in the next row, lies in the joined row: (column, cubic)."""
        starts, at = {}, 0
        for segment in (ATTESTED, MAIN, AUXILIARY):
            starts[segment] = at
            at += self._widths[segment] * (3 if segment == AUXILIARY else 1)
        cells = [
            (starts[c.segment] + c.column * (3 if c.segment == AUXILIARY else 1), c.segment == AUXILIARY)
            for c in self._program.cells
        ]
        current = self._program.current
        if near:
            return [*cells[:current], *((at + 3 * k, True) for k in range(self._segments))]
        return cells[current:]
