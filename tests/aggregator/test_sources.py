"""Three kinds of source hold the same receipts."""

from pathlib import Path

import pytest

from axon.aggregator.sources import read_latest
from axon.errors import StorageError
from axon.ids import Epoch
from axon.receiptexport import export_json_lines, export_parquet
from axon.receiptlog import ReceiptLog, Role
from axon.rewards.collect import collect
from tests.rewards.test_collect import ALICE, BOB, CAROL, POOL, SCOPE, receipt


def test_log_parquet_and_json_lines_yield_the_same(tmp_path: Path) -> None:
    log = ReceiptLog(tmp_path / "log.sqlite")
    log.append(Role.RECEIVED, [receipt(ALICE, BOB.public, b, b) for b in (1, 2, 3)])
    log.append(
        Role.RECEIVED,
        [receipt(CAROL, BOB.public, 9), receipt(ALICE, BOB.public, 9, scope=SCOPE._replace(epoch=Epoch(5)))],
    )
    export_parquet(log, tmp_path / "log.parquet")
    with (tmp_path / "log.jsonl").open("w") as file:
        export_json_lines(log, file)
    log.close()
    expected = [receipt(ALICE, BOB.public, 3, 3).serialize(), receipt(CAROL, BOB.public, 9).serialize()]
    for name in ("log.sqlite", "log.parquet", "log.jsonl"):
        assert sorted(read_latest(tmp_path / name, 1, POOL, Epoch(0))) == sorted(expected)


def test_a_log_hands_over_its_evidence(tmp_path: Path) -> None:
    log = ReceiptLog(tmp_path / "log.sqlite")
    log.append(Role.SUBMITTED, [receipt(ALICE, BOB.public, 5), receipt(ALICE, BOB.public, 6)])
    log.close()
    got = collect([read_latest(tmp_path / "log.sqlite", 1, POOL, Epoch(0))], SCOPE, (), 1000)
    assert len(got.equivocations) == 1


@pytest.mark.parametrize("name", ["missing.sqlite", "junk.sqlite", "junk.parquet", "junk.jsonl"])
def test_a_file_that_is_no_source_is_a_clear_error(tmp_path: Path, name: str) -> None:
    if name.startswith("junk"):
        (tmp_path / name).write_text("{not receipts")
    with pytest.raises(StorageError, match=name):
        list(read_latest(tmp_path / name, 1, POOL, Epoch(0)))
