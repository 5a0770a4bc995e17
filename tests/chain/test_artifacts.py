"""Shipped ABI and bytecode are what the compiler makes of the sources; both generators agree on the pool."""

from pathlib import Path

import pytest

from axon.chain import deploy as deployment
from axon.chain.artifacts import Artifact, artifact, file_name
from axon.chain.build import SOURCES, compile_contract, main, render
from axon.errors import ChainError
from tests.contracts.world import WHOLE, World

ABI = Path(__file__).parents[2] / "axon" / "chain" / "abi"


@pytest.mark.parametrize("name", SOURCES)
def test_the_shipped_contract_is_the_compiled_source(name: str) -> None:
    assert (ABI / file_name(name)).read_text() == render(compile_contract(name))


def test_nothing_else_is_shipped() -> None:
    assert {path.name for path in ABI.glob("*.json")} == {file_name(name) for name in SOURCES}


def test_check_notices_nothing_out_of_date() -> None:
    assert main(["--check", "distribution/linear"]) == 0


def test_unknown_contracts_are_named() -> None:
    with pytest.raises(ChainError, match="no compiled contract 'nonsense'"):
        artifact("nonsense")


def test_both_code_generators_pay_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    paid = []
    for venom in (False, True):
        compiled = compile_contract("pool", venom)
        made = Artifact("pool", artifact("pool").abi, bytes.fromhex(str(compiled["bytecode"])))
        monkeypatch.setattr(deployment, "artifact", lambda n, made=made: made if n == "pool" else artifact(n))
        world = World(fee=77)
        world.stake(10**18 + 1)
        world.join("ada", "bob", "eve")
        world.to_end_of(1)
        for epoch in (1, 0):
            world.settle(epoch, [WHOLE // 3, 5, WHOLE // 7])
        for index in range(3):
            world.pool.claim(index, [0, 1])
        balances = world.pool.balances(world.tokens[0].address)
        paid.append(([world.balance(n) for n in ("ada", "bob", "eve")], balances))
    assert paid[0] == paid[1]
