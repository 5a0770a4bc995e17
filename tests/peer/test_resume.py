"""Fast resume: never more is believed than is on disk, and after a clean stop nothing is hashed."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axon.bt.metainfo import Metainfo
from axon.errors import StorageError
from axon.peer import resume as module
from axon.peer.resume import Resume
from axon.peer.storage import Storage
from tests.peer.test_storage import PIECE, build
from tests.strategies import file_trees, versions

TREE = {(b"a",): 3 * PIECE + 100, (b"b",): 2 * PIECE, (b"c", b"d"): 5, (b"e",): 0, (b"f",): 4 * PIECE}


def indices(bits: bytes) -> set[int]:
    return {k for k in range(8 * len(bits)) if bits[k >> 3] & 128 >> (k & 7)}


def load(metainfo: Metainfo, root: Path) -> tuple[set[int], set[int]]:
    """Start again; what is believed must be on disk."""
    have, doubtful = Resume(metainfo, root, root / "resume").load()
    storage = Storage(metainfo, root)
    assert all(storage.check(index) for index in indices(have))
    assert not indices(have) & set(doubtful)
    return indices(have), set(doubtful)


def download(metainfo: Metainfo, pieces: dict[int, bytes], root: Path, which: Any) -> tuple[Storage, Resume]:
    storage = Storage(metainfo, root)
    resume = Resume(metainfo, root, root / "resume")
    resume.load()
    for index in which:
        storage.write_piece(index, pieces[index])
        resume.mark([index])
    return storage, resume


@given(file_trees(), versions, st.data())
@settings(max_examples=20)
def test_after_a_clean_stop_everything_is_believed_and_nothing_hashed(
    tree: dict[tuple[bytes, ...], int], version: str, data: st.DataObject
) -> None:
    metainfo, pieces = build(tree, version)
    which = data.draw(st.sets(st.sampled_from(sorted(pieces)))) if pieces else set()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        storage, resume = download(metainfo, pieces, root, which)
        resume.close()
        storage.close()
        have, doubtful = load(metainfo, root)
        assert have == which
        assert not doubtful & which
        # Ever again.
        again = Resume(metainfo, root, root / "resume")
        again.load()
        again.close()
        assert load(metainfo, root) == (have, doubtful)


@given(st.data())
@settings(max_examples=25)
def test_whatever_happens_in_whatever_order_nothing_false_is_believed(data: st.DataObject) -> None:
    metainfo, pieces = build(TREE, data.draw(versions))
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        root = Path(folder)
        boot = 0
        for _ in range(data.draw(st.integers(1, 4), label="runs")):
            patch.setattr(module, "_boot_id", lambda boot=boot: b"boot %d" % boot)
            patch.setattr(module, "FLUSH_EVERY", data.draw(st.sampled_from([0.0, 30.0]), label="flush every"))
            have, doubtful = load(metainfo, root)
            storage, resume = download(metainfo, pieces, root, [])
            for index in sorted(doubtful):
                if storage.check(index):
                    resume.mark([index])
                    have.add(index)
            for index in data.draw(st.lists(st.sampled_from(sorted(pieces)), max_size=8), label="pieces"):
                storage.write_piece(index, pieces[index])
                if data.draw(st.integers(0, 9)):  # else killed between write and mark, in effect
                    resume.mark([index])
                    have.add(index)
                if not data.draw(st.integers(0, 3)):
                    resume.sync()
            clean = data.draw(st.booleans(), label="clean")
            resume.close(clean=clean)
            storage.close()
            match data.draw(
                st.sampled_from(["nothing", "boot", "truncate", "change", "remove"]), label="then"
            ):
                case "boot":
                    boot += 1
                case "truncate" if (root / "n/f").exists():
                    os.truncate(root / "n/f", (root / "n/f").stat().st_size // 2)
                    have = set()
                case "change" if (root / "n/a").exists():
                    with (root / "n/a").open("r+b") as file:
                        file.write(b"changed")
                    future = time.time() + 60  # well after: the clock of a test does not wait
                    os.utime(root / "n/a", (future, future))
                    have = set()
                case "remove" if (root / "n/b").exists():
                    (root / "n/b").unlink()
                    have = set()
            believed, doubtful = load(metainfo, root)
            assert have <= believed | doubtful, "what was finished is believed or looked at, never forgotten"


def test_after_a_kill_marked_pieces_are_believed_without_hashing(tmp_path: Path) -> None:
    metainfo, pieces = build(TREE)
    _, resume = download(metainfo, pieces, tmp_path, [0, 1, 2])
    resume.sync()
    resume.mark([5])  # a lie would be found only by hashing; this one is true:
    Storage(metainfo, tmp_path).write_piece(5, pieces[5])
    resume.close(clean=False)
    have, _ = load(metainfo, tmp_path)
    assert have == {0, 1, 2, 5}


def test_after_a_power_cut_only_flushed_pieces_are_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metainfo, pieces = build(TREE)
    storage, resume = download(metainfo, pieces, tmp_path, [0, 1])
    monkeypatch.setattr(module, "FLUSH_EVERY", 0.0)
    resume.sync()
    monkeypatch.setattr(module, "FLUSH_EVERY", 30.0)
    storage.write_piece(2, pieces[2])
    resume.mark([2])
    resume.sync()
    resume.close(clean=False)
    monkeypatch.setattr(module, "_boot_id", lambda: b"another boot")
    with (tmp_path / "n/a").open("r+b") as file:  # what the power cut took
        file.seek(2 * PIECE)
        file.write(bytes(PIECE))
    have, doubtful = load(metainfo, tmp_path)
    assert have == {0, 1}
    assert 2 in doubtful


def test_after_a_clean_stop_and_a_reboot_nothing_is_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metainfo, pieces = build(TREE)
    _, resume = download(metainfo, pieces, tmp_path, pieces)
    resume.close()
    monkeypatch.setattr(module, "_boot_id", lambda: b"another boot")
    assert load(metainfo, tmp_path) == (set(pieces), set())


def test_only_the_pieces_of_a_changed_file_are_hashed(tmp_path: Path) -> None:
    metainfo, pieces = build(TREE, "v2")
    _, resume = download(metainfo, pieces, tmp_path, pieces)
    resume.close()
    (tmp_path / "n/b").write_bytes(b"x" * 2 * PIECE)
    changed = set(metainfo.file_pieces(next(k for k, f in enumerate(metainfo.files) if f.path == ("n", "b"))))
    assert load(metainfo, tmp_path) == (set(pieces) - changed, changed)
    (tmp_path / "n/b").unlink()
    assert load(metainfo, tmp_path) == (set(pieces) - changed, set())


def test_data_without_resume_data_is_hashed_and_absent_data_is_not(tmp_path: Path) -> None:
    metainfo, pieces = build(TREE)
    assert load(metainfo, tmp_path) == (set(), set())
    download(metainfo, pieces, tmp_path, pieces)
    (tmp_path / "resume" / Resume(metainfo, tmp_path, tmp_path / "resume").file.name).unlink()
    assert load(metainfo, tmp_path) == (set(), set(pieces))


def test_any_damage_to_the_resume_file_is_survived(tmp_path: Path) -> None:
    metainfo, pieces = build(TREE)
    storage, resume = download(metainfo, pieces, tmp_path, [0, 1])
    resume.sync()
    storage.write_piece(3, pieces[3])
    resume.mark([3])
    resume.close(clean=False)
    file = resume.file
    good = file.read_bytes()
    for at in range(len(good)):
        for bad in (good[:at], good[:at] + bytes([good[at] ^ 0x55]) + good[at + 1 :]):
            file.write_bytes(bad)
            have, doubtful = load(metainfo, tmp_path)
            assert have <= {0, 1, 3}
            assert {0, 1, 3} <= have | doubtful
    for bad in (good + b"\0" * 8, good + b"junk", good * 2, b"x" * 1000, b""):
        file.write_bytes(bad)
        load(metainfo, tmp_path)
    file.unlink()
    file.mkdir()
    load(metainfo, tmp_path)


def test_resume_data_of_another_torrent_is_none(tmp_path: Path) -> None:
    metainfo, pieces = build(TREE)
    _, resume = download(metainfo, pieces, tmp_path, pieces)
    resume.close()
    other, _ = build(TREE, "v2")
    mine = Resume(other, tmp_path, tmp_path / "resume")
    resume.file.rename(mine.file)
    have, _ = mine.load()
    assert not indices(have)


def test_a_resume_file_that_cannot_be_written_costs_no_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metainfo, pieces = build(TREE)
    blocked = tmp_path / "blocked"
    blocked.write_bytes(b"")
    resume = Resume(metainfo, tmp_path, blocked)
    resume.load()
    storage = Storage(metainfo, tmp_path)
    storage.write_piece(0, pieces[0])
    resume.mark([0])
    with pytest.raises(StorageError):
        resume.sync()
    blocked.unlink()
    resume.sync()
    resume.close(clean=False)
    have, _ = Resume(metainfo, tmp_path, blocked).load()
    assert indices(have) == {0}


def test_a_torn_mark_stops_the_journal_until_the_next_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metainfo, pieces = build(TREE)
    storage, resume = download(metainfo, pieces, tmp_path, [0])
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(data)[:3]))
    for index in (1, 2):
        storage.write_piece(index, pieces[index])
        resume.mark([index])
    monkeypatch.undo()
    assert load(metainfo, tmp_path)[0] == {0}
    resume.sync()
    assert load(metainfo, tmp_path)[0] == {0, 1, 2}


def test_part_files_count_and_their_loss_is_noticed(tmp_path: Path) -> None:
    metainfo, pieces = build({(b"a",): PIECE + 100, (b"b",): 3 * PIECE})
    wanted = {0: 1, 1: 0}
    storage = Storage(metainfo, tmp_path, wanted=wanted)
    resume = Resume(metainfo, tmp_path, tmp_path / "resume")
    resume.load()
    for index in (0, 1):
        storage.write_piece(index, pieces[index])
        resume.mark([index])
    resume.close()
    storage.close()
    have, doubtful = Resume(metainfo, tmp_path, tmp_path / "resume").load()
    assert (indices(have), doubtful) == ({0, 1}, [])
    next(tmp_path.glob(".*.parts")).unlink()
    have, doubtful = Resume(metainfo, tmp_path, tmp_path / "resume").load()
    assert (indices(have), doubtful) == ({0}, [])


_WRITER = """
import random, sys
from pathlib import Path
from axon.peer import resume as module
from axon.peer.resume import Resume
from axon.peer.storage import Storage
from tests.peer.test_resume import KILLED
from tests.peer.test_storage import build
metainfo, pieces = build(KILLED)
root = Path(sys.argv[1])
module.FLUSH_EVERY = 0.01
storage, resume = Storage(metainfo, root), Resume(metainfo, root, root / "resume")
have, doubtful = resume.load()
known = {k for k in pieces if have[k >> 3] & 128 >> (k & 7)}
for index in doubtful:
    if storage.check(index):
        resume.mark([index])
        known.add(index)
random.seed(sys.argv[2])
missing = sorted(set(pieces) - known)
random.shuffle(missing)
print("ready", flush=True)
for index in missing:
    storage.write_piece(index, pieces[index])
    resume.mark([index])
    print(index, flush=True)
    if random.random() < 0.1:
        resume.sync()
    if random.random() < 0.05:
        resume.close()
        resume.load()
resume.close()
"""
KILLED = {(b"%d" % k,): length for k, length in enumerate([100_000, 5, 0, 2_400_000, 16384, 33_000])}


def test_kill_9_at_any_instant_loses_nothing_marked_and_believes_nothing_false(tmp_path: Path) -> None:
    metainfo, _ = build(KILLED)
    dice = random.Random(7)
    reported = set[int]()
    for run in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, tmp_path, str(run)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        with process:
            assert process.stdout.readline() == "ready\n"
            lines = [process.stdout.readline() for _ in range(dice.randrange(30))]
            time.sleep(dice.random() * 0.01)
            process.send_signal(signal.SIGKILL)
            # The last line may be cut; what was printed whole was marked.
            lines += process.stdout.read().split("\n")[:-1]
        reported |= {int(line) for line in lines if line.strip().isdigit()}
        have, _ = load(metainfo, tmp_path)
        # Stronger than safety: after a mere kill what was marked need not even be hashed again.
        assert reported <= have, f"run {run}: {reported - have}"
    assert len(reported) > 30
