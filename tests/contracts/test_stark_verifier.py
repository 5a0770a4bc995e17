"""The verifier contract against the Python verifier: they accept and refuse the same proofs."""

import random
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from axon.chain.artifacts import artifact
from axon.chain.contract import Contract, deploy
from axon.chain.embedded import EmbeddedChain
from axon.chain.shares import pack_shares
from axon.errors import ChainError, ProofRejected
from axon.ids import Account, Epoch
from axon.rewards.air import Statement
from axon.stark import ONCHAIN_100, Air, Proof, verify
from axon.stark.__main__ import main
from axon.stark.verifier import layout
from axon.stark.vyper import envelope
from tests.contracts.epochs import prove_epoch, words


@cache
def contract() -> Contract:
    return deploy(EmbeddedChain(), artifact("stark/axr1_100"))


@cache
def example() -> tuple[Air, Statement, Proof]:
    return prove_epoch(60, 12, 7, {})


def on_chain(statement: Statement, wrapped: bytes) -> bool:
    try:
        return bool(contract().call("verify", words(statement), pack_shares(statement.shares), wrapped))
    except ChainError as error:
        assert "OutOfGas" not in str(error)
        return False


def in_python(air: Air, statement: Statement, proof: bytes) -> bool:
    try:
        statement.check()
        verify(air, statement.public(), Proof.from_bytes(proof), ONCHAIN_100)
    except ProofRejected:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "lengths", "options"),
    [
        ("axr1_100", "13,14,15,16", "onchain-100"),
        ("axr1_compact_100", "13,14", "compact-100"),
        ("axr1_compact_128", "13,14", "compact-128"),
    ],
)
def test_the_contract_is_what_the_generator_prints(
    tmp_path: Path, name: str, lengths: str, options: str
) -> None:
    out = tmp_path / f"{name}.vy"
    arguments = ["vyper", "axon.rewards.air:reward_air", "--log-rows", lengths, "--options", options]
    assert main([*arguments, "--face", "pool", "-o", str(out)]) == 0
    committed = Path(__file__).parents[2] / "contracts" / "stark"
    for file in (f"{name}.vy", f"{name}_constraints.vy"):
        assert (tmp_path / file).read_text() == (committed / file).read_text()


def test_an_honest_proof_is_accepted_by_both() -> None:
    air, statement, proof = example()
    assert in_python(air, statement, proof.data)
    assert on_chain(statement, envelope(air, proof))


def test_no_word_of_the_statement_can_be_changed() -> None:
    air, statement, proof = example()
    wrapped = envelope(air, proof)
    first, second, *rest = statement.shares
    changes: list[dict[str, Any]] = [
        {"chain_id": 1},
        {"pool": Account(b"\x12" * 20)},
        {"epoch": Epoch(1)},
        {"submitter": Account(b"\x23" * 20)},
        {"root": bytes([statement.root[0] ^ 1]) + statement.root[1:]},
        {"c": statement.c + 1},
        {"c_e": statement.c_e - 1},
        {"sum_trust": statement.sum_trust + 1},
        {"sum_pretrust": statement.sum_pretrust - 1},
        {"shares": (first + 1, second - 1, *rest)},
        {"shares": (*statement.shares, 0)},
        {"shares": statement.shares[:-1]},
    ]
    for change in changes:
        other = replace(statement, **change)
        assert not in_python(air, other, proof.data), change
        assert not on_chain(other, wrapped), change


@pytest.mark.parametrize("seed", [5, pytest.param(6, marks=pytest.mark.slow)])
def test_one_flipped_bit_in_any_section_is_refused_by_both(seed: int) -> None:
    air, statement, proof = example()
    rng = random.Random(seed)
    sections = layout(air, statement.public(), proof, ONCHAIN_100)
    for name, offset, length, _ in sections:
        for at in [offset + rng.randrange(length)] if seed == 5 else [offset, offset + length - 1]:
            mutant = bytearray(proof.data)
            mutant[at] ^= 1 << rng.randrange(8)
            assert not in_python(air, statement, bytes(mutant)), name
            assert not on_chain(statement, envelope(air, Proof(bytes(mutant)))), name


def test_a_field_element_that_is_not_canonical_is_refused_by_both() -> None:
    air, statement, proof = example()
    rng = random.Random(6)
    for name, offset, length, kind in layout(air, statement.public(), proof, ONCHAIN_100):
        if kind != "elements":
            continue
        for at in [rng.randrange(length // 8)]:
            mutant = bytearray(proof.data)
            mutant[offset + 8 * at : offset + 8 * at + 8] = b"\xff" * 8
            assert not in_python(air, statement, bytes(mutant)), name
            assert not on_chain(statement, envelope(air, Proof(bytes(mutant)))), name


def test_truncated_extended_and_padded_proofs_are_refused() -> None:
    air, statement, proof = example()
    good = envelope(air, proof)
    bad = [good[:size] for size in (0, 1, 9, 500, 5000, len(good) // 2, len(good) - 32, len(good) - 1)]
    bad += [good + b"\0", good + bytes(32), good[:-8], good[:-1] + b"\1"]
    bad += [bytes([log_rows]) + good[1:] for log_rows in (0, 12, 14, 16, 17, 255)]
    for wrapped in bad:
        assert not on_chain(statement, wrapped), len(wrapped)


@pytest.mark.slow
def test_longer_traces_and_more_peers_are_accepted() -> None:
    for edges, peers, joined in ((9_000, 900, 300), (20_000, 2_000, 1)):
        air, statement, proof = prove_epoch(edges, peers, joined, {}, seed=joined)
        assert air.log_rows > 13
        assert in_python(air, statement, proof.data)
        assert on_chain(statement, envelope(air, proof))
