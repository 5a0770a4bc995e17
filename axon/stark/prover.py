"""The prover: DEEP-ALI and FRI over keccak trees. docs/proof-system.md has the protocol.

The order of commitments and challenges is the verifier's (`verifier.py`), line by line.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from axon.errors import ConfigError, ProverError
from axon.stark import extension, fri
from axon.stark.air import ATTESTED, AUXILIARY, MAIN, Air, Public
from axon.stark.committed import Committed
from axon.stark.composition import check_out_of_domain, compose, scalars_of
from axon.stark.deep import combine, divide, extension_weights
from axon.stark.extension import Ext
from axon.stark.field import Vector, root_of_unity
from axon.stark.grind import grind
from axon.stark.lowering import Scalars
from axon.stark.memory import check_memory
from axon.stark.ntt import eval_at, interpolate, low_degree_extend
from axon.stark.options import Options
from axon.stark.proof import HEADER, Proof, extension_bytes
from axon.stark.trace import PAD, Random, Witness, _as_field
from axon.stark.transcript import Tag, Transcript
from axon.stark.verifier import statement

__all__ = ["Progress", "commit_segment", "prove"]

Progress = Callable[[str, float], None]  # stage about to begin, share of the work done


class _Clock:
    """Seconds spent in each stage, and progress."""

    def __init__(self, progress: Progress | None, timings: dict[str, float] | None) -> None:
        self.progress = progress
        self.timings = timings
        self.stage = ""
        self.since = time.perf_counter()

    def begin(self, stage: str, done: float) -> None:
        now = time.perf_counter()
        if self.timings is not None and self.stage:
            self.timings[self.stage] = self.timings.get(self.stage, 0.0) + now - self.since
        self.stage, self.since = stage, now
        if self.progress is not None:
            self.progress(stage, done)


def _commit_attested(values: Vector, log_rows: int, rows: int, seed: bytes, options: Options) -> Committed:
    """The first segment; everything random in it comes from `seed`."""
    size = 1 << log_rows
    natural = np.ascontiguousarray(values[:, :size])
    if size > rows:
        natural[:, rows:] = Random(seed, b"attested rows").elements(len(natural), size - rows)
    return Committed(interpolate(natural), options, seed, b"attested salts")


def commit_segment(air: Air, columns: Mapping[str, ArrayLike], seed: bytes, options: Options) -> bytes:
    """The root of an attested segment, for whoever checks the columns and signs it.

    Parameters
    ----------
    columns : name -> values below P, for every attested column; short ones are padded with zeros.
    seed : bytes
        At least 16 secret random bytes, shared by the prover and those who attest. Whoever
        knows it recomputes the same root; without it the root hides the columns.
    options : Options
        The proof's; the root depends on blowup, queries, salt and digest length.

    Returns
    -------
    bytes
        `options.digest_bytes` of them: the public value "attested".

    Raises
    ------
    ProverError, ConfigError
        For columns missing, unknown, too long or not below P; a short seed.
    """
    names = air.names[ATTESTED]
    if not names or set(columns) != set(names):
        raise ProverError(f"attested columns {sorted(columns)}, want {sorted(names)}")
    _check_seed(seed)
    values = np.zeros((len(names), 1 << air.log_rows), np.uint64)
    for k, name in enumerate(names):
        column = _as_field(name, columns[name])
        if column.ndim != 1 or len(column) > air.rows(options):
            raise ProverError(f"attested column {name!r}: {column.shape}, at most {air.rows(options)} rows")
        values[k, : len(column)] = column
    return _commit_attested(values, air.log_rows, air.rows(options), seed, options).root


def _check_seed(seed: bytes) -> None:
    if len(seed) < 16:
        raise ConfigError(f"seed of {len(seed)} bytes, want at least 16")


def prove(
    air: Air,
    trace: Mapping[str, ArrayLike],
    public: Public,
    options: Options,
    *,
    attested_seed: bytes | None = None,
    seed: bytes | None = None,
    progress: Progress | None = None,
    memory_limit: int | None = None,
    debug: bool = False,
    timings: dict[str, float] | None = None,
) -> Proof:
    """Prove that `trace` satisfies `air` for the `public` values.

    Parameters
    ----------
    trace : name -> (air.rows(options),) integers below P
        Every attested and main column but those of range tables.
    public : name -> int, sequence of ints or bytes
        What `Air.encode_public` wants: declared values and lists, "attested" (root) if
        there are attested columns, optionally "context", bytes that the proof is bound to.
    options : Options
    attested_seed : bytes
        The seed of `commit_segment`.
    seed : bytes, optional
        Makes the proof reproducible. Give it only in tests, and never one seed for two
        witnesses: the default is fresh randomness from the system.
    progress : callable(stage, share done), optional
    memory_limit : int, optional
        Bytes; by default four fifths of what the machine has free.
    debug : bool
        Check every constraint on every row first, and name the first that fails.
    timings : dict, optional
        Receives seconds per stage.

    Returns
    -------
    Proof

    Raises
    ------
    ConfigError
        If the options do not admit the AIR, or a public value is missing.
    ProverError
        If the witness is malformed or breaks a constraint, or memory would not suffice.
    """
    options.check(air)
    check_memory(air, options, memory_limit)
    public_bytes = air.encode_public(public, options.digest_bytes)
    clock = _Clock(progress, timings)
    secret = os.urandom(32) if seed is None else seed
    n, blocks = 1 << air.log_rows, options.quotient_blocks(air)

    clock.begin("trace", 0.0)
    witness = Witness(air, options, trace, public)
    widths = air.widths()
    committed: list[Committed] = []
    empty = np.zeros((1, 8), np.uint64)
    extended = [empty, empty, empty]

    transcript = Transcript()
    transcript.absorb(Tag.STATEMENT, statement(air, options))
    transcript.absorb(Tag.PUBLIC, public_bytes)
    roots = bytearray()

    if widths[ATTESTED]:
        clock.begin("attested", 0.02)
        if attested_seed is None:
            raise ProverError("attested columns need their seed")
        _check_seed(attested_seed)
        part = _commit_attested(
            witness.segments[ATTESTED], air.log_rows, witness.rows, attested_seed, options
        )
        if part.root != public["attested"]:
            raise ProverError("the attested columns and seed do not give the attested root")
        committed.append(part)
        extended[ATTESTED] = part.blocks(blocks)

    def commit(segment: int, tag: Tag) -> Committed:
        purpose = tag.name.lower().encode()
        witness.randomize(segment, Random(secret, purpose + b" rows"))
        natural = np.ascontiguousarray(witness.segments[segment][:, :-PAD])
        part = Committed(interpolate(natural), options, secret, purpose + b" salts")
        transcript.absorb(tag, part.root)
        roots.extend(part.root)
        committed.append(part)
        extended[segment] = part.blocks(blocks)
        return part

    clock.begin("main", 0.05)
    commit(MAIN, Tag.MAIN)
    challenges = [transcript.element(Tag.CHALLENGE) for _ in air.challenges]
    scalars: Scalars = scalars_of(air, public, challenges)
    if widths[AUXILIARY]:
        clock.begin("auxiliary columns", 0.25)
        witness.fill_auxiliary(scalars)
        clock.begin("auxiliary", 0.3)
        commit(AUXILIARY, Tag.AUXILIARY)
    witness.scalars = scalars
    if debug and (wrong := witness.violations()):
        raise ProverError(f"constraint {wrong[0][1]!r} fails on row {wrong[0][0]}")
    witness.release()

    clock.begin("constraints", 0.45)
    beta = transcript.element(Tag.CONSTRAINTS)
    segments, h = options.quotient_segments(air), options.quotient_blinding
    blinding = Random(secret, b"quotient").elements(3, (segments - 1) * h + n if h else 0)
    quotient = compose(air, options, public, scalars, beta, (extended[0], extended[1], extended[2]), blinding)
    clock.begin("quotient", 0.6)
    part = Committed(quotient, options, secret, b"quotient salts")
    transcript.absorb(Tag.QUOTIENT, part.root)
    roots.extend(part.root)
    committed.append(part)

    clock.begin("deep", 0.75)
    z = transcript.element(Tag.POINT)
    check_out_of_domain(z)
    following = extension.scale(z, root_of_unity(air.log_rows))
    frame, codeword = _deep(air, committed, segments, z, following, transcript, 1 << options.log_blowup)

    clock.begin("fri", 0.85)
    layers, fri_section = fri.commit(codeword, air.log_rows, options, transcript)

    clock.begin("grinding", 0.95)
    nonce = grind(transcript.squeeze(Tag.GRIND), options.grinding_bits).to_bytes(8, "big")
    transcript.absorb(Tag.NONCE, nonce)

    clock.begin("openings", 0.98)
    drawn = transcript.positions(options.queries, air.log_rows + options.log_blowup)
    positions = sorted(set(drawn))
    out = bytearray(HEADER) + roots + frame + fri_section + nonce
    for part in committed:
        out += part.open(positions)
    out += fri.open_layers(layers, positions)
    clock.begin("", 1.0)
    return Proof(bytes(out))


def _deep(
    air: Air,
    committed: list[Committed],
    segments: int,
    z: Ext,
    following: Ext,
    transcript: Transcript,
    blowup: int,
) -> tuple[bytes, Vector]:
    """Open everything at z and at its successor, and make the DEEP codeword."""
    cells = air.program().cells
    present = [s for s in range(3) if air.widths()[s]]
    part_of = {s: committed[k] for k, s in enumerate(present)}
    quotient = committed[-1]

    def values_at(part: Committed, point: Ext, columns: list[int], cubic: bool) -> list[Ext]:
        base = [3 * c + k for c in columns for k in range(3)] if cubic else columns
        source = part.coefficients
        raw = eval_at(source if base == list(range(len(source))) else source[base], point)
        values = [(int(a), int(b), int(c)) for a, b, c in raw]
        if not cubic:
            return values
        units: list[Ext] = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
        return [
            extension.add(
                values[3 * k],
                extension.add(
                    extension.mul(values[3 * k + 1], units[1]), extension.mul(values[3 * k + 2], units[2])
                ),
            )
            for k in range(len(columns))
        ]

    groups: list[tuple[Committed, list[int], bool, int]] = []  # part, columns, in the extension, shift
    for shift in (0, 1):
        for s in present:
            columns = [c.column for c in cells if c.segment == s and c.shift == shift]
            if columns:
                groups.append((part_of[s], columns, s == AUXILIARY, shift))
        if shift == 0:
            groups.append((quotient, list(range(segments)), True, 0))
    frame: list[Ext] = []
    for part, columns, cubic, shift in groups:
        frame += values_at(part, following if shift else z, columns, cubic)
    section = extension_bytes(frame)
    transcript.absorb(Tag.FRAME, section)

    alpha = transcript.element(Tag.BATCH)
    n = 1 << air.log_rows
    sums = [np.zeros((3, n), np.uint64), np.zeros((3, n), np.uint64)]
    factor = alpha
    for part, columns, cubic, shift in groups:
        factors = []
        for _ in columns:
            factors.append(factor)
            factor = extension.mul(factor, alpha)
        weights = np.zeros((len(part.coefficients), 3), np.uint64)
        if cubic:
            rows = [3 * c + k for c in columns for k in range(3)]
            weights[rows] = extension_weights(factors)
        else:
            weights[columns] = np.array(factors, np.uint64)
        combine(part.coefficients, weights, sums[shift], add=True)
    polynomial = quotient.coefficients[3 * segments :].copy()  # the mask
    for total, point in zip(sums, (z, following)):
        divide(total, point, total)
        combine(total, extension_weights([extension.ONE]), polynomial, add=True)
    return section, low_degree_extend(polynomial, blowup)
