"""Receipts reach trackers once, refusals that may pass are asked about again, promises are kept and used."""

import json
import sqlite3
from contextlib import asynccontextmanager

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.inclusion import Inclusion, Verdict, encode_answer
from axon.errors import AxonError, TrackerError
from axon.ids import Account, Epoch, InfoHash, PieceIndex
from axon.keys import NodeSecret
from axon.peer.__main__ import main
from axon.peer.promises import PROMISES, Promises
from axon.peer.submitter import Submitter, receipts_url, unsubmitted
from axon.receiptlog import ReceiptLog, Role
from axon.receipts import RECEIPT_SIZE, Receipt, Reject
from tests.tracker.running import tracker

TRACKER = NodeSecret(b"\x09" * 32)
UPLOADER = NodeSecret(b"\x01" * 32)
OTHERS = [NodeSecret(bytes([k]) * 32) for k in range(2, 6)]
HASH = InfoHash(b"h" * 20)


def receipt(who=0, sequence=1, epoch=0, info_hash=HASH, time=1_700_000_000):
    return Receipt(
        1,
        Account(b"\x11" * 20),
        info_hash,
        Epoch(epoch),
        OTHERS[who].public,
        UPLOADER.public,
        PieceIndex(0),
        10 * sequence,
        sequence,
        bytes(32),
        time,
    ).signed(OTHERS[who])


def answer(body, refuse=None):
    """A tracker's answer that refuses what the callable gives a code for."""
    raw = [body[at : at + RECEIPT_SIZE] for at in range(0, len(body), RECEIPT_SIZE)]
    codes = [refuse(Receipt.parse(data)) if refuse else None for data in raw]
    verdicts = [Verdict("stored") if code is None else Verdict("rejected", code) for code in codes]
    return encode_answer(verdicts, Inclusion.of(TRACKER, [d for d, c in zip(raw, codes) if c is None], 1))


class FakeTracker:
    """Takes one POST a connection; remembers bodies."""

    def __init__(self):
        self.bodies, self.refuse, self.status = [], None, 200

    async def serve(self, stream):
        data = b""
        while b"\r\n\r\n" not in data:
            data += await stream.receive_some(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        (length,) = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if b"ength" in line]
        while len(body) < length:
            body += await stream.receive_some(65536)
        self.bodies.append(body)
        told = answer(body, self.refuse)
        await stream.send_all(
            b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n" % (self.status, len(told)) + told
        )

    @property
    def told(self):
        """Who and which sequence, of the newest submission."""
        body = self.bodies[-1]
        found = [Receipt.parse(body[at : at + RECEIPT_SIZE]) for at in range(0, len(body), RECEIPT_SIZE)]
        return [([s.public for s in OTHERS].index(one.downloader), one.sequence) for one in found]


@asynccontextmanager
async def submitting(tmp_path, events, pace=0.05):
    log, promises = ReceiptLog(tmp_path / "receipts.sqlite"), Promises(tmp_path / PROMISES)
    fake = FakeTracker()
    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(
            lambda task_status: trio.serve_tcp(fake.serve, 0, host="127.0.0.1", task_status=task_status)
        )
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/announce"
        report = lambda event, facts: events.append((event, facts))  # noqa: E731
        yield fake, log, promises, Submitter(log, promises, HASH, [url], report, pace=lambda: pace)
        nursery.cancel_scope.cancel()
    promises.close()
    log.close()


@pytest.mark.parametrize(
    ("tracker", "url"),
    [
        ("http://t:1/announce", "http://t:1/receipts"),
        ("https://t/x/announce?key=1", "https://t/x/receipts"),
        ("udp://t:1/announce", None),
        ("http://t/a", None),
    ],
)
def test_receipts_go_beside_the_announce(tracker, url):
    assert receipts_url(tracker) == url


async def test_each_ledger_s_latest_goes_out_once(tmp_path):
    async with submitting(tmp_path, events := []) as (fake, log, _, submitter):
        (url,) = submitter.urls
        log.append(Role.RECEIVED, [receipt(0, 1), receipt(0, 2), receipt(1, 1)])
        log.append(Role.RECEIVED, [receipt(2, 1, info_hash=InfoHash(b"o" * 20))])
        log.append(Role.GIVEN, [receipt(3, 1)])
        assert not await submitter.submit(url)
        assert fake.told == [(0, 2), (1, 1)]
        assert not await submitter.submit(url)
        log.append(Role.RECEIVED, [receipt(1, 2)])
        await submitter.submit(url)
        assert fake.told == [(1, 2)]
        assert len(fake.bodies) == 2
    assert [facts["taken"] for event, facts in events if event == "submitted"] == [2, 1]


async def test_a_refusal_that_may_pass_is_asked_about_again_and_others_are_not(tmp_path):
    async with submitting(tmp_path, events := []) as (fake, log, _, submitter):
        (url,) = submitter.urls
        fake.refuse = lambda one: {0: Reject.SCOPE, 1: Reject.SET_RULE}.get(
            [s.public for s in OTHERS].index(one.downloader)
        )
        log.append(Role.RECEIVED, [receipt(0), receipt(1), receipt(2)])
        await submitter.submit(url)
        await submitter.submit(url)  # too soon
        assert len(fake.bodies) == 1
        await trio.sleep(0.06)
        await submitter.submit(url)
        assert fake.told == [(0, 1)]
        # A restart knows of it, and whatever supersedes it goes in its place.
        log.append(Role.RECEIVED, [receipt(0, 2)])
        again = Submitter(log, submitter._promises, HASH, [url], lambda *_: None)
        again.urls = [url]
        fake.refuse = None
        await again.submit(url)
        assert fake.told == [(0, 2)]
        await again.submit(url)
        assert len(fake.bodies) == 3
    warnings = [facts["message"] for event, facts in events if event == "warning"]
    assert len(warnings) == 2 and "scope, set_rule" in warnings[0] and warnings[1].endswith(": scope")


async def test_what_a_tracker_refuses_for_good_costs_it_less_and_less(tmp_path):
    async with submitting(tmp_path, events := [], pace=0.02) as (fake, log, _, submitter):
        fake.refuse = lambda one: Reject.UNREGISTERED
        log.append(Role.RECEIVED, [receipt(0)])
        with trio.move_on_after(1.0):
            await submitter.run()
        assert 2 <= len(fake.bodies) <= 8  # at 0, 0.02, 0.06, 0.14, 0.3, 0.62 s
    assert sum(event == "warning" for event, _ in events) == 1


async def test_a_tracker_that_fails_is_told_later(tmp_path):
    async with submitting(tmp_path, []) as (fake, log, _, submitter):
        (url,) = submitter.urls
        log.append(Role.RECEIVED, [receipt(0)])
        fake.status = 503
        with pytest.raises(AxonError, match="503"):
            await submitter.submit(url)
        fake.status = 200
        await submitter.submit(url)
        assert fake.told == [(0, 1)]


def test_a_batch_leaves_room_for_what_was_refused(tmp_path):
    log = ReceiptLog(tmp_path / "log.sqlite", durable=False)
    log.append(Role.RECEIVED, [receipt(0, n, epoch) for epoch in range(40) for n in (1, 2)], verified=True)
    batch = unsubmitted(log, "f", HASH)
    assert len(batch.receipts) == 40 and batch.moved and not batch.more and not batch.again
    log.close()


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4), st.booleans()), max_size=12))
def test_what_stands_is_each_ledger_s_newest_promise_and_nothing_superfluous_is_kept(
    tmp_path_factory, submissions
):
    promises = Promises(tmp_path_factory.mktemp("promises") / PROMISES)
    newest = {}
    for who, sequence, accepted in submissions:
        body = receipt(who, sequence).serialize()
        promises.keep("u", body, answer(body, lambda one: None if accepted else Reject.SCOPE))  # noqa: B023
        if accepted:
            newest[who] = max(newest.get(who, 0), sequence)
    kept = list(promises.all())
    standing = [one for promise in kept for one in promise.receipts]
    assert sorted((one.downloader, one.sequence) for one in standing) == sorted(
        (OTHERS[who].public, sequence) for who, sequence in newest.items()
    )
    assert all(promise.receipts and promise.tracker == TRACKER.public for promise in kept)
    promises.close()


def test_a_promise_that_is_not_signed_is_not_kept(tmp_path):
    promises = Promises(tmp_path / PROMISES)
    body = receipt(0).serialize() + receipt(1).serialize()
    forged = answer(body, lambda one: Reject.SCOPE if one.downloader == OTHERS[1].public else None)
    with pytest.raises(TrackerError):
        promises.keep("u", body, forged.replace(b'"rejected"', b'"stored"'))
    assert not list(promises.all())
    promises.close()


def test_an_omission_is_proved_from_the_peer_s_own_files(tmp_path, capsys):
    """A real tracker loses a receipt that it signed for; our files convince the aggregator's command."""
    with tracker("--data", str(tmp_path / "tracker"), "--plain") as running:
        log, promises = ReceiptLog(tmp_path / "receipts.sqlite"), Promises(tmp_path / PROMISES)
        log.append(Role.RECEIVED, [receipt(0), receipt(1), receipt(2, epoch=1)])
        submitter = Submitter(log, promises, HASH, [running.base + "/announce"], lambda *_: None)
        trio.run(submitter.flush)
        log.close()
        promises.close()
        command = ["receipts", "--data", str(tmp_path), "--omissions", str(tmp_path / "proofs"), "--json"]
        assert main(command) == 0
        assert json.loads(capsys.readouterr().out)["promised"] == 3
        assert not (tmp_path / "proofs").exists()

        book = sqlite3.connect(tmp_path / "tracker" / "receipts.sqlite")
        book.execute("DELETE FROM receipts WHERE downloader = ?", (OTHERS[1].public,))
        book.commit()
        book.close()
        assert main(command) == 1
        found = json.loads(capsys.readouterr().out)
        assert found["omitted"] == [receipt(1).serialize().hex()]
        (proof,) = found["proofs"]

        from axon.aggregator.__main__ import main as aggregator

        pair = ["--submission", proof, "--answer", proof.removesuffix("submission") + "answer"]
        assert aggregator(["omissions", "--tracker", running.base, *pair, "--json"]) == 1
        assert json.loads(capsys.readouterr().out)["omitted"] == found["omitted"]
    assert main(command) == 1  # nobody answers: that is said, and is no proof
    gone = json.loads(capsys.readouterr().out)
    assert not gone["omitted"] and len(gone["trouble"]) == 2
