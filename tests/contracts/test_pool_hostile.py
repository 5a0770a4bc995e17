"""What to try against a pool (HOSTILE "Contracts"); everyone else's money stays where it belongs."""

from typing import Any

import pytest
from boa.util.abi import Address

from axon.chain.artifacts import Artifact, artifact
from axon.chain.attestation import Attestation, attestation_digest
from axon.chain.chain import Chain
from axon.chain.contract import Contract, deploy
from axon.chain.embedded import EmbeddedAccount, EmbeddedChain
from axon.chain.pool import Totals
from axon.chain.shares import MAX_MEMBERS, ClaimProof, ShareList
from axon.errors import ChainError
from axon.ids import Account
from axon.merkle import EMPTY_LEAF, keccak256
from tests.contracts.world import (
    BARE,
    BURN,
    FEE,
    GARBAGE,
    HONEST,
    LIE,
    REENTER,
    REFUSE,
    REVERT,
    ROOT,
    SILENT,
    WHOLE,
    World,
    account,
)

HALF = WHOLE // 2


def settled(shares: list[int], tokens: tuple[str, ...] = ("mocks/token",)) -> World:
    world = World(tokens=tokens)
    for number in range(len(tokens)):
        world.stake(4_000, number)
    world.join(*(f"peer {k}" for k in range(len(shares))))
    world.to_end_of(0)
    world.settle(0, shares)
    return world


def claim(world: World, index: int, *proofs: ClaimProof) -> None:
    world.pool.contract.transact("claim", index, list(proofs))


# --- claims -----------------------------------------------------------------


def test_a_share_is_claimed_once() -> None:
    world = settled([HALF, 7, 8])
    proof = world.pool.shares_of(0).claim(0)
    claim(world, 0, proof)
    with pytest.raises(ChainError, match="pool: nothing to claim"):
        claim(world, 0, proof)
    with pytest.raises(ChainError, match="pool: nothing to claim"):
        claim(world, 1, *[world.pool.shares_of(0).claim(1)] * 2)
    assert world.balance("peer 0") == 500


def test_a_proof_opens_no_other_share() -> None:
    world = settled(list(range(1, 13)))
    shares = world.pool.shares_of(0)
    good = shares.claim(7)
    wrong = [
        good._replace(word=good.word + (1 << 16)),
        good._replace(before=good.before + 1),
        good._replace(path=good.path[:-1]),
        good._replace(path=[*good.path, EMPTY_LEAF]),
        good._replace(path=good.path[::-1]),
        good._replace(path=[]),
        shares.claim(0),
        shares.claim(11),
    ]
    for proof in wrong:
        with pytest.raises(ChainError, match="pool: not among the shares"):
            claim(world, 7, proof)
    with pytest.raises(ChainError, match="pool: nothing to claim"):
        claim(world, 7, good._replace(epoch=1))
    for index in (12, 15, 255, 256, 2**255):  # padding and beyond
        with pytest.raises(ChainError, match="pool: nothing to claim"):
            claim(world, index, good)
    claim(world, 7, good)


def test_inner_nodes_and_padding_are_no_leaves() -> None:
    world = settled(list(range(1, 13)))  # three words, padded to four leaves
    tree = ShareList(0, list(range(1, 13)))
    inner = tree._tree._rows[1]
    fake = ClaimProof(0, int.from_bytes(inner[0], "big"), int.from_bytes(inner[1], "big"), [])
    with pytest.raises(ChainError, match="pool: not among the shares"):
        claim(world, 0, fake)


def test_a_claim_of_one_pool_is_worth_nothing_in_another() -> None:
    world = settled([HALF, 7])
    proof, other = world.pool.shares_of(0).claim(0), world.pool
    world.open(c=7)
    world.stake(4_000)
    world.join("peer 0")
    with pytest.raises(ChainError, match="pool: nothing to claim"):
        claim(world, 0, proof)
    assert other.address != world.pool.address


# --- settlements ------------------------------------------------------------


def test_copying_a_settlement_gains_nothing() -> None:
    world = World(fee=5_000)
    world.stake(4_000)
    world.join("peer 0")
    world.to_end_of(0)
    calldata = world.pool.contract.calldata(
        "settle", 0, ROOT, world.attest(0), (5, 3), ShareList(0, [HALF]).words, world.prove(0, [HALF])
    )
    copycat = world.chain.using(EmbeddedAccount.named("copycat"))
    with pytest.raises(ChainError, match="verifier: proof refused"):
        copycat.transact(world.pool.address, calldata)
    world.chain.transact(world.pool.address, calldata)


def test_attestations_are_for_one_root_epoch_pool_and_chain() -> None:
    world = World()
    world.join("peer 0")
    world.to_end_of(1)
    pool, rules = world.pool.address, world.pool.rules_hash()
    chain = world.chain.chain_id
    assert world.attest(0).signature == world.pool.contract.call("attestation_digest", 0, ROOT)
    for digest in (
        attestation_digest(chain + 1, pool, 0, ROOT, rules),
        attestation_digest(chain, world.verifier.address, 0, ROOT, rules),
        attestation_digest(chain, pool, 1, ROOT, rules),
        attestation_digest(chain, pool, 0, keccak256(b"other receipts"), rules),
        attestation_digest(chain, pool, 0, ROOT, keccak256(b"other rules")),
    ):
        with pytest.raises(ChainError, match="pool: attestation refused"):
            world.settle(0, [1], attestation=Attestation(0b011, digest))


def test_too_few_or_unknown_signers_are_refused() -> None:
    world = World()
    world.join("peer 0")
    world.to_end_of(0)
    for signers in (0, 0b001, 0b100):
        with pytest.raises(ChainError, match="pool: below quorum"):
            world.settle(0, [1], attestation=world.attest(0, signers=signers))
    for signers in (0b1011, 1 << 255):
        with pytest.raises(ChainError, match="pool: signer out of range"):
            world.settle(0, [1], attestation=world.attest(0, signers=signers))
    world.settle(0, [1], attestation=world.attest(0, signers=0b101))


def test_no_word_of_the_statement_can_be_changed() -> None:
    world = World()
    world.join("peer 0", "peer 1")
    world.to_end_of(0)
    good = world.prove(0, [1, 2])
    for changes in (
        {"totals": Totals(6, 3)},
        {"totals": Totals(5, 2)},
        {"shares": [2, 1]},
        {"shares": [1, 3]},
        {"proof": good[:31]},
        {"proof": b""},
        {"proof": keccak256(good)},
    ):
        with pytest.raises(ChainError, match="verifier: proof refused"):
            world.settle(0, **({"shares": [1, 2], "proof": good} | changes))


def test_malformed_words_of_shares_are_refused() -> None:
    world = World()
    world.join("peer 0", "peer 1")
    world.to_end_of(0)

    def settle(words: list[int]) -> None:
        world.pool.contract.transact("settle", 0, ROOT, world.attest(0), (5, 3), words, b"")

    with pytest.raises(ChainError, match="pool: low bits of shares set"):
        settle([1])
    with pytest.raises(ChainError, match="pool: shares past the last peer"):
        settle([1 << 112])
    with pytest.raises(ChainError, match="pool: shares above the whole"):
        settle([(WHOLE - 1) << 208 | 2 << 160])
    with pytest.raises(ChainError, match="pool: no shares"):
        settle([])
    with pytest.raises(ChainError, match="pool: too many shares"):
        settle([0, 0])
    with pytest.raises(ChainError, match="pool: too many shares"):
        settle([0] * 1024)
    world = World()
    world.join(*(f"peer {k}" for k in range(6)))
    world.to_end_of(0)
    with pytest.raises(ChainError, match="pool: too few shares"):
        settle([0])
    with pytest.raises(ChainError, match="reverted"):
        settle([0] * 1025)  # the list's bound


def test_truncated_and_padded_calldata_changes_nothing() -> None:
    world = World()
    world.join("peer 0")
    world.to_end_of(0)
    data = world.pool.contract.calldata(
        "settle", 0, ROOT, world.attest(0), (5, 3), ShareList(0, [HALF]).words, world.prove(0, [HALF])
    )
    for size in (0, 3, 4, 100, len(data) - 32, len(data) - 1):
        with pytest.raises(ChainError):
            world.chain.transact(world.pool.address, data[:size])
    world.chain.transact(world.pool.address, data + b"\xff" * 64)  # ignored, as the ABI has it


# --- tokens -----------------------------------------------------------------


def test_what_arrives_is_credited_not_what_was_sent() -> None:
    world = World(tokens=("mocks/hostile_token",))
    world.tokens[0].transact("set_mode", FEE)
    world.stake(1_000)
    assert world.pool.balances(world.tokens[0].address) == (900, 0)


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        (REFUSE, "transfer failed"),
        (REVERT, "transfer failed"),
        (BARE, "transfer failed"),
        (GARBAGE, "transfer failed"),
        (LIE, "nothing received"),
    ],
)
def test_stake_that_does_not_arrive_is_refused(mode: int, reason: str) -> None:
    world = World(tokens=("mocks/hostile_token",))
    world.tokens[0].transact("set_mode", mode)
    with pytest.raises(ChainError, match=f"pool: {reason}"):
        world.stake(1_000)


@pytest.mark.parametrize("mode", [REFUSE, REVERT, BARE, GARBAGE])
def test_what_a_token_refuses_to_give_back_can_be_swept_once_it_behaves(mode: int) -> None:
    world = World(tokens=("mocks/hostile_token",))
    world.stake(1_000)
    world.chain.travel(10**6)
    (token,) = world.tokens
    token.transact("set_mode", mode)
    with pytest.raises(ChainError, match="pool: transfer failed"):
        world.pool.contract.transact("sweep", token.address)
    token.transact("set_mode", HONEST)
    world.pool.contract.transact("sweep", token.address)
    assert world.held() == 0


def test_tokens_that_return_nothing_work() -> None:
    world = World(tokens=("mocks/hostile_token",))
    world.tokens[0].transact("set_mode", SILENT)
    world.stake(4_000)
    world.join("peer 0")
    world.to_end_of(0)
    world.settle(0, [HALF])
    world.pool.claim(0, [0])
    assert world.balance("peer 0") == 500


@pytest.mark.parametrize("mode", [REFUSE, REVERT, BARE, GARBAGE, BURN])
def test_one_bad_token_never_blocks_the_others_and_is_paid_once_it_behaves(mode: int) -> None:
    world = settled([HALF], ("mocks/hostile_token", "mocks/token"))
    bad, good = world.tokens
    bad.transact("set_mode", mode)
    world.pool.claim(0, [0])
    assert world.balance("peer 0", 1) == 500
    assert world.pool.contract.call("credit", account("peer 0"), bad.address) == 500
    world.pool.contract.transact("collect", account("peer 0"))  # still bad: credited again
    assert world.pool.contract.call("credit", account("peer 0"), bad.address) == 500
    bad.transact("set_mode", HONEST)
    world.pool.contract.transact("collect", account("peer 0"))
    world.pool.contract.transact("collect", account("peer 0"))  # nothing more
    assert world.balance("peer 0", 0) == 500
    assert world.pool.balances(bad.address) == (3_500, 0)
    assert world.pool.balances(good.address) == (3_500, 0)


def bomb_token(chain: Chain) -> Account:
    """A hand-made token: every `balanceOf` is larger, `transferFrom` agrees, `transfer` answers 192 KiB."""
    runtime = assemble(
        [
            "PUSH0 CALLDATALOAD 0xe0 SHR",
            "DUP1 0xa9059cbb EQ @bomb JUMPI",
            "0x23b872dd EQ @take JUMPI",
            "PUSH0 SLOAD PUSH0 MSTORE 0x20 PUSH0 RETURN",
            "take: 0x0f4240 PUSH0 SSTORE 0x01 PUSH0 MSTORE 0x20 PUSH0 RETURN",
            "bomb: 0x030000 PUSH0 RETURN",
        ]
    )
    size = len(runtime)
    creation = bytes([0x60, size, 0x80, 0x60, 9, 0x5F, 0x39, 0x5F, 0xF3]) + runtime
    return deploy(chain, Artifact("bomb", [], creation)).address


def assemble(lines: list[str]) -> bytes:
    """A few EVM instructions; labels are one byte."""
    codes = {
        "PUSH0": 0x5F, "CALLDATALOAD": 0x35, "SHR": 0x1C, "DUP1": 0x80, "EQ": 0x14, "JUMPI": 0x57,
        "SLOAD": 0x54, "SSTORE": 0x55, "MSTORE": 0x52, "RETURN": 0xF3,
    }  # fmt: skip
    code, labels, holes = bytearray(), {}, {}
    for token in " ".join(lines).split():
        if token.endswith(":"):
            labels[token[:-1]] = len(code)
            code.append(0x5B)  # JUMPDEST
        elif token.startswith("@"):
            code += b"\x60\x00"
            holes[len(code) - 1] = token[1:]
        elif token.startswith("0x"):
            value = bytes.fromhex(token[2:])
            code += bytes([0x5F + len(value)]) + value
        else:
            code.append(codes[token])
    for at, label in holes.items():
        code[at] = labels[label]
    return bytes(code)


def test_a_bomb_of_return_data_is_not_read() -> None:
    world = World()
    bomb = bomb_token(world.chain)
    world.open(tokens=[(bomb, 0), (world.tokens[0].address, 0)])
    world.pool.contract.transact("stake", bomb, 1_000_000)
    world.stake(4_000)
    world.join("peer 0")
    world.to_end_of(0)
    world.settle(0, [HALF])
    world.pool.claim(0, [0])
    assert world.balance("peer 0") == 500
    assert world.pool.contract.call("credit", account("peer 0"), bomb) == 125_000


@pytest.mark.parametrize("name", ["claim", "claim another", "collect", "stake", "join", "leave", "sweep"])
def test_a_token_that_calls_back_gets_nowhere(name: str) -> None:
    world = settled([HALF, 1], ("mocks/hostile_token", "mocks/token"))
    bad, shares = world.tokens[0], world.pool.shares_of(0)
    payload: tuple[Any, ...] = {
        "claim": ("claim", 0, [shares.claim(0)]),
        "claim another": ("claim", 1, [shares.claim(1)]),
        "collect": ("collect", account("peer 0")),
        "stake": ("stake", bad.address, 1),
        "join": ("join", b"\x01" * 32, bytes(64)),
        "leave": ("leave",),
        "sweep": ("sweep", bad.address),
    }[name]
    carried, reserved = world.pool.balances(bad.address)
    bad.transact("set_mode", REENTER)
    bad.transact("set_reentry", world.pool.address, world.pool.contract.calldata(*payload))
    claim(world, 0, shares.claim(0))
    assert not bad.call("reentry_succeeded")
    assert world.balance("peer 0", 0) == world.balance("peer 0", 1) == 500
    assert world.pool.balances(bad.address) == (carried, reserved - 500)


def test_a_token_that_calls_back_while_staking_is_credited_once() -> None:
    world = World(tokens=("mocks/hostile_token",))
    bad = world.tokens[0]
    bad.transact("mint", bad.address, 1_000)
    bad.transact("set_mode", REENTER)
    bad.transact("set_reentry", world.pool.address, world.pool.contract.calldata("stake", bad.address, 10))
    world.stake(100)
    assert not bad.call("reentry_succeeded")
    assert world.pool.balances(bad.address) == (100, 0)


def test_a_token_that_shrinks_hurts_only_its_own_claims() -> None:
    world = settled([HALF], ("mocks/hostile_token", "mocks/token"))
    bad = world.tokens[0]
    bad.transact("rebase", 1, 10)  # 4000 become 400: 500 cannot be paid
    world.pool.claim(0, [0])
    assert world.balance("peer 0", 1) == 500
    assert world.pool.contract.call("credit", account("peer 0"), bad.address) == 500
    world.chain.travel(10**6)
    with pytest.raises(ChainError, match="pool: nothing to sweep"):
        world.pool.contract.transact("sweep", bad.address)  # what is left is owed
    world.pool.contract.transact("sweep", world.tokens[1].address)
    bad.transact("rebase", 10, 1)  # and grows: the surplus is nobody's, so the publisher's
    world.pool.contract.transact("collect", account("peer 0"))
    world.pool.contract.transact("sweep", bad.address)
    assert world.held(0) == 0


def test_starving_a_transfer_of_gas_reverts_the_claim() -> None:
    """Else anybody could send somebody's claim with little gas and turn it into credit."""
    world = settled([HALF])
    data = world.pool.contract.calldata("claim", 0, [world.pool.shares_of(0).claim(0)])
    with pytest.raises(ChainError, match="pool: not enough gas"):
        world.chain.call_with_gas(world.pool.address, data, 250_000)


def test_starving_a_distribution_of_gas_reverts_the_settlement() -> None:
    """Else an aggregator could make an epoch pay nothing."""
    world = World()
    world.stake(4_000)
    world.join("peer 0")
    world.to_end_of(0)
    data = world.pool.contract.calldata(
        "settle", 0, ROOT, world.attest(0), (5, 3), ShareList(0, [HALF]).words, world.prove(0, [HALF])
    )
    said = set()
    for gas in range(200_000, 500_000, 20_000):
        try:
            world.chain.call_with_gas(world.pool.address, data, gas)
        except ChainError as refusal:
            said.add(str(refusal))
    assert any("pool: not enough gas" in reason for reason in said), said


def test_unlisted_tokens_are_refused() -> None:
    world = World()
    stray = world.token("mocks/token")
    for name, *args in (("stake", stray.address, 1), ("sweep", stray.address)):
        world.chain.travel(10**6 if name == "sweep" else 0)
        with pytest.raises(ChainError, match="pool: no such token"):
            world.pool.contract.transact(name, *args)


# --- distributions, clones, limits -------------------------------------------


@pytest.mark.parametrize(("mode", "budget"), [(0, 4_000), (1, 0), (2, 0)])
def test_a_bad_distribution_pays_at_most_what_there_is(mode: int, budget: int) -> None:
    world = World()
    hostile = deploy(world.chain, artifact("mocks/hostile_distribution"))
    hostile.transact("set_mode", mode)
    world.open(distribution=hostile.address)
    world.stake(4_000)
    world.join("peer 0")
    world.to_end_of(0)
    world.settle(0, [HALF])
    assert world.pool.balances(world.tokens[0].address) == (4_000 - budget // 2, budget // 2)


def test_the_implementation_is_no_pool() -> None:
    world = World()
    factory = Contract(world.chain, artifact("pool_factory"), world.deployment.factory)
    implementation = Contract(world.chain, artifact("pool"), factory.call("implementation"))
    token = world.tokens[0].address
    calls: dict[str, tuple[object, ...]] = {
        "terms": (),
        "publisher": (),
        "stake": (token, 1),
        "join": (b"\x01" * 32, bytes(64)),
        "settle": (0, ROOT, world.attest(0), (5, 3), [0], b""),
        "claim": (0, []),
        "collect": (world.chain.account,),
        "sweep": (token,),
    }
    for name, args in calls.items():
        with pytest.raises(ChainError, match="pool: not a pool"):
            world.chain.call(implementation.address, implementation.calldata(name, *args))


def test_a_pools_terms_are_its_code() -> None:
    """So no call changes them; a clone that the factory did not make may say anything, and is not listed."""
    world = World()
    factory = Contract(world.chain, artifact("pool_factory"), world.deployment.factory)
    code = bytes(world.chain._state.env.get_code("0x" + world.pool.address.hex()))
    assert code[10:30] == factory.call("implementation")
    assert code[45:77] == world.pool.rules_hash() == keccak256(b"\0" * 31 + b"\x20" + code[141:])
    assert code[77:109] == bytes(12) + world.chain.account
    loader = bytes.fromhex("600b380380600b5f395ff3")
    forged = deploy(world.chain, Artifact("forged", [], loader + code[:-1] + b"\x01"))
    assert not factory.call("is_pool", forged.address)


def test_the_same_terms_salt_and_sender_give_one_pool() -> None:
    world = World()
    factory = Contract(world.chain, artifact("pool_factory"), world.deployment.factory)
    with pytest.raises(ChainError):
        factory.transact("create_pool", world.terms, bytes(32))
    world.open()
    assert factory.call("pool_count", world.terms.info_hash) == 2
    assert factory.call("is_pool", world.pool.address)
    assert not factory.call("is_pool", world.verifier.address)


def test_stake_beyond_what_products_can_hold_is_refused() -> None:
    world = World()
    world.stake(2**128 - 1)
    with pytest.raises(ChainError, match="pool: stake too large"):
        world.stake(1)


def test_nobody_joins_with_half_a_binding() -> None:
    world = World()
    for key, binding, reason in (
        (bytes(32), bytes(64), "no node key"),
        (b"\x01" * 32, bytes(63), "binding is not 64 bytes"),
    ):
        with pytest.raises(ChainError, match=f"pool: {reason}"):
            world.pool.contract.transact("join", key, binding)


def test_a_full_pool_takes_nobody() -> None:
    world = World()
    world.join("ada", "bob")
    env, address = world.chain._state.env, Address("0x" + world.pool.address.hex())
    (slot,) = [k for k in range(64) if env.get_storage(address, k) == 2]
    env.set_storage(address, slot, MAX_MEMBERS)
    with pytest.raises(ChainError, match="pool: full"):
        world.join("eve")


def test_a_verifier_whose_code_is_gone_accepts_nothing() -> None:
    """A call of nothing succeeds."""
    world = World()
    world.join("ada")
    world.to_end_of(0)
    world.chain._state.env.set_code(Address("0x" + world.verifier.address.hex()), b"")
    with pytest.raises(ChainError, match="pool: verifier has no code"):
        world.settle(0, [HALF])


def test_systems_are_not_deployed_upon_nothing() -> None:
    world = World()
    for name, reason in (("pool", "trackers have no code"), ("pool_factory", "implementation has no code")):
        with pytest.raises(ChainError, match=reason):
            deploy(world.chain, artifact(name), Account(b"\x09" * 20))


def test_an_embedded_chain_keeps_the_cap_on_a_transaction() -> None:
    chain = EmbeddedChain()
    with pytest.raises(ChainError, match="EIP-7825"):
        chain.transact(chain.account, b"\xff" * 420_000)
