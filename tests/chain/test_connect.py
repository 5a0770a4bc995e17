"""Which node and which key: flags, then ``AXON_*``; keystores and their passwords."""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from axon.chain import rpc
from axon.chain.connect import add_connection, connect, load_deployment
from axon.chain.deploy import deploy_system
from axon.chain.embedded import EmbeddedChain
from axon.chain.wallet import KeyWallet
from axon.errors import ConfigError
from axon.ids import Account

URL = "http://127.0.0.1:1"
NAMES = ("RPC", "KEY_FILE", "KEYSTORE", "PASSWORD_FILE", "DEPLOYMENT", "CONFIRMATIONS")


class Node:
    """Stands for `RpcChain`: keeps what it was made of."""

    def __init__(self, url: str, wallet: KeyWallet | None = None, confirmations: int = 0) -> None:
        self.url, self.wallet, self.confirmations = url, wallet, confirmations

    @property
    def account(self) -> Account | None:
        return None if self.wallet is None else self.wallet.account


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(f"AXON_{name}", raising=False)
    monkeypatch.setattr(rpc, "RpcChain", Node)


def parse(*argv: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_connection(parser)
    return parser.parse_args([str(a) for a in argv])


def connected(*argv: object) -> Any:
    return connect(parse(*argv))


def key_file(path: Path, byte: int) -> Account:
    path.write_text(bytes([byte] * 32).hex())
    return KeyWallet(bytes([byte] * 32)).account


@pytest.fixture(scope="module")
def keystore(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Account]:
    path = tmp_path_factory.mktemp("keys") / "keystore.json"
    wallet = KeyWallet(b"\x09" * 32)
    wallet.save_keystore(path, "correct horse")
    return path, wallet.account


def test_flags_beat_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = key_file(tmp_path / "ours", 1), key_file(tmp_path / "theirs", 2)
    monkeypatch.setenv("AXON_RPC", "http://other")
    monkeypatch.setenv("AXON_KEY_FILE", str(tmp_path / "theirs"))
    monkeypatch.setenv("AXON_CONFIRMATIONS", "7")
    chain = connected()
    assert (chain.url, chain.account, chain.confirmations) == ("http://other", theirs, 7)
    chain = connected("--rpc", URL, "--key-file", tmp_path / "ours", "--confirmations", 2)
    assert (chain.url, chain.account, chain.confirmations) == (URL, ours, 2)


def test_a_keystore_given_beats_a_key_file_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keystore: tuple[Path, Account]
) -> None:
    """Else one would pay from an account that one did not name."""
    key_file(tmp_path / "key", 3)
    (tmp_path / "password").write_text("correct horse\n")
    monkeypatch.setenv("AXON_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("AXON_PASSWORD_FILE", str(tmp_path / "password"))
    assert connected("--rpc", URL, "--keystore", keystore[0]).account == keystore[1]


def test_two_keys_are_one_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keystore: tuple[Path, Account]
) -> None:
    key_file(tmp_path / "key", 3)
    with pytest.raises(ConfigError, match="which key"):
        connected("--rpc", URL, "--keystore", keystore[0], "--key-file", tmp_path / "key")
    monkeypatch.setenv("AXON_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("AXON_KEYSTORE", str(keystore[0]))
    with pytest.raises(ConfigError, match="which key"):
        connected("--rpc", URL)


def test_without_a_key_one_reads(tmp_path: Path) -> None:
    assert connected("--rpc", URL).account is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "No such file"),
        ("", "wallet"),
        ("00" * 32, "wallet"),
        ("ff" * 32, "wallet"),
        ("11" * 31, "31 bytes"),
        ("not hexadecimal", "wallet"),
        ("{}", "wallet|password"),
        ('{"crypto": 7}', "wallet|password"),
        ("[1, 2", "wallet"),
    ],
)
def test_a_bad_key_is_one_clear_line(tmp_path: Path, text: str | None, reason: str) -> None:
    path = tmp_path / "key"
    if text is not None:
        path.write_text(text)
    (tmp_path / "password").write_text("x")
    flag = "--keystore" if text is not None and text.startswith("{") else "--key-file"
    with pytest.raises(ConfigError, match=reason) as caught:
        connected("--rpc", URL, flag, path, "--password-file", tmp_path / "password")
    assert "\n" not in str(caught.value)
    if text:
        assert text not in str(caught.value)  # a key never reaches a terminal


def test_passwords_are_asked_of_a_terminal_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keystore: tuple[Path, Account]
) -> None:
    arguments = ("--rpc", URL, "--keystore", keystore[0])
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(ConfigError, match="give --password-file"):
        connected(*arguments)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda prompt: "correct horse")
    assert connected(*arguments).account == keystore[1]
    monkeypatch.setattr("getpass.getpass", lambda prompt: "wrong")
    with pytest.raises(ConfigError, match="wallet"):
        connected(*arguments)
    with pytest.raises(ConfigError, match="password"):
        connected(*arguments, "--password-file", tmp_path / "missing")


@pytest.mark.parametrize("blocks", ["-1", "many", "1.5", "²"])
def test_confirmations_are_a_number(blocks: str) -> None:
    with pytest.raises(ConfigError, match="confirmations"):
        connected("--rpc", URL, f"--confirmations={blocks}")


def test_missing_settings_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="AXON_RPC"):
        connected()
    chain = EmbeddedChain()
    with pytest.raises(ConfigError, match="AXON_DEPLOYMENT"):
        load_deployment(parse(), chain)
    (tmp_path / "bad.json").write_text("[]")
    with pytest.raises(ConfigError, match="deployment"):
        load_deployment(parse("--deployment", tmp_path / "bad.json"), chain)


def test_a_deployment_of_another_chain_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deployment.json"
    deploy_system(EmbeddedChain()).save(path)
    with pytest.raises(ConfigError, match="is about chain 31337, the node's is 1"):
        load_deployment(parse("--deployment", path), EmbeddedChain(chain_id=1))


@pytest.mark.parametrize("module", ["wallet", "jsonrpc", "rpc", "contract", "peer_commands"])
def test_the_recursion_limit_stays_as_it_is(module: str) -> None:
    """With the 100,000 of a library, nested JSON of a stranger ends the process."""
    code = "import sys; limit = sys.getrecursionlimit; before = limit(); "
    code += f"import axon.chain.{module}; assert limit() == before"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
