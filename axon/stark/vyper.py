"""An AIR's verifier in Vyper: the same checks in the same order as `verifier.py`.

The protocol around the constraints is a template by hand (`vyper_template.py`, `vyper_faces.py`) over
the modules `contracts/stark/{goldilocks,transcript}.vy`; what depends on the AIR is printed
here: divisors, tables, the DEEP sums over an opened row, and what the transcript has absorbed
of AIR and options. The constraints are a contract of their own (`vyper_constraints.py`), which the
verifier's constructor creates.

One contract serves several trace lengths. A proof on its way to it is wrapped by `envelope`:
one byte log2 of the rows, the proof, eight zero bytes so that words can be read at the end.
Not every AIR can be printed yet: at most one public list, no public columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from axon.errors import ConfigError
from axon.stark.air import Air
from axon.stark.composition import Divisors, _periodic_coefficients
from axon.stark.field import GENERATOR, root_of_unity
from axon.stark.options import Options
from axon.stark.program import Kind, Operand
from axon.stark.proof import HEADER, Proof
from axon.stark.transcript import Tag, Transcript
from axon.stark.verifier import statement
from axon.stark.vyper_constraints import CONSTRAINTS, constraint_lines
from axon.stark.vyper_faces import GENERIC, POOL
from axon.stark.vyper_fold import fold_lines
from axon.stark.vyper_rows import OpenedRows
from axon.stark.vyper_template import TEMPLATE

__all__ = ["envelope", "verifier_source"]

_PAD = bytes(8)


def envelope(air: Air, proof: Proof) -> bytes:
    """Return the bytes that the contract takes for `proof`."""
    return bytes((air.log_rows,)) + proof.to_bytes() + _PAD


def verifier_source(
    family: Callable[[int], Air], log_rows: Sequence[int], options: Options, face: str = "generic"
) -> tuple[str, str]:
    """Print the verifier of an AIR for several trace lengths, and the contract of its constraints.

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
    printer = _Printer(airs, options, face)
    return printer.source(TEMPLATE), printer.source(CONSTRAINTS)


class _Printer:
    def __init__(self, airs: Sequence[Air], options: Options, face: str) -> None:
        self.airs, self.air, self.options, self.face = airs, airs[0], options, face
        self.program = self.air.program()
        self.segments = options.quotient_segments(self.air)
        self.frame = len(self.program.cells) + self.segments
        self.rows = OpenedRows(self.air, options)
        self.trees = self.rows.trees
        self.publics_at = self.frame
        self.challenges_at = self.publics_at + len(self.air.publics)
        self.list_at = self.challenges_at + len(self.air.challenges)
        self.tables_at = self.list_at + len(self.air.list_values)
        self.inputs = self.tables_at + len(self.air.tables)

    def source(self, template: str) -> str:
        o = self.options
        bits = self.air.lists[0].bits if self.air.lists else 64
        face = POOL if self.face == "pool" else GENERIC
        rows = Divisors.of(self.air).rows
        lines, numbers = constraint_lines(self.program, self._slot, self.inputs, rows)
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
            "PROOF_LIMIT": self._most_bytes(),
            "LIST_BITS": bits,
            "LIST_LANES": 256 // bits,
            "LIST_WORDS": -(-self._list_limit() // (256 // bits)),
            "HEADER": int.from_bytes(HEADER, "big"),
            "DIGEST": digest,
            "DIGEST_MASK": f"(2**{8 * digest} - 1) << {256 - 8 * digest}"
            if digest < 32
            else "max_value(uint256)",
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
            "NUMBERS": numbers,
            "LINES": "\n".join("    " + line for line in lines),
            "UNPACK": self._unpack(),
            "DIVISORS": self._divisors(),
            "DIVISOR_ROWS": len(rows),
            "DIVISOR_NUMBERS": 3 * len(rows),
            "TABLES": self._tables(),
            "NEAR_COLUMNS": len(self.rows.columns(near=True)),
            "NEAR_BASE": self.rows.base(near=True),
            "NEAR_SUM": self.rows.sum(near=True),
            "FAR_COLUMNS": max(1, len(self.rows.columns(near=False))),
            "FAR_BASE": self.program.current + self.segments + self.rows.base(near=False),
            "FAR_SUM": self.rows.sum(near=False),
            "ROW": sum(width for _, width in self.trees),
            "READ_ROWS": self.rows.read(),
            "ROW_BYTES": str(self.rows.bytes),
            "GENERATOR": GENERATOR,
            "POINT": self._point(),
            "FOLD": fold_lines(),
            "FINAL_ABSORB": self._final_absorb(),
            "LIST_LIMIT": self._list_limit(),
        }
        text = template
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

    def _most_bytes(self) -> int:
        """The most that an envelope holds, with all positions different, to whole words."""
        o = self.options
        most = 0
        for air in self.airs:
            folds = o.folds(air.log_rows)
            depth = air.log_rows + o.log_blowup
            size = 1 + len(HEADER) + 24 * (self.frame + o.final_length(air.log_rows)) + 8 + 8
            size += o.digest_bytes * (len(self.trees) + len(folds))
            size += o.queries * sum(self.rows.bytes) + o.queries * 168 * len(folds)
            size += (
                o.digest_bytes
                * o.queries
                * sum([depth] * len(self.trees) + [depth - sum(folds[: k + 1]) for k in range(len(folds))])
            )
            most = max(most, size)
        return -(-most // 32) * 32

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

    def _slot(self, operand: Operand) -> int:
        """Where `v` has an input."""
        number = operand.number
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

    def _unpack(self) -> str:
        lines = []
        scalars = range(self.publics_at, self.challenges_at)
        for k in range(self.inputs):
            lines.append(f"a[{3 * k}] = v[{k}] >> 192")
            if k not in scalars:
                lines.append(f"a[{3 * k + 1}] = (v[{k}] >> 128) & M64")
                lines.append(f"a[{3 * k + 2}] = (v[{k}] >> 64) & M64")
        for k in range(len(Divisors.of(self.air).rows)):
            lines.append(f"g[{3 * k}] = divisors[{k}] >> 192")
            lines.append(f"g[{3 * k + 1}] = (divisors[{k}] >> 128) & M64")
            lines.append(f"g[{3 * k + 2}] = (divisors[{k}] >> 64) & M64")
        return "\n".join("    " + line for line in lines)

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
