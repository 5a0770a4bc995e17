"""The aggregator's commands as a stranger types them; those that need a node are in tests/interop."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from axon.aggregator.__main__ import main
from axon.aggregator.config import parse_config
from axon.errors import ConfigError
from axon.ids import Account, Epoch, format_account
from axon.receiptexport import export_json_lines
from axon.receiptlog import ReceiptLog, Role
from axon.rewards.pools import PoolMember, PoolRules
from tests.rewards.test_collect import ALICE, BOB, CAROL, POOL, SCOPE, joined, receipt

SUBMITTER = "0x" + "ab" * 20


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with pools.json, a log of five receipts (one of them for too many blocks), and an export."""
    members = [joined(secret, k) for k, secret in enumerate((ALICE, BOB, CAROL), 1)]
    rules = PoolRules(
        1,
        POOL,
        SCOPE.info_hash,
        1000,
        0,
        3600,
        1000,
        1 << 32,
        1 << 12,
        ((ALICE.public, 5),),
        tuple(PoolMember(m.account, m.key, m.binding) for m in members if m.key),
        bytes(32),
    )
    (tmp_path / "pools.json").write_text(json.dumps({"pools": [rules.to_json()]}))
    log = ReceiptLog(tmp_path / "log.sqlite")
    log.append(
        Role.RECEIVED,
        [
            receipt(ALICE, BOB.public, 600),
            receipt(ALICE, CAROL.public, 300),
            receipt(CAROL, BOB.public, 50),
            receipt(BOB, CAROL.public, 5000),
            receipt(ALICE, BOB.public, 9, scope=SCOPE._replace(epoch=Epoch(7))),
        ],
    )
    with (tmp_path / "log.jsonl").open("w") as file:
        export_json_lines(log, file)
    log.close()
    return tmp_path


def shares(files: Path, *more: str, source: str = "log.sqlite") -> int:
    pools = str(files / "pools.json")
    return main(["shares", str(files / source), "--pools", pools, "--epoch", "0", *more])


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def test_shares_as_json_list_every_peer_and_every_refusal(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shares(files, "--json") == 0
    report = printed(capsys)
    assert [peer["share"] > 0 for peer in report["peers"]] == [False, True, True]
    assert [peer["served"] for peer in report["peers"]] == [0, 650, 300]
    assert [refused["reason"] for refused in report["refused"]] == ["SET_RULE"]
    assert sum(peer["share"] for peer in report["peers"]) + report["rollover"] == 1 << 48
    assert 0 < report["sybil_bound"] < 1 / 3


def test_a_log_and_its_export_give_the_same_shares(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert shares(files, "--json") == 0
    first = printed(capsys)
    assert shares(files, "--json", source="log.jsonl") == 0
    assert printed(capsys) == first


def test_shares_as_a_table_say_what_was_refused(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert shares(files) == 0
    out = capsys.readouterr().out
    assert "refused SET_RULE: 5000 blocks acknowledged, the torrent has 1000" in out
    assert format_account(Account(bytes(19) + b"\x02")) in out


def test_shares_as_parquet_and_report(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import duckdb

    assert shares(files, "--parquet", str(files / "t.parquet"), "--report", str(files / "report")) == 0
    rows = duckdb.sql(f"SELECT served FROM '{files / 't.parquet'}' ORDER BY index").fetchall()
    assert rows == [(0,), (650,), (300,)]
    assert json.loads((files / "report" / "report.json").read_text())["edges"] == 3
    assert (files / "report" / "report.png").read_bytes()[:4] == b"\x89PNG"


def test_a_proof_is_made_checked_and_refused_when_changed(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = files / "proof.json"
    prove = [
        "prove",
        str(files / "log.sqlite"),
        "--pools",
        str(files / "pools.json"),
        "--epoch",
        "0",
        "--json",
    ]
    assert main([*prove, "--options", "offchain-100", "--submitter", SUBMITTER, "--out", str(out)]) == 0
    assert printed(capsys)["proven_bits"] >= 100
    assert main(["verify", str(out), "--json"]) == 0
    assert printed(capsys)["valid"] is True
    changed = json.loads(out.read_text())
    changed["shares"][1] += 1
    out.write_text(json.dumps(changed))
    assert main(["verify", str(out)]) == 1
    assert capsys.readouterr().err.startswith("axon aggregator: ")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["shares", "nowhere.sqlite", "--pools", "POOLS", "--epoch", "0"], "nowhere.sqlite: no such file"),
        (["shares", "LOG", "--epoch", "0"], "want --pools and --epoch"),
        (["shares", "LOG", "--pools", "LOG", "--epoch", "0"], "pools "),
        (["shares", "LOG", "--pools", "POOLS", "--epoch", "0", "--pool", SUBMITTER], "0 of 1 pools fit"),
        (["prove", "LOG", "--pools", "POOLS", "--epoch", "0"], "want --submitter"),
        (["verify", "nowhere.json"], "nowhere.json: No such file"),
        (["verify", "POOLS"], "file: "),
        (["verify"], "want --rpc, --pool and --epoch"),
        (["settle", "--epoch", "0"], "want --rpc, --pool and --epoch"),
        (["matrix", "--rpc", "http://127.0.0.1:1", "--pool", SUBMITTER, "--epoch", "0"], "127.0.0.1:1"),
        (["rules", "--pool", SUBMITTER], "want --rpc and --pool"),
        (["omissions"], "want --tracker, --answer and --submission"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    files: Path, argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"POOLS": str(files / "pools.json"), "LOG": str(files / "log.sqlite")}
    assert main([names.get(word, word) for word in argv]) == 1
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("argv", [[], ["nonsense"], ["shares"], ["settle", "--epoch", "-1"]])
def test_a_wrong_command_line_exits_with_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    assert "--help" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", ["shares", "prove", "verify", "settle", "rules", "matrix", "omissions", "simulate", "bench"]
)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert "--json" in capsys.readouterr().out


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    toml = tmp_path / "a.toml"
    toml.write_text(
        'epoch = 1\nrpc = "http://file"\ntimeout = 9\n[settle]\ntracker = ["http://one", "http://two"]\n'
    )
    environ = {"AXON_CONFIG": str(toml), "AXON_EPOCH": "2", "AXON_RPC": "http://env", "AXON_DRY_RUN": "yes"}
    config = parse_config(["settle", "--epoch", "3"], environ)
    assert (config.epoch, config.rpc, config.timeout, config.dry_run) == (3, "http://env", 9.0, True)
    assert config.tracker == ("http://one", "http://two")
    assert parse_config(["matrix"], environ | {"AXON_TRACKER": "http://x http://y"}).tracker == (
        "http://x",
        "http://y",
    )
    assert replace(config, epoch=2) == parse_config(["settle"], environ)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour = 1", "unknown setting 'colour'"),
        ("epoch = -1", "epoch: '-1'"),
        ("tracker = 'http://x'", "is not a list"),
        ("dry-run = 'perhaps'", "neither true nor false"),
        ("epoch = ", "a.toml: "),
    ],
)
def test_a_wrong_file_is_a_clear_error(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        parse_config(["settle"], {"AXON_CONFIG": str(tmp_path / "a.toml")})
