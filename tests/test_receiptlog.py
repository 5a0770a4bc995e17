"""The receipt log: durable before it answers, sound whatever comes, late or twice."""

import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from axon.errors import StorageError
from axon.ids import Account, Epoch, InfoHash, PieceIndex
from axon.keys import NodeSecret
from axon.receiptexport import export_json_lines, export_parquet
from axon.receiptlog import Outcome, ReceiptLog, Role
from axon.receipts import LedgerId, PieceAck, Receipt, Scope, conflict

SECRETS = [NodeSecret(bytes([number]) * 32) for number in range(1, 4)]
SCOPE = Scope(1, Account(b"\x11" * 20), InfoHash(b"\x22" * 20), Epoch(3))


def make(sequence: int, blocks: int, *, down: int = 0, up: int = 1, **changes: object) -> Receipt:
    fields: dict[str, object] = {
        **SCOPE._asdict(),
        "downloader": SECRETS[down].public,
        "uploader": SECRETS[up].public,
        "piece": PieceIndex(0),
        "blocks": blocks,
        "sequence": sequence,
        "root": b"\x33" * 32,
        "timestamp": 0,
    }
    return Receipt(**(fields | changes)).signed(SECRETS[down])  # type: ignore[arg-type]


def ledger(down: int = 0, up: int = 1) -> LedgerId:
    return LedgerId(SCOPE, SECRETS[down].public, SECRETS[up].public)


@pytest.fixture
def log(tmp_path: Path) -> ReceiptLog:
    return ReceiptLog(tmp_path / "folder" / "log", durable=False)


def test_each_outcome_has_its_name(log: ReceiptLog) -> None:
    good = make(2, 20)
    forged = Receipt.parse(make(3, 30).body() + bytes(64))
    assert log.append(Role.RECEIVED, [good, good, make(1, 10), make(4, 19), make(2, 21), forged]) == [
        Outcome.STORED,
        Outcome.DUPLICATE,
        Outcome.STALE,
        Outcome.EQUIVOCATION,
        Outcome.EQUIVOCATION,
        Outcome.FORGED,
    ]
    assert [proof.holds() for proof in log.equivocations()] == [True, True]
    assert log.last(ledger()) == good


def test_conflict_is_found_however_late(log: ReceiptLog) -> None:
    """Neighbours by sequence are enough: what is stored is monotone."""
    log.append(Role.RECEIVED, [make(1, 10), make(5, 50), make(9, 90)])
    assert log.append(Role.RECEIVED, [make(7, 45)]) == [Outcome.EQUIVOCATION]  # below 5's
    assert log.append(Role.RECEIVED, [make(3, 60)]) == [Outcome.EQUIVOCATION]  # above 5's
    assert log.append(Role.RECEIVED, [make(3, 30)]) == [Outcome.STALE]
    assert len(log.equivocations()) == 2


def test_equivocator_is_left_out_of_its_scope_only(log: ReceiptLog) -> None:
    elsewhere = make(1, 5, info_hash=InfoHash(b"\x23" * 20))
    to_third = make(1, 7, up=2)
    honest = make(1, 9, down=2)
    log.append(Role.RECEIVED, [make(1, 10), make(1, 11), to_third, elsewhere, honest])
    assert set(log.latest()) == {elsewhere, honest}


def test_latest_filters_and_orders(log: ReceiptLog) -> None:
    later = make(1, 4, epoch=Epoch(4))
    log.append(Role.RECEIVED, [make(1, 10), make(2, 20), make(1, 5, down=2), later])
    log.append(Role.GIVEN, [make(1, 3, down=1, up=0)])
    assert [receipt.blocks for receipt in log.latest(epoch=Epoch(4))] == [4]
    assert {receipt.blocks for receipt in log.latest(role=Role.RECEIVED, epoch=Epoch(3))} == {20, 5}
    assert [receipt.blocks for receipt in log.latest(uploader=SECRETS[0].public)] == [3]
    assert not list(log.latest(pool=Account(bytes(20))))
    assert not list(log.latest(chain_id=2))
    keys = [
        (bytes(r.pool), bytes(r.info_hash), r.epoch, bytes(r.downloader), bytes(r.uploader))
        for r in log.latest()
    ]
    assert keys == sorted(keys)


def test_sealed_epoch_takes_nothing_more_but_knows_what_it_has(log: ReceiptLog) -> None:
    log.append(Role.SUBMITTED, [make(1, 10)])
    for _ in range(2):
        log.seal(SCOPE.chain_id, SCOPE.pool, SCOPE.epoch)
    assert log.append(Role.SUBMITTED, [make(1, 10), make(2, 20), make(1, 11)]) == [
        Outcome.DUPLICATE,
        Outcome.SEALED,
        Outcome.EQUIVOCATION,  # evidence is never too late
    ]
    assert log.append(Role.SUBMITTED, [make(1, 10, epoch=Epoch(4)), make(1, 10, chain_id=2)]) == [
        Outcome.STORED,
        Outcome.STORED,
    ]


def test_acks_and_what_follows_a_count(log: ReceiptLog) -> None:
    acks = [PieceAck.of(index, [0, index]) for index in range(1, 4)]
    for number, ack in enumerate(acks, 1):
        log.append(Role.GIVEN, [(make(number, 2 * number), [ack])])
    assert log.acks(ledger()) == acks
    assert [receipt.sequence for receipt, _ in log.since(ledger(), 2)] == [2, 3]
    assert log.since(ledger(), 4) == [(make(3, 6), (acks[2],))]
    assert log.since(ledger(2), 0) == []


def test_reading_on_from_a_cursor_misses_nothing(log: ReceiptLog) -> None:
    log.append(Role.RECEIVED, [make(number, number) for number in range(1, 8)])
    log.append(Role.GIVEN, [make(1, 1, down=1, up=0)])
    seen, after = [], 0
    while entries := log.read(after, 3, role=Role.RECEIVED):
        seen += [entry.receipt.sequence for entry in entries]
        after = entries[-1].id
    assert seen == list(range(1, 8))


def test_facts_are_replaced(log: ReceiptLog) -> None:
    assert log.fact("cursor") is None
    for value in (b"1", b"2"):
        log.set_fact("cursor", value)
    assert log.fact("cursor") == b"2"


def test_two_logs_on_one_file_agree(tmp_path: Path) -> None:
    first, second = ReceiptLog(tmp_path / "log"), ReceiptLog(tmp_path / "log")
    assert first.append(Role.GIVEN, [make(1, 10)]) == [Outcome.STORED]
    assert second.append(Role.GIVEN, [make(1, 11)]) == [Outcome.EQUIVOCATION]
    assert second.append(Role.GIVEN, [make(2, 12)]) == [Outcome.STORED]
    assert first.last(ledger()) == make(2, 12)


def test_damaged_or_missing_files_are_storage_errors(tmp_path: Path, log: ReceiptLog) -> None:
    path = tmp_path / "not a log"
    path.write_bytes(b"x" * 5000)
    with pytest.raises(StorageError, match="not a log"):
        ReceiptLog(path)
    with pytest.raises(StorageError):
        ReceiptLog(path / "below a file")
    log.close()
    for call in (lambda: log.append(Role.GIVEN, [make(1, 1)]), lambda: log.read(), log.equivocations):
        with pytest.raises(StorageError):
            call()


@pytest.mark.parametrize("batch", [(1, 2), (1, 1, 2), (2,)])
def test_failed_batch_leaves_nothing_behind(log: ReceiptLog, batch: tuple[int, ...]) -> None:
    receipts = [make(sequence, sequence) for sequence in batch]
    log._db.execute(
        "CREATE TEMP TRIGGER full BEFORE INSERT ON receipts WHEN NEW.sequence = 2"
        " BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
    )
    with pytest.raises(StorageError, match="full"):
        log.append(Role.GIVEN, receipts)
    assert log.read() == []
    log._db.execute("DROP TRIGGER full")
    assert log.append(Role.GIVEN, receipts)[-1] is Outcome.STORED
    assert [entry.receipt.sequence for entry in log.read()] == sorted(set(batch))


@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), max_size=12),
    st.lists(st.integers(1, 4), min_size=1, max_size=12),
    st.sampled_from([3, 4]),
)
def test_log_does_not_depend_on_how_receipts_were_batched(
    said: list[tuple[int, int]], sizes: list[int], sealed: int
) -> None:
    """The fast way in (receipts that follow on the last) leaves what one at a time, checked, leaves."""
    receipts = [make(sequence, blocks) for sequence, blocks in said]
    with tempfile.TemporaryDirectory() as folder:
        logs = [ReceiptLog(Path(folder) / name, durable=False) for name in "ab"]
        for log in logs:
            log.seal(1, SCOPE.pool, Epoch(sealed))
        one, many = logs
        one._follow = lambda rows, durable: False  # type: ignore[method-assign]
        alone = [outcome for receipt in receipts for outcome in one.append(Role.GIVEN, [receipt])]
        together, at = list[Outcome](), 0
        for size in itertools.cycle(sizes):
            if at >= len(receipts):
                break
            together += many.append(Role.GIVEN, receipts[at : at + size], durable=bool(size & 1))
            at += size
        assert together == alone
        assert [entry.receipt for entry in many.read()] == [entry.receipt for entry in one.read()]
        assert many.equivocations() == one.equivocations()
        for log in logs:
            log.close()


WRITER = """
import sys
from pathlib import Path
from axon.receiptlog import ReceiptLog, Role
from tests.test_receiptlog import ledger, make
log = ReceiptLog(Path(sys.argv[1]))
start = log.last(ledger())
number = start.sequence if start else 0
while True:
    number += 1
    log.append(Role.GIVEN, [make(number, number)])
    print(number, flush=True)
"""


def test_what_append_has_returned_for_survives_kill_9(tmp_path: Path) -> None:
    path, told = tmp_path / "log", 0
    for lines in (3, 17, 40):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
        )
        assert writer.stdout is not None
        for _ in range(lines):
            told = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        rest = writer.stdout.read().split("\n")
        told = max([told, *(int(line) for line in rest[:-1])])
        writer.wait()
        writer.stdout.close()
        log = ReceiptLog(path)
        sequences = [entry.receipt.sequence for entry in log.read()]
        assert sequences == list(range(1, len(sequences) + 1))
        assert told <= len(sequences) <= told + 1
        assert not log.equivocations()
        log.close()


def test_export_as_json_lines_and_parquet(log: ReceiptLog, tmp_path: Path) -> None:
    log.append(Role.RECEIVED, [make(1, 10), make(2, 20)])
    text = StringIO()
    assert export_json_lines(log, text) == 2
    first, second = map(json.loads, text.getvalue().splitlines())
    assert (first["blocks"], second["sequence"], first["role"]) == (10, 2, "received")
    assert first["pool"] == "0x" + "11" * 20
    assert bytes.fromhex(second["signature"]) == make(2, 20).signature
    import duckdb

    target = tmp_path / "out.parquet"
    assert export_parquet(log, target) == 2
    rows = duckdb.sql(f"SELECT blocks, signature FROM '{target}' ORDER BY id").fetchall()
    assert rows == [(10, make(1, 10).signature), (20, make(2, 20).signature)]


@given(st.permutations(range(6)), st.lists(st.integers(0, 5), max_size=4))
def test_latest_does_not_depend_on_the_order_of_arrival(order: list[int], again: list[int]) -> None:
    honest = [make(number + 1, 10 * number + 10) for number in range(6)]
    with tempfile.TemporaryDirectory() as folder:
        log = ReceiptLog(Path(folder) / "log", durable=False)
        for number in order + again:
            log.append(Role.SUBMITTED, [honest[number]])
        assert list(log.latest()) == [honest[-1]]
        assert len(log.read()) == 6
        assert not log.equivocations()
        log.close()


class Logging(RuleBasedStateMachine):
    """Random receipts of random ledgers, restarts in between, against a list."""

    receipts = Bundle("receipts")

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "log"
        self.log = ReceiptLog(self.path, durable=False)
        self.stored: list[Receipt] = []

    @rule(
        target=receipts,
        sequence=st.integers(1, 6),
        blocks=st.integers(1, 6),
        down=st.integers(0, 2),
        epoch=st.integers(3, 4),
    )
    def write(self, sequence: int, blocks: int, down: int, epoch: int) -> Receipt:
        return make(sequence, blocks, down=down, up=(down + 1) % 3, epoch=Epoch(epoch))

    @rule(batch=st.lists(receipts, min_size=1, max_size=4))
    def append(self, batch: list[Receipt]) -> None:
        for receipt, outcome in zip(batch, self.log.append(Role.SUBMITTED, batch)):
            against = [other for other in self.stored if conflict(receipt, other)]
            if receipt in self.stored:
                assert outcome is Outcome.DUPLICATE
            elif against:
                assert outcome is Outcome.EQUIVOCATION
            else:
                later = any(other.supersedes(receipt) for other in self.stored)
                assert outcome is (Outcome.STALE if later else Outcome.STORED)
                self.stored.append(receipt)

    @rule()
    def restart(self) -> None:
        self.log.close()
        self.log = ReceiptLog(self.path, durable=False)

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "log"):
            return
        assert [entry.receipt for entry in self.log.read()] == self.stored
        proofs = self.log.equivocations()
        assert all(proof.holds() for proof in proofs)
        dropped = {(proof.first.scope, proof.first.downloader) for proof in proofs}
        latest = {}
        for receipt in sorted(self.stored, key=lambda receipt: receipt.sequence):
            if (receipt.scope, receipt.downloader) not in dropped:
                latest[receipt.ledger] = receipt
        assert set(self.log.latest()) == set(latest.values())

    def teardown(self) -> None:
        if hasattr(self, "log"):
            self.log.close()
            self.folder.cleanup()


TestLogging = Logging.TestCase
TestLogging.settings = settings(stateful_step_count=25)
