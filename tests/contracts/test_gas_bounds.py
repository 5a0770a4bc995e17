"""Whatever a verifier or a pool is handed, it ends within a bounded amount of gas (HOSTILE "Contracts").

The bounds are not prices: `benchmarks/gas.py` has those. They say that nobody's bytes make a call cost
much more than an honest one of the same size, and that a refusal fits in a transaction (EIP-7825).
"""

import random
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axon.chain.artifacts import Artifact, artifact
from axon.chain.contract import Contract, deploy, encode_call
from axon.chain.embedded import TRANSACTION_CAP, EmbeddedChain
from axon.chain.shares import MAX_MEMBERS, ShareList, pack_shares
from axon.errors import ChainError
from axon.ids import Account
from axon.rewards.air import Statement
from axon.stark import COMPACT_100, ONCHAIN_100, Air, Proof
from axon.stark.verifier import layout
from axon.stark.vyper import envelope
from tests.contracts.epochs import prove_epoch, words
from tests.contracts.world import BURN, ROOT, WHOLE, World

VERIFIERS = {"stark/axr1_100": ONCHAIN_100, "stark/axr1_compact_100": COMPACT_100}
few = settings(max_examples=12, deadline=None)


def spent(chain: EmbeddedChain, to: Account, data: bytes) -> tuple[int, bool]:
    """Execution gas of a call with all that a transaction may use, and whether it succeeded."""
    env = chain._state.env
    result = env.execute_code(
        to_address=_address(to),
        sender=_address(chain.account),
        data=data,
        simulate=True,
        gas=TRANSACTION_CAP,
    )
    return int(result.get_gas_used()), not result.is_error


def _address(account: Account) -> object:
    from boa.util.abi import Address

    return Address("0x" + account.hex())


@cache
def verifier(name: str) -> Contract:
    return deploy(EmbeddedChain(), artifact(name))


@cache
def example() -> tuple[Air, Statement, Proof]:
    return prove_epoch(60, 12, 7, {})


@cache
def honest() -> tuple[int, bytes]:
    """Gas and calldata of an honest verification."""
    air, statement, proof = example()
    contract = verifier("stark/axr1_100")
    data = contract.calldata("verify", words(statement), pack_shares(statement.shares), envelope(air, proof))
    assert isinstance(contract.chain, EmbeddedChain)
    gas, accepted = spent(contract.chain, contract.address, data)
    assert accepted
    return gas, data


def bounded(name: str, data: bytes) -> None:
    """No mutant is accepted, and none costs more than an honest proof and its own bytes."""
    contract = verifier(name)
    assert isinstance(contract.chain, EmbeddedChain)
    gas, accepted = spent(contract.chain, contract.address, data)
    assert not accepted
    assert gas <= 1.1 * honest()[0] + 40 * len(data), name


@given(seed=st.integers(0, 2**32))
@settings(max_examples=4, deadline=None)
def test_a_mutated_proof_costs_no_more_than_an_honest_one(seed: int) -> None:
    """A flipped bit late in the proof is seen late; still all the work there is was done once."""
    air, statement, proof = example()
    rng = random.Random(seed)
    mutant = bytearray(proof.data)
    _, offset, length, _ = rng.choice(layout(air, statement.public(), proof, ONCHAIN_100))
    mutant[offset + rng.randrange(length)] ^= 1 << rng.randrange(8)
    wrapped = envelope(air, Proof(bytes(mutant)))
    arguments = (words(statement), pack_shares(statement.shares), wrapped)
    bounded("stark/axr1_100", verifier("stark/axr1_100").calldata("verify", *arguments))


@given(seed=st.integers(0, 2**32), name=st.sampled_from(sorted(VERIFIERS)), size=st.integers(0, 60_000))
@few
def test_random_bytes_for_a_proof_cost_little(seed: int, name: str, size: int) -> None:
    _, statement, _ = example()
    rng = random.Random(seed)
    noise = bytes([rng.choice((13, 14, rng.randrange(256)))]) + rng.randbytes(size)
    data = verifier(name).calldata("verify", words(statement), pack_shares(statement.shares), noise)
    bounded(name, data)


@given(seed=st.integers(0, 2**32), at=st.integers(0, 14 * 32))
@few
def test_heads_that_lie_about_offsets_and_lengths_cost_little(seed: int, at: int) -> None:
    """Offsets and lengths of the ABI, 2^256 - 1 among them: no copy of what is not there."""
    rng = random.Random(seed)
    data = bytearray(honest()[1])
    word = rng.choice(
        [2**256 - 1, 2**255, 2**64, 2**32, 131_072, 131_071, len(data), 31, rng.getrandbits(20)]
    )
    start = 4 + at // 32 * 32
    if data[start : start + 32] == word.to_bytes(32, "big"):
        return
    data[start : start + 32] = word.to_bytes(32, "big")
    bounded("stark/axr1_100", bytes(data))


@given(seed=st.integers(0, 2**32), size=st.integers(0, 4_000))
@few
def test_any_calldata_costs_a_pool_little(seed: int, size: int) -> None:
    """Each of its functions, over random bytes and over words that are small, huge or offsets."""
    world = pool()
    rng = random.Random(seed)
    entries = [e for e in artifact("pool").abi if e["type"] == "function"]
    entry = rng.choice(entries)
    selector = encode_call(entry, _zeros(entry))[:4]
    some = [0, 1, 32, 64, 2**255, 2**256 - 1, 1024, 1025, 32 * rng.randrange(40), rng.getrandbits(256)]
    body = b"".join(rng.choice(some).to_bytes(32, "big") for _ in range(size // 32))
    gas, _ = spent(
        world.chain, world.pool.address, selector + (body if rng.random() < 0.8 else rng.randbytes(size))
    )
    assert gas <= 1_500_000, entry["name"]


def _zeros(entry: dict[str, object]) -> list[object]:
    """Arguments that encode, for the sake of the selector."""
    defaults = {"uint256": 0, "bytes32": bytes(32), "address": "0x" + "00" * 20, "bytes": b""}
    made: list[object] = []
    for parameter in entry["inputs"]:  # type: ignore[attr-defined]
        kind = parameter["type"]
        if kind.endswith("]"):
            made.append([])
        elif kind == "tuple":
            made.append(tuple(defaults[c["type"]] for c in parameter["components"]))
        else:
            made.append(defaults[kind])
    return made


@cache
def pool() -> World:
    world = World(tokens=("mocks/token", "mocks/hostile_token"))
    for number in range(2):
        world.stake(4_000, number)
    world.join("ada", "bob")
    world.to_end_of(0)
    world.settle(0, [WHOLE // 2, 7])
    return world


@pytest.mark.parametrize("count", [5, MAX_MEMBERS])
def test_settling_what_a_verifier_refuses_fits_in_a_transaction(count: int) -> None:
    """The real verifier behind the pool, proofs of zeros and of noise, up to the longest list of shares."""
    world = World(verifier="stark/axr1_100")
    _fill(world, count)
    world.to_end_of(0)
    for proof in (b"", bytes(97_000), bytes([13]) + random.Random(1).randbytes(97_000)):
        data = world.pool.contract.calldata(
            "settle", 0, ROOT, world.attest(0), (5, 3), ShareList(0, [1] * count).words, proof
        )
        gas, accepted = spent(world.chain, world.pool.address, data)
        assert not accepted
        assert gas <= 6_000_000


def _fill(world: World, count: int) -> None:
    """As many members as it takes, but for their joining: `member_count` is the only slot that says 2."""
    env = world.chain._state.env
    if world.pool.contract.call("member_count") == 0:
        world.join("ada", "bob")
    address = _address(world.pool.address)
    (slot,) = [k for k in range(64) if env.get_storage(address, k) == 2]
    env.set_storage(address, slot, count)
    assert world.pool.contract.call("member_count") == count


def test_a_verifier_that_burns_all_gas_hurts_its_own_pool_only() -> None:
    world = World()
    for_ever = bytes.fromhex("5b5f56")
    creation = b"\x62" + for_ever + bytes.fromhex("5f526003601df3")
    world.open(verifier=deploy(world.chain, Artifact("burner", [], creation)).address)
    world.stake(4_000)
    world.join("ada")
    world.to_end_of(0)
    with pytest.raises(ChainError):
        world.settle(0, [WHOLE // 2])
    assert world.pool.settled_epochs() == []
    world.to_end_of(9)
    world.pool.contract.transact("sweep", world.tokens[0].address)
    assert world.held() == 0


def test_the_largest_settlement_and_claim_fit_in_a_transaction() -> None:
    """5,120 peers, 8 tokens, a distribution that burns its gas; 32 epochs of 8 tokens that burn theirs."""
    world = World(tokens=("mocks/hostile_token",) * 8, epochs=32)
    hostile = deploy(world.chain, artifact("mocks/hostile_distribution"))
    world.open(distribution=hostile.address)
    for number in range(8):
        world.stake(10**20, number)
    _fill(world, 2)
    world.to_end_of(31)
    for epoch in range(1, 32):  # the hostile distribution gives all there is: half of it is left each time
        world.settle(epoch, [WHOLE // 2, 3])
    _fill(world, MAX_MEMBERS)
    hostile.transact("set_mode", 2)
    assert world.settle(0, [WHOLE // MAX_MEMBERS] * MAX_MEMBERS).gas_used < TRANSACTION_CAP
    for token in world.tokens:
        token.transact("set_mode", BURN)
    (receipt,) = world.pool.claim(0, range(32))
    assert receipt.gas_used < TRANSACTION_CAP
    assert [e.name for e in world.pool.contract.decode(receipt.logs)].count("Credited") == 8
