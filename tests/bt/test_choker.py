"""Choking: tit for tat, fair seeding, diffs only."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.choker import RECHOKE, Candidate, Changes, Choker

PEER = Candidate("", interested=True, choked=True, from_peer=0.0, to_peer=0.0, connected_at=-1000.0)


def choker(slots: int = 4, optimistic: int = 1, seed: int = 0) -> Choker[str]:
    return Choker(slots, optimistic, seed=seed)


def peers(*rates: float, **changes: object) -> list[Candidate[str]]:
    return [
        replace(PEER, key=chr(97 + number), from_peer=rate, **changes)  # type: ignore[arg-type]
        for number, rate in enumerate(rates)
    ]


def apply(changes: Changes[str], swarm: list[Candidate[str]], now: float) -> None:
    for peer in swarm:
        if peer.key in changes.choke:
            peer.choked = True
        if peer.key in changes.unchoke:
            peer.choked, peer.unchoked_at = False, now


def test_best_uploaders_get_the_slots() -> None:
    changes = choker(slots=2, optimistic=0).rechoke(peers(5, 9, 7, 1), 0.0, seeding=False)
    assert set(changes.unchoke) == {"b", "c"}


def test_only_differences_are_returned() -> None:
    it, swarm = choker(slots=2, optimistic=0), peers(5, 9, 7, 1)
    apply(it.rechoke(swarm, 0.0, seeding=False), swarm, 0.0)
    assert it.rechoke(swarm, 10.0, seeding=False) == Changes()
    swarm[0].from_peer = 8
    assert it.rechoke(swarm, 20.0, seeding=False) == Changes(choke=["c"], unchoke=["a"])


@pytest.mark.parametrize("change", [{"interested": False}, {"upload_only": True}, {"may_upload": False}])
@pytest.mark.parametrize("seeding", [False, True])
def test_who_wants_nothing_or_owes_receipts_gets_nothing(change: dict[str, bool], seeding: bool) -> None:
    swarm = [
        replace(peer, choked=False, **change)  # type: ignore[arg-type]
        for peer in peers(5, 9)
    ]
    assert choker().rechoke(swarm, 0.0, seeding=seeding) == Changes(choke=["a", "b"])


def test_snubbing_peer_keeps_at_most_the_optimistic_slot() -> None:
    swarm = [replace(peer, snubbing=True, choked=False) for peer in peers(9, 9, 9)]
    assert len(choker(slots=3, optimistic=1).rechoke(swarm, 0.0, seeding=False).choke) == 2


def test_optimistic_slot_rotates_through_everybody() -> None:
    it, swarm = choker(slots=1, optimistic=1, seed=3), peers(9, 0, 0, 0)
    tried: list[str] = []
    for step in range(60):
        now = step * RECHOKE
        apply(it.rechoke(swarm, now, seeding=False), swarm, now)
        tried += [peer.key for peer in swarm if not peer.choked and peer.key != "a"]
    assert set(tried) == {"b", "c", "d"}
    assert tried[0] == tried[1] == tried[2] != tried[3]  # 30 seconds each


def test_newcomers_are_three_times_as_likely() -> None:
    wins: Counter[str] = Counter()
    for seed in range(600):
        swarm = peers(9, 0, 0)
        swarm[2].connected_at = 0.0
        wins.update(set(choker(slots=1, seed=seed).rechoke(swarm, 1.0, seeding=False).unchoke) - {"a"})
    assert 2.2 < wins["c"] / wins["b"] < 4.2


def test_seeding_serves_everybody_in_turn() -> None:
    it, swarm = choker(slots=2, optimistic=1), peers(*[0] * 9)
    served: Counter[str] = Counter()
    for step in range(36):
        now = 1.0 + step * RECHOKE
        apply(it.rechoke(swarm, now, seeding=True), swarm, now)
        served.update(peer.key for peer in swarm if not peer.choked)
    assert len(served) == 9
    assert max(served.values()) - min(served.values()) <= 2


def test_seeding_does_not_rotate_when_all_fit() -> None:
    it, swarm = choker(), peers(0, 0, 0)
    apply(it.rechoke(swarm, 1.0, seeding=True), swarm, 1.0)
    assert it.rechoke(swarm, 500.0, seeding=True) == Changes()


@given(
    st.lists(
        st.builds(
            Candidate,
            key=st.uuids().map(str),
            interested=st.booleans(),
            choked=st.booleans(),
            from_peer=st.floats(0, 1e9),
            to_peer=st.floats(0, 1e9),
            connected_at=st.floats(-1e4, 0),
            unchoked_at=st.floats(-1e4, 0),
            snubbing=st.booleans(),
            upload_only=st.booleans(),
            may_upload=st.booleans(),
        ),
        max_size=20,
        unique_by=lambda peer: peer.key,
    ),
    st.integers(1, 6),
    st.integers(0, 2),
    st.booleans(),
)
def test_slots_are_never_exceeded_nor_wasted(
    swarm: list[Candidate[str]], slots: int, optimistic: int, seeding: bool
) -> None:
    changes = choker(slots, optimistic).rechoke(swarm, 1.0, seeding=seeding)
    assert all(not peer.choked for peer in swarm if peer.key in changes.choke)
    assert all(peer.choked for peer in swarm if peer.key in changes.unchoke)
    apply(changes, swarm, 1.0)
    served = [peer for peer in swarm if not peer.choked]
    assert all(peer.interested and peer.may_upload and not peer.upload_only for peer in served)
    eager = [peer for peer in swarm if peer.interested and peer.may_upload and not peer.upload_only]
    steady = eager if seeding else [peer for peer in eager if not peer.snubbing]
    assert len(served) <= slots + optimistic
    assert len(served) >= min(len(steady), slots + (optimistic if seeding else 0))


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="slots"):
        choker(0)


def test_a_seed_gives_the_slot_of_a_peer_that_asks_for_nothing_to_one_that_waits() -> None:
    it = choker(slots=1, optimistic=1)
    swarm = peers(0, 0, 0)
    apply(it.rechoke(swarm, 0.0, seeding=True), swarm, 0.0)
    (waiting,) = [peer for peer in swarm if peer.choked]
    deaf, busy = [peer for peer in swarm if not peer.choked]
    busy.used_at = 7.0
    assert not it.is_wasteful(swarm, 4.0)
    assert it.is_wasteful(swarm, 7.0)
    changes = it.rechoke(swarm, 7.0, seeding=True)
    assert changes == Changes(choke=[deaf.key], unchoke=[waiting.key])
    apply(changes, swarm, 7.0)
    # It waits its turn like everybody; and with nobody else about, nothing is taken from it.
    assert not it.is_wasteful(swarm, 8.0)
    assert it.rechoke([deaf, replace(busy, interested=False)], 20.0, seeding=True).unchoke == [deaf.key]
    deaf.choked = False
    assert it.rechoke([deaf], 60.0, seeding=True) == Changes() and not it.is_wasteful([deaf], 60.0)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 100), st.floats(0, 100)), max_size=12))
def test_a_seed_serves_no_deaf_peer_while_a_lively_one_waits(
    told: list[tuple[bool, float, float]],
) -> None:
    swarm = [
        replace(PEER, key=str(k), choked=choked, unchoked_at=at, used_at=used)
        for k, (choked, at, used) in enumerate(told)
    ]
    deaf = {peer.key for peer in swarm if peer.is_deaf(100.0)}
    it = choker(slots=2, optimistic=1)
    apply(it.rechoke(swarm, 100.0, seeding=True), swarm, 100.0)
    served = {peer.key for peer in swarm if not peer.choked}
    assert len(served) == min(3, len(swarm))
    assert not (served & deaf) or {peer.key for peer in swarm} - deaf <= served
