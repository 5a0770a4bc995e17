"""An AIR's verifier as a Vyper contract: the same checks in the same order as `verifier.py`.

The protocol around the constraints is a template by hand (`vyper_template.py`) over the
modules `contracts/stark/{goldilocks,transcript}.vy`; what depends on the AIR is printed
here: the constraints from `Air.program()`, divisors, tables, the DEEP sums over
an opened row, and what the transcript has absorbed of AIR and options.

One contract serves several trace lengths. A proof on its way to it is wrapped by `envelope`:
one byte log2 of the rows, the proof, eight zero bytes so that words can be read at the end.
Not every AIR can be printed yet: at most one public list, no public columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from axon.errors import ConfigError
from axon.stark.air import ATTESTED, AUXILIARY, MAIN, Air
from axon.stark.composition import Divisors, _periodic_coefficients
from axon.stark.field import GENERATOR, P, inverse, root_of_unity
from axon.stark.options import Options
from axon.stark.program import Kind, Opcode, Operand
from axon.stark.proof import HEADER, Proof
from axon.stark.transcript import Tag, Transcript
from axon.stark.verifier import statement
from axon.stark.vyper_template import GENERIC, POOL, TEMPLATE

__all__ = ["envelope", "verifier_source"]

_PAD = bytes(8)
_TERMS = 8
_EMIT, _CLOSE = int(Opcode.EMIT), int(Opcode.EMIT) + 1  # the evaluator's own: end of the active rows


def envelope(air: Air, proof: Proof) -> bytes:
    """Return the bytes that the contract takes for `proof`."""
    return bytes((air.log_rows,)) + proof.to_bytes() + _PAD


def verifier_source(
    family: Callable[[int], Air], log_rows: Sequence[int], options: Options, face: str = "generic"
) -> str:
    """Print the verifier of an AIR for several trace lengths.

    Parameters
    ----------
    family : callable
        log2 of the rows to the AIR; all of them must have the same constraints.
    log_rows : sequence of int
        The lengths that the contract accepts.
    face : str
        ``generic``: ``verify(attested, scalars, list, context, proof)``; ``pool``: what
        `contracts/interfaces/IStarkVerifier.vyi` asks, for AXR-1's public inputs.

    Raises
    ------
    ConfigError
        If the AIR or the options need what is not printed yet.
    """
    lengths = sorted(set(log_rows))
    airs = [family(n) for n in lengths]
    air = airs[0]
    for other in airs:
        options.check(other)
        if other.program() != air.program():
            raise ConfigError(f"air {air.name!r}: another program at 2^{other.log_rows} rows")
        if options.quotient_segments(other) != options.quotient_segments(air):
            raise ConfigError(f"air {air.name!r}: another number of quotient segments at 2^{other.log_rows}")
    if options.log_fold != 3 or options.log_final < 3:
        raise ConfigError(f"options {options.name!r}: contracts fold by 8")
    if len(air.lists) > 1 or any(t.source is not None for t in air.tables):
        raise ConfigError(f"air {air.name!r}: several public lists or a public column")
    if face not in ("generic", "pool"):
        raise ConfigError(f"face {face!r}, want generic or pool")
    return _Printer(airs, options, face).source()


class _Printer:
    def __init__(self, airs: Sequence[Air], options: Options, face: str) -> None:
        self.airs, self.air, self.options, self.face = airs, airs[0], options, face
        self.program = self.air.program()
        self.segments = options.quotient_segments(self.air)
        self.frame = len(self.program.cells) + self.segments
        widths = self.air.widths()
        self.trees = [
            (name, width)
            for name, width in (
                ("attested", widths[ATTESTED]),
                ("main", widths[MAIN]),
                ("auxiliary", 3 * widths[AUXILIARY]),
                ("quotient", 3 * (self.segments + 1)),
            )
            if width
        ]
        self.row_bytes = [8 * width + options.salt_length for _, width in self.trees]
        self.publics_at = self.frame
        self.challenges_at = self.publics_at + len(self.air.publics)
        self.list_at = self.challenges_at + len(self.air.challenges)
        self.tables_at = self.list_at + len(self.air.list_values)
        self.inputs = self.tables_at + len(self.air.tables)

    def source(self) -> str:
        o = self.options
        face = POOL if self.face == "pool" else GENERIC
        constants, code = self._constants(), self._code()
        weigh, sums = self._weigh()
        digest = o.digest_bytes
        log_max = max(a.log_rows for a in self.airs)
        has = dict(self.trees)
        tags = {"main": Tag.MAIN, "auxiliary": Tag.AUXILIARY, "quotient": Tag.QUOTIENT}
        names = [name for name, _ in self.trees]
        values = {
            "AIR": self.air.name,
            "OPTIONS": o.name,
            "HEAD": face.head,
            "SIGNATURE": face.signature,
            "PUBLIC": face.public,
            "FUNCTIONS": face.functions,
            "LIST_VALUES": "".join(
                face.values.format(place=self.list_at + k, challenge=self.challenges_at + challenge)
                for k, (_, challenge) in enumerate(self.air.list_values)
            ),
            "HAS_LIST": str(bool(self.air.lists)),
            "HAS_ATTESTED": str("attested" in has),
            "ATTESTED_MASK": "DIGEST_MASK" if "attested" in has else 0,
            "NODES": o.queries * (log_max + o.log_blowup),
            "MAX_PUBLIC": 12 + (5 * 1024 if self.face == "pool" else self._list_limit() + 66) // 4 + 4,
            "HEADER": int.from_bytes(HEADER, "big"),
            "DIGEST": digest,
            "DIGEST_MASK": f"(2**{8 * digest} - 1) << {256 - 8 * digest}" if digest < 32 else "2**256 - 1",
            "QUERIES": o.queries,
            "GRINDING": o.grinding_bits,
            "LOG_BLOWUP": o.log_blowup,
            "LOG_FINAL": o.log_final,
            "MAX_FOLDS": max(len(o.folds(a.log_rows)) for a in self.airs),
            "MAX_FINAL": max(o.final_length(a.log_rows) for a in self.airs),
            "MAX_LOG_SIZE": log_max + o.log_blowup,
            "BLINDING": o.quotient_blinding,
            "EXEMPT": o.random_rows + 1,
            "TREES": len(self.trees),
            "FRAME": self.frame,
            "FRAME_BYTES": 24 * self.frame,
            "CURRENT": self.program.current,
            "SEGMENTS": self.segments,
            "NEAR": self.program.current + self.segments,
            "INPUTS": self.inputs,
            "PUBLICS": len(self.air.publics),
            "PUBLICS_AT": self.publics_at,
            "CHALLENGES": len(self.air.challenges),
            "CHALLENGES_AT": self.challenges_at,
            "MIN_BYTES": self._fixed_bytes(),
            "ROOT_MAIN": self._root(names.index("main"), tags["main"]),
            "ROOT_AUXILIARY": self._root(names.index("auxiliary"), tags["auxiliary"])
            if "auxiliary" in has
            else "",
            "ROOT_QUOTIENT": self._root(names.index("quotient"), tags["quotient"]),
            "BEGIN": self._begin(),
            "ROOTS_OF_UNITY": self._choose({a.log_rows: root_of_unity(a.log_rows) for a in self.airs}),
            "NODE": self._node(),
            "SLOTS": self.inputs + len(constants) + max(1, self.program.registers),
            "CONSTANTS": len(constants),
            "CONSTANT_BYTES": 8 * len(constants) + 32,
            "CONSTANT_DATA": b"".join(c.to_bytes(8, "big") for c in constants).hex() + 64 * "0",
            "STEPS": len(code),
            "CODE_BYTES": 8 * len(code) + 32,
            "CODE_DATA": b"".join(x.to_bytes(2, "big") for i in code for x in i).hex() + 64 * "0",
            "DIVISORS": self._divisors(),
            "DIVISOR_ROWS": len(Divisors.of(self.air).rows),
            "TABLES": self._tables(),
            "WEIGH": weigh,
            "ROW_SUMS": sums,
            "BASE": max(1, self._base_width()),
            "CUBIC": (sum(width for _, width in self.trees) - self._base_width()) // 3,
            "READ_ROWS": self._read_rows(),
            "ROW_BYTES": str(self.row_bytes),
            "POINT": self._point(False),
            "POINT_INVERSE": self._point(True),
            "SHIFTS": self._shifts(False),
            "SHIFT_INVERSES": self._shifts(True),
            "FINAL_ABSORB": self._final_absorb(),
            "FOLD": self._fold(),
            "LIST_LIMIT": self._list_limit(),
        }
        text = TEMPLATE
        for _ in range(2):  # the faces have places of their own
            for key, value in values.items():
                text = text.replace(
                    "{{" + key + "}}", str(value).rstrip("\n") if "\n" in str(value) else str(value)
                )
        if "{{" in text:
            raise AssertionError(f"a place was not filled: {text[text.index('{{') :][:40]}")
        return "\n".join(line.rstrip() for line in _without_empty_loops(text.splitlines())) + "\n"

    def _list_limit(self) -> int:
        return min(1024, self.air.lists[0].limit) if self.air.lists else 1

    def _fixed_bytes(self) -> int:
        """The least that a proof holds before the opened rows."""
        folds = min(len(self.options.folds(a.log_rows)) for a in self.airs)
        roots = len(self.trees) - ("attested" in dict(self.trees)) + folds
        return 1 + 8 + roots * self.options.digest_bytes + 24 * self.frame + 8 + 8

    def _root(self, number: int, tag: Tag) -> str:
        return (
            f"    state = transcript._absorb(state, 0x{int(tag):02x}, slice(proof, st[CURSOR], DIGEST))\n"
            f"    roots[{number}] = convert(extract32(proof, st[CURSOR]), uint256) & DIGEST_MASK\n"
            "    st[CURSOR] += DIGEST\n"
        )

    def _begin(self) -> str:
        states = {}
        for air in self.airs:
            transcript = Transcript()
            transcript.absorb(Tag.STATEMENT, statement(air, self.options))
            states[air.log_rows] = f"0x{transcript.state.hex()}"
        return self._choose(states)

    def _choose(self, values: Mapping[int, object]) -> str:
        lines = [
            f"    if log_rows == {log_rows}:\n        return {value}" for log_rows, value in values.items()
        ]
        return "\n".join(lines)

    def _node(self) -> str:
        size = self.options.digest_bytes
        if size == 32:
            return 'keccak256(concat(x"01", convert(left, bytes32), convert(right, bytes32)))'
        first = f"convert((1 << 248) | (left >> 8) | (right >> {8 * (1 + size)}), bytes32)"
        rest = f"convert(right << {8 * (31 - size)}, bytes32)"
        return f"keccak256(concat({first}, convert({rest}, bytes{2 * size - 31})))"

    # constraints

    def _constants(self) -> list[int]:
        operands = [x for i in self.program.instructions for x in (i.left, i.right)]
        return sorted({x.number for x in operands if x.kind == Kind.CONSTANT})

    def _slot(self, operand: Operand) -> int:
        """Where the evaluator keeps an operand: inputs, then constants, then registers."""
        constants = self._constants()
        number = operand.number
        if operand.kind == Kind.REGISTER:
            return self.inputs + len(constants) + number
        if operand.kind == Kind.CONSTANT:
            return self.inputs + constants.index(number)
        if operand.kind == Kind.CELL:
            # the proof has the quotient's values between current and next rows
            return number if number < self.program.current else number + self.segments
        start = {
            Kind.PUBLIC: self.publics_at,
            Kind.CHALLENGE: self.challenges_at,
            Kind.LIST: self.list_at,
            Kind.PERIODIC: self.tables_at,
        }[operand.kind]
        return start + number

    def _code(self) -> list[tuple[int, int, int, int]]:
        """The program as the contract's evaluator runs it: operation, target, left, right."""
        rows = Divisors.of(self.air).rows
        code, everywhere = [], True
        for i in self.program.instructions:
            left, right = self._slot(i.left), self._slot(i.right)
            if i.opcode != Opcode.EMIT:
                target = self._slot(Operand(Kind.REGISTER, i.target))
                code.append((int(i.opcode), target, left, right))
                continue
            row = self.program.constraints[i.target].row
            if row is not None and everywhere:
                code.append((_CLOSE, 0, 0, 0))
                everywhere = False
            code.append((_EMIT, 0 if row is None else 1 + rows.index(row), left, 0))
        if everywhere:
            code.append((_CLOSE, 0, 0, 0))
        return code

    def _divisors(self) -> str:
        lines = []
        for k, row in enumerate(Divisors.of(self.air).rows):
            if row is None:
                lines += [
                    "value = goldilocks._invert(goldilocks._sub(power, goldilocks.ONE))",
                    "point = goldilocks._power_base(root, (1 << log_rows) - EXEMPT)",
                    "for i: uint256 in range(EXEMPT):",
                    "    value = goldilocks._mul(value, goldilocks._sub(z, point << 192))",
                    "    point = unsafe_mul(point, root) % goldilocks.P",
                    f"out[{k}] = value",
                ]
            else:
                at = str(row) if row >= 0 else "(1 << log_rows) - EXEMPT"
                lines += [
                    f"point = goldilocks._power_base(root, {at})",
                    f"out[{k}] = goldilocks._invert(goldilocks._sub(z, point << 192))",
                ]
        return "\n".join("    " + line for line in lines)

    def _tables(self) -> str:
        lines = []
        for k, table in enumerate(self.air.tables):
            at = self.tables_at + k
            coefficients = _periodic_coefficients(table.values)
            period = len(coefficients).bit_length() - 1
            lines.append(f"st[TEMPORARY] = goldilocks._power(st[Z], 1 << (log_rows - {period}))")
            lines.append(f"v[{at}] = {coefficients[-1] << 192}")
            for c in reversed(coefficients[:-1]):
                lines.append(
                    f"v[{at}] = goldilocks._add(goldilocks._mul(v[{at}], st[TEMPORARY]), {c << 192})"
                )
        return "\n".join("    " + line for line in lines)

    # opened rows

    def _read_rows(self) -> str:
        lines = []
        start = 0
        for t, (name, width) in enumerate(self.trees):
            size = self.row_bytes[t]
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
                    at = start + j + k - self._base_width()
                    place = f"base[{start + j + k}]" if at < 0 else f"cubic{at % 3}[{at // 3}]"
                    lines.append(f"{place} = {piece}")
            start += width
        return "\n".join("        " + line for line in lines)

    def _weigh(self) -> tuple[str, str]:
        """Functions for the weighted sums over an opened row, and the statements that call them.

        A function adds few products, each of values that it loads once: Venom keeps what it
        loads on the stack and gives up beyond sixteen.
        """
        places = self._places()
        near = self.program.current + self.segments
        functions, calls = [], []
        for side, chosen in (("near", range(near)), ("far", range(near, self.frame))):
            if not chosen:
                continue
            parts: list[tuple[bool, str]] = []
            for cubic in (False, True):
                terms = [
                    f"unsafe_mul(row[{self._base_width_at(places[k])}], w[{k}])"
                    for k in chosen
                    if places[k][1] == cubic
                ]
                for number, first in enumerate(range(0, len(terms), _TERMS)):
                    name = f"_{side}_{'cubic' if cubic else 'base'}_{number}"
                    parts.append((cubic, name))
                    size = "CUBIC" if cubic else "BASE"
                    some = terms[first : first + _TERMS]
                    head = f"def {name}(row: uint256[{size}], w: uint256[FRAME]) -> uint256:\n"
                    functions.append(f"@internal\n@pure\n{head}    return {_sum(some)}\n")
            calls.append(
                f"# {side}: sums of the weights' coordinate d over columns' coordinate c, at 3 c + d"
            )
            for c in range(3):
                for d in range(3):
                    used = [
                        f"self.{name}({f'cubic{c}' if cubic else 'base'}, weights{d})"
                        for cubic, name in parts
                        if cubic or c == 0
                    ]
                    calls.append(f"s[{3 * c + d}] = {used[0] if used else 0}")
                    calls += [f"s[{3 * c + d}] = unsafe_add(s[{3 * c + d}], {call})" for call in used[1:]]
            calls.append(f"st[{side.upper()}_SUM] = self._join(s)")
        return "\n\n".join(functions), "\n".join("        " + line for line in calls)

    def _base_width_at(self, place: tuple[int, bool]) -> int:
        """A base column's own place, or the number of a cubic one."""
        column, cubic = place
        return (column - self._base_width()) // 3 if cubic else column

    def _base_width(self) -> int:
        widths = self.air.widths()
        return widths[ATTESTED] + widths[MAIN]

    def _places(self) -> list[tuple[int, bool]]:
        """Where each function of the frame lies in the joined row: (column, cubic)."""
        starts, at = {}, 0
        widths = self.air.widths()
        for segment in (ATTESTED, MAIN, AUXILIARY):
            starts[segment] = at
            at += widths[segment] * (3 if segment == AUXILIARY else 1)
        cells = [
            (starts[c.segment] + c.column * (3 if c.segment == AUXILIARY else 1), c.segment == AUXILIARY)
            for c in self.program.cells
        ]
        current = self.program.current
        return [*cells[:current], *((at + 3 * k, True) for k in range(self.segments)), *cells[current:]]

    # domains

    def _point(self, inverted: bool) -> str:
        """Bit i of a bit-reversed position contributes a root of order 2^(i+1), whatever the domain."""
        lines = []
        for i in range(max(a.log_rows for a in self.airs) + self.options.log_blowup):
            root = root_of_unity(i + 1)
            lines.append(f"if position & {1 << i} != 0:")
            lines.append(f"    x = unsafe_mul(x, {inverse(root) if inverted else root}) % goldilocks.P")
        return "\n".join("    " + line for line in lines)

    def _shifts(self, inverted: bool) -> str:
        shift = inverse(GENERATOR) if inverted else GENERATOR
        count = max(len(self.options.folds(a.log_rows)) for a in self.airs) + 1
        values = [pow(shift, 8**k, P) for k in range(count)]
        lines = [f"if layer == {k}:\n        return {value}" for k, value in enumerate(values)]
        return "\n".join("    " + line for line in lines)

    def _final_absorb(self) -> str:
        lengths = sorted({self.options.final_length(a.log_rows) for a in self.airs})
        lines = []
        for length in lengths:
            lines.append(f"if final_length == {length}:")
            lines.append(
                f"    state = transcript._absorb(state, 0x{int(Tag.FINAL):02x}, "
                f"slice(proof, st[CURSOR], {24 * length}))"
            )
        return "\n".join("    " + line for line in lines)

    def _fold(self) -> str:
        eighth, quarter = inverse(root_of_unity(3)), inverse(root_of_unity(2))
        factors = [pow(eighth, e, P) for e in (1, 2, 3)]
        return (
            f"    a: uint256 = goldilocks._butterfly(e[0], e[1], c)\n"
            f"    b: uint256 = goldilocks._butterfly(e[2], e[3], goldilocks._scale(c, {factors[1]}))\n"
            f"    d: uint256 = goldilocks._mul(c, c)\n"
            f"    a = goldilocks._butterfly(a, b, d)\n"
            f"    b = goldilocks._butterfly(e[4], e[5], goldilocks._scale(c, {factors[0]}))\n"
            f"    f: uint256 = goldilocks._butterfly(e[6], e[7], goldilocks._scale(c, {factors[2]}))\n"
            f"    b = goldilocks._butterfly(b, f, goldilocks._scale(d, {quarter}))\n"
            f"    a = goldilocks._butterfly(a, b, goldilocks._mul(d, d))\n"
            f"    return goldilocks._scale(a, goldilocks.EIGHTH)"
        )


def _without_empty_loops(lines: Sequence[str]) -> Iterator[str]:
    """Leave out loops over nothing, which Vyper refuses: an AIR without challenges or constants has some."""
    depth: int | None = None
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if depth is not None and (not line.strip() or indent > depth):
            continue
        depth = indent if line.rstrip().endswith("in range(0):") else None
        if depth is None:
            yield line


def _sum(terms: Sequence[str]) -> str:
    total = terms[0]
    for term in terms[1:]:
        total = f"unsafe_add({total}, {term})"
    return total
