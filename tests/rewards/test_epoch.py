"""A rebuilt epoch: the same root for everybody who holds the same receipts, and another for others."""

from axon.ids import Account
from axon.receipts import sign_binding
from axon.rewards.collect import Joined
from axon.rewards.epoch import EpochRules, commit, rebuild
from axon.rewards.function import PRETRUST_TOTAL
from axon.stark import OFFCHAIN_100
from tests.rewards.test_collect import ALICE, BOB, CAROL, DAVE, POOL, SCOPE, joined, receipt

MEMBERS = (joined(ALICE, 1), joined(BOB, 2), joined(CAROL, 3))
RULES = EpochRules(SCOPE, 1000, 1000, 1 << 32, 1 << 12, ((ALICE.public, 5),), MEMBERS)
RECEIPTS = [
    r.serialize()
    for r in (
        receipt(ALICE, BOB.public, 600),
        receipt(ALICE, CAROL.public, 300),
        receipt(CAROL, BOB.public, 50),
    )
]


def test_trackers_with_the_same_receipts_commit_to_the_same_root() -> None:
    one = rebuild(RULES, [RECEIPTS])
    other = rebuild(RULES, [RECEIPTS[2:], reversed(RECEIPTS)])
    assert commit(one, b"s" * 32, OFFCHAIN_100) == commit(other, b"s" * 32, OFFCHAIN_100)
    assert commit(one, b"s" * 32, OFFCHAIN_100) != commit(one, b"t" * 32, OFFCHAIN_100)
    fewer = rebuild(RULES, [RECEIPTS[1:]])
    assert commit(one, b"s" * 32, OFFCHAIN_100) != commit(fewer, b"s" * 32, OFFCHAIN_100)


def test_pretrust_goes_to_the_publishers_choice_and_lambda_to_other_downloaders() -> None:
    epoch = rebuild(RULES, [RECEIPTS])
    assert epoch.pretrust.tolist() == [PRETRUST_TOTAL // 16 * 15, 0, PRETRUST_TOTAL // 16]
    assert len(epoch.shares) == 3
    assert epoch.shares[1] > epoch.shares[2] > epoch.shares[0] == 0


def test_one_who_left_keeps_the_index_and_earns_nothing() -> None:
    left = (MEMBERS[0], MEMBERS[1]._replace(key=None), MEMBERS[2])
    epoch = rebuild(EpochRules(SCOPE, 1000, 1000, 1 << 32, 1 << 12, ((ALICE.public, 5),), left), [RECEIPTS])
    assert epoch.shares[1] == 0
    assert epoch.collected.keys[3] == BOB.public  # served, but is no longer paid


def test_a_weight_for_a_key_that_nobody_saw_changes_nothing_but_the_division() -> None:
    more = ((ALICE.public, 5), (DAVE.public, 5))
    epoch = rebuild(EpochRules(SCOPE, 1000, 1000, 1 << 32, 1 << 12, more, MEMBERS), [RECEIPTS])
    assert epoch.shares == rebuild(RULES, [RECEIPTS]).shares


def test_an_epoch_without_receipts_pays_nobody() -> None:
    epoch = rebuild(RULES, [])
    assert set(epoch.shares) == {0}
    assert epoch.rewards.rollover == 1 << 48


def test_a_pool_that_nobody_joined_can_be_rebuilt() -> None:
    epoch = rebuild(EpochRules(SCOPE, 1000, 1000, 1 << 32, 1 << 12, (), ()), [RECEIPTS])
    assert epoch.shares == ()


def test_a_binding_for_another_pool_is_not_believed() -> None:
    elsewhere = Account(b"\x99" * 20)
    account = Account(bytes(19) + b"\x01")
    wrong = Joined(BOB.public, account, sign_binding(BOB, 1, elsewhere, account))
    epoch = rebuild(EpochRules(SCOPE, 1000, 1000, 1 << 32, 0, ((ALICE.public, 1),), (wrong,)), [RECEIPTS])
    assert elsewhere != POOL
    assert epoch.shares == (0,)
