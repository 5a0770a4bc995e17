"""Receipts handed to a running tracker: judged, stored, signed for, streamed, attested."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.inclusion import Inclusion, Verdict, decode_answer, encode_answer, encode_submission
from axon.errors import TrackerError
from axon.ids import Account, Epoch, InfoHash, PieceIndex
from axon.keys import NodeSecret
from axon.receiptlog import ReceiptLog
from axon.receipts import RECEIPT_SIZE, Receipt, Reject, sign_binding
from axon.tracker.intake import RateLimit, SetRule
from tests.tracker.running import Running, tracker

POOL = Account(b"\x11" * 20)
OTHER_POOL = Account(b"\x12" * 20)
INFO_HASH = InfoHash(b"\x22" * 20)
A, B, C, STRANGER = (NodeSecret(bytes(31) + bytes([n])) for n in (1, 2, 3, 4))
BLOCKS = 1000  # of the torrent


def receipt(
    down: NodeSecret = A, up: NodeSecret = B, *, sequence: int = 1, blocks: int = 10, **changes: object
) -> Receipt:
    fields: dict[str, object] = {
        "chain_id": 1,
        "pool": POOL,
        "info_hash": INFO_HASH,
        "epoch": Epoch(0),
        "downloader": down.public,
        "uploader": up.public,
        "piece": PieceIndex(0),
        "blocks": blocks,
        "sequence": sequence,
        "root": b"\x33" * 32,
        "timestamp": 1_700_000_000,
    }
    return Receipt(**(fields | changes)).signed(down)  # type: ignore[arg-type]


def pools_file(folder: Path, start: float, length: int = 3600) -> Path:
    account = Account(b"\x44" * 20)
    members = [
        {
            "account": "0x" + account.hex(),
            "node_key": key.public.hex(),
            "binding": sign_binding(key, 1, POOL, account).hex(),
        }
        for key in (A, B, C)
    ]
    members.append(members[0] | {"node_key": STRANGER.public.hex()})  # bound by another's signature
    pool = {
        "chain_id": 1,
        "pool": "0x" + POOL.hex(),
        "info_hash": INFO_HASH.hex(),
        "blocks": BLOCKS,
        "start": start,
        "epoch_length": length,
        "members": members,
    }
    path = folder / "pools.json"
    path.write_text(json.dumps({"pools": [pool]}))
    return path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("tracker")
    arguments = ("--data", str(folder / "data"), "--pools", str(pools_file(folder, time.time() - 60)))
    with tracker(*arguments, "--receipts-per-minute", "30000") as it:
        yield it


def submit(running: Running, *receipts: Receipt) -> list[Verdict]:
    body = encode_submission(receipts)
    status, answer = running.get("/receipts", body)
    assert status == 200, answer
    return decode_answer(answer, body)[0]


def rejected(code: Reject) -> Verdict:
    return Verdict("rejected", code)


def test_good_receipts_are_stored_once_and_signed_for(running: Running) -> None:
    first, later = receipt(sequence=1, blocks=10), receipt(sequence=2, blocks=20)
    assert submit(running, first, later, first) == [
        Verdict("stored"),
        Verdict("stored"),
        Verdict("duplicate"),
    ]
    assert submit(running, receipt(sequence=4, blocks=40), receipt(sequence=3, blocks=30)) == [
        Verdict("stored"),
        Verdict("stale"),
    ]
    key = json.loads(running.get("/keys")[1])["node_key"]
    body = encode_submission([first])
    inclusion = decode_answer(running.get("/receipts", body)[1], body)[1]
    assert inclusion.tracker.hex() == key


def test_an_epochs_latest_receipts_are_streamed(running: Running) -> None:
    submit(running, receipt(C, B, sequence=1, blocks=5), receipt(C, B, sequence=2, blocks=6))
    status, body = running.get(f"/epochs/0x{POOL.hex()}/0/receipts?chain_id=1")
    held = [Receipt.parse(body[k : k + RECEIPT_SIZE]) for k in range(0, len(body), RECEIPT_SIZE)]
    assert status == 200 and all(r.verifies() for r in held)
    assert [r.blocks for r in held if r.downloader == C.public] == [6]
    assert running.get(f"/epochs/0x{POOL.hex()}/1/receipts")[1] == b""


def test_each_way_of_being_wrong_has_its_code(running: Running) -> None:
    ahead = int(time.time()) + 7200
    forged = replace(receipt(B, A), blocks=11)
    wrong = [
        (forged, Reject.SIGNATURE),
        (receipt(STRANGER, B), Reject.UNREGISTERED),
        (receipt(A, STRANGER), Reject.UNREGISTERED),
        (receipt(A, A), Reject.PARTY),
        (receipt(pool=OTHER_POOL), Reject.SCOPE),
        (receipt(chain_id=2), Reject.SCOPE),
        (receipt(info_hash=InfoHash(b"x" * 20)), Reject.SCOPE),
        (receipt(epoch=Epoch(1)), Reject.SCOPE),
        (receipt(timestamp=ahead), Reject.SCOPE),
        (receipt(B, C, blocks=BLOCKS + BLOCKS // 50 + 1), Reject.SET_RULE),
    ]
    assert submit(running, *(r for r, _ in wrong)) == [rejected(code) for _, code in wrong]


def test_a_downloader_needs_each_block_once(running: Running) -> None:
    verdicts = submit(
        running, receipt(B, A, blocks=600), receipt(B, C, blocks=421), receipt(B, C, blocks=420)
    )
    assert verdicts == [Verdict("stored"), rejected(Reject.SET_RULE), Verdict("stored")]
    assert submit(running, receipt(B, C, sequence=2, blocks=421)) == [rejected(Reject.SET_RULE)]


def test_equivocation_is_refused_and_kept_as_evidence(running: Running, tmp_path: Path) -> None:
    with tracker("--data", str(tmp_path)) as it:
        assert submit(it, receipt(blocks=10), receipt(C, B, blocks=7)) == [Verdict("stored")] * 2
        assert submit(it, receipt(blocks=12)) == [rejected(Reject.EQUIVOCATION)]
        # The downloader's row is dropped, nobody else's; the contradiction itself comes at the end.
        body = it.get(f"/epochs/0x{POOL.hex()}/0/receipts")[1]
        held = [Receipt.parse(body[k : k + RECEIPT_SIZE]) for k in range(0, len(body), RECEIPT_SIZE)]
        assert [r.downloader for r in held] == [C.public, A.public, A.public]
    log = ReceiptLog(tmp_path / "receipts.sqlite")
    (proof,) = log.equivocations()
    log.close()
    assert proof.holds()


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"x" * 235, 400), (b"x" * 237, 400), (b"x" * 236 * 8193, 413), (b"\0" * 236, 200)],
)
def test_bodies_that_are_no_receipts_are_refused(running: Running, body: bytes, status: int) -> None:
    got, answer = running.get("/receipts", body)
    assert got == status, answer
    if status == 200:
        assert decode_answer(answer, body)[0] == [rejected(Reject.MALFORMED)]


def test_kill_9_keeps_every_receipt_that_was_answered_for(tmp_path: Path) -> None:
    held = [receipt(sequence=k, blocks=k) for k in range(1, 200)]
    with tracker("--data", str(tmp_path)) as it:
        for k in range(0, 150, 50):
            submit(it, *held[k : k + 50])
        it.process.kill()
        it.process.wait()
    with tracker("--data", str(tmp_path)) as it:
        body = it.get(f"/epochs/0x{POOL.hex()}/0/receipts")[1]
        assert Receipt.parse(body) == held[149]


def test_too_many_receipts_from_one_address_are_refused(tmp_path: Path) -> None:
    with tracker("--data", str(tmp_path), "--receipts-per-minute", "3") as it:
        body = encode_submission([receipt(sequence=k, blocks=k) for k in (1, 2)])
        assert it.get("/receipts", body)[0] == 200
        assert it.get("/receipts", body)[0] == 429


def test_without_a_data_folder_there_is_no_intake() -> None:
    with tracker() as it:
        assert it.get("/receipts", b"\0" * 236)[0] == 404
        assert it.get("/attest", b"{}")[0] == 404


def test_keys_carry_a_proof_of_possession(running: Running) -> None:
    from axon.bls import check_possession

    for _ in range(200):
        keys = json.loads(running.get("/keys")[1])
        if "bls_public" in keys:
            break
        time.sleep(0.05)
    assert check_possession(bytes.fromhex(keys["bls_public"]), bytes.fromhex(keys["bls_possession"]))


@given(st.lists(st.sampled_from(["stored", "duplicate", "stale", "rejected"]), min_size=1, max_size=8))
def test_an_answer_survives_the_wire_and_binds_what_it_accepts(statuses: list[str]) -> None:
    sent = [receipt(sequence=k + 1, blocks=k + 1).serialize() for k in range(len(statuses))]
    verdicts = [Verdict(s, Reject.SET_RULE if s == "rejected" else None) for s in statuses]
    held = [r for r, s in zip(sent, statuses, strict=True) if s != "rejected"]
    answer = encode_answer(verdicts, Inclusion.of(B, held, 7))
    assert decode_answer(answer, b"".join(sent))[0] == verdicts
    lie = encode_answer(verdicts, Inclusion.of(B, [*held, b"more"], 7))
    for bad in (lie, b"[]", b"{", b'{"results": [], "inclusion": {}}', answer.replace(b'"count"', b'"c"')):
        with pytest.raises(TrackerError):
            decode_answer(bad, b"".join(sent))


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 90)), max_size=30))
def test_no_address_gets_more_than_its_rate(takes: list[tuple[int, int]]) -> None:
    limit, now, given_out = RateLimit(60), 0.0, 0
    for tokens, pause in takes:
        now += pause
        given_out += tokens * limit.take(b"\x7f\0\0\1", tokens, now)
        assert given_out <= 60 + now


def test_the_rate_limit_forgets_and_joins_a_64() -> None:
    limit = RateLimit(10, addresses=2)
    one, two = b"\x20\x01" + bytes(14), b"\x20\x01" + bytes(13) + b"\x05"
    assert limit.take(one, 10, 0) and not limit.take(two, 1, 0)
    for k in range(5):
        assert limit.take(bytes([k]) * 4, 10, 0)
    assert limit.take(one, 10, 0)  # forgotten in favour of newer ones: memory stays bounded


@given(st.lists(st.tuples(st.sampled_from([B, C]), st.integers(1, 120)), max_size=20))
def test_the_set_rule_counts_the_latest_of_each_uploader(rows: list[tuple[NodeSecret, int]]) -> None:
    rule, model = SetRule(), dict[bytes, int]()
    for up, blocks in rows:
        item = receipt(A, up, blocks=blocks)
        total = sum(model.values()) - model.get(up.public, 0) + max(blocks, model.get(up.public, 0))
        assert rule.allows(item, 100) == (total <= 102)
        if total <= 102:
            before = rule.note(item)
            assert before == model.get(up.public, 0)
            model[up.public] = max(before, blocks)
            if blocks % 7 == 0:
                rule.forget(item, before)
                model[up.public] = before
