"""Verifiers printed for the example AIRs, by both code generators, against the Python verifier."""

import os
import random
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from axon.chain.artifacts import Artifact
from axon.chain.build import compile_verifier
from axon.chain.contract import Contract, deploy
from axon.chain.embedded import EmbeddedChain
from axon.errors import ChainError, ProofRejected
from axon.stark import Air, Options, Proof, prove, verify
from axon.stark.examples.fibonacci import fibonacci_air, fibonacci_trace
from axon.stark.examples.rangesum import rangesum_air, rangesum_trace
from axon.stark.vyper import envelope, verifier_source

SMALL = Options("small", 0, 3, 3, 4, log_final=3, digest_bytes=26)  # proves nothing, is quick
CONTRACTS = Path(__file__).parents[2] / "contracts"
LONG = bool(os.environ.get("LONG"))
Case = tuple[Air, dict[str, object], Proof]


@cache
def fibonacci() -> Case:
    air = fibonacci_air(6)
    trace, public = fibonacci_trace(air, SMALL)
    return air, dict(public), prove(air, trace, public, SMALL)


@cache
def rangesum() -> Case:
    air = rangesum_air(9)
    trace, public = rangesum_trace(air, SMALL, [3 * k * k % 65536 for k in range(200)], [0, 5, 77])
    return air, dict(public), prove(air, trace, public, SMALL)


FAMILIES: dict[str, tuple[Callable[[int], Air], Callable[[], Case]]] = {
    "fibonacci": (fibonacci_air, fibonacci),
    "rangesum": (rangesum_air, rangesum),
}


@cache
def printed(name: str, venom: bool) -> Contract:
    family, case = FAMILIES[name]
    name = f"_{name}_{os.getpid()}"
    files = [
        CONTRACTS / "stark" / f"{name}{part}.vy" for part in ("", "_constraints")
    ]  # beside their modules
    for file, source in zip(files, verifier_source(family, [case()[0].log_rows], SMALL)):
        file.write_text(source, "utf-8")
    try:
        compiled = compile_verifier(f"stark/{name}", venom)
    finally:
        for file in files:
            file.unlink()
    chain = EmbeddedChain()
    if not venom:  # larger than EIP-170 allows: never shipped, here to judge the newer code generator
        chain._state.env.evm.patch.code_size_limit = 1 << 16
    return deploy(chain, Artifact(name, compiled["abi"], bytes.fromhex(compiled["bytecode"])))  # type: ignore[arg-type]


def on_chain(contract: Contract, public: dict[str, object], wrapped: bytes) -> bool:
    scalars = [value for value in public.values() if isinstance(value, int)]
    values = next((list(value) for value in public.values() if isinstance(value, list)), [])
    try:
        return bool(contract.call("verify", bytes(32), scalars, values, b"", wrapped))
    except ChainError as error:
        assert "OutOfGas" not in str(error)
        return False


def in_python(air: Air, public: dict[str, object], data: bytes) -> bool:
    try:
        verify(air, public, Proof.from_bytes(data), SMALL)
    except ProofRejected:
        return False
    return True


@pytest.mark.parametrize("venom", [False, True], ids=["legacy", "venom"])
@pytest.mark.parametrize("name", FAMILIES)
def test_the_printed_verifier_accepts_what_python_accepts(name: str, venom: bool) -> None:
    air, public, proof = FAMILIES[name][1]()
    contract = printed(name, venom)
    assert in_python(air, public, proof.data)
    assert on_chain(contract, public, envelope(air, proof))
    for key, value in public.items():
        other = [*value[:-1], value[-1] + 1] if isinstance(value, list) else value + 1  # type: ignore[operator]
        assert not in_python(air, public | {key: other}, proof.data)
        assert not on_chain(contract, public | {key: other}, envelope(air, proof))


def mutants(data: bytes, count: int) -> Iterator[bytes]:
    """Every byte changed once when LONG is set, else a sample."""
    rng = random.Random(count)
    for at in range(len(data)) if LONG else sorted(rng.sample(range(len(data)), count)):
        mutant = bytearray(data)
        mutant[at] ^= rng.randrange(1, 256)
        yield bytes(mutant)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_changed_byte_is_refused_by_both(name: str) -> None:
    air, public, proof = FAMILIES[name][1]()
    contract = printed(name, True)
    for mutant in mutants(proof.data, 20):
        assert not in_python(air, public, mutant)
        assert not on_chain(contract, public, envelope(air, Proof(mutant)))
    for wrong in (proof.data[:-1], proof.data + b"\0", b"", proof.data[: len(proof.data) // 2]):
        assert not in_python(air, public, wrong)
        assert not on_chain(contract, public, envelope(air, Proof(wrong)))
