"""Bad proofs, one for each item of the list of hostile proofs; numbers refer to it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.errors import ConfigError, ProofRejected
from axon.stark import Air, Options, Proof, layout, prove, prover, verify
from axon.stark.field import P
from axon.stark.proof import element_bytes
from axon.stark.transcript import Tag, Transcript
from tests.stark import cases
from tests.stark.cases import CASES, OPEN, SEED, TINY, Case, honest, prove_anything


def rejected(case: Case, proof: Proof | bytes, options: Options = TINY, public: Any = None) -> str:
    """The check that refuses the proof."""
    made = proof if isinstance(proof, Proof) else Proof(bytes(proof))
    with pytest.raises(ProofRejected) as refusal:
        verify(case[0], case[2] if public is None else public, made, options)
    return refusal.value.check


@pytest.fixture(scope="module")
def everything() -> tuple[Case, Proof, list[tuple[str, int, int, str]]]:
    case = cases.everything()
    proof = honest(case)
    return case, proof, layout(case[0], case[2], proof, TINY)


def section(sections: list[tuple[str, int, int, str]], name: str) -> tuple[int, int]:
    return next((at, length) for title, at, length, _ in sections if title == name)


def flipped(data: bytes, at: int, bit: int = 0) -> bytes:
    return data[:at] + bytes((data[at] ^ 1 << bit,)) + data[at + 1 :]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    "options", [TINY, OPEN, replace(TINY, log_fold=4, log_final=0), replace(OPEN, log_fold=1)]
)
def test_an_honest_proof_is_accepted_and_survives_its_bytes(name: str, options: Options) -> None:
    case = CASES[name](options)
    proof = honest(case, options, debug=True)
    verify(case[0], case[2], Proof.from_bytes(proof.to_bytes()), options)


def test_a_trace_shorter_than_the_final_polynomial_needs_no_fold() -> None:
    options = replace(OPEN, log_final=6)
    case = cases.fibonacci(options)
    proof = honest(case, options)
    verify(case[0], case[2], proof, options)
    assert options.folds(6) == ()


def test_proofs_are_reproducible_with_a_seed_and_differ_without() -> None:
    case = cases.fibonacci()
    assert honest(case).data == honest(case).data
    assert prove(*case[:3], TINY).data != prove(*case[:3], TINY).data


# every byte


def test_no_byte_of_a_proof_can_change(everything: Any) -> None:
    small = cases.fibonacci()
    for case, proof, step in ((small, honest(small), 1), (*everything[:2], 5)):
        for at in range(0, len(proof), step):
            rejected(case, flipped(proof.data, at, at % 8))


def test_every_field_element_must_be_canonical(everything: Any) -> None:
    case, proof, sections = everything
    words = 0
    for name, at, length, kind in sections:
        if kind == "bytes":
            continue
        salt = TINY.salt_length
        row = None if kind == "elements" else row_bytes(case[0], name) + salt
        for k in range(0, length, 8):
            if row is not None and k % row >= row - salt:
                continue
            words += 1
            broken = proof.data[: at + k] + P.to_bytes(8, "big") + proof.data[at + k + 8 :]
            assert rejected(case, broken) == "canonical", (name, k)
    assert words > 300


def row_bytes(air: Air, name: str) -> int:
    widths = air.widths()
    columns = {
        "attested rows": widths[0],
        "main rows": widths[1],
        "auxiliary rows": 3 * widths[2],
        "quotient rows": 3 * (TINY.quotient_segments(air) + 1),
    }
    return 8 * columns[name]


def test_no_proof_is_shorter_or_longer(everything: Any) -> None:
    case, proof, _ = everything
    for length in range(0, len(proof), 97):
        assert rejected(case, proof.data[:length]) in ("length", "header")
    assert rejected(case, proof.data[:-1]) == "length"
    assert rejected(case, proof.data + b"\0") == "trailing"
    assert rejected(case, proof.data + proof.data[-28:]) == "trailing"


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    case = CASE_FOR_NOISE
    for noise in (data, b"axstark\x02" + data):
        with pytest.raises(ProofRejected):
            verify(case[0], case[2], Proof.from_bytes(noise), TINY)


CASE_FOR_NOISE = cases.fibonacci()


def test_header_and_length_are_checked_on_reading() -> None:
    for bad, check in (
        (b"", "header"),
        (b"axstark\x01" + bytes(100), "header"),
        (b"axstark\x02" * (1 << 22), "length"),
    ):
        with pytest.raises(ProofRejected) as refusal:
            Proof.from_bytes(bad)
        assert refusal.value.check == check
    with pytest.raises(ProofRejected):
        Proof.from_bytes("axstark\x02")  # type: ignore[arg-type]


def test_another_header_is_refused_by_the_verifier_itself(everything: Any) -> None:
    case, proof, _ = everything
    assert rejected(case, flipped(proof.data, 7)) == "header"


# 1, 2, 28: the statement


def test_1_28_a_proof_is_bound_to_every_public_value(everything: Any) -> None:
    case, proof, _ = everything
    public = case[2]
    changes = {
        "context": b"chain 1, pool 2, epoch 4, submitter 4",
        "sums": [16, 9, 2],
        "known": [9, 8, 7, 6],
        "scale": 11,
        "attested": bytes(28),
    }
    for name, value in changes.items():
        rejected(case, proof, public={**public, name: value})
    without = {k: v for k, v in public.items() if k != "context"}
    rejected(case, proof, public=without)
    rejected(case, proof, public={**public, "sums": [0, 16, 9, 1]})


def test_malformed_public_values_are_refused(everything: Any) -> None:
    case, proof, _ = everything
    public = case[2]
    for change in (
        {"scale": P},
        {"scale": -1},
        {"scale": True},
        {"scale": 1.5},
        {"scale": "10"},
        {"sums": 5},
        {"sums": "one"},
        {"sums": [P]},
        {"sums": [1] * 17},
        {"attested": bytes(27)},
        {"attested": "root"},
        {"context": "text"},
        {"context": bytes(1 << 17)},
        {"more": 1},
    ):
        assert rejected(case, proof, public={**public, **change}) == "public", change
    missing = {k: v for k, v in public.items() if k != "scale"}
    assert rejected(case, proof, public=missing) == "public"


def test_2_a_proof_is_bound_to_its_air_and_shape() -> None:
    case = cases.fibonacci()
    proof = honest(case)
    for name, log_rows in (("fibonacci", 7), ("other", 6)):
        air = Air(name, log_rows)
        a, b = air.columns("a", "b")
        result = air.public("result")
        air.boundary(0, a - 1)
        air.boundary(0, b - 1)
        air.constrain(a.next - b)
        air.constrain(b.next - (a + b))
        air.boundary(-1, b - result)
        rejected((air, *case[1:]), proof)


def test_2_10_a_proof_is_bound_to_its_options() -> None:
    case = cases.fibonacci()
    proof = honest(case)
    for change in (
        {"queries": 5},
        {"queries": 7},
        {"grinding_bits": 2},
        {"grinding_bits": 4},
        {"log_blowup": 4},
        {"log_fold": 1},
        {"log_final": 3},
        {"digest_bytes": 32},
        {"salt_words": 3},
        {"zero_knowledge": False},
    ):
        rejected(case, proof, replace(TINY, **change))


def test_options_beyond_their_claim_do_not_verify() -> None:
    loose = replace(TINY, name="loose")
    strict = replace(TINY, name="strict", max_functions=3)
    case = cases.fibonacci()
    proof = honest(case, loose)
    verify(case[0], case[2], proof, loose)
    assert rejected(case, proof, strict) == "security"


# 3-9: the transcript


def record(case: Case, proof: Proof) -> list[tuple[str, Tag, bytes]]:
    """Everything that the verifier absorbs and squeezes, in order."""
    steps: list[tuple[str, Tag, bytes]] = []
    absorb, squeeze = Transcript.absorb, Transcript.squeeze

    def absorbing(self: Transcript, tag: Tag, data: bytes) -> None:
        steps.append(("absorb", tag, data))
        absorb(self, tag, data)

    def squeezing(self: Transcript, tag: Tag) -> bytes:
        steps.append(("squeeze", tag, b""))
        return squeeze(self, tag)

    with (
        mock.patch.object(Transcript, "absorb", absorbing),
        mock.patch.object(Transcript, "squeeze", squeezing),
    ):
        verify(case[0], case[2], proof, TINY)
    return steps


def test_1_to_9_everything_is_absorbed_before_the_challenge_that_follows_it(everything: Any) -> None:
    case, proof, sections = everything
    air, public = case[0], case[2]

    def piece(*names: str) -> bytes:
        return b"".join(proof.data[at : at + n] for at, n in (section(sections, name) for name in names))

    expected = [
        ("absorb", Tag.STATEMENT, TINY.to_bytes() + air.id + bytes((air.log_rows,))),
        ("absorb", Tag.PUBLIC, air.encode_public(public, 28)),
        ("absorb", Tag.MAIN, piece("main root")),
        *[("squeeze", Tag.CHALLENGE, b"")] * len(air.challenges),
        ("absorb", Tag.AUXILIARY, piece("auxiliary root")),
        ("squeeze", Tag.CONSTRAINTS, b""),
        ("absorb", Tag.QUOTIENT, piece("quotient root")),
        ("squeeze", Tag.POINT, b""),
        ("absorb", Tag.FRAME, piece("frame at z", "quotient at z", "frame at the next row")),
        ("squeeze", Tag.BATCH, b""),
    ]
    for k in range(len(TINY.folds(air.log_rows))):
        expected += [("absorb", Tag.LAYER, piece(f"fri root {k}")), ("squeeze", Tag.FOLD, b"")]
    expected += [
        ("absorb", Tag.FINAL, piece("fri final polynomial")),
        ("squeeze", Tag.GRIND, b""),
        ("absorb", Tag.NONCE, piece("nonce")),
        ("squeeze", Tag.POSITIONS, b""),
    ]
    assert record(case, proof) == expected
    assert public["attested"] in expected[1][2]
    assert public["context"] in expected[1][2]


def test_3_no_root_can_be_replaced(everything: Any) -> None:
    case, proof, sections = everything
    roots = [name for name, *_ in sections if "root" in name]
    assert len(roots) == 3 + len(TINY.folds(7))
    places = [section(sections, name) for name in roots]
    for at, n in places:
        for other, _ in places:
            if other != at:
                rejected(case, proof.data[:at] + proof.data[other : other + n] + proof.data[at + n :])


def test_8_a_nonce_without_work_is_refused() -> None:
    case = cases.fibonacci()
    assert rejected(case, cases.lazy(case)) == "grinding"


def test_11_options_without_queries_do_not_exist() -> None:
    for change in (
        {"queries": 0},
        {"queries": -1},
        {"queries": True},
        {"grinding_bits": 41},
        {"digest_bytes": 25},
    ):
        with pytest.raises(ConfigError):
            replace(TINY, **change)


# 12-17: the codeword and its polynomial


def test_12_13_the_final_polynomial_is_the_last_fold() -> None:
    case = cases.fibonacci()

    def wrong(final: np.ndarray) -> np.ndarray:
        out = final.copy()
        out[0, 0] ^= np.uint64(1)
        return out

    assert rejected(case, cases.with_final(case, wrong)) == "fri-final"
    proof = honest(case)
    at, n = section(layout(case[0], case[2], proof, TINY), "fri final polynomial")
    rejected(case, proof.data[: at + n] + bytes(24) + proof.data[at + n :])
    rejected(case, proof.data[: at + n - 24] + proof.data[at + n :])


def test_14_a_quotient_that_the_constraints_do_not_give_is_refused() -> None:
    air, trace, public, extra = cases.fibonacci()
    public = {"result": (public["result"] + 1) % P}
    case = (air, trace, public, extra)
    assert rejected(case, prove_anything(case)) == "constraints"


def test_15_a_point_in_the_domains_is_refused() -> None:
    case = cases.fibonacci()
    proof = honest(case)
    element = Transcript.element

    def drawn(self: Transcript, tag: Tag) -> tuple[int, int, int]:
        return (7, 0, 0) if tag == Tag.POINT else element(self, tag)

    with mock.patch.object(Transcript, "element", drawn):
        assert rejected(case, proof) == "ood-point"
        with pytest.raises(ProofRejected):
            honest(case)


def test_16_frames_of_z_and_its_successor_do_not_swap() -> None:
    case = cases.fibonacci()
    proof = honest(case)
    sections = layout(case[0], case[2], proof, TINY)
    at, n = section(sections, "frame at z")
    other, m = section(sections, "frame at the next row")
    assert n == m == 48
    data = proof.data
    rejected(
        case,
        data[:at] + data[other : other + m] + data[at + n : other] + data[at : at + n] + data[other + m :],
    )
    rejected(case, data[:other] + data[other + m :])
    swap = prover._deep

    def swapped(*args: Any) -> Any:
        z, following = args[3], args[4]
        return swap(*args[:3], following, z, *args[5:])

    with mock.patch.object(prover, "_deep", swapped):
        assert rejected(case, honest(case)) == "constraints"


def test_17_quotient_segments_are_as_many_as_the_degree_says() -> None:
    case = cases.fibonacci()
    proof = honest(case)
    at, n = section(layout(case[0], case[2], proof, TINY), "quotient at z")
    rejected(case, proof.data[: at + 24] + proof.data[at + n :])
    rejected(case, proof.data[: at + n] + bytes(24) + proof.data[at + n :])
    real = Options.quotient_segments
    with mock.patch.object(Options, "quotient_segments", lambda self, air: real(self, air) + 1):
        longer = honest(case)
    rejected(case, longer)


# 18-24: queries and openings


def test_18_positions_are_uniform_and_in_range() -> None:
    transcript = Transcript()
    for log_size in (0, 1, 5, 20, 32):
        assert all(0 <= p < 1 << log_size for p in transcript.positions(50, log_size))
    counts = np.bincount(transcript.positions(16 * 400, 4), minlength=16)
    assert ((counts - 400) ** 2 / 400).sum() < 50  # chi-square, 15 degrees of freedom
    with pytest.raises(ValueError, match="2\\^32"):
        transcript.positions(1, 33)


def test_19_positions_drawn_twice_are_opened_once() -> None:
    options = replace(OPEN, queries=200)  # of 128 positions in the smallest domain
    air = Air("short", 4)
    a = air.column("a")
    air.constrain(a.next - a)
    air.boundary(0, a - air.public("start"))
    case: Case = (air, {"a": [9] * 16}, {"start": 9}, {})
    proof = honest(case, options)
    verify(air, case[2], proof, options)
    sections = layout(air, case[2], proof, options)
    opened = section(sections, "main rows")[1] // 8
    assert opened < 128
    for at in range(section(sections, "main rows")[0], len(proof), 7):
        rejected(case, flipped(proof.data, at), options)


def test_20_fri_of_another_codeword_is_refused() -> None:
    case = cases.fibonacci()

    def other(codeword: np.ndarray) -> np.ndarray:
        out = codeword.copy()
        out[0] = np.where(out[0] == P - 1, 0, out[0] + np.uint64(1))  # as low a degree as before
        return out

    assert rejected(case, cases.with_codeword(case, other)) == "fri-layer 0"


def test_21_siblings_of_a_coset_have_an_order() -> None:
    case = cases.fibonacci()
    proof = honest(case)
    sections = layout(case[0], case[2], proof, TINY)
    for k in range(len(TINY.folds(6))):
        at, _ = section(sections, f"fri layer {k} values")
        data = proof.data
        swapped = data[:at] + data[at + 24 : at + 48] + data[at : at + 24] + data[at + 48 :]
        assert rejected(case, swapped) == f"fri-layer {k}"


@pytest.mark.parametrize("name", ["attested", "main", "auxiliary", "quotient"])
def test_20_24_opened_rows_lie_under_their_root(everything: Any, name: str) -> None:
    case, proof, sections = everything
    at, n = section(sections, f"{name} rows")
    assert (
        rejected(case, flipped(proof.data, at + n - 1)) == f"merkle {name}"
    )  # of the salt: seen by nothing else
    at, n = section(sections, f"{name} paths")
    assert n > 0
    assert rejected(case, flipped(proof.data, at)) == f"merkle {name}"
    removed = proof.data[:at] + proof.data[at + 28 :]
    rejected(case, removed)
    rejected(case, proof.data[:at] + proof.data[at : at + 28] + proof.data[at:])


def test_24_paths_of_fri_layers_are_checked(everything: Any) -> None:
    case, proof, sections = everything
    for k in range(len(TINY.folds(7)) - 1):
        at, _ = section(sections, f"fri layer {k} paths")
        assert rejected(case, flipped(proof.data, at)) == f"fri-layer {k}"


def constant_air() -> Air:
    """A column of fives: its extension is five everywhere, which has a second 64-bit form."""
    air = Air("constant", 5)
    a, b = air.columns("a", "b")
    air.constrain(a.next - a)
    air.constrain(b.next - b - a)
    air.boundary(0, a - air.public("five"))
    air.boundary(0, b)
    return air


def test_22_a_prover_cannot_commit_to_residues_that_are_not_canonical() -> None:
    air = constant_air()
    trace = {"a": [5] * 32, "b": [5 * k for k in range(32)]}
    case: Case = (air, trace, {"five": 5}, {})

    def rows(number: int, matrix: np.ndarray) -> None:
        if number == 0:
            matrix[0] = cases.add_p(matrix[0])

    assert rejected(case, cases.committing(case, OPEN, rows), OPEN) == "canonical"
    assert rejected(case, with_bytes(case, lambda k: k == 0), OPEN) == "canonical"


def with_bytes(case: Case, chosen: Callable[[int], bool]) -> Proof:
    """Writes the frame's small elements in their other form, and absorbs that."""
    real = prover.extension_bytes
    calls = iter(range(100))

    def wide(values: Any) -> bytes:
        if not chosen(next(calls)):
            return real(values)
        return element_bytes(cases.add_p(np.array(values, np.uint64).reshape(-1)))

    with mock.patch.object(prover, "extension_bytes", wide):
        return honest(case, OPEN)


# 25, 26: wrong witnesses


def test_25_the_last_active_row_counts_and_the_random_ones_do_not() -> None:
    air, trace, public, extra = cases.fibonacci()
    broken = {**trace, "a": [*trace["a"][:-1], trace["a"][-1] + 1]}  # the transition into the closing row
    case = (air, broken, public, extra)
    assert rejected(case, prove_anything(case)) == "constraints"
    rows = air.rows(TINY)
    assert rows == 64 - TINY.random_rows
    verify(air, public, honest((air, trace, public, extra)), TINY)  # its random rows fit no transition


def test_27_salts_are_never_reused(everything: Any) -> None:
    case, proof, sections = everything
    salts = []
    for name in ("attested", "main", "auxiliary", "quotient"):
        at, n = section(sections, f"{name} rows")
        row = row_bytes(case[0], f"{name} rows") + 16
        salts += [proof.data[k + row - 16 : k + row] for k in range(at, at + n, row)]
    again = honest(case)
    other = prove(case[0], case[1], case[2], TINY, seed=SEED + b"2", **case[3])
    assert len(set(salts)) == len(salts)
    assert again.data == proof.data
    assert not any(salt in other.data for salt in salts[12:])  # the attested segment's are its seed's


# shapes at the edge


@pytest.mark.parametrize("log_rows", [3, 4, 5])
def test_the_smallest_traces_prove(log_rows: int) -> None:
    air = Air("small", log_rows)
    a = air.column("a")
    air.constrain(a.next - a * a)
    air.boundary(-1, a - air.public("end"))
    rows = air.rows(OPEN)
    column = [pow(3, 1 << k, P) for k in range(rows)]
    case: Case = (air, {"a": column}, {"end": column[-1]}, {})
    verify(air, case[2], honest(case, OPEN), OPEN)
    assert rejected(case, honest(case, OPEN), OPEN, {"end": column[-2]}) == "constraints"


def test_a_boundary_may_have_a_higher_degree_than_the_transitions() -> None:
    air = Air("steep end", 6)
    a, b = air.columns("a", "b")
    air.constrain(a.next - a)
    air.constrain(b.next - b)
    air.boundary(4, a * a * b * b - air.public("product"), "product")
    rows = air.rows(TINY)
    case: Case = (air, {"a": [3] * rows, "b": [5] * rows}, {"product": 225}, {})
    verify(air, case[2], honest(case), TINY)
    wrong: Case = (*case[:2], {"product": 226}, {})
    assert rejected(wrong, prove_anything(wrong)) == "constraints"


def test_a_constraint_may_be_a_bare_column_and_be_said_twice() -> None:
    air = Air("bare", 6)
    a, b = air.columns("a", "b")
    air.constrain(a)
    air.constrain(a)
    air.constrain(b * b)
    rows = air.rows(TINY)
    case: Case = (air, {"a": [0] * (rows - 1) + [7], "b": [0] * rows}, {}, {})  # the closing row is free
    verify(air, {}, honest(case, debug=True), TINY)
