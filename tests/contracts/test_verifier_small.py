"""Small traces: queries meet, elements can be small, and every byte can be tried.

Both verifiers of the example AIRs, under options that prove nothing. In domains of 2^9 points
twenty queries share positions, FRI groups and paths, which those of a real proof hardly ever do.
"""

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from eth_account import Account as EthAccount

from axon.chain.artifacts import Artifact
from axon.chain.build import compile_verifier
from axon.chain.contract import Contract, deploy, encode_call
from axon.chain.rpc import RpcChain
from axon.chain.wallet import KeyWallet
from axon.errors import ProofRejected
from axon.stark import Air, Options, Proof, fri, layout, prove, prover, verify
from axon.stark.field import P
from axon.stark.proof import element_bytes
from axon.stark.vyper import envelope, verifier_source
from tests.contracts.judges import Node
from tests.interop.anvil import MNEMONIC, anvil
from tests.stark import cases

EthAccount.enable_unaudited_hdwallet_features()

MEETING = Options("meeting", 0, 3, 20, 1, log_final=3, digest_bytes=26)
OPEN = replace(MEETING, name="open", queries=6, zero_knowledge=False)
CONTRACTS = Path(__file__).parents[2] / "contracts"
LONG = bool(os.environ.get("LONG"))
pytestmark = [pytest.mark.interop, pytest.mark.slow, pytest.mark.timeout(3600 if LONG else 600)]


def constant_air(log_rows: int) -> Air:
    """Its columns never change, so its elements are small wherever they are opened."""
    air = Air("constant", log_rows)
    a, b = air.columns("a", "b")
    air.constrain(a.next - a)
    air.constrain(b.next - b)
    air.boundary(0, a - air.public("start"))
    return air


def constant(options: Options) -> cases.Case:
    air = constant_air(6)
    rows = air.rows(options)
    return air, {"a": [5] * rows, "b": [7] * rows}, {"start": 5}, {}


@dataclass(frozen=True)
class Small:
    """One AIR's verifiers."""

    node: Node
    contract: Contract
    case: cases.Case
    options: Options

    def prove(self, seed: int = 0) -> Proof:
        air, trace, public, extra = self.case
        return prove(air, trace, public, self.options, seed=seed.to_bytes(32, "big"), **extra)

    def python(self, data: bytes) -> str:
        """The check that refuses, or nothing."""
        try:
            verify(self.case[0], self.case[2], Proof.from_bytes(data), self.options)
        except ProofRejected as refusal:
            return refusal.check
        return ""

    def evm(self, data: bytes) -> str:
        """The reason to refuse, or nothing."""
        public = self.case[2]
        scalars = [value for value in public.values() if isinstance(value, int)]
        values = next((list(value) for value in public.values() if isinstance(value, list)), [])
        wrapped = envelope(self.case[0], Proof(data))
        entry = next(e for e in self.contract.artifact.abi if e.get("name") == "verify")
        arguments = (bytes(32), scalars, values, b"", wrapped)
        return self.node.call(self.contract.address, encode_call(entry, arguments))[1]

    def both_refuse(self, mutants: Iterator[tuple[object, bytes]]) -> int:
        """How many there were; all must be refused by both."""
        count = 0
        for name, data in mutants:
            assert self.python(data), f"Python accepts {name}"
            assert self.evm(data), f"the contract accepts {name}"
            count += 1
        return count


FAMILIES: dict[str, tuple[Callable[[int], Air], Callable[[Options], cases.Case], Options]] = {
    "fibonacci": (cases.fibonacci_air, cases.fibonacci, MEETING),
    "rangesum": (cases.rangesum_air, cases.rangesum, MEETING),
    "constant": (constant_air, constant, OPEN),
    "base point": (cases.fibonacci_air, cases.fibonacci, MEETING),
}
HONEST = ["fibonacci", "rangesum", "constant"]


def drawing_a_base_point(source: str) -> str:
    """The verifier with a transcript that draws 7, where the evaluation domain begins, for z."""
    return source.replace("st[Z] = transcript._element(state)", "st[Z] = 7 << 192")


@pytest.fixture(scope="module")
def verifiers() -> Iterator[Callable[[str], Small]]:
    made: dict[str, Small] = {}
    with anvil() as url:
        chain = RpcChain(url, KeyWallet(bytes(EthAccount.from_mnemonic(MNEMONIC).key)))

        def get(name: str) -> Small:
            if name not in made:
                family, case, options = FAMILIES[name]
                change = drawing_a_base_point if name == "base point" else str
                contract = printed(chain, name.replace(" ", "_"), family, case(options), options, change)
                made[name] = Small(Node(url), contract, case(options), options)
            return made[name]

        yield get


def printed(
    chain: RpcChain,
    name: str,
    family: Callable[[int], Air],
    case: cases.Case,
    options: Options,
    change: Callable[[str], str] = str,
) -> Contract:
    """Print, change, compile and deploy."""
    name = f"_small_{name}_{os.getpid()}"
    files = [
        CONTRACTS / "stark" / f"{name}{part}.vy" for part in ("", "_constraints")
    ]  # beside their modules
    for file, source in zip(files, verifier_source(family, [case[0].log_rows], options)):
        file.write_text(change(source), "utf-8")
    try:
        compiled = compile_verifier(f"stark/{name}")
    finally:
        for file in files:
            file.unlink()
    return deploy(chain, Artifact(name, compiled["abi"], bytes.fromhex(compiled["bytecode"])))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["fibonacci", "rangesum"])
def test_honest_proofs_whose_queries_meet_are_accepted_by_both(verifiers: Any, name: str) -> None:
    small = verifiers(name)
    lengths = set()
    for seed in range(200 if LONG else 25):
        proof = small.prove(seed)
        assert (small.python(proof.data), small.evm(proof.data)) == ("", ""), seed
        lengths.add(len(proof))
    assert len(lengths) > 10  # they met in many ways


@pytest.mark.parametrize("name", HONEST)
def test_no_byte_can_change(verifiers: Any, name: str) -> None:
    small = verifiers(name)
    data = small.prove(1).data
    rng = random.Random(name)

    def mutants() -> Iterator[tuple[object, bytes]]:
        for at in range(len(data)) if LONG else rng.sample(range(len(data)), 150):
            yield at, data[:at] + bytes((data[at] ^ rng.randrange(1, 256),)) + data[at + 1 :]
        for size in range(0, len(data), 1 if LONG else 100):
            yield f"{size} bytes", data[:size]
        for size in range(1, 100):
            yield f"{size} more bytes", data + data[-size:]

    assert small.both_refuse(mutants()) > 250


@pytest.mark.parametrize("name", ["fibonacci", "rangesum"])
def test_sections_of_another_proof_of_the_same_do_not_fit(verifiers: Any, name: str) -> None:
    """Both are honest, and hide the witness by other randomness."""
    small = verifiers(name)
    air, _, public, _ = small.case

    def mutants() -> Iterator[tuple[object, bytes]]:
        for seed in range(4):
            ours, theirs = small.prove(2 * seed), small.prove(2 * seed + 1)
            pairs = zip(*(layout(air, public, proof, small.options) for proof in (ours, theirs)))
            for (section, at, length, _), (_, start, size, _) in pairs:
                piece = theirs.data[start : start + size]
                for mutant in (
                    ours.data[:at] + piece + ours.data[at + length :],
                    ours.data[:at] + theirs.data[start:],
                ):
                    if mutant not in (ours.data, theirs.data):
                        yield section, mutant

    assert small.both_refuse(mutants()) > 100


def test_15_a_point_in_the_base_field_is_refused(verifiers: Any) -> None:
    """No proof makes the transcript draw one, but once in 2^128; so a transcript is made to."""
    small = verifiers("base point")
    assert small.evm(small.prove(1).data) == "verifier: point in the base field"


# 22: residues that are not canonical, committed to by a prover who makes all else fit them


def wide(values: Any) -> bytes:
    """Extension elements in their other form."""
    return element_bytes(cases.add_p(np.array(values, np.uint64).reshape(-1)))


def in_rows(number: int) -> Callable[[Small], Proof]:
    def change(at: int, matrix: np.ndarray) -> None:
        if at == number:
            matrix[0] = cases.add_p(matrix[0])

    return lambda small: cases.committing(small.case, small.options, change)


def in_frame(small: Small) -> Proof:
    real = prover.extension_bytes
    with mock.patch.object(prover, "extension_bytes", lambda values: (wide if values else real)(values)):
        return small.prove()


def in_final(small: Small) -> Proof:
    with mock.patch.object(fri, "extension_bytes", wide):
        return small.prove()


def in_layer(small: Small) -> Proof:
    """All values of the first layer are zero, and said to be P."""
    hashing, folding = fri.hash_leaves, fri.fold
    first = [True]

    def hash_leaves(codeword: Any, *rest: Any) -> Any:
        if first:
            first.clear()
            assert not codeword.any()
            codeword += np.uint64(P)
        return hashing(codeword, *rest)

    def fold(codeword: Any, *rest: Any) -> Any:
        return folding(codeword % np.uint64(P), *rest)

    with (
        mock.patch.object(fri, "hash_leaves", hash_leaves),
        mock.patch.object(fri, "fold", fold),
    ):
        return small.prove()


@pytest.mark.parametrize("lie", [in_rows(0), in_rows(1), in_frame, in_final, in_layer])
def test_22_residues_that_are_not_canonical_are_refused(verifiers: Any, lie: Any) -> None:
    small = verifiers("constant")
    data = lie(small).data
    assert data != small.prove().data
    assert (small.python(data), small.evm(data)) == ("canonical", "verifier: element not canonical")
