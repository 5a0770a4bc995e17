"""The verifier, in the order of the protocol.

It reads the proof front to back; each thing read is absorbed before the next challenge is
drawn. Numbers come from the AIR and the options, never from the proof. Every refusal is a
`ProofRejected` whose `check` names the check; scripts/mutate_verifier.py removes them one
by one and the tests notice.
"""

from __future__ import annotations

from axon.errors import ConfigError, ProofRejected
from axon.stark import extension
from axon.stark.air import ATTESTED, AUXILIARY, MAIN, Air, Public
from axon.stark.commitment import sibling_count, verify_multi
from axon.stark.composition import check_out_of_domain, divisors_at, join_segments, scalars_of, tables_at
from axon.stark.evaluate import at_point
from axon.stark.extension import Ext
from axon.stark.field import GENERATOR, P, Vector, root_of_unity
from axon.stark.fri import domain_point, read_commitments, verify_layers
from axon.stark.grind import hash_nonce, leading_zero_bits
from axon.stark.keccak import hash_rows
from axon.stark.options import Options
from axon.stark.proof import HEADER, Proof, Reader, extension_bytes
from axon.stark.transcript import Tag, Transcript

__all__ = ["layout", "statement", "verify"]


def statement(air: Air, options: Options) -> bytes:
    """What is proved under which rules, 41 bytes: options (8) ‖ AIR id (32) ‖ log2 of the rows (1)."""
    return options.to_bytes() + air.id + bytes((air.log_rows,))


def verify(air: Air, public: Public, proof: Proof, options: Options) -> None:
    """Accept the proof, or raise.

    Parameters
    ----------
    air, public, options : as in `prove`
        The verifier's own; nothing of them is taken from the proof.
    proof : Proof

    Raises
    ------
    ProofRejected
        `check` is one of: header, length, canonical, trailing, public, security, ood-point,
        constraints, grinding, merkle NAME, fri-layer K, fri-final.
    """
    _verify(air, public, proof, options)


def layout(air: Air, public: Public, proof: Proof, options: Options) -> list[tuple[str, int, int, str]]:
    """(name, offset, length, kind) of every section of a valid proof, in order."""
    return _verify(air, public, proof, options).sections


def _verify(air: Air, public: Public, proof: Proof, options: Options) -> Reader:
    try:
        options.check(air)
    except ConfigError as beyond:
        raise ProofRejected("security", str(beyond)) from beyond
    try:
        public_bytes = air.encode_public(public, options.digest_bytes)
    except ConfigError as wrong:
        raise ProofRejected("public", str(wrong)) from wrong
    reader = Reader(proof.data)
    if reader.take(len(HEADER), "header") != HEADER:
        raise ProofRejected("header", "another format or version")

    transcript = Transcript()
    transcript.absorb(Tag.STATEMENT, statement(air, options))
    transcript.absorb(Tag.PUBLIC, public_bytes)

    # Commitments, each before the challenges that follow it.
    widths = air.widths()
    roots: dict[str, bytes] = {}
    if widths[ATTESTED]:
        roots["attested"] = public["attested"]
    roots["main"] = reader.take(options.digest_bytes, "main root")
    transcript.absorb(Tag.MAIN, roots["main"])
    challenges = [transcript.element(Tag.CHALLENGE) for _ in air.challenges]
    if widths[AUXILIARY]:
        roots["auxiliary"] = reader.take(options.digest_bytes, "auxiliary root")
        transcript.absorb(Tag.AUXILIARY, roots["auxiliary"])
    beta = transcript.element(Tag.CONSTRAINTS)
    roots["quotient"] = reader.take(options.digest_bytes, "quotient root")
    transcript.absorb(Tag.QUOTIENT, roots["quotient"])

    # Out of domain: the constraints hold at z.
    z = transcript.element(Tag.POINT)
    check_out_of_domain(z)
    program = air.program()
    segments = options.quotient_segments(air)
    current = reader.extensions(program.current, "frame at z")
    parts = reader.extensions(segments, "quotient at z")
    following = reader.extensions(len(program.cells) - program.current, "frame at the next row")
    frame = [*current, *parts, *following]
    transcript.absorb(Tag.FRAME, extension_bytes(frame))
    scalars = scalars_of(air, public, challenges)
    values = at_point(program, [*current, *following], tables_at(air, public, z), scalars)
    divisors = divisors_at(air, options, z)
    total = extension.ZERO
    for constraint, value in zip(program.constraints, values):
        total = extension.mul(total, beta)
        total = extension.add(total, extension.mul(value, divisors[constraint.row]))
    room = (1 << air.log_rows) - options.quotient_blinding
    if total != join_segments(parts, room, z):
        raise ProofRejected("constraints", "the quotient is not what the constraints give at z")

    # FRI's commitments, then grinding, then the queries.
    alpha = transcript.element(Tag.BATCH)
    layers = read_commitments(reader, air.log_rows, options, transcript)
    seed = transcript.squeeze(Tag.GRIND)
    nonce = reader.take(8, "nonce")
    if leading_zero_bits(hash_nonce(seed, int.from_bytes(nonce, "big"))) < options.grinding_bits:
        raise ProofRejected("grinding", f"fewer than {options.grinding_bits} zero bits")
    transcript.absorb(Tag.NONCE, nonce)
    log_size = air.log_rows + options.log_blowup
    positions = sorted(set(transcript.positions(options.queries, log_size)))

    # The opened rows lie under the roots.
    base_widths = {
        "attested": widths[ATTESTED],
        "main": widths[MAIN],
        "auxiliary": 3 * widths[AUXILIARY],
        "quotient": 3 * (segments + 1),
    }
    salt = options.salt_length // 8
    opened: list[Vector] = []
    for name, root in roots.items():
        rows = reader.rows(len(positions), base_widths[name], salt, f"{name} rows")
        count = sibling_count(positions, log_size)
        siblings = reader.digests(count, options.digest_bytes, f"{name} paths")
        try:
            verify_multi(root, 1 << log_size, positions, hash_rows(rows), siblings, options.digest_bytes)
        except ProofRejected as wrong:
            raise ProofRejected(f"merkle {name}", str(wrong)) from wrong
        opened.append(rows[:, : base_widths[name]])

    # And the DEEP quotient made from them is what FRI began with.
    codeword = _deep_values(air, opened, positions, frame, segments, z, alpha, log_size)
    verify_layers(reader, layers, codeword, air.log_rows, options)
    reader.end()
    return reader


def _deep_values(
    air: Air,
    opened: list[Vector],
    positions: list[int],
    frame: list[Ext],
    segments: int,
    z: Ext,
    alpha: Ext,
    log_size: int,
) -> dict[int, Ext]:
    """mask(x) + Σ α^(1+k)·(f_k(x) - y_k)/(x - point_k), k numbering the frame."""
    program = air.program()
    widths = air.widths()
    present = [s for s in range(3) if widths[s]]
    starts = dict.fromkeys(present, 0)
    at = 0
    for s, rows in zip([*present, None], opened):
        if s is not None:
            starts[s] = at
        at += rows.shape[1]
    quotient_at = at - 3 * (segments + 1)
    # where each function of the frame lies in the joined row: (column, cubic)
    places = [
        (starts[c.segment] + c.column * (3 if c.segment == AUXILIARY else 1), c.segment == AUXILIARY)
        for c in program.cells
    ]
    here = [*places[: program.current], *((quotient_at + 3 * k, True) for k in range(segments))]
    there = places[program.current :]
    weights = _weights([*here, *there], alpha, at)
    split = len(here)
    near, far = weights[:split], weights[split:]
    successor = extension.scale(z, root_of_unity(air.log_rows))
    openings = [extension.ZERO, extension.ZERO]
    factor = alpha
    for k, opening in enumerate(frame):
        side = 0 if k < split else 1
        openings[side] = extension.add(openings[side], extension.mul(factor, opening))
        factor = extension.mul(factor, alpha)
    out: dict[int, Ext] = {}
    mask_at = at - 3
    table = [row.tolist() for row in opened]
    for k, position in enumerate(positions):
        row = [x for part in table for x in part[k]]
        x = domain_point(position, log_size, GENERATOR)
        value: Ext = (row[mask_at], row[mask_at + 1], row[mask_at + 2])
        for functions, point, opened_at in ((near, z, openings[0]), (far, successor, openings[1])):
            if functions:
                top = extension.sub(_linear(functions, row), opened_at)
                bottom = ((x - point[0]) % P, -point[1] % P, -point[2] % P)
                value = extension.add(value, extension.mul(top, extension.invert(bottom)))
        out[position] = value
    return out


_Weight = tuple[int, int, int, int]  # base column, and the factor's coordinates


def _weights(places: list[tuple[int, bool]], alpha: Ext, width: int) -> list[list[_Weight]]:
    """For each function the base columns that make it up, with the factor of each."""
    out = []
    factor = alpha
    for column, cubic in places:
        if cubic:
            units: list[Ext] = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
            out.append([(column + k, *extension.mul(factor, units[k])) for k in range(3)])
        else:
            out.append([(column, *factor)])
        assert column < width
        factor = extension.mul(factor, alpha)
    return out


def _linear(functions: list[list[_Weight]], row: list[int]) -> Ext:
    """Σ factor·value over the functions."""
    c0 = c1 = c2 = 0
    for function in functions:
        for column, f0, f1, f2 in function:
            x = row[column]
            c0 += x * f0
            c1 += x * f1
            c2 += x * f2
    return c0 % P, c1 % P, c2 % P
