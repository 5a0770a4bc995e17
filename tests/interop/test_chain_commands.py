"""``axon pool`` and the peer's chain commands against a real node."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account as EthAccount

from axon.chain import commands, peer_commands
from axon.chain.artifacts import artifact
from axon.chain.contract import deploy
from axon.chain.rpc import RpcChain
from axon.chain.wallet import KeyWallet
from axon.keys import NodeSecret
from axon.peer import __main__ as peer
from axon.tracker.pools import Pools
from tests.interop.anvil import MNEMONIC, anvil, travel

pytestmark = pytest.mark.interop
INFO_HASH = "ab" * 20


@pytest.fixture(scope="module")
def node() -> Iterator[str]:
    with anvil() as url:
        yield url


def test_a_pool_by_commands_alone(
    node: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    EthAccount.enable_unaudited_hdwallet_features()
    secret = bytes(EthAccount.from_mnemonic(MNEMONIC).key)
    key = tmp_path / "key"
    key.write_text(secret.hex() + "\n")
    monkeypatch.setenv("AXON_RPC", node)
    monkeypatch.setenv("AXON_KEY_FILE", str(key))
    monkeypatch.setenv("AXON_DEPLOYMENT", str(tmp_path / "deployment.json"))

    def run(program: Any, *argv: object) -> dict[str, Any]:
        status = program.main([*map(str, argv), "--json"])
        out, err = capsys.readouterr()
        assert status == 0, err
        answer: dict[str, Any] = json.loads(out)
        return answer

    def fails(program: Any, *argv: object) -> str:
        assert program.main([*map(str, argv)]) == 1
        return capsys.readouterr().err

    verifier = run(commands, "deploy", tmp_path / "deployment.json", "--verifier")["verifier"]
    assert run(commands, "register-tracker", tmp_path / "bls")["tracker"] == 0
    assert "already registered" in fails(commands, "register-tracker", tmp_path / "bls")
    chain = RpcChain(node, KeyWallet(secret))
    token = deploy(chain, artifact("mocks/token"), "T", "T")
    token.transact("mint", chain.account, 1_000)
    address = "0x" + token.address.hex()

    (tmp_path / "film").write_bytes(bytes(640 * 16_384))
    torrent = tmp_path / "film.torrent"
    info_hash = run(peer, "create", tmp_path / "film", "-o", torrent, "--version", "v1")["info_hash"]
    create = ["create", INFO_HASH, "--token", address, "--verifier", verifier, "--tracker", 0]
    create += ["--epochs", 2, "--epoch-length", 100, "--claim-window", 100]
    assert "give --c" in fails(commands, *create)
    create[1] = str(torrent)
    pool = run(commands, *create, "--weight", "cd" * 32 + "=7")["pool"]
    assert run(commands, "stake", pool, address, 1_000)["received"] == 1_000
    shown = run(commands, "show", pool)
    assert shown["tokens"] == [{"token": address, "parameter": 0, "carried": 1_000, "reserved": 0}]
    assert (shown["c"], shown["quorum"], shown["sybil_budget"]) == (640, 1, 1 / 16)
    assert commands.main(["show", pool]) == 0
    assert info_hash in capsys.readouterr().out

    NodeSecret.load_or_create(tmp_path / "node.key")
    (found,) = run(peer, "pools", torrent)["pools"]
    assert found["pool"] == pool
    assert "never joined" in fails(peer_commands, "claim", pool)
    assert run(peer, "join", pool, "--key", tmp_path / "node.key")["index"] == 0
    rules = tmp_path / "pools.json"
    for _ in range(2):  # the second replaces the first
        assert run(commands, "export", pool, torrent, rules) == {
            "output": str(rules),
            "pools": 1,
            "members": 1,
        }
    (known,) = (Pools.load(rules).known or {}).values()
    assert (known.info_hash.hex(), known.blocks) == (info_hash, 640)
    assert known.members == {NodeSecret.load(tmp_path / "node.key").public}
    assert "not an info-hash" in fails(commands, "export", pool, INFO_HASH, rules)
    assert "already joined" in fails(peer_commands, "join", pool, "--key", tmp_path / "node.key")
    assert run(peer_commands, "claim", pool) == {"epochs": [], "paid": {}, "credited": {}}
    run(peer_commands, "leave", pool)
    assert "not over yet" in fails(commands, "withdraw", pool)
    travel(node, 400)
    assert run(commands, "withdraw", pool)["withdrawn"] == [{"token": address, "amount": 1_000}]


def test_missing_settings_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AXON_RPC", "AXON_KEY_FILE", "AXON_KEYSTORE", "AXON_DEPLOYMENT"):
        monkeypatch.delenv(name, raising=False)
    assert commands.main(["show", "0x" + "11" * 20]) == 1
    assert "AXON_RPC" in capsys.readouterr().err
