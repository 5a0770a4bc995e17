"""Super-seeding (BEP 16)."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.superseed import SuperSeed


def seed(num_pieces: int = 4) -> SuperSeed[str]:
    return SuperSeed(num_pieces, lambda index: 0)


def test_each_peer_is_told_of_another_piece() -> None:
    it = seed()
    told = [it.peer_joined(key) for key in "abcd"]
    assert sorted(index for index in told if index is not None) == [0, 1, 2, 3]
    assert it.may_request("a", 0)
    assert not it.may_request("a", 1)


def test_next_piece_must_be_earned_by_spreading_the_last() -> None:
    it = seed()
    assert (it.peer_joined("a"), it.peer_joined("b")) == (0, 1)
    assert it.peer_has("a", 0) == []  # it has it, but nobody got it from it
    assert it.peer_has("b", 0) == [("a", 2)]
    assert it.may_request("a", 2)


def test_pieces_of_a_peer_that_left_go_to_others() -> None:
    it = seed(1)
    assert it.peer_joined("a") == 0
    it.peer_gone("a")
    assert it.peer_joined("b") == 0
    with pytest.raises(ValueError, match="twice"):
        it.peer_joined("b")


@given(st.integers(1, 30), st.integers(2, 6), st.randoms(use_true_random=False))
def test_honest_swarm_gets_everything(num_pieces: int, peers: int, rng: random.Random) -> None:
    has: dict[int, set[int]] = {peer: set() for peer in range(peers)}
    it: SuperSeed[int] = SuperSeed(num_pieces, lambda i: sum(i in pieces for pieces in has.values()))
    uploads = 0
    inbox: list[tuple[int, int]] = []
    for peer in range(peers):
        index = it.peer_joined(peer)
        if index is not None:
            inbox.append((peer, index))
    for _ in range(10_000):
        if it.finished:
            break
        if inbox:  # from us
            peer, index = inbox.pop(rng.randrange(len(inbox)))
            uploads += index not in has[peer]
        else:  # among themselves
            trades = [(b, i) for a in has for i in has[a] for b in has if i not in has[b]]
            peer, index = rng.choice(trades)
        if index in has[peer]:
            continue
        has[peer].add(index)
        inbox += it.peer_has(peer, index, lambda key, i: i in has[key])
    assert it.finished
    assert uploads <= num_pieces + peers
