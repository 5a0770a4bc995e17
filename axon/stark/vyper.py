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
            "ROW_SUMS": self._weigh(),
            "BASE": max(1, self._base_width()),
            "CUBIC": (sum(width for _, width in self.trees) - self._base_width()) // 3,
            "READ_ROWS": self._read_rows(),
            "ROW_BYTES": str(self.row_bytes),
            "GENERATOR": GENERATOR,
            "POINT": self._point(),
            "FINAL_ABSORB": self._final_absorb(),
            "FOLD_TERMS": self._fold_terms(),
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

    def _weigh(self) -> str:
        """Statements for the weighted sums over an opened row."""
        places = self._places()
        near = self.program.current + self.segments
        lines = []
        for side, chosen in (("near", range(near)), ("far", range(near, self.frame))):
            if not chosen:
                continue
            lines.append(f"# {side}: sums of the weights' coordinate d over columns' coordinate c, at 3 c + d")
            started: set[int] = set()
            for cubic in (False, True):
                ks = [k for k in chosen if places[k][1] == cubic]
                for c in range(3) if cubic else (0,):
                    for d in range(3):
                        place = 3 * c + d
                        terms = [
                            f"unsafe_mul({f'cubic{c}' if cubic else 'base'}[{self._base_width_at(places[k])}], weights{d}[{k}])"
                            for k in ks
                        ]
                        for first in range(0, len(terms), _TERMS):
                            some = terms[first : first + _TERMS]
                            if place in started:
                                some.append(f"s[{place}]")
                            started.add(place)
                            lines.append(f"s[{place}] = {_sum(some)}")
            lines += [f"s[{place}] = 0" for place in range(9) if place not in started]
            lines.append(f"st[{side.upper()}_SUM] = self._join(s)")
        return "\n".join("        " + line for line in lines)

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

    def _point(self) -> str:
        """Bit i of a bit-reversed position contributes a root of order 2^(i+1), whatever the domain."""
        lines = []
        for i in range(max(a.log_rows for a in self.airs) + self.options.log_blowup):
            root = root_of_unity(i + 1)
            lines.append(f"if position & {1 << i} != 0:")
            lines.append(f"    x = unsafe_mul(x, {root}) % goldilocks.P")
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

    def _fold_terms(self) -> str:
        lines = []
        for j in range(8):
            if j:
                lines.append("yj = unsafe_mul(yj, y) % P" if j > 1 else "yj = y")
            names = ("a", "b", "c") if j else ("a: uint256", "b: uint256", "c: uint256")
            for name, source in zip(names, "pqr"):
                value = f"unsafe_mul({source}[{j}], yj)" if j else f"{source}[0]"
                lines.append(f"{name} = {value}")
            names = ("d", "f", "g") if j else ("d: uint256", "f: uint256", "g: uint256")
            for name, piece in zip(names, (f"powers[{j}] >> 192", f"(powers[{j}] >> 128) & M64", f"(powers[{j}] >> 64) & M64")):
                lines.append(f"{name} = {piece}")
            for k, terms in enumerate((
                "unsafe_add(unsafe_mul(a, d), unsafe_mul(2, unsafe_add(unsafe_mul(b, g), unsafe_mul(c, f))))",
                "unsafe_add(unsafe_add(unsafe_mul(a, f), unsafe_mul(b, d)), unsafe_mul(2, unsafe_mul(c, g)))",
                "unsafe_add(unsafe_add(unsafe_mul(a, g), unsafe_mul(b, f)), unsafe_mul(c, d))",
            )):
                lines.append(f"s[{k}] = unsafe_add(s[{k}], {terms})" if j else f"s[{k}] = {terms}")
        return "\n".join("    " + line for line in lines)


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
