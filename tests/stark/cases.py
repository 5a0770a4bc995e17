"""Small statements and options for the tests of the proof system, and provers that cheat."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np

from axon.stark import (
    Air,
    Bus,
    Options,
    Proof,
    bind_list,
    commit_segment,
    committed,
    composition,
    fri,
    prove,
    prover,
)
from axon.stark.examples.fibonacci import fibonacci_air, fibonacci_trace
from axon.stark.examples.rangesum import rangesum_air, rangesum_trace
from axon.stark.examples.rescue import rescue_air, rescue_trace
from axon.stark.field import P

# Nothing is claimed, so that proofs are small and fast; every mechanism is on.
TINY = Options("tiny", 0, log_blowup=3, queries=6, grinding_bits=3, log_fold=2, log_final=2, digest_bytes=28)
OPEN = replace(TINY, name="open", zero_knowledge=False)
SEED = b"0123456789abcdef" * 2
ATTESTED_SEED = b"attested seed of the tests......"

Case = tuple[Air, dict[str, Any], dict[str, Any], dict[str, Any]]  # air, trace, public, more for prove


def fibonacci(options: Options = TINY) -> Case:
    air = fibonacci_air(6)
    return (air, *fibonacci_trace(air, options), {})


def rangesum(options: Options = TINY) -> Case:
    air = rangesum_air(9)
    return (air, *rangesum_trace(air, options, [3 * k * k % 65536 for k in range(200)], [0, 5, 77]), {})


def rescue(options: Options = TINY) -> Case:
    air = rescue_air(6, 4)
    return (air, *rescue_trace(air, options, [1, 2, 3, 4], 4), {})


def everything(options: Options = TINY) -> Case:
    """Attested columns, two buses (tuples and values), a bound list, a public and a periodic column.

    Edges (i, b) attested; peers k with the sum B_k of their edges' b; each peer's tuple (k, B_k)
    looked up by its edges; the sums listed publicly; a public column that the weights copy.
    """
    air = Air("everything", 7)
    i, b = air.attested("i", "b")
    edge, peer, k, total, degree, seen = air.columns("edge", "peer", "k", "total", "degree", "seen")
    weight = air.column("weight")
    sums = air.public_list("sums", 16)
    known = air.public_list("known", 32)
    scale = air.public("scale")
    phase = air.periodic([1, 2, 3, 4])
    air.constrain(edge * (edge - 1))
    air.constrain(peer * (peer - 1))
    air.constrain((1 - edge) * b, "no edge, no blocks")
    air.constrain(weight - air.public_column(known) * phase * scale, "weight")
    values = Bus(air, "values")
    values.send(i, b)
    values.receive(k, peer * total)
    tuples = Bus(air, "tuples")
    tuples.send((i, seen), edge)
    tuples.receive((k, total), peer * degree)
    bind_list(air, sums, total, peer)
    edges = [(0, 5), (1, 7), (0, 11), (2, 1), (1, 2)]
    totals, degrees = [16, 9, 1], [2, 2, 1]
    rows = air.rows(options)

    def pad(column: list[int]) -> list[int]:
        return column + [0] * (rows - len(column))

    known_values = [9, 8, 7, 6, 5]
    attested = {"i": pad([e[0] for e in edges]), "b": pad([e[1] for e in edges])}
    trace = {
        **attested,
        "edge": pad([1] * 5),
        "peer": pad([1] * 3),
        "k": pad([0, 1, 2]),
        "total": pad(totals),
        "degree": pad(degrees),
        "seen": pad([totals[e[0]] for e in edges]),
        "weight": pad([v * (r % 4 + 1) * 10 for r, v in enumerate(known_values)]),
    }
    root = commit_segment(air, attested, ATTESTED_SEED, options)
    public = {
        "sums": totals,
        "known": known_values,
        "scale": 10,
        "attested": root,
        "context": b"chain 1, pool 2, epoch 3, submitter 4",
    }
    return air, trace, public, {"attested_seed": ATTESTED_SEED}


CASES = {"fibonacci": fibonacci, "rangesum": rangesum, "rescue": rescue, "everything": everything}


def honest(case: Case, options: Options = TINY, **more: Any) -> Proof:
    air, trace, public, extra = case
    return prove(air, trace, public, options, seed=SEED, **extra, **more)


# Provers that cheat: the honest one with a single function replaced.


def prove_anything(case: Case, options: Options = TINY, **more: Any) -> Proof:
    """Goes on with a quotient that is no polynomial, cut to length."""

    def compose(air: Air, options: Options, *rest: Any) -> Any:
        return composition.cut(air, options, composition.quotient_of(air, options, *rest[:-1]), rest[-1])

    with mock.patch.object(prover, "compose", compose):
        return honest(case, options, **more)


def lazy(case: Case, options: Options = TINY) -> Proof:
    """Takes the first nonce that is not good enough."""
    from axon.stark.grind import hash_nonce, leading_zero_bits

    def grind(seed: bytes, bits: int) -> int:
        return next(n for n in range(1 << 20) if leading_zero_bits(hash_nonce(seed, n)) < bits)

    with mock.patch.object(prover, "grind", grind):
        return honest(case, options)


def with_codeword(case: Case, change: Callable[[Any], Any], options: Options = TINY) -> Proof:
    """Runs FRI on another codeword than the DEEP quotient."""
    real = fri.commit

    def commit(codeword: Any, *rest: Any) -> Any:
        return real(change(codeword), *rest)

    with mock.patch.object(prover.fri, "commit", commit):
        return honest(case, options)


def with_final(case: Case, change: Callable[[Any], Any], options: Options = TINY) -> Proof:
    """Sends another final polynomial than the last fold."""
    real = fri.interpolate_blocks

    def interpolate(values: Any, **more: Any) -> Any:
        return change(real(values, **more))

    with mock.patch.object(fri, "interpolate_blocks", interpolate):
        return honest(case, options)


def committing(case: Case, options: Options, change: Callable[[int, Any], None]) -> Proof:
    """Changes each committed extension before it is hashed; `change(number, matrix)` works in place."""
    real = committed.low_degree_extend
    calls = iter(range(100))

    def extend(coefficients: Any, blowup: int, **more: Any) -> Any:
        out = real(coefficients, blowup, **more)
        change(next(calls), out)
        return out

    with mock.patch.object(committed, "low_degree_extend", extend):
        return honest(case, options)


def add_p(values: np.ndarray) -> np.ndarray:
    """The same residues, not canonical, where 64 bits have room."""
    small = values < np.uint64((1 << 64) - P)
    return np.where(small, values + np.uint64(P), values)
