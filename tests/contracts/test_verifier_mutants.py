"""Thousands of damaged proofs, each refused by the Python verifier and by the contract.

Numbers are those of the list of hostile proofs. None may cost the contract more than the honest proof
does. Every byte in turn: LONG=1 (hours); every n-th: LONG=n.
"""

import os
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account as EthAccount

from axon.chain.artifacts import artifact
from axon.chain.deploy import deploy_reward_verifier
from axon.chain.rpc import RpcChain
from axon.chain.wallet import KeyWallet
from axon.ids import Account, Epoch
from axon.stark import COMPACT_100, Proof
from axon.stark.field import P
from axon.stark.vyper import envelope
from tests.contracts.epochs import prove_epoch
from tests.contracts.judges import Case, Judges, Node
from tests.interop.anvil import MNEMONIC, anvil

EthAccount.enable_unaudited_hdwallet_features()

LONG = int(os.environ.get("LONG") or 0)
pytestmark = [pytest.mark.interop, pytest.mark.slow, pytest.mark.timeout(3600 if LONG else 600)]
OPTIONS = COMPACT_100
Section = tuple[str, int, int, str]


@pytest.fixture(scope="module")
def judges(honest: Case) -> Iterator[Judges]:
    with anvil() as url:
        chain = RpcChain(url, KeyWallet(bytes(EthAccount.from_mnemonic(MNEMONIC).key)))
        address = deploy_reward_verifier(chain, OPTIONS.name)
        abi = artifact("stark/axr1_compact_100").abi
        judges = Judges(Node(url), address, next(e for e in abi if e.get("name") == "verify"), OPTIONS)
        asked = judges.question(honest.statement, envelope(honest.air, honest.proof))
        yield replace(judges, gas=judges.node.least_gas(address, asked) * 101 // 100)


@pytest.fixture(scope="module")
def honest() -> Case:
    return Case(*prove_epoch(60, 12, 7, {}, options=OPTIONS))


@pytest.fixture(scope="module")
def yesterday() -> Case:
    """Another epoch of the same pool, honestly proven."""
    return Case(*prove_epoch(70, 13, 7, {"epoch": Epoch(1)}, seed=2, options=OPTIONS))


@pytest.fixture(scope="module")
def sections(honest: Case) -> list[Section]:
    return honest.sections(OPTIONS)


def test_both_accept_the_honest(judges: Judges, honest: Case, yesterday: Case) -> None:
    for case in (honest, yesterday):
        assert judges.python(case, case.proof.data) == ""
        assert judges.evm_raw(case.statement, envelope(case.air, case.proof)) == ""


# bytes and words


def flips(data: bytes, sections: list[Section], each: int) -> Iterator[tuple[str, bytes]]:
    """`each` single bits of every section, or one bit of every byte (of every `LONG`-th)."""
    rng = random.Random(1)
    for name, at, length, _ in sections:
        places = range(-at % LONG, length, LONG) if LONG else rng.choices(range(length), k=each)
        for place in places:
            mutant = bytearray(data)
            mutant[at + place] ^= 1 << rng.randrange(8)
            yield f"{name} byte {place}", bytes(mutant)


def test_no_bit_can_change(judges: Judges, honest: Case, sections: list[Section]) -> None:
    counts = judges.refuse(honest, flips(honest.proof.data, sections, 40))
    assert sum(counts.values()) >= (len(honest.proof) // LONG if LONG else 40 * len(sections))
    assert {"constraints", "grinding", "merkle main", "merkle quotient", "fri-layer 0"} <= set(counts)


def places(sections: list[Section], widths: dict[str, int], salt: int) -> Iterator[tuple[str, int]]:
    """Offsets of elements: all of short sections, and a word of each column of opened rows; or all."""
    rng = random.Random(22)
    for name, at, length, kind in sections:
        if kind == "bytes":
            continue
        if name not in widths:
            all_of_it = range(at, at + length, 8)
            chosen = all_of_it if LONG or length < 2000 else rng.sample(all_of_it, 100)
            yield from ((name, place) for place in chosen)
            continue
        row = 8 * (widths[name] + salt)
        for column in range(widths[name]):
            rows = range(length // row)
            for k in rows if LONG else rng.sample(rows, 2):
                yield name, at + k * row + 8 * column


def test_22_no_element_reaches_p(judges: Judges, honest: Case, sections: list[Section]) -> None:
    data = honest.proof.data
    attested, main, auxiliary = honest.air.widths()
    quotient = 3 * (OPTIONS.quotient_segments(honest.air) + 1)
    names = ("attested rows", "main rows", "auxiliary rows", "quotient rows")
    widths = dict(zip(names, (attested, main, 3 * auxiliary, quotient)))

    def mutants() -> Iterator[tuple[str, bytes]]:
        rng = random.Random(22)
        for name, at in places(sections, widths, OPTIONS.salt_words):
            value = rng.choice((P, (1 << 64) - 1, rng.randrange(P, 1 << 64)))
            yield f"{name} word at {at}", data[:at] + value.to_bytes(8, "big") + data[at + 8 :]

    # The final polynomial's are looked at with the rows', after the grinding that they spoil.
    early = (m for m in mutants() if "final" not in m[0])
    late = (m for m in mutants() if "final" in m[0])
    assert set(judges.refuse(honest, early, "verifier: element not canonical")) == {"canonical"}
    assert set(judges.refuse(honest, late)) == {"canonical"}


# 3, 19, 21, 24: sections


def pieces(data: bytes, section: Section, size: int) -> list[bytes]:
    _, at, length, _ = section
    return [data[k : k + size] for k in range(at, at + length, size)]


def rearranged(data: bytes, sections: list[Section], digest: int, rows: int) -> Iterator[tuple[str, bytes]]:
    """The right pieces in the wrong order, number or place."""
    rng = random.Random(3)
    for section in sections:
        name, at, length, _ = section

        def put(new: bytes, at: int = at, length: int = length) -> bytes:
            return data[:at] + new + data[at + length :]

        yield f"{name}: zeros", put(bytes(length))
        yield f"{name}: ones", put(b"\xff" * length)
        yield f"{name}: left out", put(b"")
        yield f"{name}: twice", put(data[at : at + length] * 2)
        size = 24
        if name.endswith("paths"):
            size = digest
        elif name.endswith("rows"):
            size = length // rows
        parts = pieces(data, section, size)
        if len(parts) < 2:
            continue
        yield f"{name}: backwards", put(b"".join(reversed(parts)))
        yield f"{name}: turned", put(b"".join([*parts[1:], parts[0]]))
        for k in rng.choices(range(len(parts) - 1), k=12):
            other = [*parts[:k], parts[k + 1], parts[k], *parts[k + 2 :]]
            yield f"{name}: {k} and {k + 1} swapped", put(b"".join(other))
        for k in rng.choices(range(len(parts)), k=4):
            yield f"{name}: without {k}", put(b"".join(parts[:k] + parts[k + 1 :]))
            yield f"{name}: {k} twice", put(b"".join(parts[: k + 1] + parts[k:]))
            yield f"{name}: {k} zero", put(b"".join([*parts[:k], bytes(size), *parts[k + 1 :]]))
            yield f"{name}: 0 for {k}", put(b"".join([*parts[:k], parts[0], *parts[k + 1 :]]))
    alike: dict[int, list[int]] = {}
    for name, at, _, _ in sections:
        if "root" in name or "paths" in name or "values" in name:
            alike.setdefault(digest if "values" not in name else 24, []).append(at)
    for size, places in alike.items():  # roots, first siblings and first values of others
        for a in places:
            for b in places:
                if a != b:
                    yield f"{size} bytes of {b} at {a}", data[:a] + data[b : b + size] + data[a + size :]
    named = {name: (at, length) for name, at, length, _ in sections}
    trees = [named[f"{tree} rows"] for tree in ("attested", "main", "auxiliary", "quotient")]
    for a, m in trees:  # rows of another tree, as many bytes as both have
        for b, n in trees:
            k = min(m, n) // rows
            if a != b:
                yield f"{k} bytes of the row at {b} at {a}", data[:a] + data[b : b + k] + data[a + k :]


def test_3_19_21_24_no_piece_can_move(judges: Judges, honest: Case, sections: list[Section]) -> None:
    rows = next(length for name, _, length, _ in sections if name == "main rows")
    rows //= 8 * (honest.air.widths()[1] + OPTIONS.salt_words)
    mutants = rearranged(honest.proof.data, sections, OPTIONS.digest_bytes, rows)
    counts = judges.refuse(honest, mutants)
    assert sum(counts.values()) > 400
    assert {"length", "trailing", "canonical", "constraints", "merkle attested", "fri-layer 1"} <= set(counts)


def test_24_no_proof_is_shorter_or_longer(judges: Judges, honest: Case, sections: list[Section]) -> None:
    data = honest.proof.data

    def mutants() -> Iterator[tuple[str, bytes]]:
        for name, at, length, _ in sections:
            for end in (at, at + 1, at + length - 1):
                yield f"{end} bytes, within {name}", data[:end]
        for more in (1, 7, 8, 24, 26, 32, 1000):
            yield f"{more} zeros behind", data + bytes(more)
            yield f"its last {more} bytes twice", data + data[-more:]

    counts = judges.refuse(honest, mutants())
    assert set(counts) == {"header", "length", "trailing"}


def test_2_24_the_envelope_is_exact(judges: Judges, honest: Case) -> None:
    good = envelope(honest.air, honest.proof)
    bad = [bytes((log_rows,)) + good[1:] for log_rows in range(256) if log_rows != good[0]]
    bad += [good[:size] for size in (0, 1, 8, 9, 40, len(good) - 8, len(good) - 1)]
    bad += [good + bytes(k) for k in (1, 8, 32)] + [good[:-1] + b"\1", good[:-8] + b"\1" + bytes(7)]
    bad += [good + bytes((1 << 17) - len(good))]
    for k, wrapped in enumerate(bad):
        assert judges.evm_raw(honest.statement, wrapped), k


# 1, 28: the statement, and other honest proofs


def test_1_28_a_proof_is_bound_to_every_word_of_its_statement(judges: Judges, honest: Case) -> None:
    said = honest.statement
    rng = random.Random(28)
    changes: list[dict[str, Any]] = [
        {"chain_id": 1},
        {"pool": Account(b"\x12" * 20)},
        {"epoch": Epoch(1)},
        {"submitter": Account(b"\x23" * 20)},
        {"c": said.c + 1},
        {"c_e": said.c_e - 1},
        {"sum_trust": said.sum_trust + 1},
        {"sum_pretrust": said.sum_pretrust - 1},
        {"shares": ()},
        {"shares": (*said.shares, 0)},
        {"shares": (0, *said.shares)},
        {"shares": said.shares[:-1]},
        {"shares": said.shares[::-1]},
    ]
    for bit in range(256):
        changes += [{"chain_id": said.chain_id ^ 1 << bit}] if bit % 16 == 0 else []
        changes += [{"pool": _flipped(said.pool, bit)}] if bit < 160 and bit % 16 == 0 else []
        changes += [{"submitter": _flipped(said.submitter, bit)}] if bit < 160 and bit % 16 == 0 else []
        changes += [{"root": _flipped(said.root, bit)}] if bit < 208 and bit % 8 == 0 else []
    for k in range(len(said.shares)):
        for delta in (1, -1, 1 << 32, 1 << rng.randrange(40)):
            moved = list(said.shares)
            moved[k] = max(0, moved[k] + delta) % (1 << 48)
            changes.append({"shares": tuple(moved)})
            moved[k - 1] = max(0, moved[k - 1] - delta) % (1 << 48)
            changes.append({"shares": tuple(moved)})
    for change in changes:
        other = replace(honest, statement=replace(said, **change))
        if other.statement != said:
            assert judges.python(other, honest.proof.data), change
            assert judges.evm(other, honest.proof.data), change


def _flipped(data: bytes, bit: int) -> Any:
    return (int.from_bytes(data, "big") ^ 1 << bit).to_bytes(len(data), "big")


def test_numbers_beyond_what_the_constraints_bear_are_refused(judges: Judges, honest: Case) -> None:
    for change in (
        {"c": 0},
        {"c": 3 << 36 | 1},
        {"c_e": 0},
        {"c_e": (1 << 36) + 1},
        {"sum_pretrust": (1 << 36) + 1},
        {"sum_trust": 1 << 38},
        {"sum_trust": honest.statement.sum_pretrust - 1},
        {"sum_trust": honest.statement.sum_pretrust + (1 << 37)},
    ):
        other = replace(honest, statement=replace(honest.statement, **change))  # type: ignore[arg-type]
        assert judges.python(other, honest.proof.data) == "statement", change
        assert "range" in judges.evm(other, honest.proof.data), change


def test_21_a_root_longer_than_a_digest_is_refused(judges: Judges, honest: Case) -> None:
    for padding in (bytes(5) + b"\1", b"\x80" + bytes(5), b"\xff" * 6):
        other = replace(honest, statement=replace(honest.statement, root=honest.statement.root + padding))
        assert judges.python(other, honest.proof.data), padding
        assert judges.evm(other, honest.proof.data) == "verifier: root is no digest", padding


def test_28_another_epoch_s_honest_proof_is_no_proof_of_this_one(
    judges: Judges, honest: Case, yesterday: Case, sections: list[Section]
) -> None:
    theirs, data = yesterday.proof.data, honest.proof.data
    other = {name: (at, length) for name, at, length, _ in yesterday.sections(OPTIONS)}

    def spliced() -> Iterator[tuple[str, bytes]]:
        yield "theirs", theirs
        for name, at, length, _ in sections:
            start, size = other[name]
            yield f"{name} of theirs", data[:at] + theirs[start : start + size] + data[at + length :]
            yield f"theirs from {name} on", data[:at] + theirs[start:]
            yield f"ours from {name} on", theirs[:start] + data[at:]

    counts = judges.refuse(honest, spliced())
    assert sum(counts.values()) >= 3 * len(sections) - 2
    backwards = replace(yesterday, proof=Proof(data))
    assert judges.python(backwards, data) and judges.evm(backwards, data)


def test_28_another_version_is_refused(judges: Judges, honest: Case) -> None:
    data = honest.proof.data
    mutants = ((f"version {k}", data[:7] + bytes((k,)) + data[8:]) for k in range(256))
    assert judges.refuse(honest, mutants, "verifier: header") == {"header": 255}
