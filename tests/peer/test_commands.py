"""The command line as people and scripts use it: output, signals, exit codes."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from axon.peer.__main__ import main
from axon.receiptlog import ReceiptLog
from tests.peer.swarming import make_file, make_torrent


@pytest.fixture
def torrent(tmp_path):
    return make_torrent(make_file(tmp_path / "seed", 300_000), tmp_path / "t.torrent")


_started = []


@pytest.fixture(autouse=True)
def nothing_is_left_running():
    yield
    while _started:
        process = _started.pop()
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def start(*arguments):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AXON_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "axon.peer", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    _started.append(process)
    return process


def end(process, number=signal.SIGTERM):
    process.send_signal(number)
    out, err = process.communicate(timeout=90)
    return process.returncode, out, err


def listening(process):
    line = process.stdout.readline()
    assert line.startswith("listening on 127.0.0.1:"), line
    return line.split()[-1]


def test_seed_and_download_between_two_processes(torrent, tmp_path):
    common = ["--listen", "127.0.0.1:0", "--no-trackers"]
    seed = start("seed", torrent, "--dir", tmp_path / "seed", *common, "--data", tmp_path / "a")
    address = listening(seed)
    leech = start(
        "download", torrent, "--dir", tmp_path / "out", "--peer", address, *common, "--data", tmp_path / "b"
    )
    out, err = leech.communicate(timeout=90)
    assert (leech.returncode, err) == (0, "")
    assert "file.bin: complete and verified" in out
    assert (tmp_path / "seed" / "file.bin").read_bytes() == (tmp_path / "out" / "file.bin").read_bytes()
    assert end(seed)[0] == 0
    verify = start("verify", torrent, "--dir", tmp_path / "out")
    assert verify.wait(90) == 0
    receipts = start("receipts", "--data", tmp_path / "a", "--json")
    out, _ = receipts.communicate(timeout=90)
    assert [json.loads(line)["blocks"] for line in out.splitlines()] == [19]
    export = start("receipts", "--data", tmp_path / "b", "--export", tmp_path / "r.jsonl")
    assert export.wait(90) == 0
    rows = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert rows[-1]["role"] == "given" and rows[-1]["blocks"] == 19


def test_ctrl_c_ends_a_download_within_five_seconds_with_130(torrent, tmp_path):
    leech = start(
        "download", torrent, "--dir", tmp_path / "out", "--listen", "127.0.0.1:0", "--data", tmp_path / "b"
    )
    listening(leech)
    begun = time.monotonic()
    code, out, err = end(leech, signal.SIGINT)
    assert (code, err) == (130, "")
    assert time.monotonic() - begun < 5
    assert "stopping" in out


def test_however_often_it_is_asked_to_end_a_seed_ends_by_itself(torrent, tmp_path):
    seed = start(
        "seed", torrent, "--dir", tmp_path / "seed", "--listen", "127.0.0.1:0", "--data", tmp_path / "a"
    )
    listening(seed)
    for _ in range(20_000):  # to the last instant, when the interpreter takes its handlers down
        if seed.poll() is not None:
            break
        seed.terminate()
        time.sleep(0.0005)
    assert seed.returncode in (0, 1)  # 1 where a second one came in time to interrupt the clean end


def test_seeding_what_is_not_there_fails_with_one_line(torrent, tmp_path):
    seed = start("seed", torrent, "--dir", tmp_path / "none", "--listen", "127.0.0.1:0", "--data", tmp_path)
    _, err = seed.communicate(timeout=90)
    assert seed.returncode == 1
    assert err.count("\n") == 1
    assert "0 of 10 pieces" in err


def test_a_taken_port_fails_with_one_line(torrent, tmp_path):
    one = start(
        "seed", torrent, "--dir", tmp_path / "seed", "--listen", "127.0.0.1:0", "--data", tmp_path / "a"
    )
    address = listening(one)
    two = start("seed", torrent, "--dir", tmp_path / "seed", "--listen", address, "--data", tmp_path / "b")
    _, err = two.communicate(timeout=90)
    assert two.returncode == 1
    assert err.startswith("axon peer: cannot listen on 127.0.0.1 port ") and err.count("\n") == 1
    end(one)


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["show", "no-such.torrent"], "no-such.torrent"),
        (["download", "no-such.torrent"], "no-such.torrent"),
        (["download", "magnet:?xt=urn:btih:12"], "want 40"),
        (["receipts", "--data", "no-such-folder"], "no receipts yet"),
        (["create", "no-such-file"], "no-such-file"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_1(argv, complaint, capsys):
    assert main(argv) == 1
    err = capsys.readouterr().err
    assert err.startswith("axon peer: ") and err.count("\n") == 1
    assert complaint in err


def test_create_show_and_verify(tmp_path, capsys):
    path = make_file(tmp_path, 100_000)
    torrent = tmp_path / "x.torrent"
    options = ["--announce", "http://t/announce", "--private", "--comment", "for you", "--version", "v2"]
    assert main(["create", str(path), "-o", str(torrent), *options]) == 0
    capsys.readouterr()
    assert main(["show", str(torrent), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["private"] and shown["version"] == "v2" and shown["comment"] == "for you"
    assert main(["verify", str(torrent), "--dir", str(tmp_path)]) == 0
    path.write_bytes(b"x" + path.read_bytes()[1:])
    assert main(["verify", str(torrent), "--dir", str(tmp_path)]) == 1


def test_the_key_is_made_once(tmp_path, capsys):
    assert main(["key", "--data", str(tmp_path)]) == 0
    first = capsys.readouterr().out
    assert main(["key", "--data", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["node_key"] == first.strip()
    assert (tmp_path / "node.key").stat().st_mode & 0o777 == 0o600


def test_kill_9_loses_nothing_that_was_verified_and_no_receipt_is_signed_twice(tmp_path):
    torrent = make_torrent(make_file(tmp_path / "seed", 3_000_000), tmp_path / "t.torrent")
    common = ["--listen", "127.0.0.1:0", "--no-trackers", "--json"]
    seed = start(
        "seed", torrent, "--dir", tmp_path / "seed", "--max-up", "2M", *common, "--data", tmp_path / "a"
    )
    address = f"127.0.0.1:{json.loads(seed.stdout.readline())['port']}"
    have = 0
    for round_ in range(6):
        leech = start(
            "download",
            torrent,
            "--dir",
            tmp_path / "out",
            "--peer",
            address,
            *common,
            "--data",
            tmp_path / "b",
        )
        added = {}
        while added.get("event") != "added":
            added = json.loads(leech.stdout.readline())
        assert added["have"] >= have, "verified pieces were lost"
        have = added["have"]
        try:
            leech.wait(0.6 if round_ < 5 else 30)
        except subprocess.TimeoutExpired:
            leech.kill()
        leech.communicate()
        if leech.returncode == 0:
            break
    assert leech.returncode == 0
    assert end(seed)[0] == 0
    assert (tmp_path / "seed" / "file.bin").read_bytes() == (tmp_path / "out" / "file.bin").read_bytes()
    for data in (tmp_path / "a", tmp_path / "b"):
        log = ReceiptLog(data / "receipts.sqlite")
        assert not log.equivocations()
        receipts = list(log.latest())
        assert receipts and all(receipt.verifies() and receipt.blocks <= 184 for receipt in receipts)
        log.close()
