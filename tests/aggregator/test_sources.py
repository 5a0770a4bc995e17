"""Three kinds of source hold the same receipts."""

from pathlib import Path

import pytest

from axon.aggregator.manyreceipts import BLOCKS, make
from axon.aggregator.manyreceipts import SCOPE as MADE
from axon.aggregator.sources import read_latest
from axon.errors import StorageError
from axon.ids import Epoch
from axon.receiptexport import export_json_lines, export_parquet, write_parquet
from axon.receiptlog import Entry, ReceiptLog, Role
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


def test_two_last_receipts_that_contradict_each_other_are_both_handed_over(tmp_path: Path) -> None:
    pair = receipt(ALICE, BOB.public, 5), receipt(ALICE, BOB.public, 6)
    rows = [[Entry(0, Role.SUBMITTED, one, ()) for one in (*pair, receipt(CAROL, BOB.public, 1))]]
    assert write_parquet(rows, tmp_path / "rows.parquet") == 3
    got = collect([read_latest(tmp_path / "rows.parquet", 1, POOL, Epoch(0))], SCOPE, (), 1000)
    assert len(got.equivocations) == 1
    assert got.edges.blocks.tolist() == [1]


def test_made_up_receipts_become_the_edges_that_they_should(tmp_path: Path) -> None:
    files = make(tmp_path, 8000, 2000, 100, 1)
    assert [file.suffix for file in files] == [".sqlite", ".parquet"]
    sources = [read_latest(file, MADE.chain_id, MADE.pool, MADE.epoch) for file in files]
    got = collect(sources, MADE, (), 20 * BLOCKS)
    assert (len(got.edges), got.edges.n) == (2000, 100)
    assert set(got.edges.blocks.tolist()) == {BLOCKS}
    assert not got.refused


@pytest.mark.parametrize("name", ["missing.sqlite", "junk.sqlite", "junk.parquet", "junk.jsonl"])
def test_a_file_that_is_no_source_is_a_clear_error(tmp_path: Path, name: str) -> None:
    if name.startswith("junk"):
        (tmp_path / name).write_text("{not receipts")
    with pytest.raises(StorageError, match=name):
        list(read_latest(tmp_path / name, 1, POOL, Epoch(0)))
