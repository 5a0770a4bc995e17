"""The pool's ordinary life: terms, stake, join, settle, claim, roll on, sweep."""

import pytest

from axon.chain.artifacts import Artifact
from axon.chain.contract import deploy
from axon.chain.pool import Pool, TokenTerms, Weight, pools_of
from axon.chain.shares import MAX_MEMBERS, ShareList
from axon.errors import ChainError
from axon.ids import Account, InfoHash
from tests.contracts.world import EPOCH, WHOLE, World, account

HALF, QUARTER = WHOLE // 2, WHOLE // 4


def test_terms_are_read_back_as_they_were_given() -> None:
    world = World(
        tokens=("mocks/token", "mocks/token"),
        weights=[Weight(b"\x07" * 32, 5), Weight(b"\x08" * 32, 2**64 - 1)],
        fee=250,
    )
    assert world.pool.terms() == world.terms
    assert world.pool.contract.call("publisher") == world.chain.account
    assert world.pool.contract.call("trackers") == world.deployment.trackers


def test_pools_of_a_torrent_are_found() -> None:
    world = World()
    (found,) = pools_of(world.chain, world.deployment, world.terms.info_hash)
    assert found.address == world.pool.address
    assert pools_of(world.chain, world.deployment, InfoHash(b"\x12" * 20)) == []


def test_an_epoch_is_staked_settled_and_claimed() -> None:
    world = World()
    world.stake(8_000)
    assert world.join("ada", "bob", "eve") == [0, 1, 2]
    world.to_end_of(0)
    receipt = world.settle(0, [HALF, QUARTER, 0])
    names = [e.name for e in world.pool.contract.decode(receipt.logs)]
    assert names == ["Settled", "Shares", "Budgeted"]
    assert world.pool.balances(world.tokens[0].address) == (6_500, 1_500)  # a quarter of 2000 rolled on

    shares = world.pool.shares_of(0)
    assert shares.root == ShareList(0, [HALF, QUARTER, 0]).root
    assert world.pool.claimable_epochs(0) == [0]
    world.as_("stranger").claim(0, [0])  # anybody may send it; it pays ada
    world.as_("bob").claim(1, [0])
    world.as_("eve").claim(2, [0])
    assert [world.balance(n) for n in ("ada", "bob", "eve", "stranger")] == [1_000, 500, 0, 0]
    assert world.pool.claimable_epochs(0) == []
    assert world.pool.balances(world.tokens[0].address) == (6_500, 0)


def test_several_epochs_and_tokens_are_claimed_at_once() -> None:
    world = World(tokens=("mocks/token", "mocks/hostile_token", "mocks/token"))
    for number, amount in enumerate((4_000, 400, 40)):
        world.stake(amount, number)
    world.join("ada")
    for epoch in (0, 1, 2):
        world.to_end_of(epoch)
        world.settle(epoch, [WHOLE - 1])
    world.pool.claim(0, [2, 0, 1])
    paid = [world.balance("ada", number) for number in range(3)]
    assert paid == [999 + 999 + 1000, 99 + 99 + 100, 9 + 9 + 10]  # what rounding leaves rolls on


def test_epochs_settle_late_and_out_of_order_and_unsettled_budget_rolls_on() -> None:
    world = World()
    world.stake(4_000)
    world.join("ada")
    world.to_end_of(3)
    world.settle(3, [WHOLE // 2])  # linear: the last epoch takes all that is left; half of it rolls on
    assert world.pool.contract.call("budget", 3, world.tokens[0].address) == 4_000
    world.settle(1, [WHOLE // 2])  # 2000 left over three epochs
    assert world.pool.contract.call("budget", 1, world.tokens[0].address) == 666
    world.pool.claim(0, [1, 3])
    assert world.balance("ada") == 2_333


def test_stake_that_arrives_later_pays_later_epochs() -> None:
    world = World()
    world.join("ada")
    world.to_end_of(0)
    world.settle(0, [HALF])  # nothing staked yet
    world.stake(3_000)
    world.to_end_of(1)
    world.settle(1, [HALF])
    world.pool.claim(0, [0, 1])
    assert world.balance("ada") == 500


def test_an_epoch_that_pays_nobody_reserves_nothing() -> None:
    world = World(fee=100)
    world.stake(1_000)
    world.join("ada")
    world.to_end_of(0)
    world.settle(0, [0])
    assert world.pool.balances(world.tokens[0].address) == (1_000, 0)
    world.pool.claim(0, [0])
    assert world.balance("ada") == 0


def test_an_epoch_without_peers_cannot_settle() -> None:
    world = World()
    world.to_end_of(0)
    world.join("late")
    with pytest.raises(ChainError, match="pool: too many shares"):
        world.settle(0, [HALF])
    assert world.pool.members_of(0) == 0
    assert world.pool.members_of(1) == 1


def test_the_aggregator_is_paid_its_fee_of_what_is_paid() -> None:
    world = World(fee=1_000)  # a tenth
    world.stake(40_000)
    world.join("ada")
    world.to_end_of(0)
    world.settle(0, [HALF])
    token = world.tokens[0].address
    assert world.pool.contract.call("credit", world.chain.account, token) == 500
    world.as_("anybody").contract.transact("collect", world.chain.account)
    assert world.tokens[0].call("balanceOf", world.chain.account) == 500
    world.pool.claim(0, [0])
    assert world.balance("ada") == 4_500
    assert world.pool.balances(token) == (35_000, 0)


def test_nothing_is_unclaimed_of_who_cannot_be_a_member() -> None:
    world = World()
    world.stake(1_000)
    world.join("ada")
    world.to_end_of(0)
    world.settle(0, [HALF])
    for index, waits in ((0, True), (MAX_MEMBERS, False), (2**256 - 1, False)):
        assert world.pool.contract.call("is_unclaimed", 0, index) is waits


def test_members_leave_and_join_again() -> None:
    world = World()
    world.join("ada", "bob")
    world.as_("ada").leave()
    assert world.join("ada") == [2]
    members = world.pool.members()
    assert [(m.index, m.account, m.joined, m.left) for m in members] == [
        (0, account("ada"), 0, 0),
        (1, account("bob"), 0, None),
        (2, account("ada"), 0, None),
    ]
    assert world.pool.contract.call("index_of", account("ada")) == 2
    with pytest.raises(ChainError, match="pool: not a member"):
        world.as_("eve").leave()
    with pytest.raises(ChainError, match="pool: not a member"):
        world.pool.contract.call("index_of", account("eve"))
    with pytest.raises(ChainError, match="pool: already joined"):
        world.join("bob")


def test_members_of_an_epoch_are_those_who_joined_before_its_end() -> None:
    world = World()
    counts = []
    for epoch, names in enumerate((["a", "b"], [], ["c", "d", "e", "f"], ["g"])):
        world.join(*names)
        world.to_end_of(epoch)
        counts.append(len(names))
    assert [world.pool.members_of(e) for e in range(4)] == [2, 2, 6, 7]
    for epoch, count in enumerate([2, 2, 6, 7]):
        for wrong in {1, count - 1, count + 1, 11} - {count}:
            if (wrong + 4) // 5 != (count + 4) // 5:
                with pytest.raises(ChainError, match=r"pool: too (many|few) shares"):
                    world.settle(epoch, [1] * wrong)
            else:  # as many words, but not that many peers: the statement differs from the proof's
                with pytest.raises(
                    ChainError, match=r"(verifier: proof refused|pool: shares past the last peer)"
                ):
                    world.settle(epoch, [1] * wrong)
        world.settle(epoch, [1] * count)


def test_the_publisher_gets_back_what_nobody_is_owed_and_no_more() -> None:
    world = World()
    world.stake(4_000)
    world.join("ada", "bob")
    world.to_end_of(0)
    world.settle(0, [HALF, QUARTER])
    world.pool.claim(0, [0])
    token = world.tokens[0]
    with pytest.raises(ChainError, match="pool: not over yet"):
        world.pool.contract.transact("sweep", token.address)
    world.chain.travel(5 * EPOCH + 100)
    with pytest.raises(ChainError, match="pool: closed"):
        world.settle(1, [HALF, QUARTER])
    world.as_("anybody").contract.transact("sweep", token.address)
    assert token.call("balanceOf", world.chain.account) == 3_250
    with pytest.raises(ChainError, match="pool: nothing to sweep"):
        world.pool.contract.transact("sweep", token.address)
    world.pool.claim(1, [0])  # claims never end
    assert world.balance("bob") == 250
    assert world.held() == 0


def test_a_pool_that_is_over_takes_neither_stake_nor_peers() -> None:
    world = World()
    world.chain.travel(5 * EPOCH)
    with pytest.raises(ChainError, match="pool: over"):
        world.stake(1)
    with pytest.raises(ChainError, match="pool: over"):
        world.join("late")
    assert world.pool.current_epoch() == 4


def test_early_and_unknown_epochs_do_not_settle() -> None:
    world = World()
    world.join("ada")
    with pytest.raises(ChainError, match="pool: epoch not over"):
        world.settle(0, [1])
    world.to_end_of(3)
    with pytest.raises(ChainError, match="pool: no such epoch"):
        world.settle(4, [1])
    with pytest.raises(ChainError, match="pool: no such epoch"):
        world.settle(2**255, [1])
    world.settle(3, [1])
    with pytest.raises(ChainError, match="pool: already settled"):
        world.settle(3, [1])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"info_hash": bytes(20)}, "no info-hash"),
        ({"epoch_length": 0}, "bad epoch length"),
        ({"epoch_length": 2**255}, "bad epoch length"),
        ({"epochs": 0}, "bad number of epochs"),
        ({"epochs": 2**200}, "bad number of epochs"),
        ({"start": 0}, "start long past"),
        ({"start": 2**64}, "start too far off"),
        ({"claim_window": EPOCH - 1}, "claim window below an epoch"),
        ({"claim_window": 2**255}, "claim window too long"),
        ({"quorum": 0}, "bad quorum"),
        ({"quorum": 4}, "bad quorum"),
        ({"trackers": []}, "bad quorum"),
        ({"trackers": [0, 3, 3]}, "trackers not ascending"),
        ({"trackers": [0, 3, 16]}, "unknown tracker"),
        ({"c": 0}, "c out of range"),
        ({"c": 3 * 2**36 + 1}, "c out of range"),
        ({"c_e": 0}, "c_e out of range"),
        ({"c_e": 2**36 + 1}, "c_e out of range"),
        ({"lambda_": 2**16 + 1}, "lambda out of range"),
        ({"fee": 5_001}, "fee too high"),
        ({"distribution": Account(b"\x09" * 20)}, "distribution has no code"),
        ({"verifier": Account(b"\x09" * 20)}, "verifier has no code"),
        ({"tokens": []}, "no tokens"),
        ({"tokens": [TokenTerms(Account(b"\x09" * 20), 0)]}, "token has no code"),
        ({"weights": [Weight(bytes(32), 1)]}, "weight without a key"),
        ({"weights": [Weight(b"\x01" * 32, 2**64)]}, "weight too large"),
    ],
)
def test_impossible_terms_are_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(ChainError, match=f"pool: {reason}"):
        World().open(**changes)


@pytest.mark.parametrize("answer", [0, 1])
def test_a_verifier_that_does_not_revert_at_nonsense_is_refused(answer: int) -> None:
    """A pool goes by the revert alone: whoever accepts anything, or says False, would let anything pass."""
    world = World()
    runtime = bytes([0x60, answer, 0x5F, 0x52, 0x60, 32, 0x5F, 0xF3])
    creation = bytes([0x60, len(runtime), 0x80, 0x60, 9, 0x5F, 0x39, 0x5F, 0xF3]) + runtime
    verifier = deploy(world.chain, Artifact("yes", [], creation))
    with pytest.raises(ChainError, match="pool: verifier refuses nothing"):
        world.open(verifier=verifier.address)


def test_a_token_is_listed_once() -> None:
    world = World()
    token = world.tokens[0].address
    with pytest.raises(ChainError, match="pool: duplicate token"):
        world.open(tokens=[TokenTerms(token, 0), TokenTerms(token, 1)])


def test_what_is_no_pool_is_said_to_be_none() -> None:
    world = World()
    with pytest.raises(ChainError, match="no contract at"):
        Pool(world.chain, Account(b"\x01" * 20))
    with pytest.raises(ChainError, match="is not settled"):
        world.pool.shares_of(0)
