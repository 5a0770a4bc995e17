"""Budgets: what each distribution gives, whatever is asked."""

from hypothesis import given
from hypothesis import strategies as st

from axon.chain.artifacts import artifact
from axon.chain.contract import Contract
from axon.chain.pool import TokenTerms
from tests.contracts.world import World

WORLD = World()
_TOKEN = WORLD.tokens[0].address
WORLD.open(tokens=[TokenTerms(_TOKEN, 3 * 10**17)], epochs=9)

amounts = st.integers(0, 2**128 - 1)
epochs = st.integers(0, 8)


def budget(name: str, epoch: int, remaining: int) -> int:
    address = WORLD.deployment.distribution(name)
    contract = Contract(WORLD.chain, artifact(f"distribution/{name}"), address)
    return int(contract.call("budget", WORLD.pool.address, _TOKEN, epoch, remaining))


@given(epochs, amounts)
def test_linear_pays_equal_parts_of_what_is_left(epoch: int, remaining: int) -> None:
    assert budget("linear", epoch, remaining) == remaining // (9 - epoch)


@given(epochs, amounts)
def test_decaying_pays_its_part_of_what_is_left(epoch: int, remaining: int) -> None:
    assert budget("decaying", epoch, remaining) == remaining * 3 // 10


@given(epochs, amounts)
def test_fixed_pays_its_rate_while_it_lasts(epoch: int, remaining: int) -> None:
    assert budget("fixed", epoch, remaining) == min(3 * 10**17, remaining)
