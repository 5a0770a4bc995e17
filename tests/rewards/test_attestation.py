"""A tracker signs what follows from its own receipts, and says exactly what does not."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.errors import AxonError, ConfigError
from axon.ids import Account, Epoch
from axon.rewards.attestation import AttestRequest, Difference, Refusal, differences, edges_of, judge
from axon.rewards.epoch import commit, rebuild
from axon.rewards.pools import PoolMember, PoolRules
from axon.stark import OFFCHAIN_100
from tests.rewards.test_collect import ALICE, BOB, CAROL, POOL, SCOPE, joined, receipt

RULES = PoolRules(
    SCOPE.chain_id,
    POOL,
    SCOPE.info_hash,
    blocks=1000,
    start=0,
    epoch_length=100,
    c=1000,
    c_e=1 << 32,
    lambda_=1 << 12,
    weights=((ALICE.public, 5),),
    members=tuple(
        PoolMember(j.account, j.key, j.binding)
        for j in (joined(ALICE, 1), joined(BOB, 2), joined(CAROL, 3))
        if j.key is not None
    ),
    rules_hash=b"\x55" * 32,
)
HELD = [receipt(ALICE, BOB.public, 600).serialize(), receipt(CAROL, BOB.public, 50).serialize()]
SEED = b"s" * 32


def request(receipts: list[bytes] = HELD, rules: PoolRules = RULES) -> AttestRequest:
    epoch = rebuild(rules.of_epoch(Epoch(0)), [receipts])
    root = commit(epoch, SEED, OFFCHAIN_100).ljust(32, b"\0")
    return AttestRequest(SCOPE.chain_id, POOL, Epoch(0), root, SEED, OFFCHAIN_100.name, edges_of(epoch))


def test_a_root_of_the_same_receipts_is_signed() -> None:
    judge(request(), RULES, reversed(HELD))


def test_requests_survive_the_wire() -> None:
    assert AttestRequest.parse(request().serialize()) == request()


def test_a_refusal_lists_exactly_what_differs() -> None:
    more = receipt(ALICE, CAROL.public, 30).serialize()
    newer = receipt(ALICE, BOB.public, 601, 2).serialize()
    with pytest.raises(Refusal) as refused:
        judge(request([*HELD, more]), RULES, [newer, *HELD])
    assert set(refused.value.differences) == {
        Difference(ALICE.public, CAROL.public, 30, 0),
        Difference(ALICE.public, BOB.public, 600, 601),
    }


@pytest.mark.parametrize(
    "lie",
    [
        {"weights": ((CAROL.public, 5),)},  # trusts somebody else
        {"lambda_": 0},
        {"members": RULES.members[::-1]},  # another order of shares
        {"members": RULES.members[:2]},
    ],
)
def test_a_root_made_by_other_rules_is_refused(lie: dict[str, object]) -> None:
    with pytest.raises(Refusal, match="root is"):
        judge(request(rules=replace(RULES, **lie)), RULES, HELD)  # type: ignore[arg-type]


def test_another_seed_epoch_or_set_of_options_is_another_root() -> None:
    for change in ({"seed": b"t" * 32}, {"options": "offchain-128"}, {"root": bytes(32)}):
        with pytest.raises(Refusal, match="root is"):
            judge(replace(request(), **change), RULES, HELD)  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        judge(replace(request(), options="weak"), RULES, HELD)


@given(
    st.dictionaries(st.integers(0, 9), st.integers(1, 3)),
    st.dictionaries(st.integers(0, 9), st.integers(1, 3)),
)
def test_differences_turn_one_side_into_the_other(a: dict[int, int], b: dict[int, int]) -> None:
    theirs, ours = ({(ALICE.public, bytes([k]) * 32): v for k, v in side.items()} for side in (a, b))
    patched = dict(theirs)
    for d in differences(theirs, ours):  # type: ignore[arg-type]
        patched[d.downloader, d.uploader] = d.ours
    assert {pair: n for pair, n in patched.items() if n} == ours


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_garbage_is_refused_with_an_error(value: object) -> None:
    with pytest.raises(AxonError):
        AttestRequest.parse(json.dumps(value).encode())
    top = json.loads(request().serialize())
    for name in top:
        broken = top | {name: value if name == "keys" else [value]}
        with pytest.raises(AxonError):
            AttestRequest.parse(json.dumps(broken).encode())


def test_rules_survive_json_and_refuse_nonsense() -> None:
    assert PoolRules.from_json(json.loads(json.dumps(RULES.to_json()))) == RULES
    for name in RULES.to_json():
        with pytest.raises(ConfigError):
            PoolRules.from_json({k: v for k, v in RULES.to_json().items() if k != name})


def test_rules_list_whom_an_epoch_lists() -> None:
    a, b, c = RULES.members
    rules = replace(RULES, members=(a, replace(b, left=2), replace(c, joined=3)))
    assert [entry.key for entry in rules.of_epoch(Epoch(2)).joined] == [a.key, b.key]
    assert [entry.key for entry in rules.of_epoch(Epoch(3)).joined] == [a.key, None, c.key]
    stranger = replace(b, account=Account(b"\x07" * 20))
    assert replace(RULES, members=(a, stranger)).keys() == {a.key}
