"""Attestation: signed only if the root is what our own receipts and the pool's rules give."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from axon.bls import BlsSecret, verify_aggregate
from axon.chain.attestation import attestation_digest
from axon.errors import AxonError
from axon.ids import Epoch
from axon.receiptlog import ReceiptLog, Role
from axon.tracker.attest import Attester
from axon.tracker.pools import Pools
from tests.rewards.test_attestation import HELD, RULES, request
from tests.rewards.test_collect import ALICE, BOB, CAROL, POOL, SCOPE, receipt

SIGNER = BlsSecret(12345)
RECEIPTS = [receipt(ALICE, BOB.public, 600), receipt(CAROL, BOB.public, 50)]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[ReceiptLog]:
    made = ReceiptLog(tmp_path / "receipts.sqlite")
    made.append(Role.SUBMITTED, RECEIPTS)
    yield made
    made.close()


@pytest.fixture
def attester(tmp_path: Path) -> Attester:
    path = tmp_path / "pools.json"
    path.write_text(json.dumps({"pools": [RULES.to_json()]}))
    pools = Pools.load(path)
    return Attester(SIGNER, lambda: pools)


def test_a_root_that_follows_from_our_receipts_is_signed(attester: Attester, log: ReceiptLog) -> None:
    assert [r.serialize() for r in RECEIPTS] == HELD
    status, answer = attester.attest(request().serialize(), log)
    assert status == 200, answer
    digest = attestation_digest(SCOPE.chain_id, POOL, 0, request().root, RULES.rules_hash)
    assert verify_aggregate([SIGNER.public], digest, bytes.fromhex(answer["signature"]))
    other_rules = attestation_digest(SCOPE.chain_id, POOL, 0, request().root, bytes(32))
    assert not verify_aggregate([SIGNER.public], other_rules, bytes.fromhex(answer["signature"]))


def test_receipts_that_we_do_not_hold_are_named(attester: Attester, log: ReceiptLog) -> None:
    more = receipt(ALICE, CAROL.public, 30)
    status, answer = attester.attest(request([*HELD, more.serialize()]).serialize(), log)
    assert status == 409
    assert answer["differences"] == [[ALICE.public.hex(), CAROL.public.hex(), 30, 0]]


def test_another_root_is_not_signed(attester: Attester, log: ReceiptLog) -> None:
    status, answer = attester.attest(replace(request(), root=b"x" * 32).serialize(), log)
    assert status == 409
    assert "signature" not in answer


def test_a_pool_without_terms_is_not_attested(log: ReceiptLog) -> None:
    assert Attester(SIGNER, Pools).attest(request().serialize(), log)[0] == 409


def test_another_epoch_has_other_receipts(attester: Attester, log: ReceiptLog) -> None:
    assert attester.attest(replace(request(), epoch=Epoch(1)).serialize(), log)[0] == 409


def test_a_liars_row_is_dropped_here_too(attester: Attester, log: ReceiptLog) -> None:
    log.append(Role.SUBMITTED, [receipt(CAROL, BOB.public, 51)])  # the same sequence, another count
    assert attester.attest(request().serialize(), log)[0] == 409
    assert attester.attest(request(HELD[:1]).serialize(), log)[0] == 200


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b"{" * 10_000])
def test_garbage_is_refused(attester: Attester, log: ReceiptLog, body: bytes) -> None:
    with pytest.raises(AxonError):
        attester.attest(body, log)
