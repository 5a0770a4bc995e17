"""Attestation: signed only if edges and root are what our own receipts give."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bls import BlsSecret, verify_aggregate
from axon.chain.attestation import attestation_digest
from axon.errors import AxonError
from axon.ids import Epoch, NodeKey
from axon.receipts import Receipt
from axon.tracker.attest import Attester, AttestRequest, Differences, Edge, own_edges
from tests.tracker.test_receipts import POOL, STRANGER, A, B, C, receipt

PEERS = tuple(key.public for key in (A, B, C))
HELD = [receipt(A, B, blocks=5), receipt(C, B, blocks=7), receipt(B, A, blocks=2), receipt(STRANGER, A)]
EDGES: tuple[Edge, ...] = ((0, 1, 5), (1, 0, 2), (2, 1, 7))


def commit(edges: Sequence[Edge], pretrust: Sequence[int], seed: bytes) -> bytes:
    """A stand-in for the trace segment's commitment: it binds the same things."""
    return hashlib.sha256(json.dumps([list(edges), list(pretrust), seed.hex()]).encode()).digest()


def request(**changes: Any) -> AttestRequest:
    fields: dict[str, Any] = {
        "chain_id": 1,
        "pool": POOL,
        "epoch": Epoch(0),
        "root": commit(EDGES, (1, 2, 3), b"s" * 32),
        "rules": b"r" * 32,
        "seed": b"s" * 32,
        "peers": PEERS,
        "pretrust": (1, 2, 3),
        "edges": EDGES,
    }
    return AttestRequest(**(fields | changes))


@pytest.fixture(scope="module")
def secret() -> BlsSecret:
    return BlsSecret(12345)


def test_a_root_that_follows_from_our_receipts_is_signed(secret: BlsSecret) -> None:
    answer = Attester(secret, commit).attest(request(), HELD)
    digest = attestation_digest(1, POOL, 0, request().root, b"r" * 32)
    assert verify_aggregate([secret.public], digest, bytes.fromhex(answer["signature"]))


def test_another_root_is_not_signed_and_ours_is_named(secret: BlsSecret) -> None:
    answer = Attester(secret, commit).attest(request(root=b"x" * 32), HELD)
    assert answer == {"error": "root differs", "root": request().root.hex()}


@pytest.mark.parametrize("change", [{"pretrust": (1, 2, 4)}, {"seed": b"t" * 32}])
def test_everything_under_the_root_is_bound(secret: BlsSecret, change: dict[str, Any]) -> None:
    assert "signature" not in Attester(secret, commit).attest(request(**change), HELD)


def test_differences_are_exact(secret: BlsSecret) -> None:
    theirs = ((0, 1, 6), (0, 2, 9), (2, 1, 7))
    answer = Attester(secret, commit).attest(request(edges=theirs), HELD)
    assert answer == {
        "error": "edges differ",
        "missing": ((1, 0, 2),),
        "unknown": ((0, 2, 9),),
        "other": ((0, 1, 6, 5),),
    }


def test_without_a_committer_nothing_is_signed(secret: BlsSecret) -> None:
    assert "error" in Attester(secret, None).attest(request(), HELD)


def test_requests_survive_the_wire() -> None:
    assert AttestRequest.parse(request().serialize()) == request()


@pytest.mark.parametrize(
    "change",
    [
        {"root": b"x"},
        {"chain_id": -1},
        {"epoch": 1 << 32},
        {"peers": (A.public, A.public, C.public)},
        {"peers": (A.public, NodeKey(b"x"), C.public)},
        {"pretrust": (1, 2)},
        {"pretrust": (1, 2, -3)},
        {"edges": ((0, 1, 5), (0, 1, 5))},
        {"edges": ((1, 0, 5), (0, 1, 5))},
        {"edges": ((0, 0, 5),)},
        {"edges": ((0, 3, 5),)},
        {"edges": ((0, 1, 0),)},
        {"edges": ((0, 1, 1 << 36),)},
    ],
)
def test_requests_beyond_the_rules_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(AxonError, match="attest: "):
        AttestRequest.parse(replace(request(), **change).serialize())


@given(st.binary(max_size=60))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    with pytest.raises(AxonError):
        AttestRequest.parse(body)


edges = st.dictionaries(
    st.tuples(st.integers(0, 4), st.integers(0, 4)).filter(lambda p: p[0] != p[1]), st.integers(1, 5)
)


@given(edges, edges)
def test_differences_explain_one_list_by_the_other(
    ours: dict[tuple[int, int], int], theirs: dict[tuple[int, int], int]
) -> None:
    found = Differences.between([(*p, b) for p, b in theirs.items()], [(*p, b) for p, b in ours.items()])
    mended = dict(theirs)
    for i, j, b in found.missing:
        mended[i, j] = b
    for i, j, _ in found.unknown:
        del mended[i, j]
    for i, j, _, b in found.other:
        mended[i, j] = b
    assert mended == ours and bool(found) == (ours != theirs)


def test_own_edges_sum_ledgers_and_leave_strangers_out() -> None:
    twice: list[Receipt] = [*HELD, receipt(A, B, blocks=3, info_hash=b"y" * 20)]
    assert own_edges(twice, PEERS) == [(0, 1, 8), (1, 0, 2), (2, 1, 7)]
