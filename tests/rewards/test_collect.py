"""Receipts to edges: what counts, what is refused and why."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.ids import Account, Epoch, InfoHash, NodeKey, PieceIndex
from axon.keys import NodeSecret
from axon.receipts import Receipt, Reject, Scope, sign_binding
from axon.rewards import receiptrows
from axon.rewards.collect import Collected, Joined, collect
from tests.rewards.slow_collect import collect_slowly

POOL = Account(b"\x11" * 20)
SCOPE = Scope(1, POOL, InfoHash(b"\x22" * 20), Epoch(0))
SECRETS = sorted((NodeSecret(bytes(31) + bytes([k])) for k in range(1, 6)), key=lambda s: s.public)
ALICE, BOB, CAROL, DAVE, EVE = SECRETS


def receipt(
    down: NodeSecret, up: NodeKey, blocks: int, sequence: int = 1, scope: Scope = SCOPE, piece: int = 0
) -> Receipt:
    unsigned = Receipt(*scope, down.public, up, PieceIndex(piece), blocks, sequence, bytes(32), 1_700_000_000)
    return unsigned.signed(down)


def joined(secret: NodeSecret, account: int) -> Joined:
    address = Account(bytes(19) + bytes([account]))
    return Joined(secret.public, address, sign_binding(secret, 1, POOL, address))


def run(receipts: Iterable[Receipt], *members: Joined, torrent_blocks: int = 1000) -> Collected:
    return collect([[r.serialize() for r in receipts]], SCOPE, members, torrent_blocks)


def reasons(got: Collected) -> list[Reject]:
    return [refused.reason for refused in got.refused]


def test_joined_peers_come_first_in_the_contracts_order_then_keys() -> None:
    got = run([receipt(ALICE, BOB.public, 5), receipt(EVE, ALICE.public, 7)], joined(DAVE, 1), joined(BOB, 2))
    assert got.keys == (DAVE.public, BOB.public, ALICE.public, EVE.public)
    assert (got.joined, len(got.accounts)) == (2, 2)
    assert list(zip(got.edges.src, got.edges.dst, got.edges.blocks)) == [(2, 1, 5), (3, 2, 7)]
    assert got.downloaders == [2, 3]
    assert not got.refused


def test_only_the_latest_receipt_of_a_ledger_counts_whatever_the_order() -> None:
    first, second = receipt(ALICE, BOB.public, 5, 1), receipt(ALICE, BOB.public, 9, 2)
    for order in ([first, second], [second, first]):
        assert run(order).edges.blocks.tolist() == [9]


def test_a_forgery_with_a_higher_sequence_does_not_displace_the_truth() -> None:
    true = receipt(ALICE, BOB.public, 5)
    forged = Receipt.parse(receipt(ALICE, BOB.public, 900, 7).body() + bytes(64))
    got = run([forged, true])
    assert got.edges.blocks.tolist() == [5]
    assert reasons(got) == [Reject.SIGNATURE]
    assert not got.equivocations


@pytest.mark.parametrize(
    "other",
    [
        SCOPE._replace(epoch=Epoch(1)),
        SCOPE._replace(chain_id=2),
        SCOPE._replace(pool=Account(bytes(20))),
        SCOPE._replace(info_hash=InfoHash(bytes(20))),
    ],
)
def test_receipts_about_something_else_are_refused(other: Scope) -> None:
    got = run([receipt(ALICE, BOB.public, 5, scope=other)])
    assert reasons(got) == [Reject.SCOPE]
    assert len(got.edges) == 0


def test_who_contradicts_himself_loses_his_row_and_nobody_elses() -> None:
    got = run(
        [
            receipt(ALICE, BOB.public, 5, 1),
            receipt(ALICE, BOB.public, 4, 2),
            receipt(ALICE, CAROL.public, 3),
            receipt(BOB, CAROL.public, 2),
        ]
    )
    assert got.edges.blocks.tolist() == [2]
    assert len(got.equivocations) == 1
    assert got.equivocations[0].holds()
    assert reasons(got) == [Reject.EQUIVOCATION] * 2


def test_contradictions_held_by_two_different_sources_are_found() -> None:
    halves = [[receipt(ALICE, BOB.public, 5).serialize()], [receipt(ALICE, BOB.public, 6).serialize()]]
    got = collect(halves, SCOPE, (), 1000)
    assert len(got.equivocations) == 1
    assert len(got.edges) == 0


def test_nobody_needs_more_blocks_than_the_torrent_has() -> None:
    honest = [
        receipt(ALICE, BOB.public, 600),
        receipt(ALICE, CAROL.public, 420),
    ]  # 2 % of end-game duplicates
    assert run(honest).edges.blocks.sum() == 1020
    greedy = [receipt(ALICE, BOB.public, 600), receipt(ALICE, CAROL.public, 421)]
    assert reasons(run(greedy)) == [Reject.SET_RULE] * 2


def test_a_receipt_to_oneself_is_refused() -> None:
    assert reasons(run([receipt(ALICE, ALICE.public, 5)])) == [Reject.PARTY]


def test_a_false_binding_leaves_the_account_without_a_key() -> None:
    thief = joined(BOB, 1)._replace(account=Account(b"\x09" * 20))
    got = run([receipt(ALICE, BOB.public, 5)], thief, joined(BOB, 2))
    assert got.keys[:2] == (None, BOB.public)
    assert got.edges.dst.tolist() == [1]


def test_a_key_bound_twice_is_paid_once() -> None:
    got = run([receipt(ALICE, BOB.public, 5)], joined(BOB, 1), joined(BOB, 2))
    assert got.edges.dst.tolist() == [0]


def test_an_empty_epoch_has_no_edges() -> None:
    assert len(run([]).edges) == 0


@given(st.lists(st.binary(max_size=240), max_size=5))
def test_garbage_is_listed_and_harms_nobody(garbage: list[bytes]) -> None:
    got = collect([garbage, [receipt(ALICE, BOB.public, 5).serialize()]], SCOPE, (), 1000)
    assert got.edges.blocks.tolist() == [5]
    assert len(got.refused) == len(garbage)


def test_many_receipts_are_checked_in_worker_processes() -> None:
    base = [receipt(down, up.public, 5) for down in SECRETS for up in SECRETS if down is not up]
    raw = [r.serialize() for r in base]
    forged = [r.body() + k.to_bytes(64, "big") for r in base for k in range(410)]
    got = collect([forged, raw], SCOPE, (), 1000)
    assert len(got.edges) == len(base)
    assert len(got.refused) == len(forged)


ENDS_IN_ZERO = next(s for s in (NodeSecret(k.to_bytes(32, "big")) for k in range(9999)) if not s.public[-1])
CAST = (ALICE, BOB, ENDS_IN_ZERO)  # numpy's strings know no zeros at the end
SIGNED = [
    receipt(down, up.public, blocks, sequence, SCOPE._replace(epoch=Epoch(epoch)), piece)
    for down in CAST
    for up in CAST
    for blocks in (1, 2, 700)
    for sequence in (1, 2)
    for piece in (0, 1)
    for epoch in (0, 0, 0, 1)
]


def of_ledger(raw: bytes, reason: Reject) -> tuple[bytes, Reject]:
    """Of two contradicting receipts, any may stand for its ledger."""
    return raw[52:116] if reason in (Reject.EQUIVOCATION, Reject.PARTY) else raw, reason


FORGED = [Receipt.parse(r.body() + bytes(64)) for r in SIGNED[::7]]


@given(
    st.lists(st.lists(st.sampled_from(SIGNED + FORGED), max_size=8), max_size=4),
    st.sampled_from([1, 5, 1 << 20]),
)
def test_the_same_edges_and_refusals_as_receipt_by_receipt(drawn: list[list[Receipt]], tidy: int) -> None:
    sources = [[r.serialize() for r in source] for source in drawn]
    edges, refused = collect_slowly(sources, SCOPE, 1000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(receiptrows, "_TIDY_FROM", tidy)
        got = collect(sources, SCOPE, (), 1000)
    found = {
        (got.keys[i], got.keys[j]): b
        for i, j, b in zip(got.edges.src, got.edges.dst, got.edges.blocks, strict=True)
    }
    assert found == edges
    assert {of_ledger(r.receipt, r.reason) for r in got.refused} == {of_ledger(*why) for why in refused}
    assert all(proof.holds() for proof in got.equivocations)
    assert sorted(raw[52:116] for raw in got.receipts()) == sorted(i + j for i, j in edges)
